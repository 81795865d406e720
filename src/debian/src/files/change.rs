//! The changes of files, each recorded with its origin.

use std::rc::Rc;

use super::{Bytes, Content, Errno, Files, Kind, Meta, Node, join, parent};
use crate::failure::Origin;

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A regular file was rewritten, or created.
    Write,
    /// Bytes were added to the end of a regular file.
    Append,
    /// It was removed.
    Remove,
    /// It was moved to another path.
    Rename(Bytes),
    /// A directory was made.
    Directory,
    /// A symbolic link was made, with this target.
    Link(Bytes),
    /// It became another name of this file.
    Hard(Bytes),
    /// A device or named pipe was made.
    Node,
    /// It has this mode now.
    Mode(u32),
    /// It has this owner and group now.
    Owner(u32, u32),
    /// It has these capabilities now, as setcap writes them.
    Capabilities(String),
    /// A user joined a group, by their names.
    Join(Bytes, Bytes),
    /// Nothing was changed, for this reason.
    Note(String),
}

/// A change and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who.
    pub origin: Origin,
    /// At which path; for a note the command.
    pub path: Bytes,
    /// What.
    pub what: What,
}

impl Change {
    /// What was changed, in a few words without its origin.
    #[must_use]
    pub fn does(&self) -> String {
        let path = String::from_utf8_lossy(&self.path);
        let lossy = String::from_utf8_lossy;
        match &self.what {
            What::Write => format!("write {path}"),
            What::Append => format!("append to {path}"),
            What::Remove => format!("remove {path}"),
            What::Rename(to) => format!("rename {path} to {}", lossy(to)),
            What::Directory => format!("make directory {path}"),
            What::Link(target) => format!("link {path} to {}", lossy(target)),
            What::Hard(target) => format!("link {path} hard to {}", lossy(target)),
            What::Node => format!("make node {path}"),
            What::Mode(mode) => format!("mode {path} {mode:04o}"),
            What::Owner(uid, gid) => format!("owner {path} {uid}:{gid}"),
            What::Capabilities(text) => format!("capabilities {path} {text}"),
            What::Join(user, group) => format!("user {} joins group {}", lossy(user), lossy(group)),
            What::Note(why) => format!("nothing: {path}: {why}"),
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}  ({})", self.does(), self.origin)
    }
}

impl Files<'_> {
    fn record(&mut self, path: &[u8], what: What) -> Result<(), Errno> {
        if self.changes.len() >= self.limits.changes {
            return Err(Errno::Limit);
        }
        let again = self.changes.last().is_some_and(|last| {
            last.path == path
                && last.what == what
                && last.origin == self.origin
                && !matches!(what, What::Remove)
        });
        if !again {
            self.changes.push(Change { origin: self.origin.clone(), path: path.to_vec(), what });
        }
        Ok(())
    }

    /// Records that a command changes nothing, and why.
    ///
    /// # Errors
    /// When there are too many changes.
    pub fn note(&mut self, command: &[u8], why: &str) -> Result<(), Errno> {
        self.record(command, What::Note(why.to_owned()))
    }

    /// Records that a user joined a group.
    ///
    /// # Errors
    /// When there are too many changes.
    pub fn joined(&mut self, user: &[u8], group: &[u8]) -> Result<(), Errno> {
        self.record(b"/etc/group", What::Join(user.to_vec(), group.to_vec()))
    }

    /// The node at a canonical path, brought above the base.
    fn raise(&mut self, at: &[u8]) -> Result<usize, Errno> {
        if let Some(id) = self.identity(at) {
            return Ok(id);
        }
        let meta = self.meta(at).ok_or(Errno::NoEntry)?;
        Ok(self.place(at, meta, Content::Base(at.to_vec())))
    }

    fn place(&mut self, at: &[u8], meta: Meta, content: Content) -> usize {
        self.stamp += 1;
        let id = self.nodes.len();
        self.nodes.push(Node { meta, content, stamp: self.stamp, capabilities: None });
        self.over.insert(at.to_vec(), Some(id));
        id
    }

    fn new_meta(&self, kind: Kind, mode: u32) -> Meta {
        let (uid, gid) = self.actor.as_ref().map_or((0, 0), |actor| (actor.uid, actor.gid));
        Meta { kind, mode, uid, gid, size: 0, mtime: self.now }
    }

    fn parent_is_directory(&self, at: &[u8]) -> Result<(), Errno> {
        match self.meta(parent(at)).map(|meta| meta.kind) {
            Some(Kind::Directory) => Ok(()),
            Some(_) => Err(Errno::NotDirectory),
            None => Err(Errno::NoEntry),
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), Errno> {
        if bytes > self.limits.bytes {
            return Err(Errno::Limit);
        }
        self.written += bytes as u64;
        if self.written > self.limits.written { Err(Errno::Limit) } else { Ok(()) }
    }

    fn fill(&mut self, id: usize, bytes: Vec<u8>) {
        self.stamp += 1;
        let (stamp, now) = (self.stamp, self.now);
        if let Some(node) = self.nodes.get_mut(id) {
            node.meta.size = bytes.len() as u64;
            node.meta.mtime = now;
            node.stamp = stamp;
            node.content = Content::Own(Rc::new(bytes));
        }
    }

    /// Opens a regular file for writing: creates it with `mode` when missing. Returns its node's number.
    ///
    /// # Errors
    /// When it is a directory, or its directory is missing.
    pub fn open(&mut self, path: &[u8], mode: u32) -> Result<usize, Errno> {
        let at = self.resolve(path, true)?;
        match self.meta(&at).map(|meta| meta.kind) {
            Some(Kind::File) => {
                self.permit(&at, 2)?;
                self.raise(&at)
            }
            Some(Kind::Directory) => Err(Errno::IsDirectory),
            Some(_) => Err(Errno::Invalid),
            None if path.ends_with(b"/") => Err(Errno::IsDirectory),
            None => {
                self.parent_is_directory(&at)?;
                self.permit(parent(&at), 3)?;
                let meta = self.new_meta(Kind::File, mode);
                let id = self.place(&at, meta, Content::Own(Rc::default()));
                self.record(&at, What::Write)?;
                Ok(id)
            }
        }
    }

    /// Writes all of a regular file; one that is missing is created with `mode`.
    ///
    /// # Errors
    /// As `open`, and when the limits are reached.
    pub fn write(&mut self, path: &[u8], bytes: Vec<u8>, mode: u32) -> Result<(), Errno> {
        self.count(bytes.len())?;
        let id = self.open(path, mode)?;
        let at = self.resolve(path, true)?;
        self.fill(id, bytes);
        self.record(&at, What::Write)
    }

    /// The bytes of a node that `open` returned.
    ///
    /// # Errors
    /// When it is none.
    pub fn node_bytes(&self, id: usize) -> Result<Rc<Vec<u8>>, Errno> {
        self.bytes_of(id)
    }

    /// Writes into a node that `open` returned, at an offset or at its end.
    ///
    /// # Errors
    /// When the limits are reached.
    pub fn node_write(
        &mut self,
        id: usize,
        offset: Option<usize>,
        bytes: &[u8],
        path: &[u8],
    ) -> Result<usize, Errno> {
        let mut content = Rc::unwrap_or_clone(self.bytes_of(id)?);
        let offset = offset.unwrap_or(content.len());
        let end = offset.checked_add(bytes.len()).ok_or(Errno::Limit)?;
        self.count(bytes.len())?;
        self.count(0)?;
        if end > self.limits.bytes {
            return Err(Errno::Limit);
        }
        if content.len() < end {
            content.resize(end, 0);
        }
        if let Some(part) = content.get_mut(offset..end) {
            part.copy_from_slice(bytes);
        }
        self.fill(id, content);
        self.record(path, if offset == 0 { What::Write } else { What::Append })?;
        Ok(end)
    }

    /// Empties a node that `open` returned.
    ///
    /// # Errors
    /// When the limits are reached.
    pub fn node_empty(&mut self, id: usize, path: &[u8]) -> Result<(), Errno> {
        self.fill(id, Vec::new());
        self.record(path, What::Write)
    }

    /// Makes a node that is not a regular file: directory, link, device. Nothing may be there.
    ///
    /// # Errors
    /// When something is there, or its directory is missing.
    pub fn make(&mut self, path: &[u8], kind: Kind, mode: u32) -> Result<(), Errno> {
        let path = path.strip_suffix(b"/").filter(|p| !p.is_empty()).unwrap_or(path);
        let at = self.resolve(path, false)?;
        if self.meta(&at).is_some() {
            return Err(Errno::Exists);
        }
        self.parent_is_directory(&at)?;
        self.permit(parent(&at), 3)?;
        let what = match &kind {
            Kind::Directory => What::Directory,
            Kind::Link(target) => What::Link(target.clone()),
            Kind::File => What::Write,
            _ => What::Node,
        };
        let mode = if matches!(kind, Kind::Link(_)) { 0o777 } else { mode };
        let mut meta = self.new_meta(kind, mode);
        if let Some(above) = self.meta(parent(&at)).filter(|above| above.mode & 0o2000 != 0) {
            meta.gid = above.gid;
            if meta.kind == Kind::Directory {
                meta.mode |= 0o2000;
            }
        }
        self.place(&at, meta, Content::Own(Rc::default()));
        self.record(&at, what)
    }

    /// Removes what is not a directory, links not followed.
    ///
    /// # Errors
    /// When it is missing or a directory.
    pub fn unlink(&mut self, path: &[u8]) -> Result<(), Errno> {
        let at = self.resolve(path, false)?;
        match self.meta(&at).ok_or(Errno::NoEntry)?.kind {
            Kind::Directory => Err(Errno::IsDirectory),
            _ => self.drop_path(&at),
        }
    }

    fn drop_path(&mut self, at: &[u8]) -> Result<(), Errno> {
        self.may_unlink(at)?;
        self.over.insert(at.to_vec(), None);
        self.record(at, What::Remove)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it is none or not empty.
    pub fn rmdir(&mut self, path: &[u8]) -> Result<(), Errno> {
        let at = self.resolve(path, false)?;
        if !self.list(&at)?.is_empty() {
            return Err(Errno::NotEmpty);
        }
        if at == b"/" {
            return Err(Errno::Invalid);
        }
        self.drop_path(&at)
    }

    /// Removes a path and all below it.
    ///
    /// # Errors
    /// When it is missing.
    pub fn remove_all(&mut self, path: &[u8]) -> Result<(), Errno> {
        let at = self.resolve(path, false)?;
        let mut order = vec![at];
        let mut next = 0;
        while let Some(at) = order.get(next).cloned() {
            next += 1;
            if self.meta(&at).ok_or(Errno::NoEntry)?.kind == Kind::Directory {
                order.extend(self.list(&at)?.iter().map(|name| join(&at, name)));
            }
            if order.len() > self.limits.changes {
                return Err(Errno::Limit);
            }
        }
        for at in order.iter().rev().filter(|at| *at != b"/") {
            self.drop_path(at)?;
        }
        Ok(())
    }

    /// Moves a path, with all below it, as rename(2).
    ///
    /// # Errors
    /// As rename(2).
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        let from = self.resolve(from, false)?;
        let to = self.resolve(to, false)?;
        let moved = self.meta(&from).ok_or(Errno::NoEntry)?;
        if from == to || (self.identity(&from).is_some() && self.identity(&from) == self.identity(&to)) {
            return Ok(());
        }
        if to.starts_with(&join(&from, b"")) {
            return Err(Errno::Invalid);
        }
        self.parent_is_directory(&to)?;
        self.may_unlink(&from)?;
        self.may_unlink(&to)?;
        match (self.meta(&to).map(|meta| meta.kind), moved.kind == Kind::Directory) {
            (Some(Kind::Directory), true) if !self.list(&to)?.is_empty() => return Err(Errno::NotEmpty),
            (Some(Kind::Directory), false) => return Err(Errno::IsDirectory),
            (Some(kind), true) if kind != Kind::Directory => return Err(Errno::NotDirectory),
            _ => {}
        }
        let mut order = vec![(from.clone(), to.clone())];
        let mut next = 0;
        while let Some((from, to)) = order.get(next).cloned() {
            next += 1;
            if self.meta(&from).ok_or(Errno::NoEntry)?.kind == Kind::Directory {
                order.extend(self.list(&from)?.iter().map(|name| (join(&from, name), join(&to, name))));
            }
            if order.len() > self.limits.changes {
                return Err(Errno::Limit);
            }
        }
        for (from, to) in order {
            let id = self.raise(&from)?;
            self.over.insert(from, None);
            self.over.insert(to, Some(id));
        }
        self.record(&from, What::Rename(to))
    }

    /// Makes `to` another name of the file `from`, whose last link is not followed.
    ///
    /// # Errors
    /// As link(2).
    pub fn link(&mut self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        let from = self.resolve(from, false)?;
        let to = self.resolve(to, false)?;
        if self.meta(&from).ok_or(Errno::NoEntry)?.kind == Kind::Directory {
            return Err(Errno::IsDirectory);
        }
        if self.meta(&to).is_some() {
            return Err(Errno::Exists);
        }
        self.parent_is_directory(&to)?;
        self.permit(parent(&to), 3)?;
        let id = self.raise(&from)?;
        self.over.insert(to.clone(), Some(id));
        self.record(&to, What::Hard(from))
    }

    /// Changes the mode.
    ///
    /// # Errors
    /// When it is missing.
    pub fn chmod(&mut self, path: &[u8], mode: u32) -> Result<(), Errno> {
        let at = self.resolve(path, true)?;
        if self.meta(&at).ok_or(Errno::NoEntry)?.mode == mode {
            return Ok(());
        }
        self.owns(&at)?;
        let id = self.raise(&at)?;
        if let Some(node) = self.nodes.get_mut(id) {
            node.meta.mode = mode;
        }
        self.record(&at, What::Mode(mode))
    }

    /// Changes owner and group. As chown(2), set-user-ID and set-group-ID of a program go away.
    ///
    /// # Errors
    /// When it is missing.
    pub fn chown(
        &mut self,
        path: &[u8],
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> Result<(), Errno> {
        let at = self.resolve(path, follow)?;
        let meta = self.meta(&at).ok_or(Errno::NoEntry)?;
        let (uid, gid) = (uid.unwrap_or(meta.uid), gid.unwrap_or(meta.gid));
        if (meta.uid, meta.gid) == (uid, gid) && meta.mode & 0o6000 == 0 {
            return Ok(());
        }
        if self.actor.is_some() {
            return Err(Errno::NotPermitted);
        }
        let id = self.raise(&at)?;
        if let Some(node) = self.nodes.get_mut(id) {
            node.meta.uid = uid;
            node.meta.gid = gid;
            if node.meta.kind == Kind::File {
                node.meta.mode &= if meta.mode & 0o010 != 0 { !0o6000 } else { !0o4000 };
            }
        }
        self.record(&at, What::Owner(uid, gid))
    }

    /// Sets the capabilities of a program.
    ///
    /// # Errors
    /// When it is missing.
    pub fn set_capabilities(&mut self, path: &[u8], text: &str) -> Result<(), Errno> {
        let at = self.resolve(path, true)?;
        let id = self.raise(&at)?;
        if let Some(node) = self.nodes.get_mut(id) {
            node.capabilities = Some(text.to_owned());
        }
        self.record(&at, What::Capabilities(text.to_owned()))
    }

    /// What setcap gave the program at a canonical path.
    #[must_use]
    pub fn capabilities(&self, at: &[u8]) -> Option<String> {
        self.identity(at).and_then(|id| self.nodes.get(id)).and_then(|node| node.capabilities.clone())
    }

    /// Sets the time of the last change to now, or to `time`.
    ///
    /// # Errors
    /// When it is missing.
    pub fn touch(&mut self, path: &[u8], time: Option<i64>) -> Result<(), Errno> {
        let at = self.resolve(path, true)?;
        let id = self.raise(&at)?;
        self.stamp += 1;
        let (stamp, now) = (self.stamp, self.now);
        if let Some(node) = self.nodes.get_mut(id) {
            node.meta.mtime = time.unwrap_or(now);
            node.stamp = if time.is_some() { 0 } else { stamp };
        }
        Ok(())
    }
}
