//! Documents of images: index, manifest and configuration.
//!
//! ```text
//! index ─the platform's─► manifest ─┬─► configuration: diff IDs
//!                                   └─► layers: tars, as they are published
//! ```
//! Both OCI's and Docker's forms (Image Manifest Version 2, Schema 2) are read: they differ in their media types alone.
//! Whoever reads a document has checked its digest. Unknown fields are allowed, as the specification says; a document that
//! could be read as an index and as a manifest is rejected, and so is one whose media type says something else than its fields.
//!
//! Source: OCI Image Format Specification 1.1 (`image-index.md`, `manifest.md`, `config.md`, `descriptor.md`).
//!
//! Not supported, on purpose: schema 1, digests other than SHA-256, layers that are encrypted or must be fetched from elsewhere
//! (`urls`), images of other systems than Linux.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tree::digest::{Digest, Sha256};
use tree::name::Arch;

/// The largest index, manifest or configuration in bytes, which registries limit as well.
pub const MOST_DOCUMENT: usize = 4 << 20;
/// The largest layer in bytes, as it is published.
pub const MOST_LAYER: u64 = 8 << 30;
/// The most layers of an image, as Docker has it; overlayfs takes a few more.
const MOST_LAYERS: usize = 128;
/// The most entries of an index.
const MOST_MANIFESTS: usize = 1000;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI's type of a manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// OCI's type of a configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// OCI's type of a layer that is not compressed.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const LAYERS: [&str; 6] = [
    OCI_LAYER,
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// The media types of what may be asked for by an image's digest, as a request lists them.
pub const ACCEPTED: [&str; 4] = [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST];

/// What a digest in a document is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// What the digest of an image leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// The images of several platforms.
    Index(Index),
    /// The image of one.
    Manifest(Manifest),
}

/// The images of several platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its media type.
    pub media_type: &'static str,
    manifests: Vec<(Option<Platform>, Descriptor)>,
}

/// The image of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type.
    pub media_type: &'static str,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// What a document is not.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OciError {
    /// It has no such shape.
    #[error("not a valid {what}: {why}")]
    Shape {
        /// `index or manifest`, `configuration`.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// It says two things.
    #[error("ambiguous document: {0}")]
    Ambiguous(String),
    /// Too large or too many.
    #[error("expected at most {most} {what}, found {found}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// The limit.
        most: u64,
        /// What it has.
        found: u64,
    },
    /// A media type that is none of an image.
    #[error("expected the media type of {what}, found `{found}`")]
    MediaType {
        /// Of what.
        what: &'static str,
        /// What it has.
        found: String,
    },
    /// A digest of another algorithm.
    #[error("expected a sha256 digest, found `{0}`")]
    Algorithm(Digest),
    /// An index without the machine.
    #[error("expected an image for linux/{arch}, found {found}")]
    Platform {
        /// The machine.
        arch: Arch,
        /// Those that it has.
        found: String,
    },
}

#[derive(Deserialize)]
struct RawDescriptor {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: Digest,
    size: u64,
    platform: Option<Platform>,
    urls: Option<Vec<IgnoredAny>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
struct RawDocument {
    #[serde(rename = "schemaVersion")]
    schema_version: Option<u32>,
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct RawConfig {
    architecture: String,
    os: String,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    r#type: String,
    diff_ids: Vec<Digest>,
}

/// Reads what the digest of an image leads to.
pub fn document(bytes: &[u8]) -> Result<Document, OciError> {
    const WHAT: &str = "index or manifest";
    let raw: RawDocument = json(WHAT, bytes)?;
    let shape = |why: &str| OciError::Shape { what: WHAT, why: why.to_owned() };
    if raw.schema_version != Some(2) || raw.fs_layers.is_some() {
        return Err(shape("its `schemaVersion` is not 2"));
    }
    let said = raw.media_type.as_deref();
    match (raw.manifests, raw.config, raw.layers) {
        (Some(manifests), None, None) => {
            let media_type = one_of(said, "an index", [OCI_INDEX, DOCKER_LIST])?;
            limit("entries of an index", MOST_MANIFESTS as u64, manifests.len() as u64)?;
            let entry = |raw: RawDescriptor| Ok((raw.platform.clone(), descriptor(raw)?));
            let manifests = manifests.into_iter().map(entry).collect::<Result<_, OciError>>()?;
            Ok(Document::Index(Index { media_type, manifests }))
        }
        (None, Some(config), Some(layers)) => {
            let media_type = one_of(said, "a manifest", [OCI_MANIFEST, DOCKER_MANIFEST])?;
            limit("layers", MOST_LAYERS as u64, layers.len() as u64)?;
            if layers.is_empty() {
                return Err(shape("it has no layer"));
            }
            let config = descriptor(config)?;
            one_of(Some(&config.media_type), "a configuration", [OCI_CONFIG, DOCKER_CONFIG])?;
            limit("bytes of a configuration", MOST_DOCUMENT as u64, config.size)?;
            let layers = layers.into_iter().map(layer).collect::<Result<_, OciError>>()?;
            Ok(Document::Manifest(Manifest { media_type, config, layers }))
        }
        (None, None, None) => Err(shape("it has neither `manifests` nor `config` and `layers`")),
        (Some(_), ..) => {
            Err(OciError::Ambiguous("it has `manifests` beside `config` or `layers`".to_owned()))
        }
        (None, ..) => Err(shape("it lacks `config` or `layers`")),
    }
}

impl Index {
    /// The manifest of a machine.
    pub fn manifest(&self, arch: Arch) -> Result<&Descriptor, OciError> {
        let is_ours = |platform: &Platform| {
            let variants: &[&str] = match arch {
                Arch::Amd64 => &["v1"],
                Arch::Arm64 => &["v8", "8"],
            };
            let variant = platform.variant.as_deref().unwrap_or_default();
            platform.os == "linux"
                && platform.architecture == arch.debian()
                && (variant.is_empty() || variants.contains(&variant))
        };
        let is_manifest = |media_type: &str| [OCI_MANIFEST, DOCKER_MANIFEST].contains(&media_type);
        let mut ours = self
            .manifests
            .iter()
            .filter(|(platform, entry)| {
                platform.as_ref().is_some_and(is_ours) && is_manifest(&entry.media_type)
            })
            .map(|(_, entry)| entry);
        match (ours.next(), ours.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(OciError::Ambiguous(format!("it has two images for linux/{arch}"))),
            (None, _) => {
                let named = self.manifests.iter().filter_map(|(platform, _)| platform.as_ref());
                let mut found: Vec<String> =
                    named.map(|platform| shown_platform(&platform.os, &platform.architecture)).collect();
                found.sort();
                found.dedup();
                found.truncate(8);
                Err(OciError::Platform { arch, found: found.join(", ") })
            }
        }
    }

    /// Where `digest` is in the list.
    #[must_use]
    pub fn position(&self, digest: &Sha256) -> Option<usize> {
        self.manifests.iter().position(|(_, entry)| entry.digest == *digest)
    }
}

/// The manifest of an image that has none: that of its configuration and its layers.
#[must_use]
pub fn manifest_of(config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
    let of = |part: &Descriptor| {
        let Descriptor { media_type, digest, size } = part;
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
    };
    let (config, layers) = (of(config), layers.iter().map(of).collect::<Vec<_>>().join(","));
    let head = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}""#);
    format!(r#"{head},"config":{config},"layers":[{layers}]}}"#).into_bytes()
}

/// The diff IDs of the configuration of an image for `arch`, with so many layers where that is known: the digests of the tars that
/// its layers are.
pub fn diff_ids(bytes: &[u8], arch: Arch, layers: Option<usize>) -> Result<Vec<Sha256>, OciError> {
    const WHAT: &str = "configuration";
    let RawConfig { architecture, os, rootfs } = json(WHAT, bytes)?;
    if os != "linux" || architecture != arch.debian() {
        return Err(OciError::Platform { arch, found: shown_platform(&os, &architecture) });
    }
    if rootfs.r#type != "layers" {
        return Err(OciError::Shape {
            what: WHAT,
            why: "its `rootfs` does not consist of layers".to_owned(),
        });
    }
    let found = rootfs.diff_ids.len();
    limit("layers", MOST_LAYERS as u64, found as u64)?;
    if let Some(layers) = layers.filter(|layers| *layers != found) {
        return Err(OciError::Shape {
            what: WHAT,
            why: format!("expected {layers} diff IDs, found {found}"),
        });
    }
    if found == 0 {
        return Err(OciError::Shape { what: WHAT, why: "it has no layer".to_owned() });
    }
    rootfs.diff_ids.into_iter().map(sha256).collect()
}

/// A platform for a message: `linux/arm64`.
fn shown_platform(os: &str, architecture: &str) -> String {
    tree::refusal::shown(&format!("{os}/{architecture}")).chars().take(40).collect()
}

/// The chain ID of each layer: what it is together with all below it.
#[must_use]
pub fn chain_ids(diff_ids: &[Sha256]) -> Vec<Sha256> {
    let mut chain: Vec<Sha256> = Vec::with_capacity(diff_ids.len());
    for diff in diff_ids {
        let id = match chain.last() {
            None => *diff,
            Some(below) => Sha256::of(format!("{below} {diff}").as_bytes()),
        };
        chain.push(id);
    }
    chain
}

fn json<'de, T: Deserialize<'de>>(what: &'static str, bytes: &'de [u8]) -> Result<T, OciError> {
    limit("bytes of a document", MOST_DOCUMENT as u64, bytes.len() as u64)?;
    serde_json::from_slice(bytes).map_err(|error| OciError::Shape { what, why: error.to_string() })
}

fn limit(what: &'static str, most: u64, found: u64) -> Result<(), OciError> {
    if found > most { Err(OciError::Limit { what, most, found }) } else { Ok(()) }
}

/// The media type that is said; the first of the two where none is.
fn one_of(
    said: Option<&str>,
    what: &'static str,
    known: [&'static str; 2],
) -> Result<&'static str, OciError> {
    let said = said.unwrap_or(known[0]);
    known
        .into_iter()
        .find(|known| *known == said)
        .ok_or_else(|| OciError::MediaType { what, found: said.chars().take(160).collect() })
}

fn descriptor(raw: RawDescriptor) -> Result<Descriptor, OciError> {
    let digest = sha256(raw.digest)?;
    Ok(Descriptor { media_type: raw.media_type, digest, size: raw.size })
}

fn layer(raw: RawDescriptor) -> Result<Descriptor, OciError> {
    if raw.urls.as_ref().is_some_and(|urls| !urls.is_empty()) {
        let why = "a layer that must be fetched from elsewhere (`urls`)".to_owned();
        return Err(OciError::Shape { what: "manifest", why });
    }
    let layer = descriptor(raw)?;
    if !LAYERS.contains(&layer.media_type.as_str()) {
        return Err(OciError::MediaType {
            what: "a layer",
            found: layer.media_type.chars().take(160).collect(),
        });
    }
    limit("bytes of a layer", MOST_LAYER, layer.size)?;
    Ok(layer)
}

fn sha256(digest: Digest) -> Result<Sha256, OciError> {
    match digest {
        Digest::Sha256(digest) => Ok(digest),
        other => Err(OciError::Algorithm(other)),
    }
}

#[cfg(test)]
mod tests;
