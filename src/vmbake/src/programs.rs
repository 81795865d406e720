//! Builds the programs that run inside an image, for the image's architecture.
//!
//! Each is built alone, with its own choice of features, in a profile of their own, and with every path of this machine
//! replaced, so that the same sources and the same toolchain give the same bytes anywhere.

use crate::builtin;
use crate::progress::{self, Show};
use crate::project::Project;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tree::name::Arch;
use xshell::{Shell, cmd};

/// How they are compiled and linked, a flag a line, before what is of this machine: rust-lld and the start files of the
/// toolchain, so no cross compiler; relative relocations (a program for amd64 can be anywhere, and has them) in the packed
/// form that musl applies itself since 1.2.4; equal functions folded into one. Together that is a tenth of the file.
const FLAGS: &str = include_str!("../../configure/rustc-flags.txt");

/// A program that runs inside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Program {
    /// What configures a node at boot.
    Configure,
    /// What gives an instance its identity, in the place of cloud-init.
    FirstBoot,
    /// The first program of the initrd.
    Init,
}

impl Program {
    /// The package that it is built from, and the name of its file.
    fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::FirstBoot => "first-boot",
            Self::Init => "init",
        }
    }
}

/// The program's bytes: those of `built` where that is given, else those that come with a release, else built when it is not
/// up to date.
pub fn bytes(
    project: &Project,
    program: Program,
    arch: Arch,
    built: Option<&Path>,
    show: &Show,
) -> anyhow::Result<Arc<[u8]>> {
    let path = match (built, builtin::program(arch.debian(), program.name())) {
        (Some(path), _) => path.to_path_buf(),
        (None, Some(bytes)) => return Ok(bytes.into()),
        (None, None) => self::program(project, program, arch, show)?,
    };
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(bytes.into())
}

/// Where the program is, built when it is not up to date.
pub fn program(project: &Project, program: Program, arch: Arch, show: &Show) -> anyhow::Result<PathBuf> {
    let (name, target) = (program.name(), arch.musl_target());
    let sources = sources(project);
    let folder = target_folder(&sources);
    let shell = Shell::new()?;
    shell.change_dir(&sources);
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    let remap = [(home, "/cargo"), (sources.display().to_string(), "/vmbake")];
    let remap = remap.map(|(here, image)| format!("--remap-path-prefix={here}={image}"));
    let flags: Vec<&str> = FLAGS.lines().chain(remap.iter().map(String::as_str)).collect();
    let build = cmd!(shell, "cargo build --quiet --locked --package {name} --profile configure --target {target} --target-dir {folder}")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .quiet();
    let what = format!("building `{name}` for {target}");
    show.during(&what, progress::SHORT, |_| build.run()).with_context(|| {
        format!(
            "cannot build `{name}` for {target}; if the target is missing, run `rustup target add {target}`"
        )
    })?;
    Ok(folder.join(target).join("configure").join(name))
}

/// The checkout that this program was built from. A release knows none: it has its programs, and must be the same bytes
/// wherever it is built.
#[must_use]
pub fn checkout() -> &'static Path {
    const IS_RELEASE: bool = option_env!("VMBAKE_PROGRAMS").is_some();
    let here = Path::new(if IS_RELEASE { "" } else { env!("CARGO_MANIFEST_DIR") });
    here.ancestors().nth(2).unwrap_or(here)
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from)
}

/// The checkout with the programs' sources: the project itself, or, for a project that has only recipes and manifests, the
/// one that this program was built from.
fn sources(project: &Project) -> PathBuf {
    let has = project.root.join("src/configure").is_dir();
    let root = if has { &project.root } else { checkout() };
    // cargo runs there, and is told of paths below it
    std::path::absolute(root).unwrap_or_else(|_| root.to_owned())
}

/// A folder of its own: the outer cargo that runs us may hold the lock of the usual one.
fn target_folder(sources: &Path) -> PathBuf {
    let usual = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| sources.join("target"), PathBuf::from);
    usual.join("image")
}
