//! Where everything stands, and how large the file system is.
//!
//! What groups have stands first (`geometry`); the rest follows from front to back in what is left: the resize inode's
//! block, directories, links and attributes, the journal, then the segments of contents, each whole and from the
//! start of [`ALIGN`] bytes, and last the blocks of long extent trees. The size is the least that
//! holds all this and the free blocks that are wanted: it is found by trying, as each group more takes blocks itself.

use super::bytes::index;
use super::data::Data;
use super::extents::{self, Extent};
use super::geometry::{Geometry, UNIT};
use super::unfit::Unfit;
use super::{BLOCK, Options};
use crate::ALIGN;
use tree::chunk::Chunk;

/// Blocks of an aligned unit.
const ALIGNED: u64 = ALIGN / BLOCK as u64;
/// Block numbers of the resize inode have 32 bits.
const MOST: u64 = 1 << 32;
/// Bytes for which there is an inode.
const INODE_RATIO: u64 = 16 << 10;

/// Consecutive blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) len: u64,
}

impl Run {
    /// The first block behind.
    pub(super) fn end(self) -> u64 {
        self.start + self.len
    }
}

/// What an inode needs in blocks of its own, its content left out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Need {
    pub(super) attributes: bool,
    pub(super) blocks: u64,
}

/// Where the blocks of an inode are.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Those of its content, or of the directory.
    pub(super) extents: Vec<Extent>,
    /// Those of the tree of extents.
    pub(super) nodes: Vec<u64>,
    /// That of its attributes.
    pub(super) attributes: Option<u64>,
}

/// Where everything stands.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) geometry: Geometry,
    /// The block that names the room for descriptors.
    pub(super) resize: u64,
    pub(super) journal: Place,
    /// Of each inode, as they were given.
    pub(super) inodes: Vec<Place>,
    /// The first block of each segment.
    pub(super) chunks: Vec<u64>,
    /// All blocks that are in use, in order.
    pub(super) used: Vec<Run>,
}

/// Places what the inodes need, the last of which has the number `last`.
pub(super) fn place(needs: &[Need], data: &Data<'_>, last: u32, options: &Options) -> Result<Placed, Unfit> {
    let unit = BLOCK as u64;
    let reserve = options.reserve.div_ceil(unit);
    let inodes = u64::from(last).saturating_add(options.reserve / INODE_RATIO);
    let content: u64 = data.chunks.iter().map(blocks).chain(needs.iter().map(|need| need.blocks)).sum();
    let mut least = options.least.div_ceil(unit).max(content.saturating_add(reserve));
    loop {
        if least >= MOST || inodes > u64::from(u32::MAX) {
            return Err(if least >= MOST {
                Unfit::Size(least.saturating_mul(unit))
            } else {
                Unfit::Inodes(inodes)
            });
        }
        let (placed, end) = attempt(Geometry::new(least, inodes, options.grown.div_ceil(unit)), needs, data);
        let used: u64 = placed.used.iter().map(|run| run.len).sum();
        let wanted = end.max(used.saturating_add(reserve));
        if wanted <= placed.geometry.blocks {
            return Ok(placed);
        }
        least = wanted.next_multiple_of(UNIT);
    }
}

/// Places everything, over the end where there is too little room, and says where the end must be.
fn attempt(geometry: Geometry, needs: &[Need], data: &Data<'_>) -> (Placed, u64) {
    let mut cursor = Cursor::new(&geometry.fixed);
    let resize = cursor.whole(1, 1);
    let mut inodes: Vec<Place> = needs
        .iter()
        .map(|need| Place {
            attributes: need.attributes.then(|| cursor.whole(1, 1)),
            extents: extents::extents(numbered(cursor.split(need.blocks))),
            nodes: Vec::new(),
        })
        .collect();
    let mut journal =
        Place { extents: extents::extents(numbered(cursor.split(geometry.journal))), ..Place::default() };
    let chunks: Vec<u64> = data.chunks.iter().map(|chunk| cursor.whole(blocks(chunk), ALIGNED)).collect();
    for (inode, spots) in inodes.iter_mut().zip(&data.files) {
        if !spots.is_empty() {
            let runs = spots
                .iter()
                .map(|spot| (spot.logical, Run { start: chunks[spot.chunk] + spot.at, len: spot.len }));
            inode.extents = extents::extents(runs);
        }
    }
    // metadata again: it shares no aligned unit with contents
    cursor.align(ALIGNED);
    for place in inodes.iter_mut().chain([&mut journal]) {
        place.nodes = (0..extents::nodes(place.extents.len())).map(|_| cursor.whole(1, 1)).collect();
    }
    let end = cursor.at.max(geometry.fixed.last().map_or(0, |run| run.end()));
    let mut used = cursor.taken;
    used.extend(&geometry.fixed);
    (Placed { resize, journal, inodes, chunks, used: merged(used), geometry }, end)
}

fn blocks(chunk: &Chunk<'_>) -> u64 {
    chunk.len.div_ceil(BLOCK as u64)
}

/// Runs with the first block of each in a file that they make up.
fn numbered(runs: Vec<Run>) -> impl Iterator<Item = (u64, Run)> {
    runs.into_iter().scan(0, |next, run| {
        let logical = *next;
        *next += run.len;
        Some((logical, run))
    })
}

/// Runs in order, those that meet as one.
pub(super) fn merged(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_unstable_by_key(|run| run.start);
    let mut all: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        match all.last_mut() {
            Some(last) if last.end() == run.start => last.len += run.len,
            _ => all.push(run),
        }
    }
    all
}

/// Gives out blocks from front to back, around those that are taken.
#[derive(Debug)]
pub(super) struct Cursor<'f> {
    fixed: &'f [Run],
    at: u64,
    /// What was given out, in order.
    pub(super) taken: Vec<Run>,
}

impl<'f> Cursor<'f> {
    /// Around `fixed`, which is in order.
    pub(super) fn new(fixed: &'f [Run]) -> Self {
        Self { fixed, at: 0, taken: Vec::new() }
    }

    /// Goes on at `at`, or where it is if that is further.
    pub(super) fn seek(&mut self, at: u64) {
        self.at = self.at.max(at);
    }

    fn align(&mut self, to: u64) {
        self.at = self.at.next_multiple_of(to);
    }

    /// So many blocks in one run, at a multiple of `to`.
    pub(super) fn whole(&mut self, len: u64, to: u64) -> u64 {
        self.align(to);
        while let Some(run) = self.ahead().filter(|run| run.start < self.at + len) {
            self.at = run.end().next_multiple_of(to);
        }
        self.take(len).start
    }

    /// So many blocks, in as few runs as there are.
    fn split(&mut self, mut len: u64) -> Vec<Run> {
        let mut runs = Vec::new();
        while len > 0 {
            match self.ahead() {
                Some(run) if run.start <= self.at => self.at = run.end(),
                ahead => {
                    let some = ahead.map_or(len, |run| len.min(run.start - self.at));
                    runs.push(self.take(some));
                    len -= some;
                }
            }
        }
        runs
    }

    fn take(&mut self, len: u64) -> Run {
        let run = Run { start: self.at, len };
        self.at += len;
        match self.taken.last_mut() {
            Some(last) if last.end() == run.start => last.len += len,
            _ => self.taken.push(run),
        }
        run
    }

    /// The next run that is taken and not yet behind.
    fn ahead(&mut self) -> Option<Run> {
        while self.fixed.first().is_some_and(|run| run.end() <= self.at) {
            self.fixed = self.fixed.get(1..).unwrap_or_default();
        }
        self.fixed.first().copied()
    }
}

/// The parts of `bytes` that stand at the extents, each with its first block.
pub(super) fn spread(bytes: Vec<u8>, extents: &[Extent]) -> Vec<(u64, Vec<u8>)> {
    if let [extent] = extents {
        return vec![(extent.start, bytes)];
    }
    let part = |extent: &Extent| {
        let from = index(extent.logical) * BLOCK;
        (extent.start, bytes[from..from + index(extent.len) * BLOCK].to_vec())
    };
    extents.iter().map(part).collect()
}
