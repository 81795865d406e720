//! bbolt database files: the one file in which containerd keeps what it knows.
//!
//! ```text
//! page 0, 1   meta pages; of two valid ones the higher transaction counts
//! page 2      freelist
//! page 3 …    leaf and branch pages of all buckets
//!
//! page    = id(u64) flags(u16) count(u16) overflow(u32) body          branch 1, leaf 2, meta 4, freelist 16
//! meta    = magic(u32) version(u32) page-size(u32) flags(u32) root(u64) sequence(u64) freelist(u64)
//!           pages(u64) transaction(u64) checksum(u64)                   checksum: FNV-1a (64 bits) of all before it
//! leaf    = (flags(u32) at(u32) key-size(u32) value-size(u32))* (key value)*        flags 1: the value is a bucket
//! branch  = (at(u32) key-size(u32) page(u64))* key*                               at: counted from its own element
//! bucket  = root(u64) sequence(u64) [page]           root 0: a leaf page follows, the bucket has no page of its own
//! ```
//! Numbers are little-endian, pages have 4096 bytes (a writer takes that of its machine; containerd's machines have it), and a
//! page that needs more goes on in the `overflow` pages after it. Keys are sorted by their bytes, and the key of a branch's element is
//! the first one of the page below.
//!
//! What is written is what bbolt leaves after one transaction: a bucket without buckets whose page would be no
//! larger than a quarter of one is inline, all others have pages; a branch has at least two pages below it; nothing is
//! free. The same buckets always give the same bytes.
//!
//! Source: go.etcd.io/bbolt 1.3 and 1.4, the types of `internal/common` (page.go, meta.go, bucket.go, inode.go), as facts.
//!
//! Not supported, on purpose: changing a database. A reader is here so that what was written can be checked, and to look into one.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::read;
pub use write::write;

use std::collections::BTreeMap;

/// The size of a page in bytes.
pub const PAGE: usize = 4096;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const PAGE_HEADER: usize = 16;
/// An element of a leaf and of a branch has the same size, before its key.
const ELEMENT: usize = 16;
const BUCKET_HEADER: usize = 16;
/// The fields of a meta page, and those of them that its checksum is of.
const META: usize = 64;
const SUMMED: usize = 56;
/// A bucket that is no larger than this, as a page, may be within its parent's.
const INLINE: usize = PAGE / 4;
/// Where data begins: after two meta pages and the freelist.
const FIRST: u64 = 3;
const FREELIST_AT: u64 = 2;
/// In place of a freelist's page, where none was written.
const NO_FREELIST: u64 = u64::MAX;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const META_FLAG: u16 = 4;
const FREELIST: u16 = 16;
/// An element of a leaf that is a bucket.
const IS_BUCKET: u32 = 1;
/// The longest key.
const MOST_KEY: usize = 32768;
/// A file larger than this is not read: containerd's have a few megabytes.
const MOST_BYTES: usize = 1 << 30;
/// Buckets in buckets, and branches over branches, that are followed.
const MOST_DEPTH: usize = 32;

/// What a bucket holds, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// A number that whoever uses the bucket counts up.
    pub sequence: u64,
    /// Its values and buckets.
    pub entries: BTreeMap<Vec<u8>, Value>,
}

/// A value of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Bytes.
    Bytes(Vec<u8>),
    /// A bucket in the bucket.
    Bucket(Bucket),
}

/// Why a database cannot be written or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BoltError {
    /// A key or value that has no place in one.
    #[error("expected {what} of {least} to {most} bytes, found {found}")]
    Size {
        /// `a key` or `a value`.
        what: &'static str,
        /// The shortest.
        least: usize,
        /// The longest.
        most: usize,
        /// What it has.
        found: usize,
    },
    /// A file that is no database.
    #[error("not a bbolt database: {0}")]
    Meta(&'static str),
    /// A page that is not what leads to it.
    #[error("page {page}: {what}")]
    Page {
        /// The page.
        page: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl Bucket {
    /// Puts bytes at `key`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.entries.insert(key.into(), Value::Bytes(value.into()));
    }

    /// Puts a bucket at `key`.
    pub fn put_bucket(&mut self, key: impl Into<Vec<u8>>, bucket: Self) {
        self.entries.insert(key.into(), Value::Bucket(bucket));
    }

    /// The bucket at the end of `path`.
    #[must_use]
    pub fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |bucket, key| match bucket.entries.get(key.as_bytes())? {
            Value::Bucket(bucket) => Some(bucket),
            Value::Bytes(_) => None,
        })
    }

    /// The bytes at `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        match self.entries.get(key.as_bytes())? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Bucket(_) => None,
        }
    }
}

/// FNV-1a with 64 bits, as of draft-eastlake-fnv.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
