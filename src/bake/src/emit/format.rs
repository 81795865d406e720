//! The formats of artifacts.

use std::fmt;
use std::str::FromStr;

/// A format that an image can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// The tree as a compressed tar.
    TarZst,
    /// The disk as it is, sparse.
    Raw,
    /// QEMU, Proxmox and OpenStack.
    Qcow2,
    /// Azure and Hyper-V, of fixed size.
    Vhd,
    /// VMware, stream-optimized.
    Vmdk,
    /// Google: a sparse tar of `disk.raw`, compressed by gzip.
    Gce,
}

/// A name that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no format: expected {names}", names = names())]
pub struct FormatError(String);

impl Format {
    /// All that there are.
    pub const ALL: [Self; 6] = [Self::TarZst, Self::Raw, Self::Qcow2, Self::Vhd, Self::Vmdk, Self::Gce];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TarZst => "tar.zst",
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vhd => "vhd",
            Self::Vmdk => "vmdk",
            Self::Gce => "gce",
        }
    }

    /// How names of its files end: `base.debian-13.amd64.qcow2`.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        // Google wants it to end so, and `gce` alone would say nothing to a person
        if self == Self::Gce { "gce.tar.gz" } else { self.as_str() }
    }

    /// Whether it is a whole disk.
    #[must_use]
    pub fn is_disk(self) -> bool {
        self != Self::TarZst
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
            let name = format!("base.debian-13.amd64.{}", format.suffix());
            assert_eq!(Format::of_name(&name), Some(("base.debian-13.amd64", format)));
        }
        let said = "iso".parse::<Format>().unwrap_err().to_string();
        assert_eq!(said, "`iso` is no format: expected `tar.zst`, `raw`, `qcow2`, `vhd`, `vmdk`, `gce`");
        assert_eq!(Format::of_name("a.tar.gz"), None);
    }
}
