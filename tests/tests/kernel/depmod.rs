//! Debian 13's own depmod, run through its own loader over a copy of a kernel's package.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use tests::kernel::Kernel;
use tests::{trixie, workspace};
use tree::name::Arch;
use xshell::{Shell, cmd};

/// kmod and what it is linked with.
const PACKAGES: [&str; 6] = ["kmod", "libc6", "libkmod2", "liblzma5", "libssl3t64", "libzstd1"];

/// A copy of the kernel's package with the indexes in it.
pub(crate) fn run(kernel: &Kernel) -> Result<tempfile::TempDir> {
    let base = workspace::target().join("tmp/kernel");
    let (root, tools) = (tempfile::Builder::new().prefix("depmod-").tempdir_in(&base)?, tools(&base)?);
    kernel.copy_tree(root.path())?;
    let (triplet, loader) = match trixie::host() {
        Arch::Amd64 => ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
        Arch::Arm64 => ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
    };
    let libraries = tools.join("usr/lib").join(triplet);
    let (loader, program) = (libraries.join(loader), tools.join("usr/bin/kmod"));
    let (shell, version, path) = (Shell::new()?, &kernel.version, root.path());
    cmd!(shell, "{loader} --library-path {libraries} --argv0 depmod {program} -b {path} {version}")
        .env_clear()
        .quiet()
        .run()
        .context("Debian 13's depmod")?;
    Ok(root)
}

/// The files that are in `made` and not in `given`, sorted.
pub(crate) fn written(given: &Path, made: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(made)? {
        let name = entry?.file_name().into_string().map_err(|name| anyhow::anyhow!("{name:?}"))?;
        if !given.join(&name).exists() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// kmod and its libraries, unpacked once a run.
fn tools(base: &Path) -> Result<PathBuf> {
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("pid-{}", std::process::id()));
    fs::create_dir_all(base)?;
    let lock = fs::File::create(base.join("kmod.lock"))?;
    lock.lock()?;
    let (tools, mark) = (base.join("kmod"), base.join("kmod.run"));
    if fs::read_to_string(&mark).unwrap_or_default() == run {
        return Ok(tools);
    }
    let apt = base.join("kmod.apt");
    let shell = trixie::apt(&apt, trixie::host())?;
    let debs = trixie::download(&shell, &apt, &PACKAGES)?;
    if tools.exists() {
        fs::remove_dir_all(&tools)?;
    }
    for deb in debs {
        cmd!(shell, "dpkg-deb --extract {deb} {tools}").quiet().run()?;
    }
    fs::write(mark, run)?;
    Ok(tools)
}
