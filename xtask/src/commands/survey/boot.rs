//! `survey --boot`: servers that are started and asked, by a program of the tests.

use crate::tools;
use anyhow::{Context as _, Result};
use std::path::Path;
use vmbake::programs;
use xshell::cmd;

/// Builds that program and hands over to it: all servers of the list, or those that are named.
pub(super) fn run(servers: &[String], table: Option<&Path>) -> Result<()> {
    let (shell, cargo) = (tools::shell()?, tools::cargo());
    // what it bakes and boots with is the program that is running now, not one that may be older
    let xtask = std::env::current_exe().context("cannot tell where this program is")?;
    cmd!(shell, "{cargo} build --quiet --release --locked --package tests --bin boot-survey").run()?;
    let survey = programs::target().join("release/boot-survey");
    let table = table.map(|path| [Path::new("--table"), path]);
    let table = table.iter().flatten();
    Ok(cmd!(shell, "{survey} {servers...} {table...}").env("VMBAKE_XTASK", xtask).quiet().run()?)
}
