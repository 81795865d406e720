//! The segments of an image on their way to a writer: read and checked, or taken from an earlier bake.

use super::{Image, Segment};
use std::num::NonZeroUsize;
use store::Store;
use store::contents::Contents;
use store::kept::Kept;
use store::ordered;
use tree::refusal::{Class, Refusal, Result, Stage};

/// The largest encoded segment that is taken from the store, in bytes.
const MOST_KEPT: u64 = 32 << 20;

/// How an image is written; nothing of it shows in the bytes.
#[derive(Debug, Clone, Copy)]
pub struct How<'s> {
    /// Where contents are, and encoded segments of earlier bakes.
    pub store: &'s Store,
    /// On how many threads.
    pub jobs: NonZeroUsize,
    /// Whether encoded segments are taken from the store and kept in it.
    pub keep: bool,
}

/// What came of writing an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pieces {
    /// How many segments it has.
    pub count: usize,
    /// How many of them were known from an earlier bake.
    pub kept: usize,
}

/// How much of an image is encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoFar {
    /// Bytes of the segments up to this one.
    done: u64,
    /// Bytes of all segments.
    total: u64,
}

impl SoFar {
    /// How long the output will be, in bytes, of which `written` are there.
    pub(crate) fn expected(self, written: u64) -> u64 {
        store::part::expected(written, self.done, self.total)
    }
}

/// An encoding of segments, each apart from the others.
pub(crate) struct Encoding<'e> {
    /// The sort of the store's notes.
    pub(crate) sort: &'static str,
    /// All that decides the encoded bytes: the form, the encoder, its level and version.
    pub(crate) version: Vec<u8>,
    /// The encoding of a segment's bytes.
    pub(crate) encode: &'e (dyn Fn(&[u8]) -> std::io::Result<Vec<u8>> + Sync),
}

/// Reads the segments of `image`, and hands what `work` makes of each to `take`, in order.
pub(crate) fn read<'t, T: Send>(
    image: &Image<'t>,
    how: How<'_>,
    work: impl Fn(&Segment<'t>, Vec<u8>) -> Result<T> + Sync,
    mut take: impl FnMut(&Segment<'t>, T) -> Result<()>,
) -> Result<Pieces> {
    let contents = Contents::of(how.store);
    let segments = &image.segments;
    let read = |number: usize| {
        let mut bytes = Vec::new();
        contents.read(&segments[number].chunk, &mut bytes)?;
        work(&segments[number], bytes)
    };
    ordered::ordered(segments.len(), how.jobs, read, |number, made| take(&segments[number], made))?;
    Ok(Pieces { count: segments.len(), kept: 0 })
}

/// Encodes the segments of `image`, and hands them to `take`, in order. Segments that were encoded before are read from
/// the store instead, without a look at what is in them.
pub(crate) fn encoded<'t>(
    image: &Image<'t>,
    how: How<'_>,
    encoding: &Encoding<'_>,
    mut take: impl FnMut(&Segment<'t>, Vec<u8>, SoFar) -> Result<()>,
) -> Result<Pieces> {
    let contents = Contents::of(how.store);
    let kept = Kept::open(how.store, encoding.sort, MOST_KEPT, how.keep);
    let segments = &image.segments;
    let work = |number: usize| {
        let chunk = &segments[number].chunk;
        let key = chunk.key(&encoding.version);
        if let Some(encoded) = kept.take(&key) {
            return Ok((encoded, true));
        }
        let mut bytes = Vec::new();
        contents.read(chunk, &mut bytes)?;
        let encoded = (encoding.encode)(&bytes)
            .map_err(|error| Refusal::new(Class::Io, encoding.sort, Stage::Emit, error))?;
        kept.keep(&key, &encoded);
        Ok((encoded, false))
    };
    let mut known = 0;
    let mut so_far = SoFar { done: 0, total: segments.iter().map(|segment| segment.chunk.len).sum() };
    ordered::ordered(segments.len(), how.jobs, work, |number, (encoded, was_kept)| {
        known += usize::from(was_kept);
        so_far.done += segments[number].chunk.len;
        take(&segments[number], encoded, so_far)
    })?;
    Ok(Pieces { count: segments.len(), kept: known })
}
