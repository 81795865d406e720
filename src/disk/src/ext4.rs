//! A tree as an ext4 file system.
//!
//! ```text
//! Tree ─inodes─► numbers, links, children ─body─► directories, attributes ─┐
//!      └──────── data ─► segments of contents ─────────────────────────────┴─place─► geometry, blocks ─► Image
//! ```
//! The result is what Debian's `mke2fs` makes: 4 KiB blocks, inodes of 256 bytes, a clean journal, extents, indexed
//! directories, checksums of all metadata, room to grow while mounted. It is a pure function of tree and options:
//! numbers, places and generations follow from paths and seeds, all times of an inode are the entry's, nothing is read.
//! Groups of blocks and inodes that are not in use are marked so and not written.
//!
//! Files stand as `emit::layout` cuts them, each segment from the start of [`ALIGN`](super::ALIGN) bytes, and metadata
//! shares no such unit with them: what is unchanged has the same bytes, wherever it stands.
//!
//! Not supported, on purpose: holes (zeros in a file are written), shared attribute blocks, small files inside of inodes,
//! block sizes other than 4 KiB. Source of the format: the kernel's `Documentation/filesystems/ext4`.

use super::{Image, Segment};
use body::{Body, Content, body};
use checksum::Seeds;
use data::Data;
use geometry::{GROUP, Geometry, INODES};
use inode::{Fields, Time};
use inodes::{Inode, JOURNAL, inodes};
use place::{Place, Placed, place, spread};
use raw::Raw;
use tree::chunk::Chunk;
use tree::refusal::Result;
use tree::{Node, Tree};
use unfit::Unfit;

mod acl;
mod attributes;
mod body;
mod bytes;
mod checksum;
mod data;
mod directory;
mod extents;
mod geometry;
mod groups;
mod hash;
mod inode;
mod inodes;
mod journal;
mod place;
mod raw;
mod resize;
mod superblock;
mod unfit;

#[cfg(test)]
mod tests;

/// Bytes of a block.
const BLOCK: usize = 4096;

/// What the tree does not say of its file system.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Names the file system; all checksums begin with it.
    pub(crate) uuid: [u8; 16],
    /// Directories' indices and inodes' generations depend on it.
    pub(crate) hash_seed: [u8; 16],
    /// At most 16 bytes.
    pub(crate) label: String,
    /// When it was made, in seconds since 1970.
    pub(crate) epoch: i64,
    /// Bytes that are free at least, besides what the file system itself takes.
    pub(crate) reserve: u64,
    /// The least size in bytes.
    pub(crate) least: u64,
    /// The size in bytes up to which it grows in its usual form: each 8 GiB are a block of 4 KiB at the beginning and
    /// in each copy, at most 1024 of them. The kernel grows it further all the same, with descriptors elsewhere
    /// (`meta_bg`).
    pub(crate) grown: u64,
}

/// `tree` as a file system: the least that holds it and what the options want, a multiple of 1 MiB.
pub(crate) fn ext4<'t>(tree: &'t Tree, options: &Options) -> Result<Image<'t>> {
    if options.label.len() > 16 {
        return Err(Unfit::Label(options.label.clone()).into());
    }
    let seeds = Seeds::new(&options.uuid, &options.hash_seed);
    let inodes = inodes(tree, options)?;
    let bodies =
        inodes.iter().map(|inode| body(inode, &seeds, options)).collect::<Result<Vec<_>, Unfit>>()?;
    let data = data::data(&inodes)?;
    let needs: Vec<_> = bodies.iter().map(Body::need).collect();
    let last = inodes.last().map_or(inodes::LOST_FOUND, |inode| inode.number);
    let mut placed = place(&needs, &data, last, options)?;

    let mut raw = Raw::default();
    let epoch = time("/", options.epoch)?;
    let journal = own_journal(&placed, epoch, options, &seeds, &mut raw);
    let journal_field = journal.field;
    let mut records = vec![resize::resize(&placed.geometry, placed.resize, epoch, &mut raw), journal];
    let places = std::mem::take(&mut placed.inodes);
    for ((inode, body), place) in inodes.iter().zip(bodies).zip(places) {
        records.push(fields(inode, body, &place, &seeds, &mut raw)?);
    }
    tables(&placed.geometry, &records, &seeds, &mut raw);
    let directories: Vec<u32> =
        inodes.iter().filter(|inode| *inode.node == Node::Directory).map(|inode| inode.number).collect();
    let groups = groups::groups(&placed.geometry, &placed.used, last, &directories, seeds.volume, &mut raw);
    for group in std::iter::once(0).chain(placed.geometry.backups()) {
        let superblock = superblock::superblock(&placed, &groups, &journal_field, options, group);
        let mut head = vec![0; BLOCK];
        let at = if group == 0 { superblock::AT } else { 0 };
        bytes::put(&mut head, at, &superblock);
        head.extend(&groups.descriptors);
        raw.put(group * GROUP, head);
    }
    Ok(image(&placed, data, raw))
}

/// All segments in order.
fn image<'t>(placed: &Placed, data: Data<'t>, raw: Raw) -> Image<'t> {
    let mut segments = raw.segments();
    let contents = data.chunks.into_iter().zip(&placed.chunks);
    segments.extend(contents.map(|(chunk, at): (Chunk<'t>, _)| Segment { offset: at * BLOCK as u64, chunk }));
    segments.sort_unstable_by_key(|segment| segment.offset);
    Image { size: placed.geometry.blocks * BLOCK as u64, segments }
}

fn time(path: &str, seconds: i64) -> Result<Time, Unfit> {
    Time::of(seconds).ok_or_else(|| Unfit::Time(path.to_owned(), seconds))
}

/// The fields of an inode; its blocks but for a file's go into `raw`.
fn fields(
    inode: &Inode<'_>,
    body: Body,
    place: &Place,
    seeds: &Seeds,
    raw: &mut Raw,
) -> Result<Fields, Unfit> {
    let meta = &inode.meta;
    let kind = match inode.node {
        Node::Fifo => 0o010_000,
        Node::Character { .. } => 0o020_000,
        Node::Directory => 0o040_000,
        Node::Block { .. } => 0o060_000,
        Node::File(_) | Node::Hardlink(_) => 0o100_000,
        Node::Symlink(_) => 0o120_000,
    };
    let mut blocks = place.extents.iter().map(|extent| extent.len).sum::<u64>() + place.nodes.len() as u64;
    if let (Some(mut block), Some(at)) = (body.attributes.outside, place.attributes) {
        attributes::seal(&mut block, at, seeds.volume);
        raw.put(at, block);
        blocks += 1;
    }
    let (tree, nodes) = extents::tree(&place.extents, &place.nodes, seeds.inode(inode.number));
    nodes.into_iter().for_each(|(at, block)| raw.put(at, block));
    let (field, flags) = match body.content {
        Content::Field(field) => (field, 0),
        Content::Fifo => ([0; extents::FIELD], 0),
        Content::File => (tree, inode::EXTENTS),
        Content::Directory(bytes, indexed) => {
            spread(bytes, &place.extents).into_iter().for_each(|(at, bytes)| raw.put(at, bytes));
            (tree, inode::EXTENTS | if indexed { inode::INDEXED } else { 0 })
        }
        Content::Link(bytes) => {
            spread(bytes, &place.extents).into_iter().for_each(|(at, bytes)| raw.put(at, bytes));
            (tree, inode::EXTENTS)
        }
    };
    Ok(Fields {
        number: inode.number,
        mode: kind | meta.mode & 0o7777,
        uid: meta.uid,
        gid: meta.gid,
        size: body.size,
        time: time(inode.path, meta.mtime)?,
        // at most 65000, which `inodes` has seen to
        links: bytes::low16(inode.links.into()),
        blocks,
        flags,
        field,
        attributes: place.attributes.unwrap_or(0),
        inside: body.attributes.inside,
    })
}

/// The journal's inode; its first block goes into `raw`.
fn own_journal(placed: &Placed, time: Time, options: &Options, seeds: &Seeds, raw: &mut Raw) -> Fields {
    let Place { extents, nodes, .. } = &placed.journal;
    let (field, blocks) = extents::tree(extents, nodes, seeds.inode(JOURNAL));
    blocks.into_iter().for_each(|(at, block)| raw.put(at, block));
    if let Some(first) = extents.first() {
        raw.put(first.start, journal::journal(placed.geometry.journal, &options.uuid));
    }
    Fields {
        number: JOURNAL,
        mode: 0o100_600,
        uid: 0,
        gid: 0,
        size: placed.geometry.journal * BLOCK as u64,
        time,
        links: 1,
        blocks: placed.geometry.journal + nodes.len() as u64,
        flags: inode::EXTENTS,
        field,
        attributes: 0,
        inside: None,
    }
}

/// Puts the inode tables into `raw`, each up to its last inode in use.
fn tables(geometry: &Geometry, records: &[Fields], seeds: &Seeds, raw: &mut Raw) {
    let mut tables: Vec<Vec<u8>> = vec![Vec::new(); geometry.tables.len()];
    for record in records {
        let number = u64::from(record.number) - 1;
        let Some(table) = tables.get_mut(bytes::index(number / geometry.inodes_per_group)) else { continue };
        let at = bytes::index(number % geometry.inodes_per_group) * inode::SIZE;
        // whole blocks, so that the next inodes have their place already
        let len = (at + inode::SIZE).next_multiple_of(BLOCK);
        if table.len() < len {
            table.resize(len, 0);
        }
        bytes::put(table, at, &inode::inode(record, seeds));
    }
    for (place, table) in geometry.tables.iter().zip(tables) {
        if !table.is_empty() {
            raw.put(place.inodes, table);
        }
    }
    debug_assert_eq!(BLOCK / inode::SIZE, bytes::index(INODES));
}
