//! A tree as a compressed tar: each chunk of the layout is one zstd frame, and an index of them stands at the end.
//!
//! Frames are made on several threads and written in order; each is made by one thread with an encoder of its own, so
//! the bytes depend on the tree, the level and the version of zstd, and on nothing else. Frames one behind the other
//! are a normal zstd file (RFC 8878, section 3.1), and the index is a frame that readers skip.
//!
//! A frame that was made before is a blob of the store, found by its chunk's key; one that does not check is set aside
//! and made again. That the store can keep no more frames stops no bake.
//!
//! Memory: for each job one chunk and its frame (at most 8 MiB each) and the encoder; one more frame waits.

use super::index;
use super::layout::Layout;
use std::num::NonZeroUsize;
use store::Store;
use store::contents::Contents;
use store::kept::Kept;
use store::ordered;
use tree::chunk::Chunk;
use tree::refusal::{Class, Refusal, Result, Stage};
use zstd::zstd_safe::CParameter;

/// The sort of the notes that lead from a chunk's key to its frame.
const NOTE: &str = "frame-2";
/// The version of the layout and of a frame's bytes: a part of every key.
const FORMAT: &[u8] = b"vmbake frame 1\n";

/// What came of writing the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Frames {
    /// How many there are.
    pub count: usize,
    /// How many of them were in the store.
    pub kept: usize,
    /// The length of the tar stream in bytes.
    pub tar: u64,
}

/// How frames are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// The zstd level.
    pub(crate) level: i32,
    /// On how many threads.
    pub(crate) jobs: NonZeroUsize,
    /// Whether frames are taken from the store and kept in it.
    pub(crate) keep: bool,
}

/// Compresses `layout` and hands all bytes of the artifact to `write` in their order, with how many bytes of the tar
/// stream they stand for.
pub(crate) fn write(
    layout: &Layout<'_>,
    store: &Store,
    how: How,
    mut write: impl FnMut(&[u8], u64) -> Result<()>,
) -> Result<Frames> {
    let contents = Contents::of(store);
    let kept = Kept::open(store, NOTE, index::MAX_FRAME.into(), how.keep);
    let version = zstd::zstd_safe::version_number().to_le_bytes();
    let head = [FORMAT, &version, &how.level.to_le_bytes()].concat();
    let work = |number: usize| {
        let chunk = &layout.chunks[number];
        let key = chunk.key(&head);
        if let Some(frame) = kept.take(&key) {
            return Ok((frame, true));
        }
        let mut raw = Vec::new();
        contents.read(chunk, &mut raw)?;
        let frame =
            compress(&raw, how.level).map_err(|error| Refusal::new(Class::Io, "zstd", Stage::Emit, error))?;
        kept.keep(&key, &frame);
        Ok((frame, false))
    };
    let mut sizes = Vec::with_capacity(layout.chunks.len());
    let mut known = 0;
    ordered::ordered(layout.chunks.len(), how.jobs, work, |number, (frame, was_kept)| {
        known += usize::from(was_kept);
        let chunk: &Chunk<'_> = &layout.chunks[number];
        sizes.push((size(frame.len() as u64)?, size(chunk.len)?));
        write(&frame, chunk.len)
    })?;
    write(&index::print(&sizes), 0)?;
    Ok(Frames { count: sizes.len(), kept: known, tar: layout.len })
}

/// A chunk as one frame: with a checksum and its content's size. The encoder is a new one for each, so that nothing
/// of an earlier frame can show.
fn compress(raw: &[u8], level: i32) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::bulk::Compressor::new(level)?;
    encoder.set_parameter(CParameter::ChecksumFlag(true))?;
    encoder.set_parameter(CParameter::ContentSizeFlag(true))?;
    encoder.compress(raw)
}

fn size(len: u64) -> Result<u32> {
    match u32::try_from(len) {
        Ok(len) if len <= index::MAX_FRAME => Ok(len),
        _ => Err(Refusal::new(Class::Archive, "frame", Stage::Emit, format!("too large: {len} bytes"))),
    }
}
