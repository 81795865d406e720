//! Clean-up and check of a whole store: alone in it, since what is removed must be in nobody's use.

use super::lock::{self, How};
use super::{Store, hash, io, open};
use crate::digest::Digest;
use crate::refusal::Result;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a clean-up has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that stay.
    pub kept: u64,
}

/// What a check of all blobs has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Blobs that are what their names say.
    pub good: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The names, below the store, of what was not, sorted; it has been set aside.
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
                for path in walk(&store.root.join(name))? {
                    let metadata =
                        std::fs::symlink_metadata(&path).map_err(|error| io(&path, "look at", &error))?;
                    if metadata.modified().is_ok_and(|used| used >= since) {
                        swept.kept += 1;
                        continue;
                    }
                    std::fs::remove_file(&path).map_err(|error| io(&path, "remove", &error))?;
                    swept.files += 1;
                    swept.bytes += metadata.len();
                }
            }
            Ok(swept)
        })
    }

    /// Hashes every blob and sets aside what is not what its name says.
    ///
    /// # Errors
    /// `Lock` where another process has the store open still after the time-out, with its number.
    pub fn verify_all(&mut self) -> Result<Checked> {
        self.alone(|store| {
            let blobs = store.root.join("blobs");
            let results: Vec<Result<u64, String>> =
                walk(&blobs)?.into_par_iter().map(|path| check(store, &path)).collect::<Result<_>>()?;
            let mut checked = Checked::default();
            for result in results {
                match result {
                    Ok(bytes) => {
                        checked.good += 1;
                        checked.bytes += bytes;
                    }
                    Err(name) => checked.set_aside.push(name),
                }
            }
            Ok(checked)
        })
    }

    /// Does something while no other process has the store open, nor another `Store` of this one.
    fn alone<T>(&mut self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        self.must_be_writable("leave to clean up")?;
        let Some(file) = &self.in_use else { return work(self) };
        let path = self.root.join("in-use.lock");
        let taken = lock::take(file, How::NonBlockingLockExclusive, self.options.lock_timeout)
            .map_err(|error| io(&path, "lock", &error))?;
        let done = if taken { work(self) } else { Err(open::held(&path, file, "has the store open")) };
        // trying for the exclusive lock has given up the shared one (flock(2)), whatever came of it
        open::hold(self, file)?;
        done
    }
}

/// Checks one blob: its size, or its name where it was set aside.
fn check(store: &Store, path: &Path) -> Result<Result<u64, String>> {
    let named = named(path);
    if let Some(digest) = &named
        && store.blob_path(digest) == path
        && let Ok(Some(mut file)) = super::access::open_plain(path)
    {
        let found = hash(&mut file, digest).map_err(|error| io(path, "read", &error))?;
        if found == *digest {
            return Ok(Ok(file.metadata().map_or(0, |metadata| metadata.len())));
        }
    }
    let below = path.strip_prefix(&store.root).unwrap_or(path).to_string_lossy().into_owned();
    store.set_aside(path, &below.trim_start_matches("blobs/").replace('/', "-"))?;
    Ok(Err(below))
}

/// The digest that a path like `…/sha256/ab/abcd…` stands for.
fn named(path: &Path) -> Option<Digest> {
    let hex = path.file_name()?.to_str()?;
    let algorithm = path.parent()?.parent()?.file_name()?.to_str()?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// All that is below a directory but directories, sorted.
fn walk(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).map_err(|error| io(&directory, "list", &error))? {
            let entry = entry.map_err(|error| io(&directory, "list", &error))?;
            let sort = entry.file_type().map_err(|error| io(&entry.path(), "look at", &error))?;
            if sort.is_dir() { open.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    Ok(found)
}
