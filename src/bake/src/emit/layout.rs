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
use tree::chunk::{Chunk, Cut, ranges};
use tree::refusal::{Class, Refusal, Result, Stage};
use tree::{Node, PIECE, Tree};

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
