//! Stand-ins: a mirror directory that holds, for each component of the committed manifests, an archive in exactly the
//! upstream one's inner layout, with small static programs inside, and manifests that pin those bytes.
//!
//! ```text
//! DIR/<name>/<version>/<basename of url>                     the older layout of mirrors, or
//! DIR/vmconfig/artifacts/<name>/<version>/<basename of url>  the newer one
//! DIR/images/blobs/sha256/<digest>                           an OCI layout with the container images of the manifests
//! DIR/manifests/<kind>.debian-13.<arch>.json                 as committed, with the stand-ins' digests and sizes
//! ```
//! A mirror is for one architecture: several upstreams name their file alike for all (`kubelet`), so that a directory by
//! name and version has room for just one. The same bytes each time. Nothing of the product knows of stand-ins: to it this is a mirror and a manifest that
//! its user names.

mod archive;
mod fluent_bit;
mod layout;
mod program;

pub use program::{Arch, Program};

use crate::{oci, workspace};
use anyhow::{Context as _, Result, bail, ensure};
pub use fluent_bit::POSTINST;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::fs;
use std::path::Path;
use tree::release::OS;

/// How the files of a mirror are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `<name>/<version>/<basename>`.
    Older,
    /// `vmconfig/artifacts/<name>/<version>/<basename>`.
    Newer,
}

/// Writes a mirror for this architecture to `dir`, with its manifests. Files that are there are replaced.
pub fn write_mirror(dir: &Path, arch: Arch, layout: Layout) -> Result<()> {
    let program = Program::build(arch)?;
    for manifest in committed(arch)? {
        let place = manifest.display();
        let mut value: Value = serde_json::from_slice(&fs::read(&manifest)?)
            .with_context(|| format!("`{place}` is not JSON"))?;
        let name = manifest.file_name().context("a manifest has a name")?;
        if name != format!("base.{OS}.{arch}.json").as_str() {
            // upstream's own manifests do not have it: here it is, so that images with it are met in tests
            value["vmconfig"]["dependencies"]["kube2iam"] = layout::kube2iam(arch);
        }
        fill(&mut value, dir, &program, layout).with_context(|| format!("in `{place}`"))?;
        images(&mut value, dir, &program).with_context(|| format!("in `{place}`"))?;
        let mut text = serde_json::to_string_pretty(&value)?;
        text.push('\n');
        write(&dir.join("manifests").join(name), text.as_bytes())?;
    }
    Ok(())
}

/// The committed manifests of `arch` that name components, sorted.
fn committed(arch: Arch) -> Result<Vec<std::path::PathBuf>> {
    let dir = workspace::root().join("manifests");
    let suffix = format!(".{OS}.{arch}.json");
    let mut found = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read `{}`", dir.display()))? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(&suffix)) {
            found.push(path);
        }
    }
    ensure!(!found.is_empty(), "no manifest `*{suffix}` in `{}`", dir.display());
    found.sort();
    Ok(found)
}

/// Writes a stand-in for each dependency of `manifest` and puts its digest and size in.
fn fill(manifest: &mut Value, dir: &Path, program: &Program, layout: Layout) -> Result<()> {
    let dependencies = manifest
        .pointer_mut("/vmconfig/dependencies")
        .and_then(Value::as_object_mut)
        .context("no `vmconfig.dependencies`")?;
    for (name, entry) in dependencies {
        let (version, url) = (text(entry, "version")?, text(entry, "url")?);
        if url.is_empty() {
            continue; // declared without a pin
        }
        let bytes = layout::pack(name, &version, program)?;
        // the algorithm stays, so that both kinds of digest are met in tests
        entry["digest"] = json!(match text(entry, "digest")?.split(':').next() {
            Some("sha512") => format!("sha512:{:x}", Hex(&sha2::Sha512::digest(&bytes))),
            _ => format!("sha256:{:x}", Hex(&sha2::Sha256::digest(&bytes))),
        });
        entry["size"] = json!(bytes.len());
        let basename = url.rsplit('/').next().unwrap_or_default();
        let below = match layout {
            Layout::Older => dir.to_owned(),
            Layout::Newer => dir.join("vmconfig/artifacts"),
        };
        write(&below.join(name).join(&version).join(basename), &bytes)?;
    }
    Ok(())
}

/// Writes a stand-in for each container image of `manifest`, with one program, and puts its digests and size in.
fn images(manifest: &mut Value, dir: &Path, program: &Program) -> Result<()> {
    let Some(images) = manifest.pointer_mut("/vmconfig/images").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    let arch = program.arch.to_string();
    for entry in images {
        let image = text(entry, "image")?;
        let (name, tag) = image.rsplit_once(':').context("a tag")?;
        let short = name.rsplit('/').next().unwrap_or_default();
        let bytes = program.stamped(short, tag)?;
        let layer = oci::tar_of(&[oci::Thing::File(short, 0o755, &bytes)])?;
        let mut blobs = oci::Layout::default();
        let config = json!({"Entrypoint": [format!("/{short}")]});
        let manifest = blobs.image(&arch, &config, &[(oci::Packed::Gzip, layer)])?;
        let index = blobs.index(&[(&arch, &manifest)])?;
        entry["digest"] = manifest["digest"].clone();
        entry["size"] = json!(blobs.blobs.values().map(Vec::len).sum::<usize>());
        if entry.get("index").is_some() {
            entry["index"] = index["digest"].clone();
        }
        blobs.write(&dir.join("images"))?;
    }
    Ok(())
}

fn text(entry: &Value, key: &str) -> Result<String> {
    match entry.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        other => bail!("`{key}` must be a text, found {other:?}"),
    }
}

/// Writes a file, and the directories above it.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Bytes as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl std::fmt::LowerHex for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut todo = vec![dir.to_owned()];
        while let Some(next) = todo.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    todo.push(path);
                } else {
                    let name = path.strip_prefix(dir).unwrap().display().to_string();
                    found.push((name, fs::read(&path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_mirror_is_the_same_bytes_each_time_and_no_two_artifacts_are_alike() {
        let mirror = |arch: Arch| {
            let dir = tempfile::tempdir().unwrap();
            write_mirror(dir.path(), arch, Layout::Older).unwrap();
            files(dir.path())
        };
        let (amd64, arm64) = (mirror(Arch::Amd64), mirror(Arch::Arm64));
        assert!(amd64.len() > 15, "{} files", amd64.len());
        assert!(amd64 == mirror(Arch::Amd64));
        let is_artifact = |file: &&(String, Vec<u8>)| !file.0.starts_with("manifests/");
        let artifacts: Vec<_> = amd64.iter().chain(&arm64).filter(is_artifact).collect();
        let distinct: BTreeSet<_> = artifacts.iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(distinct.len(), artifacts.len());
    }

    #[test]
    fn each_pin_of_a_stand_in_manifest_names_a_file_of_its_digest_and_size() {
        let dir = tempfile::tempdir().unwrap();
        write_mirror(dir.path(), Arch::Arm64, Layout::Newer).unwrap();
        let knc = fs::read(dir.path().join(tree::of_release!("manifests/knc.", ".arm64.json"))).unwrap();
        let knc: Value = serde_json::from_slice(&knc).unwrap();
        let mut pins = 0;
        for (name, entry) in knc["vmconfig"]["dependencies"].as_object().unwrap() {
            let (url, version) = (entry["url"].as_str().unwrap(), entry["version"].as_str().unwrap());
            if url.is_empty() {
                continue;
            }
            let file = dir.path().join("vmconfig/artifacts").join(name).join(version);
            let bytes = fs::read(file.join(url.rsplit('/').next().unwrap())).unwrap();
            assert_eq!(entry["size"], bytes.len(), "{name}");
            let digest = entry["digest"].as_str().unwrap().parse::<tree::digest::Digest>().unwrap();
            let mut hasher = digest.hasher();
            hasher.update(&bytes);
            assert_eq!(hasher.finish(), digest, "{name}");
            pins += 1;
        }
        assert!(pins >= 13, "{pins} pins");
    }
}
