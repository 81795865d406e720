//! Bakes that must not be: what they say, and that they leave nothing behind.

use anyhow::{Context as _, Result, ensure};
use bake::name::Kind;
use std::fs;
use std::path::Path;
use tests::outputs::{outputs, whole};
use tests::run::{Ended, Run};
use tests::shared::{BASE, Image, Shared, blob};
use tests::standin::Arch;
use xshell::{Shell, cmd};

const KND: Image = Image { kind: "knd", arch: Arch::Amd64 };

/// Every blob and note of a store, with its size.
fn entries(store: &Path) -> Result<String> {
    let shell = Shell::new()?;
    shell.change_dir(store);
    let there: Vec<&str> = ["blobs", "notes"].into_iter().filter(|name| store.join(name).exists()).collect();
    if there.is_empty() {
        return Ok(String::new());
    }
    let found = cmd!(shell, "find {there...} -type f -printf %p:%s\\n").quiet().read()?;
    let mut lines: Vec<&str> = found.lines().collect();
    lines.sort_unstable();
    Ok(lines.join("\n"))
}

/// What holds for every refusal (R0): the exit code, one line, nothing new in the store, earlier outputs untouched.
fn refused(run: &Run, code: i32, store: &Path, output: &Path) -> Result<Ended> {
    fs::create_dir_all(output)?;
    fs::write(output.join("SHA256SUMS"), "")?;
    let before = (entries(store)?, outputs(output)?);
    let ended = run.refused(code)?;
    ensure!(before == (entries(store)?, outputs(output)?), "something was left behind\n{ended}");
    Ok(ended)
}

#[test]
fn a_component_that_is_declared_without_a_pin_is_named_when_a_bake_needs_it() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("out"));
    let run = shared
        .run("bake")
        .args(["--kind", "knd", "--arch", "amd64", "--provider", "aws"])
        .option("--lock", shared.lock(KND)?)
        .option("--configure", shared.configure(KND.arch)?)
        .option("--init", shared.init(KND.arch)?)
        .option("--store", &store)
        .option("--output", &output);
    let ended = refused(&run, 2, &store, &output)?;
    ensure!(ended.stderr.contains("kube2iam") && ended.stderr.contains("pin"), "{ended}");
    Ok(())
}

#[test]
fn an_unknown_format_is_answered_with_all_that_there_are() -> Result<()> {
    let shared = Shared::get()?;
    let ended = shared.run("bake").args(["--kind", "base", "--format", "raw,iso"]).end()?;
    let all = "`iso` is no format: wanted `tar.zst`, `raw`, `qcow2`, `vhd`, `vmdk`, `gce`";
    ensure!(ended.code == Some(2) && ended.stderr.contains(all), "{ended}");
    Ok(())
}

#[test]
fn a_component_of_one_cloud_is_in_the_image_for_that_cloud() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("out"));
    shared.cold_store(KND, &store)?;
    shared.bake(KND, &store, &output)?.args(["--provider", "aws"]).done()?;
    let artifact =
        outputs(&output)?.into_keys().find(|name| name.ends_with(".tar.zst")).context("an artifact")?;
    let (shell, artifact) = (Shell::new()?, output.join(artifact));
    let listing = cmd!(shell, "tar --list --zstd --file {artifact}").quiet().read()?;
    ensure!(listing.lines().any(|path| path.ends_with("opt/kube2iam/bin/kube2iam")));
    Ok(())
}

#[test]
fn a_pinned_package_that_is_nowhere_is_named_with_the_command_that_goes_on() -> Result<()> {
    let shared = Shared::get()?;
    let lock = shared.locked(BASE)?;
    let gone = lock.packages.iter().find(|package| package.name.as_str() == "dash").context("dash")?;
    let scratch = shared.scratch()?;
    let (store, output, mirror) =
        (scratch.path().join("store"), scratch.path().join("out"), scratch.path().join("empty-mirror"));
    shared.cold_store(BASE, &store)?;
    fs::remove_file(store.join(blob(&gone.sha256.into())))?;
    fs::create_dir(&mirror)?;
    let run = shared.bake(BASE, &store, &output)?;
    let run = run.option("--debian-mirror", &mirror).option("--debian-security-mirror", &mirror);
    let ended = refused(&run, 3, &store, &output)?;
    let wanted = ["dash", &gone.version, "cargo xtask lock --kind base"];
    ensure!(wanted.iter().all(|text| ended.stderr.contains(text)), "wanted {wanted:?}\n{ended}");
    // and offline it says the same of what the store lacks, without asking anyone
    let ended = refused(&shared.bake(BASE, &store, &output)?.args(["--offline"]), 3, &store, &output)?;
    ensure!(ended.stderr.contains("dash"), "{ended}");
    Ok(())
}

#[test]
fn wrong_use_is_refused_with_exit_code_2() -> Result<()> {
    let shared = Shared::get()?;
    for args in [
        vec!["bake", "--kind", "no-such-kind"],
        vec!["bake", "--kind", "../base"],
        vec!["bake", "--kind", "a\u{1b}[2Jb"],
        vec!["bake", "--kind", "base", "--arch", "mips"],
        vec!["plan", "--kind", "base", "--manifest", "/no/such/manifest.json"],
    ] {
        let ended = Run::new(&shared.program(), &shared.project(), args).end()?;
        ensure!(matches!(ended.code, Some(2 | 6)) && ended.stderr.contains("error: "), "{ended}");
        ensure!(!ended.stderr.contains('\u{1b}') && !ended.stderr.contains("panicked"), "{ended}");
    }
    ensure!("a\u{1b}[2Jb".parse::<Kind>().is_err());
    Ok(())
}

#[test]
fn c01_a_blob_that_was_changed_is_found_and_the_image_is_right_all_the_same() -> Result<()> {
    let shared = Shared::get()?;
    let wanted = shared.reference(BASE)?;
    let lock = shared.locked(BASE)?;
    let changed = lock.packages.iter().find(|package| package.name.as_str() == "bash").context("bash")?;
    let scratch = shared.scratch()?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("out"));
    shared.cold_store(BASE, &store)?;
    let path = store.join(blob(&changed.sha256.into()));
    let mut bytes = fs::read(&path)?;
    bytes[1000] ^= 1;
    fs::write(&path, bytes)?;
    // offline it cannot be had again, so there is no image; else it is fetched anew
    let ended = shared.bake(BASE, &store, &output)?.args(["--offline"]).end()?;
    ensure!(
        ended.code.is_some_and(|code| [3, 4].contains(&code)) && ended.stderr.contains("bash"),
        "{ended}"
    );
    shared.bake(BASE, &store, &output)?.done()?;
    ensure!(whole(&output, &BASE.name())? == wanted);
    Ok(())
}

#[test]
fn c09_what_another_has_changed_in_the_derived_forms_is_never_believed() -> Result<()> {
    let shared = Shared::get()?;
    let wanted = shared.reference(BASE)?;
    let scratch = shared.scratch()?;
    let store = scratch.path().join("store");
    shared.cold_store(BASE, &store)?;
    let inputs = entries(&store)?;
    shared.bake(BASE, &store, &scratch.path().join("first"))?.done()?;
    // one byte in the middle of every unpacked tar and every kept frame; sizes stay as they were
    let mut changed = 0;
    for line in entries(&store)?.lines().filter(|line| line.starts_with("blobs/") && !inputs.contains(*line))
    {
        let path = store.join(line.rsplit_once(':').context("a path and a size")?.0);
        let mut bytes = fs::read(&path)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        fs::write(&path, bytes)?;
        changed += 1;
    }
    ensure!(changed > 100, "only {changed} derived blobs");
    let output = scratch.path().join("second");
    shared.bake(BASE, &store, &output)?.done()?;
    ensure!(whole(&output, &BASE.name())? == wanted);
    Ok(())
}

#[test]
fn s10_another_package_under_the_name_of_a_pinned_one_is_refused() -> Result<()> {
    let shared = Shared::get()?;
    let lock = shared.locked(BASE)?;
    let package =
        |name: &str| lock.packages.iter().find(|one| one.name.as_str() == name).context("a package");
    let (pinned, other) = (package("dash")?, package("bash")?);
    let scratch = shared.scratch()?;
    let (store, output, mirror) =
        (scratch.path().join("store"), scratch.path().join("out"), scratch.path().join("mirror"));
    shared.cold_store(BASE, &store)?;
    // a real package, signed for by the same index, but not the one that is pinned; once whole, once of the right size
    let whole = fs::read(store.join(blob(&other.sha256.into())))?;
    fs::remove_file(store.join(blob(&pinned.sha256.into())))?;
    let served = mirror.join(&pinned.file);
    fs::create_dir_all(served.parent().context("a folder")?)?;
    let size = usize::try_from(pinned.size)?;
    for bytes in [&whole[..], &whole[..size]] {
        fs::write(&served, bytes)?;
        let run = shared.bake(BASE, &store, &output)?;
        let run = run.option("--debian-mirror", &mirror).option("--debian-security-mirror", &mirror);
        let ended = refused(&run, 4, &store, &output)?;
        ensure!(ended.stderr.contains("error: dash: fetch: "), "{ended}");
    }
    Ok(())
}
