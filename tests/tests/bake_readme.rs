//! The README's commands do what it says.

use anyhow::{Context as _, Result, bail, ensure};
use std::path::Path;
use tests::outputs::outputs;
use tests::run::Run;
use tests::shared::{BASE, Shared};
use tests::workspace;

/// Commands that are for work on vmbake itself; here they are only asked for their help.
const DEVELOPERS: [&str; 5] = ["setup", "test", "lint", "fuzz", "bench"];

/// The lines of the `sh` blocks of a Markdown text.
fn commands(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        match (inside, line.trim_end()) {
            (false, "```sh") => inside = true,
            (true, "```") => inside = false,
            (true, line) if !line.is_empty() => found.push(line),
            _ => {}
        }
    }
    found
}

fn words(command: &str) -> Vec<&str> {
    let command = command.split(" # ").next().unwrap_or(command);
    command.split_whitespace().collect()
}

/// Runs one command of the README in a copy of the project, with a store and a home of its own.
fn check(shared: &Shared, folder: &Path, command: &str) -> Result<()> {
    let words = words(command);
    let run = |program: &Path, args: &[&str]| {
        Run::new(program, folder, args.iter().copied())
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .env("XDG_STATE_HOME", folder.join("state"))
    };
    match words.as_slice() {
        ["cargo", "xtask", name, ..] if DEVELOPERS.contains(name) => {
            run(&shared.program(), &[name, "--help"]).done()?;
        }
        ["cargo", "xtask", name @ ("bake" | "fetch" | "plan"), args @ ..] => {
            // the copy has no sources to build them from
            run(&shared.program(), &[&[*name], args].concat())
                .option("--configure", shared.configure(BASE.arch)?)
                .option("--init", shared.init(BASE.arch)?)
                .done()?;
        }
        ["cargo", "xtask", args @ ..] => {
            run(&shared.program(), args).done()?;
        }
        ["cargo", "run", "--release", "--package", "tests", "--bin", "standin-mirror", "--", args @ ..] => {
            run(Path::new(env!("CARGO_BIN_EXE_standin-mirror")), args).done()?;
        }
        _ => bail!("the README has `{command}`, which this test does not know"),
    }
    Ok(())
}

#[test]
fn the_commands_of_the_readme_work_in_their_order() -> Result<()> {
    let text = std::fs::read_to_string(workspace::root().join("README.md"))?;
    let commands = commands(&text);
    ensure!(commands.len() >= 4, "only {commands:?}");
    let (shared, scratch) = (Shared::get()?, tempfile::tempdir()?);
    let folder = scratch.path().join("vmbake");
    shared.copy_project(&folder)?;
    // what can be shared is not fetched again
    let store = folder.join("cache/vmbake");
    shared.cold_store(BASE, &store)?;
    for command in commands {
        check(&shared, &folder, command).with_context(|| format!("`{command}`"))?;
    }
    let made = outputs(&folder.join("dist"))?;
    for image in ["base", "knc"] {
        let name = format!("{image}.debian-13.{}.tar.zst", BASE.arch);
        ensure!(made.contains_key(&name), "no `{name}` in {:?}", made.keys());
    }
    Ok(())
}

#[test]
fn every_command_that_the_readme_names_exists() -> Result<()> {
    let shared = Shared::get()?;
    let text = std::fs::read_to_string(workspace::root().join("README.md"))?;
    let mut named: Vec<&str> = text
        .split("cargo xtask ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next())
        .collect();
    named.sort_unstable();
    named.dedup();
    ensure!(named.len() >= 3, "{named:?}");
    for name in named {
        shared.run(name).args(["--help"]).done()?;
    }
    Ok(())
}
