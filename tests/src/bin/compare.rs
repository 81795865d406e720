//! `compare image --kind alone|set … PACKAGE…`: one image of `cargo xtask survey`, compared with a real system; as root.
//! Prints what was found as JSON. `compare again` reads such lines, and prints what they are by the reasons of today.
#![allow(clippy::print_stdout, reason = "what was found is what it is for")]

use anyhow::Result;
use clap::Parser as _;
use std::ffi::OsString;
use std::path::PathBuf;
use tests::effects::surveyed::{Surveyed, Task};

#[derive(Debug, clap::Parser)]
enum Command {
    /// Compares an image
    Image(Box<Image>),
    /// Judges lines of standard input again: `[KIND, FOUND]`; `null` stands for what must be compared again
    Again,
}

#[derive(Debug, clap::Args)]
struct Image {
    /// `alone` or `set`
    #[arg(long)]
    kind: String,
    /// Packages and units of `base` that are not there
    #[arg(long)]
    without: Vec<String>,
    /// The program under test
    #[arg(long)]
    program: PathBuf,
    /// The project
    #[arg(long)]
    project: PathBuf,
    /// The store
    #[arg(long)]
    store: PathBuf,
    /// The program of an initrd, built
    #[arg(long)]
    init: PathBuf,
    /// A folder that is removed
    #[arg(long)]
    scratch: PathBuf,
    /// Where files are put that differ without a reason
    #[arg(long)]
    differing: PathBuf,
    /// Words for `lock`, beside its own
    #[arg(long)]
    lock_word: Vec<OsString>,
    /// The packages
    packages: Vec<String>,
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Image(args) => {
            let Image {
                kind,
                without,
                program,
                project,
                store,
                init,
                scratch,
                differing,
                lock_word,
                packages,
            } = *args;
            let task = Task {
                kind,
                packages,
                without,
                program,
                project,
                store,
                init,
                lock_words: lock_word,
                scratch,
                differing,
            };
            println!("{}", serde_json::to_string(&task.run()?)?);
        }
        Command::Again => {
            for line in std::io::stdin().lines() {
                let (kind, found): (String, Surveyed) = serde_json::from_str(&line?)?;
                // an excess is a failure that must be found again, too
                println!("{}", serde_json::to_string(&found.again(&kind).ok().flatten())?);
            }
        }
    }
    Ok(())
}
