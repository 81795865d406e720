//! The contents of files, cut into segments.
//!
//! Files follow each other in the order of paths, each from the start of a block. Cuts are those of the tar stream
//! (`emit::layout`): where a path's digest says so, and at each piece of a large file, so that a changed file moves
//! its own segment and leaves what is in the others as it is.

use super::BLOCK;
use super::bytes::index;
use super::inodes::Inode;
use super::unfit::Unfit;
use tree::chunk::{Chunk, Cut, ranges};
use tree::refusal::Result;
use tree::{Node, PIECE};

/// Logical blocks are numbered with 32 bits.
const MOST: u64 = (u32::MAX as u64) * BLOCK as u64;

/// All contents.
#[derive(Debug)]
pub(super) struct Data<'t> {
    /// The segments without their place: each a whole number of blocks.
    pub(super) chunks: Vec<Chunk<'t>>,
    /// Where the contents of each inode are.
    pub(super) files: Vec<Vec<Spot>>,
}

/// Consecutive blocks of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// The first block of the file that is meant.
    pub(super) logical: u64,
    /// In which segment.
    pub(super) chunk: usize,
    /// Which of its blocks is the first.
    pub(super) at: u64,
    /// How many.
    pub(super) len: u64,
}

/// Cuts the contents of all files.
pub(super) fn data<'t>(inodes: &[Inode<'t>]) -> Result<Data<'t>> {
    const UNIT: u64 = BLOCK as u64;
    let mut cut = Cut::default();
    let mut files = Vec::with_capacity(inodes.len());
    for inode in inodes {
        let mut spots = Vec::new();
        if let (Node::File(content), Some(key)) = (inode.node, inode.key) {
            let len = content.len();
            if len > MOST {
                return Err(Unfit::Large(inode.path.to_owned(), len).into());
            }
            if len > 0 {
                cut.before(key, len.next_multiple_of(UNIT));
            }
            for (nth, range) in ranges(key, content)?.into_iter().enumerate() {
                if nth > 0 {
                    cut.close();
                }
                let (chunk, at) = cut.place();
                let (logical, len) = (range.offset / UNIT, range.len.div_ceil(UNIT));
                spots.push(Spot { logical, chunk, at: at / UNIT, len });
                cut.range(range);
                cut.zeros(index(len * UNIT - range.len));
            }
            if len > PIECE {
                cut.close();
            }
        }
        files.push(spots);
    }
    Ok(Data { chunks: cut.finish(), files })
}
