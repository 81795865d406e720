//! What a path of a mirror leads to: a file of the directory, and no other.

use super::request::Request;
use bake::emit::{NOWHERE, OS_IMAGE, VMCONFIG};
use bake::manifest::{Entry, Manifest};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;
use store::sums;
use tree::digest::Sha256;
use tree::name::Name;

/// The largest manifest that is read.
const MOST: u64 = 1 << 20;

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Its bytes.
    pub(super) content: Content,
    /// How many.
    pub(super) len: u64,
    /// Its entity tag: its digest, where that is known.
    pub(super) tag: Option<String>,
    /// When it was changed, as HTTP writes times.
    pub(super) modified: Option<String>,
    /// Its media type.
    pub(super) sort: &'static str,
}

/// The bytes of what was found.
#[derive(Debug)]
pub(super) enum Content {
    /// An open file.
    File(File),
    /// In memory.
    Bytes(Vec<u8>),
}

/// The manifests of `dir` by name, sorted.
pub(super) fn manifests(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| is_manifest(name)));
    }
    names.sort_unstable();
    Ok(names)
}

/// What the request's path leads to.
pub(super) fn find(dir: &Path, request: &Request) -> io::Result<Option<Found>> {
    let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    if !parts.iter().all(|part| is_plain(part)) {
        return Ok(None);
    }
    match parts.as_slice() {
        ["manifests", name] if is_manifest(name) => manifest(dir, name, request),
        [name] if is_manifest(name) => manifest(dir, name, request),
        [name] => file(dir, name),
        ["vmconfig", "artifacts", dependency, version, name] | [dependency, version, name] => {
            if is_published(dir, dependency, version, name)? { file(dir, name) } else { Ok(None) }
        }
        _ => Ok(None),
    }
}

/// Whether a manifest of the directory has this file as this dependency.
fn is_published(dir: &Path, dependency: &str, version: &str, file: &str) -> io::Result<bool> {
    for name in manifests(dir)? {
        let Some(text) = text(dir, &name)? else { continue };
        let Ok(manifest) = bake::manifest::parse(&name, text.as_bytes()) else { continue };
        if of(&manifest, dependency)
            .is_some_and(|(own, url)| own == version && url.ends_with(&format!("/{file}")))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Version and URL of a dependency of `manifest`.
fn of<'m>(manifest: &'m Manifest, dependency: &str) -> Option<(&'m str, &'m str)> {
    match dependency {
        OS_IMAGE => manifest.stock.as_ref().map(|image| (image.version.as_str(), image.url.as_str())),
        VMCONFIG => match manifest.components.get(&dependency.parse::<Name>().ok()?)? {
            Entry::Pinned(pin) => Some((&pin.version, &pin.url)),
            Entry::Unpinned { .. } => None,
        },
        _ => None,
    }
}

/// A manifest; one that does not say where it is published is published here.
fn manifest(dir: &Path, name: &str, request: &Request) -> io::Result<Option<Found>> {
    let Some(mut text) = text(dir, name)? else { return Ok(None) };
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".:-[]".contains(c);
    if !request.host.is_empty() && request.host.chars().all(is_host) {
        text = text.replace(NOWHERE, &format!("http://{}", request.host));
    }
    let tag = Some(format!("\"{}\"", Sha256::of(text.as_bytes()).hex()));
    let (len, content) = (text.len() as u64, Content::Bytes(text.into_bytes()));
    Ok(Some(Found { content, len, tag, modified: None, sort: "application/json" }))
}

fn file(dir: &Path, name: &str) -> io::Result<Option<Found>> {
    let Some(file) = open(dir, name)? else { return Ok(None) };
    let metadata = file.metadata()?;
    let sums = text(dir, sums::NAME)?.and_then(|text| sums::parse(&text).ok()).unwrap_or_default();
    let tag = sums.get(name).map(|digest| format!("\"{}\"", digest.hex()));
    let sort = match name.rsplit('.').next() {
        Some("json") => "application/json",
        Some("gz") => "application/gzip",
        _ => "application/octet-stream",
    };
    let modified = metadata.modified().ok().and_then(http_date);
    Ok(Some(Found { len: metadata.len(), content: Content::File(file), tag, modified, sort }))
}

/// A plain file, no link.
fn open(dir: &Path, name: &str) -> io::Result<Option<File>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    match File::options().read(true).custom_flags(flags).open(dir.join(name)) {
        Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
        // what cannot be opened is not there for whoever asks
        Ok(_) | Err(_) => Ok(None),
    }
}

fn text(dir: &Path, name: &str) -> io::Result<Option<String>> {
    let Some(file) = open(dir, name)? else { return Ok(None) };
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text)?;
    Ok(Some(text))
}

fn is_manifest(name: &str) -> bool {
    name.starts_with("vmconfig_") && name.ends_with(".json")
}

/// A name that stands for itself: no way up, nothing hidden, nothing encoded.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

/// A time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_directory_or_to_what_is_hidden() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("dist");
        std::fs::create_dir_all(dir.join("sub")).unwrap();
        for (path, text) in
            [("secret", "s"), ("dist/a.raw", "a"), ("dist/.a.1-0.part", "p"), ("dist/sub/b", "b")]
        {
            std::fs::write(place.path().join(path), text).unwrap();
        }
        std::os::unix::fs::symlink("../secret", dir.join("link")).unwrap();
        let found = |path: &str| {
            let request = Request { path: path.to_owned(), ..Request::default() };
            find(&dir, &request).unwrap().map(|found| found.len)
        };
        assert_eq!(found("/a.raw"), Some(1));
        for path in [
            "/",
            "/../secret",
            "/%2e%2e/secret",
            "/link",
            "/sub",
            "/sub/b",
            "/.a.1-0.part",
            "//secret",
            "/a.raw/",
            "/os-image/1/a.raw",
            "/vmconfig/artifacts/os-image/1/a.raw",
            "/manifests/a.raw",
            "/a\\b",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn times_are_written_as_http_has_them() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
        assert_eq!(http_date(time).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
