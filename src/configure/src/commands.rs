//! The commands: each is thin, and each holds the lock while it decides and writes.
//!
//! One program, many names: links in `/opt/podplane/bin` with the names that today's agents and user-data scripts call
//! (`configure.sh`, `restart.sh`, …) start the command of that name.

pub mod arguments;
pub mod check;
pub mod configure;
pub mod detect;
pub mod hosts;
pub mod install;
pub mod lock;
pub mod merge;
pub mod receive;
pub mod restart;
pub mod schema;
pub mod seed;
pub mod status;
pub mod systemctl;

use crate::refusal::{Class, Fault, Refusal, Result};
use crate::root::Root;
use arguments::{Arguments, Command};

/// Runs `arguments` (the program's name first); the exit code. Everything that is said goes through
/// [`crate::console`].
#[must_use]
pub fn run(arguments: &[std::ffi::OsString]) -> u8 {
    let result = Arguments::parse(arguments).and_then(|arguments| dispatch(&arguments));
    match result {
        Ok(()) => 0,
        Err(refusal) => {
            crate::console::complain(&refusal.to_string());
            refusal.class.code()
        }
    }
}

fn dispatch(arguments: &Arguments) -> Result<()> {
    let root = || Root::open(&arguments.root);
    let systemctl = || systemctl::Systemctl::of(&arguments.root, arguments.systemctl.as_deref());
    match &arguments.command {
        Command::Help => crate::console::say(arguments::HELP),
        Command::Version => crate::console::say(concat!("configure ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Install => install::run(&root()?)?,
        Command::Configure => configure::run(&root()?, configure::Extent::All)?,
        Command::Bootstrap => configure::run(&root()?, configure::Extent::FirstRun)?,
        Command::Detect => detect::run(&root()?)?,
        Command::Hosts => hosts::run(&root()?)?,
        Command::Merge { source, destination, delete } => merge::run(&root()?, source, destination, *delete)?,
        Command::Receive => receive::run(&root()?, &systemctl())?,
        Command::Seed => {
            let credentials = std::env::var("CREDENTIALS_DIRECTORY").ok();
            seed::run(&root()?, credentials.as_deref())?;
        }
        Command::Restart => restart::run(&root()?, &systemctl())?,
        Command::Check { user_data, mutable, policy, kind, role } => {
            let files = check::Files { user_data, mutable: mutable.as_deref(), policy: policy.as_deref() };
            check::run(&files, kind, role.as_deref())?;
        }
        Command::Status { json } => status::run(&root()?, *json)?,
        Command::Schema { of } => schema::run(of.as_deref()),
    }
    Ok(())
}

/// A command line that means nothing.
fn usage(rule: impl Into<String>) -> Refusal {
    let fault = Fault::new("configure", rule).hint("`configure --help` lists the commands");
    Refusal { class: Class::Usage, faults: vec![fault] }
}
