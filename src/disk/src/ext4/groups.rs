//! Bitmaps and descriptors of all groups.
//!
//! A group of which nothing is in use but its copy of the superblock has no bitmap of blocks, one without inodes none
//! of inodes: its descriptor says so, and the kernel makes them when it needs them. Inode tables are zero where they
//! are unused, as a new image is zero everywhere, so that nothing is left to clear after the first mount.
//! Source: the kernel's `Documentation/filesystems/ext4/{group_descr,bitmaps}.rst`.

use super::BLOCK;
use super::bytes::{high16, high32, index, low16, low32, put16, put32};
use super::checksum::crc32c;
use super::geometry::{GROUP, Geometry, Tables, has_super};
use super::place::Run;
use super::raw::Raw;

const DESCRIPTOR: usize = 64;
const NO_INODE_BITMAP: u16 = 1;
const NO_BLOCK_BITMAP: u16 = 2;
const TABLE_IS_ZERO: u16 = 4;

/// The descriptors of all groups, and what they add up to.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) descriptors: Vec<u8>,
    pub(super) free_blocks: u64,
    pub(super) free_inodes: u64,
}

/// What one descriptor says.
struct Group {
    number: u64,
    tables: Tables,
    free_blocks: u64,
    free_inodes: u64,
    directories: u64,
    flags: u16,
    block_sum: u32,
    inode_sum: u32,
}

/// Describes all groups and puts their bitmaps into `raw`: `used` are the blocks in use, `last` is the highest number
/// of an inode, as all up to it are in use, `directories` are the numbers of those that are directories, in order.
pub(super) fn groups(
    geometry: &Geometry,
    used: &[Run],
    last: u32,
    directories: &[u32],
    seed: u32,
    raw: &mut Raw,
) -> Groups {
    let mut all = Groups::default();
    let mut runs = used;
    for (number, &tables) in (0..).zip(&geometry.tables) {
        let start = number * GROUP;
        let size = GROUP.min(geometry.blocks - start);
        let (bitmap, taken) = block_bitmap(&mut runs, start, size);
        let head = if has_super(number) { geometry.head() } else { 0 };
        let mut group = Group {
            number,
            tables,
            free_blocks: size - taken,
            free_inodes: geometry.inodes_per_group,
            directories: count(directories, number, geometry.inodes_per_group),
            flags: TABLE_IS_ZERO,
            block_sum: 0,
            inode_sum: 0,
        };
        // the kernel does not expect to make the bitmap of the last group
        if taken == head && number + 1 < geometry.groups {
            group.flags |= NO_BLOCK_BITMAP;
        } else {
            group.block_sum = crc32c(seed, &bitmap);
            raw.put(tables.block_bitmap, bitmap);
        }
        let inodes = u64::from(last).saturating_sub(number * geometry.inodes_per_group);
        if inodes == 0 {
            group.flags |= NO_INODE_BITMAP;
        } else {
            let inodes = inodes.min(geometry.inodes_per_group);
            group.free_inodes -= inodes;
            let mut bitmap = vec![0; BLOCK];
            set(&mut bitmap, 0, inodes);
            set(&mut bitmap, geometry.inodes_per_group, GROUP);
            group.inode_sum = crc32c(seed, &bitmap[..index(geometry.inodes_per_group / 8)]);
            raw.put(tables.inode_bitmap, bitmap);
        }
        all.free_blocks += group.free_blocks;
        all.free_inodes += group.free_inodes;
        all.descriptors.extend(descriptor(&group, seed));
    }
    all.descriptors.resize(all.descriptors.len().next_multiple_of(BLOCK), 0);
    all
}

/// The bitmap of the group at `start`, and how many of its blocks are in use. Runs that end in it are taken off.
fn block_bitmap(runs: &mut &[Run], start: u64, size: u64) -> (Vec<u8>, u64) {
    let mut bitmap = vec![0; BLOCK];
    let mut taken = 0;
    while let Some(run) = runs.first().filter(|run| run.start < start + size) {
        let (from, to) = (run.start.max(start) - start, run.end().min(start + size) - start);
        set(&mut bitmap, from, to);
        taken += to - from;
        if run.end() > start + size {
            break;
        }
        *runs = &runs[1..];
    }
    // blocks beyond the end are not free either
    set(&mut bitmap, size, GROUP);
    (bitmap, taken)
}

/// Sets the bits `from..to`.
fn set(bitmap: &mut [u8], from: u64, to: u64) {
    let (mut at, to) = (index(from), index(to));
    while at < to {
        if at.is_multiple_of(8) && to - at >= 8 {
            bitmap[at / 8] = 0xff;
            at += 8;
        } else {
            bitmap[at / 8] |= 1 << (at % 8);
            at += 1;
        }
    }
}

fn count(directories: &[u32], group: u64, per_group: u64) -> u64 {
    let below = |limit: u64| directories.partition_point(|&number| u64::from(number) <= limit) as u64;
    below((group + 1) * per_group) - below(group * per_group)
}

fn descriptor(group: &Group, seed: u32) -> [u8; DESCRIPTOR] {
    let mut out = [0; DESCRIPTOR];
    let Group { tables, free_blocks, free_inodes, directories, .. } = *group;
    // the tables are used from their beginning on
    let unused = free_inodes;
    for (low, high, block) in
        [(0, 32, tables.block_bitmap), (4, 36, tables.inode_bitmap), (8, 40, tables.inodes)]
    {
        put32(&mut out, low, low32(block));
        put32(&mut out, high, high32(block));
    }
    for (low, high, number) in
        [(12, 44, free_blocks), (14, 46, free_inodes), (16, 48, directories), (28, 50, unused)]
    {
        put16(&mut out, low, low16(number));
        put16(&mut out, high, high16(low32(number)));
    }
    put16(&mut out, 18, group.flags);
    for (low, high, sum) in [(24, 56, group.block_sum), (26, 58, group.inode_sum)] {
        put16(&mut out, low, low16(sum.into()));
        put16(&mut out, high, high16(sum));
    }
    let sum = crc32c(crc32c(seed, &low32(group.number).to_le_bytes()), &out);
    put16(&mut out, 30, low16(sum.into()));
    out
}
