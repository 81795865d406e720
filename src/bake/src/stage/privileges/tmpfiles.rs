//! Lines of tmpfiles.d(5) that do more than make and clean what their owner has below `/run`, `/tmp` and `/var`.

use super::is_at;
use crate::name::ImagePath;
use crate::tree::{Origin, Tree};

/// Where the files are.
const DIRECTORIES: [&str; 3] = ["/etc/tmpfiles.d/", "/usr/lib/tmpfiles.d/", "/usr/local/lib/tmpfiles.d/"];
/// Below these services have directories of their own.
const USUAL: [&str; 8] =
    ["/run/", "/tmp/", "/var/cache/", "/var/lib/", "/var/log/", "/var/run/", "/var/spool/", "/var/tmp/"];
/// But not these: what is there is read or run as root, or holds keys.
const ROOTS: [&str; 17] = [
    "/run/credentials/",
    "/run/dbus/",
    "/run/log/",
    "/run/sudo/",
    "/run/systemd/",
    "/run/udev/",
    "/run/user/",
    "/var/lib/apt/",
    "/var/lib/cloud/",
    "/var/lib/dpkg/",
    "/var/lib/kubelet/",
    "/var/lib/containerd/",
    "/var/lib/polkit-1/",
    "/var/lib/private/",
    "/var/lib/systemd/",
    "/var/spool/at/",
    "/var/spool/cron/",
];

/// Whether the file at `path` is read by systemd-tmpfiles.
pub(super) fn is_one(path: &ImagePath) -> bool {
    path.as_str().ends_with(".conf") && is_at(path, &DIRECTORIES)
}

/// The lines of `text` that grant something, with single blanks between their words.
pub(super) fn sensitive<'a>(
    tree: &'a Tree,
    owner: &'a Origin,
    text: &'a str,
) -> impl Iterator<Item = String> + 'a {
    text.lines().filter_map(move |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (kind, path) = (words.first()?, words.get(1)?);
        if kind.starts_with('#') {
            return None;
        }
        let mode = words.get(2).map_or("", |mode| mode.trim_start_matches([':', '~']));
        // a set-group-id directory hands its group on, which is all that it does
        let is_special = u32::from_str_radix(mode, 8).is_ok_and(|mode| mode & 0o4000 != 0)
            || (u32::from_str_radix(mode, 8).is_ok_and(|mode| mode & 0o2000 != 0) && !makes_directory(kind));
        (is_special || is_elsewhere(tree, owner, path)).then(|| words.join(" "))
    })
}

fn makes_directory(kind: &str) -> bool {
    kind.starts_with(['d', 'D', 'e', 'v', 'q', 'Q'])
}

/// Whether a line is about a path that is not its owner's: in a place of root's, somebody else's, or one that cannot be told.
fn is_elsewhere(tree: &Tree, owner: &Origin, path: &str) -> bool {
    let path = path.trim_matches(['"', '\'']);
    // a pattern is about all that it can match: what is below the directory before its first special character
    let literal = match path.find(['*', '?', '[', '%', '\\']) {
        Some(at) => path.get(..at).unwrap_or_default(),
        None => path,
    };
    // `%%` and the like are not worth telling apart; nor is what climbs
    let Ok(path) = literal.trim_end_matches('/').parse::<ImagePath>() else { return true };
    if literal.contains("..") || !USUAL.iter().any(|top| is_below(literal, top)) || is_at_or_below(literal) {
        return true;
    }
    let others = |entry: &crate::tree::Entry| !entry.origins.is_empty() && !entry.origins.contains(owner);
    tree.get(&path).is_some_and(others)
}

/// Whether `path` is in `top`, with at least the beginning of a name.
fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|name| !name.is_empty())
}

fn is_at_or_below(path: &str) -> bool {
    ROOTS.iter().any(|root| path.starts_with(root) || path == root.trim_end_matches('/'))
}
