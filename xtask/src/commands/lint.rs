//! `cargo xtask lint`: format, lints, documentation, and what dependencies may be.

use crate::tools;
use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

/// Check format, lints, documentation and dependencies.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the format instead of checking it.
    #[arg(long)]
    fix: bool,
}

/// Runs every check and fails at the first that finds something.
///
/// The profile is `release` throughout, so that build scripts, which compile C libraries, run once for this, for
/// xtask and for the tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    tools::extension(tools::DENY)?;
    let shell = tools::shell()?;
    format(&shell, args.fix)?;
    let cargo = tools::cargo();
    cmd!(shell, "{cargo} clippy --release --workspace --all-targets --locked -- --deny warnings").run()?;
    cmd!(shell, "{cargo} doc --release --workspace --no-deps --document-private-items --locked")
        .env("RUSTDOCFLAGS", "--deny warnings")
        .run()?;
    // advisories are left out: their database is on a host that a build must not depend on
    cmd!(shell, "{cargo} deny --locked --all-features check --hide-inclusion-graph licenses bans sources")
        .run()?;
    Ok(())
}

fn format(shell: &Shell, fix: bool) -> Result<()> {
    let (cargo, check) = (tools::cargo(), (!fix).then_some("--check"));
    cmd!(shell, "{cargo} fmt --all {check...}").run().context("`cargo xtask lint --fix` writes the format")
}
