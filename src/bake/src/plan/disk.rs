//! What is planned of a disk: its partitions as data, in their order.
//!
//! A layout is this list and nothing else: a partition of hashes for dm-verity, or a second root to update into, is one
//! more line here, with what it holds, and not another way through the code.

use crate::name::Arch;
use crate::recipe::{self, DiskCompression};
use serde::Serialize;

/// The disk of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Its partitions in their order.
    pub partitions: Vec<Partition>,
    /// The least size of the whole in bytes; it is rounded up to GiB, which is how clouds count.
    pub size: Option<u64>,
    /// The kernel's command line, after `root=`.
    pub cmdline: String,
    /// How the clusters of qcow2 are compressed.
    pub compression: DiskCompression,
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

impl Disk {
    /// The disk that `recipe` asks for on `arch`.
    #[must_use]
    pub fn of(recipe: &recipe::Disk, arch: Arch) -> Self {
        let esp = Partition {
            name: "esp".to_owned(),
            r#type: PartitionType::Esp,
            holds: Holds::Boot,
            least: recipe.esp,
            reserve: 0,
            grows: false,
        };
        let root = Partition {
            name: "root".to_owned(),
            r#type: PartitionType::Root,
            holds: Holds::Tree,
            least: 0,
            reserve: recipe.reserve,
            grows: true,
        };
        // the last one is where the init's and systemd's own words go: a cloud shows the serial line
        let usual: &[&str] = match arch {
            Arch::Amd64 => &["tty0", "ttyS0,115200"],
            Arch::Arm64 => &["tty0", "ttyAMA0,115200"],
        };
        let consoles = match &recipe.consoles {
            Some(consoles) => consoles.iter().map(recipe::Word::as_str).collect(),
            None => usual.to_vec(),
        };
        let consoles = consoles.into_iter().map(|console| format!("console={console}"));
        // mounted for writing at once: the journal is replayed by the kernel, and nothing checks it in between
        let words = std::iter::once("rw".to_owned()).chain(consoles);
        let words = words.chain(recipe.cmdline.iter().map(|word| word.as_str().to_owned()));
        Self {
            partitions: vec![esp, root],
            size: recipe.size,
            cmdline: words.collect::<Vec<_>>().join(" "),
            compression: recipe.compression.unwrap_or(DiskCompression::Zstd),
        }
    }
}
