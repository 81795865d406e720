//! The inode that holds the room into which descriptors grow when a mounted file system is made larger.
//!
//! ```text
//! inode 7 ─► block of block numbers ─► each block of the room in group 0 ─► the same block of each copy
//! ```
//! It looks like a sparse file whose blocks are found over two levels, and so keeps them from being given to others.
//! Source: `ext2fs_create_resize_inode` of e2fsprogs describes the form, the kernel's `fs/ext4/resize.c` reads it.

use super::BLOCK;
use super::bytes::{index, low32, put32};
use super::extents::FIELD;
use super::geometry::{GROUP, Geometry};
use super::inode::{Fields, Time};
use super::inodes::RESIZE;
use super::raw::Raw;

/// Block numbers in a block.
const NUMBERS: u64 = BLOCK as u64 / 4;
/// The field of an inode without extents has twelve blocks, and the thirteenth names blocks that name blocks.
const DIRECT: u64 = 12;
const TWICE: usize = 13 * 4;

/// The inode; puts its blocks, of which the first stands at `at`, into `raw`.
pub(super) fn resize(geometry: &Geometry, at: u64, time: Time, raw: &mut Raw) -> Fields {
    let copies: Vec<u64> = geometry.backups().map(|group| group * GROUP).collect();
    let mut names = vec![0; BLOCK];
    for nth in geometry.descriptors..geometry.descriptors + geometry.room {
        let block = 1 + nth;
        put32(&mut names, index(nth % NUMBERS) * 4, low32(block));
        if !copies.is_empty() {
            let mut copied = vec![0; BLOCK];
            for (place, copy) in copied.chunks_exact_mut(4).zip(&copies) {
                put32(place, 0, low32(copy + block));
            }
            raw.put(block, copied);
        }
    }
    raw.put(at, names);
    let mut field = [0; FIELD];
    put32(&mut field, TWICE, low32(at));
    Fields {
        number: RESIZE,
        mode: 0o100_600,
        uid: 0,
        gid: 0,
        size: (NUMBERS * NUMBERS + NUMBERS + DIRECT) * BLOCK as u64,
        time,
        links: 1,
        blocks: 1 + geometry.room * (1 + copies.len() as u64),
        flags: 0,
        field,
        attributes: 0,
        inside: None,
    }
}
