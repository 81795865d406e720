//! Disks: a tree as block images, made as values before a byte is written.
//!
//! ```text
//! Tree ─ext4─► Image ┐
//! kernel ─fat32─► Image ┴─gpt─► Image (the whole disk) ─► raw, qcow2, VHD, VMDK, GCE's tar.gz
//! ```
//! An image says which bytes stand where; what it does not name is zero and is never written. Contents of files stay
//! ranges of blobs until a writer copies them, so an image of gigabytes is a few megabytes of memory, and which pieces
//! of an output are known from an earlier bake is answered without reading a file.
//!
//! What there is of formats is one table ([`Format`]): a new one is a module with its [`Codec`], and a line there.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make files to read"))]

mod bios;
mod blocks;
mod codec;
mod deflate;
mod ext4;
pub mod fat32;
mod format;
mod gce;
pub mod gpt;
mod image;
mod layout;
mod qcow2;
mod raw;
pub mod read;
pub mod record;
mod segments;
mod spec;
mod uuid;
mod vhd;
mod vmdk;

pub use codec::Codec;
pub use format::{Format, FormatError};
pub use layout::{Boot, Disk, layout};
pub use segments::{How, Pieces};
pub use spec::{Compression, Holds, Partition, PartitionType, Spec};
pub use uuid::Uuid;

pub(crate) use ext4::{Options as Ext4Options, ext4};
pub(crate) use image::{ALIGN, Image, Segment};
