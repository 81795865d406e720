//! An inode of 256 bytes.
//!
//! Times have 34 bits of seconds: 32 in the old place, and two more beside the nanoseconds. All four are the same, as
//! the tree knows one. Source: the kernel's `Documentation/filesystems/ext4/inodes.rst`.

use super::attributes::INSIDE;
use super::bytes::{high16, high32, low16, low32, put, put16, put32};
use super::checksum::{Seeds, crc32c};
use super::extents::FIELD;

/// Bytes of an inode.
pub(super) const SIZE: usize = 256;
/// Bytes of fields behind the first 128.
pub(super) const EXTRA: u16 = 32;
/// The directory has an index.
pub(super) const INDEXED: u32 = 0x1000;
/// The field of blocks holds extents.
pub(super) const EXTENTS: u32 = 0x8_0000;

/// What an inode says.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) number: u32,
    /// Type and permissions.
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) time: Time,
    pub(super) links: u16,
    /// Blocks of the file and of what describes it.
    pub(super) blocks: u64,
    pub(super) flags: u32,
    /// Extents, or a short link's target, or a device's number.
    pub(super) field: [u8; FIELD],
    /// The block of attributes, or zero.
    pub(super) attributes: u64,
    /// The attributes that fit in.
    pub(super) inside: Option<[u8; INSIDE]>,
}

/// A time as inodes have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    low: u32,
    extra: u32,
}

impl Time {
    /// Seconds since 1970, where they have a form.
    pub(super) fn of(seconds: i64) -> Option<Self> {
        let low = i64::from(i32::MIN);
        // `e2fsck` takes the last quarter, from 2310, for times before 1970 that an old kernel has written
        if !(low..low + (3 << 32)).contains(&seconds) {
            return None;
        }
        // two's complement twice: the low word with a sign, and how often 2³² was added to it
        let word = low32(u64::from_ne_bytes(seconds.to_ne_bytes()));
        let epoch = (seconds - i64::from(i32::from_ne_bytes(word.to_ne_bytes()))) >> 32;
        Some(Self { low: word, extra: u32::try_from(epoch).ok()? })
    }
}

/// The bytes of an inode, its sum included.
pub(super) fn inode(fields: &Fields, seeds: &Seeds) -> [u8; SIZE] {
    let mut out = [0; SIZE];
    // the file system counts in sectors of 512 bytes here
    let sectors = fields.blocks * 8;
    put16(&mut out, 0, fields.mode);
    put16(&mut out, 2, low16(fields.uid.into()));
    put32(&mut out, 4, low32(fields.size));
    for at in [8, 12, 16, 144] {
        put32(&mut out, at, fields.time.low);
    }
    put16(&mut out, 24, low16(fields.gid.into()));
    put16(&mut out, 26, fields.links);
    put32(&mut out, 28, low32(sectors));
    put32(&mut out, 32, fields.flags);
    put(&mut out, 40, &fields.field);
    put32(&mut out, 100, seeds.generation(fields.number));
    put32(&mut out, 104, low32(fields.attributes));
    put32(&mut out, 108, high32(fields.size));
    put16(&mut out, 116, low16(u64::from(high32(sectors))));
    put16(&mut out, 118, low16(u64::from(high32(fields.attributes))));
    put16(&mut out, 120, high16(fields.uid));
    put16(&mut out, 122, high16(fields.gid));
    put16(&mut out, 128, EXTRA);
    for at in [132, 136, 140, 148] {
        put32(&mut out, at, fields.time.extra);
    }
    if let Some(inside) = &fields.inside {
        put(&mut out, SIZE - INSIDE, inside);
    }
    let sum = crc32c(seeds.inode(fields.number), &out);
    put16(&mut out, 124, low16(sum.into()));
    put16(&mut out, 130, high16(sum));
    out
}
