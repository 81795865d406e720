//! The disk as it is: a sparse file. What is not in the image is a hole.
//!
//! Threads write segments at their places while one hashes them in their order, with the zeros between.

use super::Image;
use super::codec::{Codec, any};
use super::segments::{self, How, Pieces};
use sha2::Digest as _;
use store::part::Part;
use tree::digest::Sha256;
use tree::refusal::Result;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The format.
pub(crate) static CODEC: Codec = Codec {
    keeps: false,
    check: any,
    write: |disk, how, part, done| write(&disk.image, &[], how, part, done),
    open: |file| super::read::sectors(file, false),
};

/// Writes `image` and what stands behind it; `done` is told of each byte of the image that is written.
pub(crate) fn write(
    image: &Image<'_>,
    behind: &[u8],
    how: How<'_>,
    part: &mut Part<'_>,
    mut done: impl FnMut(u64),
) -> Result<Pieces> {
    part.expected = image.segments.iter().map(|segment| segment.chunk.len).sum();
    let mut hasher = sha2::Sha256::new();
    let mut at = 0;
    let place = |segment: &super::Segment<'_>, bytes: Vec<u8>| {
        part.place(segment.offset, &bytes)?;
        Ok(bytes)
    };
    let pieces = segments::read(image, how, place, |segment, bytes| {
        zeros(&mut hasher, segment.offset - at);
        hasher.update(&bytes);
        at = segment.offset + bytes.len() as u64;
        done(bytes.len() as u64);
        Ok(())
    })?;
    zeros(&mut hasher, image.size - at);
    if !behind.is_empty() {
        part.place(image.size, behind)?;
        hasher.update(behind);
    }
    part.set(image.size + behind.len() as u64, Sha256(hasher.finalize().into()))?;
    Ok(pieces)
}

fn zeros(hasher: &mut sha2::Sha256, mut count: u64) {
    while count > 0 {
        let len = count.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..usize::try_from(len).unwrap_or(ZEROS.len())]);
        count -= len;
    }
}
