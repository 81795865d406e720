//! The committed recipes and manifests, read through the library.

use crate::workspace;
use anyhow::{Context as _, Result};
use bake::manifest::Manifest;
use bake::recipe::{self, Body, Folder, Recipe, RootfsFile};
use std::fs;
use std::path::Path;
use tree::name::{Arch, Provider};
use tree::release::OS;

/// The kinds that ship, the root first.
pub const KINDS: [&str; 3] = ["base", "knd", "knc"];

/// The recipe of `kind` with all that it extends.
pub fn recipe(kind: &str) -> Result<Recipe> {
    let mut folders = vec![folder(kind)?];
    while let Some(next) = folders.last().and_then(|folder| folder.extends().cloned()) {
        folders.push(folder(next.as_str())?);
    }
    folders.reverse();
    Ok(recipe::combine(&folders)?)
}

/// The manifest of `kind` for `arch`.
pub fn manifest(kind: &str, arch: Arch) -> Result<Manifest> {
    let name = format!("manifests/{kind}.{OS}.{arch}.json");
    let bytes = fs::read(workspace::root().join(&name)).with_context(|| name.clone())?;
    Ok(bake::manifest::parse(&name, &bytes)?)
}

fn folder(kind: &str) -> Result<Folder> {
    let folder = workspace::root().join("image-recipes").join(kind);
    let text =
        fs::read_to_string(folder.join("recipe.toml")).with_context(|| folder.display().to_string())?;
    let mut rootfs = Vec::new();
    walk(&folder.join("rootfs"), "rootfs", "", None, &mut rootfs)?;
    for provider in Provider::ALL {
        let top = format!("rootfs.{}", provider.as_str());
        if folder.join(&top).is_dir() {
            walk(&folder.join(&top), &top, "", Some(*provider), &mut rootfs)?;
        }
    }
    Ok(Folder { kind: kind.parse()?, recipe: recipe::parse(&format!("{kind}/recipe.toml"), &text)?, rootfs })
}

fn walk(
    dir: &Path,
    top: &str,
    below: &str,
    provider: Option<Provider>,
    into: &mut Vec<RootfsFile>,
) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a name is not UTF-8")?;
        let below = format!("{below}/{name}");
        let body = if entry.file_type()?.is_dir() {
            walk(&entry.path(), top, &below, provider, into)?;
            continue;
        } else if entry.file_type()?.is_symlink() {
            let target = fs::read_link(entry.path())?;
            Body::Link(target.to_str().context("a target is not UTF-8")?.to_owned())
        } else {
            Body::Bytes(fs::read(entry.path())?.into())
        };
        let executable = std::os::unix::fs::PermissionsExt::mode(&entry.metadata()?.permissions()) & 0o100
            != 0
            && entry.file_type()?.is_file();
        into.push(RootfsFile {
            path: below.parse()?,
            source: format!("{top}{below}"),
            executable,
            provider,
            body,
        });
    }
    Ok(())
}
