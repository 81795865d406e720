//! The index of frames at the end of an artifact, so that one file can be read without the rest.
//!
//! It is zstd's own seekable format, a skippable frame that `zstd -d` and every other reader passes over:
//! ```text
//! 5E 2A 4D 18 | size | for each frame: compressed, decompressed | number of frames | 00 | B1 EA 92 8F
//! ```
//! All numbers are 32 bits, little-endian, but for the one byte of flags, which are none: each frame has its own
//! checksum. Source: zstd, `contrib/seekable_format/zstd_seekable_compression_format.md`, version 0.1.0.

use std::io::{self, Read, Seek, SeekFrom};

const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
const FOOTER: u64 = 9;
const HEAD: u64 = 8;

/// The largest frame that is read, compressed or not: a chunk and its headers have less.
pub const MAX_FRAME: u32 = 16 << 20;
/// The largest number of frames: 16 TiB at the most, and an index of 8 MiB.
const MAX_FRAMES: u32 = 1 << 20;

/// One frame of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its first byte in the artifact.
    pub offset: u64,
    /// Its length in the artifact.
    pub compressed: u32,
    /// The first byte of its content in the tar stream.
    pub at: u64,
    /// The length of its content.
    pub len: u32,
}

/// What is no index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// There is none at the end of the file.
    #[error("no index of frames at the end")]
    Absent,
    /// It contradicts itself or the file.
    #[error("the index of frames is wrong: {0}")]
    Wrong(&'static str),
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The bytes of the index of these frames: `(compressed, decompressed)` in their order.
pub(crate) fn print(frames: &[(u32, u32)]) -> Vec<u8> {
    let size = frames.len() * 8 + 9;
    let mut out = Vec::with_capacity(size + 8);
    let mut number = |n: u32| out.extend(n.to_le_bytes());
    number(SKIPPABLE);
    // a frame has at least a tar block, so that no image of this world has 2^29 of them
    number(u32::try_from(size).unwrap_or(u32::MAX));
    for (compressed, len) in frames {
        number(*compressed);
        number(*len);
    }
    number(u32::try_from(frames.len()).unwrap_or(u32::MAX));
    out.push(0);
    out.extend(SEEKABLE.to_le_bytes());
    out
}

/// Reads the index at the end of `file`, and checks that its frames are all that stands before it.
pub fn parse(file: &mut (impl Read + Seek)) -> Result<Vec<Frame>, IndexError> {
    let end = file.seek(SeekFrom::End(0))?;
    if end < FOOTER + HEAD {
        return Err(IndexError::Absent);
    }
    let mut footer = [0; 9];
    file.seek(SeekFrom::Start(end - FOOTER))?;
    file.read_exact(&mut footer)?;
    if word(&footer, 5) != SEEKABLE {
        return Err(IndexError::Absent);
    }
    let count = word(&footer, 0);
    if footer[4] != 0 || count > MAX_FRAMES {
        return Err(IndexError::Wrong("flags or number of frames"));
    }
    let size = u64::from(count) * 8 + FOOTER;
    let start = end.checked_sub(size + HEAD).ok_or(IndexError::Wrong("longer than the file"))?;
    let mut table = vec![0; usize::try_from(size + HEAD - FOOTER).map_err(|_| IndexError::Wrong("size"))?];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut table)?;
    if word(&table, 0) != SKIPPABLE || u64::from(word(&table, 4)) != size {
        return Err(IndexError::Wrong("its own header"));
    }
    let mut frames = Vec::new();
    let (mut offset, mut at) = (0, 0);
    for pair in table[8..].chunks_exact(8) {
        let (compressed, len) = (word(pair, 0), word(pair, 4));
        if compressed == 0 || compressed > MAX_FRAME || len == 0 || len > MAX_FRAME {
            return Err(IndexError::Wrong("size of a frame"));
        }
        frames.push(Frame { offset, compressed, at, len });
        offset += u64::from(compressed);
        at += u64::from(len);
    }
    if offset != start {
        return Err(IndexError::Wrong("its frames are not all of the file"));
    }
    Ok(frames)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn sample() -> Vec<u8> {
        let mut bytes = vec![7; 30];
        bytes.extend(print(&[(10, 512), (20, 1024)]));
        bytes
    }

    #[test]
    fn what_is_printed_is_read() {
        let frames = parse(&mut Cursor::new(sample())).unwrap();
        let second = Frame { offset: 10, compressed: 20, at: 512, len: 1024 };
        assert_eq!(frames, [Frame { offset: 0, compressed: 10, at: 0, len: 512 }, second]);
    }

    #[test]
    fn a_changed_index_is_refused_or_absent() {
        let good = sample();
        for at in 30..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let same = parse(&mut Cursor::new(bad))
                    .is_ok_and(|frames| frames.iter().map(|f| f.len).sum::<u32>() == 1536);
                assert!(!same, "byte {at} bit {bit}");
            }
        }
        for cut in 0..good.len() {
            assert!(parse(&mut Cursor::new(&good[..cut])).is_err(), "{cut}");
        }
    }
}
