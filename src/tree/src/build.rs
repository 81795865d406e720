//! How a tree comes about: entries go in one by one, and `finish` brings hard links into their one form.
//!
//! A file may have several names. While a tree is being made any of them may hold the content and the others name
//! it; one that is taken away or replaced hands its content to the lowest of the others. Not supported, on purpose: who
//! wins where two want one path. That is `stage`'s to say; here it is an error.

use super::{ALIASES, Entry, Meta, Node, Origin, Tree, TreeError, merged};
use crate::name::ImagePath;
use std::collections::{BTreeMap, BTreeSet};

impl Tree {
    /// Puts `entry` at `path`, brought to its merged form. A directory joins one that is there: the first says mode,
    /// owner and attributes, the time is the later one, the origins add up. A directory at `/bin` and the like is
    /// that of `/usr`.
    pub fn insert(&mut self, path: &ImagePath, mut entry: Entry) -> Result<(), TreeError> {
        let path = place(path, &entry)?;
        if let Node::Hardlink(target) = &mut entry.node {
            *target = merged(target);
        }
        match self.entries.get_mut(&path) {
            None => {
                self.entries.insert(path, entry);
            }
            Some(known) if known.node == Node::Directory && entry.node == Node::Directory => {
                known.meta.mtime = known.meta.mtime.max(entry.meta.mtime);
                known.origins.extend(entry.origins);
            }
            Some(known) => {
                return Err(TreeError::Clash {
                    path,
                    first: named(&known.origins),
                    second: named(&entry.origins),
                });
            }
        }
        Ok(())
    }

    /// Puts a directory at `path`, or gives the one that is there this mode and owner.
    pub fn set_directory(&mut self, path: &ImagePath, meta: Meta, origin: Origin) -> Result<(), TreeError> {
        self.insert(path, Entry { meta: meta.clone(), node: Node::Directory, origins: [origin].into() })?;
        let entry = Entry { meta, node: Node::Directory, origins: BTreeSet::new() };
        if let Some(known) = self.entries.get_mut(&place(path, &entry)?) {
            known.meta = Meta { mtime: known.meta.mtime, ..entry.meta };
        }
        Ok(())
    }

    /// Makes the directories above `path` that are not there, 0755 root:root.
    pub fn make_parents(&mut self, path: &ImagePath, origin: &Origin, mtime: i64) {
        let mut parent = merged(path).parent();
        while let Some(at) = parent {
            if self.entries.contains_key(&at) {
                break;
            }
            parent = at.parent();
            let meta = Meta::root(0o755, mtime);
            self.entries.insert(at, Entry { meta, node: Node::Directory, origins: [origin.clone()].into() });
        }
    }

    /// Takes the entry at `path` away; what lies below a directory stays. Other names of a file keep its content.
    pub fn remove(&mut self, path: &ImagePath) -> Option<Entry> {
        let path = merged(path);
        if matches!(self.entries.get(&path)?.node, Node::File(_) | Node::Hardlink(_)) {
            self.bequeath(&BTreeSet::from([path.clone()]));
        }
        self.entries.remove(&path)
    }

    /// Keeps only what `keep` wants, and the directories that hold it. Other names of a file keep its content.
    pub fn retain(&mut self, mut keep: impl FnMut(&ImagePath, &Entry) -> bool) {
        let mut gone: BTreeSet<ImagePath> = self
            .entries
            .iter()
            .filter(|(path, entry)| !keep(path, entry))
            .map(|(path, _)| path.clone())
            .collect();
        let stays: Vec<ImagePath> =
            self.entries.keys().filter(|path| !gone.contains(*path)).cloned().collect();
        for path in &stays {
            let mut parent = path.parent();
            while let Some(at) = parent {
                if !gone.remove(&at) {
                    break;
                }
                parent = at.parent();
            }
        }
        gone.remove(&ImagePath::root());
        self.bequeath(&gone);
        self.entries.retain(|path, _| !gone.contains(path));
    }

    /// Calls `change` for each entry's mode, owner, time and attributes.
    pub fn change_meta(&mut self, mut change: impl FnMut(&ImagePath, &mut Meta)) {
        self.entries.iter_mut().for_each(|(path, entry)| change(path, &mut entry.meta));
    }

    /// Checks that each entry has its parent, and brings hard links into their form: the lowest name of a file is the
    /// file, the others name it and repeat its mode, owner, time and attributes.
    pub fn finish(mut self) -> Result<Self, TreeError> {
        for (path, entry) in &self.entries {
            let Some(parent) = path.parent() else { continue };
            if self.entries.get(&parent).is_none_or(|above| above.node != Node::Directory) {
                return Err(TreeError::Parent { path: path.clone(), parent, origin: named(&entry.origins) });
            }
        }
        let mut groups: BTreeMap<ImagePath, Vec<ImagePath>> = BTreeMap::new();
        for (path, entry) in &self.entries {
            if let Node::Hardlink(target) = &entry.node {
                let file = self
                    .file_of(target)
                    .ok_or_else(|| TreeError::Hardlink { path: path.clone(), target: target.clone() })?;
                groups.entry(file.clone()).or_default().push(path.clone());
            }
        }
        for (file, mut names) in groups {
            let Some(Entry { meta, node, .. }) = self.entries.get(&file).cloned() else { continue };
            names.push(file);
            names.sort();
            let lowest = names[0].clone();
            for name in names {
                let node = if name == lowest { node.clone() } else { Node::Hardlink(lowest.clone()) };
                if let Some(entry) = self.entries.get_mut(&name) {
                    (entry.meta, entry.node) = (meta.clone(), node);
                }
            }
        }
        Ok(self)
    }

    /// The regular file that `path` is or names, over any number of hard links.
    fn file_of<'a>(&'a self, mut path: &'a ImagePath) -> Option<&'a ImagePath> {
        // a chain is no longer than there are entries, unless it is a circle
        for _ in 0..self.entries.len() {
            match &self.entries.get(path)?.node {
                Node::File(_) => return Some(path),
                Node::Hardlink(target) => path = target,
                _ => return None,
            }
        }
        None
    }

    /// Hands the content of each file that is `gone` to the lowest of its names that is not.
    fn bequeath(&mut self, gone: &BTreeSet<ImagePath>) {
        let mut names: BTreeMap<ImagePath, Vec<ImagePath>> = BTreeMap::new();
        for (path, entry) in &self.entries {
            if let Node::Hardlink(target) = &entry.node
                && !gone.contains(path)
                && let Some(file) = self.file_of(target)
                && (gone.contains(file) || gone.contains(target))
            {
                names.entry(file.clone()).or_default().push(path.clone());
            }
        }
        for (file, names) in names {
            let content = self.entries.get(&file).map(|entry| entry.node.clone());
            let Some((heir, content)) = names.first().zip(content) else { continue };
            let (heir, content) =
                if gone.contains(&file) { (heir.clone(), content) } else { (file.clone(), content) };
            for name in &names {
                let node = if *name == heir { content.clone() } else { Node::Hardlink(heir.clone()) };
                if let Some(entry) = self.entries.get_mut(name) {
                    entry.node = node;
                }
            }
        }
    }
}

/// Where `entry` goes: the merged form of `path`, and for a directory at an alias the directory that it stands for.
pub fn place(path: &ImagePath, entry: &Entry) -> Result<ImagePath, TreeError> {
    if !ALIASES.contains(&path.relative()) {
        return Ok(merged(path));
    }
    let wrong = || TreeError::Alias { path: path.clone(), origin: named(&entry.origins) };
    match &entry.node {
        Node::Directory => format!("/usr{path}").parse().map_err(|_| wrong()),
        Node::Symlink(target) if target.trim_start_matches('/') == format!("usr{path}").as_str() => {
            Ok(path.clone())
        }
        _ => Err(wrong()),
    }
}

/// All owners of an entry, as messages name them.
fn named(origins: &BTreeSet<Origin>) -> String {
    origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
