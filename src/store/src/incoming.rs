//! The one way in for what is made here: an unnamed file that gets its name when it is whole.

use super::lock::{self, How};
use super::{Store, access, io, open};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tree::digest::Sha256;
use tree::refusal::Result;

/// Bytes are hashed and written in pieces of this size.
const PIECE: usize = 256 << 10;

/// Bytes on their way into the store: write, then `commit`. Dropped without it, nothing is left.
#[derive(Debug)]
pub struct Incoming<'a> {
    store: &'a Store,
    temporary: Temporary<'a>,
    hasher: sha2::Sha256,
    size: u64,
    buffer: Vec<u8>,
}

/// A file without a name (`O_TMPFILE`), or, where the file system has no such thing, with a temporary one.
#[derive(Debug)]
pub(super) struct Temporary<'a> {
    store: &'a Store,
    file: File,
    name: Option<PathBuf>,
}

impl<'a> Incoming<'a> {
    pub(super) fn begin(store: &'a Store) -> Result<Self> {
        let temporary = Temporary::new(store, 0o644)?;
        Ok(Self { store, temporary, hasher: sha2::Digest::new(), size: 0, buffer: Vec::with_capacity(PIECE) })
    }

    /// Makes the bytes a blob, named by their SHA-256, which is returned with their number. Not synced.
    pub fn commit(mut self) -> Result<(Sha256, u64)> {
        self.pass_on().map_err(|error| io(self.store.root(), "write a blob", &error))?;
        let digest = Sha256(sha2::Digest::finalize(self.hasher).into());
        self.temporary.place(&self.store.blob_path(&digest.into()))?;
        Ok((digest, self.size))
    }

    fn pass_on(&mut self) -> std::io::Result<()> {
        self.temporary.write(&self.buffer)?;
        sha2::Digest::update(&mut self.hasher, &self.buffer);
        self.size += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Write for Incoming<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if self.buffer.len() == PIECE {
            self.pass_on()?;
        }
        let taken = buf.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&buf[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.pass_on()
    }
}

impl<'a> Temporary<'a> {
    pub(super) fn new(store: &'a Store, mode: u32) -> Result<Self> {
        let directory = store.root().join("incoming");
        // the unnamed file gets its name through /proc
        let unnamed = store
            .folder
            .unnamed(&directory, mode)
            .ok()
            .filter(|file| Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())).exists());
        match unnamed {
            Some(file) => {
                access::set_mode(&file, mode).map_err(|error| io(&directory, "set a mode in", &error))?;
                Ok(Self { store, file, name: None })
            }
            None => {
                Self::named(store, &directory, mode).map_err(|error| io(&directory, "make a file in", &error))
            }
        }
    }

    /// A file with a name that is locked while it is written, so that nobody sweeps it away.
    fn named(store: &'a Store, directory: &Path, mode: u32) -> std::io::Result<Self> {
        loop {
            let path = free_name(directory);
            let file = match access::create(&store.folder, &path, mode) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                made => made?,
            };
            if lock::try_take(&file, How::NonBlockingLockExclusive)?
                && open::is_at(&store.folder, &file, &path)
            {
                return Ok(Self { store, file, name: Some(path) });
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)
    }

    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file its final name, in the place of what was there: an earlier blob of the same name is the same,
    /// or is wrong.
    pub(super) fn place(mut self, path: &Path) -> Result<()> {
        let store = self.store;
        let mode = store.directory_mode();
        let placed = match &self.name {
            Some(name) => access::rename_making(&store.folder, name, path, mode),
            None => match access::making(&store.folder, path, mode, || store.folder.link(&self.file, path)) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => self.replace(path),
                done => done,
            },
        };
        placed.map_err(|error| io(path, "name", &error))?;
        self.name = None;
        Ok(())
    }

    /// An unnamed file cannot be linked over another: it is given a temporary name first, locked against sweeping.
    fn replace(&mut self, path: &Path) -> std::io::Result<()> {
        let store = self.store;
        lock::try_take(&self.file, How::NonBlockingLockExclusive)?;
        let directory = store.root().join("incoming");
        let name = loop {
            let name = free_name(&directory);
            match store.folder.link(&self.file, &name) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                done => break done.map(|()| name)?,
            }
        };
        self.name = Some(name.clone());
        store.folder.rename(&name, path)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = self.store.folder.remove(name);
        }
    }
}

/// A name in `incoming` that no other thread of this process uses, and no other process of this time.
fn free_name(directory: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    directory.join(format!("tmp-{}-{n}", std::process::id()))
}
