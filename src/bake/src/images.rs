//! Container images, from the digest that a plan has to what goes into containerd's store.
//!
//! ```text
//! PlannedImage ─digest─► index ─platform─► manifest ─► Resolved: digests and sizes of all parts
//!                        (registry, mirror, or the project's archive)        │
//!                                                                            ├─requirements─► fetch, as of all other inputs
//!                        diff IDs of the configuration ─unpack─► layers ─────┴─► containers::store::Image
//! ```
//! Everything hangs on the one digest: a document is hashed before it is read, what it names is fetched by digest and size, and the tar
//! that a layer decompresses to has to have its diff ID. An archive of the project is looked into only for what is named so.
//!
//! Not supported, on purpose: tags that are looked up, signatures of images, users and passwords of registries.

mod archive;
#[cfg(test)]
mod tests;

use crate::fetch::{Options, Progress, document, stored};
use crate::plan::{Plan, PlannedImage, Requirement, Source};
use crate::unpack;
use containers::oci::{self, Descriptor, Document, OciError};
use containers::store::{Image, Layer, Part};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use store::Store;
use store::ordered::ordered;
use tree::digest::Sha256;
use tree::name::Arch;
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};
use tree::{Content, Stored};

const NOT_STORED: &str = "not in the store";

/// An image whose parts are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    image: PlannedImage,
    /// The index, and where the manifest is in it.
    index: Option<(Descriptor, usize)>,
    manifest: Descriptor,
    /// Its configuration.
    config: Descriptor,
    /// Its layers, the lowest first.
    layers: Vec<Descriptor>,
    /// The bytes of a manifest that is made here, as its archive has none.
    made: Option<Vec<u8>>,
}

/// Finds out what the images of `plan` consist of; their documents, and the parts of those that an archive has, are in the store then.
///
/// # Errors
/// As those of [`crate::fetch::fetch`]; `Archive` for an image that is not one, or not for the machine.
pub fn resolve(
    store: &Store,
    plan: &Plan,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<Resolved>> {
    let mut resolved = Vec::new();
    for image in &plan.containers {
        if let Some(path) = image.from.as_ref().filter(|path| is_archive(path)) {
            let known = known(store, image, plan.arch)?;
            let is_there = known.as_ref().map_or(Ok(false), |known| known.is_stored(store))?;
            if !is_there {
                archive::import(store, image, plan.arch, &options.project, path)?;
            }
        }
        let document = |digest: Sha256| {
            let part = requirement(image, &descriptor("", digest, 0), true);
            document(store, &part, oci::MOST_DOCUMENT as u64, options, progress).map(Some)
        };
        let found = chain(image, plan.arch, store, &document)?;
        resolved.push(found.ok_or_else(|| refuse(image, NOT_STORED).remedy(Remedy::Fetch))?);
    }
    Ok(resolved)
}

/// What the store knows of the images of `plan`, and the names of those whose parts it does not know.
pub fn in_store(store: &Store, plan: &Plan) -> Result<(Vec<Resolved>, Vec<String>)> {
    let (mut resolved, mut missing) = (Vec::new(), Vec::new());
    for image in &plan.containers {
        match known(store, image, plan.arch)? {
            Some(known) => resolved.push(known),
            None => missing.push(image.image.to_string()),
        }
    }
    Ok((resolved, missing))
}

/// What the store knows of one image.
fn known(store: &Store, image: &PlannedImage, arch: Arch) -> Result<Option<Resolved>> {
    let document = |digest: Sha256| {
        stored(store, image.image.name().as_str(), &digest.into(), oci::MOST_DOCUMENT as u64)
    };
    chain(image, arch, store, &document)
}

/// Follows the digest of an image; `document` gives the bytes of one, none where it is not there.
fn chain(
    image: &PlannedImage,
    arch: Arch,
    store: &Store,
    document: &dyn Fn(Sha256) -> Result<Option<Vec<u8>>>,
) -> Result<Option<Resolved>> {
    let wrong = |error| wrong(image, error);
    let Some(bytes) = document(image.digest)? else { return Ok(None) };
    let size = bytes.len() as u64;
    let (index, digest, bytes) = match oci::document(&bytes) {
        Ok(Document::Index(index)) => {
            let entry = index.manifest(arch).map_err(wrong)?;
            let digest = entry.digest;
            let place = index.position(&digest).unwrap_or_default();
            let Some(bytes) = document(digest)? else { return Ok(None) };
            if bytes.len() as u64 != entry.size {
                let what = format!("manifest {digest}: expected {} bytes, found {}", entry.size, bytes.len());
                return Err(refuse(image, what));
            }
            (Some((descriptor(index.media_type, image.digest, size), place)), digest, bytes)
        }
        Ok(Document::Manifest(_)) => (None, image.digest, bytes),
        Err(error) => {
            // what `docker save` writes is known by its configuration
            if !image.from.as_ref().is_some_and(|path| is_archive(path)) {
                return Err(wrong(error));
            }
            let either = |refusal: Refusal| {
                let cause = format!("{error}; {}", refusal.cause).into();
                Refusal { cause, ..refusal }
            };
            return archive::of_config(store, image, arch, &bytes).map_err(either);
        }
    };
    if let Some(expected) = image.manifest.filter(|expected| *expected != digest) {
        let what = format!("expected manifest {expected} in the index, found {digest}");
        return Err(refuse(image, what)
            .hint("pin the digests of one image: of its index, and of its manifest in that"));
    }
    let manifest = match oci::document(&bytes).map_err(wrong)? {
        Document::Manifest(manifest) => manifest,
        Document::Index(_) => return Err(refuse(image, "its index leads to another index")),
    };
    Ok(Some(Resolved {
        image: image.clone(),
        index,
        manifest: descriptor(manifest.media_type, digest, bytes.len() as u64),
        config: manifest.config,
        layers: manifest.layers,
        made: None,
    }))
}

impl Resolved {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        self.image.image.to_string()
    }

    /// What has to be in the store for it: its documents, then its layers.
    #[must_use]
    pub fn requirements(&self) -> Vec<Requirement> {
        let manifest = (self.made.is_none()).then_some(&self.manifest);
        let documents = self.index.iter().map(|(index, _)| index).chain(manifest);
        let documents = documents.map(|part| requirement(&self.image, part, true));
        let blobs = std::iter::once(&self.config).chain(&self.layers);
        documents.chain(blobs.map(|part| requirement(&self.image, part, false))).collect()
    }

    fn is_stored(&self, store: &Store) -> Result<bool> {
        for part in self.requirements() {
            if !store.has(&part.digest, part.size)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Unpacks images, all of whose parts are in the store, for a machine, on `jobs` threads.
///
/// # Errors
/// `Archive` for an image that is not for the machine, and for a layer that is not as it should be; `Verification` for one that
/// decompresses to something else.
pub fn unpack(store: &Store, images: Vec<Resolved>, arch: Arch, jobs: NonZeroUsize) -> Result<Vec<Image>> {
    let mut diff_ids = Vec::new();
    for image in &images {
        let config = read(store, image, &image.config)?;
        let ids = oci::diff_ids(&config, arch, Some(image.layers.len()));
        diff_ids.push(ids.map_err(|error| wrong(&image.image, error))?);
    }
    let layers = images
        .iter()
        .zip(&diff_ids)
        .flat_map(|(image, ids)| image.layers.iter().zip(ids).map(move |(layer, id)| (image, layer, *id)));
    let all: Vec<_> = layers.collect();
    let one = |at: usize| -> Result<Layer> {
        let (image, layer, diff_id) = all[at];
        let members = unpack::layer(store, image.image.image.name(), &layer.digest.into(), &diff_id)?;
        let file = |unpack::Member { path, meta, node }| containers::layer::File { path, meta, node };
        let files = members.into_iter().map(file).collect();
        Ok(Layer { part: whole(store, image, layer)?, diff_id, files })
    };
    let mut unpacked = Vec::with_capacity(all.len());
    ordered(all.len(), jobs, one, |_, layer| {
        unpacked.push(layer);
        Ok(())
    })?;
    drop(all);
    let mut unpacked = unpacked.into_iter();
    let mut made = Vec::new();
    for image in images {
        let part = |descriptor: &Descriptor| whole(store, &image, descriptor);
        let index = match &image.index {
            Some((index, place)) => Some((part(index)?, *place)),
            None => None,
        };
        let manifest = match &image.made {
            Some(bytes) => {
                Part { descriptor: image.manifest.clone(), content: Content::Inline(bytes.as_slice().into()) }
            }
            None => part(&image.manifest)?,
        };
        let config = part(&image.config)?;
        let layers = unpacked.by_ref().take(image.layers.len()).collect();
        made.push(Image { reference: image.image.image.clone(), index, manifest, config, layers });
    }
    Ok(made)
}

/// The blobs that layers of images were unpacked to, as the images say.
#[must_use]
pub fn unpacked_blobs(images: &[Image]) -> BTreeSet<Sha256> {
    images.iter().flat_map(|image| &image.layers).map(|layer| layer.diff_id).collect()
}

/// A part of an image, its content as a range of the store.
fn whole(store: &Store, image: &Resolved, part: &Descriptor) -> Result<Part> {
    let stored = unpack::whole(store, image.image.image.name(), &part.digest.into())?;
    check_size(image, part, &stored)?;
    Ok(Part { descriptor: part.clone(), content: Content::Stored(stored) })
}

fn check_size(image: &Resolved, part: &Descriptor, stored: &Stored) -> Result<()> {
    if stored.len == part.size {
        return Ok(());
    }
    let what = format!("{}: expected {} bytes, found {}", part.digest, part.size, stored.len);
    Err(refuse(&image.image, what))
}

/// The bytes of a document that is in the store.
fn read(store: &Store, image: &Resolved, part: &Descriptor) -> Result<Vec<u8>> {
    let name = image.image.image.name().as_str();
    let bytes = stored(store, name, &part.digest.into(), oci::MOST_DOCUMENT as u64)?;
    bytes.ok_or_else(|| refuse(&image.image, format!("{}: {NOT_STORED}", part.digest)).remedy(Remedy::Fetch))
}

/// Whether a path of a project is that of an archive, and not of a directory with an OCI layout.
fn is_archive(path: &str) -> bool {
    path.ends_with(".tar")
}

fn descriptor(media_type: &str, digest: Sha256, size: u64) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest, size }
}

fn requirement(image: &PlannedImage, part: &Descriptor, is_manifest: bool) -> Requirement {
    let source = match &image.from {
        Some(path) if is_archive(path) => Source::Project { path: path.clone() },
        Some(path) => Source::Project { path: format!("{path}/blobs/sha256/{}", part.digest.hex()) },
        None => Source::Registry {
            registry: image.image.registry().to_owned(),
            repository: image.image.repository().to_owned(),
            is_manifest,
        },
    };
    Requirement {
        name: image.image.name().clone(),
        version: image.image.tag().to_owned(),
        digest: part.digest.into(),
        size: part.size,
        source,
    }
}

/// What is wrong with a document of an image, and what to pin instead.
fn wrong(image: &PlannedImage, error: OciError) -> Refusal {
    let hint = match &error {
        OciError::Platform { .. } => {
            "pin the index of a multi-platform image, or the manifest of each machine with `digest-amd64` and `digest-arm64`"
        }
        OciError::Ambiguous(_) => "pin the digest of the manifest for the machine instead of the index",
        OciError::Shape { .. }
        | OciError::MediaType { .. }
        | OciError::Algorithm(_)
        | OciError::Limit { .. } => {
            "pin the digest of an index or a manifest, as `docker buildx imagetools inspect NAME` shows it"
        }
    };
    refuse(image, error).hint(hint)
}

fn refuse(image: &PlannedImage, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Refusal {
    Refusal::new(Class::Archive, image.image.to_string(), Stage::Unpack, cause)
}
