//! The manifest: one exact input per name.
//!
//! The schema is Podplane's (`vmconfig.{version, kind, os, dependencies, images}`), read and written unchanged.
//! First the raw shape, which refuses unknown and repeated keys at their line and column, then the checked one,
//! which cannot be wrong.

use crate::digest::Digest;
use crate::name::{Arch, Kind, Name, Provider};
use std::collections::BTreeMap;

/// A checked manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The manifest's own version.
    pub version: String,
    /// Which kind.
    pub kind: Kind,
    /// The operating system, `debian-13`.
    pub os: String,
    /// Which architecture.
    pub arch: Arch,
    /// The stock image that today's nodes boot, kept as it was read.
    pub stock: Option<serde_json::Value>,
    /// The components by name.
    pub components: BTreeMap<Name, Entry>,
    /// Container images.
    pub images: Vec<Image>,
}

/// A dependency of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Known to the byte.
    Pinned(Pin),
    /// Declared, but not released or not published with a digest: url and digest are empty and the size is 0.
    Unpinned {
        /// The version it would have.
        version: String,
        /// Only for these clouds; all when empty.
        providers: Vec<Provider>,
    },
}

/// One exact input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pin {
    /// Upstream's version.
    pub version: String,
    /// Where upstream publishes it: `https:`, without user and password.
    pub url: String,
    /// What it is.
    pub form: Form,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Only for these clouds; all when empty.
    pub providers: Vec<Provider>,
}

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Form {
    /// One program.
    #[serde(rename = "binary")]
    Binary,
    /// A Debian package.
    #[serde(rename = "deb")]
    Deb,
    /// A tar archive compressed with gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A disk image.
    #[serde(rename = "qcow2")]
    Qcow2,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// `registry.k8s.io/pause:3.10.2`.
    pub image: String,
    /// The digest of the image's manifest for the platform.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// `linux/amd64`.
    pub platform: String,
    /// The digest of the index that lists it.
    pub index: Digest,
}
