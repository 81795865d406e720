//! What is planned of a disk.

use crate::recipe;
use disk::{Compression, Holds, Partition, PartitionType};
use serde::Serialize;
use tree::name::Arch;

/// The disk of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Its partitions in their order.
    pub partitions: Vec<Partition>,
    /// The least size of the whole in bytes; it is rounded up to GiB, which is how clouds count.
    pub size: Option<u64>,
    /// The kernel's command line, after `root=`.
    pub cmdline: String,
    /// Whether a BIOS can start it, too.
    pub bios: bool,
    /// How the clusters of qcow2 are compressed.
    pub compression: Compression,
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
            bios: recipe.bios && arch == Arch::Amd64,
            compression: recipe.compression.unwrap_or(Compression::Zstd),
        }
    }
}
