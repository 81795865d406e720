//! What the program is told: by its units, and by people and scripts that call it by cloud-init's names.

use crate::console;
use crate::programs::System;
use crate::query::{self, Question};
use crate::root::Root;
use crate::stages;
use crate::state::Stage;
use crate::status::{self, Format};
use std::ffi::OsString;
use std::path::Path;

const HELP: &str = "\
Usage: cloud-init status [--wait] [--long] [--format tabular|json|yaml]
       cloud-init query [--all | --list-keys [NAME] | --format TEMPLATE | NAME]
       cloud-init --version
       cloud-id
       first-boot local|network|config|final      (what the units of this image call)

This is first-boot, which has cloud-init's place in this image.
";

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A stage of the boot.
    Stage(Stage),
    /// The last stage was stopped, by whatever systemd says in the environment.
    Stopped,
    /// Ask a source, and print what it says.
    Fetch(String),
    /// `status`: format, `--long`, `--wait`.
    Status(Format, bool, bool),
    /// `query`.
    Query(Question),
    /// `cloud-id`.
    CloudId,
    /// `--version`.
    Version,
    /// `--help`.
    Help,
}

/// Understands the arguments, the program's name first.
///
/// # Errors
///
/// What is wrong with them.
pub fn parse(arguments: &[String]) -> Result<Command, String> {
    let (name, rest) = arguments.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    let name = Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    if words.iter().any(|word| matches!(*word, "--help" | "-h")) {
        return Ok(Command::Help);
    }
    match (name, words.as_slice()) {
        ("cloud-id", []) => Ok(Command::CloudId),
        (_, ["--version" | "-v"]) => Ok(Command::Version),
        ("cloud-init", ["status", rest @ ..]) => status_options(rest),
        ("cloud-init", ["query", rest @ ..]) => query_options(rest).map(Command::Query),
        ("cloud-init" | "first-boot", []) => Ok(Command::Help),
        ("first-boot", ["local"]) => Ok(Command::Stage(Stage::Local)),
        ("first-boot", ["network"]) => Ok(Command::Stage(Stage::Network)),
        ("first-boot", ["config"]) => Ok(Command::Stage(Stage::Config)),
        ("first-boot", ["final"]) => Ok(Command::Stage(Stage::Final)),
        ("first-boot", ["stopped"]) => Ok(Command::Stopped),
        ("first-boot", ["fetch", what]) => Ok(Command::Fetch((*what).to_owned())),
        (_, [word, ..]) => Err(format!("unknown command or option `{}`", word.escape_debug())),
        (other, []) => Err(format!("unknown name `{}`", other.escape_debug())),
    }
}

fn status_options(words: &[&str]) -> Result<Command, String> {
    let (mut format, mut long, mut wait) = (Format::Tabular, false, false);
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--wait" | "-w" => wait = true,
            "--long" | "-l" => long = true,
            "--format" => format = format_named(words.next().unwrap_or_default())?,
            _ => match word.strip_prefix("--format=") {
                Some(name) => format = format_named(name)?,
                None => return Err(format!("unknown option `{}`", word.escape_debug())),
            },
        }
    }
    Ok(Command::Status(format, long, wait))
}

fn format_named(name: &str) -> Result<Format, String> {
    match name {
        "tabular" => Ok(Format::Tabular),
        "json" => Ok(Format::Json),
        "yaml" => Ok(Format::Yaml),
        _ => Err(format!(
            "unknown format `{}`; expected one of `tabular`, `json`, `yaml`",
            name.escape_debug()
        )),
    }
}

fn query_options(words: &[&str]) -> Result<Question, String> {
    match words {
        ["--all" | "-a"] => Ok(Question::All),
        ["--list-keys" | "-l"] => Ok(Question::Keys(None)),
        ["--list-keys" | "-l", name] | [name, "--list-keys" | "-l"] => {
            Ok(Question::Keys(Some((*name).to_owned())))
        }
        ["--format" | "-f", text] => Ok(Question::Template((*text).to_owned())),
        [name] if !name.starts_with('-') => Ok(Question::Name((*name).to_owned())),
        _ => Err("expected one of `--all`, `--list-keys`, `--format` or a name".to_owned()),
    }
}

/// Does what the arguments say; gives the exit status.
#[must_use]
pub fn run(arguments: &[OsString]) -> u8 {
    let arguments: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let root = Root::new("/");
    match parse(&arguments) {
        // a stage in which something failed is a failed unit, as with cloud-init; the next ones run all the same
        Ok(Command::Stage(stage)) => u8::from(stages::run(stage, &root, &System)),
        Ok(Command::Stopped) => {
            let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
            if is("EXIT_CODE", "killed") && is("EXIT_STATUS", "TERM") {
                return u8::from(stages::stopped(&root).is_err());
            }
            0
        }
        Ok(Command::Fetch(what)) => {
            console::say(&crate::fetch::document(&what).to_string());
            0
        }
        Ok(Command::Status(format, long, wait)) => status::print(&root, format, long, wait),
        Ok(Command::Query(question)) => match query::answer(&root, &question) {
            Ok(text) => {
                console::say(&text);
                0
            }
            Err(what) => {
                console::complain(&format!("error: {what}\n"));
                1
            }
        },
        Ok(Command::CloudId) => {
            let (text, code) = query::cloud_id(&root);
            console::say(&text);
            code
        }
        Ok(Command::Version) => {
            console::say(&format!("/usr/bin/cloud-init {}\n", crate::VERSION));
            0
        }
        Ok(Command::Help) => {
            console::say(HELP);
            0
        }
        Err(what) => {
            console::complain(&format!("error: {what}\nhint: run `cloud-init --help`\n"));
            2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_words_are_cloud_inits() {
        let told = |text: &str| parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for (text, expected) in [
            ("/usr/bin/cloud-init status", Command::Status(Format::Tabular, false, false)),
            ("cloud-init status --wait --format json", Command::Status(Format::Json, false, true)),
            ("cloud-init status -w --long --format=yaml", Command::Status(Format::Yaml, true, true)),
            ("cloud-init query v1.region", Command::Query(Question::Name("v1.region".to_owned()))),
            ("cloud-init query --list-keys v1", Command::Query(Question::Keys(Some("v1".to_owned())))),
            ("cloud-init query --all", Command::Query(Question::All)),
            ("cloud-id", Command::CloudId),
            ("cloud-init --version", Command::Version),
            ("/usr/lib/vmbake/first-boot final", Command::Stage(Stage::Final)),
            ("first-boot fetch Ec2", Command::Fetch("Ec2".to_owned())),
        ] {
            assert_eq!(told(text), Ok(expected), "{text}");
        }
        for text in [
            "cloud-init status --format xml",
            "cloud-init clean",
            "cloud-init query --x",
            "first-boot all",
            "x",
        ] {
            assert!(told(text).is_err(), "{text}");
        }
    }
}
