//! A host that lives long: where it gets updates from, who vouches for them, what they do not bring back, and the recipe of
//! docs/updates.md, which is baked as it stands there.

use anyhow::{Context as _, Result, ensure};
use bake::recipe::{Body, Recipe};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tests::recipes::recipe;
use tests::run::Run;
use tests::shared::{BASE, Shared};
use tests::workspace;
use tree::release::CODENAME;
use xshell::{Shell, cmd};

const SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";
const LEFT_OUT: &str = "/etc/dpkg/dpkg.cfg.d/10-left-out";

fn text(recipe: &Recipe, path: &str) -> Result<String> {
    let file = recipe.files.get(&(path.parse()?, None)).with_context(|| path.to_owned())?;
    let Body::Bytes(bytes) = &file.body else { anyhow::bail!("`{path}` is a link") };
    Ok(std::str::from_utf8(bytes)?.to_owned())
}

/// The stanzas of a deb822 file, by field.
fn stanzas(text: &str) -> Vec<BTreeMap<&str, &str>> {
    text.split("\n\n")
        .map(|part| {
            let lines = part.lines().filter(|line| !line.starts_with('#'));
            lines.filter_map(|line| line.split_once(": ")).collect::<BTreeMap<_, _>>()
        })
        .filter(|stanza: &BTreeMap<&str, &str>| !stanza.is_empty())
        .collect()
}

#[test]
fn sources_of_an_image_are_the_suites_that_it_was_baked_from_each_with_its_keys() -> Result<()> {
    let sources = text(&recipe("base")?, SOURCES)?;
    let stanzas = stanzas(&sources);
    let baked = fs::read_to_string(workspace::root().join("manifests/sources.toml"))?;
    let named = |table: &str, key: &str| -> Vec<String> {
        let parts = baked.split("[[").filter(|part| part.starts_with(table));
        let value = |part: &str| {
            let line = part.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")))?;
            line.split('"').next().map(str::to_owned)
        };
        parts.filter_map(value).collect()
    };
    let listed: BTreeSet<&str> = stanzas.iter().flat_map(|one| one["Suites"].split(' ')).collect();
    assert_eq!(listed, named("suite]", "name").iter().map(String::as_str).collect());
    let places: BTreeSet<&str> = stanzas.iter().map(|one| one["URIs"]).collect();
    assert_eq!(places, named("archive]", "mirror").iter().map(String::as_str).collect());
    for stanza in &stanzas {
        assert_eq!((stanza["Types"], stanza["Components"]), ("deb", "main"));
        assert!(stanza["Signed-By"].starts_with("/usr/share/keyrings/"), "{stanza:?}");
    }
    Ok(())
}

#[test]
fn apt_reads_the_sources_of_an_image() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, place) = (folder.path().join("debian.sources"), folder.path().display().to_string());
    fs::write(&file, text(&recipe("base")?, SOURCES)?)?;
    for part in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(folder.path().join(part))?;
    }
    let shell = Shell::new()?;
    let list = format!("Dir::Etc::sourcelist={}", file.display());
    let (state, cache) = (format!("Dir::State={place}"), format!("Dir::Cache={place}"));
    let told = cmd!(
        shell,
        "apt-get update --print-uris -o {list} -o Dir::Etc::sourceparts=- -o {state} -o {cache} -o APT::Architecture=amd64"
    );
    let told = told.quiet().read()?;
    let signed = told.lines().filter(|line| line.contains("/InRelease' "));
    let suites: BTreeSet<&str> =
        signed.filter_map(|line| line.split("/dists/").nth(1)?.split('/').next()).collect();
    assert_eq!(
        suites,
        BTreeSet::from([CODENAME, tree::joined!(CODENAME, "-security"), tree::joined!(CODENAME, "-updates")]),
        "{told}"
    );
    // a field that means nothing to apt is an error of apt's
    fs::write(&file, text(&recipe("base")?, SOURCES)?.replace("Suites:", "Suite:"))?;
    assert!(
        cmd!(shell, "apt-get update --print-uris -o {list} -o {state} -o {cache}")
            .quiet()
            .ignore_stderr()
            .run()
            .is_err()
    );
    Ok(())
}

#[test]
fn upgrades_bring_back_nothing_that_the_recipe_leaves_out() -> Result<()> {
    let recipe = recipe("knc")?;
    let dpkg = text(&recipe, LEFT_OUT)?;
    let lines: Vec<&str> = dpkg.lines().filter(|line| !line.starts_with('#')).collect();
    // `*` of dpkg matches `/` too; what is below /var is fetched and derived again, and links of System V's init are made by
    // scripts: neither is of packages
    let mut expected: Vec<String> = Vec::new();
    let of_packages =
        |pattern: &&String| !["/var/", "/etc/rc?.d/"].iter().any(|top| pattern.starts_with(top));
    for pattern in recipe.exclude.iter().filter(of_packages) {
        expected.push(format!("path-exclude={}", pattern.replace("**", "*")));
    }
    expected.extend(recipe.keep.iter().map(|pattern| format!("path-include={}", pattern.replace("**", "*"))));
    assert!(expected.len() > 10);
    assert_eq!(lines, expected, "{LEFT_OUT} is what [files] of the recipes says");
    Ok(())
}

/// The block of the page after a line that names `what`.
fn block(page: &str, what: &str) -> Result<String> {
    let (_, rest) = page.split_once(what).with_context(|| what.to_owned())?;
    let (_, rest) = rest.split_once("\n```").context("a block")?;
    let (_, rest) = rest.split_once('\n').context("its lines")?;
    Ok(rest.split_once("```").context("its end")?.0.to_owned())
}

#[test]
fn a_host_of_the_page_s_recipe_upgrades_itself_and_one_of_base_does_not() -> Result<()> {
    let page = fs::read_to_string(workspace::root().join("docs/updates.md"))?;
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let (project, output) = (scratch.path().join("project"), scratch.path().join("dist"));
    shared.copy_project(&project)?;
    for path in ["recipe.toml", "rootfs/etc/apt/apt.conf.d/52-of-this-kind"] {
        let path = format!("image-recipes/host/{path}");
        let to = project.join(&path);
        fs::create_dir_all(to.parent().context("a folder")?)?;
        fs::write(to, block(&page, &format!("`{path}`"))?)?;
    }
    let manifest = fs::read_to_string(project.join(tree::of_release!("manifests/base.", ".amd64.json")))?;
    let manifest = manifest.replace("\"kind\": \"base\"", "\"kind\": \"host\"");
    fs::write(project.join(tree::of_release!("manifests/host.", ".amd64.json")), manifest)?;
    // what can be shared is not fetched again
    let store = scratch.path().join("store");
    shared.cold_store(BASE, &store)?;
    let run = |command: &str| {
        Run::new(&shared.program(), &project, [command, "--kind", "host", "--arch", "amd64"])
            .env("XDG_STATE_HOME", scratch.path().join("state"))
            .option("--store", &store)
    };
    run("lock").done()?;
    run("bake").option("--init", shared.init(BASE.arch)?).option("--output", &output).done()?;
    let host = listed(&fs::read(output.join(tree::of_release!("host.", ".amd64.files.json")))?)?;
    let base = shared.reference_folder(BASE)?.join(format!("{}.files.json", BASE.name()));
    let base = listed(&fs::read(base)?)?;
    let wants = "/etc/systemd/system/timers.target.wants";
    for path in [&format!("{wants}/apt-daily.timer"), &format!("{wants}/apt-daily-upgrade.timer")] {
        ensure!(host.contains_key(path.as_str()) && !base.contains_key(path.as_str()), "{path}");
    }
    for path in ["20auto-upgrades", "50unattended-upgrades", "52-of-this-kind"] {
        ensure!(host.contains_key(&format!("/etc/apt/apt.conf.d/{path}")), "{path}");
    }
    let log = &host["/var/log/unattended-upgrades"];
    ensure!((log["mode"].as_str(), log["gid"].as_u64()) == (Some("0750"), Some(4)), "{log}");
    // both can be upgraded by hand, from sources whose keys are there
    let sources = text(&recipe("base")?, SOURCES)?;
    for files in [&host, &base] {
        for stanza in stanzas(&sources) {
            ensure!(files.contains_key(stanza["Signed-By"]), "{stanza:?}");
        }
        ensure!(files.contains_key(SOURCES) && files.contains_key(LEFT_OUT));
    }
    Ok(())
}

/// The list of files of an artifact, by path.
fn listed(bytes: &[u8]) -> Result<BTreeMap<String, serde_json::Value>> {
    let list: serde_json::Value = serde_json::from_slice(bytes)?;
    let paths = list["paths"].as_array().context("paths")?;
    paths
        .iter()
        .map(|entry| Ok((entry["path"].as_str().context("a path")?.to_owned(), entry.clone())))
        .collect()
}
