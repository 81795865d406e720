//! The command line of vmbake: arguments as types, one file a command, and the only place that prints.

mod cli;
mod commands;
mod console;
mod local;
mod pipeline;
mod places;
mod privileges;
mod programs;
mod progress;
mod project;
mod relock;
mod review;
mod selection;
mod store_key;
mod tools;

use clap::Parser as _;
use std::process::ExitCode;

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
