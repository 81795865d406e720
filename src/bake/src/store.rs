//! The store: content-addressed blobs that several bakes share.
//!
//! ```text
//! <root>/layout               the layout's version, one line
//! <root>/in-use.lock          shared by every bake, exclusive for a clean-up
//! <root>/blobs/<algorithm>/<first two hex>/<hex>     0644, never changed after its rename
//! <root>/notes/<sort>/<first two hex>/<hex>          what was derived from what; checks itself
//! <root>/incoming/<algorithm>-<hex>.{part,lock}      one transfer at a time, resumable
//! <root>/incoming/tmp-*                              only on file systems without unnamed files
//! <root>/aside/<algorithm>-<hex>                     what did not match its name, for a look
//! ```
//! One way in: write to `incoming`, verify, rename. A blob is what its name says or it is set aside.
//!
//! Invariants
//! - Directories are 0700, blobs 0644, all else 0600, whatever the umask; a store that others may write to is
//!   refused unless it is opened as [`Sharing::Group`].
//! - A blob is a plain file with one name. It is opened without following links and without blocking.
//! - What was fetched is synced before it gets its name, its directory before `fetch` returns. Derived blobs and
//!   notes are not synced: they can be made again, and are to be hashed ([`Store::verify_blob`]) before use, as
//!   every blob is that an earlier run has left.
//! - Killed at any moment, it leaves at most `incoming` files, which the next one to open the store clears away
//!   (locks, temporaries) or goes on with (`.part`).
//! - `mtime` of a blob or a note is its last use; nothing else depends on it.
//!
//! Deliberately absent: an index (the names are the index), reference counts (age decides), compression.

#![expect(clippy::disallowed_methods, reason = "the store is one of the two places that write files")]

mod access;
mod incoming;
mod lock;
mod open;
mod sweep;
mod transfer;

pub use incoming::Incoming;
pub use sweep::{Checked, Swept};
pub use transfer::{Begun, Holder, Transfer};

use crate::digest::{Digest, Sha256};
use crate::refusal::{Class, Refusal, Result, Stage};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// The largest note that is read, in bytes.
const NOTE_LIMIT: u64 = 64 << 20;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may write to it.
    pub sharing: Sharing,
    /// How long to wait for a clean-up of another process, or, to clean up, for other processes.
    pub lock_timeout: Duration,
}

/// Who may write to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Only the user who bakes: directories of another user, or writable by others, are refused.
    Private,
    /// A group of users who trust each other: directories are 0770, and those of other users are accepted.
    Group,
}

/// An open store. Cheap to share between threads by reference.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    options: Options,
    /// Held shared while the store is open; none where a read-only store has no lock file.
    in_use: Option<File>,
    writable: bool,
    /// Directories with new names in them, to be synced by `settle`.
    dirty: Mutex<BTreeSet<PathBuf>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { sharing: Sharing::Private, lock_timeout: Duration::from_secs(60) }
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
        &self.root
    }

    /// Whether blobs can be added.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether there is a blob of this name and size: a plain file, not yet hashed.
    pub fn has(&self, digest: &Digest, size: u64) -> Result<bool> {
        let path = self.blob_path(digest);
        Ok(access::plain_size(&path)?.is_some_and(|found| found == size))
    }

    /// Opens a blob for reading and records its use; refuses what is no plain file. Not yet hashed.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        self.find_blob(digest)?.ok_or_else(|| {
            Refusal::new(Class::Io, digest.to_string(), Stage::Store, "it is not in the store")
                .hint("fetch it first, and let no clean-up run beside a bake")
        })
    }

    /// Hashes a blob: true when it is what its name says; else it is set aside and the answer is false. A blob that
    /// is not there is false, too.
    pub fn verify_blob(&self, digest: &Digest) -> Result<bool> {
        let Some(mut file) = self.find_blob(digest)? else { return Ok(false) };
        let path = self.blob_path(digest);
        let found = hash(&mut file, digest).map_err(|error| io(&path, "read", &error))?;
        if found == *digest {
            return Ok(true);
        }
        if self.writable {
            self.set_aside(&path, &file_stem(digest))?;
        }
        Ok(false)
    }

    /// Begins a blob whose name is not known before its end.
    pub fn incoming(&self) -> Result<Incoming<'_>> {
        self.must_be_writable("a derived blob")?;
        Incoming::begin(self)
    }

    /// The bytes noted under `key` for this `sort` of derivation (`unpacked-1`, `frame-1`); `None` where there is
    /// none, or where it does not check.
    pub fn note(&self, sort: &'static str, key: &Sha256) -> Option<Vec<u8>> {
        let file = access::open_plain(&self.note_path(sort, key)).ok()??;
        let mut bytes = Vec::new();
        (&file).take(NOTE_LIMIT + 65).read_to_end(&mut bytes).ok()?;
        let (head, payload) = bytes.split_at_checked(65)?;
        if head != note_head(sort, key, payload).as_bytes() {
            return None;
        }
        access::touch(&file);
        bytes.drain(..65);
        Some(bytes)
    }

    /// Notes `bytes` under `key`. Notes are small, and check themselves when they are read. In a store that cannot be
    /// written to it does nothing, since a note only saves time.
    pub fn put_note(&self, sort: &'static str, key: &Sha256, bytes: &[u8]) -> Result<()> {
        if !self.writable || bytes.len() as u64 > NOTE_LIMIT {
            return Ok(());
        }
        let path = self.note_path(sort, key);
        let mut temporary = incoming::Temporary::new(self, self.private_mode())?;
        temporary
            .write(note_head(sort, key, bytes).as_bytes())
            .and_then(|()| temporary.write(bytes))
            .map_err(|error| io(&path, "write", &error))?;
        temporary.place(self, &path)
    }

    /// Where a blob of this name is, or would be.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs").join(digest.algorithm()).join(&hex[..2]).join(hex)
    }

    /// Syncs the directories of blobs that were fetched: after it, they are there for good.
    pub fn settle(&self) -> Result<()> {
        let dirty =
            std::mem::take(&mut *self.dirty.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for directory in dirty {
            File::open(&directory)
                .and_then(|opened| opened.sync_all())
                .map_err(|error| io(&directory, "sync", &error))?;
        }
        Ok(())
    }

    fn find_blob(&self, digest: &Digest) -> Result<Option<File>> {
        let found = access::open_plain(&self.blob_path(digest))?;
        if let Some(file) = &found {
            access::touch(file);
        }
        Ok(found)
    }

    fn note_path(&self, sort: &str, key: &Sha256) -> PathBuf {
        let hex = key.hex();
        self.root.join("notes").join(sort).join(&hex[..2]).join(hex)
    }

    /// Moves what is at `path` out of the way, where a person may look at it.
    fn set_aside(&self, path: &Path, name: &str) -> Result<()> {
        let aside = self.root.join("aside").join(name);
        access::rename_making(path, &aside, self.directory_mode())
            .map_err(|error| io(path, "set aside", &error))
    }

    fn must_be_writable(&self, what: &str) -> Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(Refusal::new(
            Class::Io,
            self.root.display().to_string(),
            Stage::Store,
            format!("the store is read-only and lacks {what}"),
        )
        .hint("bake once with a store that can be written to, or choose another one"))
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

/// The first line of a note: a digest over its sort, its key and its bytes, so that no note stands for another.
fn note_head(sort: &str, key: &Sha256, payload: &[u8]) -> String {
    use sha2::Digest as _;
    let mut hasher = sha2::Sha256::new();
    hasher.update(sort.as_bytes());
    hasher.update([0]);
    hasher.update(key.0);
    hasher.update(payload);
    format!("{}\n", Sha256(hasher.finalize().into()).hex())
}

/// The name of what belongs to a blob that is not under its final name.
fn file_stem(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm(), digest.hex())
}

fn io(path: &Path, doing: &str, error: &std::io::Error) -> Refusal {
    Refusal::io(path.display().to_string(), Stage::Store, doing, error)
}
