//! `cargo xtask bench images`: a bake of many container images, next to the same without any and to what plain libraries need for
//! their layers.
//!
//! The images are made here, as an OCI layout in a project: text that compresses to about half, the same in each run.

use super::Common;
use super::inputs::arch;
use super::measure::{self, Sample};
use super::table::{self, Ratio, Row};
use crate::tools;
use anyhow::{Context as _, Result};
use containers::oci::{self, Descriptor, OCI_CONFIG, OCI_MANIFEST};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use tree::digest::Sha256;
use vmbake::console;
use xshell::{Cmd, Shell, cmd};

/// Bakes of container images
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each round: a bake to tar.zst of a kind of a few packages without container images, one of the same with 20 images of 75 MB each \
(packages in the store, images in an OCI layout of the project), and that again; and what plain libraries need to hash the \
layers, decompress them, hash what comes out and compress both.")]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
}

const IMAGES: usize = 20;
const LAYERS: usize = 3;
/// Of each layer: files, and the bytes of each.
const FILES: usize = 100;
const FILE: usize = 250_000;

const WITHOUT: &str = "bake without container images: cold";
const COLD: &str = "bake of 20 container images: cold";
const AGAIN: &str = "bake of 20 container images: again";
const FLOOR: &str = "plain libraries: gzip + sha256 + zstd of their layers";

#[derive(Debug, Serialize)]
struct Report {
    cores: usize,
    images: usize,
    /// Bytes of the layers as they are published.
    packed_bytes: u64,
    /// Bytes of their tars.
    unpacked_bytes: u64,
    rows: Vec<Row>,
    ratios: Vec<Ratio>,
}

/// The project that is baked, below the folder of the bench.
struct Bench {
    program: PathBuf,
    work: PathBuf,
    /// The layers as they are published.
    layers: Vec<PathBuf>,
    packed: u64,
}

/// Runs it.
pub(crate) fn run(Args { common: args }: &Args) -> Result<()> {
    let shell = tools::shell()?;
    let bench = Bench::prepare(&shell, std::path::absolute(&args.work)?, args.lock.as_deref())?;
    let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    let mut unpacked = 0;
    for number in 1..=args.runs {
        console::note(format!("round {number} of {}", args.runs));
        for (kind, what, is_cold) in [("few", WITHOUT, true), ("many", COLD, true), ("many", AGAIN, false)] {
            if is_cold {
                bench.fetch_packages(&shell)?;
            }
            samples.entry(what).or_default().push(measure::program(bench.bake(&shell, kind))?);
        }
        let level = bench.level(&shell)?;
        let (sample, bytes) = measure::within(|| floor(&bench.layers, level))?;
        samples.entry(FLOOR).or_default().push(sample);
        unpacked = bytes;
    }
    let rows = rows(&samples, unpacked);
    let ratios = ratios(&rows)?;
    let (cores, packed_bytes) = (rayon::current_num_threads(), bench.packed);
    let report = Report { cores, images: IMAGES, packed_bytes, unpacked_bytes: unpacked, rows, ratios };
    if args.json {
        return console::json(&report);
    }
    console::line(format!(
        "{IMAGES} images of {LAYERS} layers, {}, {} unpacked; {cores} cores; {} rounds\n\n{}",
        console::size(report.packed_bytes),
        console::size(report.unpacked_bytes),
        args.runs,
        table::print(&report.rows, &report.ratios)
    ));
    Ok(())
}

impl Bench {
    fn prepare(shell: &Shell, work: PathBuf, lock: Option<&Path>) -> Result<Self> {
        fs::create_dir_all(&work)?;
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let project = work.join("images");
        if project.exists() {
            fs::remove_dir_all(&project)?;
        }
        fs::create_dir_all(&project)?;
        let manifests = tools::root().join("manifests");
        cmd!(shell, "cp --recursive {manifests} {project}").quiet().run()?;
        let blobs = project.join("layout/blobs/sha256");
        fs::create_dir_all(&blobs)?;
        let made: Result<Vec<_>> = (0..IMAGES).into_par_iter().map(|number| image(&blobs, number)).collect();
        let (mut lines, mut layers) = (String::new(), Vec::new());
        for (number, (digest, of)) in made?.into_iter().enumerate() {
            let line = format!(r#"{{ digest = "{digest}", from = "layout" }}"#);
            writeln!(lines, r#""example.org/image:{number}" = {line}"#)?;
            layers.extend(of);
        }
        let recipe = "[recipe]\nrole = \"none\"\n\n[packages]\ninstall = [\"adduser\"]\n";
        for (kind, images) in [("few", ""), ("many", lines.as_str())] {
            let folder = project.join("image-recipes").join(kind);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("recipe.toml"), format!("{recipe}\n[images]\n{images}"))?;
        }
        let packed = layers.iter().map(|path| Ok(fs::metadata(path)?.len())).sum::<Result<u64>>()?;
        let own = work.join("images.lock.toml");
        match lock {
            Some(lock) => _ = fs::copy(lock, &own).with_context(|| lock.display().to_string())?,
            None => {
                let (arch, store) = (arch(), work.join("images.fetched"));
                let places = ["--store".as_ref(), store.as_os_str(), "--output".as_ref(), own.as_os_str()];
                cmd!(
                    shell,
                    "{program} lock --project {project} --kind few --arch {arch} {places...} --quiet"
                )
                .ignore_stdout()
                .run()?;
            }
        }
        // both kinds have the same packages, and a lock names its kind
        let text = fs::read_to_string(&own)?;
        for kind in ["few", "many"] {
            fs::write(
                lock_of(&work, kind),
                text.replacen("kind = \"few\"", &format!("kind = \"{kind}\""), 1),
            )?;
        }
        Ok(Self { program, work, layers, packed })
    }

    /// A store that has the packages, which both kinds have, and nothing else.
    fn fetch_packages(&self, shell: &Shell) -> Result<()> {
        let store = self.work.join("images.store");
        if store.exists() {
            fs::remove_dir_all(&store)?;
        }
        Ok(self.command(shell, "fetch", "few").quiet().ignore_stdout().run()?)
    }

    /// The level that bakes compress with.
    fn level(&self, shell: &Shell) -> Result<i32> {
        let plan: Value =
            serde_json::from_str(&self.command(shell, "plan", "few").arg("--json").quiet().read()?)?;
        let level = plan.pointer("/plan/compression/level").and_then(Value::as_i64);
        Ok(i32::try_from(level.context("no level in the plan")?)?)
    }

    fn bake<'a>(&self, shell: &'a Shell, kind: &str) -> Cmd<'a> {
        self.command(shell, "bake", kind).arg("--output").arg(self.work.join("images.dist")).quiet()
    }

    fn command<'a>(&self, shell: &'a Shell, command: &str, kind: &str) -> Cmd<'a> {
        let (program, project, arch) = (&self.program, self.work.join("images"), arch());
        let lock = lock_of(&self.work, kind);
        let store = self.work.join("images.store");
        cmd!(
            shell,
            "{program} {command} --project {project} --kind {kind} --arch {arch} --lock {lock} --store {store} --quiet"
        )
    }
}

/// Where the lock of `kind` is.
fn lock_of(work: &Path, kind: &str) -> PathBuf {
    work.join(format!("images.{kind}.lock.toml"))
}

/// Makes an image below `blobs`: the digest of its manifest, and where its layers are.
fn image(blobs: &Path, number: usize) -> Result<(Sha256, Vec<PathBuf>)> {
    let put = |media_type: &str, bytes: &[u8]| -> Result<Descriptor> {
        let (media_type, digest) = (media_type.to_owned(), Sha256::of(bytes));
        fs::write(blobs.join(digest.hex()), bytes)?;
        Ok(Descriptor { media_type, digest, size: bytes.len() as u64 })
    };
    let (mut diff_ids, mut descriptors, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    for layer in 0..LAYERS {
        let tar = tar(number * LAYERS + layer)?;
        diff_ids.push(Sha256::of(&tar).to_string());
        let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&tar)?;
        let packed = encoder.finish()?;
        let layer = put("application/vnd.oci.image.layer.v1.tar+gzip", &packed)?;
        paths.push(blobs.join(layer.digest.hex()));
        descriptors.push(layer);
    }
    let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
    let config = json!({"architecture": arch(), "os": "linux", "config": {}, "rootfs": rootfs});
    let config = put(OCI_CONFIG, &serde_json::to_vec(&config)?)?;
    let manifest = put(OCI_MANIFEST, &oci::manifest_of(&config, &descriptors))?;
    Ok((manifest.digest, paths))
}

/// The tar of a layer.
fn tar(seed: usize) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (seed as u64 + 1);
    for number in 0..FILES {
        let mut text = String::with_capacity(FILE);
        while text.len() < FILE {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            write!(text, "{state:016x}")?;
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, format!("layer-{seed}/file-{number}"), text.as_bytes())?;
    }
    Ok(builder.into_inner()?)
}

/// Hashes layers, decompresses them, hashes what comes out, and compresses both as bakes do; the bytes that came out.
fn floor(layers: &[PathBuf], level: i32) -> Result<u64> {
    let one = |path: &PathBuf| -> Result<u64> {
        let packed = fs::read(path)?;
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut tar)?;
        for bytes in [&packed, &tar] {
            std::hint::black_box((Sha256::of(bytes), zstd::bulk::compress(bytes, level)?));
        }
        Ok(tar.len() as u64)
    };
    layers.par_iter().map(one).sum()
}

/// A row for each thing that was measured.
fn rows(samples: &BTreeMap<&str, Vec<Sample>>, unpacked: u64) -> Vec<Row> {
    let order = [(WITHOUT, None), (COLD, Some(unpacked)), (AGAIN, Some(unpacked)), (FLOOR, Some(unpacked))];
    order.into_iter().filter_map(|(what, bytes)| Some(Row::of(what, samples.get(what)?, bytes))).collect()
}

fn ratios(rows: &[Row]) -> Result<Vec<Ratio>> {
    let seconds = |what| -> Result<f64> { Ok(table::row(rows, what)?.seconds) };
    let peak = |what| table::row(rows, what)?.peak_mib.context("the memory of a bake was not measured");
    Ok(vec![
        Ratio::at_most("peak memory of a cold bake, MiB", peak(COLD)?, 256.0),
        Ratio::at_most("peak memory of a bake again, MiB", peak(AGAIN)?, 256.0),
        Ratio::only(
            "what images add to a cold bake / plain libraries",
            (seconds(COLD)? - seconds(WITHOUT)?) / seconds(FLOOR)?,
        ),
        Ratio::at_most("bake again / cold bake", seconds(AGAIN)? / seconds(COLD)?, 0.25),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::shape;
    use super::*;

    #[test]
    fn the_figures_have_the_shape_of_their_schema() {
        let rows = rows(&shape::samples([WITHOUT, COLD, AGAIN, FLOOR]), 3);
        let ratios = ratios(&rows).unwrap();
        let report = Report { cores: 2, images: IMAGES, packed_bytes: 1, unpacked_bytes: 3, rows, ratios };
        shape::check("bench-images", &report);
    }
}
