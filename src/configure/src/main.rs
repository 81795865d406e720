//! What runs inside an image at boot.
//!
//! It turns what an instance is told (`user-data.env`), what the machine is and what may change later
//! (`mutable.env`) into the files that services are started with. This first form tells its version, and says
//! clearly that there is no user-data where there is none.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::ExitCode;

/// What an instance is told at first boot.
const USER_DATA: &str = "/opt/podplane/etc/user-data.env";

const HELP: &str = "\
configure: writes the environment files that the services of this node start with

usage: configure [--version | --help]

It reads /opt/podplane/etc/user-data.env, which first boot writes. On a node that does not come up, look at
`journalctl -b -u configure` first.
";

fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    match first.as_deref().and_then(OsStr::to_str) {
        Some("--version" | "-V") => say(&format!("configure {}\n", env!("CARGO_PKG_VERSION"))),
        Some("--help" | "-h") => say(HELP),
        _ => {
            let what = match std::fs::symlink_metadata(USER_DATA) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    "there is no user-data".to_owned()
                }
                Err(error) => format!("cannot read it: {error}"),
                Ok(_) => "this version does not configure a node".to_owned(),
            };
            // a closed standard error changes nothing of what happened
            let _ = writeln!(
                std::io::stderr(),
                "error: {USER_DATA}: {what}\nhint: first boot writes it, from what the cloud or the seed volume says"
            );
            ExitCode::from(8)
        }
    }
}

/// Prints `text`; a reader that went away early is a failure that nobody is left to hear of.
fn say(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(6),
    }
}
