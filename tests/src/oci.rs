//! An OCI image made in the test: one static program, as an archive that container engines import.
//!
//! OCI Image Layout Specification 1.0: `oci-layout`, `index.json`, `blobs/sha256/…`. docker reads a layout only where
//! `manifest.json` beside these says the same, as `docker save` writes it: the specification allows further files.

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A tar of an OCI layout with the image `name` for `architecture`, in which `program` is all there is, at `/probe`.
pub fn archive(name: &str, architecture: &str, program: &[u8]) -> Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, "probe", 0o755, program)?;
    let layer = layer.into_inner()?;
    let mut blobs: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |kind: &str, bytes: Vec<u8>| {
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let of = json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes.len()});
        blobs.push((format!("blobs/sha256/{digest}"), bytes));
        of
    };
    let layer = add("application/vnd.oci.image.layer.v1.tar", layer);
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/probe"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = add("application/vnd.oci.image.config.v1+json", serde_json::to_vec(&config)?);
    let place =
        |of: &Value| of["digest"].as_str().map(|digest| format!("blobs/{}", digest.replace(':', "/")));
    let of_docker = json!([{"Config": place(&config), "RepoTags": [name], "Layers": [place(&layer)]}]);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let mut manifest: Value = add(kind, serde_json::to_vec(&manifest)?);
    manifest["annotations"] =
        json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut archive, "index.json", 0o644, &serde_json::to_vec(&index)?)?;
    append(&mut archive, "manifest.json", 0o644, &serde_json::to_vec(&of_docker)?)?;
    for (path, bytes) in blobs {
        append(&mut archive, &path, 0o644, &bytes)?;
    }
    Ok(archive.into_inner()?)
}

fn append(builder: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    Ok(builder.append_data(&mut header, path, bytes)?)
}
