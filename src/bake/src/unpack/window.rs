//! A range of a blob as a file: each piece of it is compared with its digest before a byte of it is given away.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use store::Changed;
use tree::digest::Sha256;
use tree::{PIECE, Stored};

/// Reads and seeks within a range.
#[derive(Debug)]
pub(super) struct Window<'a> {
    file: File,
    range: &'a Stored,
    at: u64,
    /// The piece that is in memory.
    held: Option<u64>,
    memory: Vec<u8>,
    /// Whether a piece was not what its digest says.
    changed: bool,
}

impl<'a> Window<'a> {
    /// A range of the blob `file`.
    pub(super) fn new(file: File, range: &'a Stored) -> Self {
        Self { file, range, at: 0, held: None, memory: Vec::new(), changed: false }
    }

    /// Whether a read has failed because the blob is not what it was when the digests were taken.
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Reads a piece into memory and compares it there.
    fn hold(&mut self, piece: u64) -> io::Result<()> {
        if self.held == Some(piece) {
            return Ok(());
        }
        self.held = None;
        let from = piece * PIECE;
        let size =
            usize::try_from(PIECE.min(self.range.len - from)).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.memory.resize(size, 0);
        let read = match self.range.offset.checked_add(from) {
            Some(at) => self.file.read_exact_at(&mut self.memory, at),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let digest = if self.range.len <= PIECE {
            Some(&self.range.digest)
        } else {
            usize::try_from(piece).ok().and_then(|piece| self.range.pieces.get(piece))
        };
        match read {
            Ok(()) if digest == Some(&Sha256::of(&self.memory)) => {
                self.held = Some(piece);
                Ok(())
            }
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            _ => {
                self.changed = true;
                Err(io::Error::other(Changed))
            }
        }
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.range.len || buf.is_empty() {
            return Ok(0);
        }
        self.hold(self.at / PIECE)?;
        let within = usize::try_from(self.at % PIECE).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let got = (&self.memory[within..]).read(buf)?;
        self.at += got as u64;
        Ok(got)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.range.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
