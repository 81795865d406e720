//! The release of Debian that images are of: `[release]` of `manifests/sources.toml`, which its suites and their keys stand below.
//! Names of images, manifests and locks, what a disk's menu says and what the tests ask an archive for come from here.

const SOURCES: &str = include_str!("../../../manifests/sources.toml");

/// Its number: `13`.
pub const NUMBER: &str = quoted("\n[release]\nnumber = \"");

/// Its codename, which is the name of its suite: `trixie`.
pub const CODENAME: &str = quoted("\ncodename = \"");

/// The operating system, as manifests and names of files have it: `debian-13`.
pub const OS: &str = crate::joined!("debian-", NUMBER);

const _: () = assert!(!NUMBER.is_empty() && !CODENAME.is_empty(), "manifests/sources.toml has no release");

/// What `sources.toml` has between `start` and the next quote; nothing where it has not.
const fn quoted(start: &str) -> &'static str {
    match split(SOURCES, start) {
        Some((_, rest)) => match split(rest, "\"") {
            Some((text, _)) => text,
            None => "",
        },
        None => "",
    }
}

/// `str::split_once`, at compile time.
const fn split(text: &'static str, at: &str) -> Option<(&'static str, &'static str)> {
    let (bytes, pattern) = (text.as_bytes(), at.as_bytes());
    let mut start = 0;
    while start + pattern.len() <= bytes.len() {
        let mut same = 0;
        while same < pattern.len() && bytes[start + same] == pattern[same] {
            same += 1;
        }
        if same == pattern.len() {
            let (before, rest) = text.split_at(start);
            return Some((before, rest.split_at(pattern.len()).1));
        }
        start += 1;
    }
    None
}

/// How long `parts` are, one after another.
#[must_use]
pub const fn length(parts: &[&str]) -> usize {
    let (mut length, mut at) = (0, 0);
    while at < parts.len() {
        length += parts[at].len();
        at += 1;
    }
    length
}

/// The bytes of `parts`, one after another.
#[must_use]
pub const fn bytes<const N: usize>(parts: &[&str]) -> [u8; N] {
    let (mut out, mut filled, mut at) = ([0; N], 0, 0);
    while at < parts.len() {
        let (part, mut next) = (parts[at].as_bytes(), 0);
        while next < part.len() {
            out[filled] = part[next];
            filled += 1;
            next += 1;
        }
        at += 1;
    }
    out
}

/// Constants of text as one constant: `concat!` for what is not a literal.
#[macro_export]
macro_rules! joined {
    ($($part:expr),+ $(,)?) => {{
        const PARTS: &[&str] = &[$($part),+];
        const BYTES: [u8; $crate::release::length(PARTS)] = $crate::release::bytes(PARTS);
        const TEXT: &str = match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            // parts of text are text
            Err(_) => "",
        };
        TEXT
    }};
}

/// The name of the operating system between two texts: `of_release!("base.", ".amd64")`.
#[macro_export]
macro_rules! of_release {
    ($before:expr, $after:expr) => {
        $crate::joined!($before, $crate::release::OS, $after)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_that_of_the_main_suite() {
        let sources: toml::Table = toml::from_str(SOURCES).unwrap();
        let release = &sources["release"];
        assert_eq!(
            (release["number"].as_str(), release["codename"].as_str()),
            (Some(NUMBER), Some(CODENAME))
        );
        assert_eq!(of_release!("base.", ".amd64"), format!("base.debian-{NUMBER}.amd64"));
    }
}
