//! Clean-up and check of a whole store: alone in it, since what is removed must be in nobody's use.

use super::lock::{self, How};
use super::{Store, hash, io, open};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tree::digest::{Digest, Sha256};
use tree::refusal::Result;

/// What a clean-up has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that stay.
    pub kept: u64,
    /// Their bytes.
    pub kept_bytes: u64,
}

/// What is removed first where a store is to be small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// What is of no use: parts of transfers, and what was set aside.
    Rest,
    /// What was derived from inputs: it can be derived again.
    Derived,
    /// Inputs: they have to be fetched again, and some may not be there any more.
    Input,
}

/// What a check of all blobs and notes has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Blobs that are what their names say.
    pub good: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Notes that the key of this user vouches for.
    pub notes: u64,
    /// Notes of other keys, and of earlier versions: never used with this key, and left to those whose they may be.
    pub foreign: u64,
    /// The names, below the store, of what was wrong, sorted; it has been set aside.
    pub set_aside: Vec<String>,
}

impl Store {
    /// Removes all that was not used since `since`: blobs, notes, parts of transfers, what was set aside.
    ///
    /// # Errors
    /// `Lock` where another process has the store open still after the time-out, with its number.
    pub fn gc(&mut self, since: SystemTime) -> Result<Swept> {
        self.alone(|store| {
            let mut swept = Swept::default();
            for name in ["aside", "blobs", "incoming", "notes"] {
                for path in walk(store, name)? {
                    let (used, len) = used(store, &path)?;
                    if used.is_some_and(|used| used >= since) {
                        swept.keep(len);
                        continue;
                    }
                    swept.remove(store, &path, len)?;
                }
            }
            Ok(swept)
        })
    }

    /// Removes so much that at most `most` bytes stay: first what is of no use, then what was derived from inputs, and inputs
    /// last; of each what has not been used for the longest time.
    ///
    /// # Errors
    /// `Lock` where another process has the store open still after the time-out, with its number.
    pub fn shrink(&mut self, most: u64) -> Result<Swept> {
        self.alone(|store| {
            let derived = derived(store)?;
            let mut files = Vec::new();
            for name in ["aside", "blobs", "incoming", "notes"] {
                for path in walk(store, name)? {
                    let (used, len) = used(store, &path)?;
                    let rank = match name {
                        "notes" if is_identity(store, &path) => Rank::Input,
                        "blobs" if !derived.contains(&path) => Rank::Input,
                        "notes" | "blobs" => Rank::Derived,
                        _ => Rank::Rest,
                    };
                    files.push((rank, used, path, len));
                }
            }
            files.sort_unstable();
            let mut total: u64 = files.iter().map(|(.., len)| len).sum();
            let mut swept = Swept::default();
            for (.., path, len) in files {
                if total <= most {
                    swept.keep(len);
                    continue;
                }
                swept.remove(store, &path, len)?;
                total -= len;
            }
            Ok(swept)
        })
    }

    /// Hashes every blob, authenticates every note, and sets aside blobs that are not what their names say and notes that
    /// are made to look as if the key of this user vouched for them.
    ///
    /// # Errors
    /// `Lock` where another process has the store open still after the time-out, with its number.
    pub fn verify_all(&mut self) -> Result<Checked> {
        self.alone(|store| {
            let mut paths = walk(store, "blobs")?;
            paths.extend(walk(store, "notes")?);
            let found: Vec<Found> = paths.par_iter().map(|path| check(store, path)).collect::<Result<_>>()?;
            let mut checked = Checked::default();
            for (path, found) in paths.iter().zip(found) {
                match found {
                    Found::Blob(bytes) => {
                        checked.good += 1;
                        checked.bytes += bytes;
                    }
                    Found::Note => checked.notes += 1,
                    Found::Foreign => checked.foreign += 1,
                    Found::Wrong => {
                        store.reject(path);
                        checked.set_aside.push(store.below(path));
                    }
                }
            }
            checked.set_aside.sort();
            Ok(checked)
        })
    }

    /// Does something while no other process has the store open, nor another `Store` of this one.
    pub(super) fn alone<T>(&mut self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        self.must_be_writable("leave to clean up")?;
        let Some(file) = &self.in_use else { return work(self) };
        let path = self.root().join("in-use.lock");
        let taken = lock::take(file, How::NonBlockingLockExclusive, self.options.lock_timeout)
            .map_err(|error| io(&path, "lock", &error))?;
        let done = if taken { work(self) } else { Err(open::held(&path, file, "has the store open")) };
        // trying for the exclusive lock has given up the shared one (flock(2)), whatever came of it
        open::hold(self, file)?;
        done
    }
}

impl Swept {
    fn keep(&mut self, len: u64) {
        self.kept += 1;
        self.kept_bytes += len;
    }

    fn remove(&mut self, store: &Store, path: &Path, len: u64) -> Result<()> {
        store.folder.remove(path).map_err(|error| io(path, "remove", &error))?;
        self.files += 1;
        self.bytes += len;
        Ok(())
    }
}

/// The blobs that notes, of whatever key, lead to. A note of what was derived begins with the digest of a blob; the bytes that
/// another one begins with are that of none. Nothing is believed: who writes a false note has something derived anew.
fn derived(store: &Store) -> Result<BTreeSet<PathBuf>> {
    let mut blobs = BTreeSet::new();
    for path in walk(store, "notes")? {
        let Ok(Some(file)) = super::access::open_plain(&store.folder, &path) else { continue };
        let mut digest = [0; 32];
        if file.read_exact_at(&mut digest, super::TAG as u64).is_ok() {
            blobs.insert(store.blob_path(&Digest::Sha256(Sha256(digest))));
        }
    }
    Ok(blobs)
}

/// Whether a note says whose an input is.
fn is_identity(store: &Store, path: &Path) -> bool {
    path.starts_with(store.root().join("notes").join(super::identity::KIND))
}

/// What a file of the store is.
enum Found {
    /// A blob of so many bytes that is what its name says.
    Blob(u64),
    /// A note that the key vouches for.
    Note,
    /// A note of another key.
    Foreign,
    /// None of these.
    Wrong,
}

/// Checks one file.
fn check(store: &Store, path: &Path) -> Result<Found> {
    if path.starts_with(store.root().join("notes")) {
        check_note(store, path)
    } else {
        check_blob(store, path)
    }
}

fn check_blob(store: &Store, path: &Path) -> Result<Found> {
    if let Some(digest) = &named(path)
        && store.blob_path(digest) == path
        && let Ok(Some(mut file)) = super::access::open_plain(&store.folder, path)
    {
        let found = hash(&mut file, digest).map_err(|error| io(path, "read", &error))?;
        if found == *digest {
            return Ok(Found::Blob(file.metadata().map_or(0, |metadata| metadata.len())));
        }
    }
    Ok(Found::Wrong)
}

/// `notes/KIND/KEY/ab/abcd…`
fn check_note(store: &Store, path: &Path) -> Result<Found> {
    let below = path.strip_prefix(store.root().join("notes")).unwrap_or(path);
    let parts: Vec<&str> = below.iter().filter_map(|part| part.to_str()).collect();
    let (Some(key), [kind, id, rest @ ..]) = (&store.options.key, &parts[..]) else {
        return Ok(Found::Foreign);
    };
    if *id != key.id() {
        return Ok(Found::Foreign);
    }
    if let Some(input) = rest.last().and_then(|hex| Sha256::from_hex(hex).ok())
        && store.note_path(key, kind, &input) == path
        && let Ok(Some(file)) = super::access::open_plain(&store.folder, path)
    {
        let note = super::read_note(&file).map_err(|error| io(path, "read", &error))?;
        if super::authentic(key, kind, &input, note).is_some() {
            return Ok(Found::Note);
        }
    }
    Ok(Found::Wrong)
}

/// The digest that a path like `…/sha256/ab/abcd…` stands for.
fn named(path: &Path) -> Option<Digest> {
    let hex = path.file_name()?.to_str()?;
    let algorithm = path.parent()?.parent()?.file_name()?.to_str()?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// All that is below a directory of the store but directories, sorted.
fn walk(store: &Store, name: &str) -> Result<Vec<PathBuf>> {
    let directory = store.root().join(name);
    store.folder.walk(&directory).map_err(|error| io(&directory, "list", &error))
}

/// When a file was last used, and its length.
fn used(store: &Store, path: &Path) -> Result<(Option<SystemTime>, u64)> {
    let stat = store.folder.look(path).map_err(|error| io(path, "look at", &error))?;
    let since = |seconds, nanoseconds| Some(Duration::new(u64::try_from(seconds).ok()?, nanoseconds));
    let used = since(stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0));
    Ok((
        used.and_then(|used| SystemTime::UNIX_EPOCH.checked_add(used)),
        u64::try_from(stat.st_size).unwrap_or(0),
    ))
}
