//! Directories, and files of others: their modes and owners, by descriptor and never by name.

use super::{io, owner_of, set_aside};
use crate::accounts::Ids;
use crate::plan::{Mend, Plan};
use crate::refusal::{Class, Result};
use crate::root::Root;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// Makes directories that are not there and mends those that are; the paths that changed.
///
/// A unit's sandbox may keep others' directories (below /var) out of reach: those are left as they are, and noted.
pub(super) fn make(root: &Root, plan: &Plan, ids: &Ids, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for directory in &plan.directories {
        let path = directory.path.as_str();
        let (uid, gid) = owner_of(ids, path, directory.owner, directory.group)?;
        let mode = Mend::Exactly(directory.mode);
        let found = match root.directory(path) {
            Err(refusal) if refusal.class == Class::Input && plan.is_others(path) => {
                let (above, name) = root.parent(path)?;
                set_aside(&above, name).map_err(|error| io(path, "replace what is there", error))?;
                notes.push(format!("{path} was no directory: it is made anew"));
                None
            }
            found => found?,
        };
        let Some(fd) = found else {
            create(root, path, uid, gid, mode)?;
            changed.push(path.to_owned());
            continue;
        };
        match set(&fd, Some(uid), Some(gid), mode) {
            Ok(false) => {}
            Ok(true) => changed.push(path.to_owned()),
            Err(Errno::ROFS) => notes.push(format!("{path} is read-only here: its mode and owner stay")),
            Err(error) => return Err(io(path, "set its mode and owner", error)),
        }
    }
    Ok(changed)
}

/// Makes a directory that has its mode and owner when it appears under its name; what a crash leaves is used again.
fn create(root: &Root, path: &str, uid: u32, gid: u32, mode: Mend) -> Result<()> {
    let (above, name) = root.parent(path)?;
    let unfinished = format!(".{name}.new");
    let open = || match crate::calls::mkdirat(&above, &unfinished, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {
            crate::calls::openat(&above, &unfinished, crate::calls::DIRECTORY, Mode::empty())
        }
        Err(error) => Err(error),
    };
    let opened = match open() {
        // no crash of ours has left that
        Err(Errno::NOTDIR | Errno::LOOP) => set_aside(&above, &unfinished).and_then(|()| open()),
        opened => opened,
    };
    opened
        .and_then(|fd| set(&fd, Some(uid), Some(gid), mode).and_then(|_| crate::calls::fsync(&fd)))
        .and_then(|()| crate::calls::renameat(&above, &unfinished, &above, name))
        .and_then(|()| crate::calls::fsync(&above))
        .map_err(|error| io(path, "make it", error))
}

/// Mends files of others; the paths that changed.
///
/// They are others' business: what a sandbox does not let us mend is noted, and no reason to fail.
pub(super) fn mend(root: &Root, plan: &Plan, ids: &Ids, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for mend in &plan.mends {
        let path = mend.path.as_str();
        let (above, name) = crate::root::split(path);
        let directory = match root.directory(above) {
            Err(refusal) if refusal.class == Class::Input => None,
            found => found?,
        };
        let Some(directory) = directory else { continue };
        let uid = mend.owner.and_then(|name| ids.user(name));
        let gid = mend.group.and_then(|name| ids.group(name));
        let stat = match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(io(path, "look at it", error)),
        };
        let result = match FileType::from_raw_mode(stat.st_mode) {
            // another name of the file may be one that we must not give away
            FileType::RegularFile if stat.st_nlink == 1 => {
                let opened = crate::calls::openat(&directory, name, crate::calls::FOUND, Mode::empty());
                let Ok(fd) = opened else { continue };
                let opened = rustix::fs::fstat(&fd).map_err(|error| io(path, "look at it", error))?;
                // it may have been changed for another one since it was looked at
                let same = (opened.st_ino, opened.st_dev, opened.st_nlink) == (stat.st_ino, stat.st_dev, 1);
                if same { set(&fd, uid, gid, mend.mode) } else { Ok(false) }
            }
            // sockets cannot be opened; their directory is root's alone
            FileType::Socket if gid.is_some_and(|gid| gid != stat.st_gid) => {
                let group = gid.map(Gid::from_raw);
                crate::calls::chownat(&directory, name, None, group, AtFlags::SYMLINK_NOFOLLOW).map(|()| true)
            }
            _ => Ok(false),
        };
        match result {
            Ok(false) => {}
            Ok(true) => changed.push(path.to_owned()),
            Err(Errno::ROFS | Errno::PERM) => {
                notes.push(format!("{path} cannot be fixed here: its mode and owner stay"));
            }
            Err(error) => return Err(io(path, "set its mode and owner", error)),
        }
    }
    Ok(changed)
}

/// Sets what differs of owner and mode; whether anything did. The owner first, as it clears bits of the mode.
fn set(fd: &OwnedFd, uid: Option<u32>, gid: Option<u32>, mend: Mend) -> rustix::io::Result<bool> {
    let stat = rustix::fs::fstat(fd)?;
    let owner = uid.filter(|uid| *uid != stat.st_uid);
    let group = gid.filter(|gid| *gid != stat.st_gid);
    let present = stat.st_mode & 0o7777;
    let mode = match mend {
        Mend::Exactly(mode) => mode,
        Mend::With(bits) => present | bits,
    };
    if owner.is_some() || group.is_some() {
        crate::calls::fchown(fd, owner.map(Uid::from_raw), group.map(Gid::from_raw))?;
    }
    if present != mode {
        crate::calls::fchmod(fd, Mode::from_raw_mode(mode))?;
    }
    Ok(owner.is_some() || group.is_some() || present != mode)
}
