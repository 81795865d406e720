//! What `--json` prints has the shape of the schemas in `docs/schemas/`, on failure as well.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use tests::run::Run;
use tests::schema::Schema;
use tests::shared::{BASE, Image, Shared};
use tests::standin::Arch;
use tests::workspace;

/// Runs it and holds its answer to the schema `name`.
fn answer(name: &str, run: Run) -> Result<Value> {
    Schema::load(name)?.check(&run.args(["--json"]).done()?.stdout)
}

#[test]
fn each_answer_has_the_shape_of_its_schema() -> Result<()> {
    let shared = Shared::get()?;
    let knd = Image { kind: "knd", arch: Arch::Amd64 };
    let (scratch, store) = (shared.scratch()?, shared.warm_store(knd)?);
    let output = scratch.path().join("out");
    let in_store = |run: Run| run.option("--store", &store);
    for image in [BASE, knd] {
        answer("plan", in_store(shared.about("plan", image)?))?;
    }
    let baked = answer("bake", shared.bake(knd, &store, &output)?.option("--format", "tar.zst,raw"))?;
    ensure!(baked["files"].as_array().is_some_and(|files| files.len() >= 4), "{baked}");
    // what stands next to the artifacts
    for name in BESIDE {
        let path = output.join(format!("{}.{name}.json", knd.name()));
        Schema::load(name)?.check(&fs::read_to_string(path)?)?;
    }
    let fetched = shared.about("fetch", knd)?.option("--mirror", shared.mirror(knd.arch)?);
    answer("fetch", in_store(fetched))?;
    let check = shared.run("lock").args(["--check", "--kind", "knd", "--arch", "amd64"]);
    answer("lock", check.option("--output", shared.lock(knd)?))?;
    let artifact = |end: &str| output.join(format!("{}.{end}", knd.name()));
    for end in ["tar.zst", "raw"] {
        answer("inspect", shared.run("inspect").args([artifact(end)]))?;
        answer("verify", shared.run("verify").args([artifact(end)]))?;
    }
    for path in ["/usr/bin", "/usr/bin/kubelet", "/etc/passwd", "/etc/containerd/config.toml"] {
        answer("inspect", shared.run("inspect").args([artifact("tar.zst").as_os_str(), path.as_ref()]))?;
        answer("why", shared.run("why").args([artifact("tar.zst").as_os_str(), path.as_ref()]))?;
    }
    // an input, by its digest
    let manifest: Value = serde_json::from_slice(&fs::read(shared.manifest(knd)?)?)?;
    for component in ["fluent-bit", "cni-plugins"] {
        let digest =
            manifest["vmconfig"]["dependencies"][component]["digest"].as_str().context("a digest")?;
        answer("inspect", in_store(shared.run("inspect").args([digest])))?;
    }
    Ok(())
}

#[test]
fn each_answer_about_a_store_has_the_shape_of_its_schema() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let store = scratch.path().join("store");
    shared.cold_store(BASE, &store)?;
    let in_store = |words: &[&str]| shared.run("store").args(words.iter().copied()).option("--store", &store);
    answer("store-path", in_store(&["path"]))?;
    let checked = answer("store-verify", in_store(&["verify"]))?;
    let bytes = checked["bytes"].as_u64().context("bytes")?;
    // half of it goes, and never more than has to
    let most = bytes / 2;
    let swept = answer("store-gc", in_store(&["gc", "--max-size", &most.to_string()]))?;
    let kept = swept["kept_bytes"].as_u64().context("bytes")?;
    ensure!(kept <= most && swept["files"].as_u64() > Some(0), "{swept}");
    ensure!(swept["bytes"].as_u64().map(|removed| removed + kept) == Some(bytes), "{swept} of {bytes}");
    let none = format!("sha256:{}", "0".repeat(64));
    ensure!(answer("store-forget", in_store(&["forget", &none]))? == Value::Bool(false));
    Ok(())
}

#[test]
fn a_failure_is_one_document_that_has_what_standard_error_says() -> Result<()> {
    let shared = Shared::get()?;
    let schema = Schema::load("error")?;
    let cases: [(&[&str], i32, Option<&str>); 10] = [
        (&["plan", "--kind", "bsae", "--json"], 2, Some("parse")),
        (&["inspect", "/no/such/file", "--json"], 6, Some("inspect")),
        (&["verify", "--json"], 2, None),
        (&["plan", "--kind", "base", "--no-such-option", "--json"], 2, None),
        (&["store", "path", "--project", "/", "--json"], 2, None),
        // a folder that is none of vmbake's, and one that is not there
        (&["plan", "--kind", "base", "--project", "/", "--json"], 2, Some("parse")),
        (&["lock", "--check", "--project", "/no/such/folder", "--json"], 2, Some("parse")),
        (&["pin", "runc", "1.4.0", "--project", "/no/such/folder", "--json"], 2, Some("parse")),
        (&["boot", "base.raw", "--budget", "/dev/null", "--json"], 2, Some("parse")),
        (&["boot", "/no/such/base.raw", "--json"], 2, Some("inspect")),
    ];
    for (words, code, stage) in cases {
        let (command, rest) = words.split_first().context("a command")?;
        let ended = shared.run(command).args(rest.iter().copied()).end()?;
        ensure!(ended.code == Some(code), "{ended}");
        let error = &schema.check(&ended.stdout)?["error"];
        ensure!(error["exit_code"] == code && error["stage"].as_str() == stage, "{error}");
        let message = error["message"].as_str().context("a message")?;
        ensure!(ended.stderr.contains(&format!("error: {message}")), "{ended}");
        if let Some(hint) = error["hint"].as_str() {
            ensure!(ended.stderr.contains(&format!("hint: {hint}")), "{ended}");
        }
    }
    // without --json standard output has nothing
    let ended = shared.run("plan").args(["--kind", "bsae"]).refused(2)?;
    ensure!(ended.stdout.is_empty(), "{ended}");
    Ok(())
}

#[test]
fn an_answer_that_says_what_failed_is_the_only_document() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let run = shared.run("lock").args(["--check", "--json", "--kind", "base", "--arch", "amd64"]);
    let ended = run.option("--output", scratch.path().join("none.toml")).refused(2)?;
    let reports = Schema::load("lock")?.check(&ended.stdout)?;
    ensure!(reports[0]["disagreements"][0] == "no lock found", "{reports}");
    Ok(())
}

/// What a bake writes beside its artifacts.
const BESIDE: [&str; 3] = ["disk", "files", "record"];

#[test]
fn each_command_that_answers_in_json_has_a_schema_and_each_schema_a_command() -> Result<()> {
    let shared = Shared::get()?;
    // those with commands of their own have a schema for each of these
    let listed = |help: &str| -> Vec<String> {
        let commands = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
        let lines = commands.lines().take_while(|line| line.starts_with("  "));
        let names = lines
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    };
    let mut found: Vec<String> = BESIDE.into_iter().chain(["error"]).map(str::to_owned).collect();
    for command in listed(&shared.run("--help").done()?.stdout) {
        let help = shared.run(&command).args(["--help"]).done()?.stdout;
        if help.contains("--json") {
            found.push(command.clone());
        }
        for one in listed(&help) {
            let help = shared.run(&command).args([one.as_str(), "--help"]).done()?.stdout;
            if help.contains("--json") {
                found.push(format!("{command}-{one}"));
            }
        }
    }
    let mut published = Vec::new();
    for entry in fs::read_dir(workspace::root().join("docs/schemas"))? {
        let name = entry?.file_name().into_string().ok().context("a name")?;
        published.extend(name.strip_suffix(".schema.json").map(str::to_owned));
    }
    found.sort();
    published.sort();
    ensure!(found == published, "commands {found:?}, schemas {published:?}");
    Ok(())
}
