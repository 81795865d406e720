//! `cargo xtask boot`: what it refuses, and what it says of a boot.

use anyhow::Result;
use serde_json::Value;
use std::fs;
use tests::shared::{BASE, Shared};

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

#[test]
fn a_boot_by_direct_kernel_meets_its_expectations_and_shows_where_its_time_went() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let room = scratch.path();
    let (log, svg, budget) = (room.join("console"), room.join("boot.svg"), room.join("budget.json"));
    fs::write(&budget, r#"{"milestones": {"multi-user": 1}}"#)?;
    let run =
        shared.run("boot").args([shared.disk(BASE, "raw")?]).option("--log", &log).option("--timeline", &svg);
    let run =
        run.option("--budget", &budget).args(["--direct", "--json", "--no-network", "--timeout", "400"]);
    let run = run.args(["--accel", "tcg"]);
    let run = run.args(["--expect", "system running", "--expect", "unit containerd.service active"]).args([
        "--expect",
        "run ctr version",
        "--expect",
        "console login:",
    ]);
    // nobody boots in a millisecond: the budget, and only that, is not kept
    let ended = run.end()?;
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains("over budget: multi-user after"), "{ended}");
    let report: Value = serde_json::from_str(&ended.stdout)?;
    let met = report["expectations"]
        .as_array()
        .map_or(0, |all| all.iter().filter(|one| one["seconds"].is_number()).count());
    assert_eq!(met, 4, "{report:#}");
    assert_eq!(report["timeline"]["failed"], serde_json::json!([]));
    let milestone = |name: &str| report["timeline"]["milestones"][name].as_f64().unwrap_or(f64::NAN);
    let order = ["init", "userspace", "sysinit", "basic", "multi-user"];
    assert!(order.windows(2).all(|pair| milestone(pair[0]) <= milestone(pair[1])), "{report:#}");
    assert!(fs::read_to_string(&log)?.contains("login:"));
    assert!(fs::read_to_string(&svg)?.contains("containerd.service ("));
    let beside: Value = serde_json::from_str(&fs::read_to_string(svg.with_extension("json"))?)?;
    assert_eq!(beside, report["timeline"]);
    Ok(())
}
