//! `verify`: whether an artifact is whole.

use crate::console::{self, size};
use bake::inspect;
use std::path::PathBuf;

/// Check an artifact against its list of files, byte by byte
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Compares the artifact with SHA256SUMS and, path by path, with the files.json of the same bake next to it, and reports \
the first path that differs; a disk also with its disk.json. It detects damage.

It does not prove who made the artifact: nothing is signed yet, and whoever can write to its directory can replace it \
together with SHA256SUMS and the records. Compare the digest that it prints with one from a trusted source. It \
does not prove either that the packages and components named in record.json went into it, nor that they are free of flaws.")]
pub struct Args {
    /// The artifact: dist/NAME.tar.zst, dist/NAME.qcow2, …
    artifact: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let verified = inspect::verify(&args.artifact)?;
    if args.json {
        return console::json(&verified);
    }
    let inspect::Verified { sha256, plan, paths, bytes } = &verified;
    console::line(format!("whole: {paths} paths, {} unpacked, plan {plan}, {sha256}", size(*bytes)));
    Ok(())
}
