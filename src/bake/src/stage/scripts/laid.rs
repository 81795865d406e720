//! A tree as scripts see it: `debian::files::Base`.

use super::Read;
use crate::stage::bytes_of;
use debian::files::{Base, Bytes, Kind, Meta};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tree::name::ImagePath;
use tree::refusal::Refusal;
use tree::{Content, Entry, Node, Origin, Tree};

/// Which units an image starts is the recipe's to say, by `[units]`; its presets are for machines that boot, and are not there
/// when packages are installed.
const PRESETS: [&str; 4] = [
    "/etc/systemd/system-preset/",
    "/etc/systemd/user-preset/",
    "/usr/lib/systemd/system-preset/",
    "/usr/lib/systemd/user-preset/",
];

/// Larger files are useless to a script; the interpreter holds no more in one variable.
const MOST_READ: u64 = 64 << 20;

/// A tree with an index of its directories.
pub(super) struct IndexedTree<'a> {
    tree: &'a Tree,
    read: Read<'a>,
    names: HashMap<&'a str, Vec<&'a str>>,
    entries: HashMap<&'a str, &'a Entry>,
    /// Why a file could not be read.
    refused: Mutex<Option<Refusal>>,
}

impl<'a> IndexedTree<'a> {
    /// The tree, not changed while this is there.
    pub(super) fn new(tree: &'a Tree, read: Read<'a>) -> Self {
        let mut names: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut entries = HashMap::new();
        for (path, entry) in tree.iter() {
            if is_hidden(path, entry) {
                continue;
            }
            entries.insert(path.as_str(), entry);
            let Some((parent, name)) = path.as_str().rsplit_once('/') else { continue };
            if !name.is_empty() {
                names.entry(if parent.is_empty() { "/" } else { parent }).or_default().push(name);
            }
        }
        Self { tree, read, names, entries, refused: Mutex::new(None) }
    }

    /// The first refusal of the store, which a script has seen as an error of its own.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The entry at a path; that of a hard link is the file's.
    fn entry(&self, path: &[u8]) -> Option<&'a Entry> {
        // the interpreter asks by whole paths without `.`, `..` and empty parts, as the tree has them
        let mut entry = *self.entries.get(std::str::from_utf8(path).ok()?)?;
        // a chain is no longer than there are entries, unless it is a circle
        for _ in 0..self.tree.len() {
            match &entry.node {
                Node::Hardlink(target) => entry = self.tree.get(target)?,
                _ => return Some(entry),
            }
        }
        None
    }

    fn content(&self, path: &[u8]) -> Option<&'a Content> {
        match &self.entry(path)?.node {
            Node::File(content) => Some(content),
            _ => None,
        }
    }
}

/// Whether scripts do not see an entry.
fn is_hidden(path: &ImagePath, entry: &Entry) -> bool {
    PRESETS.iter().any(|place| path.as_str().starts_with(place))
        && entry.origins.iter().any(|origin| matches!(origin, Origin::Recipe { .. }))
}

impl Base for IndexedTree<'_> {
    fn lookup(&self, path: &[u8]) -> Option<Meta> {
        let entry = self.entry(path)?;
        let (kind, size) = match &entry.node {
            Node::Directory => (Kind::Directory, 4096),
            Node::File(content) => (Kind::File, content.len()),
            Node::Symlink(target) => (Kind::Link(target.as_bytes().to_vec()), target.len() as u64),
            Node::Character { major, minor } => (Kind::Char(*major, *minor), 0),
            Node::Block { major, minor } => (Kind::Block(*major, *minor), 0),
            Node::Fifo => (Kind::Fifo, 0),
            // `entry` has followed it
            Node::Hardlink(_) => return None,
        };
        let tree::Meta { mode, uid, gid, mtime, .. } = entry.meta;
        Some(Meta { kind, mode: u32::from(mode), uid, gid, size, mtime })
    }

    fn list(&self, path: &[u8]) -> Vec<Bytes> {
        let names = std::str::from_utf8(path).ok().and_then(|path| self.names.get(path));
        names.into_iter().flatten().map(|name| name.as_bytes().to_vec()).collect()
    }

    fn read(&self, path: &[u8]) -> Result<Bytes, String> {
        let content = self.content(path).ok_or_else(|| "it is not a regular file".to_owned())?;
        if content.len() > MOST_READ {
            return Err(format!("expected at most {MOST_READ} bytes, found {}", content.len()));
        }
        bytes_of(content, self.read).map_err(|refusal| {
            let text = refusal.to_string();
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
            text
        })
    }
}
