//! Disk images read back: whatever the format, runs of bytes in the order of their places.
//!
//! Only what `emit` writes is understood: an image of another make is refused, not guessed at. What is read may be
//! hostile: tables have limits, places are checked, memory is a few clusters whatever a header says.

use super::gpt;
use super::record::Partition;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// No larger disk is read: 16 TiB.
pub(crate) const MOST: u64 = 16 << 40;
/// How much of a plain disk is read at once.
pub(crate) const STEP: usize = 1 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// An image that is not of the form that `emit` writes.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Its own structures are wrong.
    #[error("{0}")]
    Form(&'static str),
    /// What stands for these bytes of the disk cannot be read.
    #[error("what stands for byte {at} of the disk: {what}")]
    At {
        /// The first byte of the disk that cannot be had.
        at: u64,
        /// Why.
        what: &'static str,
    },
    /// Its partition table is wrong.
    #[error(transparent)]
    Table(#[from] gpt::TableError),
    /// The file cannot be read.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
}

/// A disk as runs in the order of their places; between them it is zero.
pub trait Runs {
    /// The size of the disk in bytes.
    fn size(&self) -> u64;

    /// The next run, in `out`, and where on the disk it begins; none at the end.
    fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<u64>, DiskError>;
}

/// A disk image as far as it says itself what it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Disk {
    /// The size of the disk in bytes.
    pub size: u64,
    /// Its partitions in their order.
    pub partitions: Vec<Partition>,
}

/// Whether there is nothing but zeros; compared with zeros, as that is how a processor does it fast.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROS.len()).all(|chunk| chunk == &ZEROS[..chunk.len()])
}

/// The partitions that its first sectors name.
pub fn about(runs: &mut dyn Runs) -> Result<Disk, DiskError> {
    let mut first = Vec::new();
    let at = runs.next(&mut first)?;
    // what does not begin with a run is zero there
    let table = gpt::read(if at == Some(0) { &first } else { &[] })?;
    Ok(Disk { size: runs.size(), partitions: table.partitions.values().map(Partition::from).collect() })
}

/// A disk as it is, with a footer after it or none.
struct Sectors {
    file: File,
    size: u64,
    at: u64,
}

/// Opens a disk as it is, with a footer behind it or none.
pub(crate) fn sectors(file: File, has_footer: bool) -> Result<Box<dyn Runs>, DiskError> {
    let len = file.metadata()?.len();
    let size = if has_footer { len.checked_sub(512) } else { Some(len) };
    let size = size.filter(|size| *size <= MOST && size.is_multiple_of(512));
    let size = size.ok_or(DiskError::Form("its length is not a valid disk size"))?;
    if has_footer {
        let mut footer = [0; 8];
        file.read_exact_at(&mut footer, size)?;
        if footer != *b"conectix" {
            return Err(DiskError::Form("it has no virtual hard disk footer"));
        }
    }
    Ok(Box::new(Sectors { file, size, at: 0 }))
}

impl Runs for Sectors {
    fn size(&self) -> u64 {
        self.size
    }

    fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<u64>, DiskError> {
        while self.at < self.size {
            let at = self.at;
            let len = (self.size - at).min(STEP as u64);
            out.resize(usize::try_from(len).unwrap_or(STEP), 0);
            self.file.read_exact_at(out, at)?;
            self.at += len;
            // the first run has the partition table; holes are most of the rest
            if at == 0 || !is_zero(out) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}
