//! `completions`: what a shell has to know to complete the command line.

use crate::cli::Cli;
use crate::console::Stdout;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::io::Write as _;

/// Print shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  vmbake completions bash >~/.local/share/bash-completion/completions/vmbake
  vmbake completions zsh >~/.zfunc/_vmbake
  vmbake completions fish >~/.config/fish/completions/vmbake.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints them.
pub fn run(args: &Args) -> anyhow::Result<()> {
    Ok(Stdout.write_all(&of(args.shell))?)
}

/// The completions for `shell`.
#[must_use]
pub fn of(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "vmbake", &mut text);
    text
}
