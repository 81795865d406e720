//! The blocks of a directory.
//!
//! What fits one block is one list. A larger one has an index by the hash of names (`htree`), as the kernel makes it:
//!
//! ```text
//! block 0            root: `.`, `..`, hash → block
//! blocks 1 to n      nodes: hash → block; only where the root has no room for all leaves
//! the others         leaves: lists, each with a range of hashes
//! ```
//! Each block ends in its sum. A leaf whose hashes go on from the one before has the lowest bit of its hash set.
//! Source: the kernel's `Documentation/filesystems/ext4/directory.rst`.

use super::BLOCK;
use super::bytes::{put, put16, put32};
use super::checksum::crc32c;
use super::hash::half_md4;
use super::inodes::Child;

/// The bytes at the end of a list that hold its sum.
const TAIL: usize = 12;
/// Where the entries of an index begin, in its root and in its nodes.
const ROOT_AT: usize = 32;
const NODE_AT: usize = 8;
/// How many entries an index block has room for, its sum taken off.
const ROOT_LIMIT: usize = (BLOCK - ROOT_AT - 8) / 8;
const NODE_LIMIT: usize = (BLOCK - NODE_AT - 8) / 8;
/// Half MD4, as the root says it; that bytes have no sign is in the superblock.
const HALF_MD4: u8 = 1;

/// A directory's own number, and what its blocks depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) number: u32,
    pub(super) parent: u32,
    /// What the sums begin with.
    pub(super) seed: u32,
    /// What the hashes of names begin with.
    pub(super) hash_seed: &'a [u8; 16],
}

/// The blocks of a directory, at least `least`, and whether they are indexed; nothing where it has too many entries.
pub(super) fn directory(place: Place<'_>, children: &[Child<'_>], least: usize) -> Option<(Vec<u8>, bool)> {
    let whole: usize = children.iter().map(|child| size(child.name)).sum();
    if size(".") + size("..") + whole <= BLOCK - TAIL {
        let dots = [
            Child { name: ".", number: place.number, sort: 2 },
            Child { name: "..", number: place.parent, sort: 2 },
        ];
        let mut blocks = list(dots.iter().chain(children), place.seed);
        for _ in 1..least {
            blocks.extend(list([].iter(), place.seed));
        }
        return Some((blocks, false));
    }
    indexed(place, children).map(|blocks| (blocks, true))
}

/// How long an entry is.
fn size(name: &str) -> usize {
    8 + name.len().next_multiple_of(4)
}

/// One block with a list of entries, the last filling what is left.
fn list<'c, 't: 'c>(children: impl Iterator<Item = &'c Child<'t>>, seed: u32) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let mut last = 0;
    let mut at = 0;
    for child in children {
        last = at;
        at += size(child.name);
        entry(&mut block, last, child, at - last);
    }
    put16(&mut block, last + 4, narrow(BLOCK - TAIL - last));
    put(&mut block, BLOCK - TAIL, &[0, 0, 0, 0, 12, 0, 0, 0xde]);
    let sum = crc32c(seed, &block[..BLOCK - TAIL]);
    put32(&mut block, BLOCK - 4, sum);
    block
}

fn entry(block: &mut [u8], at: usize, child: &Child<'_>, len: usize) {
    put32(block, at, child.number);
    put16(block, at + 4, narrow(len));
    // names have at most 255 bytes, which `inodes` has seen to
    block[at + 6] = child.name.len().to_le_bytes()[0];
    block[at + 7] = child.sort;
    put(block, at + 8, child.name.as_bytes());
}

fn indexed(place: Place<'_>, children: &[Child<'_>]) -> Option<Vec<u8>> {
    let mut hashed: Vec<(u32, &Child<'_>)> =
        children.iter().map(|child| (half_md4(child.name.as_bytes(), place.hash_seed), child)).collect();
    hashed.sort_unstable_by_key(|&(hash, child)| (hash, child.name));
    let leaves = leaves(&hashed);

    let nodes = if leaves.len() <= ROOT_LIMIT { 0 } else { leaves.len().div_ceil(NODE_LIMIT) };
    if nodes > ROOT_LIMIT {
        return None;
    }
    let first = u32::try_from(1 + nodes).ok()?;
    let targets: Vec<(u32, u32)> = leaves.iter().map(|leaf| leaf.0).zip(first..).collect();
    let mut blocks = Vec::with_capacity((1 + nodes + leaves.len()) * BLOCK);
    if nodes == 0 {
        blocks.extend(root(place, &targets, 0));
    } else {
        let upper: Vec<(u32, u32)> = targets
            .chunks(NODE_LIMIT)
            .filter_map(|below| below.first())
            .map(|below| below.0)
            .zip(1..)
            .collect();
        blocks.extend(root(place, &upper, 1));
        for below in targets.chunks(NODE_LIMIT) {
            let mut node = vec![0; BLOCK];
            // a single unused entry over the whole block, for readers that know no index
            put16(&mut node, 4, narrow(BLOCK));
            index(&mut node, NODE_AT, NODE_LIMIT, below, place.seed);
            blocks.extend(node);
        }
    }
    for (_, entries) in leaves {
        blocks.extend(list(entries.iter().map(|&(_, child)| child), place.seed));
    }
    Some(blocks)
}

type Hashed<'c, 't> = [(u32, &'c Child<'t>)];

/// Cuts the sorted entries into what fits a block each, with the least hash of each.
fn leaves<'h, 'c, 't>(hashed: &'h Hashed<'c, 't>) -> Vec<(u32, &'h Hashed<'c, 't>)> {
    let mut leaves = Vec::new();
    let (mut start, mut len) = (0, 0);
    for (nth, (_, child)) in hashed.iter().enumerate() {
        if len + size(child.name) > BLOCK - TAIL {
            leaves.push((low(hashed, start), &hashed[start..nth]));
            (start, len) = (nth, 0);
        }
        len += size(child.name);
    }
    leaves.push((low(hashed, start), &hashed[start..]));
    leaves
}

fn low(hashed: &Hashed<'_, '_>, start: usize) -> u32 {
    let goes_on = start > 0 && hashed[start - 1].0 == hashed[start].0;
    hashed[start].0 | u32::from(goes_on)
}

fn root(place: Place<'_>, targets: &[(u32, u32)], levels: u8) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    entry(&mut block, 0, &Child { name: ".", number: place.number, sort: 2 }, 12);
    entry(&mut block, 12, &Child { name: "..", number: place.parent, sort: 2 }, BLOCK - 12);
    put(&mut block, 24, &[0, 0, 0, 0, HALF_MD4, 8, levels, 0]);
    index(&mut block, ROOT_AT, ROOT_LIMIT, targets, place.seed);
    block
}

/// Writes the entries of an index block and its sum. The first entry's hash is the least of all and is not written:
/// limit and count stand in its place.
fn index(block: &mut [u8], at: usize, limit: usize, targets: &[(u32, u32)], seed: u32) {
    for (nth, &(hash, target)) in targets.iter().enumerate() {
        put32(block, at + 8 * nth, hash);
        put32(block, at + 8 * nth + 4, target);
    }
    put16(block, at, narrow(limit));
    put16(block, at + 2, narrow(targets.len()));
    let sum = crc32c(seed, &block[..at + 8 * targets.len()]);
    // the reserved word before the sum, and the sum's own place as zero
    let sum = crc32c(sum, &[0; 8]);
    put32(block, at + 8 * limit + 4, sum);
}

/// A length within a block.
fn narrow(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}
