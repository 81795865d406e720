//! `cargo xtask bench`: a bake to one tar.zst, against mmdebstrap, dpkg-deb and plain libraries.

use super::inputs::{self, Inputs};
use super::measure::{self, Sample};
use super::table::{self, Ratio, Row};
use super::{Common, floor, peers};
use crate::tools;
use anyhow::{Result, bail, ensure};
use bake::archive::{deb, decompress};
use bake::lock::LockedPackage;
use bake::manifest::Form;
use bake::stage;
use bake::unpack;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use store::Store;
use tree::Stored;
use tree::digest::Digest;
use tree::name::{Arch, Name};
use vmbake::project::Project;
use vmbake::{console, pipeline};
use xshell::Shell;

const COLD: &str = "bake: cold, inputs in the store";
const SECOND: &str = "bake: a second time";
const CHANGED: &str = "bake: one package changed";
const UNPACK: &str = "unpack only";
const DECOMPRESS: &str = "decompress only";
const SCRIPTS: &str = "configure, scripts interpreted";
const NO_SCRIPTS: &str = "configure, scripts ignored";
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
pub(crate) fn run(args: &Common) -> Result<()> {
    tools::needs(&[
        ("mmdebstrap", "mmdebstrap"),
        ("dpkg-deb", "dpkg"),
        ("xargs", "findutils"),
        ("zstd", "zstd"),
    ])?;
    let shell = tools::shell()?;
    let inputs = Inputs::prepare(std::path::absolute(&args.work)?, args.lock.as_deref(), &shell)?;
    peers::repository(&inputs.debs, &inputs.pool)?;
    let level = inputs.choices(&shell)?.level;
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
    for (what, ignored) in [(SCRIPTS, false), (NO_SCRIPTS, true)] {
        done.push((what, ours_configured(inputs, &store, ignored)?));
    }
    done.push((CHANGED, measure::program(inputs.bake_changed(shell, &store, &output))?));
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

/// Lays out all packages with what their maintainer scripts do, or without that; nothing is remembered. Unpacking is not counted.
fn ours_configured(inputs: &Inputs, store: &std::path::Path, ignored: bool) -> Result<Sample> {
    let store = Store::open(store)?;
    let project = Project::find(None)?;
    let recipe = project.recipe(&inputs::KIND.parse()?)?;
    let effects = project.effects()?;
    let plan = bake::plan::packages_only(&recipe, &inputs.lock, &effects, &project.sources()?)?;
    let mut draft = plan.into_draft();
    if ignored {
        let has_scripts = |package: &&LockedPackage| {
            bake::effects::SCRIPTS.iter().any(|script| package.scripts.contains_key(*script))
        };
        let names = inputs.lock.packages.iter().filter(has_scripts).map(|package| package.name.clone());
        draft.accept = names.map(|name| (name, "not measured".to_owned())).collect();
    }
    let plan = draft.seal();
    let unpack = |package: &LockedPackage| -> Result<_> {
        Ok((package.name.clone(), unpack::package(&store, &package.name, &package.sha256.into())?))
    };
    let packages: BTreeMap<Name, unpack::Package> =
        inputs.lock.packages.iter().map(unpack).collect::<Result<_>>()?;
    let read = |stored: &Stored| pipeline::read(&store, stored);
    let configure = || {
        let packages = packages.clone();
        let inputs = stage::Inputs {
            packages,
            components: BTreeMap::new(),
            images: Vec::new(),
            read: &read,
            memory: &(),
            told: &|_, _| {},
        };
        Ok(stage::scripts(&plan, &inputs)?)
    };
    Ok(measure::within(configure)?.0)
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
        let mut stream = deb::stream(&mut file, layout.data, decompress::Limits::of_files(u64::MAX))?;
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

/// A row for each thing that was measured, in the order of reading.
fn rows(samples: &BTreeMap<&str, Vec<Sample>>, volume: floor::Volume) -> Vec<Row> {
    let (packed, unpacked) = (Some(volume.packed), Some(volume.unpacked));
    let order = [
        (COLD, unpacked),
        (FLOOR, unpacked),
        (MMDEBSTRAP, unpacked),
        (SECOND, unpacked),
        (CHANGED, unpacked),
        (SCRIPTS, unpacked),
        (NO_SCRIPTS, unpacked),
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
    let ratio = |one: &str, other: &str| -> Result<f64> {
        Ok(table::row(rows, one)?.seconds / table::row(rows, other)?.seconds)
    };
    let Some(peak) = table::row(rows, COLD)?.peak_mib else { bail!("the memory of a bake was not measured") };
    let interpreting = table::row(rows, SCRIPTS)?.seconds - table::row(rows, NO_SCRIPTS)?.seconds;
    Ok(vec![
        Ratio::at_most("cold bake / plain libraries", ratio(COLD, FLOOR)?, 1.3),
        Ratio::at_least("mmdebstrap / cold bake", ratio(MMDEBSTRAP, COLD)?, 6.0),
        Ratio::at_most("second bake / cold bake", ratio(SECOND, COLD)?, 1.0 / 3.0),
        Ratio::at_most("bake with one package changed / cold bake", ratio(CHANGED, COLD)?, 1.0 / 3.0),
        Ratio::at_most(
            "interpreting maintainer scripts / cold bake",
            interpreting / table::row(rows, COLD)?.seconds,
            0.05,
        ),
        Ratio::at_most("peak memory of a cold bake, MiB", peak, 512.0),
        Ratio::only("dpkg-deb, one process / unpack only", ratio(DPKG_1, UNPACK)?),
        Ratio::only("dpkg-deb, two processes / unpack only", ratio(DPKG_2, UNPACK)?),
        Ratio::only("decompress only / plain libraries", ratio(DECOMPRESS, FLOOR_DECOMPRESS)?),
        Ratio::only("hash only / plain libraries", ratio(HASH, FLOOR_HASH)?),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::shape;
    use super::*;

    #[test]
    fn the_figures_have_the_shape_of_their_schema() {
        let samples = shape::samples([
            COLD,
            FLOOR,
            MMDEBSTRAP,
            SECOND,
            CHANGED,
            SCRIPTS,
            NO_SCRIPTS,
            UNPACK,
            DPKG_1,
            DPKG_2,
            DECOMPRESS,
            FLOOR_DECOMPRESS,
            HASH,
            FLOOR_HASH,
        ]);
        let rows = rows(&samples, floor::Volume { packed: 1, unpacked: 2 });
        let report = Report {
            cores: 2,
            packages: 223,
            packed_bytes: 1,
            unpacked_bytes: 2,
            level: 3,
            ratios: ratios(&rows).unwrap(),
            rows,
        };
        shape::check("bench", &report);
    }
}
