//! One file of an output while it is written: hidden, locked, hashed, and gone when it is dropped.

use super::output::{Directory, Written};
use crate::digest::Sha256;
use crate::refusal::{Refusal, Result, Stage};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use sha2::Digest as _;
use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// A file on its way: write, then [`Directory::publish`]. Dropped without it, nothing is left.
#[derive(Debug)]
pub struct Part<'d> {
    directory: &'d Directory,
    name: String,
    temporary: Option<String>,
    file: File,
    hasher: sha2::Sha256,
    size: u64,
    /// How many bytes it is thought to have in the end, for the message of a full disk.
    pub(super) expected: u64,
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

impl<'d> Part<'d> {
    /// Makes the hidden file; the caller has the directory locked, so that no sweep comes before the lock.
    pub(super) fn begin(directory: &'d Directory, name: &str) -> Result<Self> {
        let refuse = |error: Errno| {
            Refusal::io(directory.shown(name), Stage::Emit, "make a file beside it", &error.into())
                .hint("choose a directory that can be written to with --output")
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
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
        let needs = self.expected.max(self.size);
        refusal.hint(format!(
            "the file needs {needs} bytes, of which {} had room: free some space, or choose another place with --output",
            self.size
        ))
    }

    /// Brings it to the disk; what it is.
    pub(super) fn sync(self) -> Result<(Self, Written)> {
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(0o644))
            .map_err(|error| self.refusal("set the mode", &error.into()))?;
        self.file.sync_all().map_err(|error| self.refusal("sync", &error))?;
        let sha256 = Sha256(self.hasher.clone().finalize().into());
        let written = Written { name: self.name.clone(), sha256, size: self.size };
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
