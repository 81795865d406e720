//! Block groups, and where what every group has stands.
//!
//! ```text
//! group 0         superblock, descriptors, room for more of them │ bitmaps and inode tables of groups 0 to 15 │ …
//! 1, 3ⁿ, 5ⁿ, 7ⁿ   copies of superblock and descriptors, the same room │ …
//! 16, 32, …       bitmaps and inode tables of the sixteen groups from here │ …
//! ```
//! The room for descriptors is what a mounted file system grows into. Inodes are one for each 16 KiB, as `mke2fs` makes
//! them, and more where the content wants more. All of it is a function of the number of blocks.
//! Source: the kernel's `Documentation/filesystems/ext4/{blockgroup,bigalloc,group_descr}.rst`.

use super::place::{Cursor, Run};

/// Blocks of a group: as many as one block has bits.
pub(super) const GROUP: u64 = 32_768;
/// Groups whose bitmaps and tables stand together.
pub(super) const FLEX: u64 = 16;
/// Inodes in a block of a table.
pub(super) const INODES: u64 = 16;
/// Descriptors in a block.
const DESCRIPTORS: u64 = 64;
/// Inodes of a group: one for each 16 KiB, and at most as many as one block has bits.
const INODES_PER_GROUP: std::ops::RangeInclusive<u64> = 8192..=GROUP;
/// One block of block numbers names all of the room for descriptors.
const MOST_ROOM: u64 = 1024;
/// The unit of an image's size in blocks: 1 MiB.
pub(super) const UNIT: u64 = 256;

/// Where bitmaps and inode table of a group stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables {
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inodes: u64,
}

/// The shape of a file system of a certain size.
#[derive(Debug)]
pub(super) struct Geometry {
    /// All blocks; the last group may have fewer than the others.
    pub(super) blocks: u64,
    /// How many groups.
    pub(super) groups: u64,
    /// Inodes of each group.
    pub(super) inodes_per_group: u64,
    /// Blocks of descriptors.
    pub(super) descriptors: u64,
    /// Blocks that descriptors may grow into.
    pub(super) room: u64,
    /// The journal in blocks.
    pub(super) journal: u64,
    /// Bitmaps and inode tables of each group.
    pub(super) tables: Vec<Tables>,
    /// What the above takes but the journal, in order.
    pub(super) fixed: Vec<Run>,
}

impl Geometry {
    /// The shape of at least so many blocks that hold so many inodes, and grow to `grown` blocks.
    pub(super) fn new(least: u64, inodes: u64, grown: u64) -> Self {
        // a group has no more inodes than blocks: as many groups as it takes, the last of any size
        let groups = inodes.div_ceil(GROUP).saturating_sub(1);
        let blocks = least.max(groups * GROUP + 1).next_multiple_of(UNIT);
        let shape = Self::of(blocks, inodes, grown);
        // a last group that has no room for what is its own is made larger
        let last = blocks % GROUP;
        let own = 50 + 2 + shape.table() + if has_super(blocks / GROUP) { shape.head() } else { 0 };
        if last == 0 || last >= own {
            return shape;
        }
        Self::of(blocks + (own - last).next_multiple_of(UNIT), inodes, grown)
    }

    fn of(blocks: u64, inodes: u64, grown: u64) -> Self {
        let groups = blocks.div_ceil(GROUP);
        let descriptors = groups.div_ceil(DESCRIPTORS);
        let room =
            grown.div_ceil(GROUP).div_ceil(DESCRIPTORS).saturating_sub(descriptors).clamp(1, MOST_ROOM);
        let inodes_per_group = inodes
            .div_ceil(groups.max(1))
            .next_multiple_of(INODES)
            .clamp(*INODES_PER_GROUP.start(), *INODES_PER_GROUP.end());
        let mut shape = Self {
            blocks,
            groups,
            inodes_per_group,
            descriptors,
            room,
            journal: journal(blocks),
            tables: Vec::new(),
            fixed: Vec::new(),
        };
        let heads: Vec<Run> = (0..groups)
            .filter(|&group| has_super(group))
            .map(|group| Run { start: group * GROUP, len: shape.head() })
            .collect();
        let mut cursor = Cursor::new(&heads);
        for first in (0..groups).step_by(16) {
            cursor.seek(first * GROUP);
            let count = FLEX.min(groups - first);
            let block_bitmaps: Vec<u64> = (0..count).map(|_| cursor.whole(1, 1)).collect();
            let inode_bitmaps: Vec<u64> = (0..count).map(|_| cursor.whole(1, 1)).collect();
            for (block_bitmap, inode_bitmap) in block_bitmaps.into_iter().zip(inode_bitmaps) {
                let inodes = cursor.whole(shape.table(), 1);
                shape.tables.push(Tables { block_bitmap, inode_bitmap, inodes });
            }
        }
        let mut fixed = cursor.taken;
        fixed.extend(heads);
        shape.fixed = super::place::merged(fixed);
        shape
    }

    /// Blocks of a group's inode table.
    pub(super) fn table(&self) -> u64 {
        self.inodes_per_group / INODES
    }

    /// Blocks that a copy of superblock and descriptors takes, room for more included.
    pub(super) fn head(&self) -> u64 {
        1 + self.descriptors + self.room
    }

    /// Blocks that are not for files: what `df` leaves out.
    pub(super) fn overhead(&self) -> u64 {
        self.fixed.iter().map(|run| run.len).sum::<u64>() + self.journal
    }

    /// The groups but the first that have a copy of superblock and descriptors.
    pub(super) fn backups(&self) -> impl Iterator<Item = u64> {
        (1..self.groups).filter(|&group| has_super(group))
    }
}

/// Whether a group has a copy of superblock and descriptors: `sparse_super`.
pub(super) fn has_super(group: u64) -> bool {
    let is_power = |base: u64| {
        let mut left = group;
        while left > 1 && left.is_multiple_of(base) {
            left /= base;
        }
        left == 1
    };
    group <= 1 || [3, 5, 7].into_iter().any(is_power)
}

/// The journal as `mke2fs` chooses it, but for file systems below 2 GiB that of one of 2 GiB: they grow at their first
/// boot, a journal never does, and one that is empty takes no room in an image.
fn journal(blocks: u64) -> u64 {
    const MIB: u64 = 256;
    const GIB: u64 = 1024 * MIB;
    match blocks / GIB {
        0..16 => 64 * MIB,
        16..32 => 128 * MIB,
        32..64 => 256 * MIB,
        64..128 => 512 * MIB,
        _ => 1024 * MIB,
    }
}
