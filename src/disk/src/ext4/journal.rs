//! The journal: an empty one is its first block.
//!
//! All numbers are big-endian. Source: the kernel's `Documentation/filesystems/ext4/journal.rst`.

use super::BLOCK;
use super::bytes::{low32, put};

const MAGIC: u32 = 0xc03b_3998;
const SUPERBLOCK_2: u32 = 4;

/// The first block of an empty journal of so many blocks in the file system `uuid`.
pub(super) fn journal(blocks: u64, uuid: &[u8; 16]) -> Vec<u8> {
    let mut out = vec![0; BLOCK];
    let numbers = [
        (0, MAGIC),
        (4, SUPERBLOCK_2),
        (12, low32(BLOCK as u64)),
        (16, low32(blocks)),
        // the first block of the log, and the first transaction to expect in it
        (20, 1),
        (24, 1),
        // used by one file system
        (64, 1),
    ];
    for (at, number) in numbers {
        put(&mut out, at, &number.to_be_bytes());
    }
    put(&mut out, 48, uuid);
    out
}
