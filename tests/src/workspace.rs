//! Where things are: the checkout, cargo and its target directory.

use anyhow::{Result, ensure};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The checkout that these tests were built from.
#[must_use]
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs us, or the one on the path.
#[must_use]
pub fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Cargo's target directory.
#[must_use]
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The program under test: the one that VMBAKE_XTASK names, else the release build.
///
/// It is not built from here: a test that builds what it tests cannot tell which of the two failed.
pub fn program() -> Result<PathBuf> {
    built("VMBAKE_XTASK", "xtask")
}

/// The program that people install, likewise.
pub fn user_program() -> Result<PathBuf> {
    built("VMBAKE_VMBAKE", "vmbake")
}

fn built(variable: &str, package: &str) -> Result<PathBuf> {
    let program = env::var_os(variable).map_or_else(|| target().join("release").join(package), PathBuf::from);
    ensure!(
        program.is_file(),
        "no `{}`; `cargo build --release --package {package}` makes it",
        program.display()
    );
    Ok(program)
}
