//! Writes a mirror of stand-ins: `cargo run --release -p tests --bin standin-mirror -- DIR [--arch A]`.
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
    /// For which machine; a mirror is for one.
    #[arg(long, value_name = "amd64|arm64", default_value_t = Arch::host())]
    arch: Arch,
    /// Lay files out as newer mirrors do: `vmconfig/artifacts/<name>/<version>/<file>`.
    #[arg(long)]
    newer_layout: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    write_mirror(&args.dir, args.arch, if args.newer_layout { Layout::Newer } else { Layout::Older })
}
