//! Applying a plan: the disk agrees with it afterwards, or is as it was.
//!
//! ```text
//! look at every path ──► nothing differs? done: nothing is opened for writing
//!   │ differs
//! stage: /opt/podplane/etc/.staging/0, 1, 2 …   exact owner and mode, content, fsync; nobody else can enter
//! commit: the journal gets its name              the one point of no return; fsync of the directory
//! put: rename each into place, or a copy where that is another mount; remove what goes
//!      fsync of every directory; then the journal goes
//! ```
//!
//! A crash before the commit leaves the whole old set, and staging that [`recover`] clears away; one after it leaves a
//! journal that [`recover`] rolls forward, which every command does first, under the lock: no service that requires the
//! oneshot of this program starts in between. A file is created 0600 and root's, gets owner and mode, then content, and
//! appears under its name only by rename, so no name ever holds half a file and no mode is ever narrowed later. No link is
//! followed in any directory that is written to. Directories are made and mended before; each alone is right at any time.
//!
//! What root's own directories hold in the place of a directory or of a file is refused: somebody with root made it. Below a
//! directory of a service's user ([`Plan::is_others`]) it is replaced, since no service may keep a node from booting.

mod directories;
mod lookup;
mod put;
mod stage;
#[cfg(test)]
mod tests;

pub use put::recover;

use crate::accounts::Ids;
use crate::keys::Output;
use crate::plan::{Plan, PlannedFile};
use crate::refusal::{Class, Fault, Refusal, Result};
use crate::root::Root;
use crate::services::Service;
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Paths that are new or other than before, sorted.
    pub changed: BTreeSet<String>,
    /// Services that read one of them when they start.
    pub services: BTreeSet<Service>,
    /// What was passed over, and why.
    pub notes: Vec<String>,
}

/// Makes the disk below `root` agree with `plan`; `ids` are the numbers of the accounts as planned.
///
/// Everything is looked at before anything is written: an owner that does not exist, or a directory in the place of
/// a file, refuses the whole.
pub fn apply(root: &Root, plan: &Plan, ids: &Ids) -> Result<Applied> {
    let changes = lookup::look(root, plan, ids)?;
    let mut applied = Applied::default();
    for (path, output) in changes.paths() {
        applied.changed.insert(path.to_owned());
        applied.services.extend(output.map_or(&[][..], Output::services));
    }
    applied.changed.extend(directories::make(root, plan, ids, &mut applied.notes)?);
    if !changes.is_empty() {
        let staged = stage::stage(root, &changes)?;
        put::put(root, &staged)?;
    }
    applied.changed.extend(directories::mend(root, plan, ids, &mut applied.notes)?);
    Ok(applied)
}

/// The same at a boot: where there is no room to put right what services' users have changed below their own directories, and
/// nothing else is to be done, that stays as it is. It may stop such a service, and never a boot.
pub fn apply_at_boot(root: &Root, plan: &Plan, ids: &Ids) -> Result<Applied> {
    let is_right = is_right_but_for_others(root, plan, ids);
    match apply(root, plan, ids) {
        Err(full) if full.class == Class::Full && is_right => {
            let told = full.faults.iter().map(|fault| format!("{fault}: what services' users changed stays"));
            Ok(Applied { notes: told.collect(), ..Applied::default() })
        }
        applied => applied,
    }
}

/// Whether the disk agrees with all of `plan` that no service's user may change.
fn is_right_but_for_others(root: &Root, plan: &Plan, ids: &Ids) -> bool {
    let mut own = plan.clone();
    own.files.retain(|file| !plan.is_others(&file.path));
    own.removals.retain(|removal| !plan.is_others(&removal.path));
    own.directories.retain(|directory| !plan.is_others(&directory.path));
    for directory in &own.directories {
        if root.directory(&directory.path).ok().flatten().is_none() {
            return false;
        }
    }
    lookup::look(root, &own, ids).is_ok_and(|changes| changes.is_empty())
}

/// The services that would be affected, without changing anything.
pub fn affected(root: &Root, plan: &Plan, ids: &Ids) -> Result<BTreeSet<Service>> {
    let changes = lookup::look(root, plan, ids)?;
    Ok(changes.paths().flat_map(|(_, output)| output.map_or(&[][..], Output::services)).copied().collect())
}

/// Puts one file into place without a set around it, for who may write in its directory only: the temporary is beside
/// it, and what a crash leaves there is used up by the next call. True when it was not there already.
pub fn replace(root: &Root, file: &PlannedFile, ids: &Ids) -> Result<bool> {
    let plan = Plan { files: vec![file.clone()], ..Plan::default() };
    let changes = lookup::look(root, &plan, ids)?;
    let Some((file, uid, gid)) = changes.files.first() else { return Ok(false) };
    let (directory, name) = root.parent(&file.path)?;
    stage::write_beside(&directory, name, &file.bytes, (*uid, *gid, file.mode), &file.path)?;
    crate::calls::fsync(&directory).map_err(|error| io(&file.path, "put it into place", error))?;
    Ok(true)
}

/// What would change, without changing it: paths, sorted. Directories are not looked at.
pub fn difference(root: &Root, plan: &Plan, ids: &Ids) -> Result<BTreeSet<String>> {
    Ok(lookup::look(root, plan, ids)?.paths().map(|(path, _)| path.to_owned()).collect())
}

/// The numbers of `owner` and `group`, for `path`.
fn owner_of(ids: &Ids, path: &str, owner: &str, group: &str) -> std::result::Result<(u32, u32), Fault> {
    let missing = |what: &str, name: &str| {
        Fault::new(path, format!("expected the {what} `{name}`: {what} `{name}` not found"))
            .hint("the image brings it: bake it again")
    };
    let uid = ids.user(owner).ok_or_else(|| missing("user", owner))?;
    let gid = ids.group(group).ok_or_else(|| missing("group", group))?;
    Ok((uid, gid))
}

/// Moves what is called `name` out of the way: a link, a pipe or a file goes, a directory with what is in it is kept beside,
/// under a name that nobody could foresee.
pub(crate) fn set_aside(directory: &OwnedFd, name: &str) -> rustix::io::Result<()> {
    match crate::calls::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error),
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let aside = format!(".{name}.aside-{}-{}", since.as_nanos(), std::process::id());
    crate::calls::renameat(directory, name, directory, &aside)
}

/// An error of the system at `path`.
fn io(path: &str, what: &str, error: rustix::io::Errno) -> Refusal {
    let mut refusal = Refusal::io(path, what, &error.into());
    if let (Class::Io | Class::Full, Some(fault)) = (refusal.class, refusal.faults.first_mut()) {
        fault.hint =
            Some("nothing is half done: the next run of configure completes or undoes it".to_owned());
    }
    refusal
}
