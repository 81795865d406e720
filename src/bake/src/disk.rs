//! Disks: a tree as block images, made as values before a byte is written.
//!
//! ```text
//! Tree ─ext4─► Image ┐
//! kernel ─fat32─► Image ┴─gpt─► Image (the whole disk) ─► raw, qcow2, VHD, VMDK, GCE's tar.gz
//! ```
//! An [`Image`] says which bytes stand where; what it does not name is zero and is never written. Contents of files stay
//! ranges of blobs until a writer copies them, so an image of gigabytes is a few megabytes of memory, and which pieces
//! of an output are known from an earlier bake is answered without reading a file.

mod bios;
mod blocks;
mod deflate;
mod ext4;
mod fat32;
mod gce;
mod gpt;
mod image;
mod layout;
mod qcow2;
mod raw;
pub(crate) mod record;
mod segments;
mod uuid;
mod vhd;
mod vmdk;

pub(crate) use ext4::{Options as Ext4Options, ext4};
pub(crate) use image::{ALIGN, Image, Segment};
pub(crate) use layout::{Disk, layout};
pub(crate) use segments::How;
pub use segments::Pieces;

use crate::emit::Format;
use crate::plan::Plan;
use store::part::Part;
use tree::refusal::{Class, Refusal, Result, Stage};

/// Refuses a disk that is larger than readers of `format` take, before anything is written.
pub(crate) fn check(format: Format, disk: &Disk<'_>) -> Result<()> {
    if format != Format::Vhd || disk.image.size <= vhd::MOST {
        return Ok(());
    }
    let (most, found) = (vhd::MOST >> 30, disk.image.size >> 30);
    let cause = format!("size of the disk, expected at most {most} GiB, found {found} GiB");
    Err(Refusal::new(Class::Usage, format.suffix(), Stage::Emit, cause).hint(
        "make [disk] size of the recipe smaller: the root file system grows to its disk at the first boot",
    ))
}

/// Writes `disk` as `format` into `part`; `done` is told of each byte of the image that is written.
pub(crate) fn write(
    format: Format,
    disk: &Disk<'_>,
    plan: &Plan,
    how: How<'_>,
    part: &mut Part<'_>,
    done: &mut dyn FnMut(u64),
) -> Result<Pieces> {
    match format {
        Format::Qcow2 => {
            let packing = qcow2::Packing { by: plan.disk.compression, level: plan.compression.level };
            qcow2::write(&disk.image, packing, how, part, done)
        }
        Format::Vhd => {
            let footer = vhd::footer(disk.image.size, disk.id, plan.epoch);
            raw::write(&disk.image, &footer, how, part, done)
        }
        Format::Vmdk => {
            let name = format!("{}.vmdk", plan.name());
            vmdk::write(&disk.image, (&name, disk.id), how, part, done)
        }
        Format::Gce => gce::write(&disk.image, plan.epoch, how, part, done),
        // a tar is no disk, and is not asked for here
        Format::Raw | Format::TarZst => raw::write(&disk.image, &[], how, part, done),
    }
}
