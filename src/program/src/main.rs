//! `vmbake`: the program that people install.

use clap::Parser as _;
use std::process::ExitCode;
use vmbake::builtin::{self, BuiltIn, File};
use vmbake::{cli, console};

/// What comes with this program, as `build.rs` has found it.
static BUILT_IN: BuiltIn = BuiltIn {
    files: include!(concat!(env!("OUT_DIR"), "/files.rs")),
    programs: include!(concat!(env!("OUT_DIR"), "/programs.rs")),
};

fn main() -> ExitCode {
    builtin::install(&BUILT_IN);
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

#[cfg(test)]
mod tests {
    use super::BUILT_IN;
    use vmbake::builtin::of_checkout;

    #[test]
    fn what_comes_with_the_program_is_what_the_repository_has() {
        assert!(!BUILT_IN.files.is_empty());
        let (inside, here) = (BUILT_IN.files, of_checkout().files);
        let differing: Vec<&str> = inside
            .iter()
            .filter(|file| !here.contains(file))
            .chain(here.iter().filter(|file| !inside.contains(file)))
            .map(|file| file.path)
            .collect();
        assert_eq!(differing, [""; 0]);
    }
}
