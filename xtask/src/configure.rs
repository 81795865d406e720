//! Builds the boot-time program for the image's architecture.
//!
//! It is built alone, with its own lock of features, in its own profile, and with every path of this machine
//! replaced, so that the same sources and the same toolchain give the same bytes anywhere.

use crate::project::Project;
use anyhow::Context as _;
use bake::name::Arch;
use std::path::PathBuf;
use std::sync::Arc;
use xshell::{Shell, cmd};

/// The program's bytes, built when it is not up to date.
pub(crate) fn build(project: &Project, arch: Arch) -> anyhow::Result<Arc<[u8]>> {
    let path = program(project, arch)?;
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(bytes.into())
}

/// Where the program is, built when it is not up to date.
pub(crate) fn program(project: &Project, arch: Arch) -> anyhow::Result<PathBuf> {
    let target = arch.musl_target();
    let folder = target_folder(project);
    let shell = Shell::new()?;
    shell.change_dir(&project.root);
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    let flags = [
        "-Clinker=rust-lld".to_owned(),
        "-Clink-self-contained=yes".to_owned(),
        format!("--remap-path-prefix={home}=/cargo"),
        format!("--remap-path-prefix={}=/vmbake", project.root.display()),
    ]
    .join("\u{1f}");
    cmd!(shell, "cargo build --quiet --locked --package configure --profile configure --target {target} --target-dir {folder}")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .quiet()
        .run()
        .with_context(|| {
            format!("cannot build `configure` for {target}; `rustup target add {target}` brings the target")
        })?;
    Ok(folder.join(target).join("configure/configure"))
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::tools::root().join("target"), PathBuf::from)
}

/// A folder of its own: the outer cargo that runs us may hold the lock of the usual one.
fn target_folder(project: &Project) -> PathBuf {
    let usual =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project.root.join("target"), PathBuf::from);
    usual.join("image")
}
