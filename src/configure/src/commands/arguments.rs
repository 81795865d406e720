//! The command line as a value.

use super::usage;
use crate::refusal::Result;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `--help` says.
pub const HELP: &str = "\
configure: writes what the services of this node start with

usage: configure [--root DIR] [COMMAND]

  (none)                 check all settings, then write what differs, as one set
  bootstrap              the first run's part alone: detected.env, mutable.env, bootstrap.done
  detect                 ask the network for what the first run must know; needs no privilege
  restart                enable, start and restart services as the settings say
  merge SRC DEST [--delete]
                         merge a delivered mutable.env into the live one; all of it or nothing
  hosts                  refresh the API server's addresses in /etc/hosts
  receive                take in what the agent was sent: settings, certificates and keys; restart what is affected
  install                say that this image is installed
  check --user-data FILE [--mutable FILE] --kind knd|knc
                         say what a node would say of these settings, on any machine

On a node that does not come up:
  journalctl -b -u podplane-configure      which key of which file breaks which rule
  journalctl -b -u nstance-recv-watch      what became of each delivery; the last one: /opt/podplane/etc/received
  /opt/podplane/etc/user-data.env          what the instance was told; written once, by first boot
  /opt/podplane/etc/mutable.env            what may change live; the last delivery is merged into it
  /opt/podplane/etc/detected.env           what the first run found out
  systemctl list-units --failed            a service without its certificates is not failed but waits for a delivery
Every fault is told at once, and while there is one nothing is changed. Running configure again is always safe.

exit codes: 0 done, 2 usage, 3 a server does not answer, 6 input or output, 7 another run holds the lock, 8 refused
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// `install`, `install.sh`
    Install,
    /// no command, `configure.sh`
    Configure,
    /// `bootstrap`, `bootstrap.sh`
    Bootstrap,
    /// `detect`
    Detect,
    /// `hosts`
    Hosts,
    /// `merge`, `update-mutable-env.sh`
    Merge {
        /// What was delivered.
        source: String,
        /// The live settings.
        destination: String,
        /// Whether the source goes after it was merged.
        delete: bool,
    },
    /// `receive`, `nstance-recv-watch.sh`
    Receive,
    /// `restart`, `restart.sh`
    Restart,
    /// `check`
    Check {
        /// A file with user-data.
        user_data: PathBuf,
        /// A file with live settings.
        mutable: Option<PathBuf>,
        /// `knd` or `knc`.
        kind: String,
    },
}

/// The command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The root of the file system.
    pub root: PathBuf,
    /// What to do there.
    pub command: Command,
}

impl Arguments {
    /// Of the words of a command line, the program's name first.
    pub fn parse(words: &[OsString]) -> Result<Self> {
        let mut words = words.iter();
        let name = words
            .next()
            .map(|name| PathBuf::from(name).file_name().unwrap_or_default().to_string_lossy().into_owned());
        let mut root = PathBuf::from("/");
        let mut rest: Vec<String> = Vec::new();
        let (mut given, mut paths) = (None, Vec::new());
        while let Some(word) = words.next() {
            let text = word.to_str().ok_or_else(|| usage("wanted arguments in UTF-8"))?;
            let mut value = || words.next().ok_or_else(|| usage(format!("wanted a value behind {text}")));
            match text {
                "--root" => root = PathBuf::from(value()?),
                "--help" | "-h" => given = Some(Command::Help),
                "--version" | "-V" => given = Some(Command::Version),
                "--user-data" | "--mutable" | "--kind" => paths.push((text.to_owned(), value()?.clone())),
                _ => rest.push(text.to_owned()),
            }
        }
        if let Some(command) = given {
            return Ok(Self { root, command });
        }
        let command = match by_name(name.as_deref().unwrap_or_default()) {
            Some(command) => command.to_owned(),
            None if rest.is_empty() => "configure".to_owned(),
            None => rest.remove(0),
        };
        Ok(Self { root, command: parse_command(&command, &rest, &paths)? })
    }
}

/// The command of a link's name.
fn by_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "configure.sh" => "configure",
        "bootstrap.sh" => "bootstrap",
        "install.sh" => "install",
        "restart.sh" => "restart",
        "update-mutable-env.sh" => "merge",
        "nstance-recv-watch.sh" => "receive",
        _ => return None,
    })
}

fn parse_command(command: &str, rest: &[String], paths: &[(String, OsString)]) -> Result<Command> {
    let alone = |command: Command| match rest {
        [] => Ok(command),
        _ => Err(usage(format!("wanted nothing behind it, got {} more", rest.len()))),
    };
    match command {
        "configure" => alone(Command::Configure),
        "bootstrap" => alone(Command::Bootstrap),
        "detect" => alone(Command::Detect),
        // the scripts that call it hand over words of their own
        "install" => Ok(Command::Install),
        "hosts" => alone(Command::Hosts),
        "receive" => alone(Command::Receive),
        "restart" => alone(Command::Restart),
        "merge" => match rest {
            [source, destination, flag @ ..] if flag.len() <= 1 => Ok(Command::Merge {
                source: source.clone(),
                destination: destination.clone(),
                delete: flag.first().is_some_and(|flag| matches!(flag.as_str(), "--delete" | "true" | "1")),
            }),
            _ => Err(usage("wanted `merge SRC DEST [--delete]`")),
        },
        "check" => {
            let find =
                |name: &str| paths.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
            match (find("--user-data"), find("--kind").and_then(|kind| kind.into_string().ok())) {
                (Some(user_data), Some(kind)) => Ok(Command::Check {
                    user_data: user_data.into(),
                    mutable: find("--mutable").map(PathBuf::from),
                    kind,
                }),
                _ => Err(usage("wanted `check --user-data FILE [--mutable FILE] --kind knd|knc`")),
            }
        }
        _ => Err(usage("wanted a known command")),
    }
}
