//! Encoded pieces of outputs that the store keeps from bake to bake, found by what they are made of.
//!
//! A note, which the store authenticates, leads from a piece's key to a blob, which is hashed in memory: a note or a blob
//! that does not check is set aside, and the piece is made again. That the store can keep no more stops no bake.

use crate::Store;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use tree::digest::{Digest, Sha256};
use tree::refusal::{Refusal, Result, Stage};

/// Pieces of one sort.
#[derive(Debug)]
pub struct Kept<'s> {
    store: &'s Store,
    /// The sort of the notes.
    sort: &'static str,
    /// The most bytes of one piece.
    most: u64,
    taking: bool,
    keeping: AtomicBool,
}

impl<'s> Kept<'s> {
    /// The pieces of the sort `sort`; with `used` being false none is found and none kept.
    #[must_use]
    pub fn open(store: &'s Store, sort: &'static str, most: u64, used: bool) -> Self {
        Self { store, sort, most, taking: used, keeping: AtomicBool::new(used && store.keeps_notes()) }
    }

    /// The piece that was kept under `key`; none where there is none that is right.
    #[must_use]
    pub fn take(&self, key: &Sha256) -> Option<Vec<u8>> {
        let note = if self.taking { self.store.note(self.sort, key)? } else { return None };
        let (name, len) = note.split_first_chunk::<32>()?;
        let name = Sha256(*name);
        let len = u64::from_le_bytes(len.try_into().ok()?);
        if len > self.most {
            return None;
        }
        self.store.read_blob(&Digest::Sha256(name), len).ok()?
    }

    /// Keeps a piece; after the first that cannot be kept no more are tried.
    pub fn keep(&self, key: &Sha256, piece: &[u8]) {
        if self.keeping.load(Ordering::Relaxed) && self.put(key, piece).is_err() {
            self.keeping.store(false, Ordering::Relaxed);
        }
    }

    fn put(&self, key: &Sha256, piece: &[u8]) -> Result<()> {
        let mut incoming = self.store.incoming()?;
        incoming.write_all(piece).map_err(|error| Refusal::io(self.sort, Stage::Store, "write", &error))?;
        let (name, len) = incoming.commit()?;
        let mut note = name.0.to_vec();
        note.extend(len.to_le_bytes());
        self.store.put_note(self.sort, key, &note)
    }
}
