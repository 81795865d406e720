//! `vmbake`: the program that people install.

use clap::Parser as _;
use std::process::ExitCode;
use vmbake::{cli, console};

fn main() -> ExitCode {
    let json = cli::asks_for_json(std::env::args_os().skip(1));
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return console::usage(&error, json),
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => console::failed(&error, json),
    }
}
