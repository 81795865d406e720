//! A qcow2 image as `emit` writes it: version 3, clusters of 64 KiB, no other image behind it.

use crate::read::{DiskError, MOST, Runs};
use flate2::{Decompress, FlushDecompress, Status};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

const CLUSTER: usize = 64 << 10;
/// Places in a second-level table.
const TABLE: usize = CLUSTER / 8;
const COMPRESSED: u64 = 1 << 62;
/// The bits of a place of a cluster that is not compressed.
const PLACE: u64 = 0x00ff_ffff_ffff_fe00;

struct Image {
    file: File,
    size: u64,
    is_zstd: bool,
    /// Where second-level tables are.
    first: Vec<u64>,
    /// The table that is being read, and its number.
    second: Vec<u64>,
    loaded: Option<usize>,
    /// The next cluster of the disk.
    at: u64,
}

pub(super) fn open(file: File) -> Result<Box<dyn Runs>, DiskError> {
    let mut head = [0; 112];
    file.read_exact_at(&mut head, 0)?;
    let long = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().unwrap_or_default());
    let short = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap_or_default());
    if head[..4] != *b"QFI\xfb" || short(4) != 3 {
        return Err(DiskError::Form("it is not a qcow2 image of version 3"));
    }
    let (size, entries) = (long(24), usize::try_from(short(36)).unwrap_or(usize::MAX));
    let plain = long(8) == 0 && short(20) == 16 && short(32) == 0 && long(72) & !(1 << 3) == 0;
    let wanted = size.div_ceil((TABLE * CLUSTER) as u64);
    if !plain || size > MOST || entries as u64 != wanted {
        return Err(DiskError::Form("its header was not written by vmbake"));
    }
    let first = numbers(&file, long(40), entries)?;
    let is_zstd = long(72) != 0 && head[104] == 1;
    Ok(Box::new(Image { file, size, is_zstd, first, second: Vec::new(), loaded: None, at: 0 }))
}

fn numbers(file: &File, at: u64, count: usize) -> Result<Vec<u64>, DiskError> {
    let mut bytes = vec![0; count * 8];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes.as_chunks::<8>().0.iter().map(|&bytes| u64::from_be_bytes(bytes)).collect())
}

impl Runs for Image {
    fn size(&self) -> u64 {
        self.size
    }

    fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<u64>, DiskError> {
        while self.at * (CLUSTER as u64) < self.size {
            let number = usize::try_from(self.at).unwrap_or(usize::MAX);
            let (table, entry) = (number / TABLE, number % TABLE);
            let place = self.first.get(table).copied().unwrap_or(0) & PLACE;
            if place == 0 {
                self.at = ((table + 1) * TABLE) as u64;
                continue;
            }
            if self.loaded != Some(table) {
                self.second = numbers(&self.file, place, TABLE)?;
                self.loaded = Some(table);
            }
            let at = self.at * CLUSTER as u64;
            self.at += 1;
            let place = self.second.get(entry).copied().unwrap_or(0);
            if place == 0 {
                continue;
            }
            self.cluster(at, place, out)?;
            out.truncate(usize::try_from(self.size - at).unwrap_or(CLUSTER).min(CLUSTER));
            return Ok(Some(at));
        }
        Ok(None)
    }
}

impl Image {
    fn cluster(&self, at: u64, place: u64, out: &mut Vec<u8>) -> Result<(), DiskError> {
        let wrong = |what| DiskError::At { at, what };
        out.clear();
        out.resize(CLUSTER, 0);
        if place & COMPRESSED == 0 {
            let read = self.file.read_exact_at(out, place & PLACE);
            return read.map_err(|_| wrong("it is beyond the end of the file"));
        }
        let from = place & ((1 << 54) - 1);
        let sectors = (place >> 54 & 0xff) + 1;
        let mut packed = vec![0; usize::try_from(sectors * 512 - from % 512).unwrap_or(0)];
        let mut len = 0;
        // the last sector may reach beyond the end
        while len < packed.len() {
            match self.file.read_at(&mut packed[len..], from + len as u64)? {
                0 => break,
                count => len += count,
            }
        }
        let whole = if self.is_zstd { unzstd(&packed[..len], out) } else { inflate(&packed[..len], out) };
        if whole { Ok(()) } else { Err(wrong("it cannot be decompressed")) }
    }
}

/// Decompresses one frame that gives just as much as there is room for; what is after it belongs to others.
fn unzstd(packed: &[u8], out: &mut [u8]) -> bool {
    let Ok(len) = zstd::zstd_safe::find_frame_compressed_size(packed) else { return false };
    let frame = packed.get(..len).unwrap_or_default();
    zstd::bulk::decompress_to_buffer(frame, out).is_ok_and(|count| count == out.len())
}

fn inflate(packed: &[u8], out: &mut [u8]) -> bool {
    let mut decoder = Decompress::new(false);
    let status = decoder.decompress(packed, out, FlushDecompress::Finish);
    matches!(status, Ok(Status::StreamEnd)) && decoder.total_out() == out.len() as u64
}
