//! Metadata as segments of an image.

use super::BLOCK;
use super::bytes::index;
use crate::{ALIGN, Segment};
use tree::chunk::{Chunk, Part};

const ALIGNED: u64 = ALIGN / BLOCK as u64;
/// Segments are cut at multiples of so many blocks (1 MiB), so that a change in one leaves the others as they are.
const MOST: u64 = 256;

/// Blocks with their places, in any order.
#[derive(Debug, Default)]
pub(super) struct Raw {
    runs: Vec<(u64, Vec<u8>)>,
}

impl Raw {
    /// Puts whole blocks at `at`.
    pub(super) fn put(&mut self, at: u64, bytes: Vec<u8>) {
        self.runs.push((at, bytes));
    }

    /// All blocks as segments in order: those that are less than an aligned unit apart in one.
    pub(super) fn segments<'t>(mut self) -> Vec<Segment<'t>> {
        self.runs.sort_unstable_by_key(|run| run.0);
        let mut out = Vec::new();
        // where the open segment begins, in blocks, and what is in it
        let mut open: (u64, Vec<u8>) = (0, Vec::new());
        for (at, bytes) in cut(self.runs) {
            let end = open.0 + (open.1.len() / BLOCK) as u64;
            let joins = at / ALIGNED <= end.div_ceil(ALIGNED) && at / MOST == open.0 / MOST;
            if open.1.is_empty() || !joins {
                close(&mut out, std::mem::take(&mut open));
                // what is not written is not there: no block is copied when the segment grows
                open = (at / ALIGNED * ALIGNED, Vec::with_capacity(index(MOST) * BLOCK));
            }
            open.1.resize(index(at - open.0) * BLOCK, 0);
            open.1.extend(bytes);
        }
        close(&mut out, open);
        out
    }
}

/// The runs, none of which reaches over a place where segments are cut.
fn cut(runs: Vec<(u64, Vec<u8>)>) -> impl Iterator<Item = (u64, Vec<u8>)> {
    runs.into_iter().flat_map(|(mut at, mut bytes)| {
        let mut parts = Vec::with_capacity(1);
        loop {
            let room = index(MOST - at % MOST) * BLOCK;
            if bytes.len() <= room {
                parts.push((at, bytes));
                break parts;
            }
            let rest = bytes.split_off(room);
            parts.push((at, bytes));
            at += (room / BLOCK) as u64;
            bytes = rest;
        }
    })
}

fn close<'t>(out: &mut Vec<Segment<'t>>, (at, mut bytes): (u64, Vec<u8>)) {
    if !bytes.is_empty() {
        bytes.shrink_to_fit();
        let chunk = Chunk { len: bytes.len() as u64, parts: vec![Part::Raw(bytes)] };
        out.push(Segment { offset: at * BLOCK as u64, chunk });
    }
}
