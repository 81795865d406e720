//! The commands and what they say of themselves.

pub use crate::commands::Command;
use clap::{Parser, Subcommand as _};
use std::ffi::OsString;

/// What stands below the list of commands.
pub const AFTER_HELP: &str = tree::of_release!("\
A first image:     vmbake bake --kind base
Your own image:    vmbake init, vmbake add htop, vmbake bake --format qcow2, vmbake boot
What it would do:  vmbake plan --kind base
Why a file is in:  vmbake why dist/base.", ".amd64.tar.zst /usr/bin/containerd

Exit codes: 0 success, 1 internal error, 2 usage or manifest, 3 network, 4 verification (size, digest, \
signature), 5 archive policy, 6 input or output, 7 timed out waiting for a lock, 8 boot-time input rejected.\n\
With --json, standard output is one document: the result, or `error` with class, exit code, message and hint.");

/// Whether the command line asks for JSON, also where it is wrong otherwise.
pub fn asks_for_json(mut args: impl Iterator<Item = OsString>) -> bool {
    args.by_ref().take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// Whether `word` is a command of users.
#[must_use]
pub fn is_command(word: &str) -> bool {
    Command::has_subcommand(word)
}

/// What it does, for the first line of its help.
pub const ABOUT: &str = tree::joined!(
    "Bakes golden VM images of Debian ",
    tree::release::NUMBER,
    " at build time: every byte pinned and verified, no root, the same bytes everywhere",
);

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "vmbake", about = ABOUT, long_about = None, version, max_term_width = 110, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
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
