//! The directory of a store, and what is below it by name.
//!
//! Others may write to a store, and so put a link in the place of any of its directories at any time: a name that is
//! looked up from the root of the file system would then be made, moved or removed where that link leads, with the rights
//! of whoever bakes. So the store's directory is opened once, and each name is looked up from there without following any
//! link ([`without_links`]).

use crate::beneath::without_links;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// An open store directory.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    handle: OwnedFd,
}

/// What to look a directory up for: to go through it, which needs no right to list it.
const THROUGH: OFlags = OFlags::PATH;
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

impl Folder {
    /// Opens the directory at `path`, by whatever links: its user has named it.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let handle =
            rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { path: path.to_path_buf(), handle })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the directory itself is.
    pub(super) fn stat(&self) -> Result<Stat> {
        Ok(rustix::fs::fstat(&self.handle)?)
    }

    /// What is at `path`, without following a link.
    pub(super) fn look(&self, path: &Path) -> Result<Stat> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Opens `path` without following a link, without blocking and without inheritance by other programs.
    pub(super) fn file(&self, path: &Path, flags: OFlags, mode: u32) -> Result<File> {
        let (parent, name) = self.parent(path)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(mode))?))
    }

    /// An unnamed file in the directory at `path`, where its file system has such.
    pub(super) fn unnamed(&self, path: &Path, mode: u32) -> Result<File> {
        let directory = self.directory(path, THROUGH)?;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&directory, ".", flags, Mode::from_raw_mode(mode))?))
    }

    /// Gives an open file the name `path`, which nothing has yet. It is named through /proc: the other way,
    /// `AT_EMPTY_PATH`, needs a capability.
    pub(super) fn link(&self, file: &File, path: &Path) -> Result<()> {
        let (parent, name) = self.parent(path)?;
        let from = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(rustix::fs::linkat(CWD, from, &parent, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Renames, and replaces what has the new name.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let ((from, old), (to, new)) = (self.parent(from)?, self.parent(to)?);
        Ok(rustix::fs::renameat(&from, old, &to, new)?)
    }

    /// Removes what is no directory.
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&parent, name, AtFlags::empty())?)
    }

    /// Makes `path`, and what is missing above it, as directories with exactly this mode.
    pub(super) fn make(&self, path: &Path, mode: u32) -> Result<()> {
        let mut at: OwnedFd = self.handle.try_clone()?;
        for name in self.below(path)? {
            let made = match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(mode & 0o777)) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(error) => return Err(error.into()),
            };
            let how = if made { OFlags::RDONLY } else { THROUGH };
            at = directory(without_links(at.as_fd(), Path::new(name), how | DIRECTORY))?;
            if made {
                // what is inherited of a group stays
                let inherited = rustix::fs::fstat(&at)?.st_mode & 0o2000;
                rustix::fs::fchmod(&at, Mode::from_raw_mode(mode | inherited))?;
            }
        }
        Ok(())
    }

    /// Syncs the directory at `path`.
    pub(super) fn sync(&self, path: &Path) -> Result<()> {
        Ok(rustix::fs::fsync(self.directory(path, OFlags::RDONLY)?)?)
    }

    /// The names in the directory at `path` with what each is.
    pub(super) fn list(&self, path: &Path) -> Result<Vec<(OsString, FileType)>> {
        let directory = self.directory(path, OFlags::RDONLY)?;
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            // what is gone by now is not there
            let stat = match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                found => found?,
            };
            let name = std::os::unix::ffi::OsStrExt::from_bytes(name.to_bytes());
            found.push((OsStr::to_os_string(name), FileType::from_raw_mode(stat.st_mode)));
        }
        Ok(found)
    }

    /// All that is below the directory at `path` but directories, sorted.
    pub(super) fn walk(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut open = vec![path.to_path_buf()];
        while let Some(directory) = open.pop() {
            for (name, sort) in self.list(&directory)? {
                let path = directory.join(name);
                if sort == FileType::Directory { open.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The directory that has `path`, open, and its name there.
    fn parent<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p OsStr)> {
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        Ok((self.directory(path.parent().unwrap_or(path), THROUGH)?, name))
    }

    fn directory(&self, path: &Path, how: OFlags) -> Result<OwnedFd> {
        let below = self.below(path)?;
        let below = if below == Path::new("") { Path::new(".") } else { below };
        directory(without_links(self.handle.as_fd(), below, how | DIRECTORY))
    }

    /// The path of the store from its directory.
    fn below<'p>(&self, path: &'p Path) -> Result<&'p Path> {
        let below = path.strip_prefix(&self.path).map_err(|_| ErrorKind::InvalidInput)?;
        let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
        if is_plain { Ok(below) } else { Err(ErrorKind::InvalidInput.into()) }
    }
}

/// A directory that was opened, or why it was not.
fn directory(opened: rustix::io::Result<OwnedFd>) -> Result<OwnedFd> {
    match opened {
        Err(Errno::LOOP) => Err(is_link()),
        opened => Ok(opened?),
    }
}

fn is_link() -> Error {
    Error::new(ErrorKind::NotADirectory, "a directory of the store is a symbolic link")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beneath::step_by_step;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_of_a_store_is_followed_with_the_kernels_help_or_without() {
        let place = tempfile::tempdir().unwrap();
        let (root, victim) = (place.path().join("store"), place.path().join("victim"));
        for path in [root.join("a/b"), victim.join("b")] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::write(victim.join("b/file"), "kept").unwrap();
        symlink(&victim, root.join("link")).unwrap();
        symlink("a", root.join("inside")).unwrap();
        let folder = Folder::open(&root).unwrap();
        for top in ["link", "inside"] {
            let path = root.join(top).join("b/file");
            let directory = path.parent().unwrap();
            let below = folder.below(directory).unwrap();
            let errors = [
                folder.file(&path, OFlags::RDONLY, 0).unwrap_err(),
                folder.look(&path).unwrap_err(),
                folder.remove(&path).unwrap_err(),
                folder.rename(&root.join("a/b"), &path).unwrap_err(),
                folder.make(&path, 0o700).unwrap_err(),
                folder.list(directory).unwrap_err(),
                folder.sync(directory).unwrap_err(),
                folder.unnamed(directory, 0o600).unwrap_err(),
                super::directory(step_by_step(folder.handle.as_fd(), below, THROUGH | DIRECTORY))
                    .unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.to_string(), "a directory of the store is a symbolic link", "{top}");
            }
        }
        assert_eq!(std::fs::read(victim.join("b/file")).unwrap(), b"kept");
        assert_eq!(folder.walk(&root).unwrap(), [root.join("inside"), root.join("link")]);
        assert!(step_by_step(folder.handle.as_fd(), Path::new("a/b"), OFlags::RDONLY | DIRECTORY).is_ok());
        for outside in [victim.as_path(), &root.join("../victim")] {
            assert_eq!(folder.list(outside).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}
