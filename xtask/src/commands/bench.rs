//! `cargo xtask bench`: speed, memory and size against peers, in one run on this machine, as ratios.
//!
//! What is compared takes turns: each round does everything once, so that a machine that is slow for a while is slow for
//! all. All files are in the page cache after the first round. Nothing here decides whether a change is good: it
//! prints figures next to the goals, and a goal that is missed is printed as it is.

mod boot;
mod disk;
mod floor;
mod images;
mod inputs;
mod measure;
mod peers;
mod table;
mod tar;

use crate::tools;
use anyhow::Result;
use std::path::PathBuf;
use vmbake::programs::{self, Program};
use vmbake::progress::ShowArgs;
use vmbake::project::Project;
use xshell::cmd;

/// Measure speed, memory and size against peers, as ratios
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Without a subcommand: a bake to tar.zst against mmdebstrap, dpkg-deb and plain libraries.
Figures are of what people download, on a machine that does nothing else:
  cargo build --profile dist --package xtask
  target/dist/xtask bench
  target/dist/xtask bench disk --runs 5 --json >disk.json"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    only: Option<Only>,
    #[command(flatten)]
    tar: Common,
}

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// How many rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The packages to measure with, instead of those of today
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Where to work: needs about 6 GB, on the disk that is to be measured
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    work: PathBuf,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

/// What else can be measured.
#[derive(Debug, clap::Subcommand)]
enum Only {
    /// The boot-time program: a first boot, one that changes nothing, a live update
    Configure,
    /// A bake to raw and to qcow2, against mmdebstrap, mke2fs and qemu-img, and against plain libraries
    Disk(disk::Args),
    /// A bake of 20 container images, against plain libraries
    Images(images::Args),
    /// From the start of the kernel to a configured machine, against one of mmdebstrap, initramfs-tools and cloud-init
    Boot(boot::Args),
}

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.only {
        None => tar::run(&args.tar),
        Some(Only::Configure) => configure(),
        Some(Only::Disk(args)) => disk::run(args),
        Some(Only::Images(args)) => images::run(args),
        Some(Only::Boot(args)) => boot::run(args),
    }
}

/// Runs the bench of the boot-time program's own package with the program that images get.
fn configure() -> Result<()> {
    tools::needs(&[("strace", "strace")])?;
    let program = programs::program(
        &Project::find(None)?,
        Program::Configure,
        crate::commands::cases::here()?,
        &ShowArgs::default().show(),
    )?;
    let (shell, cargo) = (tools::shell()?, tools::cargo());
    let bench = cmd!(shell, "{cargo} bench --profile dist --quiet --locked --package configure --bench boot");
    Ok(bench.env("VMBAKE_CONFIGURE", program).quiet().run()?)
}

/// What the tests of reports share.
#[cfg(test)]
mod shape {
    use super::measure::Sample;
    use std::collections::BTreeMap;
    use tests::schema::Schema;

    /// One measurement of each.
    pub(crate) fn samples<const N: usize>(all: [&'static str; N]) -> BTreeMap<&'static str, Vec<Sample>> {
        let known = Sample { wall: 2.0, cpu: 3.0, peak: Some(100 << 20) };
        all.map(|what| (what, vec![known])).into_iter().collect()
    }

    /// Demands that a report has the shape of its schema, and also where the memory of a row is unknown.
    pub(crate) fn check(schema: &str, report: &impl serde::Serialize) {
        let schema = Schema::load(schema).unwrap();
        let known = serde_json::to_value(report).unwrap();
        let mut unknown = known.clone();
        unknown["rows"][0]["peak_mib"] = serde_json::Value::Null;
        for value in [known, unknown] {
            schema.check(&value.to_string()).unwrap();
        }
    }
}
