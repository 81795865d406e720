//! A gzip-compressed tar with the one sparse file `disk.raw`, as `emit` writes it.

use crate::read::{DiskError, MOST, Runs, STEP};
use std::fs::File;
use std::io::{BufReader, Read};

/// The most runs that a disk has: more than one in each 64 KiB of 4 GiB.
const MOST_RUNS: usize = 1 << 16;

struct Image<R> {
    stream: R,
    size: u64,
    /// Runs still to be read, the first one last.
    runs: Vec<(u64, u64)>,
}

pub(super) fn open(file: File) -> Result<Box<dyn Runs>, DiskError> {
    let mut stream = flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 20, file));
    let wrong = || DiskError::Form("it is not a sparse archive of `disk.raw`");
    let mut block = [0; 512];
    stream.read_exact(&mut block)?;
    if !block.starts_with(b"disk.raw\0") || block[156] != b'S' || block[257..265] != *b"ustar  \0" {
        return Err(wrong());
    }
    let size = number(&block[483..495]).filter(|&size| size <= MOST).ok_or_else(wrong)?;
    let mut runs = Vec::new();
    let mut more = block[482] == 1;
    places(&block[386..482], &mut runs).ok_or_else(wrong)?;
    while more {
        stream.read_exact(&mut block)?;
        places(&block[..504], &mut runs).ok_or_else(wrong)?;
        more = block[504] == 1;
        if runs.len() > MOST_RUNS {
            return Err(wrong());
        }
    }
    let mut free = 0;
    for &(at, len) in &runs {
        match at.checked_add(len) {
            Some(end) if at >= free && end <= size => free = end,
            _ => return Err(wrong()),
        }
    }
    runs.reverse();
    Ok(Box::new(Image { stream, size, runs }))
}

fn places(bytes: &[u8], runs: &mut Vec<(u64, u64)>) -> Option<()> {
    for place in bytes.as_chunks::<24>().0 {
        if place[0] == 0 {
            break;
        }
        runs.push((number(&place[..12])?, number(&place[12..])?));
    }
    Some(())
}

fn number(field: &[u8]) -> Option<u64> {
    match field.split_first()? {
        (0x80, rest) => Some(u64::from_be_bytes(rest.get(3..)?.try_into().ok()?)),
        _ => u64::from_str_radix(std::str::from_utf8(field.strip_suffix(b"\0")?).ok()?, 8).ok(),
    }
}

impl<R: Read> Runs for Image<R> {
    fn size(&self) -> u64 {
        self.size
    }

    fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<u64>, DiskError> {
        while let Some((at, len)) = self.runs.pop() {
            if len == 0 {
                continue;
            }
            let part = len.min(STEP as u64);
            if part < len {
                self.runs.push((at + part, len - part));
            }
            out.resize(usize::try_from(part).unwrap_or(STEP), 0);
            let read = self.stream.read_exact(out);
            read.map_err(|_| DiskError::At { at, what: "it cannot be decompressed" })?;
            return Ok(Some(at));
        }
        // the end of the archive, and the checksum of all
        let mut end = Vec::new();
        (&mut self.stream).take(2048).read_to_end(&mut end)?;
        if end == [0; 1024] {
            Ok(None)
        } else {
            Err(DiskError::Form("trailing data after the end of the archive"))
        }
    }
}
