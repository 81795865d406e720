//! The recorded cases of the boot-time program, every one, by the program that images get.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

use std::path::Path;
use tests::workspace;
use xshell::{Shell, cmd};

/// Runs the cases of `category` as root: in a container or on a runner that is us, or sudo asks nobody.
fn check(category: &str, wanted: usize) {
    let program = tests::cases::program().unwrap();
    let folder = workspace::root().join("tests/fixtures/cases").join(category);
    let cases = Path::new(env!("CARGO_BIN_EXE_cases"));
    let shell = Shell::new().unwrap();
    let command = if rustix::process::geteuid().is_root() {
        cmd!(shell, "{cases} {program} {folder}")
    } else {
        cmd!(shell, "sudo --non-interactive {cases} {program} {folder}")
    };
    let output = command.quiet().ignore_status().output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    let last = table.lines().last().unwrap_or_default();
    assert!(output.status.success(), "{table}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(last.starts_with(&format!("{wanted} cases: ")) && last.ends_with(" 0 fail"), "{last}");
}

#[test]
fn configure_reaches_every_recorded_end_state_or_a_better_one() {
    check("configure", 144);
}

#[test]
fn merge_reaches_every_recorded_end_state_or_a_better_one() {
    check("update-mutable-env", 65);
}

#[test]
fn restart_asks_systemd_what_was_recorded() {
    check("restart", 13);
}

#[test]
fn receive_takes_deliveries_in_as_recorded_or_better() {
    check("recv-watch", 25);
}

/// Cases of our own in the recorded form: what the scripts did in them is not known, and would not be wanted.
#[test]
fn l01_l09_l11_f08_deliveries_that_are_wrong_change_nothing_and_are_told_once() {
    check("receive-faults", 6);
}
