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
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::Store;
use tree::digest::Sha256;
use tree::name::Arch;
use tree::refusal::{Class, Refusal, Result, Stage};
use tree::{Content, Stored};

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
            let wanted = requirement(image, &descriptor("", digest, 0), true);
            document(store, &wanted, oci::MOST_DOCUMENT as u64, options, progress).map(Some)
        };
        let found = chain(image, plan.arch, store, &document)?;
        resolved.push(found.ok_or_else(|| refuse(image, "it is not in the store"))?);
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
    let wrong = |error: OciError| refuse(image, error);
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
            let either = |refusal: Refusal| refuse(image, format!("{error}; {}", refusal.cause));
            return archive::of_config(store, image, arch, &bytes).map_err(either);
        }
    };
    if let Some(expected) = image.manifest.filter(|expected| *expected != digest) {
        return Err(refuse(image, format!("expected manifest {expected} in the index, found {digest}")));
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
        diff_ids.push(ids.map_err(|error| refuse(&image.image, error))?);
    }
    let layers = images.iter().zip(&diff_ids).flat_map(|(image, ids)| {
        image.layers.iter().zip(ids).map(|(layer, id)| (image.image.image.name(), layer, *id))
    });
    let all: Vec<_> = layers.collect();
    let mut unpacked = on_threads(all.len(), jobs, |at| {
        let (name, layer, id) = all[at];
        unpack::layer(store, name, &layer.digest.into(), &id)
    })?
    .into_iter();
    drop(all);
    let mut made = Vec::new();
    for (image, ids) in images.into_iter().zip(diff_ids) {
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
        let mut layers = Vec::new();
        for ((layer, diff_id), members) in image.layers.iter().zip(ids).zip(unpacked.by_ref()) {
            let file = |member: unpack::Member| {
                let unpack::Member { path, meta, node } = member;
                containers::layer::File { path, meta, node }
            };
            let files = members.into_iter().map(file).collect();
            layers.push(Layer { part: part(layer)?, diff_id, files });
        }
        made.push(Image { reference: image.image.image.clone(), index, manifest, config, layers });
    }
    Ok(made)
}

/// The blobs that layers of images were unpacked to, as the images say.
#[must_use]
pub fn unpacked_blobs(images: &[Image]) -> BTreeSet<Sha256> {
    images.iter().flat_map(|image| &image.layers).map(|layer| layer.diff_id).collect()
}

/// Does `work` for each number below `count`; the results in their order, or the first refusal.
fn on_threads<T: Send>(
    count: usize,
    jobs: NonZeroUsize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<T>>>> = (0..count).map(|_| Mutex::new(None)).collect();
    let worker = || {
        while let Some(slot) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            results.get(at).map(|slot| (at, slot))
        } {
            let (at, slot) = slot;
            let result = work(at);
            *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.get().min(count) {
            scope.spawn(worker);
        }
        worker();
    });
    let take = |slot: Mutex<Option<_>>| slot.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.into_iter().filter_map(take).collect()
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
    bytes.ok_or_else(|| refuse(&image.image, format!("{} is not in the store", part.digest)))
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

fn refuse(image: &PlannedImage, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Refusal {
    Refusal::new(Class::Archive, image.image.to_string(), Stage::Unpack, cause)
}
