//! What a machine lacks is said, or brought, before anything is compiled.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test says no by panicking, and starts programs"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// A toolchain and programs on a path, all of them stubs that write down how they are called.
struct Machine {
    root: PathBuf,
}

impl Machine {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("start-{name}"));
        let _ = fs::remove_dir_all(&root);
        let machine = Self { root };
        fs::create_dir_all(machine.root.join("toolchain/lib/rustlib")).unwrap();
        fs::create_dir_all(machine.root.join("bin")).unwrap();
        // a build of its own: none where xtask is built already
        fs::copy(env!("CARGO_BIN_EXE_start"), machine.root.join("start")).unwrap();
        // what `cargo run` tells a program of its package is not for others
        let alone = "test -z \"$CARGO_MANIFEST_DIR$CARGO_PKG_NAME\" || exit 9";
        machine.stub("made/xtask", alone);
        let (made, xtask) = (machine.root.join("made/xtask"), machine.root.join("xtask"));
        machine
            .stub("toolchain/bin/cargo", &format!("{alone}\n/bin/cp {} {}", made.display(), xtask.display()));
        machine
    }

    fn with_targets(self) -> Self {
        TARGETS.iter().for_each(|target| fs::create_dir_all(self.target(target)).unwrap());
        self
    }

    fn with(self, program: &str, script: &str) -> Self {
        self.stub(&format!("bin/{program}"), script);
        self
    }

    fn target(&self, target: &str) -> PathBuf {
        self.root.join("toolchain/lib/rustlib").join(target).join("lib")
    }

    fn stub(&self, path: &str, script: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let name = path.file_name().unwrap().display().to_string();
        let log = self.root.join("log");
        fs::write(&path, format!("#!/bin/sh\necho {name} \"$*\" >>{}\n{script}\n", log.display())).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What `cargo xtask bake --kind base` ends with: exit code, standard error, and the calls of other programs.
    fn run(&self) -> (Option<i32>, String, Vec<String>) {
        let Output { status, stderr, .. } = Command::new(self.root.join("start"))
            .args(["bake", "--kind", "base"])
            .env_clear()
            .env("PATH", self.root.join("bin"))
            .env("CARGO", self.root.join("toolchain/bin/cargo"))
            .env("RUSTUP_TOOLCHAIN", "1.95.0")
            .env("CARGO_MANIFEST_DIR", "/start")
            .env("CARGO_PKG_NAME", "start")
            .output()
            .unwrap();
        let log = fs::read_to_string(self.root.join("log")).unwrap_or_default();
        let calls = log.lines().map(str::to_owned).collect();
        (status.code(), String::from_utf8(stderr).unwrap(), calls)
    }
}

const CC: &str = "cc -fsyntax-only -x c -";
const ADD: &str = "rustup target add --toolchain 1.95.0 x86_64-unknown-linux-musl aarch64-unknown-linux-musl";
const BUILD: &str = "cargo build --release --package xtask";
const RUN: &str = "xtask bake --kind base";

#[test]
fn where_nothing_is_missing_xtask_is_run_and_nothing_said() {
    let machine = Machine::new("whole").with_targets().with("cc", "");
    assert_eq!(
        machine.run(),
        (Some(0), String::new(), vec![CC.to_owned(), BUILD.to_owned(), RUN.to_owned()])
    );
    // and a compiler is not looked for where xtask is there
    fs::write(machine.root.join("xtask"), "").unwrap();
    fs::remove_file(machine.root.join("bin/cc")).unwrap();
    assert_eq!(machine.run().0, Some(0));
}

#[test]
fn missing_targets_are_added_and_that_is_said() {
    let machine = Machine::new("targets").with("cc", "");
    let made = TARGETS.map(|target| machine.target(target).display().to_string()).join(" ");
    let machine = machine.with("rustup", &format!("/bin/mkdir -p {made}"));
    let (code, said, calls) = machine.run();
    assert_eq!(
        (code, calls),
        (Some(0), vec![ADD.to_owned(), CC.to_owned(), BUILD.to_owned(), RUN.to_owned()])
    );
    assert!(said.contains(&format!("running `{ADD}`")), "{said}");
}

#[test]
fn targets_that_cannot_be_added_end_it_at_once_with_the_command() {
    let (code, said, calls) = Machine::new("offline").with("cc", "").with("rustup", "exit 1").run();
    assert_eq!((code, calls), (Some(1), vec![ADD.to_owned()]));
    assert!(said.contains("error: the toolchain lacks x86_64-unknown-linux-musl and"), "{said}");
    assert!(said.contains(&format!("hint: run `{ADD}`")), "{said}");
    let (code, said, calls) = Machine::new("no-rustup").with("cc", "").run();
    assert_eq!((code, calls), (Some(1), vec![]));
    assert!(said.contains(&format!("hint: install rustup (https://rustup.rs), then `{ADD}`")), "{said}");
}

#[test]
fn a_c_compiler_that_is_missing_or_has_no_headers_ends_it_at_once_with_the_command() {
    let no_headers = "echo 'stdlib.h: No such file or directory' >&2; exit 1";
    for (machine, why) in [
        (Machine::new("no-cc").with_targets(), "No such file or directory (os error 2)"),
        (Machine::new("no-headers").with_targets().with("cc", no_headers), "stdlib.h: No such file"),
    ] {
        let (code, said, calls) = machine.run();
        assert_eq!((code, calls.iter().any(|call| call.starts_with("cargo"))), (Some(1), false));
        assert!(said.contains(why) && said.contains("hint: `apt-get install build-essential`"), "{said}");
    }
}
