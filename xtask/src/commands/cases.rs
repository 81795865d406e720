//! `cases`: recorded cases of the boot-time program, run as root in a root of their own.

use crate::tools;
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::PathBuf;
use tree::name::Arch;
use vmbake::programs::{self, Program};
use vmbake::progress::ShowArgs;
use vmbake::project::Project;
use xshell::cmd;

/// Run recorded cases of the boot-time program and print which agree
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A folder holds cases of schema 1 (tests/fixtures/cases/SCHEMA.md), itself or one level below. Each is run by the real program
in a chroot with name spaces of its own, which needs root: as another user it asks `sudo` without a password.")]
pub(crate) struct Args {
    /// The folder with cases
    #[arg(default_value = "tests/fixtures/cases")]
    folder: PathBuf,
    /// Only cases whose path contains one of these
    filter: Vec<String>,
}

/// Builds the program as it is in an image of this machine's architecture, and hands it to the runner of the tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    let arch = here()?;
    let program =
        programs::program(&Project::find(None)?, Program::Configure, arch, &ShowArgs::default().show())?;
    let (shell, cargo) = (tools::shell()?, tools::cargo());
    cmd!(shell, "{cargo} build --quiet --release --locked --package tests --bin cases").run()?;
    let runner = programs::target().join("release/cases");
    let mut words: Vec<OsString> = vec![runner.into(), program.into(), args.folder.clone().into()];
    words.extend(args.filter.iter().map(OsString::from));
    if !rustix::process::geteuid().is_root() {
        words.splice(0..0, ["sudo", "--non-interactive"].map(OsString::from));
    }
    let mut words = words.into_iter();
    let Some(first) = words.next() else { bail!("nothing to run") };
    Ok(cmd!(shell, "{first} {words...}").quiet().run()?)
}

/// This machine's architecture.
pub(crate) fn here() -> Result<Arch> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(Arch::Amd64),
        "aarch64" => Ok(Arch::Arm64),
        other => bail!("expected amd64 or arm64, found {other}"),
    }
}
