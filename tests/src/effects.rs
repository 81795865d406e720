//! A bake against a real system of the same packages, path by path: what `tests/tests/effects.rs` holds each kind to, and
//! `cargo xtask survey` each package of its list.
//!
//! ```text
//! lock ─► .debs of the store ─► an archive of just these ─mmdebstrap, root─► a configured system ─┐
//! lock ─► `bake`, without what [files] exclude leaves out ─► tar.zst ─tar, root─► our system ─────┴─ compared
//! ```

pub mod differences;
pub mod listing;
pub mod real;
pub mod surveyed;

use crate::recipes::KINDS;
use crate::run::Run;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// What each path is: see [`listing`].
pub type Listing = BTreeMap<String, String>;

/// Who brings each path of an image.
pub type Origins = BTreeMap<String, serde_json::Value>;

/// Lets the recipes of a project leave nothing out.
pub fn without_excludes(project: &Path) -> Result<()> {
    for kind in KINDS {
        let path = project.join(format!("image-recipes/{kind}/recipe.toml"));
        fs::write(&path, without_exclude(&fs::read_to_string(&path)?)?)?;
    }
    Ok(())
}

/// A recipe that leaves nothing out.
fn without_exclude(recipe: &str) -> Result<String> {
    let Some((head, rest)) = recipe.split_once("\nexclude = [") else { return Ok(recipe.to_owned()) };
    let (_, tail) = rest.split_once("\n]\n").context("the end of [files] exclude")?;
    Ok(format!("{head}\n{tail}"))
}

/// The image `name` that `bake` writes to a folder, laid out by tar below `folder`, which is removed then.
pub fn laid_out(
    folder: &Path,
    name: &str,
    bake: &dyn Fn(&Path) -> Result<Run>,
) -> Result<(Listing, Origins)> {
    let (root, origins) = lay_out(folder, name, bake)?;
    let listing = listing::of(&root)?;
    fs::remove_dir_all(folder)?;
    Ok((listing, origins))
}

/// The same, with the folder left there: the root of the laid out image, and who brings its paths.
pub fn lay_out(folder: &Path, name: &str, bake: &dyn Fn(&Path) -> Result<Run>) -> Result<(PathBuf, Origins)> {
    let (output, root) = (folder.join("dist"), folder.join("root"));
    fs::create_dir_all(&root)?;
    bake(&output)?.done()?;
    let artifact = output.join(format!("{name}.tar.zst"));
    let shell = Shell::new()?;
    let unpack = cmd!(
        shell,
        "tar --extract --zstd --file {artifact} --directory {root} --same-owner --same-permissions"
    );
    unpack.arg("--xattrs").arg("--xattrs-include=*").arg("--numeric-owner").quiet().run()?;
    let listed = files(&output.join(format!("{name}.files.json")))?;
    let origins = listed.into_iter().map(|(path, mut entry)| (path, entry["origins"].take())).collect();
    Ok((root, origins))
}

/// The list of files of an artifact: path → what it is.
pub fn files(path: &Path) -> Result<BTreeMap<String, serde_json::Value>> {
    let mut list: serde_json::Value = serde_json::from_slice(&fs::read(path)?)?;
    let paths = list["paths"].take();
    let paths = paths.as_array().context("paths")?;
    paths
        .iter()
        .map(|entry| Ok((entry["path"].as_str().context("path")?.to_owned(), entry.clone())))
        .collect()
}
