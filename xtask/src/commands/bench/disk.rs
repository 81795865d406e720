//! `cargo xtask bench disk`: bakes to raw and to qcow2, against what people make disks with, and against plain libraries.
//!
//! The peer makes a file system and no disk: no partitions, no boot loader, no digest of anything, and it keeps the
//! documentation that `base` leaves out. What it is given is what is fastest for it, whatever that means for its result.

use super::floor::writing::{self, Packing};
use super::inputs::{self, Choices, Inputs};
use super::measure::{self, Sample};
use super::table::{self, Ratio, Row};
use super::{Common, floor, peers};
use crate::tools;
use anyhow::{Context as _, Result, bail, ensure};
use machine::DiskImage;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tree::release::CODENAME;
use tree::release::OS;
use vmbake::console;
use xshell::Shell;

/// Bakes of disks
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each round: a cold bake of `base` (all packages in the store, nothing derived from them) and one after a change of one \
package, to raw and to qcow2; mmdebstrap of the same packages to a directory, mke2fs -d, qemu-img convert -c; and what \
plain libraries need to decompress and hash the packages and to copy or compress the disk's data.
Needs root, for mmdebstrap and mke2fs; `apt-get install mmdebstrap e2fsprogs qemu-utils` brings the peers.")]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
}

const RAW: &str = "bake to raw: cold, inputs in the store";
const RAW_CHANGED: &str = "bake to raw: one package changed";
const QCOW2: &str = "bake to qcow2: cold, inputs in the store";
const QCOW2_CHANGED: &str = "bake to qcow2: one package changed";
const PEER_SYSTEM: &str = "peer: mmdebstrap to a directory";
const PEER_FILE_SYSTEM: &str = "peer: mke2fs -d";
const PEER_CONVERT: &str = "peer: qemu-img convert -c";
const PEER_RAW: &str = "peer to raw";
const PEER_QCOW2: &str = "peer to qcow2";
const FLOOR_UNPACK: &str = "plain libraries: xz + sha256";
const FLOOR_COPY: &str = "plain libraries: copy of the disk's data";
const FLOOR_DURABLE: &str = "plain libraries: the same copy, with fsync";
const FLOOR_COMPRESS: &str = "plain libraries: its clusters compressed";
const FLOOR_RAW: &str = "plain libraries to raw";
const FLOOR_QCOW2: &str = "plain libraries to qcow2";
const DIGEST: &str = "plain libraries: sha256 of the raw file, one core";

#[derive(Serialize)]
struct Report {
    cores: usize,
    packages: usize,
    packed_bytes: u64,
    unpacked_bytes: u64,
    /// Bytes of the raw disk that are not a hole.
    data_bytes: u64,
    level: i32,
    clusters: String,
    /// How the peers were called.
    peers: [String; 3],
    images: Vec<Size>,
    rows: Vec<Row>,
    ratios: Vec<Ratio>,
}

/// How large an image is.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Size {
    pub(super) what: String,
    /// The size of the file.
    pub(super) apparent: u64,
    /// What it takes on the disk.
    pub(super) allocated: u64,
}

impl Size {
    pub(super) fn of(what: &str, path: &Path) -> Result<Self> {
        let meta = fs::metadata(path).with_context(|| path.display().to_string())?;
        // in units of 512 bytes, whatever the file system's blocks are (stat(2))
        Ok(Self { what: what.to_owned(), apparent: meta.len(), allocated: meta.blocks() * 512 })
    }

    pub(super) fn print(&self) -> String {
        let (apparent, allocated) = (console::size(self.apparent), console::size(self.allocated));
        format!("{:<52} {apparent:>8}, {allocated} on the disk", self.what)
    }
}

/// What a round has found.
#[derive(Default)]
struct Round {
    samples: Vec<(&'static str, Sample)>,
    images: Vec<Size>,
    data: u64,
}

/// Runs it.
pub(crate) fn run(Args { common: args }: &Args) -> Result<()> {
    tools::needs(&[
        ("mmdebstrap", "mmdebstrap"),
        ("dpkg-deb", "dpkg"),
        ("mke2fs", "e2fsprogs"),
        ("qemu-img", "qemu-utils"),
    ])?;
    ensure!(rustix::process::geteuid().is_root(), "the peers need root; we do not");
    let shell = tools::shell()?;
    let inputs = Inputs::prepare(std::path::absolute(&args.work)?, args.lock.as_deref(), &shell)?;
    peers::repository(&inputs.debs, &inputs.pool)?;
    let choices = inputs.choices(&shell)?;
    let volume = floor::unpacked(&inputs.debs)?;
    let (mut samples, mut last): (BTreeMap<&str, Vec<Sample>>, Round) = Default::default();
    for number in 1..=args.runs {
        console::note(format!("round {number} of {}", args.runs));
        last = one_round(&shell, &inputs, &choices)?;
        for (what, sample) in &last.samples {
            samples.entry(what).or_default().push(*sample);
        }
    }
    let rows = rows(&samples, volume, last.data);
    let report = Report {
        cores: rayon::current_num_threads(),
        packages: inputs.lock.packages.len(),
        packed_bytes: volume.packed,
        unpacked_bytes: volume.unpacked,
        data_bytes: last.data,
        level: choices.level,
        peers: flags(&choices),
        clusters: choices.clusters,
        images: last.images,
        ratios: ratios(&rows)?,
        rows,
    };
    if args.json { console::json(&report) } else { print(&report, args.runs) }
}

fn print(report: &Report, runs: u32) -> Result<()> {
    let size = console::size;
    console::line(format!(
        "{} packages, {}, {} unpacked; {} of data on the disk; {} level {}; {} cores; {runs} rounds",
        report.packages,
        size(report.packed_bytes),
        size(report.unpacked_bytes),
        size(report.data_bytes),
        report.clusters,
        report.level,
        report.cores,
    ));
    report.peers.iter().for_each(|peer| console::line(format!("peer: {peer}")));
    report.images.iter().for_each(|image| console::line(image.print()));
    console::line(format!("\n{}", table::print(&report.rows, &report.ratios)));
    Ok(())
}

/// How the peers are called.
fn flags(choices: &Choices) -> [String; 3] {
    [
        format!(
            "mmdebstrap {} --include=… {CODENAME} DIR 'deb [trusted=yes] copy://POOL ./'",
            peers::SYSTEM.join(" ")
        ),
        format!("mke2fs {} DIR RAW", peers::FILE_SYSTEM.join(" ")),
        format!(
            "qemu-img convert {} compression_type={} RAW QCOW2",
            peers::CONVERT.join(" "),
            choices.clusters
        ),
    ]
}

/// Everything once.
fn one_round(shell: &Shell, inputs: &Inputs, choices: &Choices) -> Result<Round> {
    let mut round = Round::default();
    let raw = ours(shell, inputs, "raw", (RAW, RAW_CHANGED), &mut round)?;
    peer(shell, inputs, choices, fs::metadata(&raw)?.len(), &mut round)?;
    ours(shell, inputs, "qcow2", (QCOW2, QCOW2_CHANGED), &mut round)?;
    plain(inputs, choices, &raw, &mut round)?;
    for name in ["store", "dist-raw", "dist-qcow2"] {
        inputs.fresh(name)?;
    }
    Ok(round)
}

/// A cold bake to one format and one after a change. Where the disk is.
fn ours(
    shell: &Shell,
    inputs: &Inputs,
    format: &str,
    (cold, changed): (&'static str, &'static str),
    round: &mut Round,
) -> Result<std::path::PathBuf> {
    let (store, output) = (inputs.cold_store()?, inputs.fresh(&format!("dist-{format}"))?);
    let run = inputs.bake(shell, &inputs.lock_path, &store, &output);
    round.samples.push((cold, measure::program(run.args(["--offline", "--format", format]))?));
    let disk = output.join(format!("{}.{OS}.{}.{format}", inputs::KIND, inputs::arch()));
    round.images.push(Size::of(&format!("bake to {format}"), &disk)?);
    let run = inputs.bake_changed(shell, &store, &output);
    round.samples.push((changed, measure::program(run.args(["--format", format]))?));
    Ok(disk)
}

/// The peer: a directory, a file system as large as our disk, and that compressed.
fn peer(shell: &Shell, inputs: &Inputs, choices: &Choices, size: u64, round: &mut Round) -> Result<()> {
    let (folder, names) = (inputs.fresh("peer")?, inputs.names());
    let (raw, qcow2) = (inputs.work.join("peer.raw"), inputs.work.join("peer.qcow2"));
    let system = peers::system(shell, &inputs.pool, &names, inputs::arch(), &folder)?;
    let file_system = peers::file_system(shell, &folder, &raw, size)?;
    let convert = peers::converted(shell, &raw, &qcow2, &choices.clusters)?;
    round.samples.extend([
        (PEER_SYSTEM, system),
        (PEER_FILE_SYSTEM, file_system),
        (PEER_CONVERT, convert),
        (PEER_RAW, system.then(file_system)),
        (PEER_QCOW2, system.then(file_system).then(convert)),
    ]);
    for (what, path) in [(PEER_RAW, raw), (PEER_QCOW2, qcow2)] {
        round.images.push(Size::of(what, &path)?);
        fs::remove_file(path)?;
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// The floor: packages decompressed and hashed, then the disk's data copied, or compressed.
fn plain(inputs: &Inputs, choices: &Choices, raw: &Path, round: &mut Round) -> Result<()> {
    let packing = match choices.clusters.as_str() {
        "zstd" => Packing::Zstd(choices.level),
        "zlib" => Packing::Zlib,
        other => bail!("there is no floor for clusters that are compressed by `{other}`"),
    };
    let to = inputs.work.join("floor");
    let unpack = measure::within(|| floor::unpacked(&inputs.debs))?.0;
    let (copy, data) = measure::within(|| writing::copied(raw, &to, false))?;
    fs::remove_file(&to)?;
    let durable = measure::within(|| writing::copied(raw, &to, true))?.0;
    fs::remove_file(&to)?;
    let compress = measure::within(|| writing::compressed(raw, &to, packing))?.0;
    fs::remove_file(&to)?;
    round.samples.extend([
        (FLOOR_UNPACK, unpack),
        (FLOOR_COPY, copy),
        (FLOOR_DURABLE, durable),
        (FLOOR_COMPRESS, compress),
        (FLOOR_RAW, unpack.then(copy)),
        (FLOOR_QCOW2, unpack.then(compress)),
        (DIGEST, measure::within(|| writing::digest(raw))?.0),
    ]);
    round.data = data;
    // a disk that cannot be read as one is not worth its time
    let partitions = DiskImage::open(raw)?.partitions()?.len();
    ensure!(partitions >= 2, "the disk has {partitions} partitions");
    Ok(())
}

/// A row for each thing that was measured, in the order of reading.
fn rows(samples: &BTreeMap<&str, Vec<Sample>>, volume: floor::Volume, data: u64) -> Vec<Row> {
    let (unpacked, data) = (Some(volume.unpacked), Some(data));
    let order = [
        (RAW, unpacked),
        (FLOOR_RAW, unpacked),
        (PEER_RAW, unpacked),
        (RAW_CHANGED, unpacked),
        (QCOW2, unpacked),
        (FLOOR_QCOW2, unpacked),
        (PEER_QCOW2, unpacked),
        (QCOW2_CHANGED, unpacked),
        (FLOOR_UNPACK, unpacked),
        (FLOOR_COPY, data),
        (FLOOR_DURABLE, data),
        (FLOOR_COMPRESS, data),
        (DIGEST, None),
        (PEER_SYSTEM, unpacked),
        (PEER_FILE_SYSTEM, None),
        (PEER_CONVERT, None),
    ];
    order.iter().filter_map(|(what, bytes)| Some(Row::of(what, samples.get(what)?, *bytes))).collect()
}

/// The ratios that there are goals for.
fn ratios(rows: &[Row]) -> Result<Vec<Ratio>> {
    let ratio = |one: &str, other: &str| -> Result<f64> {
        Ok(table::row(rows, one)?.seconds / table::row(rows, other)?.seconds)
    };
    let cpu = |one: &str, other: &str| -> Result<f64> {
        Ok(table::row(rows, one)?.cpu_seconds / table::row(rows, other)?.cpu_seconds)
    };
    let peak = |what: &str| table::row(rows, what)?.peak_mib.context("the memory of a bake was not measured");
    Ok(vec![
        Ratio::at_least("peer / cold bake, raw", ratio(PEER_RAW, RAW)?, 6.0),
        Ratio::at_least("peer / cold bake, qcow2", ratio(PEER_QCOW2, QCOW2)?, 6.0),
        Ratio::at_most("cold bake / plain libraries, raw", ratio(RAW, FLOOR_RAW)?, 1.3),
        Ratio::at_most("cold bake / plain libraries, qcow2", ratio(QCOW2, FLOOR_QCOW2)?, 1.3),
        Ratio::at_most("bake with one package changed / cold bake, raw", ratio(RAW_CHANGED, RAW)?, 0.25),
        Ratio::at_most(
            "bake with one package changed / cold bake, qcow2",
            ratio(QCOW2_CHANGED, QCOW2)?,
            0.25,
        ),
        Ratio::at_most("peak memory of a cold bake to raw, MiB", peak(RAW)?, 512.0),
        Ratio::at_most("peak memory of a cold bake to qcow2, MiB", peak(QCOW2)?, 512.0),
        // what other work on the machine changes least
        Ratio::only("processor time, peer / cold bake, raw", cpu(PEER_RAW, RAW)?),
        Ratio::only("processor time, peer / cold bake, qcow2", cpu(PEER_QCOW2, QCOW2)?),
        Ratio::only("processor time, cold bake / plain libraries, raw", cpu(RAW, FLOOR_RAW)?),
        Ratio::only("processor time, cold bake / plain libraries, qcow2", cpu(QCOW2, FLOOR_QCOW2)?),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::shape;
    use super::*;

    #[test]
    fn the_figures_have_the_shape_of_their_schema() {
        let samples = shape::samples([
            RAW,
            FLOOR_RAW,
            PEER_RAW,
            RAW_CHANGED,
            QCOW2,
            FLOOR_QCOW2,
            PEER_QCOW2,
            QCOW2_CHANGED,
            FLOOR_UNPACK,
            FLOOR_COPY,
            FLOOR_DURABLE,
            FLOOR_COMPRESS,
            DIGEST,
            PEER_SYSTEM,
            PEER_FILE_SYSTEM,
            PEER_CONVERT,
        ]);
        let rows = rows(&samples, floor::Volume { packed: 1, unpacked: 2 }, 3);
        let choices = Choices { level: 3, clusters: "zstd".to_owned() };
        let report = Report {
            cores: 2,
            packages: 223,
            packed_bytes: 1,
            unpacked_bytes: 2,
            data_bytes: 3,
            level: 3,
            peers: flags(&choices),
            clusters: choices.clusters,
            images: vec![Size::of("an image", Path::new("/dev/null")).unwrap()],
            ratios: ratios(&rows).unwrap(),
            rows,
        };
        shape::check("bench-disk", &report);
    }
}
