//! OCI images made in the test: layers as data, and one static program as an archive that container engines import.
//!
//! OCI Image Layout Specification 1.0: `oci-layout`, `index.json`, `blobs/sha256/…`. docker reads a layout only where
//! `manifest.json` beside these says the same, as `docker save` writes it: the specification allows further files.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// Not at all.
    Plain,
    /// gzip, in one member.
    Gzip,
    /// gzip, in two members.
    GzipMembers,
    /// Zstandard.
    Zstd,
}

/// One thing in a layer.
#[derive(Debug, Clone)]
pub enum Thing<'a> {
    /// A directory of this mode.
    Directory(&'a str, u32),
    /// A file of this mode.
    File(&'a str, u32, &'a [u8]),
    /// A symbolic link.
    Symlink(&'a str, &'a str),
    /// A hard link.
    Hardlink(&'a str, &'a str),
}

/// The tar of a layer.
pub fn tar_of(things: &[Thing<'_>]) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for thing in things {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_700_000_000);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mode(0o777);
        header.set_size(0);
        match thing {
            Thing::Directory(path, mode) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(*mode);
                builder.append_data(&mut header, format!("{path}/"), &[][..])?;
            }
            Thing::File(path, mode, bytes) => {
                header.set_mode(*mode);
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, path, *bytes)?;
            }
            Thing::Symlink(path, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, path, target)?;
            }
            Thing::Hardlink(path, target) => {
                // that of the file that it is
                let is_it = |one: &&Thing<'_>| matches!(one, Thing::File(path, ..) if path == target);
                if let Some(Thing::File(_, mode, _)) = things.iter().find(is_it) {
                    header.set_mode(*mode);
                }
                header.set_entry_type(tar::EntryType::Link);
                builder.append_link(&mut header, path, target)?;
            }
        }
    }
    Ok(builder.into_inner()?)
}

/// An OCI layout: blobs by their digests in hexadecimal.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The blobs.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

impl Layout {
    /// Adds a blob; its descriptor.
    pub fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = hex(&bytes);
        let of = json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()});
        self.blobs.insert(digest, bytes);
        of
    }

    /// Adds an image for `architecture` of these tars, the lowest first; the descriptor of its manifest.
    pub fn image(
        &mut self,
        architecture: &str,
        config: &Value,
        layers: &[(Packed, Vec<u8>)],
    ) -> Result<Value> {
        let mut parts = Vec::new();
        for (packed, tar) in layers {
            let gzip = |part: &[u8]| -> Result<Vec<u8>> {
                let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::fast());
                encoder.write_all(part)?;
                Ok(encoder.finish()?)
            };
            let (end, bytes) = match packed {
                Packed::Plain => ("", tar.clone()),
                Packed::Gzip => ("+gzip", gzip(tar)?),
                Packed::GzipMembers => {
                    let (a, b) = tar.split_at(tar.len() / 2);
                    ("+gzip", [gzip(a)?, gzip(b)?].concat())
                }
                Packed::Zstd => ("+zstd", zstd::encode_all(tar.as_slice(), 3)?),
            };
            parts.push(self.add(&format!("application/vnd.oci.image.layer.v1.tar{end}"), bytes));
        }
        let config = config_of(architecture, config, layers.iter().map(|(_, tar)| tar))?;
        let config = self.add("application/vnd.oci.image.config.v1+json", config);
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": parts});
        Ok(self.add(kind, serde_json::to_vec(&manifest)?))
    }

    /// Adds an index of manifests by architecture; its descriptor.
    pub fn index(&mut self, manifests: &[(&str, &Value)]) -> Result<Value> {
        let entry = |(architecture, manifest): &(&str, &Value)| {
            let mut entry = (*manifest).clone();
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            entry
        };
        let kind = "application/vnd.oci.image.index.v1+json";
        let entries: Vec<Value> = manifests.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": entries});
        Ok(self.add(kind, serde_json::to_vec(&index)?))
    }

    /// Writes `blobs/sha256/` below `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let folder = folder.join("blobs/sha256");
        std::fs::create_dir_all(&folder)?;
        for (digest, bytes) in &self.blobs {
            std::fs::write(folder.join(digest), bytes)?;
        }
        Ok(())
    }

    /// The document that a descriptor is of.
    pub fn document(&self, of: &Value) -> Result<Value> {
        let digest = of["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
        let bytes = digest.and_then(|hex| self.blobs.get(hex)).context("a blob of the layout")?;
        Ok(serde_json::from_slice(bytes)?)
    }

    /// A tar of the layout, in which `root` is listed.
    pub fn tar(&self, root: &Value) -> Result<Vec<u8>> {
        self.tar_with(root, &[])
    }

    /// The same with more documents beside the index.
    fn tar_with(&self, root: &Value, more: &[(&str, Value)]) -> Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        append(&mut archive, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        let index = json!({"schemaVersion": 2, "manifests": [root]});
        append(&mut archive, "index.json", 0o644, &serde_json::to_vec(&index)?)?;
        for (name, document) in more {
            append(&mut archive, name, 0o644, &serde_json::to_vec(document)?)?;
        }
        for (digest, bytes) in &self.blobs {
            append(&mut archive, &format!("blobs/sha256/{digest}"), 0o644, bytes)?;
        }
        Ok(archive.into_inner()?)
    }
}

/// What `docker save` wrote before it knew of layouts: an archive without a manifest, and the digest of its configuration, the image's
/// ID.
pub fn saved(name: &str, architecture: &str, layers: &[Vec<u8>]) -> Result<(Vec<u8>, String)> {
    let config = config_of(architecture, &json!({}), layers.iter())?;
    let id = hex(&config);
    let mut archive = tar::Builder::new(Vec::new());
    let mut names = Vec::new();
    for (number, tar) in layers.iter().enumerate() {
        let name = format!("{number:064x}/layer.tar");
        append(&mut archive, &name, 0o644, tar)?;
        names.push(name);
    }
    append(&mut archive, &format!("{id}.json"), 0o644, &config)?;
    let list = json!([{"Config": format!("{id}.json"), "RepoTags": [name], "Layers": names}]);
    append(&mut archive, "manifest.json", 0o644, &serde_json::to_vec(&list)?)?;
    Ok((archive.into_inner()?, format!("sha256:{id}")))
}

/// A tar of an OCI layout with the image `name` for `architecture`, in which `program` is all there is, at `/probe`.
pub fn archive(name: &str, architecture: &str, program: &[u8]) -> Result<Vec<u8>> {
    let mut layout = Layout::default();
    let layer = tar_of(&[Thing::File("probe", 0o755, program)])?;
    let config = json!({"Entrypoint": ["/probe"]});
    let mut root = layout.image(architecture, &config, &[(Packed::Plain, layer)])?;
    let manifest = layout.document(&root)?;
    let place = |of: &Value| Some(format!("blobs/{}", of["digest"].as_str()?.replace(':', "/")));
    let (config, layer) = (place(&manifest["config"]), place(&manifest["layers"][0]));
    let of_docker = json!([{"Config": config, "RepoTags": [name], "Layers": [layer]}]);
    root["annotations"] =
        json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
    layout.tar_with(&root, &[("manifest.json", of_docker)])
}

/// A digest in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A configuration of an image of these tars.
fn config_of<'t>(
    architecture: &str,
    config: &Value,
    layers: impl Iterator<Item = &'t Vec<u8>>,
) -> Result<Vec<u8>> {
    let diff_ids: Vec<String> = layers.map(|tar| format!("sha256:{}", hex(tar))).collect();
    let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
    let config = json!({"architecture": architecture, "os": "linux", "config": config, "rootfs": rootfs});
    Ok(serde_json::to_vec(&config)?)
}

fn append(builder: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(mode);
    Ok(builder.append_data(&mut header, path, bytes)?)
}
