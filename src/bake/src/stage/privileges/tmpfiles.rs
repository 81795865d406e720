//! Lines of tmpfiles.d(5) that do more than make and clean what their owner has below `/run`, `/tmp` and `/var`.

use super::is_at;
use std::collections::BTreeSet;
use tree::name::{ImagePath, Name};
use tree::{Node, Origin, Tree};

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
    lines(text).filter_map(move |words| {
        let (kind, path) = (words.first()?, words.get(1)?);
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

/// Whether services usually have directories of their own around `path`.
pub(super) fn is_usual(path: &ImagePath) -> bool {
    USUAL.iter().any(|top| is_below(path.as_str(), top)) && !is_at_or_below(path.as_str())
}

/// The lines of a package that only a manifest vouches for.
pub(super) struct UntrustedLines<'t> {
    tree: &'t Tree,
    owner: &'t Origin,
    name: &'t Name,
    /// What its lines make that may lead elsewhere: links, and copies of what may have some.
    links: BTreeSet<String>,
}

impl<'t> UntrustedLines<'t> {
    /// Those of the component `name`: `texts` are all its files.
    pub(super) fn of(tree: &'t Tree, owner: &'t Origin, name: &'t Name, texts: &[String]) -> Self {
        let links = texts.iter().flat_map(|text| lines(text)).filter_map(|words| match words.as_slice() {
            [kind, path, ..] if kind.starts_with(['L', 'C']) => Some(path.trim_end_matches('/').to_owned()),
            _ => None,
        });
        Self { tree, owner, name, links: links.collect() }
    }

    /// The lines of `text` that do more than care for directories of its own, beyond those that are [`sensitive`] for anybody.
    pub(super) fn lines(&self, text: &str) -> Vec<String> {
        lines(text).filter(|words| self.is_strange(words)).map(|words| words.join(" ")).collect()
    }

    fn is_strange(&self, words: &[&str]) -> bool {
        let [kind, path, rest @ ..] = words else { return true };
        let field = |nth: usize| rest.get(nth).copied().filter(|word| *word != "-");
        // what quotes and escapes make of a line is not worth telling
        let is_quoted = words.iter().take(6).any(|word| word.contains(['"', '\'', '\\']));
        // devices, attributes and capabilities; `w` writes where a link leads
        let does_more = kind.starts_with(['b', 'c', 'h', 'H', 't', 'T', 'w']);
        let mode = field(0).map(|mode| mode.trim_start_matches([':', '~']));
        let is_odd = mode.is_some_and(|mode| u32::from_str_radix(mode, 8).is_err());
        let copies_others = kind.starts_with('C')
            && field(4).is_some_and(|from| {
                let known = from.parse().ok().and_then(|from: ImagePath| self.tree.get(&from));
                !known.is_some_and(|known| known.is_only_of(self.owner))
            });
        is_quoted
            || does_more
            || is_odd
            || copies_others
            || path.contains('%')
            || path.split('/').any(|part| [".", "..", ".ssh"].contains(&part))
            || !self.is_own(path)
            || self.goes_over_a_link(kind, path)
    }

    /// Whether a path is in a directory that is called after the package, and is no place that root reads.
    fn is_own(&self, path: &str) -> bool {
        let Some(below) = USUAL.iter().find_map(|top| path.strip_prefix(top)) else { return false };
        let first = below.split('/').next().unwrap_or_default();
        let is_called_so = first
            .strip_prefix(self.name.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.']));
        is_called_so && !is_read(path)
    }

    /// Whether a path is, or is reached by, a link or a copy that the package itself makes.
    fn goes_over_a_link(&self, kind: &str, path: &str) -> bool {
        let makes_one = kind.starts_with(['L', 'C']);
        let path = path.trim_end_matches('/');
        let literal = path.find(['*', '?', '[', '%']).and_then(|at| path.get(..at));
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        let above = ends.filter_map(|end| path.get(..end)).any(|at| {
            let is_itself = makes_one && at == path;
            let is_link = at
                .parse()
                .ok()
                .and_then(|at: ImagePath| self.tree.get(&at))
                .is_some_and(|entry| matches!(entry.node, Node::Symlink(_)) && entry.is_of(self.owner));
            !is_itself && (is_link || self.links.contains(at))
        });
        // a pattern goes over all that is there
        let matched = literal.is_some_and(|literal| {
            let below = self.tree.iter().any(|(at, entry)| {
                at.as_str().starts_with(literal)
                    && matches!(entry.node, Node::Symlink(_))
                    && entry.is_of(self.owner)
            });
            below || self.links.iter().any(|link| link.starts_with(literal))
        });
        above || matched
    }
}

/// The words of each line that is not a comment.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.first().is_some_and(|kind| !kind.starts_with('#')))
}

/// Whether a line is about a path that is not its owner's: in a place of root's, someone else's, or one that cannot be told.
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
    let others = |entry: &tree::Entry| !entry.origins.is_empty() && !entry.is_of(owner);
    tree.get(&path).is_some_and(others)
}

/// Whether root's programs read what is at `path`: many look into `/run/x.d` as they do into `/etc/x.d`.
fn is_read(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let path =
        path.strip_prefix("/var/run/").map_or_else(|| path.to_owned(), |below| format!("/run/{below}"));
    let twin = path.strip_prefix("/run/").map(|below| format!("/etc/{below}"));
    let known = |path: &String| path.parse().is_ok_and(|path: ImagePath| super::strangers::is_place(&path));
    known(&path) || twin.as_ref().is_some_and(known)
}

/// Whether `path` is in `top`, with at least the beginning of a name.
fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|name| !name.is_empty())
}

fn is_at_or_below(path: &str) -> bool {
    ROOTS.iter().any(|root| path.starts_with(root) || path == root.trim_end_matches('/'))
}
