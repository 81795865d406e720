//! Disks: a tree as block images, made as values before a byte is written.
//!
//! ```text
//! Tree ─ext4─► Image ┐
//! kernel ─fat32─► Image ┴─gpt─► Image (the whole disk) ─► raw, qcow2, VHD, VMDK, GCE's tar.gz
//! ```
//! An [`Image`] says which bytes stand where; what it does not name is zero and is never written. Contents of files stay
//! ranges of blobs until a writer copies them, so an image of gigabytes is a few megabytes of memory, and which pieces
//! of an output are known from an earlier bake is answered without reading a file.

mod image;

pub(crate) use image::{ALIGN, Image, Segment};
