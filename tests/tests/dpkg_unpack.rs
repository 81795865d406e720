//! The tree of Debian's packages is what the real dpkg of Debian 13 leaves after `dpkg --unpack`, and dpkg itself finds
//! our database right.
//!
//! The reference is made as debootstrap does: the Essential packages and what they need are extracted with tar, then the
//! tree's own dpkg unpacks all packages in a chroot without any mount. That needs root, here only. Ours is staged
//! from the same files with an empty recipe, laid out on disk, and shown to the same dpkg.

mod dpkg {
    mod caches;
    pub(crate) mod differences;
    pub(crate) mod ours;
    pub(crate) mod real;
}

use anyhow::{Context as _, Result, ensure};
use dpkg::{differences, ours, real};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tests::run::is_root;
use tests::shared::{BASE, Shared};
use xshell::{Shell, cmd};

/// What a path is, so that two trees can be compared: type, mode, owner, and target or digest.
pub(crate) type Listing = BTreeMap<String, String>;

fn debs(shared: &Shared) -> Result<Vec<PathBuf>> {
    Ok(shared.pool(BASE)?.into_iter().map(|(_, path)| path).collect())
}

#[test]
fn tree_and_database_are_what_dpkg_unpacks() -> Result<()> {
    ensure!(is_root()?, "needs root: a chroot for the reference");
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let ours = ours::stage_debs(&debs(&shared)?, &scratch.path().join("store"))?;
    let reference = real::unpack(&ours.debs, &scratch.path().join("reference"))?;
    let wrong = differences::unexplained(&reference.listing()?, &ours.listing());
    ensure!(wrong.is_empty(), "{} paths differ (dpkg, ours):\n{}", wrong.len(), wrong.join("\n"));
    ensure!(reference.hard_links()? == ours.hard_links(), "hard links differ");
    // unpacked and not configured there: the state, and no MD5 of conffiles yet
    let unpacked = differences::as_unpacked(&ours.text("/var/lib/dpkg/status")?);
    same_text("status", &reference.text("/var/lib/dpkg/status")?, &unpacked)?;
    for path in ours.paths_below("/var/lib/dpkg/info").chain(ours.paths_below("/var/lib/dpkg/triggers")) {
        same_text(path, &reference.text(path)?, &ours.text(path)?)?;
    }
    Ok(())
}

#[test]
fn dpkg_finds_the_database_right() -> Result<()> {
    ensure!(is_root()?, "needs root: to lay out owners, and for a chroot");
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let ours = ours::stage_debs(&debs(&shared)?, &scratch.path().join("store"))?;
    let root = scratch.path().join("root");
    ours.lay_out(&root)?;
    let shell = Shell::new()?;
    let dpkg = |args: &[&str]| -> Result<String> {
        let run = cmd!(shell, "chroot {root} dpkg {args...}").env_clear().env("PATH", "/usr/sbin:/usr/bin");
        Ok(run.env("LC_ALL", "C.UTF-8").quiet().read()?)
    };
    assert_eq!(dpkg(&["--audit"])?, "");
    assert_eq!(dpkg(&["--verify"])?, "");
    let list = dpkg(&["--list"])?;
    assert_eq!(list.lines().filter(|line| line.starts_with("ii ")).count(), ours.debs.len(), "{list}");
    for (path, package) in
        [("/usr/bin/sh", "dash"), ("/usr/bin/dpkg", "dpkg"), ("/etc/debian_version", "base-files")]
    {
        assert_eq!(dpkg(&["--search", path])?, format!("{package}: {path}"));
    }
    assert!(dpkg(&["--search", "/etc/passwd"]).is_err(), "no package owns what the bake makes");
    for program in ["pwck", "grpck"] {
        let checked = cmd!(shell, "chroot {root} {program} --read-only --quiet")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin")
            .quiet()
            .ignore_status();
        let problems = checked.ignore_stderr().read()?;
        // home directories are made by services, packages and the first login, not by the database
        let other: Vec<_> = problems
            .lines()
            .filter(|line| !line.contains("does not exist") && !line.contains("no changes"))
            .collect();
        assert!(other.is_empty(), "{program}: {other:?}");
    }
    Ok(())
}

fn same_text(name: &str, reference: &str, ours: &str) -> Result<()> {
    let mut lines = reference.lines().zip(ours.lines()).enumerate();
    let first = lines.find(|(_, (a, b))| a != b);
    let first = first.map(|(index, (a, b))| format!("line {}: dpkg `{a}`, ours `{b}`", index + 1));
    ensure!(reference == ours, "`{name}` differs: {}", first.as_deref().unwrap_or("one is longer"));
    Ok(())
}

/// Reads a file whole, with its name in the error.
fn read(path: &std::path::Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}
