//! What is wanted of a disk: its partitions as data, in their order, and all else that decides its bytes.
//!
//! A layout is this list and nothing else: a partition of hashes for dm-verity, or a second root to update into, is one
//! more line here, with what it holds, and not another way through the code.

use serde::{Deserialize, Serialize};
use tree::digest::Sha256;
use tree::name::{Arch, Kind};

/// A disk that is to be laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// What all identifiers are cut from: the digest of the image's plan.
    pub seed: Sha256,
    /// The name of the image, which its files begin with.
    pub name: String,
    /// The kind of the image, which the boot loader shows.
    pub kind: Kind,
    /// The machine that is to start it.
    pub arch: Arch,
    /// The time of everything that has one, seconds since 1970.
    pub epoch: i64,
    /// Its partitions in their order.
    pub partitions: Vec<Partition>,
    /// The least size of the whole in bytes; it is rounded up to GiB, which is how clouds count.
    pub size: Option<u64>,
    /// The kernel's command line, behind `root=`.
    pub cmdline: String,
    /// Whether a BIOS can start it, too; only on machines that have one.
    pub bios: bool,
    /// How the clusters of qcow2 are compressed.
    pub compression: Compression,
    /// The level of zstd, where that compresses.
    pub level: i32,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// Its name, which is also the label of its file system.
    pub name: String,
    /// What it is to whoever looks at the disk.
    pub r#type: PartitionType,
    /// What is in it.
    pub holds: Holds,
    /// Its least size in bytes.
    pub least: u64,
    /// Free space beyond what is in it, in bytes.
    pub reserve: u64,
    /// Whether it takes what is left of the disk, now and when the disk grows; only the last one can.
    pub grows: bool,
}

/// Types of the Discoverable Partitions Specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionType {
    /// The EFI system partition.
    Esp,
    /// The root file system of the image's architecture.
    Root,
}

/// What a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// FAT32 with the boot loader, the kernel and the initrd.
    Boot,
    /// ext4 with the whole tree.
    Tree,
}

/// How the clusters of qcow2 are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Zstandard: QEMU 5.1 and later.
    Zstd,
    /// Deflate: every reader.
    Zlib,
    /// Not at all, for readers that know no compressed clusters.
    None,
}
