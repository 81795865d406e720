//! What differs: the plan against the disk, read only.

use super::{io, owner_of};
use crate::accounts::Ids;
use crate::keys::Output;
use crate::plan::{Plan, PlannedFile};
use crate::refusal::{Fault, Refusal, Result};
use crate::root::Root;
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;

/// What is to be written and removed.
pub(super) struct Changes<'a> {
    /// Files with the numbers of their owner and group.
    pub(super) files: Vec<(&'a PlannedFile, u32, u32)>,
    /// Paths.
    pub(super) removals: Vec<(&'a str, Option<Output>)>,
}

impl Changes<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.removals.is_empty()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, Option<Output>)> {
        let files = self.files.iter().map(|(file, _, _)| (file.path.as_str(), file.output));
        files.chain(self.removals.iter().map(|(path, output)| (*path, *output)))
    }
}

/// Compares, and refuses what cannot be done, all of it at once.
pub(super) fn look<'a>(root: &Root, plan: &'a Plan, ids: &Ids) -> Result<Changes<'a>> {
    let mut faults = Vec::new();
    let mut changes = Changes { files: Vec::new(), removals: Vec::new() };
    for directory in &plan.directories {
        if let Err(fault) = owner_of(ids, &directory.path, directory.owner, directory.group) {
            faults.push(fault);
        }
        collect(mild(plan, &directory.path, root.directory(&directory.path), None), &mut faults)?;
    }
    for file in &plan.files {
        match owner_of(ids, &file.path, file.owner, file.group) {
            Err(fault) => faults.push(fault),
            Ok((uid, gid)) => {
                let equal = mild(plan, &file.path, is_equal(root, file, uid, gid), false);
                if collect(equal, &mut faults)? == Some(false) {
                    changes.files.push((file, uid, gid));
                }
            }
        }
    }
    for removal in &plan.removals {
        let (above, _) = crate::root::split(&removal.path);
        let directory = mild(plan, &removal.path, root.directory(above), None);
        let present = match collect(directory, &mut faults)? {
            Some(Some(_)) => root.exists(&removal.path)?,
            _ => false,
        };
        if present {
            changes.removals.push((&removal.path, removal.output));
        }
    }
    if faults.is_empty() { Ok(changes) } else { Err(Refusal::input(faults)) }
}

/// What is refused at a path that a service's user may change is `otherwise`: it is replaced.
fn mild<T>(plan: &Plan, path: &str, result: Result<T>, otherwise: T) -> Result<T> {
    match result {
        Err(refusal) if refusal.class == crate::refusal::Class::Input && plan.is_others(path) => {
            Ok(otherwise)
        }
        result => result,
    }
}

/// Keeps the faults of an input's refusal for later; any other one ends it.
fn collect<T>(result: Result<T>, faults: &mut Vec<Fault>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(refusal) if refusal.class == crate::refusal::Class::Input => {
            faults.extend(refusal.faults);
            Ok(None)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Whether the disk has just this file.
fn is_equal(root: &Root, file: &PlannedFile, uid: u32, gid: u32) -> Result<bool> {
    let (above, name) = crate::root::split(&file.path);
    let Some(directory) = root.directory(above)? else { return Ok(false) };
    let fd = match crate::calls::openat(&directory, name, crate::calls::FOUND, Mode::empty()) {
        Ok(fd) => fd,
        // a link, a socket: replaced
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(false),
        Err(error) => return Err(io(&file.path, "open it", error)),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| io(&file.path, "look at it", error))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => {
            return Err(Fault::new(file.path.as_str(), "expected a plain file, found a directory")
                .hint("look at who made it; remove it, and run configure again")
                .into());
        }
        _ => return Ok(false),
    }
    let same = stat.st_mode & 0o7777 == file.mode && stat.st_uid == uid && stat.st_gid == gid;
    // a second name is somebody else's hand on the file
    let alone = stat.st_nlink == 1;
    if !same || !alone || u64::try_from(stat.st_size).ok() != u64::try_from(file.bytes.len()).ok() {
        return Ok(false);
    }
    Ok(crate::root::read_open(fd, &file.path, file.bytes.len())? == file.bytes)
}
