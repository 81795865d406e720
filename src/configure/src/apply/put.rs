//! Putting a committed set into place, now or after a crash.

use super::io;
use super::stage::{JOURNAL, Staged, Step, name_it, parse, unfinished, write_beside};
use crate::names::STAGING;
use crate::refusal::{Class, Fault, Result};
use crate::root::{Root, split};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::fd::OwnedFd;

/// Rolls a committed set forward, or clears away one that never was; under the lock, before anything else is read.
/// True when there was one to roll forward.
pub fn recover(root: &Root) -> Result<bool> {
    let Some(directory) = root.directory(STAGING)? else { return Ok(false) };
    let Some(text) = root.read_text(&format!("{STAGING}/{JOURNAL}"), 1024 * 1024)? else {
        clear(root)?;
        return Ok(false);
    };
    let steps = parse(&text).ok_or_else(|| {
        Fault::new(STAGING, "wanted a whole journal").hint("remove the directory, and run configure again")
    })?;
    for step in &steps {
        let Step::Put(_, path) = step else { continue };
        // what came to its end between a copy and its name; whoever rolls this forward may need no copy
        let (above, name) = split(path);
        if let Some(directory) = still(root, above)? {
            remove(&directory, &unfinished(name), path)?;
        }
    }
    put(root, &Staged { directory, steps })?;
    Ok(true)
}

/// Renames and removes. Each step can be taken again: a staged file that is gone has been put already.
pub(super) fn put(root: &Root, staged: &Staged) -> Result<()> {
    let mut touched: BTreeSet<&str> = BTreeSet::new();
    for step in &staged.steps {
        let (Step::Put(_, path) | Step::Remove(path)) = step;
        let (above, name) = split(path);
        let Some(directory) = still(root, above)? else { continue };
        match step {
            Step::Put(at, _) => rename(staged, *at, &directory, name, path)?,
            Step::Remove(_) => remove(&directory, name, path)?,
        }
        touched.insert(above);
    }
    for above in touched {
        if let Some(directory) = still(root, above)? {
            rustix::fs::fsync(&directory).map_err(|error| io(above, "make it durable", error))?;
        }
    }
    clear(root)
}

/// The directory `path`, when it is one still. Since the set was committed a service's user may have put something else in
/// its place; the configuration that follows puts it right and writes what was in it.
fn still(root: &Root, path: &str) -> Result<Option<OwnedFd>> {
    match root.directory(path) {
        Err(refusal) if refusal.class == Class::Input => Ok(None),
        found => found,
    }
}

fn rename(staged: &Staged, at: usize, directory: &OwnedFd, name: &str, path: &str) -> Result<()> {
    match name_it(&staged.directory, &at.to_string(), directory, name) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::XDEV) => carry(staged, at, directory, name, path),
        Err(error) => Err(io(path, "put it into place", error)),
    }
}

/// Puts a copy into place, by way of a name beside it: each of a unit's `ReadWritePaths=` is a mount of its own, and
/// nothing can be renamed from one mount to another, even of one file system. The staged file stays until the set is
/// complete, so that this step can be taken again too; what a crash leaves of the copy is used up then.
fn carry(staged: &Staged, at: usize, directory: &OwnedFd, name: &str, path: &str) -> Result<()> {
    let wrong = |error| io(path, "put it into place", error);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&staged.directory, at.to_string(), flags, Mode::empty()).map_err(wrong)?;
    let stat = rustix::fs::fstat(&fd).map_err(wrong)?;
    let mut bytes = Vec::new();
    std::fs::File::from(fd)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    write_beside(directory, name, &bytes, (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777), path)
}

fn remove(directory: &OwnedFd, name: &str, path: &str) -> Result<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
            // somebody else's files are in it: they stay
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => Ok(()),
            Err(error) => Err(io(path, "remove it", error)),
        },
        Err(error) => Err(io(path, "remove it", error)),
    }
}

/// Removes the staging directory: the journal first, so that what is left never looks committed.
pub(super) fn clear(root: &Root) -> Result<()> {
    let Some(directory) = root.directory(STAGING)? else { return Ok(()) };
    let gone = |name: &str| match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(io(STAGING, "clear it", error)),
    };
    gone(JOURNAL)?;
    for name in root.list(STAGING)? {
        gone(&name)?;
    }
    let (above, name) = root.parent(STAGING)?;
    match rustix::fs::unlinkat(&above, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(io(STAGING, "remove it", error)),
    }
    rustix::fs::fsync(&above).map_err(|error| io(STAGING, "make it durable", error))
}
