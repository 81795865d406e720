//! Surveys of machines, by programs of the tests: servers that are started and asked, and first boots that are cut off.

use crate::tools;
use anyhow::{Context as _, Result};
use std::path::Path;
use vmbake::programs;
use xshell::cmd;

/// All servers of the list, or those that are named.
pub(super) fn servers(names: &[String], table: Option<&Path>) -> Result<()> {
    run("boot-survey", names, table)
}

/// So many first boots whose power is cut.
pub(super) fn power_cuts(count: u32, table: Option<&Path>) -> Result<()> {
    run("power-cuts", &["--count".to_owned(), count.to_string()], table)
}

/// Builds the program and hands over to it.
fn run(program: &str, words: &[String], table: Option<&Path>) -> Result<()> {
    let (shell, cargo) = (tools::shell()?, tools::cargo());
    // what it bakes and boots with is the program that is running now, not one that may be older
    let xtask = std::env::current_exe().context("cannot tell where this program is")?;
    cmd!(shell, "{cargo} build --quiet --release --locked --package tests --bin {program}").run()?;
    let survey = programs::target().join("release").join(program);
    let table = table.map(|path| [Path::new("--table"), path]);
    let table = table.iter().flatten();
    Ok(cmd!(shell, "{survey} {words...} {table...}").env("VMBAKE_XTASK", xtask).quiet().run()?)
}
