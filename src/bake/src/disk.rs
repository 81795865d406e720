//! Disks: a tree as block images, made as values before a byte is written.
//!
//! ```text
//! Tree ─ext4─► Image ┐
//! kernel ─fat32─► Image ┴─gpt─► Image (the whole disk) ─► raw, qcow2, VHD, VMDK, GCE's tar.gz
//! ```
//! An [`Image`] says which bytes stand where; what it does not name is zero and is never written. Contents of files stay
//! ranges of blobs until a writer copies them, so an image of gigabytes is a few megabytes of memory, and which pieces
//! of an output are known from an earlier bake is answered without reading a file.

#[cfg_attr(not(test), expect(dead_code, reason = "the emitter of disks does not call it yet"))]
mod ext4;
mod image;

#[cfg_attr(not(test), expect(unused_imports, reason = "the emitter of disks does not call it yet"))]
pub(crate) use ext4::{Options as Ext4Options, ext4};
pub(crate) use image::{ALIGN, Image, Segment};
