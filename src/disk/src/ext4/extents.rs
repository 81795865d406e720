//! Extents: which blocks of a file stand where.
//!
//! Four fit into the inode. More are leaves, a block each with 340, and above them as many levels of index blocks as
//! it takes until four are enough. Source: the kernel's `Documentation/filesystems/ext4/ifork.rst`.

use super::BLOCK;
use super::bytes::{high32, low16, low32, put16, put32};
use super::checksum::crc32c;
use super::place::Run;

/// The bytes of the inode that say where its blocks are.
pub(super) const FIELD: usize = 60;
const MAGIC: u16 = 0xf30a;
const ENTRY: usize = 12;
const IN_INODE: usize = FIELD / ENTRY - 1;
const IN_BLOCK: usize = BLOCK / ENTRY - 1;
/// More blocks in one extent would read as blocks that were never written.
const LONGEST: u64 = 32_768;

/// Blocks that follow each other in the file and on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first block of the file.
    pub(super) logical: u64,
    /// Where it stands.
    pub(super) start: u64,
    /// How many blocks, at most 32768.
    pub(super) len: u64,
}

/// The extents of a file whose blocks are `runs`, each with its first block in the file, in that order.
pub(super) fn extents(runs: impl IntoIterator<Item = (u64, Run)>) -> Vec<Extent> {
    let mut all: Vec<Extent> = Vec::new();
    for (mut logical, Run { mut start, mut len }) in runs {
        if let Some(last) = all.last_mut()
            && last.logical + last.len == logical
            && last.start + last.len == start
        {
            let more = len.min(LONGEST - last.len);
            last.len += more;
            (logical, start, len) = (logical + more, start + more, len - more);
        }
        while len > 0 {
            let some = len.min(LONGEST);
            all.push(Extent { logical, start, len: some });
            (logical, start, len) = (logical + some, start + some, len - some);
        }
    }
    all
}

/// How many blocks the tree of so many extents needs besides the inode.
pub(super) fn nodes(extents: usize) -> usize {
    let (mut level, mut all) = (extents, 0);
    while level > IN_INODE {
        level = level.div_ceil(IN_BLOCK);
        all += level;
    }
    all
}

/// The inode's field, and the blocks of the tree, which stand at `nodes`.
pub(super) fn tree(extents: &[Extent], nodes: &[u64], seed: u32) -> ([u8; FIELD], Vec<(u64, Vec<u8>)>) {
    let mut level: Vec<(u64, [u8; ENTRY])> = extents.iter().map(leaf).collect();
    let mut blocks = Vec::with_capacity(nodes.len());
    let mut places = nodes.iter();
    let mut depth = 0;
    while level.len() > IN_INODE {
        let mut above = Vec::with_capacity(level.len().div_ceil(IN_BLOCK));
        for (entries, &place) in level.chunks(IN_BLOCK).zip(places.by_ref()) {
            let mut block = vec![0; BLOCK];
            fill(&mut block, entries, IN_BLOCK, depth);
            let sum = crc32c(seed, &block[..BLOCK - 4]);
            put32(&mut block, BLOCK - 4, sum);
            blocks.push((place, block));
            let logical = entries.first().map_or(0, |entry| entry.0);
            above.push((logical, branch(logical, place)));
        }
        level = above;
        depth += 1;
    }
    let mut field = [0; FIELD];
    fill(&mut field, &level, IN_INODE, depth);
    (field, blocks)
}

fn fill(out: &mut [u8], entries: &[(u64, [u8; ENTRY])], limit: usize, depth: u16) {
    put16(out, 0, MAGIC);
    put16(out, 2, low16(entries.len() as u64));
    put16(out, 4, low16(limit as u64));
    put16(out, 6, depth);
    for (place, (_, entry)) in out[ENTRY..].chunks_exact_mut(ENTRY).zip(entries) {
        place.copy_from_slice(entry);
    }
}

fn leaf(extent: &Extent) -> (u64, [u8; ENTRY]) {
    let mut out = [0; ENTRY];
    put32(&mut out, 0, low32(extent.logical));
    put16(&mut out, 4, low16(extent.len));
    put16(&mut out, 6, low16(u64::from(high32(extent.start))));
    put32(&mut out, 8, low32(extent.start));
    (extent.logical, out)
}

fn branch(logical: u64, place: u64) -> [u8; ENTRY] {
    let mut out = [0; ENTRY];
    put32(&mut out, 0, low32(logical));
    put32(&mut out, 4, low32(place));
    put16(&mut out, 8, low16(u64::from(high32(place))));
    out
}
