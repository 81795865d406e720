//! The files as a script sees them: a base that is only read, and all that was changed above it.
//!
//! Nothing of the host is touched. Each change is recorded with its origin; what was looked up in the base is remembered,
//! so that a result can be kept by what it depends on. Maintainer scripts run as root, whose permissions are not checked; where
//! one becomes another user for a command, that user's are.

mod change;
mod path;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

pub use change::{Change, What};
pub use path::{absolute, base_name, join, parent};

use crate::failure::{Limits, Origin};

/// Bytes of a path, a word or a file.
pub type Bytes = Vec<u8>;

/// The sorts of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, and what it says.
    Link(Bytes),
    /// A named pipe.
    Fifo,
    /// A character device.
    Char(u32, u32),
    /// A block device.
    Block(u32, u32),
}

/// What is known of a node without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Its sort.
    pub kind: Kind,
    /// Permission bits, with set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length of the content in bytes.
    pub size: u64,
    /// Time of the last change, seconds since 1970.
    pub mtime: i64,
}

/// The tree that scripts start from. Paths are absolute and canonical: `/`, `/etc/passwd`.
pub trait Base: Sync {
    /// The node at `path` itself, links not followed.
    fn lookup(&self, path: &[u8]) -> Option<Meta>;
    /// The names in the directory `path`.
    fn list(&self, path: &[u8]) -> Vec<Bytes>;
    /// The content of the regular file `path`.
    ///
    /// # Errors
    /// The text of what is wrong.
    fn read(&self, path: &[u8]) -> Result<Bytes, String>;
}

/// Why an operation on files fails: those of errno that occur, and the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each says what it is")]
pub enum Errno {
    #[error("No such file or directory")]
    NoEntry,
    #[error("Not a directory")]
    NotDirectory,
    #[error("Is a directory")]
    IsDirectory,
    #[error("File exists")]
    Exists,
    #[error("Directory not empty")]
    NotEmpty,
    #[error("Too many levels of symbolic links")]
    Loop,
    #[error("Invalid argument")]
    Invalid,
    #[error("File name too long")]
    NameTooLong,
    #[error("Input/output error")]
    Io,
    #[error("Permission denied")]
    Denied,
    #[error("Operation not permitted")]
    NotPermitted,
    /// More bytes or changes than the limits allow; not an errno.
    #[error("limit")]
    Limit,
}

/// The content of a regular file.
#[derive(Debug, Clone)]
pub enum Content {
    /// That of a file of the base.
    Base(Bytes),
    /// Bytes that a script wrote.
    Own(Rc<Vec<u8>>),
}

/// A node above the base.
#[derive(Debug, Clone)]
pub struct Node {
    /// All but its content.
    pub meta: Meta,
    /// Its content, when it is a regular file.
    pub content: Content,
    /// A number for each change, to say which of two files is newer.
    pub stamp: u64,
    /// What setcap gave it.
    pub capabilities: Option<String>,
}

/// Who acts, where it is not root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Its number.
    pub uid: u32,
    /// Its group, which what it makes belongs to.
    pub gid: u32,
    /// The other groups that it is in.
    pub groups: Vec<u32>,
}

impl Actor {
    /// Whether it may do what these bits say, `4` to read, `2` to write, `1` to search or run.
    fn may(&self, meta: &Meta, bits: u32) -> bool {
        let shift = if meta.uid == self.uid {
            6
        } else if meta.gid == self.gid || self.groups.contains(&meta.gid) {
            3
        } else {
            0
        };
        (meta.mode >> shift) & bits == bits
    }
}

/// A base and the changes above it.
pub struct Files<'a> {
    base: &'a dyn Base,
    hidden: HashSet<Bytes>,
    over: BTreeMap<Bytes, Option<usize>>,
    nodes: Vec<Node>,
    looked: std::cell::RefCell<BTreeSet<Bytes>>,
    changes: Vec<Change>,
    /// Who makes the changes now.
    pub origin: Origin,
    /// The time that every change gets.
    pub now: i64,
    /// As whom, when not as root.
    pub actor: Option<Actor>,
    limits: Limits,
    written: u64,
    stamp: u64,
}

impl<'a> Files<'a> {
    /// The base, unchanged. Every change gets the time `now`.
    #[must_use]
    pub fn new(base: &'a dyn Base, now: i64, limits: Limits) -> Self {
        Self {
            base,
            hidden: HashSet::new(),
            over: BTreeMap::new(),
            nodes: Vec::new(),
            looked: std::cell::RefCell::default(),
            changes: Vec::new(),
            origin: Origin { package: String::new(), script: String::new(), line: 0 },
            now,
            actor: None,
            limits,
            written: 0,
            stamp: 0,
        }
    }

    /// Hides paths of the base, for packages that are not unpacked yet.
    pub fn hide(&mut self, paths: impl IntoIterator<Item = Bytes>) {
        self.hidden.extend(paths);
    }

    /// Shows paths again: their package is unpacked. What was removed or written at them before gives way, except for
    /// directories.
    pub fn reveal<'p>(&mut self, paths: impl IntoIterator<Item = &'p Bytes>) {
        for path in paths {
            self.hidden.remove(path);
            let gives_way = match self.over.get(path) {
                Some(None) => true,
                Some(Some(id)) => self.nodes.get(*id).is_some_and(|node| node.meta.kind != Kind::Directory),
                None => false,
            };
            if gives_way && self.base.lookup(path).is_some() {
                self.over.remove(path);
            }
        }
    }

    /// Whether whoever acts may do what these bits say with the node at a canonical path; one that is not there denies nothing.
    pub(crate) fn permit(&self, at: &[u8], bits: u32) -> Result<(), Errno> {
        match (&self.actor, self.actor.as_ref().and_then(|_| self.meta(at))) {
            (Some(actor), Some(meta)) if !actor.may(&meta, bits) => Err(Errno::Denied),
            _ => Ok(()),
        }
    }

    /// Whether whoever acts is root or owns the node at a canonical path.
    fn owns(&self, at: &[u8]) -> Result<(), Errno> {
        match (&self.actor, self.actor.as_ref().and_then(|_| self.meta(at))) {
            (Some(actor), Some(meta)) if meta.uid != actor.uid => Err(Errno::NotPermitted),
            _ => Ok(()),
        }
    }

    /// Whether whoever acts may remove or rename what is at a canonical path: a directory with the sticky bit lets only owners.
    fn may_unlink(&self, at: &[u8]) -> Result<(), Errno> {
        let above = parent(at);
        self.permit(above, 3)?;
        let sticky = self.actor.is_some() && self.meta(above).is_some_and(|meta| meta.mode & 0o1000 != 0);
        if sticky { self.owns(at).or_else(|_| self.owns(above)) } else { Ok(()) }
    }

    /// The paths of the base that were looked up.
    #[must_use]
    pub fn looked(&self) -> BTreeSet<Bytes> {
        self.looked.borrow().clone()
    }

    /// The changes in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What stands above the base at last: each path with its node, or nothing where it was removed.
    pub fn overlay(&self) -> impl Iterator<Item = (&Bytes, Option<&Node>)> {
        self.over.iter().map(|(path, id)| (path, id.and_then(|id| self.nodes.get(id))))
    }

    /// Which node above the base stands at a path, to see which paths are one file.
    #[must_use]
    pub fn identity(&self, at: &[u8]) -> Option<usize> {
        self.over.get(at).copied().flatten()
    }

    /// The node at a canonical path itself.
    #[must_use]
    pub fn meta(&self, at: &[u8]) -> Option<Meta> {
        match self.over.get(at) {
            Some(None) => None,
            Some(Some(id)) => self.nodes.get(*id).map(|node| node.meta.clone()),
            None => self.of_base(at),
        }
    }

    fn of_base(&self, at: &[u8]) -> Option<Meta> {
        if self.hidden.contains(at) {
            return None;
        }
        self.looked.borrow_mut().insert(at.to_vec());
        self.base.lookup(at)
    }

    /// The number of the last change of the node at a canonical path: greater is newer.
    #[must_use]
    pub fn age(&self, at: &[u8]) -> Option<(i64, u64)> {
        let meta = self.meta(at)?;
        let stamp = self.identity(at).and_then(|id| self.nodes.get(id)).map_or(0, |node| node.stamp);
        Some((meta.mtime, stamp))
    }

    /// The names in the directory at a canonical path, sorted.
    ///
    /// # Errors
    /// When it is not a directory.
    pub fn list(&self, at: &[u8]) -> Result<Vec<Bytes>, Errno> {
        match self.meta(at).ok_or(Errno::NoEntry)?.kind {
            Kind::Directory => {}
            _ => return Err(Errno::NotDirectory),
        }
        self.permit(at, 4)?;
        let mut names = BTreeSet::new();
        if !self.hidden.contains(at) {
            self.looked.borrow_mut().insert(at.to_vec());
            for name in self.base.list(at) {
                let whole = join(at, &name);
                if !self.hidden.contains(&whole) && !self.over.contains_key(&whole) {
                    names.insert(name);
                }
            }
        }
        let prefix = if at == b"/" { b"/".to_vec() } else { [at, b"/"].concat() };
        for (path, id) in self.over.range(prefix.clone()..) {
            let Some(rest) = path.strip_prefix(&prefix[..]) else { break };
            if id.is_some() && !rest.is_empty() && !rest.contains(&b'/') {
                names.insert(rest.to_vec());
            }
        }
        Ok(names.into_iter().collect())
    }

    /// The content of the regular file at a canonical path.
    ///
    /// # Errors
    /// When it is not a regular file.
    pub fn content(&self, at: &[u8]) -> Result<Rc<Vec<u8>>, Errno> {
        match self.meta(at).ok_or(Errno::NoEntry)?.kind {
            Kind::File => {}
            Kind::Directory => return Err(Errno::IsDirectory),
            _ => return Err(Errno::Io),
        }
        self.permit(at, 4)?;
        match self.over.get(at) {
            Some(Some(id)) => self.bytes_of(*id),
            _ => self.base.read(at).map(Rc::new).map_err(|_| Errno::Io),
        }
    }

    /// The content of a regular file as its package brings it, whatever has become of it.
    ///
    /// # Errors
    /// When the base has no such file.
    pub fn original(&self, path: &[u8]) -> Result<Bytes, Errno> {
        self.looked.borrow_mut().insert(path.to_vec());
        match self.base.lookup(path).map(|meta| meta.kind) {
            Some(Kind::File) => self.base.read(path).map_err(|_| Errno::Io),
            Some(_) => Err(Errno::Invalid),
            None => Err(Errno::NoEntry),
        }
    }

    fn bytes_of(&self, id: usize) -> Result<Rc<Vec<u8>>, Errno> {
        match self.nodes.get(id).map(|node| &node.content) {
            Some(Content::Own(bytes)) => Ok(Rc::clone(bytes)),
            Some(Content::Base(path)) => self.base.read(path).map(Rc::new).map_err(|_| Errno::Io),
            None => Err(Errno::Io),
        }
    }

    /// Resolves and reads, following links.
    ///
    /// # Errors
    /// As the steps do.
    pub fn read(&self, path: &[u8]) -> Result<Rc<Vec<u8>>, Errno> {
        let at = self.resolve(path, true)?;
        self.content(&at)
    }

    /// The node at a path with links followed.
    #[must_use]
    pub fn stat(&self, path: &[u8]) -> Option<Meta> {
        self.resolve(path, true).ok().and_then(|at| self.meta(&at))
    }

    /// The node at a path, a link at its end not followed.
    #[must_use]
    pub fn lstat(&self, path: &[u8]) -> Option<Meta> {
        self.resolve(path, false).ok().and_then(|at| self.meta(&at))
    }

    /// The canonical path of an absolute path: links on the way, and with `follow` at the end, are resolved. The last
    /// component need not be there.
    ///
    /// # Errors
    /// When a directory on the way is missing or is none, or links go in circles.
    pub fn resolve(&self, path: &[u8], follow: bool) -> Result<Bytes, Errno> {
        if path.len() > 4096 {
            return Err(Errno::NameTooLong);
        }
        if path.is_empty() {
            return Err(Errno::NoEntry);
        }
        let mut at: Bytes = b"/".to_vec();
        let mut rest: Vec<Bytes> =
            path.split(|&b| b == b'/').filter(|part| !part.is_empty()).rev().map(<[u8]>::to_vec).collect();
        let directory = path.ends_with(b"/");
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match self.meta(&at).map(|meta| meta.kind) {
                Some(Kind::Directory) => {}
                Some(_) => return Err(Errno::NotDirectory),
                None => return Err(Errno::NoEntry),
            }
            self.permit(&at, 1)?;
            if part == b"." {
                continue;
            }
            if part == b".." {
                at = parent(&at).to_vec();
                continue;
            }
            if part.len() > 255 {
                return Err(Errno::NameTooLong);
            }
            let next = join(&at, &part);
            let last = rest.is_empty();
            match self.meta(&next).map(|meta| meta.kind) {
                Some(Kind::Link(target)) if !last || follow || directory => {
                    links += 1;
                    if links > 40 {
                        return Err(Errno::Loop);
                    }
                    if target.starts_with(b"/") {
                        at = b"/".to_vec();
                    }
                    rest.extend(
                        target.split(|&b| b == b'/').filter(|p| !p.is_empty()).rev().map(<[u8]>::to_vec),
                    );
                }
                None if !last => return Err(Errno::NoEntry),
                Some(Kind::Directory) | None => at = next,
                Some(_) if directory && last => return Err(Errno::NotDirectory),
                Some(_) => at = next,
            }
        }
        Ok(at)
    }
}
