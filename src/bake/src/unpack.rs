//! Unpacking: an input of the store to members with their bytes in the store.
//!
//! The bytes of a compressed archive are decompressed just once per store: the tar goes into the store as a blob of
//! its own, and a note remembers, for the input's digest, the blob and the list of members. Both check themselves.

use crate::name::ImagePath;
use crate::tree::{Meta, Node};
use std::sync::Arc;

/// An unpacked Debian package.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Package {
    /// The members of its control archive but the root directory, in their order.
    pub control: Vec<ControlFile>,
    /// The members of its data archive, in their order.
    pub members: Vec<Member>,
}

/// A member of a control archive.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ControlFile {
    /// `control`, `postinst`, `md5sums`, …
    pub name: String,
    /// Permission bits.
    pub mode: u16,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Member {
    /// Its path, made absolute and normal; not yet merged.
    pub path: ImagePath,
    /// Mode, owner, time, extended attributes.
    pub meta: Meta,
    /// What it is. A hard link's target is absolute and normal.
    pub node: Node,
}
