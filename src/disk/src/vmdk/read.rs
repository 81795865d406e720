//! A stream-optimized VMDK as `emit` writes it, from its beginning to its end.

use crate::read::{DiskError, MOST, Runs};
use std::fs::File;
use std::io::{BufReader, Read};

const SECTOR: u64 = 512;
const GRAIN: usize = 64 << 10;
/// The most bytes of a compressed grain, and the most sectors of a table.
const MOST_GRAIN: u32 = 128 << 10;
const MOST_TABLE: u64 = 1 << 20;

struct Image<R> {
    stream: R,
    size: u64,
    /// Where the next grain begins at least.
    free: u64,
}

pub(super) fn open(file: File) -> Result<Box<dyn Runs>, DiskError> {
    let mut stream = BufReader::with_capacity(1 << 20, file);
    let mut head = [0; 512];
    stream.read_exact(&mut head)?;
    let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap_or_default());
    let plain = head[..12] == *b"KDMV\x03\0\0\0\x01\0\x03\0" && long(20) == 128 && head[77] == 1;
    let size = long(12).checked_mul(SECTOR).filter(|&size| size <= MOST);
    let first = Some(long(64)).filter(|first| (1..=MOST_TABLE).contains(first));
    let (true, Some(size), Some(first)) = (plain, size, first) else {
        return Err(DiskError::Form("it is not a stream-optimized VMDK of vmbake"));
    };
    skip(&mut stream, (first - 1) * SECTOR)?;
    Ok(Box::new(Image { stream, size, free: 0 }))
}

fn skip(stream: &mut impl Read, count: u64) -> Result<(), DiskError> {
    std::io::copy(&mut stream.take(count), &mut std::io::sink())?;
    Ok(())
}

impl<R: Read> Runs for Image<R> {
    fn size(&self) -> u64 {
        self.size
    }

    fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<u64>, DiskError> {
        loop {
            let mut sector = [0; 512];
            self.stream.read_exact(&mut sector)?;
            let (number, rest) = sector.split_at(8);
            let number = u64::from_le_bytes(number.try_into().unwrap_or_default());
            let len = u32::from_le_bytes(rest[..4].try_into().unwrap_or_default());
            let sort = rest[4];
            match (len, sort) {
                // a table, or the directory
                (0, 1 | 2) if number <= MOST_TABLE => skip(&mut self.stream, number * SECTOR)?,
                // the header again, and then nothing
                (0, 3) => return Ok(None),
                (1..=MOST_GRAIN, _) => {
                    let at = number.checked_mul(SECTOR).filter(|&at| at >= self.free && at < self.size);
                    let at = at.ok_or(DiskError::Form("its grains are out of order"))?;
                    self.free = at + GRAIN as u64;
                    let mut packed = rest[4..].to_vec();
                    let len = usize::try_from(len).unwrap_or(0);
                    let further = (len + 12).next_multiple_of(512) - 512;
                    let start = packed.len();
                    packed.resize(start + further, 0);
                    self.stream.read_exact(&mut packed[start..])?;
                    packed.truncate(len);
                    out.clear();
                    let decoder = flate2::read::ZlibDecoder::new(&packed[..]);
                    let read = decoder.take(GRAIN as u64 + 1).read_to_end(out);
                    if read.is_err() || out.len() != GRAIN {
                        return Err(DiskError::At { at, what: "it cannot be decompressed" });
                    }
                    out.truncate(usize::try_from(self.size - at).unwrap_or(GRAIN).min(GRAIN));
                    return Ok(Some(at));
                }
                _ => return Err(DiskError::Form("it has a marker that vmbake does not write")),
            }
        }
    }
}
