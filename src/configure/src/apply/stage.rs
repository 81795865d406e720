//! Staging: every file that differs, whole and durable, where nobody but root can enter.

use super::lookup::Changes;
use super::{io, set_aside};
use crate::names::STAGING;
use crate::refusal::{Fault, Result};
use crate::root::Root;
use rustix::fs::{AtFlags, Gid, Mode, Uid};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};

/// The journal's name once it counts.
pub(super) const JOURNAL: &str = "journal";
const UNFINISHED: &str = "journal.new";

/// A committed set.
pub(super) struct Staged {
    /// The staging directory.
    pub(super) directory: OwnedFd,
    /// What to do, in order.
    pub(super) steps: Vec<Step>,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Rename the staged file of that number to that path.
    Put(usize, String),
    /// Remove that path.
    Remove(String),
}

/// Stages and commits `changes`. On an error nothing is left but the staging directory's own content, and that is cleared.
pub(super) fn stage(root: &Root, changes: &Changes<'_>) -> Result<Staged> {
    let (above, name) = root.parent(STAGING)?;
    match crate::calls::mkdirat(&above, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(io(STAGING, "make it", error)),
    }
    let directory =
        root.directory(STAGING)?.ok_or_else(|| Fault::new(STAGING, "expected a directory, found none"))?;
    let result = crate::calls::fsync(&above)
        .map_err(|error| io(STAGING, "make it durable", error))
        .and_then(|()| fill(root, changes, &directory));
    match result {
        Ok(steps) => Ok(Staged { directory, steps }),
        Err(refusal) => {
            // the journal goes first, if it was named already: what cannot be cleared now is for the next run
            let _ = super::put::clear(root);
            Err(refusal)
        }
    }
}

fn fill(root: &Root, changes: &Changes<'_>, directory: &OwnedFd) -> Result<Vec<Step>> {
    let device = device(directory, STAGING)?;
    let mut steps = Vec::new();
    for (at, (file, uid, gid)) in changes.files.iter().enumerate() {
        let (parent, _) = root.parent(&file.path)?;
        if self::device(&parent, &file.path)? != device {
            return Err(Fault::new(
                file.path.as_str(),
                format!("expected it on the file system of {STAGING}"),
            )
            .hint("the image has one file system: unmount what is mounted there")
            .into());
        }
        write(directory, &at.to_string(), &file.bytes, Some((*uid, *gid, file.mode)), &file.path)?;
        steps.push(Step::Put(at, file.path.clone()));
    }
    steps.extend(changes.removals.iter().map(|(path, _)| Step::Remove((*path).to_owned())));
    write(directory, UNFINISHED, text(&steps)?.as_bytes(), None, STAGING)?;
    // every staged name is durable before the journal that speaks of them has its own
    crate::calls::fsync(directory).map_err(|error| io(STAGING, "make it durable", error))?;
    crate::calls::renameat(directory, UNFINISHED, directory, JOURNAL)
        .map_err(|error| io(STAGING, "commit", error))?;
    // not durable: not committed, and the caller clears it. Files put into place before the journal is on the disk could
    // be found without it after a power cut, and nothing would complete the set.
    crate::calls::fsync(directory).map_err(|error| io(STAGING, "make it durable", error))?;
    Ok(steps)
}

fn device(fd: impl AsFd, path: &str) -> Result<u64> {
    rustix::fs::fstat(fd).map(|stat| stat.st_dev).map_err(|error| io(path, "look at it", error))
}

/// Creates `name` in `directory`: 0600 from the first open, then owner and mode, then content, then durable.
pub(super) fn write(
    directory: &OwnedFd,
    name: &str,
    bytes: &[u8],
    access: Option<(u32, u32, u32)>,
    path: &str,
) -> Result<()> {
    match crate::calls::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(Errno::ISDIR) => {
            set_aside(directory, name).map_err(|error| io(path, "replace what is in its way", error))?;
        }
        Err(error) => return Err(io(path, "replace what was staged for it", error)),
    }
    let fd = crate::calls::openat(directory, name, crate::calls::NEW, crate::calls::PRIVATE)
        .map_err(|error| io(path, "stage it", error))?;
    if let Some((uid, gid, mode)) = access {
        let own = rustix::fs::fstat(&fd).map_err(|error| io(path, "look at it", error))?;
        // units that write only root's own files may not call chown at all
        if (own.st_uid, own.st_gid) != (uid, gid) {
            crate::calls::fchown(&fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                .map_err(|error| io(path, "give it to its owner", error))?;
        }
        crate::calls::fchmod(&fd, Mode::from_raw_mode(mode))
            .map_err(|error| io(path, "set its mode", error))?;
    }
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|error| io(path, "write it", Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}

/// Puts a file under its name by way of one beside it, which is used up by the next call where a crash leaves it. Durable
/// when the directory is.
pub(super) fn write_beside(
    directory: &OwnedFd,
    name: &str,
    bytes: &[u8],
    access: (u32, u32, u32),
    path: &str,
) -> Result<()> {
    let unfinished = unfinished(name);
    write(directory, &unfinished, bytes, Some(access), path)?;
    name_it(directory, &unfinished, directory, name).map_err(|error| io(path, "put it into place", error))
}

/// Renames a file to `name`, whatever is there: that was looked at before, and is a directory only where a service's user has
/// made one since, or could.
pub(super) fn name_it(from: &OwnedFd, old: &str, to: &OwnedFd, name: &str) -> rustix::io::Result<()> {
    match crate::calls::renameat(from, old, to, name) {
        Err(Errno::ISDIR) => set_aside(to, name).and_then(|()| crate::calls::renameat(from, old, to, name)),
        other => other,
    }
}

/// The name of such a file until it is whole.
pub(super) fn unfinished(name: &str) -> String {
    format!(".{name}.new")
}

/// The journal's text: one step a line; paths are checked to have no line break.
fn text(steps: &[Step]) -> Result<String> {
    let mut out = String::new();
    for step in steps {
        let (Step::Put(_, path) | Step::Remove(path)) = step;
        if path.contains(['\n', '\0']) {
            return Err(Fault::new(path.as_str(), "expected a path without control characters").into());
        }
        let _ = match step {
            Step::Put(at, path) => writeln!(out, "put {at} {path}"),
            Step::Remove(path) => writeln!(out, "remove {path}"),
        };
    }
    out.push_str("end\n");
    Ok(out)
}

/// The steps of a journal's text; none when it is not whole.
pub(super) fn parse(text: &str) -> Option<Vec<Step>> {
    let mut out = Vec::new();
    for line in text.strip_suffix("end\n")?.lines() {
        let (word, rest) = line.split_once(' ')?;
        out.push(match word {
            "put" => {
                let (at, path) = rest.split_once(' ')?;
                Step::Put(at.parse().ok()?, path.to_owned())
            }
            "remove" => Step::Remove(rest.to_owned()),
            _ => return None,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_read_as_it_was_written() {
        let steps = vec![
            Step::Put(0, "/etc/a b".to_owned()),
            Step::Remove("/etc/c".to_owned()),
            Step::Put(12, "/x".to_owned()),
        ];
        let written = text(&steps).expect("a text");
        assert_eq!(written, "put 0 /etc/a b\nremove /etc/c\nput 12 /x\nend\n");
        assert_eq!(parse(&written), Some(steps));
        assert_eq!(parse("end\n"), Some(Vec::new()));
        assert!(text(&[Step::Remove("/a\nend".to_owned())]).is_err());
    }

    #[test]
    fn file_systems_are_told_from_each_other() {
        let device =
            |path: &str| device(std::fs::File::open(path).expect("a directory"), path).expect("a number");
        assert_ne!(device("/proc"), device("/"));
        assert_eq!(device("/"), device("/"));
    }

    #[test]
    fn a_file_is_unfinished_beside_its_place_under_its_own_name() {
        assert_eq!((unfinished("a").as_str(), unfinished("b.env").as_str()), (".a.new", ".b.env.new"));
    }
}
