//! The commands of contributors, beside those of users.

use crate::commands::{bench, cases, dist, docs, fuzz, lint, program, setup, survey, test};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// How it is called.
pub(crate) const NAME: &str = "cargo xtask";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "vmbake", bin_name = NAME, about = vmbake::cli::ABOUT, long_about = None, version, max_term_width = 110, after_help = vmbake::cli::AFTER_HELP)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Those of `vmbake`.
    #[command(flatten)]
    User(vmbake::cli::Command),
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
    /// Build a release: static programs, archives, checksums, manual pages, completions and a container image
    Dist(dist::Args),
    /// Write the reference of the command line, and build the pages as a book
    Docs(docs::Args),
    /// Follow the maintainer scripts of many packages
    Survey(survey::Args),
}

impl Cli {
    /// What this program was called with.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let command = vmbake::cli::called(Self::command(), NAME);
        Self::from_arg_matches(&command.try_get_matches()?)
    }
}

impl Command {
    /// Runs it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::User(command) => command.run(),
            Self::Program(args) => program::run(&args),
            Self::Cases(args) => cases::run(&args),
            Self::Setup(args) => setup::run(&args),
            Self::Test(args) => test::run(&args),
            Self::Lint(args) => lint::run(&args),
            Self::Fuzz(args) => fuzz::run(&args),
            Self::Bench(args) => bench::run(&args),
            Self::Dist(args) => dist::run(&args),
            Self::Docs(args) => docs::run(&args),
            Self::Survey(args) => survey::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_vmbake_and_usage_is_how_it_is_called() {
        let command = Cli::command();
        command.clone().debug_assert();
        assert_eq!(command.render_version(), concat!("vmbake ", env!("CARGO_PKG_VERSION"), "\n"));
        let error = Cli::try_parse_from(["xtask", "bake", "--knd"]).unwrap_err().to_string();
        assert!(error.contains("Usage: cargo xtask bake"), "{error}");
    }
}
