//! `cargo xtask`: the commands of `vmbake` in a checkout, and those of contributors.

mod cli;
mod commands;
mod tools;

use std::process::ExitCode;
use vmbake::console;

fn main() -> ExitCode {
    console::call(cli::NAME);
    let json = vmbake::cli::asks_for_json(std::env::args_os().skip(1));
    let cli = match cli::Cli::read() {
        Ok(cli) => cli,
        Err(error) => return console::usage(&error, json),
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => console::failed(&error, json),
    }
}
