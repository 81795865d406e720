//! The command line as a value.

use super::usage;
use crate::refusal::Result;
use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// What `--help` says.
pub const HELP: &str = "\
configure: writes what the services of this node start with

usage: configure [--root DIR] [--systemctl FILE] [COMMAND]

Below another root than `/` no service is touched: what systemctl would be asked is said, or FILE is asked it.

on a node
  (none)                 check all settings, then write what differs, as one set; running it again is always safe
  status [--json]        what is configured, when and from what; what differs; which service waits for which file
  restart                enable, start and restart services as the settings say
  merge SRC DEST [--delete]
                         merge a delivered mutable.env into the live one; all of it or nothing
  bootstrap              the first run's part alone: detected.env, mutable.env, bootstrap.done
  install                say that this image is installed

by units
  seed                   take user-data from credentials or a volume labelled cidata, where there is none yet
  detect                 ask the network for what the first run must know; needs no privilege
  receive                take what nstance-agent delivered; restart what it affects
  hosts                  refresh the API server's addresses in /etc/hosts

anywhere
  check --user-data FILE [--mutable FILE] [--policy FILE] --kind knd|knc
                         say what a node would say of these settings; --role worker|control-plane for a kind of your own
  schema [user-data|mutable]
                         JSON Schema of the settings, for editors and Terraform

A node that does not come up: look in this order.
  1. configure status                         faults, files that differ, and what each service waits for
     journalctl -b -u podplane-seed           which seed was taken, or that there is none
  2. journalctl -b -u podplane-detect         no route, no address, or a server that does not answer
     journalctl -b -u podplane-configure      which line and key of which file breaks which rule
  3. /opt/podplane/etc/user-data.env          what the instance was told; missing: cloud-init status --long
     /opt/podplane/etc/mutable.env            what may change live; deliveries are merged into it
     /opt/podplane/etc/detected.env           what the first run found out; to find out again: remove
                                              /opt/podplane/bootstrap.done, then run configure
  4. systemctl list-units --failed            a service without its certificates has not failed: it waits
     journalctl -u nstance-agent              for nstance-agent to register and deliver them
     journalctl -u nstance-recv-watch         what became of deliveries; a refused one has changed nothing
  5. configure && configure restart           after mending: writes what differs, restarts what the settings want
Every fault is told at once, by file, line, key and rule, never by value; while there is one nothing is changed.
The last value that is not empty counts: user-data, then detected, then mutable. A setting that is not yours to
change live is named by /opt/podplane/share/policy.toml.

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
    /// `seed`
    Seed,
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
        /// The image's policy.
        policy: Option<PathBuf>,
        /// The image's kind.
        kind: String,
        /// What its nodes do; none for `knd` and `knc`, which say it by their names.
        role: Option<String>,
    },
    /// `status`
    Status {
        /// For programs.
        json: bool,
    },
    /// `schema`
    Schema {
        /// Of which file; none for both.
        of: Option<String>,
    },
}

/// The command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The root of the file system.
    pub root: PathBuf,
    /// The program that is asked to restart services; none for the running system's own, where the root is its.
    pub systemctl: Option<PathBuf>,
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
        let (mut root, mut systemctl) = (PathBuf::from("/"), None);
        let mut rest: Vec<String> = Vec::new();
        let (mut given, mut paths) = (None, Vec::new());
        while let Some(word) = words.next() {
            let text = word.to_str().ok_or_else(|| usage("expected arguments in UTF-8"))?;
            let mut value = || words.next().ok_or_else(|| usage(format!("expected a value after {text}")));
            match text {
                "--root" => root = PathBuf::from(value()?),
                "--systemctl" => systemctl = Some(PathBuf::from(value()?)),
                "--help" | "-h" => given = Some(Command::Help),
                "--version" | "-V" => given = Some(Command::Version),
                "--user-data" | "--mutable" | "--policy" | "--kind" | "--role" => {
                    paths.push((text.to_owned(), value()?.clone()));
                }
                _ => rest.push(text.to_owned()),
            }
        }
        if let Some(command) = given {
            return Ok(Self { root, systemctl, command });
        }
        let command = match by_name(name.as_deref().unwrap_or_default()) {
            Some(command) => command.to_owned(),
            None if rest.is_empty() => "configure".to_owned(),
            None => rest.remove(0),
        };
        Ok(Self { root, systemctl, command: parse_command(&command, &rest, &paths)? })
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
        _ => Err(usage(format!("expected nothing after it, found {} more", rest.len()))),
    };
    match command {
        "configure" => alone(Command::Configure),
        "bootstrap" => alone(Command::Bootstrap),
        "detect" => alone(Command::Detect),
        // the scripts that call it hand over words of their own
        "install" => Ok(Command::Install),
        "hosts" => alone(Command::Hosts),
        "seed" => alone(Command::Seed),
        "receive" => alone(Command::Receive),
        "restart" => alone(Command::Restart),
        "merge" => match rest {
            [source, destination, flag @ ..] if flag.len() <= 1 => Ok(Command::Merge {
                source: source.clone(),
                destination: destination.clone(),
                delete: flag.first().is_some_and(|flag| matches!(flag.as_str(), "--delete" | "true" | "1")),
            }),
            _ => Err(usage("expected `merge SRC DEST [--delete]`")),
        },
        "status" => match rest {
            [] => Ok(Command::Status { json: false }),
            [flag] if flag == "--json" => Ok(Command::Status { json: true }),
            _ => Err(usage("expected `status [--json]`")),
        },
        "schema" => match rest {
            [] => Ok(Command::Schema { of: None }),
            [of] if matches!(of.as_str(), "user-data" | "mutable") => {
                Ok(Command::Schema { of: Some(of.clone()) })
            }
            _ => Err(usage("expected `schema [user-data|mutable]`")),
        },
        "check" => parse_check(rest, paths),
        _ => Err(usage("expected a known command")),
    }
}

fn parse_check(rest: &[String], paths: &[(String, OsString)]) -> Result<Command> {
    let find = |name: &str| paths.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
    let word = |name: &str| find(name).and_then(|value| value.into_string().ok());
    match (rest, find("--user-data"), word("--kind")) {
        ([], Some(user_data), Some(kind)) => Ok(Command::Check {
            user_data: user_data.into(),
            mutable: find("--mutable").map(PathBuf::from),
            policy: find("--policy").map(PathBuf::from),
            kind,
            role: word("--role"),
        }),
        _ => Err(usage("expected `check --user-data FILE [--mutable FILE] [--policy FILE] --kind knd|knc`")),
    }
}
