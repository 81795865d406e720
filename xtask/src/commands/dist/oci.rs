//! A container image of the program as an OCI image layout in a tar archive, for each architecture.
//!
//! The format: image layout, index, manifest and configuration of the OCI image specification 1.1. One layer, with the
//! program and a directory for temporary files; certificates of a machine are mounted by whoever needs `https:`.

use super::archive::header;
use anyhow::Result;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tree::digest::Sha256;
use tree::name::Arch;

/// The layout's bytes: an image for each of `programs`.
pub(super) fn write(programs: &[(Arch, Vec<u8>)], version: &str, epoch: u64) -> Result<Vec<u8>> {
    let mut blobs = BTreeMap::new();
    let manifests: Vec<Value> = programs
        .iter()
        .map(|(arch, program)| image(*arch, program, version, epoch, &mut blobs))
        .collect::<Result<_>>()?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| -> Result<()> {
        Ok(tar.append_data(&mut header(epoch, 0o644, bytes.len() as u64), name, bytes)?)
    };
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add("index.json", index.to_string().as_bytes())?;
    for (digest, bytes) in &blobs {
        add(&format!("blobs/sha256/{digest}"), bytes)?;
    }
    Ok(tar.into_inner()?)
}

/// Adds the blobs of an image, and gives the descriptor of its manifest.
fn image(
    arch: Arch,
    program: &[u8],
    version: &str,
    epoch: u64,
    blobs: &mut BTreeMap<String, Vec<u8>>,
) -> Result<Value> {
    let layer = layer(program, epoch)?;
    let difference = Sha256::of(&layer).hex();
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut gzip, &layer)?;
    let layer = blob("application/vnd.oci.image.layer.v1.tar+gzip", gzip.finish()?, blobs);
    let created = bake::time::show(i64::try_from(epoch)?);
    let configuration = json!({
        "created": created,
        "architecture": arch.debian(),
        "os": "linux",
        "config": {
            "Entrypoint": ["/usr/bin/vmbake"],
            "Env": ["PATH=/usr/bin", "HOME=/tmp"],
            "WorkingDir": "/work",
            "Labels": { "org.opencontainers.image.title": "vmbake", "org.opencontainers.image.version": version },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{difference}")] },
        "history": [{ "created": created, "created_by": "vmbake" }],
    });
    let configuration =
        blob("application/vnd.oci.image.config.v1+json", configuration.to_string().into(), blobs);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": configuration,
        "layers": [layer],
    });
    let mut descriptor =
        blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().into(), blobs);
    descriptor["platform"] = json!({ "architecture": arch.debian(), "os": "linux" });
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": version });
    Ok(descriptor)
}

/// The one layer, uncompressed.
fn layer(program: &[u8], epoch: u64) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, mode) in [("usr/", 0o755), ("usr/bin/", 0o755), ("tmp/", 0o1777), ("work/", 0o755)] {
        let mut header = header(epoch, mode, 0);
        header.set_entry_type(tar::EntryType::Directory);
        tar.append_data(&mut header, name, std::io::empty())?;
    }
    tar.append_data(&mut header(epoch, 0o755, program.len() as u64), "usr/bin/vmbake", program)?;
    Ok(tar.into_inner()?)
}

/// Adds a blob, and gives its descriptor.
fn blob(media: &str, bytes: Vec<u8>, blobs: &mut BTreeMap<String, Vec<u8>>) -> Value {
    let (digest, size) = (Sha256::of(&bytes).hex(), bytes.len());
    let descriptor = json!({ "mediaType": media, "digest": format!("sha256:{digest}"), "size": size });
    blobs.insert(digest, bytes);
    descriptor
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn each_descriptor_of_the_layout_tells_the_digest_and_size_of_a_blob() {
        let programs = [(Arch::Amd64, b"one".to_vec()), (Arch::Arm64, b"two".to_vec())];
        let layout = write(&programs, "1.2", 7).unwrap();
        assert_eq!(layout, write(&programs, "1.2", 7).unwrap());
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(&layout[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let (path, mut bytes) = (entry.path().unwrap().display().to_string(), Vec::new());
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(path, bytes);
        }
        let read = |descriptor: &Value| -> Vec<u8> {
            let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let bytes = files[&format!("blobs/sha256/{digest}")].clone();
            assert_eq!(Sha256::of(&bytes).hex(), digest);
            assert_eq!(descriptor["size"], bytes.len());
            bytes
        };
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let index = parse(&files["index.json"]);
        let arches: Vec<&Value> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["platform"]["architecture"])
            .collect();
        assert_eq!(arches, ["amd64", "arm64"]);
        for descriptor in index["manifests"].as_array().unwrap() {
            let manifest = parse(&read(descriptor));
            let configuration = parse(&read(&manifest["config"]));
            let mut layer = Vec::new();
            flate2::read::GzDecoder::new(&read(&manifest["layers"][0])[..]).read_to_end(&mut layer).unwrap();
            let difference = format!("sha256:{}", Sha256::of(&layer).hex());
            assert_eq!(configuration["rootfs"]["diff_ids"][0], difference);
        }
    }
}
