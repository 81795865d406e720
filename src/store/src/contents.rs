//! The contents of files, read from the store and checked: not one byte leaves without its digest.

use crate::Store;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use tree::Content;
use tree::chunk::{Chunk, Part, Range};
use tree::digest::{Digest, Sha256};
use tree::name::ImagePath;
use tree::refusal::{Class, Refusal, Result, Stage};

/// How many blobs are held open at once, of all threads together: far below the least limit of any system.
const OPEN: usize = 16;

/// A content that is not what the tree says: the cause of a refusal of which the caller can make good.
///
/// Where `whole` is false the blob was damaged or gone, and is set aside: derive it anew from its input. Where it is
/// true the blob is what its name says, so that the note about what is in it is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its bytes in blob `{blob}` are not those that were unpacked")]
pub struct Corrupt {
    /// The file of the image.
    pub path: ImagePath,
    /// The blob that it is a part of.
    pub blob: Sha256,
    /// Whether the blob itself is what its name says.
    pub whole: bool,
}

/// Reads contents; shared by all threads.
#[derive(Debug)]
pub struct Contents<'s> {
    store: &'s Store,
    /// The last used one is at the end.
    open: Mutex<Vec<(Sha256, Arc<File>)>>,
}

impl<'s> Contents<'s> {
    /// The contents that `store` has.
    #[must_use]
    pub fn of(store: &'s Store) -> Self {
        Self { store, open: Mutex::default() }
    }

    /// Fills `out` with the bytes of `chunk`.
    pub fn read(&self, chunk: &Chunk<'_>, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        out.reserve(usize::try_from(chunk.len).unwrap_or(0));
        for part in &chunk.parts {
            match part {
                Part::Raw(bytes) => out.extend(bytes),
                Part::Range(range) => self.append(range, out)?,
            }
        }
        Ok(())
    }

    fn append(&self, range: &Range<'_>, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let too_large =
            |_| Refusal::new(Class::Archive, range.path.as_str(), Stage::Emit, "too large for this machine");
        let len = usize::try_from(range.len).map_err(too_large)?;
        match range.content {
            Content::Inline(bytes) => {
                let from = usize::try_from(range.offset).map_err(too_large)?;
                // the layout has taken the digest from these very bytes
                out.extend(&bytes[from..from + len]);
                Ok(())
            }
            Content::Stored(stored) => {
                out.resize(start + len, 0);
                let read = self.blob(&stored.blob).map_err(Some).and_then(|file| {
                    let at = stored.offset.checked_add(range.offset).ok_or(None)?;
                    match file.read_exact_at(&mut out[start..], at) {
                        Ok(()) => Ok(()),
                        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(None),
                        Err(error) => {
                            Err(Some(Refusal::io(range.path.as_str(), Stage::Emit, "read its blob", &error)))
                        }
                    }
                });
                match read {
                    Ok(()) if Sha256::of(&out[start..]) == range.digest => Ok(()),
                    Ok(()) | Err(None) => Err(self.corrupt(range.path, stored.blob)?),
                    // a blob that is gone is derived anew like one that is damaged
                    Err(Some(other)) if other.class != Class::Io => Err(other),
                    Err(Some(other)) => match self.store.verify_blob(&Digest::Sha256(stored.blob)) {
                        Ok(false) => Err(self.corrupt(range.path, stored.blob)?),
                        _ => Err(other),
                    },
                }
            }
        }
    }

    /// The refusal of a content, after its blob was hashed, and set aside where that is what is wrong.
    fn corrupt(&self, path: &ImagePath, blob: Sha256) -> Result<Refusal> {
        self.held().retain(|(name, _)| *name != blob);
        let whole = self.store.verify_blob(&Digest::Sha256(blob))?;
        let cause = Corrupt { path: path.clone(), blob, whole };
        Ok(Refusal::new(Class::Verification, path.as_str(), Stage::Emit, cause)
            .hint("bake again: the blob was set aside, and is unpacked anew"))
    }

    fn blob(&self, name: &Sha256) -> Result<Arc<File>> {
        let mut held = self.held();
        if let Some(at) = held.iter().position(|(other, _)| other == name) {
            let found = held.remove(at);
            let file = Arc::clone(&found.1);
            held.push(found);
            return Ok(file);
        }
        let file = Arc::new(self.store.open_blob(&Digest::Sha256(*name))?);
        if held.len() >= OPEN {
            held.remove(0);
        }
        held.push((*name, Arc::clone(&file)));
        Ok(file)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Vec<(Sha256, Arc<File>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
