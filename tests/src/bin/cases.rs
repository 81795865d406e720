//! `cases PROGRAM DIR [FILTER…]`: runs recorded cases of the boot-time program and prints a table; as root.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use tests::cases::{Places, run, table};

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let program = PathBuf::from(words.next().context("expected PROGRAM DIR [FILTER…]")?);
    let folder = PathBuf::from(words.next().context("expected PROGRAM DIR [FILTER…]")?);
    let filter: Vec<String> = words.collect();
    let recipes = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../image-recipes"));
    let verdicts = run(&folder, &filter, &Places { program, recipes })?;
    print!("{}", table(&verdicts));
    if verdicts.iter().any(|verdict| !verdict.failures.is_empty()) {
        bail!("some cases fail");
    }
    Ok(())
}
