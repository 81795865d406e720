//! `cargo xtask test`: every test, with what they need: the release builds of this program and of `vmbake`, and other programs.

use crate::commands::setup;
use crate::tools;
use anyhow::{Context as _, Result};
use vmbake::programs::{self, Program};
use vmbake::progress::ShowArgs;
use vmbake::project::Project;
use xshell::cmd;

/// Run all tests, or those that a filter names.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only tests whose names contain one of these.
    filter: Vec<String>,
    /// Run those that are left out otherwise, as each takes many minutes, and no others
    #[arg(long)]
    ignored: bool,
    /// Install nothing: only report what tests need and this machine lacks
    #[arg(long)]
    no_setup: bool,
}

/// Runs the examples in documentation, then the tests with nextest, each in a process of its own.
///
/// They are built in the `release` profile (with overflow checks): its dependencies are built already, for this
/// program, and hashing and decompression without optimisation are ten times slower.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::set_up(args.no_setup)?;
    let shell = tools::shell()?;
    let (cargo, filter) = (tools::cargo(), &args.filter);
    // end-to-end tests run the program that is running now, not one that may be older
    let xtask = std::env::current_exe().context("cannot tell where this program is")?;
    let configure = programs::program(
        &Project::find(None)?,
        Program::Configure,
        crate::commands::cases::here()?,
        &ShowArgs::default().show(),
    )?;
    // the program that people install has the same library: what is left is to link it
    cmd!(shell, "{cargo} build --release --package vmbake-program --locked --quiet").run()?;
    if filter.is_empty() && !args.ignored {
        cmd!(shell, "{cargo} test --release --doc --workspace --locked --quiet").run()?;
    }
    let which = if args.ignored { "only" } else { "default" };
    cmd!(
        shell,
        "{cargo} nextest run --cargo-profile release --workspace --locked --run-ignored {which} {filter...}"
    )
    .env("VMBAKE_XTASK", xtask)
    .env("VMBAKE_CONFIGURE", configure)
    .run()?;
    Ok(())
}
