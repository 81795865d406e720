//! `cargo xtask setup`: what tests need of this machine, listed and then installed.

use crate::tools::Setup;
use anyhow::Result;
use vmbake::console;

/// Install what tests need: programs of Debian, and cargo-nextest
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`cargo xtask test` runs this first. Packages are installed by apt-get as root, or by sudo where that asks for no password.")]
pub(crate) struct Args {
    /// Only report what is missing
    #[arg(long)]
    no_setup: bool,
}

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    set_up(args.no_setup)
}

/// Lists what is missing, and installs it unless this is only a report.
pub(crate) fn set_up(only_report: bool) -> Result<()> {
    let setup = Setup::look()?;
    if setup.is_empty() {
        return Ok(());
    }
    let verb = if only_report { "missing, and not installed" } else { "missing, and installed now" };
    console::note(format!("what tests need of this machine, {verb}:"));
    setup.lines().iter().for_each(console::note);
    if only_report { Ok(()) } else { setup.install() }
}
