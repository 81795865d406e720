//! Disk images as files: their format, an overlay that keeps them as they are, and ranges of the disk that they are of.
//!
//! Other formats than raw are read by QEMU's own drivers, through `qemu-img`.

use crate::{Disk, alone};
use anyhow::{Context as _, Result, bail, ensure};
use disk::gpt;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// How much of a disk is looked at for its partition table: header and entries are in the first 34 sectors.
const TABLE: u64 = 1 << 20;
/// No more of a partition than this is read into memory.
const MOST: u64 = 1 << 30;

/// The formats of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the disk.
    Raw,
    /// QEMU's.
    Qcow2,
    /// VHD.
    Vpc,
    /// VMware's.
    Vmdk,
}

/// How the names of files in a format end.
const ENDINGS: [(&str, Format); 5] = [
    ("raw", Format::Raw),
    ("img", Format::Raw),
    ("qcow2", Format::Qcow2),
    ("vhd", Format::Vpc),
    ("vmdk", Format::Vmdk),
];

/// Endings of names as a list in a sentence: `.raw, .vhd or .vmdk`.
#[must_use]
pub fn listed(endings: &[&str]) -> String {
    let dotted: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
    match dotted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

impl Format {
    /// The name of QEMU's driver.
    #[must_use]
    pub fn driver(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vpc => "vpc",
            Self::Vmdk => "vmdk",
        }
    }

    /// By how the name of a file ends, never by what is in it: a guest can write to a raw disk what looks like another
    /// format, which then names files of the host.
    #[must_use]
    pub fn of_ending(ending: &str) -> Option<Self> {
        ENDINGS.into_iter().find(|(known, _)| *known == ending).map(|(_, format)| format)
    }

    fn of(path: &Path) -> Option<Self> {
        Self::of_ending(path.extension()?.to_str()?)
    }
}

/// A disk image.
#[derive(Debug, Clone)]
pub struct DiskImage {
    /// The file, absolute.
    pub path: PathBuf,
    /// What is in it.
    pub format: Format,
}

impl DiskImage {
    /// The image at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let path = fs::canonicalize(path).with_context(|| format!("`{}`", path.display()))?;
        let Some(format) = Format::of(&path) else {
            bail!(
                "`{}` is not a disk image by its name, which must end in {}",
                path.display(),
                listed(&ENDINGS.map(|(ending, _)| ending))
            );
        };
        let file = File::open(&path).with_context(|| format!("`{}`", path.display()))?;
        let other = alone::refers_to(&file, format).with_context(|| format!("`{}`", path.display()))?;
        if let Some(other) = other {
            bail!(
                "`{}` is not all of its disk: QEMU would open {other}; `qemu-img convert` makes one file of those that it trusts",
                path.display()
            );
        }
        Ok(Self { path, format })
    }

    /// As a disk of a machine.
    #[must_use]
    pub fn disk(&self, read_only: bool) -> Disk {
        Disk { path: self.path.clone(), format: self.format, read_only }
    }

    /// Makes `to` a layer over the image that takes all writes, of `size` bytes where that is given.
    pub fn overlay(&self, to: &Path, size: Option<u64>) -> Result<Self> {
        let (from, format, shell) = (&self.path, self.format.driver(), Shell::new()?);
        let size = size.map(|bytes| bytes.to_string());
        cmd!(shell, "qemu-img create -q -f qcow2 -b {from} -F {format} {to} {size...}")
            .quiet()
            .run()
            .context(NEEDED)?;
        // what is under it is a file that was looked at
        Ok(Self { path: fs::canonicalize(to)?, format: Format::Qcow2 })
    }

    /// The partitions of the disk by number, from 1.
    pub fn partitions(&self) -> Result<BTreeMap<usize, gpt::Entry>> {
        let head = self.range(0, TABLE)?;
        let table = gpt::read(&head).with_context(|| format!("`{}`", self.path.display()))?;
        Ok(table.partitions)
    }

    /// `length` bytes of the disk from `offset`, a multiple of 512; where the disk ends before that, fewer or an error.
    pub fn range(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        ensure!(length <= MOST, "{length} bytes of a disk are more than are read at once");
        if self.format == Format::Raw {
            return read(&File::open(&self.path)?, offset, length);
        }
        let (dir, shell) = (tempfile::tempdir()?, Shell::new()?);
        let to = dir.path().join("range");
        // a window of whole sectors on the disk: `qemu-img dd` counts from another place in each version
        let window = serde_json::json!({
            "driver": "raw",
            "offset": offset,
            "size": length.next_multiple_of(512),
            "file": {
                "driver": self.format.driver(),
                "file": { "driver": "file", "filename": self.path.to_str().context("a path in UTF-8")? },
            },
        });
        cmd!(shell, "qemu-img convert -O raw")
            .args([format!("json:{window}").into(), to.clone().into_os_string()])
            .quiet()
            .run()
            .context(NEEDED)?;
        read(&File::open(&to)?, 0, length)
    }
}

const NEEDED: &str = "`qemu-img` failed, or is missing; `apt-get install qemu-utils` brings it";

fn read(file: &File, offset: u64, length: u64) -> Result<Vec<u8>> {
    let length = length.min(file.metadata()?.len().saturating_sub(offset));
    let mut bytes = vec![0; usize::try_from(length)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(dir: &Path) -> DiskImage {
        let path = dir.join("disk.raw");
        let file = File::create(&path).unwrap();
        file.set_len(8 << 20).unwrap();
        file.write_all_at(b"here", 3 << 20).unwrap();
        file.write_all_at(b"there", (3 << 20) + 512).unwrap();
        DiskImage::open(&path).unwrap()
    }

    #[test]
    fn an_overlay_reads_as_the_image_and_may_be_larger() {
        let dir = tempfile::tempdir().unwrap();
        let image = sample(dir.path());
        let overlay = image.overlay(&dir.path().join("o.qcow2"), Some(1 << 30)).unwrap();
        for (offset, length) in [(3 << 20, 512), ((3 << 20) + 512, 512), (0, 4 << 20)] {
            assert!(image.range(offset, length).unwrap() == overlay.range(offset, length).unwrap());
        }
        assert_eq!(&overlay.range((3 << 20) + 512, 512).unwrap()[..5], b"there");
        assert_eq!(overlay.range((1 << 30) - 512, 512).unwrap(), [0; 512]);
    }

    #[test]
    fn the_format_is_that_of_the_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.tar.zst", "a.iso", "a"] {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            let said = DiskImage::open(&path).unwrap_err().to_string();
            assert!(said.ends_with("must end in .raw, .img, .qcow2, .vhd or .vmdk"), "{said}");
        }
        assert!(DiskImage::open(&dir.path().join("absent.raw")).is_err());
    }
}
