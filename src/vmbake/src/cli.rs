//! The commands and what they say of themselves.

use crate::commands::{
    add, bake, boot, completions, fetch, init, inspect, lock, pin, plan, seed, serve, store, verify, why,
};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// What stands below the list of commands.
pub const AFTER_HELP: &str = "\
A first image:     vmbake bake --kind base
Your own image:    vmbake init, vmbake add htop, vmbake bake --format qcow2, vmbake boot
What it would do:  vmbake plan --kind base
Why a file is in:  vmbake why dist/base.debian-13.amd64.tar.zst /usr/bin/containerd

Exit codes: 0 success, 1 internal error, 2 usage or manifest, 3 network, 4 verification (size, digest, \
signature), 5 archive policy, 6 input or output, 7 timed out waiting for a lock, 8 boot-time input rejected.\n\
With --json, standard output is one document: the result, or `error` with class, exit code, message and hint.";

/// Whether the command line asks for JSON, also where it is wrong otherwise.
pub fn asks_for_json(mut args: impl Iterator<Item = OsString>) -> bool {
    args.by_ref().take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// Whether `word` is a command of users.
#[must_use]
pub fn is_command(word: &str) -> bool {
    Command::has_subcommand(word)
}

/// Bakes golden VM images of Debian 13 at build time: every byte pinned and verified, no root, the same bytes everywhere.
#[derive(Debug, Parser)]
#[command(name = "vmbake", version, max_term_width = 110, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of users.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a project in the current directory, with a recipe of your own
    Init(init::Args),
    /// Add Debian packages to a recipe and its locks
    Add(add::Args),
    /// Remove Debian packages from a recipe and its locks
    Remove(add::RemoveArgs),
    /// Lock the newest packages of the archive, and show what changes
    Upgrade(add::UpgradeArgs),
    /// Bake an image: fetch what is pinned, lay it out, and write the artifacts
    Bake(bake::Args),
    /// Show what a bake would do, its digest, and what is already in the store, without doing anything
    Plan(plan::Args),
    /// Fetch everything that an image is made of into the store
    Fetch(fetch::Args),
    /// Boot a disk image in QEMU, wait for expectations, and report where the time went
    Boot(Box<boot::Args>),
    /// Resolve the Debian packages of a kind into its lock, or check that the lock is up to date
    Lock(lock::Args),
    /// Pin another version of a component in every manifest that has it
    Pin(pin::Args),
    /// List the contents of an artifact, or show one path of it
    Inspect(inspect::Args),
    /// Show which pin, package or recipe file put a path into an artifact
    Why(why::Args),
    /// Check an artifact against its list of files, byte by byte
    Verify(verify::Args),
    /// Create the volume that configures an instance at first boot
    Seed(seed::Args),
    /// Serve an output directory as a Podplane mirror
    Serve(serve::Args),
    /// Verify or clean the store
    Store(store::Args),
    /// Print shell completions
    Completions(completions::Args),
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Init(args) => init::run(&args),
            Self::Add(args) => add::run(&args),
            Self::Remove(args) => add::remove(&args),
            Self::Upgrade(args) => add::upgrade(&args),
            Self::Bake(args) => bake::run(&args),
            Self::Plan(args) => plan::run(&args),
            Self::Fetch(args) => fetch::run(&args),
            Self::Boot(args) => boot::run(*args),
            Self::Lock(args) => lock::run(&args),
            Self::Pin(args) => pin::run(&args),
            Self::Inspect(args) => inspect::run(&args),
            Self::Why(args) => why::run(&args),
            Self::Verify(args) => verify::run(&args),
            Self::Seed(args) => seed::run(&args),
            Self::Serve(args) => serve::run(&args),
            Self::Store(args) => store::run(&args),
            Self::Completions(args) => completions::run(&args),
        }
    }
}

/// `command` with its help as the program that is called `name` has it: the help of each command is written for `vmbake`.
#[must_use]
pub fn called(command: clap::Command, name: &'static str) -> clap::Command {
    let spelled = |text: &clap::builder::StyledStr| crate::console::spelled(&text.to_string(), name);
    let after = command.get_after_help().map(spelled);
    let command = match after {
        Some(after) => command.after_help(after),
        None => command,
    };
    command
        .mut_args(move |arg| {
            let help = arg.get_help().map(|text| crate::console::spelled(&text.to_string(), name));
            match help {
                Some(help) => arg.help(help),
                None => arg,
            }
        })
        .mut_subcommands(move |command| called(command, name))
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
        let error = Cli::try_parse_from(["vmbake", "bake", "--knd"]).unwrap_err().to_string();
        assert!(error.contains("Usage: vmbake bake"), "{error}");
    }

    #[test]
    fn json_is_asked_for_by_its_option_alone() {
        let asks = |words: &[&str]| asks_for_json(words.iter().map(OsString::from));
        assert!(asks(&["plan", "--json"]) && asks(&["--json", "nonsense"]));
        assert!(!asks(&["plan"]) && !asks(&["plan", "json"]) && !asks(&["test", "--", "--json"]));
    }

    #[test]
    fn help_says_what_the_program_is_called() {
        let help = |command: clap::Command, of: &str| {
            let mut command = command;
            command.find_subcommand_mut(of).unwrap().render_long_help().to_string()
        };
        for of in ["bake", "boot", "seed", "plan"] {
            assert!(help(Cli::command(), of).contains("vmbake"), "{of}");
            let other = help(called(Cli::command(), "cargo xtask"), of);
            assert!(other.contains("cargo xtask") && !other.contains("vmbake b"), "{other}");
        }
    }
}
