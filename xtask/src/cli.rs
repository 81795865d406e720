//! The commands and what they say of themselves.

use crate::commands::{
    bake, bench, boot, cases, fetch, fuzz, inspect, lint, lock, pin, plan, program, seed, serve, setup,
    store, survey, test, verify, why,
};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// Whether the command line asks for JSON, also where it is wrong otherwise.
pub(crate) fn asks_for_json(mut args: impl Iterator<Item = OsString>) -> bool {
    args.by_ref().take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// Bakes golden VM images of Debian 13 at build time: every byte pinned and verified, no root, the same bytes everywhere.
#[derive(Debug, Parser)]
#[command(
    name = "vmbake",
    bin_name = "cargo xtask",
    version,
    max_term_width = 110,
    after_help = "\
A first image:     cargo xtask bake --kind base
What it would do:  cargo xtask plan --kind base
Why a file is in:  cargo xtask why dist/base.debian-13.amd64.tar.zst /usr/bin/containerd

Exit codes: 0 done, 1 the tool itself failed, 2 usage or manifest, 3 network, 4 verification (size, digest, \
signature), 5 archive policy, 6 input or output, 7 a lock is held for too long, 8 boot-time input refused.\n\
With --json, standard output has one document: the result, or `error` with class, exit code, message and hint."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bake an image: fetch what is pinned, lay it out, write the artifacts
    Bake(bake::Args),
    /// Show what a bake will do, its digest and what is already in the store; nothing is done
    Plan(plan::Args),
    /// Bring all that an image is made of into the store
    Fetch(fetch::Args),
    /// Start a machine from a disk image, wait for what has to be, and say where its time went
    Boot(boot::Args),
    /// Resolve the Debian packages of a kind into its lock, or check that the lock is up to date
    Lock(lock::Args),
    /// Pin another version of a component in every manifest that has it
    Pin(pin::Args),
    /// List what is in an artifact, or one path of it
    Inspect(inspect::Args),
    /// Say which pin, package or recipe file put a path into an artifact
    Why(why::Args),
    /// Check an artifact against its list of files, byte by byte
    Verify(verify::Args),
    /// Make the volume that tells an instance who it is at first boot
    Seed(seed::Args),
    /// Serve an output directory as a mirror of Podplane's
    Serve(serve::Args),
    /// Check or clear the store
    Store(store::Args),
    /// Build one of the programs that run inside an image
    Program(program::Args),
    /// Run recorded cases of the boot-time program and print which agree
    Cases(cases::Args),
    /// Install what tests need, after listing it
    Setup(setup::Args),
    /// Run every test, after installing what they need
    Test(test::Args),
    /// Check format, lints, licences and documentation
    Lint(lint::Args),
    /// Fuzz the readers of what comes from outside
    Fuzz(fuzz::Args),
    /// Measure speed and memory against peers, as ratios
    Bench(bench::Args),
    /// Follow the maintainer scripts of many packages
    Survey(survey::Args),
}

impl Command {
    /// Runs it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Bake(args) => bake::run(&args),
            Self::Plan(args) => plan::run(&args),
            Self::Fetch(args) => fetch::run(&args),
            Self::Boot(args) => boot::run(&args),
            Self::Lock(args) => lock::run(&args),
            Self::Pin(args) => pin::run(&args),
            Self::Inspect(args) => inspect::run(&args),
            Self::Why(args) => why::run(&args),
            Self::Verify(args) => verify::run(&args),
            Self::Seed(args) => seed::run(&args),
            Self::Serve(args) => serve::run(&args),
            Self::Store(args) => store::run(&args),
            Self::Program(args) => program::run(&args),
            Self::Cases(args) => cases::run(&args),
            Self::Setup(args) => setup::run(&args),
            Self::Test(args) => test::run(&args),
            Self::Lint(args) => lint::run(&args),
            Self::Fuzz(args) => fuzz::run(&args),
            Self::Bench(args) => bench::run(&args),
            Self::Survey(args) => survey::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_version_is_that_of_vmbake_and_usage_is_how_it_is_called() {
        let command = Cli::command();
        command.clone().debug_assert();
        assert_eq!(command.render_version(), concat!("vmbake ", env!("CARGO_PKG_VERSION"), "\n"));
        let error = Cli::try_parse_from(["xtask", "bake", "--knd"]).unwrap_err().to_string();
        assert!(error.contains("Usage: cargo xtask bake"), "{error}");
    }

    #[test]
    fn json_is_asked_for_by_its_option_alone() {
        let asks = |words: &[&str]| asks_for_json(words.iter().map(OsString::from));
        assert!(asks(&["plan", "--json"]) && asks(&["--json", "nonsense"]));
        assert!(!asks(&["plan"]) && !asks(&["plan", "json"]) && !asks(&["test", "--", "--json"]));
    }
}
