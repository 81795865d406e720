//! The README's commands do what it says, and so do those of the walk through a first image.

use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::path::Path;
use tests::outputs::outputs;
use tests::run::Run;
use tests::shared::{BASE, Shared};
use tests::workspace;
use tree::release::OS;
use xshell::{Shell, cmd};

/// Commands that are for work on vmbake itself; here they are only asked for their help.
const DEVELOPERS: [&str; 5] = ["setup", "test", "lint", "fuzz", "bench"];

/// A block of a Markdown text: what is after its opening fence, and its lines.
type Block<'t> = (&'t str, Vec<&'t str>);

fn blocks(text: &str) -> Vec<Block<'_>> {
    let (mut found, mut open): (Vec<Block<'_>>, bool) = (Vec::new(), false);
    for line in text.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(info), false) => found.push((info, Vec::new())),
            (None, true) => found.iter_mut().last().into_iter().for_each(|(_, lines)| lines.push(line)),
            (None, false) => continue,
            (Some(_), true) => {}
        }
        open = line.starts_with("```") != open;
    }
    found
}

/// The lines of the `sh` blocks of a Markdown text.
fn commands(text: &str) -> Vec<&str> {
    let blocks = blocks(text).into_iter().filter(|(info, _)| *info == "sh");
    blocks.flat_map(|(_, lines)| lines).filter(|line| !line.is_empty()).collect()
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
    let text = fs::read_to_string(workspace::root().join("README.md"))?;
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
        let name = format!("{image}.{OS}.{}.tar.zst", BASE.arch);
        ensure!(made.contains_key(&name), "no `{name}` in {:?}", made.keys());
    }
    Ok(())
}

#[test]
fn every_command_that_the_readme_names_exists() -> Result<()> {
    let shared = Shared::get()?;
    let text = fs::read_to_string(workspace::root().join("README.md"))?;
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

/// An archive of a program that says its version, as the walk has it.
fn tool(folder: &Path, scratch: &Path, version: &str) -> Result<()> {
    let (shell, name) = (Shell::new()?, format!("tool-{version}"));
    let program = scratch.join(&name).join("bin/tool");
    shell.write_file(&program, format!("#!/bin/sh\necho tool {version}\n"))?;
    cmd!(shell, "chmod +x {program}").quiet().run()?;
    let archive = folder.join(format!("parts/{name}.tar.gz"));
    shell.create_dir(folder.join("parts"))?;
    cmd!(shell, "tar --create --gzip --file {archive} --directory {scratch} {name}").quiet().run()?;
    Ok(())
}

#[test]
fn the_walk_through_a_first_image_works_in_its_order() -> Result<()> {
    let text = fs::read_to_string(workspace::root().join("docs/first-image.md"))?;
    let (shared, scratch, shell) = (Shared::get()?, tempfile::tempdir()?, Shell::new()?);
    // not below the checkout, which is a project
    let folder = scratch.path().join("web");
    fs::create_dir(&folder)?;
    shell.change_dir(&folder);
    for version in ["1.0", "1.1"] {
        tool(&folder, scratch.path(), version)?;
    }
    let vmbake = |args: &[&str]| -> Result<()> {
        let run = Run::new(&workspace::user_program()?, &folder, args.iter().copied());
        let mut run = run.env("XDG_STATE_HOME", scratch.path().join("state"));
        let name = args.first().copied().unwrap_or_default();
        if !["init", "why", "inspect"].contains(&name) {
            run = run.option("--store", shared.store());
        }
        // as a release has it
        if ["bake", "plan"].contains(&name) {
            run = run.option("--init", shared.init(BASE.arch)?);
        }
        // the names of files in the walk are those of this architecture
        if ["add", "lock", "plan", "bake"].contains(&name) {
            run = run.option("--arch", BASE.arch.to_string());
        }
        run.done().map(drop)
    };
    for (info, lines) in blocks(&text) {
        match info.split_once(' ') {
            Some((_, path)) => shell.write_file(folder.join(path), lines.join("\n") + "\n")?,
            None if info == "sh" => {
                for command in lines {
                    match words(command).split_first() {
                        Some((&"vmbake", args)) => vmbake(args).with_context(|| format!("`{command}`"))?,
                        _ => cmd!(shell, "sh -e -c {command}").quiet().run()?,
                    }
                }
            }
            None => ensure!(info == "text", "a block of `{info}`, which this test does not know"),
        }
    }
    let recipe = fs::read_to_string(folder.join("image-recipes/web/recipe.toml"))?;
    let shown = blocks(&text).into_iter().find(|(_, lines)| lines.first() == Some(&"[components.tool]"));
    let shown = shown.context("the walk shows no component")?.1.join("\n");
    ensure!(recipe.contains(&shown), "expected\n{shown}\nfound\n{recipe}");
    let made = outputs(&folder.join("dist"))?;
    for name in [tree::of_release!("web.", ".amd64.qcow2"), tree::of_release!("web.", ".amd64.1.1.tar.zst")] {
        ensure!(made.contains_key(name), "no `{name}` in {:?}", made.keys());
    }
    let artifact = folder.join(tree::of_release!("dist/web.", ".amd64.1.1.tar.zst"));
    let paths = ["usr/local/bin/tool", "home/ada/.ssh/authorized_keys", "usr/bin/jq"];
    let paths = paths.map(|path| format!("./{path}"));
    let read = cmd!(shell, "tar --extract --zstd --to-stdout --file {artifact}").arg(&paths[0]);
    ensure!(read.quiet().read()?.ends_with("echo tool 1.1"));
    let listed = cmd!(shell, "tar --list --zstd --file {artifact}").args(&paths).quiet().read()?;
    ensure!(listed.lines().count() == paths.len(), "{listed}");
    Ok(())
}
