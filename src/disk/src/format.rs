//! The formats of artifacts.

use super::codec::Codec;
use super::{gce, qcow2, raw, vhd, vmdk};
use std::fmt;
use std::str::FromStr;

/// What there is to know of a format.
struct Row {
    name: &'static str,
    suffix: &'static str,
    codec: Option<&'static Codec>,
}

/// The table as a type: each line is one format with its name, the end of its files' names, and for a disk its codec.
macro_rules! formats {
    ($($(#[$about:meta])+ $format:ident: $name:literal, $suffix:literal, $codec:expr;)+) => {
        /// A format that an image can be written in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Format {
            $($(#[$about])+ $format,)+
        }

        impl Format {
            /// All that there are.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$format),+];

            fn row(self) -> Row {
                match self {
                    $(Self::$format => Row { name: $name, suffix: $suffix, codec: $codec },)+
                }
            }
        }
    };
}

formats! {
    /// The tree as a compressed tar.
    TarZst: "tar.zst", "tar.zst", None;
    /// The disk as it is, sparse.
    Raw: "raw", "raw", Some(&raw::CODEC);
    /// QEMU, Proxmox and OpenStack.
    Qcow2: "qcow2", "qcow2", Some(&qcow2::CODEC);
    /// Azure and Hyper-V, of fixed size.
    Vhd: "vhd", "vhd", Some(&vhd::CODEC);
    /// VMware, stream-optimized.
    Vmdk: "vmdk", "vmdk", Some(&vmdk::CODEC);
    // Google wants it to end so, and `gce` alone would say nothing to a person
    /// Google: a sparse tar of `disk.raw`, compressed by gzip.
    Gce: "gce", "gce.tar.gz", Some(&gce::CODEC);
}

/// A name that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no format: expected {names}", names = names())]
pub struct FormatError(String);

impl Format {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// How names of its files end: `base.debian-13.amd64.qcow2`.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        self.row().suffix
    }

    /// How disks are written so; none for what is no disk.
    #[must_use]
    pub fn codec(self) -> Option<&'static Codec> {
        self.row().codec
    }

    /// Whether it is a whole disk.
    #[must_use]
    pub fn is_disk(self) -> bool {
        self.codec().is_some()
    }

    /// The format of a file by its name, with the rest of the name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<(&str, Self)> {
        Self::ALL.into_iter().find_map(|format| {
            let rest = name.strip_suffix(format.suffix())?.strip_suffix('.')?;
            Some((rest, format))
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let known = Self::ALL.into_iter().find(|format| format.as_str() == text);
        known.ok_or_else(|| FormatError(text.to_owned()))
    }
}

impl serde::Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

fn names() -> String {
    Format::ALL.map(|format| format!("`{format}`")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_endings_lead_back() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
            let name = format!("{}.{}", tree::of_release!("base.", ".amd64"), format.suffix());
            assert_eq!(Format::of_name(&name), Some((tree::of_release!("base.", ".amd64"), format)));
        }
        let said = "iso".parse::<Format>().unwrap_err().to_string();
        assert!(said.starts_with("`iso` is no format: expected `tar.zst`, `raw`, "), "{said}");
        assert_eq!(Format::of_name("a.tar.gz"), None);
    }
}
