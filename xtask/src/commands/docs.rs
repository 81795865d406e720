//! `cargo xtask docs`: the reference of the command line from the command line itself, and the pages as a book.

mod session;

use crate::tools;
use anyhow::{Context as _, Result, ensure};
use clap::CommandFactory as _;
use std::fmt::Write as _;
use std::fs;
use vmbake::places::StoreArgs;
use vmbake::programs;
use xshell::cmd;

/// Write docs/cli.md, and build the pages of docs/ as a book in target/book
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The book is made by mdBook, which is installed by cargo where it is missing. With --check nothing is written: docs/cli.md has \
to be what the program says of itself, and each page has to be in docs/SUMMARY.md.")]
pub(crate) struct Args {
    /// Only compare, and build no book
    #[arg(long)]
    check: bool,
    /// Re-record docs/session.svg by running its commands, and do nothing else
    #[arg(long, conflicts_with = "check")]
    record: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// The page that is generated.
const REFERENCE: &str = "docs/cli.md";
/// The picture.
const SESSION: &str = "docs/session.svg";
/// Columns of a page's code blocks.
const WIDTH: usize = 100;

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.record {
        let (shell, cargo) = (tools::shell()?, tools::cargo());
        cmd!(shell, "{cargo} build --release --package vmbake-program --locked --quiet").run()?;
        let program = programs::target().join("release/vmbake");
        let picture = session::record(&program, &std::path::absolute(args.store.path())?)?;
        return fs::write(tools::root().join(SESSION), picture).context(SESSION);
    }
    if args.check {
        return check();
    }
    fs::write(tools::root().join(REFERENCE), reference()).context(REFERENCE)?;
    listed()?;
    tools::program(tools::MDBOOK)?;
    let (shell, book) = (tools::shell()?, tools::root().join("target/book"));
    cmd!(shell, "mdbook build docs --dest-dir {book}").run()?;
    vmbake::console::line(book.join("index.html").display().to_string());
    Ok(())
}

/// Demands that the pages are what they should be.
fn check() -> Result<()> {
    let found = fs::read_to_string(tools::root().join(REFERENCE)).context(REFERENCE)?;
    ensure!(found == reference(), "`{REFERENCE}` is out of date; run `cargo xtask docs`");
    listed()
}

/// The reference: what `--help` says of each command, as users call it.
fn reference() -> String {
    let mut text = String::from(
        "# The command line\n\nWhat `--help` says of each command. `cargo xtask docs` writes this page; in a clone, `cargo xtask COMMAND` does\n\
         the same.\n",
    );
    let mut program = vmbake::cli::Cli::command().term_width(WIDTH);
    program.build();
    text.push_str(&block(&program));
    for command in below(&program) {
        section(&mut text, command, 2);
    }
    text
}

/// The commands below one, but for `help`.
fn below(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|one| one.get_name() != "help")
}

/// What `--help` says of a command, as a block of a page.
fn block(command: &clap::Command) -> String {
    let help = command.clone().term_width(WIDTH).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    format!("\n```text\n{}\n```\n", lines.join("\n").trim_end())
}

fn section(text: &mut String, command: &clap::Command, level: usize) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    // writing to a string cannot fail
    let _ = write!(text, "\n{} {name}\n{}", "#".repeat(level), block(command));
    for command in below(command) {
        section(text, command, level + 1);
    }
}

/// Demands that each page is in the book's list of pages, and that each page of the list is there.
fn listed() -> Result<()> {
    let docs = tools::root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).context("docs/SUMMARY.md")?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(&docs)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") && name != "SUMMARY.md" {
            ensure!(summary.contains(&format!("({name})")), "`docs/{name}` is not in docs/SUMMARY.md");
            pages.push(name);
        }
    }
    for link in summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        ensure!(
            pages.iter().any(|page| page == link),
            "docs/SUMMARY.md lists `{link}`, which does not exist"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_is_what_the_program_says_and_each_page_is_in_the_book() {
        super::check().unwrap();
    }
}
