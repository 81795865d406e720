//! Paths as bytes.

use super::Bytes;

/// `name` in the directory `at`.
#[must_use]
pub fn join(at: &[u8], name: &[u8]) -> Bytes {
    if at == b"/" { [b"/", name].concat() } else { [at, b"/", name].concat() }
}

/// The directory of a canonical path.
#[must_use]
pub fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'/') {
        None | Some(0) => b"/",
        Some(at) => path.get(..at).unwrap_or(b"/"),
    }
}

/// The last component of a path, without trailing slashes.
#[must_use]
pub fn base_name(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
    let path = path.get(..end).unwrap_or_default();
    let start = path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    path.get(start..).unwrap_or_default()
}

/// `path`, from the directory `cwd` when it is relative. An empty path stays empty, as the kernel refuses it.
#[must_use]
pub fn absolute(cwd: &[u8], path: &[u8]) -> Bytes {
    if path.is_empty() || path.starts_with(b"/") { path.to_vec() } else { join(cwd, path) }
}
