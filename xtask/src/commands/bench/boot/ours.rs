//! The machine that is ours: `base` with what makes it a node.
//!
//! It is `knd`, which has no cloud-init, without what is not Debian's: no upstream components, no packages for them, no agent that would register
//! it, and Debian's containerd in place of upstream's, configured before it starts as upstream's is. All other units,
//! users and settings are those of `knd`; services that wait for certificates are passed over, as on a node's first boot.

use crate::commands::bench::inputs::arch;
use anyhow::{Context as _, Result};
use bake::lock::Lock;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tree::release::OS;
use vmbake::programs::{self, Program};
use vmbake::progress::ShowArgs;
use vmbake::project::Project;
use xshell::{Shell, cmd};

/// The kind that it is in its own project.
pub(super) const KIND: &str = "bench";
/// Files of `knd` that are about upstream's containerd, which Debian's package has its own of, and about the agent.
const LEFT_OUT: [&str; 3] = [
    "etc/systemd/system/containerd.service",
    "etc/containerd/config.toml",
    "etc/systemd/system/nstance-agent.service",
];

/// Ours, baked.
pub(super) struct Ours {
    /// The project that it is baked from.
    pub(super) project: Project,
    /// Its packages.
    pub(super) lock: Lock,
    /// The disk, as qcow2.
    pub(super) disk: PathBuf,
}

/// Bakes it, with the packages of today, from a project of its own below `work` and with the store `store`.
pub(super) fn bake(shell: &Shell, work: &Path, store: &Path) -> Result<Ours> {
    let here = Project::find(None)?;
    let project = project(shell, &here, &work.join("project"))?;
    let built = |one| programs::program(&here, one, arch().parse()?, &ShowArgs::default().show());
    let (configure, first_boot, init) =
        (built(Program::Configure)?, built(Program::FirstBoot)?, built(Program::Init)?);
    let (program, arch, root) = (std::env::current_exe()?, arch(), &project.root);
    let (lock_path, output) = (work.join("lock.toml"), work.join("dist"));
    let kind = [
        "--project".as_ref(),
        root.as_os_str(),
        "--kind".as_ref(),
        KIND.as_ref(),
        "--arch".as_ref(),
        arch.as_ref(),
    ];
    cmd!(shell, "{program} lock {kind...} --store {store} --output {lock_path} --quiet")
        .ignore_stdout()
        .run()?;
    cmd!(
        shell,
        "{program} bake {kind...} --store {store} --lock {lock_path} --configure {configure} --first-boot {first_boot} --init {init}"
    )
    .args(["--format", "qcow2", "--quiet", "--output"])
    .arg(&output)
    .ignore_stdout()
    .run()?;
    let lock = bake::lock::parse(&fs::read_to_string(&lock_path)?)?;
    Ok(Ours { project, lock, disk: output.join(format!("{KIND}.{OS}.{arch}.qcow2")) })
}

/// Recipes and manifests of `here` in `folder`, with one more kind.
fn project(shell: &Shell, here: &Project, folder: &Path) -> Result<Project> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let from = ["image-recipes", "manifests"].map(|name| here.root.join(name));
    cmd!(shell, "cp --recursive {from...} {folder}").quiet().run()?;
    let recipes = folder.join("image-recipes");
    let (knd, ours) = (recipes.join("knd"), recipes.join(KIND));
    fs::rename(&knd, &ours)?;
    let recipe = ours.join("recipe.toml");
    fs::write(&recipe, debian_only(&fs::read_to_string(&recipe)?))?;
    for file in LEFT_OUT {
        fs::remove_file(ours.join("rootfs").join(file)).with_context(|| file.to_owned())?;
    }
    let drop_in = ours.join("rootfs/etc/systemd/system/containerd.service.d/10-configured.conf");
    fs::create_dir_all(drop_in.parent().context("a file is in a directory")?)?;
    fs::write(drop_in, "[Unit]\nRequires=podplane-configure.service\nAfter=podplane-configure.service\n")?;
    let (arch, manifests) = (arch(), folder.join("manifests"));
    let text = fs::read_to_string(manifests.join(format!("knd.{OS}.{arch}.json")))?;
    let mut manifest: serde_json::Value = serde_json::from_str(&text)?;
    for (key, value) in [("kind", json!(KIND)), ("dependencies", json!({}))] {
        *manifest
            .pointer_mut(&format!("/vmconfig/{key}"))
            .with_context(|| format!("no `{key}` in a manifest"))? = value;
    }
    fs::write(manifests.join(format!("{KIND}.{OS}.{arch}.json")), serde_json::to_string_pretty(&manifest)?)?;
    Project::find(Some(folder))
}

/// A recipe without its tables of packages and components, and without the agent's unit.
fn debian_only(recipe: &str) -> String {
    let (mut text, mut left_out) = (String::new(), false);
    for line in recipe.lines() {
        if line.starts_with('[') {
            left_out = line.starts_with("[packages]") || line.starts_with("[components.");
        }
        if !left_out && line.trim() != "\"nstance-agent.service\"," {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_knd_is_a_kind_of_debian_packages_alone() {
        let (work, shell) = (tempfile::tempdir().unwrap(), Shell::new().unwrap());
        let here = Project::find(None).unwrap();
        let project = project(&shell, &here, &work.path().join("project")).unwrap();
        let ours = project.recipe(&KIND.parse().unwrap()).unwrap();
        let base = here.recipe(&"base".parse().unwrap()).unwrap();
        let knd = here.recipe(&"knd".parse().unwrap()).unwrap();
        let arch = arch().parse().unwrap();
        // `knd` has a program of ours in the place of cloud-init
        let mut expected = base.request(arch);
        expected.install.retain(|name| name.as_str() != "cloud-init");
        assert_eq!(ours.request(arch), expected);
        assert!(ours.components.is_empty() && !knd.components.is_empty());
        assert_eq!(ours.configure, knd.configure);
    }
}
