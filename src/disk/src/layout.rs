//! The whole disk of an image: the list of partitions of its [`Spec`], laid out.
//!
//! ```text
//! 0        protective MBR, GPT        code for a BIOS: a loader, or one line that says what the disk needs
//! 1 MiB    esp    FAT32   EFI/BOOT/BOOTX64.EFI       systemd-boot, as firmware looks for it
//!                         EFI/systemd/…              the same, under its own name
//!                         loader/loader.conf, loader/entries/<kind>.conf
//!                         <kind>/<version>/linux, initrd
//!          root   ext4    the tree; last, so that it can grow
//! end      GPT, again
//! ```
//! The disk is a whole number of GiB, as clouds sell them; the last partition has what that leaves. Its file system has
//! what is in it and the reserve, and is grown to its partition at the first boot, like the partition to its disk.
//!
//! Boot loader, kernel and initrd are files of the tree, and the plan's digest gives every identifier, so that the disk
//! is a function of [`Spec`] and tree. Not supported, on purpose: Secure Boot's signatures.

mod boot;

use super::bios;
use super::gpt::{self, Entry, PARTITION_ALIGN, SECTOR};
use super::spec::{Holds, Partition, PartitionType, Spec};
use super::uuid::Uuid;
use super::{ALIGN, Ext4Options, Image, Segment, ext4, fat32};
pub use boot::Boot;
use tree::Tree;
use tree::chunk::{Chunk, Part};
use tree::name::{Arch, ImagePath};
use tree::refusal::{Class, Refusal, Result, Stage};

/// Disks are whole numbers of this many bytes: Google takes no other, and the others round up to it.
const UNIT: u64 = 1 << 30;
/// To what the file system can grow without its descriptors being moved; beyond that the kernel moves them.
const GROWN: u64 = 2 << 40;
/// Says that the file system is to be grown to its partition (Discoverable Partitions Specification).
const GROW_FILE_SYSTEM: u64 = 1 << 59;

/// A disk, not yet written.
#[derive(Debug)]
pub struct Disk<'t> {
    /// What it was laid out by.
    pub(crate) spec: Spec,
    /// Its bytes.
    pub(crate) image: Image<'t>,
    /// Its own identifier.
    pub(crate) id: Uuid,
    /// Its partitions in their order.
    pub(crate) partitions: Vec<Entry>,
    /// How it is started without firmware.
    pub boot: Boot,
}

impl Disk<'_> {
    /// How many bytes of it are named; the rest is zero.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.image.segments.iter().map(|segment| segment.chunk.len).sum()
    }
}

/// Lays out the disk of `tree`.
///
/// # Errors
/// `Usage` for a tree that has not what boots it; `Archive` for what no such file system holds.
pub fn layout<'t>(spec: Spec, tree: &'t Tree) -> Result<Disk<'t>> {
    let id = Uuid::derived("disk", &spec.seed);
    let boot = boot::boot(&spec, tree, root_id(&spec))?;
    let mut entries = Vec::new();
    let mut images = Vec::new();
    let mut at = PARTITION_ALIGN;
    let mut runs = None;
    for partition in &spec.partitions {
        let image = match partition.holds {
            Holds::Boot => {
                let laid = esp(&spec, partition, &boot, tree, at)?;
                runs = Some(boot.runs(&spec, tree, at, &laid.places)?);
                laid.image
            }
            Holds::Tree => root(&spec, partition, tree)?,
        };
        let size = image.size.max(partition.least).next_multiple_of(PARTITION_ALIGN);
        entries.push(entry(&spec, partition, at, size));
        images.push((at, image));
        at = at.checked_add(size).ok_or_else(|| refuse(Class::Usage, "larger than any disk".to_owned()))?;
    }
    // the copy of the table takes the last of these
    let least = (at + PARTITION_ALIGN).max(spec.size.unwrap_or(0));
    let size = least.next_multiple_of(UNIT);
    if let (Some(entry), true) = (entries.last_mut(), spec.partitions.last().is_some_and(|last| last.grows)) {
        entry.size = size - PARTITION_ALIGN - entry.offset;
    }
    let mut table = gpt::gpt(id, size, &entries);
    match (spec.arch, runs) {
        (Arch::Amd64, Some([kernel, initrd])) if spec.bios => {
            let loaded = bios::Loaded { kernel, initrd, cmdline: &boot.cmdline };
            bios::put_loader(&mut table.first, &loaded);
        }
        (Arch::Amd64, _) => bios::put_line(&mut table.first),
        (Arch::Arm64, _) => {}
    }
    let mut image = Image { size, segments: vec![raw(0, table.first)] };
    for (offset, inner) in images {
        image.add(offset, inner);
    }
    let mut last = vec![0; usize::try_from(ALIGN).unwrap_or(0).saturating_sub(table.last.len())];
    last.extend(table.last);
    image.segments.push(raw(size - ALIGN, last));
    check(&image)?;
    Ok(Disk { spec, image, id, partitions: entries, boot })
}

fn entry(spec: &Spec, partition: &Partition, offset: u64, size: u64) -> Entry {
    Entry {
        r#type: partition_type(partition.r#type, spec.arch),
        id: partition_id(spec, partition),
        offset,
        size,
        attributes: if partition.grows { GROW_FILE_SYSTEM } else { 0 },
        name: partition.name.clone(),
    }
}

fn partition_type(of: PartitionType, arch: Arch) -> Uuid {
    match of {
        PartitionType::Esp => gpt::ESP,
        PartitionType::Root => gpt::root(arch),
    }
}

fn partition_id(spec: &Spec, partition: &Partition) -> Uuid {
    Uuid::derived(&format!("partition {}", partition.name), &spec.seed)
}

/// The identifier of the partition that the kernel is to mount.
fn root_id(spec: &Spec) -> Uuid {
    let root = spec.partitions.iter().find(|partition| partition.holds == Holds::Tree);
    root.map_or(Uuid::of(0), |root| partition_id(spec, root))
}

/// A file system for firmware.
fn esp<'t>(
    spec: &Spec,
    partition: &Partition,
    boot: &Boot,
    tree: &'t Tree,
    at: u64,
) -> Result<fat32::Laid<'t>> {
    let files = boot.files(spec, tree)?;
    let bytes: u64 = files.values().map(fat32::Source::len).sum();
    let needed = fat32::least(files.len() as u64, bytes).saturating_add(partition.reserve);
    let options = fat32::Options {
        size: needed.max(partition.least).next_multiple_of(PARTITION_ALIGN),
        offset: at,
        volume_id: Uuid::derived(&format!("volume {}", partition.name), &spec.seed).short(),
        label: &partition.name.to_ascii_uppercase(),
        epoch: spec.epoch,
    };
    fat32::fat32(files, &options)
        .map_err(|error| Refusal::new(Class::Archive, &*partition.name, Stage::Emit, error))
}

/// The tree's own file system.
fn root<'t>(spec: &Spec, partition: &Partition, tree: &'t Tree) -> Result<Image<'t>> {
    let options = Ext4Options {
        uuid: Uuid::derived(&format!("file system {}", partition.name), &spec.seed).0,
        hash_seed: Uuid::derived(&format!("hash seed {}", partition.name), &spec.seed).0,
        label: partition.name.clone(),
        epoch: spec.epoch,
        reserve: partition.reserve,
        least: partition.least,
        grown: GROWN,
    };
    ext4(tree, &options)
}

/// What the writers rely on (see [`Image`]); a file system that does not hold to it must never be written.
fn check(image: &Image<'_>) -> Result<()> {
    let mut free = 0;
    for Segment { offset, chunk } in &image.segments {
        let end = offset.saturating_add(chunk.len);
        if !offset.is_multiple_of(ALIGN) || *offset < free || chunk.len == 0 || end > image.size {
            return Err(refuse(Class::Archive, format!("segments out of order at byte {offset}")));
        }
        free = end.next_multiple_of(ALIGN);
    }
    Ok(())
}

fn raw<'t>(offset: u64, bytes: Vec<u8>) -> Segment<'t> {
    debug_assert!((bytes.len() as u64).is_multiple_of(SECTOR));
    Segment { offset, chunk: Chunk { len: bytes.len() as u64, parts: vec![Part::Raw(bytes)] } }
}

fn refuse(class: Class, what: String) -> Refusal {
    Refusal::new(class, "disk", Stage::Emit, what)
}

/// The file at `path`, where it is one.
fn file<'t>(tree: &'t Tree, path: &ImagePath) -> Option<(&'t ImagePath, &'t tree::Content)> {
    let (path, entry) = tree.get_key_value(path)?;
    match &entry.node {
        tree::Node::File(content) => Some((path, content)),
        tree::Node::Hardlink(target) => file(tree, target),
        _ => None,
    }
}
