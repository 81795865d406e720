//! The store: content-addressed blobs that several bakes share.
//!
//! ```text
//! <root>/layout               the layout's version, one line
//! <root>/in-use.lock          shared by every bake, exclusive for a clean-up
//! <root>/blobs/<algorithm>/<first two hex>/<hex>     0644, never changed after its rename
//! <root>/notes/<kind>/<key id>/<first two hex>/<hex> what was derived from what, authenticated
//! <root>/incoming/<algorithm>-<hex>.{part,lock}      one transfer at a time, resumable
//! <root>/incoming/tmp-*                              only on file systems without unnamed files
//! <root>/aside/<algorithm>-<hex>                     what did not match its name, for a look
//! ```
//! One way in: write to `incoming`, verify, rename. A blob is what its name says or it is set aside.
//!
//! Whoever can write to the store may change any file of it at any time. So nothing read from it is used as it is:
//! - bytes of blobs are compared with their digest in this process's memory, after they were read and before they are
//!   used: whole ([`Store::read_blob`]), in steps ([`Store::verified`]), or as ranges with digests of their own;
//! - where such digests come from a note, the note is authenticated with a [`Key`] that is not in the store. Without a
//!   key nothing is noted, and no note is used.
//!
//! What does not check is set aside, is reported ([`Store::rejected`]), and is as good as not there.
//!
//! Invariants
//! - Directories are 0700, blobs 0644, all else 0600, whatever the umask; a store that others may write to is
//!   refused unless it is opened as [`Sharing::Group`].
//! - A blob is a plain file with one name. It is opened without following links and without blocking.
//! - No link below the root is followed, in any part of a name and at any time: nothing outside of the store is read,
//!   made, moved or removed, whatever somebody puts into it (`folder`).
//! - What was fetched is synced before it gets its name, its directory before `fetch` returns. Derived blobs and
//!   notes are not synced: they can be made again.
//! - Killed at any moment, it leaves at most `incoming` files, which the next one to open the store clears away
//!   (locks, temporaries) or goes on with (`.part`).
//! - `mtime` of a blob or a note is its last use; nothing else depends on it.
//!
//! Not supported, on purpose: an index (the names are the index), reference counts (age decides), compression.
//!
//! Beside it is the other place that files are written in, the directory of outputs ([`output`], [`part`]), and what
//! writers of outputs take from the store: contents that are checked ([`contents`]) and pieces of earlier bakes ([`kept`]).

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make files to read"))]
#![cfg_attr(
    not(test),
    expect(clippy::disallowed_methods, reason = "the one crate of the library that writes files")
)]

mod access;
pub mod beneath;
pub mod contents;
mod folder;
mod identity;
mod incoming;
pub mod kept;
mod key;
mod lock;
mod open;
pub mod ordered;
pub mod output;
pub mod part;
pub mod sums;
mod sweep;
mod transfer;
mod verified;

pub use identity::Identity;
pub use incoming::Incoming;
pub use key::{Key, KeyError};
pub use sweep::{Checked, Swept};
pub use transfer::{Begun, Holder, Transfer};
pub use verified::{Changed, Verified};

use folder::Folder;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use tree::digest::{Digest, Sha256};
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};

/// The largest note that is read, in bytes, without its tag.
const NOTE_LIMIT: u64 = 64 << 20;
/// The length of a note's tag.
const TAG: usize = 32;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may write to it.
    pub sharing: Sharing,
    /// How long to wait for a clean-up of another process, or, to clean up, for other processes.
    pub lock_timeout: Duration,
    /// What tells the notes of this user from those of anybody else; without one none is used and none is made.
    pub key: Option<Key>,
}

/// Who may write to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Only the user who bakes: directories of another user, or writable by others, are refused.
    Private,
    /// A group of users: directories are 0770, and those of other users are accepted. They share blobs; notes only
    /// with those who have the same key.
    Group,
}

/// An open store. Cheap to share between threads by reference.
#[derive(Debug)]
pub struct Store {
    /// Its directory, open: all that is below is looked up from here.
    folder: Folder,
    options: Options,
    /// Held shared while the store is open; none where a read-only store has no lock file.
    in_use: Option<File>,
    writable: bool,
    /// Directories with new names in them, to be synced by `settle`.
    dirty: Mutex<BTreeSet<PathBuf>>,
    /// What was found wrong, by its name below the root.
    rejected: Mutex<BTreeSet<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { sharing: Sharing::Private, lock_timeout: Duration::from_secs(60), key: None }
    }
}

impl Store {
    /// Opens the store at `root`, making it when it is not there; holds it in use until it is dropped.
    pub fn open(root: &Path) -> Result<Self> {
        Self::open_with(root, &Options::default())
    }

    /// Opens the store at `root` as [`Store::open`] does, with options.
    ///
    /// A store that cannot be written to is opened for its hits alone.
    ///
    /// # Errors
    /// `Io` where the directory is writable by others, owned by another user, no store, or of another layout;
    /// `Lock` where a clean-up does not end within the time-out.
    pub fn open_with(root: &Path, options: &Options) -> Result<Self> {
        open::open(root, options)
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Whether blobs can be added.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether notes can be added.
    #[must_use]
    pub fn keeps_notes(&self) -> bool {
        self.writable && self.options.key.is_some()
    }

    /// Whether there is a blob of this name and size: a plain file, not yet hashed.
    pub fn has(&self, digest: &Digest, size: u64) -> Result<bool> {
        let path = self.blob_path(digest);
        Ok(access::plain_size(&self.folder, &path)?.is_some_and(|found| found == size))
    }

    /// Opens a blob for reading and records its use; refuses what is no plain file. Not hashed: whoever reads from it
    /// compares what it has read.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        self.find_blob(digest)?.ok_or_else(|| {
            Refusal::new(Class::Io, digest.to_string(), Stage::Store, "it is not in the store")
                .remedy(Remedy::Fetch)
        })
    }

    /// Reads a blob of `size` bytes whole, and hashes what was read; `None` where there is none that is right.
    pub fn read_blob(&self, digest: &Digest, size: u64) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.find_blob(digest)? else { return Ok(None) };
        let path = self.blob_path(digest);
        let mut bytes = Vec::new();
        file.take(size.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| io(&path, "read", &error))?;
        let mut hasher = digest.hasher();
        hasher.update(&bytes);
        if bytes.len() as u64 == size && hasher.finish() == *digest {
            return Ok(Some(bytes));
        }
        self.reject(&path);
        Ok(None)
    }

    /// Hashes a blob: true when it is what its name says; else it is set aside and the answer is false. A blob that
    /// is not there is false, too. Says nothing about what is read from it afterwards.
    pub fn verify_blob(&self, digest: &Digest) -> Result<bool> {
        let Some(mut file) = self.find_blob(digest)? else { return Ok(false) };
        let path = self.blob_path(digest);
        let found = hash(&mut file, digest).map_err(|error| io(&path, "read", &error))?;
        if found != *digest {
            self.reject(&path);
        }
        Ok(found == *digest)
    }

    /// Begins a blob whose name is not known before its end.
    pub fn incoming(&self) -> Result<Incoming<'_>> {
        self.must_be_writable("a derived blob")?;
        Incoming::begin(self)
    }

    /// The bytes noted for `input` by this `kind` of derivation (`unpacked-2`, `frame-2`), authenticated; `None` where
    /// there are none, or none that this key vouches for.
    pub fn note(&self, kind: &'static str, input: &Sha256) -> Option<Vec<u8>> {
        let key = self.options.key.as_ref()?;
        let path = self.note_path(key, kind, input);
        // what is no plain file is no note either, and is moved out of the way of the next one
        let found = access::open_plain(&self.folder, &path).and_then(|found| {
            let read = |file| {
                access::touch(&file);
                read_note(&file).map_err(|error| io(&path, "read", &error))
            };
            found.map(read).transpose()
        });
        let Ok(found) = found else {
            self.reject(&path);
            return None;
        };
        let note = authentic(key, kind, input, found?);
        if note.is_none() {
            self.reject(&path);
        }
        note
    }

    /// Notes `bytes` for `input`, with a tag. In a store that has no key or cannot be written to it does nothing, since a
    /// note only saves time.
    pub fn put_note(&self, kind: &'static str, input: &Sha256, bytes: &[u8]) -> Result<()> {
        let Some(key) = self.options.key.as_ref().filter(|_| self.keeps_notes()) else { return Ok(()) };
        if bytes.len() as u64 > NOTE_LIMIT {
            return Ok(());
        }
        let path = self.note_path(key, kind, input);
        let mut temporary = incoming::Temporary::new(self, self.private_mode())?;
        temporary
            .write(&key.tag(kind, input, bytes))
            .and_then(|()| temporary.write(bytes))
            .map_err(|error| io(&path, "write", &error))?;
        temporary.place(&path)
    }

    /// What was found wrong since the store was opened, by its name below the store, sorted: it was not used.
    #[must_use]
    pub fn rejected(&self) -> Vec<String> {
        self.wrong().iter().cloned().collect()
    }

    /// Where a blob of this name is, or would be.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root().join("blobs").join(digest.algorithm()).join(&hex[..2]).join(hex)
    }

    /// Syncs the directories of blobs that were fetched: after it, they are there for good.
    pub fn settle(&self) -> Result<()> {
        let dirty =
            std::mem::take(&mut *self.dirty.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for directory in dirty {
            self.folder.sync(&directory).map_err(|error| io(&directory, "sync", &error))?;
        }
        Ok(())
    }

    fn find_blob(&self, digest: &Digest) -> Result<Option<File>> {
        let found = access::open_plain(&self.folder, &self.blob_path(digest))?;
        if let Some(file) = &found {
            access::touch(file);
        }
        Ok(found)
    }

    fn note_path(&self, key: &Key, kind: &str, input: &Sha256) -> PathBuf {
        let hex = input.hex();
        self.root().join("notes").join(kind).join(key.id()).join(&hex[..2]).join(hex)
    }

    /// Sets aside what is not what its name says, and remembers that.
    pub fn reject(&self, path: &Path) {
        let name = self.below(path);
        if self.writable {
            // where even that fails it is not used all the same
            let _ = self.set_aside(path, &name.trim_start_matches("blobs/").replace('/', "-"));
        }
        self.wrong().insert(name);
    }

    /// The name of a file of the store, below its root.
    fn below(&self, path: &Path) -> String {
        path.strip_prefix(self.root()).unwrap_or(path).to_string_lossy().into_owned()
    }

    fn wrong(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.rejected.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Moves what is at `path` out of the way, where a person may look at it.
    fn set_aside(&self, path: &Path, name: &str) -> Result<()> {
        let aside = self.root().join("aside").join(name);
        access::rename_making(&self.folder, path, &aside, self.directory_mode())
            .map_err(|error| io(path, "set aside", &error))
    }

    fn must_be_writable(&self, what: &str) -> Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(Refusal::new(
            Class::Io,
            self.root().display().to_string(),
            Stage::Store,
            format!("the store is read-only and lacks {what}"),
        )
        .remedy(Remedy::FillStore))
    }

    fn directory_mode(&self) -> u32 {
        self.options.sharing.directory_mode()
    }

    fn private_mode(&self) -> u32 {
        match self.options.sharing {
            Sharing::Private => 0o600,
            Sharing::Group => 0o660,
        }
    }
}

impl Sharing {
    fn directory_mode(self) -> u32 {
        match self {
            Self::Private => 0o700,
            Self::Group => 0o770,
        }
    }
}

/// The digest of the rest of `file`, by the algorithm of `like`.
fn hash(file: &mut File, like: &Digest) -> std::io::Result<Digest> {
    let mut hasher = like.hasher();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A note as it is in its file: the tag and the bytes. What is longer than any note is cut, and does not check.
fn read_note(mut file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.by_ref().take(TAG as u64 + NOTE_LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of a note without its tag, if it is one of `key`.
fn authentic(key: &Key, kind: &str, input: &Sha256, mut note: Vec<u8>) -> Option<Vec<u8>> {
    let (tag, bytes) = note.split_first_chunk::<TAG>()?;
    if !key.vouches(kind, input, bytes, tag) {
        return None;
    }
    note.drain(..TAG);
    Some(note)
}

/// The name of what belongs to a blob that is not under its final name.
fn file_stem(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm(), digest.hex())
}

fn io(path: &Path, doing: &str, error: &std::io::Error) -> Refusal {
    Refusal::io(path.display().to_string(), Stage::Store, doing, error)
}

#[cfg(test)]
mod tests;
