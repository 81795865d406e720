//! Checked names: once one of these exists, it is safe in a path, a message and a file.

use crate::digest::text_serde;
use crate::refusal::hides;
use std::fmt;
use std::str::FromStr;

pub use provider::Provider;

/// Text that is no name of the expected sort.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{got}` is no {sort}: {rule}")]
pub struct NameError {
    sort: &'static str,
    rule: &'static str,
    got: String,
}

/// What an image is for: `base`, `knd`, `knc`, or a folder of a user's own under `image-recipes/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(String);

/// The name of a component or a Debian package: `containerd`, `libc6`, `g++`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// The machine that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

/// What a node does in a cluster; a user's own kind keeps the role of the kind that it extends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// No part of a cluster.
    None,
    /// Runs pods.
    Worker,
    /// Runs pods and the control plane.
    ControlPlane,
}

/// An absolute, normal path in an image: starts with `/`, no empty, `.` or `..` part, no trailing `/`
/// (the root itself is `/`), at most 4095 bytes with parts of at most 255, no control character and none that is not
/// seen or turns text around.
///
/// Its order is that of its bytes, so that each directory comes before what it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePath(Box<str>);

impl Kind {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Arch {
    /// All of them, in their order.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Debian's name: `amd64`, `arm64`.
    #[must_use]
    pub fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The kernel's name: `x86_64`, `aarch64`.
    #[must_use]
    pub fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The Rust target of static programs.
    #[must_use]
    pub fn musl_target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }
}

impl ImagePath {
    /// `/`.
    #[must_use]
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its leading `/`; empty for the root.
    #[must_use]
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// The directory that holds it; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self.0.rfind('/') {
            _ if &*self.0 == "/" => None,
            None | Some(0) => Some(Self::root()),
            Some(at) => Some(Self(self.0[..at].into())),
        }
    }

    /// Its last part; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// This path with `part`, a relative path, behind it.
    pub fn join(&self, part: &str) -> Result<Self, NameError> {
        if &*self.0 == "/" { format!("/{part}").parse() } else { format!("{}/{part}", self.0).parse() }
    }

    /// Whether it is `directory` or below it.
    #[must_use]
    pub fn is_within(&self, directory: &Self) -> bool {
        &*directory.0 == "/"
            || self.0.strip_prefix(&*directory.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn wrong(sort: &'static str, rule: &'static str, got: &str) -> NameError {
    NameError { sort, rule, got: got.chars().take(160).collect() }
}

impl FromStr for Kind {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            return Err(wrong(
                "kind",
                "a kind is a-z, 0-9 and -, starts with a letter and has at most 32 characters",
                text,
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = (1..=128).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-._".contains(&b));
        if !fits {
            return Err(wrong(
                "name",
                "a name is a-z, 0-9, +, -, . and _, starts with a letter or digit and has at most 128 characters",
                text,
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Arch {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::ALL
            .into_iter()
            .find(|arch| arch.debian() == text)
            .ok_or_else(|| wrong("architecture", "it is one of amd64, arm64", text))
    }
}

impl FromStr for ImagePath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        const SORT: &str = "path in an image";
        let Some(rest) = text.strip_prefix('/') else {
            return Err(wrong(SORT, "it must start with `/`", text));
        };
        if text.len() > 4095 {
            return Err(wrong(SORT, "it has more than 4095 bytes", text));
        }
        if text.contains(hides) {
            return Err(wrong(SORT, "it has a control character or one that is not seen", text));
        }
        if !rest.is_empty() {
            for part in rest.split('/') {
                match part {
                    "" => return Err(wrong(SORT, "it has an empty part", text)),
                    "." | ".." => return Err(wrong(SORT, "`.` and `..` have no place in it", text)),
                    long if long.len() > 255 => {
                        return Err(wrong(SORT, "a part has more than 255 bytes", text));
                    }
                    _ => {}
                }
            }
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.debian())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Worker => "worker",
            Self::ControlPlane => "control-plane",
        })
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(Kind);
text_serde!(Name);
text_serde!(Arch);
text_serde!(ImagePath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_names_are_refused() {
        for case in ["../x", "a/b", "", "a\0b", "a\nb", "\u{1b}[2J", "-a", ".hidden", "A"] {
            assert!(case.parse::<Name>().is_err(), "{case:?}");
            assert!(case.parse::<Kind>().is_err(), "{case:?}");
        }
        for case in ["containerd", "libc6", "g++", "libstdc++6", "python3.13", "0ad", "cni-plugins"] {
            assert_eq!(case.parse::<Name>().unwrap().as_str(), case);
        }
    }

    #[test]
    fn a_path_is_absolute_and_normal() {
        for case in ["", "a", "//", "/a/", "/a//b", "/a/../b", "/./a", "/a\nb"] {
            assert!(case.parse::<ImagePath>().is_err(), "{case:?}");
        }
        assert!(format!("/{}", "a".repeat(256)).parse::<ImagePath>().is_err());
        assert!(format!("/{}", "a/".repeat(2048)).parse::<ImagePath>().is_err());
        let path: ImagePath = "/usr/bin/runc".parse().unwrap();
        assert_eq!(path.parent().unwrap().as_str(), "/usr/bin");
        assert_eq!(path.file_name(), "runc");
        assert_eq!("/usr".parse::<ImagePath>().unwrap().parent(), Some(ImagePath::root()));
        assert_eq!(ImagePath::root().parent(), None);
    }

    #[test]
    fn a_path_has_no_character_that_is_not_seen_or_turns_text_around() {
        let bad = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\
                   \u{202d}\u{202e}\u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{3164}\u{feff}\u{e0041}\u{85}\u{7f}";
        for c in bad.chars() {
            let error = format!("/etc/a{c}b").parse::<ImagePath>().unwrap_err();
            assert_eq!(error.rule, "it has a control character or one that is not seen", "{c:?}");
            assert!(!crate::refusal::shown(&error.to_string()).contains(c), "{c:?} is printed as it is");
        }
        // what is seen is a name, in any script: one of Debian's certificates, Arabic, Hebrew, emoji
        for name in ["NetLock_Arany_=Class_Gold=_Főtanúsítvány.crt", "ملف", "קובץ", "日本語", "🦀"]
        {
            assert_eq!(format!("/etc/{name}").parse::<ImagePath>().unwrap().file_name(), name);
        }
    }

    #[test]
    fn within_counts_whole_parts() {
        let path = |text: &str| text.parse::<ImagePath>().unwrap();
        assert!(path("/usr/bin").is_within(&path("/usr")));
        assert!(path("/usr").is_within(&path("/usr")));
        assert!(!path("/usrlocal").is_within(&path("/usr")));
        assert!(path("/usr").is_within(&ImagePath::root()));
    }
}
