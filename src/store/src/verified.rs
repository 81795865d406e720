//! A blob that is what its name says, whatever happens to its file meanwhile.
//!
//! ```text
//! open ─► hash the whole, and each piece of it ─► is it what its name says? ─► read, each piece compared as it is read
//! ```
//! One open file from the first look to the last byte, so another file that takes its name is never read; and the digests
//! of its pieces are in memory, so what is written into it afterwards is found: a reader is given bytes that were hashed
//! in this process, from its own memory, or an error.

use super::{Store, io};
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use tree::digest::{Digest, Sha256};
use tree::refusal::{Class, Refusal, Result, Stage};

/// How much is compared at once.
const STEP: usize = 256 << 10;

/// A blob that was hashed and found right, to be read: once or often, in any order.
#[derive(Debug)]
pub struct Verified {
    file: File,
    len: u64,
    /// The digest of each `STEP` bytes; the last may be shorter.
    steps: Vec<Sha256>,
    at: u64,
    /// The step that is in memory.
    held: Option<usize>,
    memory: Vec<u8>,
}

/// A blob that was what its name says, and no longer is. It travels inside an `io::Error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was changed in the store while it was read")]
pub struct Changed;

impl Store {
    /// Opens and hashes a blob, to be read as what it was found to be.
    ///
    /// # Errors
    /// `Io` where there is none, or no plain file; `Verification` where it is not what its name says: it is set aside.
    pub fn verified(&self, digest: &Digest) -> Result<Verified> {
        let file = self.open_blob(digest)?;
        let path = self.blob_path(digest);
        let verified = Verified::read(file, digest).map_err(|error| io(&path, "read", &error))?;
        verified.map_or_else(
            || {
                self.reject(&path);
                let cause = "its bytes in the store are not those of its digest";
                Err(Refusal::new(Class::Verification, digest.to_string(), Stage::Store, cause)
                    .hint("run it again: the blob was set aside, and is fetched anew"))
            },
            Ok,
        )
    }
}

impl Verified {
    /// The open file as what it is, if that is what `digest` says.
    fn read(mut file: File, digest: &Digest) -> std::io::Result<Option<Self>> {
        let (mut whole, mut steps, mut len) = (digest.hasher(), Vec::new(), 0);
        let mut memory = vec![0; STEP];
        loop {
            let got = fill(&mut file, &mut memory)?;
            if got == 0 {
                break;
            }
            whole.update(&memory[..got]);
            steps.push(Sha256::of(&memory[..got]));
            len += got as u64;
        }
        let right = whole.finish() == *digest;
        Ok(right.then_some(Self { file, len, steps, at: 0, held: None, memory }))
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Reads a step into memory and compares it there.
    fn hold(&mut self, step: usize) -> std::io::Result<()> {
        if self.held == Some(step) {
            return Ok(());
        }
        self.held = None;
        let from = step as u64 * STEP as u64;
        let size = usize::try_from(self.len - from).unwrap_or(STEP).min(STEP);
        self.memory.resize(size, 0);
        match self.file.read_exact_at(&mut self.memory, from) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(Error::other(Changed)),
            done => done?,
        }
        if self.steps.get(step) != Some(&Sha256::of(&self.memory)) {
            return Err(Error::other(Changed));
        }
        self.held = Some(step);
        Ok(())
    }
}

impl Read for Verified {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.at >= self.len || buf.is_empty() {
            return Ok(0);
        }
        let step = usize::try_from(self.at / STEP as u64).unwrap_or(usize::MAX);
        self.hold(step)?;
        let within = usize::try_from(self.at % STEP as u64).unwrap_or(0);
        let got = (&self.memory[within..]).read(buf)?;
        self.at += got as u64;
        Ok(got)
    }
}

impl Seek for Verified {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Reads until `buffer` is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::path::PathBuf;

    fn blob(bytes: &[u8]) -> (tempfile::TempDir, Store, Digest, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let mut incoming = store.incoming().unwrap();
        incoming.write_all(bytes).unwrap();
        let digest = incoming.commit().unwrap().0.into();
        let path = store.blob_path(&digest);
        (place, store, digest, path)
    }

    fn noise(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n * 7 + n / 251) as u64).map(|n| n.to_le_bytes()[0]).collect()
    }

    fn is_changed(error: &Error) -> bool {
        matches!(error.get_ref(), Some(inner) if inner.is::<Changed>())
    }

    #[test]
    fn it_reads_and_seeks_as_the_file_does() {
        for len in [0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP + 17] {
            let bytes = noise(len);
            let (_place, store, digest, _) = blob(&bytes);
            let mut verified = store.verified(&digest).unwrap();
            assert_eq!(verified.size(), len as u64);
            let mut all = Vec::new();
            verified.read_to_end(&mut all).unwrap();
            assert_eq!(all, bytes);
            let at = len / 2;
            verified.seek(SeekFrom::Start(at as u64)).unwrap();
            all.clear();
            verified.read_to_end(&mut all).unwrap();
            assert_eq!(all, bytes[at..]);
            assert_eq!(verified.seek(SeekFrom::End(7)).unwrap(), len as u64 + 7);
            assert_eq!(verified.read(&mut [0; 9]).unwrap(), 0);
        }
    }

    #[test]
    fn a_blob_that_is_not_what_its_name_says_is_set_aside_and_reported() {
        let (_place, store, digest, path) = blob(b"what was meant");
        std::fs::write(&path, b"what was weant").unwrap();
        let refusal = store.verified(&digest).unwrap_err();
        assert_eq!(refusal.class, Class::Verification);
        assert!(!path.exists());
        assert!(store.rejected().iter().any(|name| name.contains(&digest.hex())), "{:?}", store.rejected());
    }

    #[test]
    fn another_file_of_its_name_is_never_read() {
        let bytes = noise(3 * STEP);
        let (_place, store, digest, path) = blob(&bytes);
        let mut verified = store.verified(&digest).unwrap();
        std::fs::write(path.with_extension("new"), noise(3 * STEP + 1)).unwrap();
        std::fs::rename(path.with_extension("new"), &path).unwrap();
        let mut all = Vec::new();
        verified.read_to_end(&mut all).unwrap();
        assert_eq!(all, bytes);
    }

    #[test]
    fn what_is_written_into_it_afterwards_is_found() {
        let bytes = noise(3 * STEP);
        for at in [0, STEP - 1, STEP, 2 * STEP + 5, 3 * STEP - 1] {
            let (_place, store, digest, path) = blob(&bytes);
            let mut verified = store.verified(&digest).unwrap();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
            let mut all = Vec::new();
            let error = verified.read_to_end(&mut all).unwrap_err();
            assert!(is_changed(&error), "{error}");
            assert_eq!(all, bytes[..at / STEP * STEP], "all before it is as it was");
        }
        for len in [0, STEP + 1, 3 * STEP - 1] {
            let (_place, store, digest, path) = blob(&bytes);
            let mut verified = store.verified(&digest).unwrap();
            OpenOptions::new().write(true).open(&path).unwrap().set_len(len as u64).unwrap();
            assert!(is_changed(&verified.read_to_end(&mut Vec::new()).unwrap_err()));
        }
        // trailing data belongs to nobody
        let (_place, store, digest, path) = blob(&bytes);
        let mut verified = store.verified(&digest).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        let mut all = Vec::new();
        verified.read_to_end(&mut all).unwrap();
        assert_eq!(all, bytes);
    }
}
