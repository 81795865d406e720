//! The layout of the tar stream: which bytes stand where, and where it is cut into frames. Nothing is read.
//!
//! ```text
//! entries    | h a | h b | h c | h                d                | h e | …
//! chunks     '----- 0 ---------'------ 1 ------'------ 2 ----------'-- 3 …
//! ```
//! A chunk is the part of the stream that becomes one frame. The cuts depend on what is next to them alone, never on
//! what is far before, so that a changed file moves its own chunk and leaves the others as they are:
//! - before an entry whose path's digest says so, once the chunk has `LEAST` bytes;
//! - before an entry that would bring the chunk over `MOST`;
//! - inside a file larger than `PIECE` at each of its pieces, and after it.
//!
//! The key of a chunk is a digest over all that decides the bytes of its frame: the encoder and its level, the
//! headers as they are, and the digest of each content. So whether a frame is known is answered without reading a
//! file. Not supported, on purpose: any look at a file's bytes for a cut, and any number of cores.

use super::pax::{self, Shape};
use sha2::Digest as _;
use tree::digest::Sha256;
use tree::name::ImagePath;
use tree::refusal::{Class, Refusal, Result, Stage};
use tree::{Content, Node, PIECE, Tree};

/// No cut by a path's digest before a chunk has this many bytes.
const LEAST: u64 = 2 << 20;
/// No chunk has more bytes than this and the headers of one entry.
const MOST: u64 = PIECE;
/// One path in so many is a place for a cut.
const ONE_IN: u8 = 16;

/// A whole tar stream, not yet read.
#[derive(Debug)]
pub(crate) struct Layout<'t> {
    /// Its chunks in their order.
    pub(crate) chunks: Vec<Chunk<'t>>,
    /// For each entry of the tree the offset in the stream of the first byte behind its header.
    pub(crate) at: Vec<u64>,
    /// The length of the stream in bytes.
    pub(crate) len: u64,
}

/// What becomes one frame.
#[derive(Debug, Default)]
pub(crate) struct Chunk<'t> {
    /// Its parts in their order.
    pub(crate) parts: Vec<Part<'t>>,
    /// Its length in bytes.
    pub(crate) len: u64,
}

/// A part of a chunk.
#[derive(Debug)]
pub(crate) enum Part<'t> {
    /// Headers and padding.
    Raw(Vec<u8>),
    /// Bytes of a file.
    Range(Range<'t>),
}

/// Bytes of a file with the digest that they must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<'t> {
    /// The file.
    pub(crate) path: &'t ImagePath,
    /// Its content.
    pub(crate) content: &'t Content,
    /// The first byte of the content that is meant.
    pub(crate) offset: u64,
    /// How many bytes.
    pub(crate) len: u64,
    /// The digest of just these.
    pub(crate) digest: Sha256,
}

/// Lays out `tree`.
pub(crate) fn layout(tree: &Tree) -> Result<Layout<'_>> {
    let mut cut = Cut::default();
    let mut at = Vec::with_capacity(tree.len());
    let mut len: u64 = 0;
    for (path, entry) in tree.iter() {
        let refuse = |cause: pax::Unfit| Refusal::new(Class::Archive, path.as_str(), Stage::Emit, cause);
        let header = pax::header(path, &entry.meta, Shape::from(&entry.node)).map_err(refuse)?;
        let body = if let Node::File(content) = &entry.node { content.len() } else { 0 };
        let whole = (header.len() as u64).saturating_add(body);
        cut.before(path, whole);
        len += header.len() as u64;
        at.push(len);
        cut.raw(&header);
        if let Node::File(content) = &entry.node {
            for (nth, range) in ranges(path, content)?.into_iter().enumerate() {
                if nth > 0 {
                    cut.close();
                }
                cut.range(range);
            }
            cut.zeros(pax::padding(body));
            len = len.saturating_add(body + pax::padding(body) as u64);
            if body > PIECE {
                cut.close();
            }
        }
    }
    cut.zeros(2 * pax::BLOCK);
    Ok(Layout { chunks: cut.finish(), at, len: len.saturating_add(2 * pax::BLOCK as u64) })
}

impl Chunk<'_> {
    /// Names what this chunk becomes by an encoder, of which `head` says all that decides its bytes.
    pub(crate) fn key(&self, head: &[u8]) -> Sha256 {
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
pub(crate) fn ranges<'t>(path: &'t ImagePath, content: &'t Content) -> Result<Vec<Range<'t>>> {
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
pub(crate) struct Cut<'t> {
    chunks: Vec<Chunk<'t>>,
    open: Chunk<'t>,
}

impl<'t> Cut<'t> {
    /// Cuts before the entry at `path`, which has `whole` bytes, where the path or the length says so.
    pub(crate) fn before(&mut self, path: &ImagePath, whole: u64) {
        let here = self.open.len >= LEAST && Sha256::of(path.as_str().as_bytes()).0[0].is_multiple_of(ONE_IN);
        if here || self.open.len.saturating_add(whole) > MOST {
            self.close();
        }
    }

    /// Cuts here.
    pub(crate) fn close(&mut self) {
        if self.open.len > 0 {
            self.chunks.push(std::mem::take(&mut self.open));
        }
    }

    /// All chunks.
    pub(crate) fn finish(mut self) -> Vec<Chunk<'t>> {
        self.close();
        self.chunks
    }

    /// The position of the next byte: the number of its chunk, and how far it is in.
    pub(crate) fn place(&self) -> (usize, u64) {
        (self.chunks.len(), self.open.len)
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.open.len += bytes.len() as u64;
        match self.open.parts.last_mut() {
            Some(Part::Raw(before)) => before.extend(bytes),
            _ => self.open.parts.push(Part::Raw(bytes.to_vec())),
        }
    }

    /// Adds `count` zero bytes.
    pub(crate) fn zeros(&mut self, count: usize) {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut left = count;
        while left > 0 {
            let some = left.min(ZEROS.len());
            self.raw(&ZEROS[..some]);
            left -= some;
        }
    }

    /// Adds bytes of a file.
    pub(crate) fn range(&mut self, range: Range<'t>) {
        self.open.len += range.len;
        self.open.parts.push(Part::Range(range));
    }
}
