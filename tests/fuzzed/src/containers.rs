//! Container images.

use ::containers::bolt;
use ::containers::layer::{Below, File};
use ::containers::oci::{self, Document};
use ::containers::reference::Reference;
use bake::archive::tar::{self, Policy, Shape};
use tree::digest::Sha256;
use tree::name::Arch;
use tree::{Content, Node};

/// A database: what is written of one that was read is read as the same.
pub fn bolt(bytes: &[u8]) {
    if let Ok(root) = bolt::read(bytes) {
        assert_eq!(bolt::write(&root).and_then(|written| bolt::read(&written)), Ok(root));
    }
}

/// An index, a manifest or a configuration; or, where it is a line of text, the name of an image.
pub fn image(bytes: &[u8]) {
    match oci::document(bytes) {
        Ok(Document::Index(index)) => {
            for arch in Arch::ALL {
                if let Ok(entry) = index.manifest(arch) {
                    assert!(index.position(&entry.digest).is_some());
                }
            }
        }
        Ok(Document::Manifest(manifest)) => {
            assert!(
                !manifest.layers.is_empty() && manifest.layers.iter().all(|one| one.size <= oci::MOST_LAYER)
            );
        }
        Err(_) => {}
    }
    for arch in Arch::ALL {
        if let Ok(ids) = oci::diff_ids(bytes, arch, None) {
            assert_eq!(oci::chain_ids(&ids).len(), ids.len());
        }
    }
    if let Ok(name) = std::str::from_utf8(bytes).unwrap_or_default().parse::<Reference>() {
        assert_eq!(name.to_string().parse().as_ref(), Ok(&name));
    }
}

/// The tar of a layer, as a snapshot over nothing and over itself: each path has its directory, and none leads out.
pub fn layer(bytes: &[u8]) {
    let mut archive = tar::Reader::new(bytes, Policy::LAYER, tar::Limits::default());
    let mut files = Vec::new();
    loop {
        let entry = match archive.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(_) => return,
        };
        let node = match entry.shape {
            Shape::Directory => Node::Directory,
            Shape::File { offset, size } => {
                let digest = Sha256([0; 32]);
                let stored = tree::Stored { blob: digest, offset, len: size, digest, pieces: Vec::new() };
                Node::File(Content::Stored(stored))
            }
            Shape::Symlink(target) => Node::Symlink(target),
            Shape::Hardlink(target) => Node::Hardlink(target),
            Shape::Character { major, minor } => Node::Character { major, minor },
            Shape::Block { major, minor } => Node::Block { major, minor },
            Shape::Fifo => Node::Fifo,
        };
        files.push(File { path: entry.path, meta: entry.meta, node });
    }
    let mut below = Below::default();
    for _ in 0..2 {
        let Ok(snapshot) = below.snapshot(files.clone()) else { return };
        let paths: std::collections::BTreeSet<_> = snapshot.iter().map(|file| file.path.clone()).collect();
        assert_eq!(paths.len(), snapshot.len());
        assert!(paths.iter().all(|path| path.parent().is_none_or(|parent| paths.contains(&parent))));
        assert!(paths.iter().all(|path| !path.file_name().starts_with(".wh.")));
    }
}
