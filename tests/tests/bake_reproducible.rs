//! Same inputs, same bytes: every bake gives what the first one of this run gave, whatever its surroundings.
//!
//! The variations are those of reprotest(1): each alone, so that a difference has a name (of a small image, which is enough for
//! that), and then all at once for every format.

use anyhow::{Result, ensure};
use std::path::Path;
use tests::outputs::whole;
use tests::run::{Run, give_to_ordinary_user, is_root};
use tests::shared::{BASE, Image, SMALL, Shared, all_formats};
use tests::standin::Arch;

/// Bakes `image` from a store that has just its inputs, in the way that `surroundings` says, and compares.
fn check(image: Image, surroundings: impl FnOnce(Run, &Path) -> Result<Run>) -> Result<()> {
    let shared = Shared::get()?;
    let expected = shared.reference(image)?;
    let scratch = shared.scratch()?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("elsewhere/out"));
    shared.cold_store(image, &store)?;
    let run = surroundings(shared.bake(image, &store, &output)?, scratch.path())?;
    run.done()?;
    let got = whole(&output, &image.name())?;
    ensure!(got == expected, "expected {expected:#?}, found {got:#?}");
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
    check(SMALL, |run, scratch| {
        give_to_ordinary_user(scratch)?;
        Ok(run.as_ordinary_user().env("HOME", "/nonexistent"))
    })
}

#[test]
fn another_time_zone_language_and_a_strict_umask_give_the_same_bytes() -> Result<()> {
    check(SMALL, |run, _| Ok(run.env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8").umask("077")))
}

#[test]
fn a_time_zone_by_rule_no_language_and_an_open_umask_give_the_same_bytes() -> Result<()> {
    check(SMALL, |run, _| Ok(run.env("TZ", "NST3:30NDT2:30,M3.2.0,M11.1.0").env("LANG", "C").umask("000")))
}

#[test]
fn one_job_gives_the_same_bytes() -> Result<()> {
    check(SMALL, |run, _| Ok(run.args(["--jobs", "1"])))
}

#[test]
fn two_jobs_and_a_store_that_was_used_give_the_same_bytes_again_and_offline() -> Result<()> {
    let shared = Shared::get()?;
    let expected = shared.reference(BASE)?;
    let scratch = shared.scratch()?;
    let store = scratch.path().join("store");
    shared.cold_store(BASE, &store)?;
    for (name, args) in
        [("cold", vec!["--jobs", "2"]), ("warm", vec!["--jobs", "2"]), ("offline", vec!["--offline"])]
    {
        let output = scratch.path().join(name);
        shared.bake(BASE, &store, &output)?.args(args).done()?;
        ensure!(whole(&output, &BASE.name())? == expected, "{name}");
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

/// Bakes `base` in every format from a store that has just its inputs, in the way that `surroundings` says, and compares.
fn check_all_formats(surroundings: impl FnOnce(Run, &Path) -> Result<Run>) -> Result<()> {
    let shared = Shared::get()?;
    let expected = shared.reference_of_all(BASE)?;
    let scratch = shared.scratch()?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("elsewhere/out"));
    shared.cold_store(BASE, &store)?;
    let run = shared.bake(BASE, &store, &output)?.option("--format", all_formats()).args(["--offline"]);
    surroundings(run, scratch.path())?.done()?;
    let got = whole(&output, &BASE.name())?;
    ensure!(got == expected, "expected {expected:#?}, found {got:#?}");
    Ok(())
}

/// A new namespace of this sort, by someone who may be no root.
fn unshare(sort: &str) -> Result<Vec<&str>> {
    let mut words = vec!["unshare", sort];
    if !is_root()? {
        words.extend(["--user", "--map-root-user"]);
    }
    Ok(words)
}

/// aslr, build_path, domain_host, environment, exec_path, home, kernel, locales, num_cpus, time, timezone, umask and
/// user_group; fileordering is below.
#[test]
fn all_variations_of_reprotest_at_once_give_the_same_bytes_of_every_format() -> Result<()> {
    let (arch, cpu) = (std::env::consts::ARCH, "0");
    let names = "echo i-capture-the-hostname >/proc/sys/kernel/hostname && echo i-capture-the-domain \
                 >/proc/sys/kernel/domainname && exec \"$@\"";
    check_all_formats(|run, scratch| {
        let (project, home) = (scratch.join("build-experiment-1"), scratch.join("home/of/another"));
        Shared::get()?.copy_project(&project)?;
        std::fs::create_dir_all(&home)?;
        give_to_ordinary_user(scratch)?;
        let path = std::env::var("PATH")? + ":/i_capture_the_path";
        let run = run.under(unshare("--uts")?).under(["sh", "-c", names, "sh"]);
        let run =
            run.under(["setarch", arch, "--addr-no-randomize", "--uname-2.6", "taskset", "--cpu-list", cpu]);
        let run = run.under(["faketime", "+399days+7hours+13minutes"]);
        let run =
            run.from_folder(&project).as_ordinary_user().umask("0002").env("HOME", home).env("PATH", path);
        let run = run.env("CAPTURE_ENVIRONMENT", "i_capture_the_environment").env("TZ", "GMT-14");
        Ok(run.env("LANG", "et_EE.UTF-8").env("LC_ALL", "et_EE.UTF-8").env("LANGUAGE", "et_EE:fr"))
    })
}

/// The store is on an overlay, temporary files in memory, and the project where names are listed in another order each
/// time. Its file system is a process of this namespace, and ends when it is unmounted.
#[test]
fn other_file_systems_and_another_order_of_names_give_the_same_bytes_of_every_format() -> Result<()> {
    check_all_formats(|run, scratch| {
        for folder in ["upper", "work", "memory", "project", "shuffled"] {
            std::fs::create_dir(scratch.join(folder))?;
        }
        Shared::get()?.copy_project(&scratch.join("project"))?;
        let mounts = format!(
            "set -e; cd '{}'; mount -t tmpfs tmpfs memory; \
             mount -t overlay overlay -o lowerdir=store,upperdir=upper,workdir=work store; \
             disorderfs --quiet --multi-user=no --shuffle-dirents=yes --reverse-dirents=no --pad-blocks=7 project shuffled; \
             cd shuffled; set +e; \"$@\"; code=$?; cd ..; umount shuffled; exit $code",
            scratch.display()
        );
        let run = run.under(unshare("--mount")?).under(["sh", "-c", &mounts, "sh"]);
        Ok(run.env("TMPDIR", scratch.join("memory")))
    })
}
