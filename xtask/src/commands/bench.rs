//! `cargo xtask bench`: speed and memory against peers, in one run on this machine, as ratios.
//!
//! What is compared takes turns: each round does everything once, so that a machine that is slow for a while is slow for
//! all. All files are in the page cache after the first round. Nothing here decides whether a change is good: it
//! prints figures beside the goals.

mod floor;
mod inputs;
mod measure;
mod peers;
mod table;

use crate::programs::{self, Program};
use crate::project::Project;
use crate::{console, tools};
use anyhow::{Context as _, Result, bail, ensure};
use bake::archive::{deb, decompress};
use bake::digest::Digest;
use bake::manifest::Form;
use bake::name::Arch;
use bake::store::Store;
use bake::unpack;
use inputs::Inputs;
use measure::Sample;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use table::{Ratio, Row};
use xshell::{Shell, cmd};

/// Measure speed and memory against peers, as ratios
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    only: Option<Only>,
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
#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum Only {
    /// The boot-time program: a first boot, one that changes nothing, a live update
    Configure,
}

const COLD: &str = "bake: cold, inputs in the store";
const SECOND: &str = "bake: a second time";
const CHANGED: &str = "bake: one package changed";
const UNPACK: &str = "unpack only";
const DECOMPRESS: &str = "decompress only";
const HASH: &str = "hash only";
const FLOOR: &str = "plain libraries: xz + sha256 + zstd";
const FLOOR_DECOMPRESS: &str = "plain libraries: xz";
const FLOOR_HASH: &str = "plain libraries: sha256";
const MMDEBSTRAP: &str = "mmdebstrap of the same packages to tar.zst";
const DPKG_1: &str = "dpkg-deb --extract, one process";
const DPKG_2: &str = "dpkg-deb --extract, two processes";

#[derive(Serialize)]
struct Report {
    cores: usize,
    packages: usize,
    packed_bytes: u64,
    unpacked_bytes: u64,
    level: i32,
    rows: Vec<Row>,
    ratios: Vec<Ratio>,
}

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(Only::Configure) = args.only {
        return boot();
    }
    for (program, package) in
        [("mmdebstrap", "mmdebstrap"), ("dpkg-deb", "dpkg"), ("xargs", "findutils"), ("zstd", "zstd")]
    {
        ensure!(tools::is_there(program), "`{program}` is missing; `apt-get install {package}` brings it");
    }
    let shell = tools::shell()?;
    let work = std::path::absolute(&args.work)?;
    let inputs = Inputs::prepare(work, args.lock.as_deref(), &shell)?;
    peers::repository(&inputs.debs, &inputs.pool)?;
    let level = level(&shell, &inputs)?;
    let volume = floor::whole(&inputs.debs, level)?;
    let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for round in 1..=args.runs {
        console::note(format!("round {round} of {}", args.runs));
        for (what, sample) in one_round(&shell, &inputs, level)? {
            samples.entry(what).or_default().push(sample);
        }
    }
    let rows = rows(&samples, volume);
    let report = Report {
        cores: rayon::current_num_threads(),
        packages: inputs.lock.packages.len(),
        packed_bytes: volume.packed,
        unpacked_bytes: volume.unpacked,
        level,
        ratios: ratios(&rows)?,
        rows,
    };
    if args.json {
        return console::json(&report);
    }
    console::line(format!(
        "{} packages, {}, {} unpacked; zstd level {level}; {} cores; {} rounds",
        report.packages,
        console::size(report.packed_bytes),
        console::size(report.unpacked_bytes),
        report.cores,
        args.runs
    ));
    console::line(table::print(&report.rows, &report.ratios));
    Ok(())
}

/// Runs the bench of the boot-time program's own package with the program that images get.
fn boot() -> Result<()> {
    ensure!(tools::is_there("strace"), "`strace` is missing; `apt-get install strace` brings it");
    let program =
        programs::program(&Project::find(None)?, Program::Configure, crate::commands::cases::here()?)?;
    let (shell, cargo) = (tools::shell()?, tools::cargo());
    let bench = cmd!(shell, "{cargo} bench --quiet --locked --package configure --bench boot");
    Ok(bench.env("VMBAKE_CONFIGURE", program).quiet().run()?)
}

/// Everything once.
fn one_round(shell: &Shell, inputs: &Inputs, level: i32) -> Result<Vec<(&'static str, Sample)>> {
    let mut done = Vec::new();
    let (store, output) = (inputs.cold_store()?, inputs.fresh("dist")?);
    done.push((
        COLD,
        measure::program(inputs.bake(shell, &inputs.lock_path, &store, &output).arg("--offline"))?,
    ));
    done.push((MMDEBSTRAP, {
        let output = inputs.work.join("peer.tar.zst");
        peers::mmdebstrap(shell, &inputs.pool, &inputs.names(), inputs::arch(), &output)?
    }));
    done.push((
        SECOND,
        measure::program(inputs.bake(shell, &inputs.lock_path, &store, &output).arg("--offline"))?,
    ));
    done.push((CHANGED, {
        let mirror = &inputs.changed_mirror;
        let run = inputs.bake(shell, &inputs.changed_lock, &store, &output);
        measure::program(run.arg("--debian-mirror").arg(mirror).arg("--debian-security-mirror").arg(mirror))?
    }));
    done.push((FLOOR, measure::within(|| floor::whole(&inputs.debs, level))?.0));
    done.push((UNPACK, ours_unpacked(inputs)?));
    done.push((DPKG_1, peers::dpkg_deb(shell, &inputs.debs, 1, &inputs.fresh("peer")?)?));
    done.push((DPKG_2, peers::dpkg_deb(shell, &inputs.debs, 2, &inputs.fresh("peer")?)?));
    done.push((DECOMPRESS, measure::within(|| ours_decompressed(&inputs.debs))?.0));
    done.push((FLOOR_DECOMPRESS, measure::within(|| floor::decompression(&inputs.debs))?.0));
    done.push((HASH, ours_hashed(inputs)?));
    done.push((FLOOR_HASH, measure::within(|| floor::digests(&inputs.debs))?.0));
    for name in ["store", "dist"] {
        inputs.fresh(name)?;
    }
    Ok(done)
}

/// Unpacks all packages into a cold store, as a bake does.
fn ours_unpacked(inputs: &Inputs) -> Result<Sample> {
    let store = Store::open(&inputs.cold_store()?)?;
    let digests: Vec<Digest> = inputs.lock.packages.iter().map(|package| package.sha256.into()).collect();
    let wanted: Vec<unpack::Input<'_>> = inputs
        .lock
        .packages
        .iter()
        .zip(&digests)
        .map(|(package, digest)| unpack::Input {
            name: &package.name,
            digest,
            size: package.size,
            form: Form::Deb,
            arch: if inputs::arch() == "arm64" { Arch::Arm64 } else { Arch::Amd64 },
            must_be_static: false,
        })
        .collect();
    let jobs = NonZeroUsize::new(rayon::current_num_threads()).unwrap_or(NonZeroUsize::MIN);
    Ok(measure::within(|| Ok(unpack::all(&store, &wanted, jobs, &|_| {})?))?.0)
}

/// Decompresses all packages with the strict readers, and keeps nothing.
fn ours_decompressed(debs: &[PathBuf]) -> Result<()> {
    let mut debs: Vec<(u64, &PathBuf)> =
        debs.iter().map(|deb| Ok((fs::metadata(deb)?.len(), deb))).collect::<Result<_>>()?;
    debs.sort_unstable_by(|one, other| other.cmp(one));
    debs.into_par_iter().with_max_len(1).try_for_each(|(size, deb)| {
        let mut file = File::open(deb)?;
        let (layout, _) = deb::control(&mut file, size)?;
        let mut stream = deb::stream(&mut file, layout.data, decompress::Limits::up_to(u64::MAX))?;
        std::io::copy(&mut stream, &mut std::io::sink())?;
        Ok(())
    })
}

/// Hashes all packages in a store, as a bake does with what an earlier run has left.
fn ours_hashed(inputs: &Inputs) -> Result<Sample> {
    let store = Store::open(&inputs.cold_store()?)?;
    let check = || {
        let mut packages: Vec<_> = inputs.lock.packages.iter().collect();
        packages.sort_unstable_by_key(|package| std::cmp::Reverse(package.size));
        packages.into_par_iter().with_max_len(1).try_for_each(|package| -> Result<()> {
            ensure!(
                store.verify_blob(&package.sha256.into())?,
                "`{}` is not what it should be",
                package.name
            );
            Ok(())
        })
    };
    Ok(measure::within(check)?.0)
}

/// The level of the plan, so that the floor compresses as much.
fn level(shell: &Shell, inputs: &Inputs) -> Result<i32> {
    let (program, lock, built, arch) = (&inputs.program, &inputs.lock_path, inputs.built(), inputs::arch());
    let kind = inputs::KIND;
    let plan = cmd!(shell, "{program} plan --kind {kind} --arch {arch} --lock {lock} {built...} --json");
    let plan: serde_json::Value = serde_json::from_str(&plan.quiet().read()?)?;
    let level = plan.pointer("/plan/compression/level").and_then(serde_json::Value::as_i64);
    Ok(i32::try_from(level.context("no `plan.compression.level` in the plan")?)?)
}

/// A row for each thing that was measured, in the order of reading.
fn rows(samples: &BTreeMap<&str, Vec<Sample>>, volume: floor::Volume) -> Vec<Row> {
    let (packed, unpacked) = (Some(volume.packed), Some(volume.unpacked));
    let order = [
        (COLD, unpacked),
        (FLOOR, unpacked),
        (MMDEBSTRAP, unpacked),
        (SECOND, unpacked),
        (CHANGED, unpacked),
        (UNPACK, unpacked),
        (DPKG_1, unpacked),
        (DPKG_2, unpacked),
        (DECOMPRESS, unpacked),
        (FLOOR_DECOMPRESS, unpacked),
        (HASH, packed),
        (FLOOR_HASH, packed),
    ];
    order.iter().filter_map(|(what, bytes)| Some(Row::of(what, samples.get(what)?, *bytes))).collect()
}

/// The ratios that there are goals for, and those that say where the time goes.
fn ratios(rows: &[Row]) -> Result<Vec<Ratio>> {
    let row = |what: &str| {
        rows.iter().find(|row| row.what == what).with_context(|| format!("`{what}` was not measured"))
    };
    let ratio = |one: &str, other: &str| -> Result<f64> { Ok(row(one)?.seconds / row(other)?.seconds) };
    let Some(peak) = row(COLD)?.peak_mib else { bail!("the memory of a bake was not measured") };
    Ok(vec![
        Ratio::at_most("cold bake / plain libraries", ratio(COLD, FLOOR)?, 1.3),
        Ratio::at_least("mmdebstrap / cold bake", ratio(MMDEBSTRAP, COLD)?, 6.0),
        Ratio::at_most("second bake / cold bake", ratio(SECOND, COLD)?, 1.0 / 3.0),
        Ratio::at_most("bake with one package changed / cold bake", ratio(CHANGED, COLD)?, 1.0 / 3.0),
        Ratio::at_most("peak memory of a cold bake, MiB", peak, 512.0),
        Ratio::only("dpkg-deb, one process / unpack only", ratio(DPKG_1, UNPACK)?),
        Ratio::only("dpkg-deb, two processes / unpack only", ratio(DPKG_2, UNPACK)?),
        Ratio::only("decompress only / plain libraries", ratio(DECOMPRESS, FLOOR_DECOMPRESS)?),
        Ratio::only("hash only / plain libraries", ratio(HASH, FLOOR_HASH)?),
    ])
}
