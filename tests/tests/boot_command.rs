//! `cargo xtask boot`: what it refuses, and what it says of a boot that goes wrong; boot_cloud_init has one that goes well.

use anyhow::Result;
use serde_json::Value;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use tests::run::Run;
use tests::schema::Schema;
use tests::shared::Shared;

/// A run of `boot` under KVM with a QEMU that is none: `how` says what goes wrong there.
fn fake(shared: &Shared, room: &Path, how: &str) -> Result<Run> {
    let (programs, store) = (room.join("bin"), store::Store::open(&room.join("store"))?);
    fs::create_dir(&programs)?;
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fake-qemu"), programs.join("qemu-system-x86_64"))?;
    let (tree, _) = tests::image::small(&store)?;
    let options =
        bake::emit::Options { jobs: NonZeroUsize::MIN, keep_frames: false, published: bake::emit::NOWHERE };
    let plan = tests::image::plan()?;
    let prepared = tests::image::with_hint(bake::emit::prepare(&tree, &plan, &[disk::Format::Raw]))?;
    tests::image::with_hint(prepared.write(&store, &room.join("out"), options, |_| {}))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path)))?;
    let disk: PathBuf = room.join(tree::of_release!("out/base.", ".amd64.raw"));
    let run =
        shared.run("boot").args([disk]).args(["--accel", "kvm", "--no-shell", "--no-network", "--json"]);
    // nothing is written, and a layer over the disk would need qemu-img
    let run = run.args(["--write"]);
    Ok(run.env("PATH", path).env("FAKE_QEMU", how))
}

#[test]
fn a_machine_that_kvm_cannot_run_is_started_again_under_tcg_and_that_is_said() -> Result<()> {
    for (how, stall, expected) in [
        ("internal-error", "60", "QEMU stopped the machine: internal error"),
        ("silence", "2", "the machine made no progress"),
    ] {
        let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
        let log = scratch.path().join("console");
        let run = fake(&shared, scratch.path(), how)?.args(["--stall", stall, "--timeout", "60"]);
        let ended = run.args(["--expect", "console localhost login:"]).option("--log", &log).done()?;
        let said = format!("{expected} under KVM; retrying under TCG");
        assert!(ended.stderr.contains(&said), "{how}: {ended}");
        let report: Value = Schema::load("boot")?.check(&ended.stdout)?;
        assert_eq!(
            (&report["accelerator"], &report["again"]),
            (&"tcg".into(), &expected.into()),
            "{report:#}"
        );
        assert!(report["expectations"][0]["seconds"].is_number(), "{report:#}");
        // both starts are in the log
        assert_eq!(fs::read_to_string(&log)?.matches("BdsDxe: starting").count(), 2);
    }
    Ok(())
}

#[test]
fn a_boot_that_is_not_over_in_time_says_how_far_it_got_and_shows_the_end_of_its_console() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let run = fake(&shared, scratch.path(), "silence")?.args(["--timeout", "3", "--expect", "console never"]);
    let ended = run.end()?;
    assert_eq!(ended.code, Some(1), "{ended}");
    let report: Value = Schema::load("boot")?.check(&ended.stdout)?;
    assert_eq!(report["reached"], "firmware", "{report:#}");
    assert_eq!(report["stopped"], "the time limit was reached", "{report:#}");
    assert_eq!(report["console"], serde_json::json!(["BdsDxe: starting Boot0001"]));
    assert!(report["seconds"].as_f64().is_some_and(|seconds| (3.0..20.0).contains(&seconds)), "{report:#}");
    assert!(ended.stderr.contains("it reached the firmware or boot loader, not the kernel"), "{ended}");
    Ok(())
}

#[test]
fn what_is_no_disk_image_is_refused_before_anything_starts() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let (tar, empty) = (scratch.path().join("base.tar.zst"), scratch.path().join("base.raw"));
    fs::write(&tar, "")?;
    fs::File::create(&empty)?.set_len(1 << 20)?;
    let ended = shared.run("boot").args([&tar]).refused(2)?;
    assert!(ended.stderr.contains(".qcow2"), "{ended}");
    let ended = shared.run("boot").args([&empty]).end()?;
    assert!(ended.stderr.contains("no GUID partition table"), "{ended}");
    let wrong = shared.run("boot").args([&empty]).args(["--expect", "unit containerd active"]).end()?;
    assert_eq!(wrong.code, Some(2), "{wrong}");
    let without = shared.run("boot").args([&empty]).args(["--no-shell", "--expect", "system running"]);
    without.refused(2)?;
    Ok(())
}
