//! The bytes of a tar, buffered, with their position.

use super::TarError;
use super::header::BLOCK;
use std::io::{self, Read};

/// A buffered reader that knows where it is.
pub(super) struct Input<R> {
    inner: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    position: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; 256 << 10].into_boxed_slice(), start: 0, end: 0, position: 0 }
    }

    /// How many bytes were consumed.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// A whole block; none at the end. A block that is cut is an error.
    pub(super) fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let chunk = self.fill()?;
            if chunk.is_empty() {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(TarError::End("unexpected end of file within a block"))
                };
            }
            let length = chunk.len().min(BLOCK - filled);
            block[filled..filled + length].copy_from_slice(&chunk[..length]);
            self.consume(length);
            filled += length;
        }
        Ok(Some(block))
    }

    /// At least one and at most `limit` of the next bytes, which must be there.
    pub(super) fn chunk(&mut self, limit: u64) -> Result<&[u8], TarError> {
        let chunk = self.fill()?;
        if chunk.is_empty() {
            return Err(TarError::End("unexpected end of file within a file's content"));
        }
        let length = usize::try_from(limit).unwrap_or(usize::MAX).min(chunk.len());
        Ok(&chunk[..length])
    }

    /// Goes on by `length` bytes of what was given last.
    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
        self.position += length as u64;
    }

    fn fill(&mut self) -> Result<&[u8], TarError> {
        while self.start == self.end {
            match self.inner.read(&mut self.buffer) {
                Ok(0) => return Ok(&[]),
                Ok(got) => (self.start, self.end) = (0, got),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TarError::Read(error)),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }
}
