//! A block image as a value.

use tree::chunk::Chunk;

/// Segments begin at multiples of this many bytes, and no two share such a block: the cluster of qcow2, the grain of
/// VMDK, so that a segment's encoded form depends on what is in it and not on where it is.
pub(crate) const ALIGN: u64 = 64 << 10;

/// Which bytes stand where on a block device, or on a partition of one.
///
/// Invariants: `size` is a multiple of 1 MiB; segments are sorted by offset, begin at multiples of [`ALIGN`], are not
/// empty, and none begins in a block of [`ALIGN`] bytes that the one before reaches into. Everything else is zero.
#[derive(Debug, Default)]
pub(crate) struct Image<'t> {
    /// The size of the device in bytes.
    pub(crate) size: u64,
    /// What is not zero, in order.
    pub(crate) segments: Vec<Segment<'t>>,
}

/// A run of bytes: at most `PIECE` and the padding of one file, cut where contents change, so that a changed file
/// moves segments but leaves what is in the others as it is.
#[derive(Debug)]
pub(crate) struct Segment<'t> {
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// What it is made of, each part behind the one before.
    pub(crate) chunk: Chunk<'t>,
}

impl<'t> Image<'t> {
    /// Takes the segments of `inner`, a partition that begins `offset` bytes into this one. Partitions are added in the
    /// order of their offsets, which are multiples of [`ALIGN`].
    pub(crate) fn add(&mut self, offset: u64, inner: Image<'t>) {
        let moved = |segment: Segment<'t>| Segment { offset: offset + segment.offset, chunk: segment.chunk };
        self.segments.extend(inner.segments.into_iter().map(moved));
    }
}
