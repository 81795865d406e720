//! The store of containerd, `/var/lib/containerd`, with images in it: content, metadata, and snapshots unpacked.
//!
//! | below `/var/lib/containerd` | what |
//! |---|---|
//! | `io.containerd.content.v1.content/blobs/sha256/HEX` | indexes, manifests, configurations and layers, as they are published |
//! | `io.containerd.metadata.v1.bolt/meta.db` | images, content and snapshots by name ([`crate::metadata`]) |
//! | `io.containerd.snapshotter.v1.overlayfs/metadata.db` | the snapshots, and what each is upon |
//! | `io.containerd.snapshotter.v1.overlayfs/snapshots/N/fs` | the files of a layer ([`crate::layer`]); next to it `work`, as overlayfs has it |
//!
//! Layers that images share are there once, as a layer's snapshot is named by all that is below it.

use crate::bolt::{self, BoltError};
use crate::layer::{Below, File, LayerError};
use crate::metadata::{self, Blob, Name, Snapshot};
use crate::oci::{Descriptor, chain_ids};
use crate::reference::Reference;
use std::collections::{BTreeMap, BTreeSet};
use tree::digest::Sha256;
use tree::name::{ImagePath, NameError};
use tree::{Content, Meta, Node};

/// Where the store is.
pub const ROOT: &str = "/var/lib/containerd";

const CONTENT: &str = "io.containerd.content.v1.content";
const METADATA: &str = "io.containerd.metadata.v1.bolt";
const SNAPSHOTTER: &str = "io.containerd.snapshotter.v1.overlayfs";

/// An image to put into a store.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name.
    pub reference: Reference,
    /// The index that lists it, where it is known by one, and the place of the manifest in that.
    pub index: Option<(Part, usize)>,
    /// Its manifest.
    pub manifest: Part,
    /// Its configuration.
    pub config: Part,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A blob of an image.
#[derive(Debug, Clone)]
pub struct Part {
    /// What it is.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub content: Content,
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct Layer {
    /// As it is published.
    pub part: Part,
    /// The digest of its tar.
    pub diff_id: Sha256,
    /// What is in the tar, with absolute paths.
    pub files: Vec<File>,
}

/// A file of the store, and the image that brought it first; none for what is of the store as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The file.
    pub file: File,
    /// The number of the image among those that were given.
    pub image: Option<usize>,
}

/// Why images cannot be put into a store.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// A layer.
    #[error("layer {layer} of image `{image}`: {error}")]
    Layer {
        /// Whose.
        image: String,
        /// Its diff ID.
        layer: Sha256,
        /// What is wrong.
        error: LayerError,
    },
    /// A path that is too long for the place where it goes.
    #[error(transparent)]
    Path(#[from] NameError),
    /// A database.
    #[error(transparent)]
    Database(#[from] BoltError),
    /// One name, two images.
    #[error("image `{0}` is named twice, with different digests")]
    Twice(String),
}

impl Image {
    /// What its names mean.
    fn target(&self) -> &Descriptor {
        self.index.as_ref().map_or(&self.manifest.descriptor, |(index, _)| &index.descriptor)
    }

    /// Its names, as CRI has them: by tag, by digest, and by its configuration.
    #[must_use]
    pub fn names(&self) -> [String; 3] {
        let target = self.target();
        let config = self.config.descriptor.digest.to_string();
        [self.reference.to_string(), self.reference.with_digest(&target.digest), config]
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        let layers = self.layers.iter().map(|layer| &layer.part);
        self.index.iter().map(|(index, _)| index).chain([&self.manifest, &self.config]).chain(layers)
    }
}

/// All files of a store with these images, as of the time `epoch` (seconds since 1970); each directory before what it
/// holds.
pub fn lay_out(images: Vec<Image>, epoch: i64) -> Result<Vec<Stored>, StoreError> {
    let mut store = Store { files: Vec::new(), epoch };
    let names = names(&images)?;
    let blobs = blobs(&images);
    store.directory("", 0o700)?;
    for (path, mode) in [("", 0o755), ("/blobs", 0o755), ("/blobs/sha256", 0o755)] {
        store.directory(&format!("{CONTENT}{path}"), mode)?;
    }
    let mut seen = BTreeSet::new();
    for (number, image) in images.iter().enumerate() {
        for Part { descriptor, content } in image.parts() {
            if seen.insert(descriptor.digest) {
                let path = format!("{CONTENT}/blobs/sha256/{}", descriptor.digest.hex());
                store.file(&path, 0o444, content.clone(), Some(number))?;
            }
        }
    }
    store.directory(METADATA, 0o711)?;
    store.directory(SNAPSHOTTER, 0o700)?;
    store.directory(&format!("{SNAPSHOTTER}/snapshots"), 0o700)?;
    let snapshots = store.snapshots(images)?;
    let meta = bolt::write(&metadata::meta(&names, &blobs, &snapshots, epoch))?;
    store.file(&format!("{METADATA}/meta.db"), 0o644, Content::Inline(meta.into()), None)?;
    let own = bolt::write(&metadata::overlayfs(&snapshots, epoch))?;
    store.file(&format!("{SNAPSHOTTER}/metadata.db"), 0o600, Content::Inline(own.into()), None)?;
    store.files.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    Ok(store.files)
}

/// All names with what they mean, sorted.
fn names(images: &[Image]) -> Result<Vec<Name>, StoreError> {
    let mut names: BTreeMap<String, Descriptor> = BTreeMap::new();
    for image in images {
        let target = image.target();
        let [by_tag, by_digest, by_config] = image.names();
        match names.insert(by_tag.clone(), target.clone()) {
            Some(other) if other != *target => return Err(StoreError::Twice(by_tag)),
            _ => {}
        }
        names.insert(by_digest, target.clone());
        // two indexes may have one image: the first has its name
        names.entry(by_config).or_insert_with(|| target.clone());
    }
    Ok(names.into_iter().map(|(name, target)| Name { name, target }).collect())
}

/// All blobs with their labels.
fn blobs(images: &[Image]) -> BTreeMap<Sha256, Blob> {
    let mut blobs: BTreeMap<Sha256, Blob> = BTreeMap::new();
    for image in images {
        let source = format!("containerd.io/distribution.source.{}", image.reference.host());
        for part in image.parts() {
            let Descriptor { digest, size, .. } = part.descriptor;
            let blob = blobs.entry(digest).or_insert_with(|| Blob { size, labels: BTreeMap::new() });
            // several repositories of one host are a list
            let repository = image.reference.repository();
            let list = blob.labels.entry(source.clone()).or_default();
            if !list.split(',').any(|known| known == repository) {
                list.push_str(if list.is_empty() { "" } else { "," });
                list.push_str(repository);
            }
        }
        let manifest = image.manifest.descriptor.digest;
        let mut label = |of: Sha256, key: String, value: Sha256| {
            if let Some(blob) = blobs.get_mut(&of) {
                blob.labels.insert(key, value.to_string());
            }
        };
        if let Some((index, place)) = &image.index {
            label(index.descriptor.digest, format!("containerd.io/gc.ref.content.m.{place}"), manifest);
        }
        let config = image.config.descriptor.digest;
        label(manifest, "containerd.io/gc.ref.content.config".to_owned(), config);
        let mut diff_ids = Vec::new();
        for (place, layer) in image.layers.iter().enumerate() {
            let digest = layer.part.descriptor.digest;
            label(manifest, format!("containerd.io/gc.ref.content.l.{place}"), digest);
            label(digest, "containerd.io/uncompressed".to_owned(), layer.diff_id);
            diff_ids.push(layer.diff_id);
        }
        if let Some(chain) = chain_ids(&diff_ids).last() {
            label(config, "containerd.io/gc.ref.snapshot.overlayfs".to_owned(), *chain);
        }
    }
    blobs
}

struct Store {
    files: Vec<Stored>,
    epoch: i64,
}

impl Store {
    fn path(&self, path: &str) -> Result<ImagePath, NameError> {
        if path.is_empty() { ROOT.parse() } else { format!("{ROOT}/{path}").parse() }
    }

    fn directory(&mut self, path: &str, mode: u16) -> Result<(), NameError> {
        let file = File { path: self.path(path)?, meta: Meta::root(mode, self.epoch), node: Node::Directory };
        self.files.push(Stored { file, image: None });
        Ok(())
    }

    fn file(
        &mut self,
        path: &str,
        mode: u16,
        content: Content,
        image: Option<usize>,
    ) -> Result<(), NameError> {
        let file =
            File { path: self.path(path)?, meta: Meta::root(mode, self.epoch), node: Node::File(content) };
        self.files.push(Stored { file, image });
        Ok(())
    }

    /// Lays out the snapshots of all images.
    fn snapshots(&mut self, images: Vec<Image>) -> Result<Vec<Snapshot>, StoreError> {
        let mut snapshots: Vec<Snapshot> = Vec::new();
        let mut known: BTreeSet<Sha256> = BTreeSet::new();
        for (number, image) in images.into_iter().enumerate() {
            let diff_ids: Vec<Sha256> = image.layers.iter().map(|layer| layer.diff_id).collect();
            let mut parent = None;
            let mut below = Below::default();
            let name = image.reference.to_string();
            for (layer, chain) in image.layers.into_iter().zip(chain_ids(&diff_ids)) {
                let wrong = |error| StoreError::Layer { image: name.clone(), layer: layer.diff_id, error };
                let files = below.snapshot(layer.files).map_err(wrong)?;
                if known.insert(chain) {
                    let id = snapshots.len() as u64 + 1;
                    let blocks = |file: &File| match &file.node {
                        Node::File(content) => content.len().next_multiple_of(4096),
                        Node::Directory => 4096,
                        _ => 0,
                    };
                    let size = files.iter().map(blocks).sum();
                    let is_one = |file: &&File| !matches!(file.node, Node::Hardlink(_));
                    let inodes = files.iter().filter(is_one).count() as u64;
                    snapshots.push(Snapshot { id, chain, parent, inodes, size });
                    self.snapshot(id, files, number)?;
                }
                parent = Some(chain);
            }
        }
        Ok(snapshots)
    }

    fn snapshot(&mut self, id: u64, files: Vec<File>, image: usize) -> Result<(), NameError> {
        let place = format!("{SNAPSHOTTER}/snapshots/{id}");
        self.directory(&place, 0o700)?;
        self.directory(&format!("{place}/work"), 0o711)?;
        let root = self.path(&format!("{place}/fs"))?;
        let moved = |path: &ImagePath| match path.relative() {
            "" => Ok(root.clone()),
            relative => root.join(relative),
        };
        for File { path, mut meta, node } in files {
            let node = match node {
                Node::Hardlink(target) => Node::Hardlink(moved(&target)?),
                node => node,
            };
            meta.mtime = meta.mtime.min(self.epoch);
            self.files.push(Stored { file: File { path: moved(&path)?, meta, node }, image: Some(image) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bolt::Bucket;
    use crate::oci::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};

    const EPOCH: i64 = 1_700_000_000;

    fn part(media_type: &str, bytes: &[u8]) -> Part {
        let descriptor = Descriptor {
            media_type: media_type.to_owned(),
            digest: Sha256::of(bytes),
            size: bytes.len() as u64,
        };
        Part { descriptor, content: Content::Inline(bytes.into()) }
    }

    fn file(path: &str, mtime: i64) -> File {
        let node = Node::File(Content::Inline(b"x"[..].into()));
        File { path: path.parse().unwrap(), meta: Meta::root(0o644, mtime), node }
    }

    fn image(name: &str, layers: &[&str]) -> Image {
        let layer = |text: &&str| Layer {
            part: part(OCI_LAYER, text.as_bytes()),
            diff_id: Sha256::of(text.as_bytes()),
            files: vec![file(&format!("/{text}"), EPOCH + 9)],
        };
        Image {
            reference: name.parse().unwrap(),
            index: None,
            manifest: part(OCI_MANIFEST, format!("manifest of {name}").as_bytes()),
            config: part(OCI_CONFIG, format!("config of {}", layers.concat()).as_bytes()),
            layers: layers.iter().map(layer).collect(),
        }
    }

    fn database(files: &[Stored], end: &str) -> Bucket {
        let one = files.iter().find(|one| one.file.path.as_str().ends_with(end)).unwrap();
        let Node::File(Content::Inline(bytes)) = &one.file.node else { panic!("{end}") };
        bolt::read(bytes).unwrap()
    }

    #[test]
    fn images_that_share_layers_share_snapshots_and_content() {
        let images = vec![image("a.example/a:1", &["low", "mid"]), image("a.example/b:1", &["low", "top"])];
        let files = lay_out(images, EPOCH).unwrap();
        let below = |part: &str| -> Vec<(&str, Option<usize>)> {
            let root = format!("{ROOT}/{part}/");
            let all =
                files.iter().filter_map(|one| Some((one.file.path.as_str().strip_prefix(&root)?, one.image)));
            all.filter(|(path, _)| !path.contains('.')).collect()
        };
        let (a, b) = (Some(0), Some(1));
        assert_eq!(
            below("io.containerd.snapshotter.v1.overlayfs/snapshots"),
            [
                ("1", None),
                ("1/fs", a),
                ("1/fs/low", a),
                ("1/work", None),
                ("2", None),
                ("2/fs", a),
                ("2/fs/mid", a),
                ("2/work", None),
                ("3", None),
                ("3/fs", b),
                ("3/fs/top", b),
                ("3/work", None),
            ]
        );
        // low, mid, top, two manifests and configurations, and the directory
        assert_eq!(below("io.containerd.content.v1.content/blobs").len(), 8);
        let meta = database(&files, "/meta.db");
        let names: Vec<String> = meta
            .find(&["v1", "k8s.io", "images"])
            .unwrap()
            .entries
            .keys()
            .map(|key| String::from_utf8(key.clone()).unwrap())
            .collect();
        assert_eq!(
            (names.len(), names[0].as_str(), names[1].starts_with("a.example/a@sha256:")),
            (6, "a.example/a:1", true)
        );
        let low = Sha256::of(b"low");
        let blobs = meta.find(&["v1", "k8s.io", "content", "blob"]).unwrap();
        let labels = blobs.find(&[&low.to_string(), "labels"]).unwrap();
        assert_eq!(labels.get("containerd.io/distribution.source.a.example"), Some(&b"a,b"[..]));
        let children = meta.find(&["v1", "k8s.io", "snapshots", "overlayfs", &low.to_string(), "children"]);
        assert_eq!(children.unwrap().entries.len(), 2);
        assert_eq!(database(&files, "/metadata.db").find(&["v1", "parents"]).unwrap().entries.len(), 2);
    }

    #[test]
    fn no_file_is_newer_than_the_image_and_only_root_may_enter() {
        let files = lay_out(vec![image("a.example/a:1", &["low"])], EPOCH).unwrap();
        assert!(files.iter().all(|one| one.file.meta.mtime <= EPOCH));
        assert_eq!((files[0].file.path.as_str(), files[0].file.meta.mode), (ROOT, 0o700));
        let paths: Vec<_> = files.iter().map(|one| &one.file.path).collect();
        assert!(paths.is_sorted());
    }

    #[test]
    fn one_name_is_of_one_image() {
        let (a, mut b) = (image("a.example/a:1", &["low"]), image("a.example/a:1", &["low"]));
        assert!(lay_out(vec![a.clone(), b.clone()], EPOCH).is_ok());
        b.manifest = part(OCI_MANIFEST, b"other");
        assert_eq!(lay_out(vec![a, b], EPOCH), Err(StoreError::Twice("a.example/a:1".to_owned())));
    }

    #[test]
    fn a_hard_link_stays_within_its_layer() {
        let mut one = image("a.example/a:1", &["low"]);
        let target = "/low".parse().unwrap();
        one.layers[0].files.push(File { node: Node::Hardlink(target), ..file("/zz", 0) });
        let files = lay_out(vec![one], EPOCH).unwrap();
        let link = files.iter().find(|one| one.file.path.file_name() == "zz").unwrap();
        let Node::Hardlink(target) = &link.file.node else { panic!() };
        assert!(target.as_str().ends_with("/snapshots/1/fs/low"));
    }
}
