//! Writes a mirror of stand-ins: `cargo run --release -p tests --bin standin-mirror -- DIR [--arch A]…`.
//!
//! Then `cargo xtask bake --kind knc --mirror DIR --manifest DIR/manifests/knc.debian-13.amd64.json` bakes without
//! upstream.

use clap::Parser;
use std::path::PathBuf;
use tests::standin::{Arch, Layout, write_mirror};

/// Write a mirror of stand-ins for upstream's components, with manifests that pin them.
#[derive(Debug, Parser)]
struct Args {
    /// Where to write it.
    dir: PathBuf,
    /// Only for this architecture: `amd64` or `arm64`; may be given twice; both without it.
    #[arg(long)]
    arch: Vec<Arch>,
    /// Lay files out as newer mirrors do: `vmconfig/artifacts/<name>/<version>/<file>`.
    #[arg(long)]
    newer_layout: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let arches = if args.arch.is_empty() { vec![Arch::Amd64, Arch::Arm64] } else { args.arch };
    write_mirror(&args.dir, &arches, if args.newer_layout { Layout::Newer } else { Layout::Older })
}
