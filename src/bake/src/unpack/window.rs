//! A range of a file as a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;

/// Reads and seeks within `len` bytes from `offset` of a file.
#[derive(Debug)]
pub(super) struct Window {
    file: File,
    offset: u64,
    len: u64,
    at: u64,
}

impl Window {
    pub(super) fn new(file: File, offset: u64, len: u64) -> Self {
        Self { file, offset, len, at: 0 }
    }
}

impl Read for Window {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buf.len().min(left);
        let got = self.file.read_at(&mut buf[..wanted], self.offset.saturating_add(self.at))?;
        self.at += got as u64;
        Ok(got)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
