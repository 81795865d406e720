//! `configure`: the boot-time program alone, as it is in an image.

use crate::programs::Program;
use anyhow::Result;
use bake::name::Arch;
use std::path::PathBuf;

/// Build the boot-time program alone, as it is in an image
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`bake --configure FILE` takes the result, for a machine that bakes but has no compiler. The same sources give the same bytes anywhere.")]
pub(crate) struct Args {
    /// Architecture of the image
    #[arg(long, default_value = "amd64")]
    arch: Arch,
    /// Where to put it; without this, where it was built is printed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Builds it.
pub(crate) fn run(args: &Args) -> Result<()> {
    super::program::build(Program::Configure, args.arch, args.output.as_deref())
}
