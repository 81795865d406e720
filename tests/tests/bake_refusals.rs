//! Bakes that must not be: what they say, and that they leave nothing behind.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tests::outputs::{outputs, whole};
use tests::run::{Ended, Run};
use tests::shared::{BASE, Image, SMALL, Shared, blob};
use tests::standin::Arch;
use tests::workspace;
use tree::name::Kind;
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

/// The committed manifest of knc with what `change` does to it, in a file.
fn changed(folder: &Path, change: impl FnOnce(&mut serde_json::Value)) -> Result<PathBuf> {
    let bytes = fs::read(workspace::root().join(tree::of_release!("manifests/knc.", ".amd64.json")))?;
    let mut manifest: serde_json::Value = serde_json::from_slice(&bytes)?;
    change(&mut manifest["vmconfig"]);
    let path = folder.join("changed.json");
    fs::write(&path, serde_json::to_vec_pretty(&manifest)?)?;
    Ok(path)
}

#[test]
fn the_manifest_says_which_of_two_registries_is_in_an_image() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let pin = json!({"version": "0.3.0", "url": "https://github.com/podplane/registry/releases/download/v0.3.0/registry_0.3.0_linux_amd64.tar.gz",
        "type": "tar.gz", "digest": format!("sha256:{}", "5a".repeat(32)), "size": 9_000_000});
    for (own, zot) in [(false, true), (true, false), (true, true)] {
        let manifest = changed(scratch.path(), |vmconfig| {
            if let Some(components) = vmconfig["dependencies"].as_object_mut() {
                if own {
                    components.insert("registry".to_owned(), pin.clone());
                }
                if !zot {
                    components.remove("zot");
                }
            }
        })?;
        let run = plan_for_aws(&shared, Some(&manifest))?.args(["--json"]).done()?;
        let plan: serde_json::Value = serde_json::from_str(&run.stdout)?;
        for (unit, there) in [("registry.service", own), ("zot.service", zot)] {
            ensure!(plan["plan"]["enable"].get(unit).is_some() == there, "{unit} {own} {zot}");
            let files = plan["plan"]["files"].as_array().context("files")?;
            let path = format!("/etc/systemd/system/{unit}");
            ensure!(files.iter().any(|file| file["path"] == path.as_str()) == there, "{path} {own} {zot}");
        }
    }
    Ok(())
}

/// A plan of knc for aws, from the committed pins or from `manifest`.
fn plan_for_aws(shared: &Shared, manifest: Option<&Path>) -> Result<Run> {
    let image = Image { kind: "knc", arch: Arch::Amd64 };
    let run = shared.run("plan").args(["--kind", "knc", "--arch", "amd64", "--provider", "aws"]);
    let run = manifest.into_iter().fold(run, |run, path| run.option("--manifest", path));
    Ok(run
        .option("--lock", shared.lock(image)?)
        .option("--configure", shared.configure(image.arch)?)
        .option("--first-boot", shared.first_boot(image.arch)?)
        .option("--init", shared.init(image.arch)?))
}

#[test]
fn a_source_date_epoch_that_is_no_time_is_wrong_use_with_the_way_out() -> Result<()> {
    let shared = Shared::get()?;
    for wrong in ["", "yesterday", "-1", "1e9", " 1700000000", "99999999999"] {
        let ended = shared.about("plan", BASE)?.env("SOURCE_DATE_EPOCH", wrong).refused(2)?;
        ensure!(ended.stderr.contains(&format!("found `{wrong}`")), "{ended}");
        ensure!(ended.stderr.contains("\nhint: set `SOURCE_DATE_EPOCH=$("), "{ended}");
    }
    Ok(())
}

#[test]
fn a_plan_for_aws_without_a_pin_of_kube2iam_leaves_it_out_and_says_so() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let ended = plan_for_aws(&shared, None)?.done()?;
    ensure!(ended.stdout.contains("kube2iam: left out, as the manifest does not have it"), "{ended}");
    // a version without a pin is none either
    let declared = changed(scratch.path(), |vmconfig| {
        vmconfig["dependencies"]["kube2iam"] =
            json!({"version": "0.15.0", "url": "", "type": "tar.gz", "digest": "", "size": 0});
    })?;
    let ended = plan_for_aws(&shared, Some(&declared))?.done()?;
    ensure!(ended.stdout.contains("kube2iam: left out, as the manifest declares 0.15.0"), "{ended}");
    // and nothing of it is in the image
    let plan: serde_json::Value =
        serde_json::from_str(&plan_for_aws(&shared, None)?.args(["--json"]).done()?.stdout)?;
    let plan = &plan["plan"];
    ensure!(plan["enable"].get("kube2iam.service").is_none() && plan["enable"].get("zot.service").is_some());
    let files: Vec<&str> =
        plan["files"].as_array().context("files")?.iter().filter_map(|file| file["path"].as_str()).collect();
    ensure!(files.contains(&"/etc/systemd/system/zot.service"), "{files:?}");
    ensure!(!files.contains(&"/etc/systemd/system/kube2iam.service"), "{files:?}");
    Ok(())
}

#[test]
fn a_manifest_is_read_as_upstream_publishes_it_and_its_debs_are_taken_from_the_lock() -> Result<()> {
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let deb = |version: &str, path: &str| {
        json!({
            "version": version,
            "url": format!("https://ftp.debian.org/debian/pool/main/{path}_{version}_amd64.deb"),
            "type": "deb",
            "digest": format!("sha256:{}", "ab".repeat(32)),
            "size": 1,
            "cached": true,
        })
    };
    let published = |libpq5: &str| {
        changed(scratch.path(), |vmconfig| {
            let all = &mut vmconfig["dependencies"];
            all["libpq5"] = deb(libpq5, "p/postgresql-17/libpq5");
            // upstream leaves the epoch out: Debian's version is 1:4.17.4-2
            all["libsubid5"] = deb("4.17.4-2", "s/shadow/libsubid5");
            all["uidmap"] = deb("4.17.4-2", "s/shadow/uidmap");
            all["runc"]["cached"] = json!(true);
            vmconfig["os"]["image"]["cached"] = json!(true);
            vmconfig["images"][0]["cached"] = json!(false);
        })
    };
    let ended = plan_for_aws(&shared, Some(&published("17.9-0+deb13u1")?))?.done()?;
    for said in [
        "libpq5 17.9-0+deb13u1: taken from the lock, which has 17.",
        "uidmap 4.17.4-2: taken from the lock, which has 1:4.17.4-2",
    ] {
        ensure!(ended.stdout.contains(said), "expected `{said}`\n{ended}");
    }
    // a version that the lock does not have yet is never replaced by an older one
    let ended = plan_for_aws(&shared, Some(&published("99-1")?))?.refused(2)?;
    ensure!(
        ended.stderr.contains("error: libpq5: plan: expected version `99-1` or later in the lock"),
        "{ended}"
    );
    ensure!(ended.stderr.contains("hint: run `cargo xtask lock --kind knc --arch amd64` to lock"), "{ended}");
    Ok(())
}

#[test]
fn an_override_of_the_policy_is_told_by_plan_by_bake_and_by_the_record() -> Result<()> {
    let shared = Shared::get()?;
    let line = "containerd 2.3.1: allowed by an override in manifests/policy.toml (";
    let ended = shared.about("plan", KND)?.done()?;
    ensure!(ended.stdout.contains(line) && ended.stdout.contains("CVE-2026-53488"), "{ended}");
    let scratch = shared.scratch()?;
    let bake = shared.bake(KND, &shared.warm_store(KND)?, scratch.path())?;
    for quiet in [&[][..], &["--quiet"]] {
        let ended = bake.clone().args(quiet.iter().copied()).done()?;
        ensure!(ended.stderr.contains(&format!("warning: {line}")), "{ended}");
    }
    let report: serde_json::Value = serde_json::from_str(&bake.args(["--json"]).done()?.stdout)?;
    let record = fs::read(scratch.path().join(format!("{}.record.json", KND.name())))?;
    let record: serde_json::Value = serde_json::from_slice(&record)?;
    for remarks in [&report["remarks"], &record["remarks"]] {
        let remark = remarks.as_array().context("remarks")?.first().context("a remark")?;
        ensure!(remark["remark"] == "overridden" && remark["name"] == "containerd", "{remark}");
        ensure!(remark["approved_by"].is_string() && remark["reason"].is_string(), "{remark}");
    }
    Ok(())
}

#[test]
fn an_unknown_format_is_answered_with_all_that_there_are() -> Result<()> {
    let shared = Shared::get()?;
    let ended = shared.run("bake").args(["--kind", "base", "--format", "raw,iso"]).end()?;
    let all = tests::shared::all_formats().replace(',', "`, `");
    let all = format!("`iso` is no format: expected `{all}`");
    ensure!(ended.code == Some(2) && ended.stderr.contains(&all), "{ended}");
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
    let expected = ["dash", &gone.version, "cargo xtask lock --kind base"];
    ensure!(expected.iter().all(|text| ended.stderr.contains(text)), "expected {expected:?}\n{ended}");
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
fn a_blob_that_was_changed_is_found_and_the_image_is_right_all_the_same() -> Result<()> {
    let shared = Shared::get()?;
    let expected = shared.reference(SMALL)?;
    let lock = shared.locked(SMALL)?;
    let changed = lock.packages.iter().find(|package| package.name.as_str() == "bash").context("bash")?;
    let scratch = shared.scratch()?;
    let (store, output) = (scratch.path().join("store"), scratch.path().join("out"));
    shared.cold_store(SMALL, &store)?;
    let path = store.join(blob(&changed.sha256.into()));
    let mut bytes = fs::read(&path)?;
    bytes[1000] ^= 1;
    fs::write(&path, bytes)?;
    // offline it cannot be had again, so there is no image; else it is fetched again
    let ended = shared.bake(SMALL, &store, &output)?.args(["--offline"]).end()?;
    ensure!(
        ended.code.is_some_and(|code| [3, 4].contains(&code)) && ended.stderr.contains("bash"),
        "{ended}"
    );
    shared.bake(SMALL, &store, &output)?.done()?;
    ensure!(whole(&output, &SMALL.name())? == expected);
    Ok(())
}

#[test]
fn what_another_has_changed_in_the_derived_forms_is_never_believed() -> Result<()> {
    let shared = Shared::get()?;
    let expected = shared.reference(SMALL)?;
    let scratch = shared.scratch()?;
    let store = scratch.path().join("store");
    shared.cold_store(SMALL, &store)?;
    let inputs = entries(&store)?;
    shared.bake(SMALL, &store, &scratch.path().join("first"))?.done()?;
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
    ensure!(changed > 70, "only {changed} derived blobs");
    let output = scratch.path().join("second");
    shared.bake(SMALL, &store, &output)?.done()?;
    ensure!(whole(&output, &SMALL.name())? == expected);
    Ok(())
}

#[test]
fn another_package_under_the_name_of_a_pinned_one_is_refused() -> Result<()> {
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
