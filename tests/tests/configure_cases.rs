//! The recorded cases of the boot-time program, every one, by the program that images get.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

use std::path::Path;
use tests::workspace;
use xshell::{Shell, cmd};

/// Runs the cases of `category`.
fn check(category: &str, expected: usize) {
    let (table, said, success) = run(&workspace::root().join("tests/fixtures/cases").join(category));
    let last = table.lines().last().unwrap_or_default();
    assert!(success, "{table}\n{said}");
    assert!(last.starts_with(&format!("{expected} cases: ")) && last.ends_with(" 0 fail"), "{last}");
}

/// Runs the cases in `folder` as root: in a container or on a runner that is us, or sudo asks nobody. The table, what was
/// said next to it, and whether all is well.
fn run(folder: &Path) -> (String, String, bool) {
    let program = tests::cases::program().unwrap();
    let cases = Path::new(env!("CARGO_BIN_EXE_cases"));
    let shell = Shell::new().unwrap();
    let command = if rustix::process::geteuid().is_root() {
        cmd!(shell, "{cases} {program} {folder}")
    } else {
        cmd!(shell, "sudo --non-interactive {cases} {program} {folder}")
    };
    let output = command.quiet().ignore_status().output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

/// A case in a folder of its own.
fn case(folder: &Path, name: &str, step: &serde_json::Value) {
    let case = serde_json::json!({
        "schema": 1, "name": name, "category": "mine", "kind": "knd", "base": "installed", "scripts": "default",
        "disposition": "match", "steps": [step],
    });
    let folder = folder.join("mine");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.json")), case.to_string()).unwrap();
}

#[test]
fn a_case_that_cannot_be_prepared_is_one_failed_line_and_the_rest_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let good = serde_json::json!({"run": ["/usr/bin/true"], "expect": {"exit_code": 0}});
    case(folder.path(), "good", &good);
    let owner = serde_json::json!({"run": ["/usr/bin/true"], "files": [{"path": "/etc/x", "owner": "nobody-here:root"}],
        "expect": {"exit_code": 0}});
    case(folder.path(), "owner", &owner);
    std::fs::write(folder.path().join("mine/broken.json"), "{").unwrap();
    let (table, _, success) = run(folder.path());
    assert!(!success);
    let told = |name: &str| table.lines().filter(|line| line.contains(name)).count();
    assert!(table.contains("FAILS   mine/broken") && table.contains("FAILS   mine/owner"), "{table}");
    assert!(table.contains("agrees  mine/good") && told("it cannot be prepared") == 2, "{table}");
    assert!(table.ends_with("3 cases: 1 agree, 0 better, 2 fail\n"), "{table}");
}

#[test]
fn a_step_is_run_as_the_user_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let step = |uid: Option<u32>, expected: u32| {
        let check = format!("test $(id -u) = {expected} && test $(id -G) = {expected}");
        serde_json::json!({"run": ["/bin/sh", "-c", check], "uid": uid, "expect": {"exit_code": 0}})
    };
    case(folder.path(), "root", &step(None, 0));
    case(folder.path(), "other", &step(Some(1234), 1234));
    let (table, said, success) = run(folder.path());
    assert!(success && table.ends_with("2 cases: 2 agree, 0 better, 0 fail\n"), "{table}{said}");
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

/// Cases of our own in the recorded form: what the scripts did in them is not known, and would not be expected.
#[test]
fn deliveries_that_are_wrong_change_nothing_and_are_told_once() {
    check("receive-faults", 6);
}
