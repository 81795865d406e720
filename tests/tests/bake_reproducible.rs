//! Same inputs, same bytes: every bake gives what the first one of this run gave, whatever its surroundings.

use anyhow::{Result, ensure};
use std::path::Path;
use tests::outputs::whole;
use tests::run::{Run, give_to_ordinary_user};
use tests::shared::{BASE, Image, Shared};
use tests::standin::Arch;

/// Bakes `image` from a store that has just its inputs, in the way that `surroundings` says, and compares.
fn check(image: Image, surroundings: impl FnOnce(Run, &Path) -> Result<Run>) -> Result<()> {
    let shared = Shared::get()?;
    let wanted = shared.reference(image)?;
    let scratch = shared.scratch()?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("elsewhere/out"));
    shared.cold_store(image, &store)?;
    let run = surroundings(shared.bake(image, &store, &output)?, scratch.path())?;
    run.done()?;
    let got = whole(&output, &image.name())?;
    ensure!(got == wanted, "wanted {wanted:#?}, got {got:#?}");
    Ok(())
}

#[test]
fn another_folder_gives_the_same_bytes() -> Result<()> {
    check(BASE, |run, scratch| {
        let project = scratch.join("a project of another name");
        Shared::get()?.copy_project(&project)?;
        let temporary = scratch.join("temporary");
        std::fs::create_dir(&temporary)?;
        Ok(run.from_folder(&project).env("TMPDIR", temporary))
    })
}

#[test]
fn another_user_without_any_capability_or_user_namespace_gives_the_same_bytes() -> Result<()> {
    check(BASE, |run, scratch| {
        give_to_ordinary_user(scratch)?;
        Ok(run.as_ordinary_user().env("HOME", "/nonexistent"))
    })
}

#[test]
fn another_time_zone_language_and_a_strict_umask_give_the_same_bytes() -> Result<()> {
    check(BASE, |run, _| Ok(run.env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8").umask("077")))
}

#[test]
fn a_time_zone_by_rule_no_language_and_an_open_umask_give_the_same_bytes() -> Result<()> {
    check(BASE, |run, _| Ok(run.env("TZ", "NST3:30NDT2:30,M3.2.0,M11.1.0").env("LANG", "C").umask("000")))
}

#[test]
fn one_job_gives_the_same_bytes() -> Result<()> {
    check(BASE, |run, _| Ok(run.args(["--jobs", "1"])))
}

#[test]
fn two_jobs_and_a_store_that_was_used_give_the_same_bytes_again_and_offline() -> Result<()> {
    let shared = Shared::get()?;
    let wanted = shared.reference(BASE)?;
    let scratch = shared.scratch()?;
    let store = scratch.path().join("store");
    shared.cold_store(BASE, &store)?;
    for (name, args) in
        [("cold", vec!["--jobs", "2"]), ("warm", vec!["--jobs", "2"]), ("offline", vec!["--offline"])]
    {
        let output = scratch.path().join(name);
        shared.bake(BASE, &store, &output)?.args(args).done()?;
        ensure!(whole(&output, &BASE.name())? == wanted, "{name}");
        std::fs::remove_dir_all(output)?;
    }
    Ok(())
}

#[test]
fn sixteen_jobs_for_another_machine_give_the_same_bytes() -> Result<()> {
    check(Image { kind: "base", arch: Arch::Arm64 }, |run, _| Ok(run.args(["--jobs", "16"])))
}

#[test]
fn upstreams_components_give_the_same_bytes_with_one_job() -> Result<()> {
    check(Image { kind: "knc", arch: Arch::Amd64 }, |run, _| Ok(run.args(["--jobs", "1"]).umask("077")))
}

#[test]
fn a_source_date_epoch_changes_the_bytes_the_same_way_each_time() -> Result<()> {
    let shared = Shared::get()?;
    let reference = shared.reference(BASE)?;
    let (store, scratch) = (shared.warm_store(BASE)?, shared.scratch()?);
    let mut results = Vec::new();
    for name in ["one", "two"] {
        let output = scratch.path().join(name);
        shared.bake(BASE, &store, &output)?.env("SOURCE_DATE_EPOCH", "1700000000").done()?;
        results.push(whole(&output, &BASE.name())?);
    }
    ensure!(results[0] == results[1] && results[0] != reference);
    Ok(())
}
