//! The manifest: one exact input per name.
//!
//! The schema is Podplane's (`vmconfig.{version, kind, os, dependencies, images}`), read as it is published and as
//! `podplane deps download` writes it again (with `cached`, which is read and not kept), and written without additions.
//! `raw` has its shape, which refuses unknown and repeated keys; the checked type here cannot be wrong. Checks run
//! while the text is read, so that every refusal has its line and column.
//!
//! Not supported, on purpose: "latest", ranges, a digest that may be missing. What is declared and not yet published with
//! a digest is `Entry::Unpinned`, and a plan that needs it says so.

mod agree;
pub mod place;
mod raw;

use std::collections::BTreeMap;
use tree::digest::Digest;
use tree::name::{Arch, Kind, Name, Provider};
use tree::refusal::{Class, Refusal, Result, Stage};
use tree::release::OS;

pub use agree::{Disagreement, agree, without_epoch};
pub use raw::{Boot, BootFile, StockImage};

/// A manifest larger than this is refused unread: the largest real one is 6 KiB.
const MOST_BYTES: usize = 1 << 20;

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
    /// The stock image that nodes without a baked image boot.
    pub stock: Option<StockImage>,
    /// How that image is started without firmware.
    pub boot: Option<Boot>,
    /// The components by name.
    pub components: BTreeMap<Name, Entry>,
    /// Container images.
    pub images: Vec<ContainerImage>,
}

impl Manifest {
    /// The manifest of a kind that has Debian packages and files alone: it pins nothing.
    #[must_use]
    pub fn empty(kind: Kind, arch: Arch) -> Self {
        Self {
            version: "dev".to_owned(),
            kind,
            os: OS.to_owned(),
            arch,
            stock: None,
            boot: None,
            components: BTreeMap::new(),
            images: Vec::new(),
        }
    }
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
        /// What it would be.
        form: Form,
        /// Only for these clouds; all when empty.
        providers: Vec<Provider>,
    },
}

/// One exact input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pin {
    /// Upstream's version.
    pub version: String,
    /// Where upstream publishes it: `https:`, without user and password; of a project's own component also `http:` or `file:`.
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
#[serde(try_from = "raw::ImageText")]
pub struct ContainerImage {
    /// `registry.k8s.io/pause:3.10.2`.
    pub image: String,
    /// The digest of the image's manifest for the platform.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// `linux/amd64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The digest of the index that lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
}

impl Entry {
    /// The version.
    #[must_use]
    pub fn version(&self) -> &str {
        match self {
            Self::Pinned(Pin { version, .. }) | Self::Unpinned { version, .. } => version,
        }
    }

    /// Only for these clouds; all when empty.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        match self {
            Self::Pinned(pin) => &pin.providers,
            Self::Unpinned { providers, .. } => providers,
        }
    }
}

impl Pin {
    /// The last part of its URL: the file's name on a mirror.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }
}

/// Reads a manifest; `artifact` names it in messages. Errors are `Class::Usage` with line and column.
pub fn parse(artifact: &str, text: &[u8]) -> Result<Manifest> {
    if text.len() > MOST_BYTES {
        let what = format!("expected at most {MOST_BYTES} bytes, found {}", text.len());
        return Err(Refusal::new(Class::Usage, artifact, Stage::Parse, what));
    }
    let file: raw::File = serde_json::from_slice(text).map_err(|error| {
        // serde's words for a repeated key differ by where it stands; ours do not
        let what = error.to_string().replace("duplicate field", "duplicate key");
        let hint = tree::near::hint(&what);
        let refusal = Refusal::new(Class::Usage, artifact, Stage::Parse, what);
        if let Some(hint) = hint { refusal.hint(hint) } else { refusal }
    })?;
    Ok(file.checked())
}

impl serde::Serialize for Manifest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        raw::File::of(self).serialize(serializer)
    }
}

/// The manifest as text, in the order and indentation of the published ones.
#[must_use]
pub fn print(manifest: &Manifest) -> String {
    let mut text = serde_json::to_string_pretty(manifest).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
