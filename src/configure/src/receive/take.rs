//! Reading the agent's directories: they are the agent's, and it may swap, link and rewrite what is in them meanwhile.
//!
//! A directory is opened once without following a link; a file beneath it is opened once, without following one and
//! without waiting, and what was opened is what is judged: a plain file of the agent or root, of one name, of a sane size,
//! the same after it was read as before. Nothing in there is ever written, and no mode or owner is changed by name.

use super::table::{PAIRS, takes};
use crate::accounts::Ids;
use crate::names::Role;
use crate::refusal::{Class, Fault, Refusal, Result, printable};
use crate::root::Root;
use rustix::fs::{AtFlags, FileType, Mode, Stat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};

/// Where the agent puts what it was sent.
pub const RECV: &str = "/opt/nstance-agent/recv";
/// Where the agent keeps the keys it made.
pub const KEYS: &str = "/opt/nstance-agent/keys";
/// What the agent touches when all files of a delivery are written.
pub const TRIGGER: &str = "write-files.last";
/// The most bytes of a file: a chain is a tenth of it, and all files together stay within the program's 16 MiB.
const LIMIT: usize = 64 * 1024;
/// How often a file that changes while it is read is read again.
const TRIES: u32 = 10;
/// How many names of the directory are looked at, and how many of those passed over are told.
const NAMES: usize = 10_000;
const TOLD: usize = 16;

/// A delivery as it was read, not yet judged.
#[derive(Default)]
pub struct Taken {
    /// Of [`RECV`], by name.
    pub recv: BTreeMap<String, Vec<u8>>,
    /// Of [`KEYS`], by name.
    pub keys: BTreeMap<String, Vec<u8>>,
    /// What was passed over, and why.
    pub notes: Vec<String>,
}

impl Taken {
    /// By what it is told from any other.
    #[must_use]
    pub fn name(&self) -> String {
        let files =
            self.recv.iter().map(|file| (RECV, file)).chain(self.keys.iter().map(|file| (KEYS, file)));
        let named: Vec<(String, &[u8])> = files
            .map(|(directory, (name, bytes))| {
                (format!("{directory}/{name} {}\n", bytes.len()), bytes.as_slice())
            })
            .collect();
        let parts: Vec<&[u8]> = named.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes]).collect();
        crate::digest::name(&parts)
    }
}

/// Removes the trigger, so that the next delivery is noticed; before anything is read.
pub fn disarm(root: &Root) -> Result<()> {
    let Some(directory) = root.directory(RECV)? else { return Ok(()) };
    let gone = match crate::calls::unlinkat(&directory, TRIGGER, AtFlags::empty()) {
        Err(Errno::ISDIR) => match crate::calls::unlinkat(&directory, TRIGGER, AtFlags::REMOVEDIR) {
            // a directory with something in it is the agent's to clear away, under another name
            Err(Errno::NOTEMPTY | Errno::EXIST) => crate::apply::set_aside(&directory, TRIGGER),
            other => other,
        },
        other => other,
    };
    match gone {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(Refusal::io(format!("{RECV}/{TRIGGER}"), "remove it", &error.into())),
    }
}

/// Reads what a node of `role` takes; every fault at once.
pub fn take(root: &Root, role: Role, ids: &Ids) -> Result<Taken> {
    let mut taken = Taken::default();
    let mut faults = Vec::new();
    let owners = [ids.user("nstance-agent"), ids.user("root")];
    if let Some(directory) = open(root, RECV, &owners)? {
        for name in names(&directory, role, &mut taken.notes)? {
            match file(&directory, RECV, &name, &owners)? {
                Ok(Some(bytes)) => drop(taken.recv.insert(name, bytes)),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
    }
    if let Some(directory) = open(root, KEYS, &owners)? {
        for pair in PAIRS.iter().filter(|pair| pair.key_on(role).is_some()) {
            let name = format!("{}.key", pair.name);
            match file(&directory, KEYS, &name, &owners)? {
                Ok(Some(bytes)) => drop(taken.keys.insert(name, bytes)),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
    }
    // a file that is there but empty says nothing
    taken.recv.retain(|_, bytes| !bytes.is_empty());
    taken.keys.retain(|_, bytes| !bytes.is_empty());
    if faults.is_empty() { Ok(taken) } else { Err(Refusal::input(faults)) }
}

/// A directory of the agent's.
fn open(root: &Root, path: &str, owners: &[Option<u32>]) -> Result<Option<OwnedFd>> {
    let Some(directory) = root.directory(path)? else { return Ok(None) };
    let stat =
        rustix::fs::fstat(&directory).map_err(|error| Refusal::io(path, "look at it", &error.into()))?;
    if owners.contains(&Some(stat.st_uid)) {
        return Ok(Some(directory));
    }
    Err(Fault::new(path, "expected a directory of nstance-agent or root, found somebody else's").into())
}

/// The names in `directory` that are taken, sorted; the others are noted.
fn names(directory: &OwnedFd, role: Role, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let wrong = |error: Errno| Refusal::io(RECV, "list it", &error.into());
    let (mut out, mut others) = (Vec::new(), Vec::new());
    for entry in crate::calls::names(directory).map_err(wrong)?.take(NAMES) {
        let entry = entry.map_err(wrong)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match name.as_str() {
            "." | ".." | TRIGGER => {}
            name if takes(name, role) => out.push(name.to_owned()),
            name if others.len() <= TOLD => others.push(printable(name)),
            _ => {}
        }
    }
    out.sort_unstable();
    others.sort_unstable();
    let more = if others.len() > TOLD { " and others" } else { "" };
    others.truncate(TOLD);
    if !others.is_empty() {
        notes.push(format!(
            "passed over in {RECV}, as a node of this kind takes no such file: {}{more}",
            others.join(", ")
        ));
    }
    Ok(out)
}

/// The file `name` in `directory`, which is called `place`; none when there is none. What is wrong with it is a fault; what
/// is wrong with the machine, or passes, ends it.
fn file(
    directory: &OwnedFd,
    place: &str,
    name: &str,
    owners: &[Option<u32>],
) -> Result<std::result::Result<Option<Vec<u8>>, Fault>> {
    let path = format!("{place}/{name}");
    let io = |error: Errno| Refusal::io(path.as_str(), "read it", &error.into());
    for _ in 0..TRIES {
        let fd = match crate::calls::openat(directory, name, crate::calls::FOUND, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(Ok(None)),
            Err(Errno::LOOP | Errno::NXIO) => {
                return Ok(Err(Fault::new(path, "expected a plain file, found a link or a socket")));
            }
            Err(error) => return Err(io(error)),
        };
        let before = rustix::fs::fstat(fd.as_fd()).map_err(io)?;
        // replaced since its name was looked up: the new one counts
        if before.st_nlink == 0 {
            continue;
        }
        if let Err(rule) = is_sound(&before, owners) {
            return Ok(Err(Fault::new(path, rule)));
        }
        let mut bytes = Vec::new();
        let mut handle = std::fs::File::from(fd);
        let most = u64::try_from(LIMIT).unwrap_or(u64::MAX).saturating_add(1);
        (&mut handle)
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| Refusal::io(path.as_str(), "read it", &error))?;
        let after = rustix::fs::fstat(handle.as_fd()).map_err(io)?;
        if is_same(&before, &after, bytes.len()) {
            return Ok(Ok(Some(bytes)));
        }
    }
    let fault = Fault::new(path, "expected a file that stays the same while it is read")
        .hint("the next run reads it again");
    Err(Refusal { class: Class::Io, faults: vec![fault] })
}

/// Whether a file may be taken, by what it is; else the rule that it breaks.
pub(super) fn is_sound(stat: &Stat, owners: &[Option<u32>]) -> std::result::Result<(), String> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("expected a plain file".to_owned());
    }
    if stat.st_nlink != 1 {
        return Err(
            "expected a file of one name: another name of it may be somebody else's secret".to_owned()
        );
    }
    if !owners.contains(&Some(stat.st_uid)) {
        return Err("expected a file of nstance-agent or root, found somebody else's".to_owned());
    }
    match usize::try_from(stat.st_size) {
        Ok(size) if size <= LIMIT => Ok(()),
        _ => Err(format!("expected at most {LIMIT} bytes")),
    }
}

/// Whether a file was the same before and after `read` bytes of it were read, and these are all.
pub(super) fn is_same(before: &Stat, after: &Stat, read: usize) -> bool {
    mark(before) == mark(after) && u64::try_from(after.st_size) == u64::try_from(read)
}

/// What of a file is other when it was written to.
fn mark(stat: &Stat) -> impl PartialEq {
    (stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec)
}
