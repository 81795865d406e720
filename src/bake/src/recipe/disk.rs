//! The `[disk]` table of a recipe: how the disk of an image is laid out.

use disk::Compression;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// No disk is larger: 16 TiB is what ext4 with blocks of 4 KiB and all clouds agree on.
const MOST: u64 = 16 << 40;
/// The longest command line that a recipe can add: the kernel's own limit is 2048 bytes for all of it.
const MOST_CMDLINE: usize = 1024;

/// How disks are laid out; each key of a later recipe replaces that of an earlier one, but `cmdline`, which grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Free space of the root file system beyond what is in it, in bytes.
    pub reserve: u64,
    /// The least size of the whole disk in bytes.
    pub size: Option<u64>,
    /// The least size of the EFI system partition in bytes.
    pub esp: u64,
    /// The consoles of the kernel, the last one is also `/dev/console`; by architecture where none is named.
    pub consoles: Option<Vec<Word>>,
    /// Words that are added to the kernel's command line.
    pub cmdline: Vec<Word>,
    /// Whether a BIOS can start it, too.
    pub bios: bool,
    /// How the clusters of qcow2 are compressed; by zstd where nothing is said, but by zlib where the manifest says how
    /// machines are started without firmware.
    pub compression: Option<Compression>,
}

/// One `recipe.toml`'s table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    reserve: Option<Size>,
    size: Option<Size>,
    esp: Option<Size>,
    consoles: Option<Vec<Word>>,
    cmdline: Vec<Word>,
    bios: Option<bool>,
    compression: Option<Compression>,
}

/// `256 MiB`: whole MiB, as partitions begin and end at them.
#[derive(Debug, Clone, Copy)]
struct Size(u64);

/// A word of the kernel's command line: printable, without blanks, quotes or backslashes, and not `root=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Word(String);

impl Default for Disk {
    fn default() -> Self {
        Self {
            reserve: 256 << 20,
            size: None,
            // two kernels with their initrds, and as many clusters as FAT32 must have
            esp: 64 << 20,
            consoles: None,
            cmdline: Vec::new(),
            bios: true,
            compression: None,
        }
    }
}

impl Disk {
    /// Lays the table of a later recipe over this one; what is wrong with both together.
    pub(super) fn lay(&mut self, raw: &Raw) -> Result<(), String> {
        self.reserve = raw.reserve.map_or(self.reserve, |size| size.0);
        self.size = raw.size.map(|size| size.0).or(self.size);
        self.esp = raw.esp.map_or(self.esp, |size| size.0);
        self.consoles = raw.consoles.clone().or_else(|| self.consoles.take());
        self.cmdline.extend(raw.cmdline.iter().cloned());
        self.bios = raw.bios.unwrap_or(self.bios);
        self.compression = raw.compression.or(self.compression);
        let words = self.consoles.iter().flatten().chain(&self.cmdline);
        let len: usize = words.map(|word| word.0.len() + 9).sum();
        if len > MOST_CMDLINE {
            return Err(format!("disk.cmdline: expected at most {MOST_CMDLINE} bytes, found {len}"));
        }
        Ok(())
    }
}

impl Word {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
        let unit = match unit {
            "MiB" => Some(1_u64 << 20),
            "GiB" => Some(1 << 30),
            _ => None,
        };
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let size = unit.filter(|_| plain).and_then(|unit| unit.checked_mul(number.parse().ok()?));
        match size {
            Some(size) if size > 0 && size <= MOST => Ok(Self(size)),
            _ => {
                Err(D::Error::custom(format!("expected a size such as `256 MiB` or `4 GiB`, found `{text}`")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\`".contains(&byte));
        if text.is_empty() || !plain {
            let what = format!("expected one word of the kernel's command line, found `{text}`");
            return Err(D::Error::custom(what));
        }
        if text.starts_with("root=") || text == "--" {
            return Err(D::Error::custom(format!("`{text}` cannot be set by a recipe")));
        }
        Ok(Self(text))
    }
}
