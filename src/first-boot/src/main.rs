//! The program: arguments in, an exit code out; everything else is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    ExitCode::from(first_boot::commands::run(&arguments))
}
