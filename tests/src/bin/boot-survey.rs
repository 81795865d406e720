//! Boots the images of `tests/survey/answers.toml`, and asks their servers: `cargo xtask survey --boot`.
#![allow(clippy::print_stdout, reason = "the result is what it is for")]

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use std::fs;
use std::path::PathBuf;
use tests::servers::{self, Booted};
use tests::shared::Shared;

/// Boot images with servers, and ask each of them
#[derive(Debug, Parser)]
struct Args {
    /// Only these, each in its image
    servers: Vec<String>,
    /// Write the result as a page in Markdown
    #[arg(long)]
    table: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut images = servers::images()?;
    for name in &args.servers {
        let is_known = images.values().any(|image| image.servers.contains_key(name));
        ensure!(is_known, "tests/survey/answers.toml has no server `{name}`");
    }
    if !args.servers.is_empty() {
        images = images
            .into_iter()
            .filter_map(|(name, image)| Some((name, image.with_only(&args.servers)?)))
            .collect();
    }
    let shared = Shared::get()?;
    let mut results = Vec::new();
    for (name, image) in images {
        println!("image {name}: {} servers; minutes without KVM", image.servers.len());
        let scratch = shared.scratch()?;
        let booted = image.boot(&shared, scratch.path(), &[], &["system running"]);
        let booted = booted.with_context(|| format!("image {name}"))?;
        show(&booted);
        results.push((name, booted));
    }
    if let Some(path) = &args.table {
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        fs::write(path, servers::table(&results, &date)).with_context(|| path.display().to_string())?;
    }
    if !results.iter().all(|(_, booted)| booted.is_good()) {
        bail!("some servers do not answer");
    }
    Ok(())
}

fn show(booted: &Booted) {
    for asked in &booted.asked {
        match &asked.seconds {
            Ok(seconds) => println!("answered {seconds:>6.1} s  {}", asked.name),
            Err(got) => println!("no answer          {}: found `{}`", asked.name, got.trim()),
        }
    }
    for (claim, got) in &booted.unmet {
        println!("not met            {claim}: found `{}`", got.trim());
    }
    if !booted.is_good() {
        println!("{}", booted.said.trim());
    }
}
