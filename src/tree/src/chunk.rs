//! Chunks: bytes to be written, as a list of what they are made of. Nothing is read.
//!
//! A stream is cut into chunks where what is next to a cut says so, never what is far before, so that a changed file moves
//! its own chunk and leaves the others as they are:
//! - before an entry whose path's digest says so, once the chunk has `LEAST` bytes;
//! - before an entry that would bring the chunk over `MOST`;
//! - inside a file larger than [`PIECE`] at each of its pieces, and after it.
//!
//! The key of a chunk is a digest over all that decides the bytes that an encoder makes of it, so that whether they are
//! known is answered without reading a file. Not supported, on purpose: any look at a file's bytes for a cut, and any
//! number of cores.

use crate::digest::Sha256;
use crate::name::ImagePath;
use crate::refusal::{Class, Refusal, Result, Stage};
use crate::{Content, PIECE};
use sha2::Digest as _;

/// No cut by a path's digest before a chunk has this many bytes.
const LEAST: u64 = 2 << 20;
/// No chunk has more bytes than this and the headers of one entry.
const MOST: u64 = PIECE;
/// One path in so many is a place for a cut.
const ONE_IN: u8 = 16;

/// What becomes one frame.
#[derive(Debug, Default)]
pub struct Chunk<'t> {
    /// Its parts in their order.
    pub parts: Vec<Part<'t>>,
    /// Its length in bytes.
    pub len: u64,
}

/// A part of a chunk.
#[derive(Debug)]
pub enum Part<'t> {
    /// Headers and padding.
    Raw(Vec<u8>),
    /// Bytes of a file.
    Range(Range<'t>),
}

/// Bytes of a file with the digest that they must have.
#[derive(Debug, Clone, Copy)]
pub struct Range<'t> {
    /// The file.
    pub path: &'t ImagePath,
    /// Its content.
    pub content: &'t Content,
    /// The first byte of the content that is meant.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// The digest of just these.
    pub digest: Sha256,
}

impl Chunk<'_> {
    /// Names what this chunk becomes by an encoder, of which `head` says all that decides its bytes.
    #[must_use]
    pub fn key(&self, head: &[u8]) -> Sha256 {
        let mut hasher = sha2::Sha256::new();
        hasher.update(head);
        for part in &self.parts {
            match part {
                Part::Raw(bytes) => {
                    hasher.update(b"r");
                    hasher.update((bytes.len() as u64).to_le_bytes());
                    hasher.update(bytes);
                }
                Part::Range(range) => {
                    hasher.update(b"c");
                    hasher.update(range.len.to_le_bytes());
                    hasher.update(range.digest.0);
                }
            }
        }
        Sha256(hasher.finalize().into())
    }
}

/// The ranges in which a content is read: one, or one for each piece of a large file.
pub fn ranges<'t>(path: &'t ImagePath, content: &'t Content) -> Result<Vec<Range<'t>>> {
    let len = content.len();
    if len == 0 {
        return Ok(Vec::new());
    }
    if len <= PIECE {
        return Ok(vec![Range { path, content, offset: 0, len, digest: content.digest() }]);
    }
    let digests = match content {
        Content::Inline(bytes) => {
            bytes.chunks(usize::try_from(PIECE).unwrap_or(usize::MAX)).map(Sha256::of).collect()
        }
        Content::Stored(stored) => stored.pieces.clone(),
    };
    let expected = len.div_ceil(PIECE);
    if digests.len() as u64 != expected {
        let cause = format!("expected the digests of {expected} pieces, found {}", digests.len());
        return Err(Refusal::new(Class::Verification, path.as_str(), Stage::Emit, cause));
    }
    let starts = (0..expected).map(|nth| nth * PIECE);
    Ok(starts
        .zip(digests)
        .map(|(offset, digest)| Range { path, content, offset, len: PIECE.min(len - offset), digest })
        .collect())
}

/// The chunk that is open, and those that are closed.
#[derive(Debug, Default)]
pub struct Cut<'t> {
    chunks: Vec<Chunk<'t>>,
    open: Chunk<'t>,
}

impl<'t> Cut<'t> {
    /// Cuts before the entry at `path`, which has `whole` bytes, where the path or the length says so.
    pub fn before(&mut self, path: &ImagePath, whole: u64) {
        let here = self.open.len >= LEAST && Sha256::of(path.as_str().as_bytes()).0[0].is_multiple_of(ONE_IN);
        if here || self.open.len.saturating_add(whole) > MOST {
            self.close();
        }
    }

    /// Cuts here.
    pub fn close(&mut self) {
        if self.open.len > 0 {
            self.chunks.push(std::mem::take(&mut self.open));
        }
    }

    /// All chunks.
    #[must_use]
    pub fn finish(mut self) -> Vec<Chunk<'t>> {
        self.close();
        self.chunks
    }

    /// The position of the next byte: the number of its chunk, and how far it is in.
    #[must_use]
    pub fn place(&self) -> (usize, u64) {
        (self.chunks.len(), self.open.len)
    }

    /// Adds bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.open.len += bytes.len() as u64;
        match self.open.parts.last_mut() {
            Some(Part::Raw(before)) => before.extend(bytes),
            _ => self.open.parts.push(Part::Raw(bytes.to_vec())),
        }
    }

    /// Adds `count` zero bytes.
    pub fn zeros(&mut self, count: usize) {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut left = count;
        while left > 0 {
            let some = left.min(ZEROS.len());
            self.raw(&ZEROS[..some]);
            left -= some;
        }
    }

    /// Adds bytes of a file.
    pub fn range(&mut self, range: Range<'t>) {
        self.open.len += range.len;
        self.open.parts.push(Part::Range(range));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_changes_with_every_header_content_order_and_encoder() {
        let range = |digest: &[u8], len: u64| {
            let content: &'static Content = Box::leak(Box::new(Content::Inline(b"".as_slice().into())));
            let at: &'static ImagePath = Box::leak(Box::new("/x".parse().unwrap()));
            Part::Range(Range { path: at, content, offset: 0, len, digest: Sha256::of(digest) })
        };
        let raw = |bytes: &[u8]| Part::Raw(bytes.to_vec());
        let key = |head: &[u8], parts: Vec<Part<'static>>| Chunk { len: 9, parts }.key(head);
        let keys = [
            key(b"1", vec![raw(b"ab"), range(b"c", 3)]),
            key(b"2", vec![raw(b"ab"), range(b"c", 3)]),
            key(b"1", vec![raw(b"ac"), range(b"c", 3)]),
            key(b"1", vec![raw(b"ab"), range(b"d", 3)]),
            key(b"1", vec![raw(b"ab"), range(b"c", 4)]),
            key(b"1", vec![range(b"c", 3), raw(b"ab")]),
            key(b"1", vec![raw(b"a"), raw(b"b"), range(b"c", 3)]),
            key(b"1", vec![raw(b"ab")]),
        ];
        let different: std::collections::BTreeSet<Sha256> = keys.into_iter().collect();
        assert_eq!(different.len(), 8);
    }
}
