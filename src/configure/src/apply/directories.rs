//! Directories, and files of others: their modes and owners, by descriptor and never by name.

use super::{io, owner_of};
use crate::accounts::Ids;
use crate::plan::{Mend, Plan};
use crate::refusal::{Fault, Result};
use crate::root::Root;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// Makes directories that are not there and mends those that are; the paths that changed.
pub(super) fn make(root: &Root, plan: &Plan, ids: &Ids) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for directory in &plan.directories {
        let path = directory.path.as_str();
        let (uid, gid) = owner_of(ids, path, directory.owner, directory.group)?;
        let (fd, made) = match root.directory(path)? {
            Some(fd) => (fd, false),
            None => (create(root, path, (uid, gid) == (0, 0), directory.mode)?, true),
        };
        if set(&fd, path, Some(uid), Some(gid), Mend::Exactly(directory.mode))? || made {
            changed.push(path.to_owned());
        }
    }
    Ok(changed)
}

/// One for somebody else is closed to all until it is given away; root's own has its mode from the start.
fn create(root: &Root, path: &str, own: bool, mode: u32) -> Result<OwnedFd> {
    let (above, name) = root.parent(path)?;
    let first = if own { Mode::from_raw_mode(mode) } else { Mode::RWXU };
    match rustix::fs::mkdirat(&above, name, first) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(io(path, "make it", error)),
    }
    rustix::fs::fsync(&above).map_err(|error| io(path, "make it durable", error))?;
    root.directory(path)?.ok_or_else(|| Fault::new(path, "wanted a directory, got none").into())
}

/// Mends files of others; the paths that changed.
pub(super) fn mend(root: &Root, plan: &Plan, ids: &Ids) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for mend in &plan.mends {
        let path = mend.path.as_str();
        let (above, name) = crate::root::split(path);
        let Some(directory) = root.directory(above)? else { continue };
        let uid = mend.owner.and_then(|name| ids.user(name));
        let gid = mend.group.and_then(|name| ids.group(name));
        let stat = match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(io(path, "look at it", error)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            // another name of the file may be one that we must not give away
            FileType::RegularFile if stat.st_nlink == 1 => {
                let flags =
                    OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let Ok(fd) = rustix::fs::openat(&directory, name, flags, Mode::empty()) else { continue };
                let opened = rustix::fs::fstat(&fd).map_err(|error| io(path, "look at it", error))?;
                // it may have been changed for another one since it was looked at
                if (opened.st_ino, opened.st_dev, opened.st_nlink) == (stat.st_ino, stat.st_dev, 1)
                    && set(&fd, path, uid, gid, mend.mode)?
                {
                    changed.push(path.to_owned());
                }
            }
            // sockets cannot be opened; their directory is root's alone
            FileType::Socket if gid.is_some_and(|gid| gid != stat.st_gid) => {
                let group = gid.map(Gid::from_raw);
                rustix::fs::chownat(&directory, name, None, group, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|error| io(path, "give it to its group", error))?;
                changed.push(path.to_owned());
            }
            _ => {}
        }
    }
    Ok(changed)
}

/// Sets what differs of owner and mode; whether anything did. The owner first, as it clears bits of the mode.
fn set(fd: &OwnedFd, path: &str, uid: Option<u32>, gid: Option<u32>, mend: Mend) -> Result<bool> {
    let stat = rustix::fs::fstat(fd).map_err(|error| io(path, "look at it", error))?;
    let owner = uid.filter(|uid| *uid != stat.st_uid);
    let group = gid.filter(|gid| *gid != stat.st_gid);
    let present = stat.st_mode & 0o7777;
    let mode = match mend {
        Mend::Exactly(mode) => mode,
        Mend::With(bits) => present | bits,
    };
    if owner.is_some() || group.is_some() {
        rustix::fs::fchown(fd, owner.map(Uid::from_raw), group.map(Gid::from_raw))
            .map_err(|error| io(path, "give it to its owner", error))?;
    }
    if present != mode {
        rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).map_err(|error| io(path, "set its mode", error))?;
    }
    Ok(owner.is_some() || group.is_some() || present != mode)
}
