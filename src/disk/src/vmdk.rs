//! VMware's stream-optimized disk, as it goes into an OVA: "VMware Virtual Disk Format", 5.0.
//!
//! ```text
//! header │ text that describes it │ grains … │ table of 512 grains │ grains … │ table … │ directory │ header │ end
//! ```
//! A grain is 64 KiB, compressed as zlib does, with a marker before it; one that is all zero is not there. Tables come
//! behind their grains, the directory of tables behind all, and the header comes once more to say where that is. So it
//! is written from the beginning to the end. Everything is in sectors of 512 bytes, numbers are little endian.

mod read;

use super::blocks::{self, BLOCK, Block};
use super::codec::{Codec, any};
use super::deflate::{self, Form, deflate};
use super::segments::{self, Encoding, How, Pieces};
use super::uuid::Uuid;
use super::{Image, Segment};
use std::io::Write as _;
use store::part::Part;
use tree::refusal::{Class, Refusal, Result, Stage};

const SECTOR: usize = 512;
/// Sectors of a grain.
const GRAIN: u64 = (BLOCK / SECTOR) as u64;
/// Grains of a table.
const TABLE: u64 = 512;
/// Where grains begin, in sectors: at a multiple of their own size.
const FIRST: u64 = GRAIN;
/// Sectors that the text may take.
const TEXT: u64 = 20;
/// In the place of the directory: the other header says it.
const AT_END: u64 = u64::MAX;

/// The format.
pub(crate) static CODEC: Codec = Codec {
    keeps: true,
    check: any,
    write: |disk, how, part, done| {
        let name = format!("{}.vmdk", disk.spec.name);
        write(&disk.image, (&name, disk.id), how, part, done)
    },
    open: read::open,
};

/// Writes `image`; `name` is the file's own, `done` is told of each byte of the image that is written.
pub(crate) fn write(
    image: &Image<'_>,
    (name, id): (&str, Uuid),
    how: How<'_>,
    part: &mut Part<'_>,
    mut done: impl FnMut(u64),
) -> Result<Pieces> {
    let encode =
        |bytes: &[u8]| blocks::encode(bytes, |block| deflate(block, Form::Zlib, deflate::bound(BLOCK)));
    let version = format!("vmbake vmdk 1 {}\n", deflate::VERSION).into_bytes();
    let encoding = Encoding { sort: "vmdk-2", version, encode: &encode };
    let sectors = image.size / SECTOR as u64;
    let mut file = File { part, table: (0, vec![0; 512]), directory: Vec::new() };
    file.put(&header(sectors, AT_END), SECTOR)?;
    file.put(
        description(name, sectors, id).as_bytes(),
        usize::try_from(FIRST).unwrap_or(0) * SECTOR - SECTOR,
    )?;
    let pieces = segments::encoded(image, how, &encoding, |segment, encoded, so_far| {
        file.part.expected = so_far.expected(file.part.size() + encoded.len() as u64);
        file.segment(segment, &encoded)?;
        done(segment.chunk.len);
        Ok(())
    })?;
    file.finish(sectors)?;
    Ok(pieces)
}

struct File<'p, 'd> {
    part: &'p mut Part<'d>,
    /// The number of the table that is being filled, and where its grains are, in sectors.
    table: (u64, Vec<u32>),
    /// Where tables are, in sectors; 0 for one without grains.
    directory: Vec<u32>,
}

impl File<'_, '_> {
    fn segment(&mut self, segment: &Segment<'_>, encoded: &[u8]) -> Result<()> {
        let blocks = blocks::parse(encoded).ok_or_else(|| refuse("a kept segment is of another form"))?;
        let mut out = Vec::with_capacity(encoded.len() + encoded.len() / 64);
        for (number, block) in (segment.offset / BLOCK as u64..).zip(blocks) {
            let Block::Packed(bytes) = block else { continue };
            if number / TABLE != self.table.0 {
                self.put(&std::mem::take(&mut out), 1)?;
                self.end_table()?;
                self.table.0 = number / TABLE;
            }
            let at = self.sector(out.len() as u64)?;
            if let Some(place) = usize::try_from(number % TABLE).ok().and_then(|at| self.table.1.get_mut(at))
            {
                *place = at;
            }
            out.extend((number * GRAIN).to_le_bytes());
            out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend(bytes);
            out.resize(out.len().next_multiple_of(SECTOR), 0);
        }
        self.put(&out, 1)
    }

    /// Writes the table that is being filled, unless it is empty.
    fn end_table(&mut self) -> Result<()> {
        let (number, table) = (self.table.0, std::mem::replace(&mut self.table.1, vec![0; 512]));
        if table.iter().all(|&place| place == 0) {
            return Ok(());
        }
        self.put(&marker(4, 1), SECTOR)?;
        let at = self.sector(0)?;
        self.directory.resize(usize::try_from(number).unwrap_or(0), 0);
        self.directory.push(at);
        self.put(&numbers(&table), SECTOR)
    }

    fn finish(&mut self, sectors: u64) -> Result<()> {
        self.end_table()?;
        let tables = sectors.div_ceil(GRAIN * TABLE);
        self.directory.resize(usize::try_from(tables).unwrap_or(0), 0);
        let directory = numbers(&self.directory);
        self.put(&marker((directory.len() as u64).div_ceil(SECTOR as u64), 2), SECTOR)?;
        let at = self.sector(0)?;
        self.put(&directory, SECTOR)?;
        self.put(&marker(1, 3), SECTOR)?;
        self.put(&header(sectors, at.into()), SECTOR)?;
        self.put(&[0; SECTOR], SECTOR)
    }

    /// The number of the sector that is so many bytes behind what is written.
    fn sector(&self, behind: u64) -> Result<u32> {
        let at = (self.part.size() + behind) / SECTOR as u64;
        u32::try_from(at).map_err(|_| refuse("expected at most 2 TiB, found more"))
    }

    /// Writes `bytes`, filled up to a multiple of `whole`.
    fn put(&mut self, bytes: &[u8], whole: usize) -> Result<()> {
        let fill = vec![0; bytes.len().next_multiple_of(whole) - bytes.len()];
        let written = self.part.write_all(bytes).and_then(|()| self.part.write_all(&fill));
        written.map_err(|error| self.part.refusal("write", &error))
    }
}

fn header(sectors: u64, directory: u64) -> Vec<u8> {
    let mut out = b"KDMV".to_vec();
    out.extend(3_u32.to_le_bytes());
    out.extend(0x0003_0001_u32.to_le_bytes()); // newlines can be checked; compressed; with markers
    for number in [sectors, GRAIN, 1, TEXT] {
        out.extend(number.to_le_bytes());
    }
    out.extend(512_u32.to_le_bytes()); // TABLE
    for number in [0, directory, FIRST] {
        out.extend(number.to_le_bytes());
    }
    out.push(0); // was closed well
    out.extend(b"\n \r\n"); // shows whether somebody has changed newlines
    out.extend(1_u16.to_le_bytes()); // deflate
    out.resize(SECTOR, 0);
    out
}

/// What a marker stands before: `sectors` of a table (1), the directory (2), the other header (3).
fn marker(sectors: u64, sort: u32) -> Vec<u8> {
    let mut out = sectors.to_le_bytes().to_vec();
    out.extend([0; 4]);
    out.extend(sort.to_le_bytes());
    out
}

/// The controller is VMware's own: Debian's cloud kernel has no driver for those of LSI Logic and BusLogic.
fn description(name: &str, sectors: u64, id: Uuid) -> String {
    // a CID of all ones or of ones but the last has a meaning of its own
    let cid = id.short() & 0x7fff_ffff;
    let cylinders = sectors / (255 * 63);
    format!(
        "# Disk DescriptorFile\nversion=1\nCID={cid:08x}\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n\
         # Extent description\nRDONLY {sectors} SPARSE \"{name}\"\n\n\
         # The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\nddb.adapterType = \"pvscsi\"\n"
    )
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn refuse(what: &'static str) -> Refusal {
    Refusal::new(Class::Archive, "vmdk", Stage::Emit, what)
}
