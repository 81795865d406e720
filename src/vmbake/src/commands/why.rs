//! `why`: who put a path into an artifact, and on whose behalf.

use crate::console;
use bake::inspect::{self, Owner};
use std::path::PathBuf;
use tree::name::ImagePath;

/// Show which pin, package or recipe file put a path into an artifact
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the files.json of the same bake next to the artifact; it requires neither the store nor the machine of the bake.")]
pub struct Args {
    /// The artifact: dist/NAME.tar.zst, dist/NAME.qcow2, …
    artifact: PathBuf,
    /// A path in the image
    path: ImagePath,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let why = inspect::open(&args.artifact)?.why(&args.path)?;
    if args.json {
        return console::json(&why);
    }
    let line = &why.line;
    let target = line.target.as_ref().map_or_else(String::new, |target| format!(" -> {target}"));
    console::line(format!("{}{target}  {} {}:{}", line.path, line.mode, line.uid, line.gid));
    if let Some(digest) = &line.sha256 {
        console::line(format!("  bytes    {digest}"));
    }
    why.owners.iter().for_each(print);
    Ok(())
}

fn print(owner: &Owner) {
    let version = owner.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
    console::line(format!("  from     {}{version}", owner.origin));
    if let Some(digest) = &owner.digest {
        console::line(format!("  input    {digest}"));
    }
    if let Some(source) = &owner.source {
        console::line(format!("  source   {source}"));
    }
    if !owner.asked.is_empty() {
        console::line(format!("  because  {}", owner.asked.join(" < ")));
    }
}
