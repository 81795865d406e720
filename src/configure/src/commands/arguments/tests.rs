use super::{Arguments, Command, HELP};
use std::ffi::OsString;

fn parse(words: &str) -> Option<Command> {
    let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
    Arguments::parse(&words).ok().map(|arguments| arguments.command)
}

#[test]
fn a_link_s_name_is_a_command() {
    for (words, expected) in [
        ("/opt/podplane/bin/configure.sh", Command::Configure),
        ("configure", Command::Configure),
        ("/x/restart.sh", Command::Restart),
        ("bootstrap.sh", Command::Bootstrap),
        ("install.sh --any thing", Command::Install),
        ("configure install", Command::Install),
        ("configure status", Command::Status { json: false }),
        ("configure status --json", Command::Status { json: true }),
        ("configure schema mutable", Command::Schema { of: Some("mutable".to_owned()) }),
        ("configure --root /x status --help", Command::Help),
    ] {
        assert_eq!(parse(words), Some(expected), "{words}");
    }
}

#[test]
fn a_command_line_that_means_nothing_is_refused() {
    for words in [
        "configure nonsense",
        "configure --root",
        "configure status -j",
        "configure schema both",
        "configure check --kind knd",
        "configure check --user-data u --kind",
        "configure check --user-data u --kind knd more",
        "configure merge one",
    ] {
        assert_eq!(parse(words), None, "{words}");
    }
}

#[test]
fn help_fits_a_terminal_and_names_where_to_look() {
    assert!(HELP.lines().all(|line| line.len() <= 120));
    for word in
        ["configure status", "journalctl", "user-data.env", "bootstrap.done", "exit codes", "policy.toml"]
    {
        assert!(HELP.contains(word), "{word}");
    }
}
