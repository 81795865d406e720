//! `store`: check or clear the store, or one blob of it.

use crate::console::{self, size};
use crate::places::StoreArgs;
use anyhow::Context as _;
use std::time::{Duration, SystemTime};
use store::Swept;
use tree::digest::Digest;

/// Verify or clean the store
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Hash every blob and authenticate every note, and set aside what is damaged or forged
    Verify(Common),
    /// Remove what has not been used for a while; waits for running bakes
    Gc {
        /// Remove what has been unused for more than this many days
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        unused_for: u32,
        /// The maximum size of the store: bytes, or with a suffix K, M, G. What can be derived again is removed first, inputs last
        #[arg(long, value_name = "SIZE", value_parser = console::bytes)]
        max_size: Option<u64>,
        #[command(flatten)]
        common: Common,
    },
    /// Remove one blob and what is known about it, so that it is fetched again
    Forget {
        /// The digest of the blob
        #[arg(value_name = "sha256:…|sha512:…")]
        digest: Digest,
        #[command(flatten)]
        common: Common,
    },
    /// Print the store's directory
    Path(Common),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    store: StoreArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.action {
        Action::Verify(common) => verify(common),
        Action::Gc { unused_for, max_size, common } => gc(common, *unused_for, *max_size),
        Action::Forget { digest, common } => forget(common, digest),
        Action::Path(common) => path(common),
    }
}

fn forget(common: &Common, digest: &Digest) -> anyhow::Result<()> {
    let forgotten = common.store.open()?.forget(digest)?;
    if common.json {
        return console::json(&forgotten);
    }
    console::line(format!("{digest}: {}", if forgotten { "removed" } else { "not in the store" }));
    Ok(())
}

fn verify(common: &Common) -> anyhow::Result<()> {
    let checked = common.store.open_with_known_key()?.verify_all()?;
    if common.json {
        return console::json(&checked);
    }
    for name in &checked.set_aside {
        console::line(format!("set aside: {name}"));
    }
    console::line(format!(
        "{} blobs are good, {}, and {} notes; {} were set aside",
        checked.good,
        size(checked.bytes),
        checked.notes,
        checked.set_aside.len()
    ));
    if checked.foreign > 0 {
        let foreign = checked.foreign;
        console::line(format!(
            "{foreign} notes belong to other keys or versions; no bake with this key uses them"
        ));
    }
    Ok(())
}

fn gc(common: &Common, days: u32, most: Option<u64>) -> anyhow::Result<()> {
    let unused = Duration::from_secs(u64::from(days) * 24 * 3600);
    let since = SystemTime::now().checked_sub(unused).context("the time is out of range")?;
    let mut store = common.store.open_with_known_key()?;
    let mut swept = store.gc(since)?;
    if let Some(most) = most {
        let more = store.shrink(most)?;
        let (files, bytes) = (swept.files + more.files, swept.bytes + more.bytes);
        swept = Swept { files, bytes, ..more };
    }
    if common.json {
        return console::json(&swept);
    }
    let Swept { files, bytes, kept, kept_bytes } = swept;
    console::line(format!("removed {files} files ({}); {kept} remain ({})", size(bytes), size(kept_bytes)));
    Ok(())
}

fn path(common: &Common) -> anyhow::Result<()> {
    let path = common.store.path();
    if common.json {
        return console::json(&path);
    }
    console::line(path.display());
    Ok(())
}
