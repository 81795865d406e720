//! Which entry of the tree is which inode, and what each directory holds.
//!
//! Numbers are given in the order of paths, so that the same tree has the same numbers. A hard link is one more name
//! of its file's inode. `/lost+found` is there even where the tree has none: `fsck` wants it.

use super::Options;
use super::unfit::Unfit;
use std::borrow::Cow;
use std::collections::HashMap;
use tree::name::ImagePath;
use tree::{Meta, Node, Tree};

/// The root directory.
pub(super) const ROOT: u32 = 2;
/// What holds the blocks that the descriptors grow into.
pub(super) const RESIZE: u32 = 7;
/// The journal.
pub(super) const JOURNAL: u32 = 8;
/// `/lost+found`: the first that is not reserved.
pub(super) const LOST_FOUND: u32 = 11;

const LOST_FOUND_PATH: &str = "/lost+found";
/// Most names that a file may have; a directory with more reads as one of which it is not known.
const MOST_LINKS: u32 = 65_000;

/// An inode in use.
#[derive(Debug)]
pub(super) struct Inode<'t> {
    /// Its number.
    pub(super) number: u32,
    /// Its lowest path.
    pub(super) path: &'t str,
    /// Mode, owner, time, attributes.
    pub(super) meta: Cow<'t, Meta>,
    /// What it is; never a hard link.
    pub(super) node: &'t Node,
    /// The key of the tree, where it is from there.
    pub(super) key: Option<&'t ImagePath>,
    /// The number of the directory that it is in.
    pub(super) parent: u32,
    /// What `stat` says of its links.
    pub(super) links: u32,
    /// What a directory holds, in the order of names.
    pub(super) children: Vec<Child<'t>>,
}

/// An entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Child<'t> {
    /// Its name.
    pub(super) name: &'t str,
    /// Its inode.
    pub(super) number: u32,
    /// The type, as directories say it.
    pub(super) sort: u8,
}

/// All inodes but those of the file system itself, in the order of their numbers.
pub(super) fn inodes<'t>(tree: &'t Tree, options: &Options) -> Result<Vec<Inode<'t>>, Unfit> {
    let mut all: Vec<Inode<'t>> = Vec::with_capacity(tree.len() + 1);
    let mut places: HashMap<&'t str, usize> = HashMap::with_capacity(tree.len());
    for (key, entry) in tree.iter() {
        let path = key.as_str();
        if path == "/" {
            let meta = Cow::Borrowed(&entry.meta);
            places.insert(path, 0);
            all.push(Inode {
                number: ROOT,
                path,
                meta,
                node: &entry.node,
                key: None,
                parent: ROOT,
                links: 2,
                children: Vec::new(),
            });
            places.insert(LOST_FOUND_PATH, 1);
            all.push(lost_found(tree, options)?);
            join(&mut all, 0, LOST_FOUND_PATH, 1)?;
            continue;
        }
        if path == LOST_FOUND_PATH {
            continue;
        }
        let above = path.rfind('/').map_or("/", |at| if at == 0 { "/" } else { &path[..at] });
        let parent = *places.get(above).ok_or_else(|| Unfit::Orphan(path.to_owned()))?;
        let place = match &entry.node {
            Node::Hardlink(target) => *places
                .get(target.as_str())
                .filter(|&&place| matches!(all[place].node, Node::File(_)))
                .ok_or_else(|| Unfit::Hardlink(path.to_owned(), target.to_string()))?,
            node => {
                let last = all.last().map_or(LOST_FOUND, |inode| inode.number);
                let number = last.checked_add(1).ok_or(Unfit::Inodes(u64::from(last) + 1))?;
                let links = if *node == Node::Directory { 2 } else { 0 };
                let meta = Cow::Borrowed(&entry.meta);
                let parent = all[parent].number;
                all.push(Inode {
                    number,
                    path,
                    meta,
                    node,
                    key: Some(key),
                    parent,
                    links,
                    children: Vec::new(),
                });
                places.insert(path, all.len() - 1);
                all.len() - 1
            }
        };
        join(&mut all, parent, path, place)?;
    }
    if all.is_empty() {
        return Err(Unfit::Orphan("/".to_owned()));
    }
    for inode in &mut all {
        if inode.links > MOST_LINKS {
            match inode.node {
                Node::Directory => inode.links = 1,
                _ => return Err(Unfit::Links(inode.path.to_owned(), inode.links)),
            }
        }
    }
    Ok(all)
}

/// Puts the inode at `place` into the directory at `parent` under the last part of `path`.
fn join<'t>(all: &mut [Inode<'t>], parent: usize, path: &'t str, place: usize) -> Result<(), Unfit> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.len() > 255 {
        return Err(Unfit::Name(path.to_owned(), name.len()));
    }
    let child = Child { name, number: all[place].number, sort: sort(all[place].node) };
    match all[place].node {
        Node::Directory => all[parent].links += 1,
        _ => all[place].links += 1,
    }
    if *all[parent].node != Node::Directory {
        return Err(Unfit::Orphan(path.to_owned()));
    }
    all[parent].children.push(child);
    Ok(())
}

fn lost_found<'t>(tree: &'t Tree, options: &Options) -> Result<Inode<'t>, Unfit> {
    let known = LOST_FOUND_PATH.parse().ok().and_then(|path: ImagePath| tree.get(&path));
    let meta = match known {
        Some(entry) if entry.node == Node::Directory => Cow::Borrowed(&entry.meta),
        Some(_) => return Err(Unfit::LostFound(LOST_FOUND_PATH.to_owned())),
        None => Cow::Owned(Meta::root(0o700, options.epoch)),
    };
    let (path, node) = (LOST_FOUND_PATH, &Node::Directory);
    Ok(Inode {
        number: LOST_FOUND,
        path,
        meta,
        node,
        key: None,
        parent: ROOT,
        links: 2,
        children: Vec::new(),
    })
}

/// The type of an entry, as directories say it.
fn sort(node: &Node) -> u8 {
    match node {
        Node::File(_) | Node::Hardlink(_) => 1,
        Node::Directory => 2,
        Node::Character { .. } => 3,
        Node::Block { .. } => 4,
        Node::Fifo => 5,
        Node::Symlink(_) => 7,
    }
}
