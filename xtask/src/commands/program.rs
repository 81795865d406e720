//! `program`: one of the programs that run inside an image, as it is there.

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use tree::name::Arch;
use vmbake::console;
use vmbake::programs::{self, Program};
use vmbake::progress::ShowArgs;
use vmbake::project::Project;

/// Build one of the programs that run inside an image
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`bake --configure FILE --first-boot FILE --init FILE` takes the results, for a machine that bakes but has no compiler. The same sources give the same bytes anywhere.")]
pub(crate) struct Args {
    /// The digest of the blob
    #[arg(value_name = "configure|first-boot|init")]
    program: Program,
    /// Architecture of the image
    #[arg(long, default_value = "amd64")]
    arch: Arch,
    /// The file to write; without this, where it was built is printed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Builds it.
pub(crate) fn run(args: &Args) -> Result<()> {
    build(args.program, args.arch, args.output.as_deref())
}

/// Builds `program` and puts it to `output`.
pub(crate) fn build(program: Program, arch: Arch, output: Option<&Path>) -> Result<()> {
    let built = programs::program(&Project::find(None)?, program, arch, &ShowArgs::default().show())?;
    if let Some(output) = output {
        std::fs::copy(&built, output).with_context(|| format!("cannot write `{}`", output.display()))?;
    }
    console::line(output.unwrap_or(&built).display());
    Ok(())
}
