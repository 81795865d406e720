//! A FAT32 file system as a value: Microsoft's "FAT32 File System Specification" (fatgen103, 2000).
//!
//! ```text
//! sector 0     boot sector (6: its copy)      1: free space (7: its copy)
//!      128     first table of clusters, then the second
//!              directories, all of them, one behind the other
//!              files, each in one run that begins at a multiple of 64 KiB of the volume
//! ```
//! Reserved sectors and tables are made so long that everything lies at multiples of 64 KiB: a file's encoded bytes
//! are then the same wherever it goes, and a volume is a handful of segments. Clusters between files stay free.
//!
//! Invariants: at least 65541 clusters, sixteen over the least that every driver takes for FAT32; no two names of a
//! directory differ in case only; entries stand in the order of their names; all times are one, in UTC and even
//! seconds. Not supported, on purpose: FAT12 and FAT16, sectors other than of 512 bytes, files over 4 GiB, changing a volume.

mod directory;
mod read;

use super::gpt::SECTOR;
use super::{ALIGN, Image, Segment};
use directory::{Directories, Stamp};
pub use read::{FatEntry, Volume, VolumeError};
use std::collections::BTreeMap;
use tree::Content;
use tree::chunk::{Chunk, Part, ranges};
use tree::name::ImagePath;
use tree::refusal::Refusal;

/// Microsoft's limit is 65525, and its advice to stay sixteen away from it, as drivers err by a few.
const LEAST_CLUSTERS: u64 = 65525 + 16;
const RESERVED: u64 = ALIGN / SECTOR;
/// The cluster of the root directory: the first there is.
const ROOT: u32 = 2;
/// Says of a cluster that it is the last of its file.
const LAST: u32 = 0x0fff_ffff;

/// What decides a volume, beside its files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'a> {
    /// Its size in bytes, a multiple of 1 MiB.
    pub(crate) size: u64,
    /// Where it begins on its disk, in bytes.
    pub(crate) offset: u64,
    /// Its serial number.
    pub(crate) volume_id: u32,
    /// Its label: at most eleven upper-case ASCII characters.
    pub(crate) label: &'a str,
    /// The time of everything in it, seconds since 1970.
    pub(crate) epoch: i64,
}

/// The bytes of a file.
#[derive(Debug)]
pub(crate) enum Source<'t> {
    /// Made here.
    Bytes(Vec<u8>),
    /// Those of a file of a tree.
    File(&'t ImagePath, &'t Content),
}

/// Files by their path below the root, `EFI/BOOT/BOOTX64.EFI`; directories follow from them.
pub(crate) type Files<'t> = BTreeMap<String, Source<'t>>;

/// What no FAT32 volume can hold, or not this one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FatError {
    /// A name that is none.
    #[error(
        "`{0}` has no name that FAT can have: at most 255 characters, none of `\"*/:<>?\\|`, no dot or space last"
    )]
    Name(String),
    /// Two names that FAT takes for one, or a file that is a directory.
    #[error("`{0}` is there twice, as FAT does not tell case")]
    Twice(String),
    /// Over 4 GiB.
    #[error("`{0}`: expected at most 4294967295 bytes, found {1}")]
    Large(String, u64),
    /// A volume of fewer clusters than FAT32 has.
    #[error("size, expected at least 33 MiB for FAT32, found {0} bytes")]
    Small(u64),
    /// A volume with too little room.
    #[error("size, expected at least {needs} bytes for what is in it, found {size}")]
    Full {
        /// The least that would do.
        needs: u64,
        /// What there is.
        size: u64,
    },
    /// A content that cannot be cut into pieces.
    #[error("{0}")]
    Content(Box<Refusal>),
}

impl Source<'_> {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, content) => content.len(),
        }
    }
}

/// A volume, laid out.
#[derive(Debug)]
pub(crate) struct Laid<'t> {
    /// Its bytes.
    pub(crate) image: Image<'t>,
    /// Where in it each file begins that has bytes; all of it follows.
    pub(crate) places: BTreeMap<String, u64>,
}

/// The volume with `files`.
pub(crate) fn fat32<'t>(files: Files<'t>, options: &Options<'_>) -> Result<Laid<'t>, FatError> {
    let shape = Shape::of(options.size)?;
    for (path, source) in &files {
        if source.len() > u32::MAX.into() {
            return Err(FatError::Large(path.clone(), source.len()));
        }
    }
    let mut directories = Directories::of(files.keys(), shape.cluster)?;
    let mut table = vec![0x0fff_fff8, LAST];
    for clusters in directories.lengths() {
        chain(&mut table, clusters);
    }
    let (mut segments, mut places) = (Vec::new(), BTreeMap::new());
    for (path, source) in files {
        let unit = ALIGN / shape.cluster;
        let first = (table.len() as u64 - 2).next_multiple_of(unit) + 2;
        let needed = source.len().div_ceil(shape.cluster);
        if first - 2 + needed > shape.clusters {
            let needs = shape.data + (first - 2 + needed) * shape.cluster;
            return Err(FatError::Full { needs, size: options.size });
        }
        // an empty file has no cluster, and its entry says 0
        let at = if needed == 0 { 0 } else { narrow(first) };
        directories.place(&path, at, narrow(source.len()));
        if needed > 0 {
            table.resize(usize::try_from(first).unwrap_or(usize::MAX), 0);
            chain(&mut table, needed);
            let place = shape.data + (first - 2) * shape.cluster;
            segments.extend(contents(place, source)?);
            places.insert(path, place);
        }
    }
    let used = table.iter().filter(|&&entry| entry != 0).count() as u64 - 2;
    let next = narrow(table.len() as u64);
    let mut image = Image { size: options.size, segments: Vec::new() };
    image.segments.push(raw(0, reserved(options, &shape, narrow(shape.clusters - used), next)));
    let table: Vec<u8> = table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
    image.segments.push(raw(RESERVED * SECTOR, table.clone()));
    image.segments.push(raw((RESERVED + shape.table) * SECTOR, table));
    let stamp = Stamp::of(options.epoch);
    image.segments.push(raw(shape.data, directories.print(options.label, stamp)));
    image.segments.extend(segments);
    Ok(Laid { image, places })
}

/// The least size in bytes, a multiple of 1 MiB, of a volume that holds this many files of this many bytes in all.
pub(crate) fn least(files: u64, bytes: u64) -> u64 {
    // half a unit is lost with each file on average, one at most; directories and tables take less than 1/64 and 1 MiB
    let most = bytes + (files + 1) * ALIGN;
    (most + most / 64 + (2 << 20)).next_multiple_of(1 << 20).max(34 << 20)
}

/// The shape of a volume.
#[derive(Debug)]
struct Shape {
    /// Bytes of a cluster.
    cluster: u64,
    /// How many there are.
    clusters: u64,
    /// Sectors of one table.
    table: u64,
    /// Where the first cluster begins, in bytes.
    data: u64,
}

impl Shape {
    /// With the largest clusters that leave enough of them, up to 4 KiB.
    fn of(size: u64) -> Result<Self, FatError> {
        let sectors = size / SECTOR;
        let shape = |per_cluster: u64| {
            let most = sectors.checked_sub(RESERVED)? / per_cluster;
            let table = ((most + 2) * 4).div_ceil(SECTOR).next_multiple_of(ALIGN / SECTOR);
            let data = RESERVED + 2 * table;
            let clusters = sectors.checked_sub(data)? / per_cluster;
            let fits = (LEAST_CLUSTERS..0x0fff_fff0).contains(&clusters) && u32::try_from(sectors).is_ok();
            fits.then_some(Self { cluster: per_cluster * SECTOR, clusters, table, data: data * SECTOR })
        };
        [8, 4, 2, 1].into_iter().find_map(shape).ok_or(FatError::Small(size))
    }
}

/// Adds a run of `clusters` to the table.
fn chain(table: &mut Vec<u32>, clusters: u64) {
    let first = table.len() as u64;
    table.extend((1..clusters).map(|nth| narrow(first + nth)));
    table.push(LAST);
}

/// The segments of a file whose clusters begin at `offset`.
fn contents(offset: u64, source: Source<'_>) -> Result<Vec<Segment<'_>>, FatError> {
    match source {
        Source::Bytes(bytes) => Ok(vec![raw(offset, bytes)]),
        Source::File(path, content) => {
            let ranges = ranges(path, content).map_err(|refusal| FatError::Content(Box::new(refusal)))?;
            let segment = |range: tree::chunk::Range<'_>| offset + range.offset;
            Ok(ranges
                .into_iter()
                .map(|range| Segment {
                    offset: segment(range),
                    chunk: Chunk { len: range.len, parts: vec![Part::Range(range)] },
                })
                .collect())
        }
    }
}

fn raw<'t>(offset: u64, bytes: Vec<u8>) -> Segment<'t> {
    Segment { offset, chunk: Chunk { len: bytes.len() as u64, parts: vec![Part::Raw(bytes)] } }
}

/// The first nine sectors: boot sector and free space, and their copies.
fn reserved(options: &Options<'_>, shape: &Shape, free: u32, next: u32) -> Vec<u8> {
    let mut boot = Vec::with_capacity(512);
    boot.extend([0xeb, 0x58, 0x90]);
    boot.extend(b"vmbake  ");
    boot.extend(512_u16.to_le_bytes());
    boot.push(u8::try_from(shape.cluster / SECTOR).unwrap_or(1));
    boot.extend(u16::try_from(RESERVED).unwrap_or(u16::MAX).to_le_bytes());
    boot.extend([2, 0, 0, 0, 0, 0xf8, 0, 0]); // two tables; what FAT16 has here is 0; a fixed disk
    boot.extend(63_u16.to_le_bytes()); // sectors of a track and heads, which nobody asks for any more
    boot.extend(255_u16.to_le_bytes());
    boot.extend(narrow(options.offset / SECTOR).to_le_bytes());
    boot.extend(narrow(options.size / SECTOR).to_le_bytes());
    boot.extend(narrow(shape.table).to_le_bytes());
    boot.extend([0; 4]); // both tables alike, version 0.0
    boot.extend(ROOT.to_le_bytes());
    boot.extend([1, 0, 6, 0]); // where the free space is said, and the copies
    boot.extend([0; 12]);
    boot.extend([0x80, 0, 0x29]);
    boot.extend(options.volume_id.to_le_bytes());
    boot.extend(directory::padded(options.label));
    boot.extend(b"FAT32   ");
    boot.extend([0xcd, 0x18, 0xeb, 0xfe]); // started by a BIOS, it gives the word back to it
    boot.resize(510, 0);
    boot.extend([0x55, 0xaa]);

    let mut space = b"RRaA".to_vec();
    space.resize(484, 0);
    space.extend(b"rrAa");
    space.extend(free.to_le_bytes());
    space.extend(next.to_le_bytes());
    space.resize(510, 0);
    space.extend([0x55, 0xaa]);

    let mut out = [boot, space].concat();
    let first = out.clone();
    out.resize(6 * 512, 0);
    out.extend(first);
    out
}

/// What the size of the volume has already bounded to 32 bits.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
