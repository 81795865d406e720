//! QEMU's copy-on-write image, version 3: `docs/interop/qcow2.txt` of QEMU.
//!
//! ```text
//! cluster 0   header
//!             compressed clusters, one behind the other, and those that cannot be compressed, each a cluster of its own
//!             second-level tables, each with the places of 8192 clusters
//!             first-level table, reference counts, and the table of these
//! ```
//! Everything is written in one go but the header, which says where the tables are; so the file is hashed by reading it
//! back. Clusters that are all zero have no place at all. Compressed clusters share clusters of the file, which are
//! counted once for each; the length of one is said in sectors of 512 bytes, so it may reach into what is behind it.
//!
//! Not supported, on purpose: backing files, snapshots, encryption, clusters of another size, extensions of the header.

mod read;

use super::blocks::{self, BLOCK, Block};
use super::codec::{Codec, any};
use super::deflate::{self, Form, deflate};
use super::segments::{self, Encoding, How, Pieces};
use super::{Image, Segment};
use crate::spec::Compression;
use std::collections::BTreeMap;
use std::io;
use store::part::Part;
use tree::refusal::{Class, Refusal, Result, Stage};

/// Bytes of a cluster.
const CLUSTER: u64 = BLOCK as u64;
/// Clusters that one second-level table has the places of.
const TABLE: u64 = CLUSTER / 8;
/// Reference counts, of 16 bits, in a cluster.
const COUNTS: u64 = CLUSTER / 2;
/// Marks a place that no other image refers to.
const COPIED: u64 = 1 << 63;
/// Marks a compressed cluster.
const COMPRESSED: u64 = 1 << 62;
/// The bits of a compressed cluster's place; above are its further sectors: 62 - (16 - 8).
const PLACE_BITS: u32 = 54;
/// QEMU gives inflate a window of 4 KiB.
const WINDOW_BITS: u8 = 12;
/// A compressed cluster must be smaller than one by this, or it stays as it is: room for a sector's rounding.
const GAIN: usize = 512;

/// How clusters are compressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packing {
    /// By what.
    pub(crate) by: Compression,
    /// The level of zstd.
    pub(crate) level: i32,
}

/// The format.
pub(crate) static CODEC: Codec = Codec {
    keeps: true,
    check: any,
    write: |disk, how, part, done| {
        let packing = Packing { by: disk.spec.compression, level: disk.spec.level };
        write(&disk.image, packing, how, part, done)
    },
    open: read::open,
};

/// Writes `image`; `done` is told of each byte of the image that is written.
pub(crate) fn write(
    image: &Image<'_>,
    packing: Packing,
    how: How<'_>,
    part: &mut Part<'_>,
    mut done: impl FnMut(u64),
) -> Result<Pieces> {
    let mut file = File { part, end: CLUSTER, counts: vec![1], tables: BTreeMap::new() };
    let encode = |bytes: &[u8]| encode(bytes, packing);
    let encoding = Encoding { sort: "qcow2-2", version: version(packing), encode: &encode };
    let pieces = segments::encoded(image, how, &encoding, |segment, encoded, so_far| {
        file.part.expected = so_far.expected(file.end);
        file.segment(segment, &encoded)?;
        done(segment.chunk.len);
        Ok(())
    })?;
    file.finish(image.size, packing.by)?;
    Ok(pieces)
}

fn version(packing: Packing) -> Vec<u8> {
    let by = match packing.by {
        Compression::Zstd => "zstd",
        Compression::Zlib => "zlib",
        Compression::None => "none",
    };
    let zstd = zstd::zstd_safe::version_number();
    format!("vmbake qcow2 1 {by} {} {zstd} {}\n", packing.level, deflate::VERSION).into_bytes()
}

/// One encoder serves the clusters of one segment, and no more: nothing of another segment can show.
fn encode(bytes: &[u8], packing: Packing) -> io::Result<Vec<u8>> {
    match packing.by {
        Compression::None => blocks::encode(bytes, |_| Ok(None)),
        Compression::Zstd => {
            let mut encoder = zstd::bulk::Compressor::new(packing.level)?;
            blocks::encode(bytes, |block| {
                Ok(Some(encoder.compress(block)?).filter(|packed| packed.len() + GAIN <= BLOCK))
            })
        }
        // what does not fit into the room that it has is not worth it
        Compression::Zlib => {
            blocks::encode(bytes, |block| deflate(block, Form::Bare(WINDOW_BITS), BLOCK - GAIN))
        }
    }
}

/// The file on its way.
struct File<'p, 'd> {
    part: &'p mut Part<'d>,
    /// Where the next bytes go.
    end: u64,
    /// How often each cluster of the file is referred to.
    counts: Vec<u16>,
    /// Second-level tables by their number.
    tables: BTreeMap<u64, Vec<u64>>,
}

impl File<'_, '_> {
    /// Adds a segment: its compressed clusters together, then the others.
    fn segment(&mut self, segment: &Segment<'_>, encoded: &[u8]) -> Result<()> {
        let blocks = blocks::parse(encoded);
        let blocks = blocks.ok_or_else(|| refuse("a kept segment is of another form".to_owned()))?;
        let first = segment.offset / CLUSTER;
        let (mut packed, mut plain) = (Vec::new(), Vec::new());
        for (number, block) in (first..).zip(&blocks) {
            if let Block::Packed(bytes) = block {
                let (from, len) = (self.end + packed.len() as u64, bytes.len() as u64);
                let further = (from + len - 1) / 512 - from / 512;
                self.refer(number, COMPRESSED | further << PLACE_BITS | from)?;
                // sectors are what is counted, also where the last one is not full
                self.count(from / 512 * 512, (from / 512 + further + 1) * 512)?;
                packed.extend_from_slice(bytes);
            }
        }
        self.put(&packed)?;
        if blocks.iter().any(|block| matches!(block, Block::Plain(_))) {
            self.end = self.end.next_multiple_of(CLUSTER);
        }
        for (number, block) in (first..).zip(&blocks) {
            if let Block::Plain(bytes) = block {
                let from = self.end + plain.len() as u64;
                self.refer(number, COPIED | from)?;
                self.count(from, from + CLUSTER)?;
                plain.extend_from_slice(bytes);
            }
        }
        self.put(&plain)
    }

    /// Writes the tables and, last, the header.
    fn finish(&mut self, size: u64, by: Compression) -> Result<()> {
        let mut first_level = vec![0; usize::try_from(size.div_ceil(TABLE * CLUSTER)).unwrap_or(0)];
        for (number, table) in std::mem::take(&mut self.tables) {
            let at = self.clusters(&numbers(&table))?;
            if let Some(place) = usize::try_from(number).ok().and_then(|number| first_level.get_mut(number)) {
                *place = COPIED | at;
            }
        }
        let first_level_at = self.clusters(&numbers(&first_level))?;
        // the counts count themselves, and the table of them
        let before = self.end.div_ceil(CLUSTER);
        let mut blocks = 1;
        let tables = |blocks: u64| (blocks * 8).div_ceil(CLUSTER);
        while blocks * COUNTS < before + blocks + tables(blocks) {
            blocks += 1;
        }
        let counts_at = before * CLUSTER;
        self.count(counts_at, counts_at + (blocks + tables(blocks)) * CLUSTER)?;
        let counts: Vec<u8> = self.counts.iter().flat_map(|count| count.to_be_bytes()).collect();
        self.end = counts_at;
        self.put(&counts)?;
        let table_at = counts_at + blocks * CLUSTER;
        self.end = table_at;
        let places: Vec<u64> = (0..blocks).map(|number| counts_at + number * CLUSTER).collect();
        let mut table = numbers(&places);
        table.resize(usize::try_from(tables(blocks) * CLUSTER).unwrap_or(0), 0);
        self.put(&table)?;
        let header = header(&Header {
            size,
            first_level: (first_level.len() as u64, first_level_at),
            counts: (tables(blocks), table_at),
            by,
        });
        self.part.place(0, &header)?;
        self.part.read_back()
    }

    /// Writes whole clusters that nothing else refers to; where they are.
    fn clusters(&mut self, bytes: &[u8]) -> Result<u64> {
        self.end = self.end.next_multiple_of(CLUSTER);
        let at = self.end;
        let mut whole = bytes.to_vec();
        whole.resize(bytes.len().next_multiple_of(BLOCK), 0);
        self.count(at, at + whole.len() as u64)?;
        self.put(&whole)?;
        Ok(at)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.part.place(self.end, bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Says where the guest's cluster `number` is.
    fn refer(&mut self, number: u64, place: u64) -> Result<()> {
        let table =
            self.tables.entry(number / TABLE).or_insert_with(|| vec![0; usize::try_from(TABLE).unwrap_or(0)]);
        let entry = usize::try_from(number % TABLE).ok().and_then(|at| table.get_mut(at));
        *entry.ok_or_else(|| refuse(format!("cluster {number} is outside of the disk")))? = place;
        Ok(())
    }

    /// Counts a reference to each cluster between two places of the file.
    fn count(&mut self, from: u64, to: u64) -> Result<()> {
        let clusters = from / CLUSTER..to.div_ceil(CLUSTER);
        let too_large = || refuse("it has more clusters than can be counted".to_owned());
        let end = usize::try_from(clusters.end).map_err(|_| too_large())?;
        if self.counts.len() < end {
            self.counts.resize(end, 0);
        }
        for cluster in clusters {
            let count = usize::try_from(cluster).ok().and_then(|cluster| self.counts.get_mut(cluster));
            let count = count.ok_or_else(too_large)?;
            *count = count.checked_add(1).ok_or_else(too_large)?;
        }
        Ok(())
    }
}

struct Header {
    size: u64,
    /// How many entries the first-level table has, and where it is.
    first_level: (u64, u64),
    /// How many clusters the table of counts has, and where it is.
    counts: (u64, u64),
    by: Compression,
}

fn header(about: &Header) -> Vec<u8> {
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = b"QFI\xfb".to_vec();
    out.extend(3_u32.to_be_bytes());
    out.extend([0; 12]); // no backing file
    out.extend(CLUSTER.ilog2().to_be_bytes());
    out.extend(about.size.to_be_bytes());
    out.extend([0; 4]); // not encrypted
    out.extend(narrow(about.first_level.0));
    out.extend(about.first_level.1.to_be_bytes());
    out.extend(about.counts.1.to_be_bytes());
    out.extend(narrow(about.counts.0));
    out.extend([0; 12]); // no snapshots
    let is_zstd = about.by == Compression::Zstd;
    // features that a reader must know: bit 3 says that the type of compression is said
    out.extend((u64::from(is_zstd) << 3).to_be_bytes());
    out.extend([0; 16]); // features that it need not know
    out.extend(4_u32.to_be_bytes()); // counts of 2^4 bits
    out.extend(112_u32.to_be_bytes()); // the header's own length
    out.push(u8::from(is_zstd));
    out.resize(112 + 8, 0); // and the end of its extensions
    out
}

/// Numbers as the file has them.
fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn refuse(what: String) -> Refusal {
    Refusal::new(Class::Archive, "qcow2", Stage::Emit, what)
}

#[cfg(test)]
mod tests;
