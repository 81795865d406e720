//! The one way in for what is fetched: a `.part` file under a lock, so that each digest is transferred once.
//!
//! The part outlives a run that was killed or cut off, and the next one goes on with it. What is in it is trusted
//! no more than what a server sends: the digest is taken over the whole.

use super::lock::{self, How};
use super::{Store, access, file_stem, hash, io, open};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{ErrorKind, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use tree::digest::Digest;
use tree::refusal::{Class, Refusal, Result, Stage};

/// The answer to who transfers a blob.
#[derive(Debug)]
pub enum Begun<'a> {
    /// This process; nobody else will until it is dropped.
    Ours(Transfer<'a>),
    /// Another process, or another thread of this one.
    Theirs(Holder),
}

/// Who transfers a blob just now, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The processes, as far as they are known.
    pub pids: Vec<u32>,
    /// Size and time of the part; they stay the same where nothing goes on.
    pub progress: (u64, i64, i64),
}

/// A transfer that this process does.
#[derive(Debug)]
pub struct Transfer<'a> {
    store: &'a Store,
    digest: Digest,
    lock: PathBuf,
    part: PathBuf,
    /// Closed last, and with it the lock ends.
    _held: File,
    file: File,
}

impl Store {
    /// Begins the transfer of a blob, unless another process or thread is at it.
    pub fn begin(&self, digest: &Digest) -> Result<Begun<'_>> {
        self.must_be_writable(&digest.to_string())?;
        let incoming = self.root().join("incoming");
        let lock = incoming.join(format!("{}.lock", file_stem(digest)));
        let part = incoming.join(format!("{}.part", file_stem(digest)));
        let held = loop {
            let mut file = match access::create(&self.folder, &lock, self.private_mode()) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    // it will be written to, so it must not be another name of a file elsewhere
                    match access::open_plain_for(&self.folder, &lock, OFlags::RDWR)? {
                        Some(file) => file,
                        None => continue,
                    }
                }
                made => made.map_err(|error| io(&lock, "make", &error))?,
            };
            if !lock::try_take(&file, How::NonBlockingLockExclusive)
                .map_err(|error| io(&lock, "lock", &error))?
            {
                let progress = self.folder.look(&part).map_or((0, 0, 0), |found| {
                    (
                        u64::try_from(found.st_size).unwrap_or(0),
                        found.st_mtime,
                        found.st_mtime_nsec.cast_signed(),
                    )
                });
                return Ok(Begun::Theirs(Holder { pids: lock::holders(&file), progress }));
            }
            if open::is_at(&self.folder, &file, &lock) {
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                break file;
            }
        };
        let file = self.open_part(&part)?;
        Ok(Begun::Ours(Transfer { store: self, digest: digest.clone(), lock, part, _held: held, file }))
    }

    /// Opens what is there of a part, or a new one where it is no plain file.
    fn open_part(&self, part: &Path) -> Result<File> {
        if let Ok(Some(found)) = access::open_plain_for(&self.folder, part, OFlags::RDWR) {
            return Ok(found);
        }
        match self.folder.remove(part) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(part, "remove", &error)),
            _ => {}
        }
        access::create(&self.folder, part, self.private_mode()).map_err(|error| io(part, "make", &error))
    }
}

impl Holder {
    /// The refusal of one who has waited long enough.
    #[must_use]
    pub fn refusal(&self, artifact: &str) -> Refusal {
        let cause = format!("{} fetches it and does not go on", lock::described(&self.pids));
        Refusal::new(Class::Lock, artifact, Stage::Fetch, cause).hint("wait for it, or end it, and try again")
    }
}

impl Transfer<'_> {
    /// The part, to be read, written and cut.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Makes the part a blob when it is what its name says, synced; its directory is synced by [`Store::settle`].
    /// Otherwise the part is empty again, and the answer is what it was.
    pub fn finish(&mut self) -> Result<std::result::Result<(), Digest>> {
        let failed = |doing: &str, error: &std::io::Error| io(&self.part, doing, error);
        self.file.rewind().map_err(|error| failed("read", &error))?;
        let found = hash(&mut self.file, &self.digest).map_err(|error| failed("read", &error))?;
        if found != self.digest {
            self.file.set_len(0).map_err(|error| failed("empty", &error))?;
            return Ok(Err(found));
        }
        access::set_mode(&self.file, 0o644).map_err(|error| failed("set the mode of", &error))?;
        self.file.sync_all().map_err(|error| failed("sync", &error))?;
        let path = self.store.blob_path(&self.digest);
        access::rename_making(&self.store.folder, &self.part, &path, self.store.directory_mode())
            .map_err(|error| failed("name", &error))?;
        let mut dirty = self.store.dirty.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        dirty.extend(path.ancestors().skip(1).take(3).map(Path::to_path_buf));
        Ok(Ok(()))
    }

    /// Ends the transfer and leaves nothing of it.
    pub fn discard(self) {
        let _ = self.store.folder.remove(&self.part);
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        // an empty part is of no use to anybody
        if self.file.metadata().is_ok_and(|metadata| metadata.len() == 0)
            && open::is_at(&self.store.folder, &self.file, &self.part)
        {
            let _ = self.store.folder.remove(&self.part);
        }
        let _ = self.store.folder.remove(&self.lock);
    }
}
