//! Putting a committed set into place, now or after a crash.

use super::io;
use super::stage::{JOURNAL, Staged, Step, name_it, parse, unfinished, write_beside};
use crate::names::STAGING;
use crate::refusal::{Class, Fault, Result};
use crate::root::{Root, split};
use rustix::fs::{AtFlags, Mode};
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
        Fault::new(STAGING, "expected a whole journal").hint("remove the directory, and run configure again")
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
            crate::calls::fsync(&directory).map_err(|error| io(above, "make it durable", error))?;
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
    let opened = crate::calls::openat(&staged.directory, &at.to_string(), crate::calls::FOUND, Mode::empty());
    let fd = opened.map_err(wrong)?;
    let stat = rustix::fs::fstat(&fd).map_err(wrong)?;
    let mut bytes = Vec::new();
    std::fs::File::from(fd)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    write_beside(directory, name, &bytes, (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777), path)
}

fn remove(directory: &OwnedFd, name: &str, path: &str) -> Result<()> {
    match crate::calls::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => match crate::calls::unlinkat(directory, name, AtFlags::REMOVEDIR) {
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
    let gone = |name: &str| match crate::calls::unlinkat(&directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(io(STAGING, "clear it", error)),
    };
    gone(JOURNAL)?;
    for name in root.list(STAGING)? {
        gone(&name)?;
    }
    let (above, name) = root.parent(STAGING)?;
    match crate::calls::unlinkat(&above, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(io(STAGING, "remove it", error)),
    }
    crate::calls::fsync(&above).map_err(|error| io(STAGING, "make it durable", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    #[test]
    fn where_nothing_can_be_renamed_a_copy_comes_into_place_and_the_staged_file_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["staging", "etc"] {
            std::fs::create_dir(folder.path().join(name)).expect("a directory");
        }
        let (staged, placed) = (folder.path().join("staging/3"), folder.path().join("etc/name"));
        std::fs::write(&staged, "content").expect("a file");
        std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(0o640)).expect("a mode");
        let root = Root::open(folder.path()).expect("a root");
        let open = |path: &str| root.directory(path).expect("a directory").expect("a directory");
        let set = Staged { directory: open("/staging"), steps: Vec::new() };
        for _ in 0..2 {
            carry(&set, 3, &open("/etc"), "name", "/etc/name").expect("carried");
            let found = placed.metadata().expect("a file");
            assert_eq!(std::fs::read_to_string(&placed).expect("a file"), "content");
            assert_eq!((found.mode() & 0o7777, found.nlink()), (0o640, 1));
            assert!(staged.exists() && !folder.path().join("etc/.name.new").exists());
        }
        // only what was staged: no link in its place is followed
        std::fs::remove_file(&staged).expect("removed");
        symlink("../etc/name", &staged).expect("a link");
        assert!(carry(&set, 3, &open("/etc"), "other", "/etc/other").is_err());
        assert!(!folder.path().join("etc/other").exists());
    }
}
