//! An image in an archive of the project: a tar of an OCI layout, or what `docker save` writes.
//!
//! | the digest is of | what has to be in the archive |
//! |---|---|
//! | an index or a manifest | `blobs/sha256/HEX` for it and all that it leads to, as OCI layouts have it |
//! | a configuration | `manifest.json` with an image whose `Config` has that digest, and its layers, not compressed |
//!
//! An image of the second form has no manifest, so one is made of configuration and layers, the same each time.
//! Only what the digest leads to goes into the store, each part hashed; what else is in the archive is not looked at.
//!
//! Source: OCI Image Layout Specification 1.1, the Docker Image Specification 1.2 ("Combined Image JSON + Filesystem Changeset Format").

use super::{Resolved, descriptor, wrong};
use crate::archive::tar::{self, Policy, Shape};
use crate::plan::PlannedImage;
use containers::oci::{self, Document, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use store::{Store, beneath};
use tree::digest::{Digest, Sha256};
use tree::name::Arch;
use tree::refusal::{Class, Refusal, Result, Stage};

/// An archive with where its files are.
struct Archive<'a> {
    image: &'a PlannedImage,
    path: &'a str,
    file: File,
    /// Where each file begins, and its length, by its path without the leading slash.
    files: BTreeMap<String, (u64, u64)>,
}

/// One line of `manifest.json`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

/// Brings the parts of `image` from the archive at `path` of the project into the store.
pub(super) fn import(
    store: &Store,
    image: &PlannedImage,
    arch: Arch,
    project: &Path,
    path: &str,
) -> Result<()> {
    let archive = Archive::open(image, project, path)?;
    let blob = |digest: &Sha256| format!("blobs/sha256/{}", digest.hex());
    let mut next = Some(image.digest);
    if !archive.files.contains_key(&blob(&image.digest)) {
        next = None;
        archive.import_saved(store, arch)?;
    }
    // an index, then a manifest
    while let Some(digest) = next.take() {
        let bytes = archive.document(&blob(&digest))?;
        archive.put(store, &blob(&digest), &digest)?;
        match oci::document(&bytes) {
            Ok(Document::Index(index)) => {
                next = Some(index.manifest(arch).map_err(|error| wrong(image, error))?.digest);
            }
            Ok(Document::Manifest(manifest)) => {
                for part in std::iter::once(&manifest.config).chain(&manifest.layers) {
                    archive.put(store, &blob(&part.digest), &part.digest)?;
                }
            }
            // a layout that `docker save` wrote may be known by its configuration as well
            Err(_) if digest == image.digest => archive.import_saved(store, arch)?,
            Err(error) => return Err(wrong(image, error)),
        }
    }
    Ok(())
}

/// What the configuration `bytes` of an image consists of, where the store has its layers.
pub(super) fn of_config(
    store: &Store,
    image: &PlannedImage,
    arch: Arch,
    bytes: &[u8],
) -> Result<Option<Resolved>> {
    let diff_ids = oci::diff_ids(bytes, arch, None).map_err(|error| wrong(image, error))?;
    let config = descriptor(OCI_CONFIG, image.digest, bytes.len() as u64);
    let mut layers = Vec::new();
    for diff_id in diff_ids {
        let digest = Digest::Sha256(diff_id);
        let Ok(metadata) = store.blob_path(&digest).symlink_metadata() else { return Ok(None) };
        layers.push(descriptor(OCI_LAYER, diff_id, metadata.len()));
    }
    let made = oci::manifest_of(&config, &layers);
    Ok(Some(Resolved {
        image: image.clone(),
        index: None,
        manifest: descriptor(OCI_MANIFEST, Sha256::of(&made), made.len() as u64),
        config,
        layers,
        made: Some(made),
    }))
}

impl<'a> Archive<'a> {
    fn open(image: &'a PlannedImage, project: &Path, path: &'a str) -> Result<Self> {
        let io = |error: &std::io::Error| Refusal::io(path, Stage::Fetch, "read", error);
        let file = beneath::file(project, Path::new(path)).map_err(|error| io(&error))?;
        if !file.metadata().map_err(|error| io(&error))?.is_file() {
            return Err(Refusal::new(Class::Io, path, Stage::Fetch, "not a regular file"));
        }
        let policy = Policy { special_bits: true, case_twins: true, ..Policy::UPSTREAM };
        let input = BufReader::with_capacity(128 << 10, &file);
        let mut reader = tar::Reader::new(input, policy, tar::Limits::default());
        let (mut files, mut links) = (BTreeMap::new(), Vec::new());
        let broken = |error: tar::TarError| match error {
            tar::TarError::Read(error) if !crate::archive::is_content_fault(&error) => io(&error),
            error => Refusal::new(Class::Archive, path, Stage::Fetch, error.to_string()),
        };
        while let Some(entry) = reader.next().map_err(broken)? {
            let name = entry.path.relative().to_owned();
            match entry.shape {
                Shape::File { offset, size } => _ = files.insert(name, (offset, size)),
                Shape::Hardlink(target) => links.push((name, target.relative().to_owned())),
                // older engines link a layer that is there already: `../ID/layer.tar`
                Shape::Symlink(target) => {
                    if let Some(target) =
                        target.strip_prefix("../").filter(|_| name.matches('/').count() == 1)
                    {
                        links.push((name, target.to_owned()));
                    }
                }
                _ => {}
            }
        }
        for (name, target) in links {
            if let Some(place) = files.get(&target).copied() {
                files.insert(name, place);
            }
        }
        Ok(Self { image, path, file, files })
    }

    /// Imports what `manifest.json` says of the image whose configuration has the digest.
    fn import_saved(&self, store: &Store, arch: Arch) -> Result<()> {
        let absent = || {
            let hint = "pin the digest of an image of the archive, or save the image again: `docker save NAME -o FILE.tar`";
            self.refuse(format!("it has no image {}", self.image.digest)).hint(hint)
        };
        if !self.files.contains_key("manifest.json") {
            return Err(absent());
        }
        let list: Vec<Saved> = serde_json::from_slice(&self.document("manifest.json")?)
            .map_err(|error| self.refuse(format!("`manifest.json`: {error}")))?;
        for saved in list {
            let config = self.document(&saved.config)?;
            if Sha256::of(&config) != self.image.digest {
                continue;
            }
            let ids = oci::diff_ids(&config, arch, Some(saved.layers.len()));
            let ids = ids.map_err(|error| wrong(self.image, error))?;
            for (layer, id) in saved.layers.iter().zip(&ids) {
                self.put(store, layer, id)?;
            }
            return self.put(store, &saved.config, &self.image.digest);
        }
        Err(absent())
    }

    /// The bytes of a small file.
    fn document(&self, name: &str) -> Result<Vec<u8>> {
        let (offset, size) = self.place(name)?;
        let most = oci::MOST_DOCUMENT as u64;
        if size > most {
            return Err(self.refuse(format!("`{name}`: expected at most {most} bytes, found {size}")));
        }
        let mut bytes = Vec::new();
        let read = (&self.file).seek(SeekFrom::Start(offset));
        let read = read.and_then(|_| (&self.file).take(size).read_to_end(&mut bytes));
        read.map_err(|error| Refusal::io(self.path, Stage::Fetch, "read", &error))?;
        Ok(bytes)
    }

    /// Puts a file into the store, where its digest is this one.
    fn put(&self, store: &Store, name: &str, digest: &Sha256) -> Result<()> {
        let (offset, size) = self.place(name)?;
        if size > oci::MOST_LAYER {
            let most = oci::MOST_LAYER;
            return Err(self.refuse(format!("`{name}`: expected at most {most} bytes, found {size}")));
        }
        let io = |error: std::io::Error| Refusal::io(self.path, Stage::Fetch, "copy", &error);
        let mut incoming = store.incoming()?;
        (&self.file).seek(SeekFrom::Start(offset)).map_err(io)?;
        std::io::copy(&mut (&self.file).take(size), &mut incoming).map_err(io)?;
        incoming.flush().map_err(io)?;
        let (found, _) = incoming.commit()?;
        if found != *digest {
            let what = format!("`{name}`: expected digest {digest}, found {found}");
            return Err(Refusal::new(Class::Verification, self.path, Stage::Fetch, what));
        }
        Ok(())
    }

    fn place(&self, name: &str) -> Result<(u64, u64)> {
        let place = self.files.get(name).copied();
        place.ok_or_else(|| self.refuse(format!("it has no file `{}`", tree::refusal::shown(name))))
    }

    fn refuse(&self, what: String) -> Refusal {
        Refusal::new(Class::Archive, self.path, Stage::Fetch, what)
    }
}
