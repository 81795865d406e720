//! One file of an output while it is written: hidden, locked, hashed, and gone when it is dropped.
//!
//! It is written in one of two ways. As a stream, through [`Write`], it is hashed on its way. Or pieces are placed in it
//! from several threads, and what lies between them stays a hole; then its writer says what it came to ([`Part::set`]),
//! where it has hashed the pieces in their order, or it is read back ([`Part::read_back`]), where a piece that comes
//! first is known last.

use super::output::{Directory, Written};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use sha2::Digest as _;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use tree::digest::Sha256;
use tree::refusal::{Refusal, Remedy, Result, Stage};

/// A file on its way: write, then [`Directory::publish`]. Dropped without it, nothing is left.
#[derive(Debug)]
pub struct Part<'d> {
    directory: &'d Directory,
    name: String,
    temporary: Option<String>,
    file: File,
    hasher: sha2::Sha256,
    size: u64,
    /// How many bytes were placed.
    placed: AtomicU64,
    /// The digest of a file whose pieces were placed.
    digest: Option<Sha256>,
    /// How many bytes it is thought to have in the end, for the message of a full disk.
    pub expected: u64,
}

/// Whether a name is one that `Part::begin` gives.
pub(super) fn is_part(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix('.')
        .and_then(|rest| rest.strip_suffix(".part"))
        .and_then(|rest| rest.rsplit_once('.'))
        .and_then(|(_, tail)| tail.split_once('-'))
        .is_some_and(|(pid, nth)| number(pid) && number(nth))
}

/// How long an output will be, from what the first part of it came to.
#[must_use]
pub fn expected(written: u64, done: u64, total: u64) -> u64 {
    let all = u128::from(written) * u128::from(total) / u128::from(done.max(1));
    u64::try_from(all).unwrap_or(u64::MAX)
}

impl<'d> Part<'d> {
    /// Makes the hidden file; the caller has the directory locked, so that no sweep comes before the lock.
    pub(super) fn begin(directory: &'d Directory, name: &str) -> Result<Self> {
        let refuse = |error: Errno| {
            Refusal::io(directory.shown(name), Stage::Emit, "make a file beside it", &error.into())
                .remedy(Remedy::WritableOutput)
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for nth in 0..1000 {
            let temporary = format!(".{name}.{}-{nth}.part", std::process::id());
            let file =
                match rustix::fs::openat(&directory.handle, &temporary, flags, Mode::from_raw_mode(0o600)) {
                    Ok(file) => File::from(file),
                    Err(Errno::EXIST) => continue,
                    Err(error) => return Err(refuse(error)),
                };
            let part = Self {
                directory,
                name: name.to_owned(),
                temporary: Some(temporary),
                file,
                hasher: sha2::Sha256::new(),
                size: 0,
                placed: AtomicU64::new(0),
                digest: None,
                expected: 0,
            };
            rustix::fs::flock(&part.file, FlockOperation::NonBlockingLockExclusive).map_err(refuse)?;
            return Ok(part);
        }
        Err(refuse(Errno::EXIST))
    }

    /// How many bytes were written.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The refusal that `error` on this file is.
    #[must_use]
    pub fn refusal(&self, doing: &str, error: &io::Error) -> Refusal {
        let shown = self.directory.shown(&self.name);
        let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        let refusal = Refusal::io(shown, Stage::Emit, doing, error);
        if !full {
            return refusal;
        }
        let had = self.size + self.placed.load(Ordering::Relaxed);
        let needs = self.expected.max(had);
        refusal.remedy(Remedy::RoomForOutput { needs, had })
    }

    /// Writes `bytes` at `offset`; for any thread.
    pub fn place(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|error| self.refusal("write", &error))?;
        self.placed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Says what the placed pieces came to: the length of the file with the holes between and behind them, and the
    /// digest of all of it.
    pub fn set(&mut self, size: u64, sha256: Sha256) -> Result<()> {
        self.file.set_len(size).map_err(|error| self.refusal("set the length", &error))?;
        (self.size, self.digest) = (size, Some(sha256));
        Ok(())
    }

    /// Hashes what was placed by reading it back.
    pub fn read_back(&mut self) -> Result<()> {
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        let mut size = 0;
        loop {
            match self.file.read_at(&mut buffer, size) {
                Ok(0) => return self.set(size, Sha256(hasher.finalize().into())),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.refusal("read back", &error)),
            }
        }
    }

    /// What it is, once all of it is written.
    #[must_use]
    pub fn written(&self) -> Written {
        let sha256 = self.digest.unwrap_or_else(|| Sha256(self.hasher.clone().finalize().into()));
        Written { name: self.name.clone(), sha256, size: self.size }
    }

    /// Brings it to the disk; what it is.
    pub(super) fn sync(self) -> Result<(Self, Written)> {
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(0o644))
            .map_err(|error| self.refusal("set the mode", &error.into()))?;
        self.file.sync_all().map_err(|error| self.refusal("sync", &error))?;
        let written = self.written();
        Ok((self, written))
    }

    /// Gives it its name, in the place of what was there.
    pub(super) fn rename(mut self) -> Result<()> {
        let Some(temporary) = self.temporary.take() else { return Ok(()) };
        let handle = &self.directory.handle;
        rustix::fs::renameat(handle, &temporary, handle, &self.name).map_err(|error| {
            let refusal = self.refusal("rename to", &error.into());
            self.temporary = Some(temporary);
            refusal
        })
    }
}

impl Write for Part<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buf)?;
        self.hasher.update(&buf[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // the next bake sweeps what cannot be removed now
            let _ = rustix::fs::unlinkat(&self.directory.handle, temporary, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_full_disk_would_have_needed_grows_with_what_is_written() {
        assert_eq!(super::expected(0, 0, 100), 0);
        assert_eq!(super::expected(50, 100, 1000), 500);
        assert_eq!(super::expected(u64::MAX, 1, u64::MAX), u64::MAX);
    }
}
