//! How disks are written as a format, and read back.

use super::layout::Disk;
use super::read::{DiskError, Runs};
use super::segments::{How, Pieces};
use std::fs::File;
use store::part::Part;
use tree::refusal::Result;

/// Writes a disk as [`Codec::write`] does.
type Write = fn(&Disk<'_>, How<'_>, &mut Part<'_>, &mut dyn FnMut(u64)) -> Result<Pieces>;

/// What a format of disks can do; each module of a format has one.
#[derive(Debug)]
pub struct Codec {
    /// Whether encoded segments are kept in the store: what is as it is anyway is not worth it.
    pub(crate) keeps: bool,
    /// Refuses what its readers do not take.
    pub(crate) check: fn(&Disk<'_>) -> Result<()>,
    /// Writes a disk.
    pub(crate) write: Write,
    /// Opens a file that was written so.
    pub(crate) open: fn(File) -> std::result::Result<Box<dyn Runs>, DiskError>,
}

impl Codec {
    /// Whether encoded segments are kept in the store.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Refuses a disk that is larger than readers of the format take, before anything is written.
    pub fn check(&self, disk: &Disk<'_>) -> Result<()> {
        (self.check)(disk)
    }

    /// Writes `disk` into `part`; `done` is told of each byte of the image that is written.
    pub fn write(
        &self,
        disk: &Disk<'_>,
        how: How<'_>,
        part: &mut Part<'_>,
        done: &mut dyn FnMut(u64),
    ) -> Result<Pieces> {
        (self.write)(disk, how, part, done)
    }

    /// Opens a file that is of the format.
    pub fn open(&self, file: File) -> std::result::Result<Box<dyn Runs>, DiskError> {
        (self.open)(file)
    }
}

/// The check of a format that takes disks of any size.
pub(crate) fn any(_: &Disk<'_>) -> Result<()> {
    Ok(())
}
