//! What tests need is listed and then installed, and work that takes its time says so.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tests::run::{Ended, Run};
use tests::shared::{BASE, Shared};
use tests::workspace;

/// A machine on whose path are only a few programs: of those that tests need, nearly all are missing.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new() -> Result<Self> {
        let machine = Self { dir: tempfile::tempdir()? };
        fs::create_dir(machine.bin())?;
        for program in ["bash", "sh", "env", "dirname", "id", "cat", "sleep"] {
            let place = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
            let place = place.iter().find(|path| path.exists()).with_context(|| program.to_owned())?;
            std::os::unix::fs::symlink(place, machine.bin().join(program))?;
        }
        machine.stub("sudo", "shift; exec \"$@\"")?;
        machine.stub("cargo", "exit 0")?;
        Ok(machine)
    }

    fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    /// A program that writes down how it is called, and says so.
    fn stub(&self, name: &str, script: &str) -> Result<()> {
        let (path, log) = (self.bin().join(name), self.dir.path().join("log"));
        let text =
            format!("#!/bin/sh\necho \"{name} $*\" >>{}\necho \"called: {name} $*\" >&2\n", log.display());
        fs::write(&path, format!("{text}{script}\n"))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
    }

    fn run(&self, args: &[&str]) -> Result<Ended> {
        let run = Run::new(&workspace::program()?, workspace::root(), args.iter().copied());
        run.env("PATH", self.bin()).env("CARGO", self.bin().join("cargo")).env("CI", "").end()
    }

    fn calls(&self, program: &str) -> Vec<String> {
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        log.lines().filter(|line| line.split(' ').next() == Some(program)).map(str::to_owned).collect()
    }
}

#[test]
fn setup_lists_what_is_missing_and_what_it_is_for_and_then_installs_it() -> Result<()> {
    let machine = Machine::new()?;
    machine.stub("apt-get", "exit 0")?;
    let ended = machine.run(&["setup"])?;
    ensure!(ended.code == Some(0), "{ended}");
    let listed = ended.stderr.find("  disorderfs ").context("disorderfs is not listed")?;
    ensure!(ended.stderr.contains("another order of the names in a folder"), "{ended}");
    let first_call = ended.stderr.find("called: apt-get").context("apt-get is not called")?;
    ensure!(listed < first_call, "{ended}");
    let calls = machine.calls("apt-get");
    ensure!(
        calls.len() == 2 && calls[1].contains(" install ") && calls[1].contains(" disorderfs"),
        "{calls:?}"
    );
    ensure!(!calls.concat().contains("downgrades"), "{calls:?}");
    Ok(())
}

#[test]
fn a_test_run_sets_up_first_or_only_reports() -> Result<()> {
    let machine = Machine::new()?;
    machine.stub("apt-get", "exit 0")?;
    let ended = machine.run(&["test", "--no-setup", "some_filter"])?;
    ensure!(ended.code == Some(0), "{ended}");
    ensure!(ended.stderr.contains("not installed") && ended.stderr.contains("  disorderfs "), "{ended}");
    ensure!(machine.calls("apt-get").is_empty(), "{ended}");
    ensure!(machine.calls("cargo").iter().any(|call| call.contains("nextest run")), "{ended}");
    let ended = machine.run(&["test", "some_filter"])?;
    ensure!(ended.code == Some(0), "{ended}");
    let order = |what: &str| ended.stderr.find(what).with_context(|| format!("no `{what}`\n{ended}"));
    ensure!(order("called: apt-get")? < order("called: cargo nextest run")?, "{ended}");
    Ok(())
}

#[test]
fn without_apt_the_packages_are_named_with_the_way_round_them() -> Result<()> {
    let machine = Machine::new()?;
    let ended = machine.run(&["setup"])?;
    ensure!(ended.code == Some(1), "{ended}");
    let error = ended.stderr.lines().last().unwrap_or_default();
    ensure!(error.contains("has no apt-get") && error.contains("disorderfs"), "{ended}");
    ensure!(error.contains("--no-setup"), "{ended}");
    Ok(())
}

#[test]
fn a_program_that_takes_its_time_to_build_is_named_meanwhile() -> Result<()> {
    let machine = Machine::new()?;
    machine.stub("cargo", "sleep 2")?;
    let said = |run: Ended| run.stderr.lines().any(|line| line.contains("building `configure` for x86_64-"));
    ensure!(said(machine.run(&["program", "configure"])?), "nothing was said");
    machine.stub("cargo", "exit 0")?;
    ensure!(!said(machine.run(&["program", "configure"])?), "it was up to date");
    Ok(())
}

#[test]
fn resolving_and_unpacking_say_what_goes_on_unless_they_are_told_to_be_quiet() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("lock.toml"));
    shared.cold_store(BASE, &store)?;
    let lock = |args: &[&str]| {
        let run =
            shared.run("lock").args(["--kind", BASE.kind, "--arch", "amd64"]).args(args.iter().copied());
        run.option("--store", &store).option("--output", &output).done()
    };
    let said = lock(&[])?.stderr;
    for line in [
        "resolving the packages of base on amd64",
        tree::joined!("/dists/", tree::release::CODENAME, "/InRelease"),
        "unpacking ",
    ] {
        ensure!(said.lines().any(|one| one.contains(line)), "no `{line}` in\n{said}");
    }
    ensure!(lock(&["--quiet"])?.stderr.is_empty(), "it was to be quiet");
    Ok(())
}
