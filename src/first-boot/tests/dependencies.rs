//! Whose code is in the program: the lists are committed, so that a change of them is seen.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::BTreeSet;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// `cargo tree` with these words, each line once and in order.
#[test]
#[expect(clippy::disallowed_methods, reason = "the package has no dependency to run programs with")]
fn no_code_of_others_comes_in_unseen() {
    for (arch, list) in [
        ("x86_64", include_str!("../dependencies/x86_64.txt")),
        ("aarch64", include_str!("../dependencies/aarch64.txt")),
    ] {
        let target = format!("{arch}-unknown-linux-musl");
        let words = "tree --locked --package first-boot --edges normal,build --prefix none --format";
        let mut command = Command::new(env!("CARGO"));
        command.args(words.split(' ')).args(["{p} {f}", "--target", &target]).current_dir(ROOT);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).unwrap();
        let (_, others) = tree.split_once('\n').unwrap();
        let lines = others.lines().map(|line| line.trim_end_matches(" (*)").trim_end());
        // a crate of this workspace has its folder after its version
        let (ours, others): (BTreeSet<&str>, BTreeSet<&str>) = lines.partition(|line| line.contains(" (/"));
        assert_eq!(others, list.lines().collect(), "{target}");
        assert!(ours.is_empty(), "{target}: {ours:?}");
    }
}
