//! The store: content-addressed blobs that several bakes share.
//!
//! ```text
//! <root>/layout               the layout's version, one line
//! <root>/in-use.lock          shared by every bake, exclusive for a clean-up
//! <root>/blobs/<algorithm>/<first two hex>/<hex>     0644, never changed after its rename
//! <root>/notes/<sort>/<first two hex>/<hex>          what was derived from what; checks itself
//! <root>/incoming/<algorithm>-<hex>.{part,lock}      one transfer at a time, resumable
//! ```
//! One way in: write to `incoming`, verify, fsync, rename. A blob is what its name says or it is set aside.

use crate::digest::{Digest, Sha256};
use crate::refusal::Result;
use std::fs::File;
use std::path::{Path, PathBuf};

/// An open store. Cheap to share between threads by reference.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

/// Bytes on their way into the store: write, then `commit`. Dropped without it, nothing is left.
#[derive(Debug)]
pub struct Incoming<'a> {
    store: &'a Store,
}

impl Store {
    /// Opens the store at `root`, making it when it is not there; holds it in use until it is dropped.
    pub fn open(root: &Path) -> Result<Self> {
        todo!("{root:?}")
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a blob of this name and size: a plain file, not yet hashed.
    pub fn has(&self, digest: &Digest, size: u64) -> Result<bool> {
        todo!("{digest:?} {size}")
    }

    /// Opens a blob for reading; refuses what is no plain file. Not yet hashed.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        todo!("{digest:?}")
    }

    /// Hashes a blob: true when it is what its name says; else it is set aside and the answer is false.
    pub fn verify_blob(&self, digest: &Digest) -> Result<bool> {
        todo!("{digest:?}")
    }

    /// Begins a blob whose name is not known before its end.
    pub fn incoming(&self) -> Result<Incoming<'_>> {
        todo!()
    }

    /// The bytes noted under `key` for this `sort` of derivation (`unpacked-1`, `frame-1`); `None` where there is
    /// none, or where it does not check.
    pub fn note(&self, sort: &'static str, key: &Sha256) -> Option<Vec<u8>> {
        todo!("{sort} {key}")
    }

    /// Notes `bytes` under `key`. Notes are small, and check themselves when they are read.
    pub fn put_note(&self, sort: &'static str, key: &Sha256, bytes: &[u8]) -> Result<()> {
        todo!("{sort} {key} {}", bytes.len())
    }
}

impl std::io::Write for Incoming<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        todo!("{} {:?}", buf.len(), self.store)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Incoming<'_> {
    /// Makes the bytes a blob, named by their SHA-256, which is returned with their number.
    pub fn commit(self) -> Result<(Sha256, u64)> {
        todo!("{:?}", self.store)
    }
}
