//! The superblock: 1024 bytes that say what all the rest is.
//!
//! Features are those of Debian's `mke2fs -t ext4`, and so are mount options and limits. No count of mounts or days
//! asks for a check. Source: the kernel's `Documentation/filesystems/ext4/super.rst`.

use super::bytes::{high32, low16, low32, put, put16, put32};
use super::checksum::crc32c;
use super::extents::FIELD;
use super::geometry::{FLEX, GROUP};
use super::groups::Groups;
use super::inode;
use super::inodes::{JOURNAL, LOST_FOUND};
use super::place::Placed;
use super::{BLOCK, Options};

/// Bytes of a superblock.
pub(super) const SIZE: usize = 1024;
/// The primary one stands so many bytes into its block.
pub(super) const AT: usize = 1024;

/// `has_journal`, `ext_attr`, `resize_inode`, `dir_index`.
const COMPATIBLE: u32 = 0x4 | 0x8 | 0x10 | 0x20;
/// `filetype`, `extents`, `64bit`, `flex_bg`.
const INCOMPATIBLE: u32 = 0x2 | 0x40 | 0x80 | 0x200;
/// `sparse_super`, `large_file`, `huge_file`, `dir_nlink`, `extra_isize`, `metadata_csum`.
const READ_COMPATIBLE: u32 = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400;
/// `user_xattr`, `acl`.
const MOUNT_OPTIONS: u32 = 0x4 | 0x8;
/// Names are hashed as bytes without sign.
const UNSIGNED_HASH: u32 = 0x2;
const HALF_MD4: u8 = 1;
const CRC32C: u8 = 1;
const CLEAN: u16 = 1;
/// On an error the kernel goes on, as after `mke2fs`; `errors=` of a mount says otherwise.
const CONTINUE: u16 = 1;

/// The superblock of `group`: the primary one in group 0, else a copy.
pub(super) fn superblock(
    placed: &Placed,
    groups: &Groups,
    journal: &[u8; FIELD],
    options: &Options,
    group: u64,
) -> [u8; SIZE] {
    let mut out = [0; SIZE];
    let geometry = &placed.geometry;
    // one in a hundred for root, rounded up: growing keeps the whole percent
    let reserved = geometry.blocks.div_ceil(100);
    put32(&mut out, 0, low32(geometry.groups * geometry.inodes_per_group));
    for (low, high, count) in [(4, 336, geometry.blocks), (8, 340, reserved), (12, 344, groups.free_blocks)] {
        put32(&mut out, low, low32(count));
        put32(&mut out, high, high32(count));
    }
    put32(&mut out, 16, low32(groups.free_inodes));
    // the logarithm of a block's size, and of a cluster's, from 1024 bytes
    put32(&mut out, 24, BLOCK.trailing_zeros() - 10);
    put32(&mut out, 28, BLOCK.trailing_zeros() - 10);
    put32(&mut out, 32, low32(GROUP));
    put32(&mut out, 36, low32(GROUP));
    put32(&mut out, 40, low32(geometry.inodes_per_group));
    put16(&mut out, 54, u16::MAX);
    put16(&mut out, 56, 0xef53);
    // a copy may be old, so that whoever falls back on one must check
    put16(&mut out, 58, if group == 0 { CLEAN } else { 0 });
    put16(&mut out, 60, CONTINUE);
    put32(&mut out, 76, 1);
    put32(&mut out, 84, LOST_FOUND);
    put16(&mut out, 88, low16(inode::SIZE as u64));
    put16(&mut out, 90, low16(group));
    put32(&mut out, 92, COMPATIBLE);
    put32(&mut out, 96, INCOMPATIBLE);
    put32(&mut out, 100, READ_COMPATIBLE);
    put(&mut out, 104, &options.uuid);
    put(&mut out, 120, options.label.as_bytes());
    put16(&mut out, 206, low16(geometry.room));
    put32(&mut out, 224, JOURNAL);
    put(&mut out, 236, &options.hash_seed);
    out[252] = HALF_MD4;
    // where the journal is, a second time
    out[253] = 1;
    put16(&mut out, 254, 64);
    put32(&mut out, 256, MOUNT_OPTIONS);
    put(&mut out, 268, journal);
    let journal_bytes = geometry.journal * BLOCK as u64;
    put32(&mut out, 268 + FIELD, high32(journal_bytes));
    put32(&mut out, 268 + FIELD + 4, low32(journal_bytes));
    put16(&mut out, 348, inode::EXTRA);
    put16(&mut out, 350, inode::EXTRA);
    put32(&mut out, 352, UNSIGNED_HASH);
    out[372] = FLEX.trailing_zeros().to_le_bytes()[0];
    out[373] = CRC32C;
    put32(&mut out, 584, low32(geometry.overhead()));
    times(&mut out, options.epoch);
    let sum = crc32c(!0, &out[..SIZE - 4]);
    put32(&mut out, SIZE - 4, sum);
    out
}

/// Written, checked and made at `epoch`: 40 bits each, the high byte apart.
fn times(out: &mut [u8], epoch: i64) {
    let seconds = u64::from_ne_bytes(epoch.to_ne_bytes());
    for (low, high) in [(48, 0x274), (64, 0x277), (264, 0x276)] {
        put32(out, low, low32(seconds));
        out[high] = high32(seconds).to_le_bytes()[0];
    }
}
