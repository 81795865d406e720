//! Emitting: a tree to artifacts and the record of what went in.
//!
//! ```text
//! Tree ─layout─► chunks ─frames─► <name>.tar.zst        each chunk one zstd frame, in parallel, in order
//!  ├─────────────files──────────► <name>.files.json     each path with its owner
//!  └──disk──► Image ─► <name>.raw, .qcow2, …            and <name>.disk.json, with what stands where
//!               └─drop_in──► vmconfig_<kind>_<os>_<arch>.json, <name>.vmconfig.tar.gz     with the qcow2 of a node
//! Plan ─────────resolved────────► <name>.record.json    what went in, and what was decided about it
//!                                 SHA256SUMS            last of all
//! ```
//! One pass, streaming: memory does not grow with the image. The bytes of each output are a function of tree, plan and
//! the version of this program; which others are written with it, the number of threads, the state of the store, the
//! user, the clock and the place do not show. Every byte of a file is compared with its digest on its way; a content
//! that does not check is refused with [`Corrupt`] as the cause, so that the caller can derive the blob anew and try
//! again.

pub(crate) mod contents;
mod drop_in;
mod files;
mod format;
mod frames;
pub mod index;
pub(crate) mod kept;
pub(crate) mod layout;
pub(crate) mod ordered;
pub mod output;
mod part;
pub mod pax;
mod records;
pub mod sums;

pub use crate::disk::Pieces;
pub use contents::Corrupt;
pub use drop_in::{NOWHERE, OS_IMAGE, VMCONFIG};
pub use files::{Component, FORMAT, Files, Head, Line, Type, parse as parse_files};
pub use format::{Format, FormatError};
pub use frames::Frames;
pub use output::Written;
pub use part::Part;

use crate::disk::{self, Disk};
use crate::plan::Plan;
use crate::refusal::Result;
use crate::store::Store;
use crate::tree::Tree;
use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;

/// How to emit; nothing of it shows in the bytes of any output, but for where a drop-in says that it is published.
#[derive(Debug, Clone, Copy)]
pub struct Options<'f> {
    /// What to write; each is written once, in the order of [`Format::ALL`].
    pub formats: &'f [Format],
    /// On how many threads to compress.
    pub jobs: NonZeroUsize,
    /// Whether encoded pieces are taken from the store and kept in it.
    pub keep_frames: bool,
    /// Where the image will be published: what the URLs of a drop-in's manifest begin with, [`NOWHERE`] where that is not
    /// known.
    pub published: &'f str,
}

/// What was emitted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Emitted {
    /// The files, the artifacts last.
    pub files: Vec<Written>,
    /// Of what the tar is made, where one was written.
    pub frames: Option<Frames>,
    /// Of what the disks are made.
    pub disks: BTreeMap<Format, Pieces>,
}

/// How far it is, in bytes of all outputs before they are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Written so far.
    pub done: u64,
    /// In all.
    pub total: u64,
}

/// What a bake needs of the disk at most, as [`needs`] finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Needs {
    /// Bytes of the outputs, were nothing compressed.
    pub outputs: u64,
    /// Bytes that the store keeps for the next bake, likewise.
    pub store: u64,
}

/// Writes the artifacts of `tree` and their records into the directory `output`.
///
/// # Errors
/// `Verification` with the cause [`Corrupt`] for a content that is not what the tree says; `Archive` for an entry
/// that no tar or file system can hold; `Usage` for a disk of a tree that has not what boots it; `Io` for an output
/// that cannot be written. In each case nothing new stands at a final name.
pub fn emit(
    tree: &Tree,
    plan: &Plan,
    store: &Store,
    output: &Path,
    options: Options<'_>,
    mut progress: impl FnMut(Progress),
) -> Result<Emitted> {
    let name = plan.name();
    let layout = layout::layout(tree)?;
    let formats: Vec<Format> = Format::ALL.into_iter().filter(|one| options.formats.contains(one)).collect();
    let disk = disk_of(tree, plan, &formats)?;
    if let Some(disk) = &disk {
        formats.iter().try_for_each(|format| disk::check(*format, disk))?;
    }
    let directory = output::Directory::open(output)?;
    let artifacts: Vec<String> = formats.iter().map(|format| format!("{name}.{}", format.suffix())).collect();
    // all names are taken before there is any work
    let mut parts = artifacts.iter().map(|artifact| directory.begin(artifact)).collect::<Result<Vec<_>>>()?;
    let mut records = vec![directory.begin(&format!("{name}.record.json"))?];
    records::record(&mut records[0], plan, tree, disk.as_ref())?;
    let mut list = directory.begin(&format!("{name}.files.json"))?;
    records::files(&mut list, plan, &artifacts, tree, &layout.at)?;
    records.push(list);
    if let Some(disk) = &disk {
        let mut record = directory.begin(&format!("{name}.disk.json"))?;
        records::disk(&mut record, plan, disk)?;
        records.push(record);
    }

    let drop_in = drop_in::DropIn::of(plan).filter(|_| formats.contains(&Format::Qcow2));
    let mut beside = Vec::new();
    if let (Some(drop_in), Some(disk)) = (&drop_in, &disk) {
        drop_in.check((plan, tree, disk), options.published)?;
        beside = vec![directory.begin(&drop_in.archive)?, directory.begin(&drop_in.manifest)?];
    }

    let mut at = Progress { done: 0, total: needs(tree, plan, &formats)?.outputs };
    let mut emitted = Emitted { files: Vec::new(), frames: None, disks: BTreeMap::new() };
    for (format, part) in formats.iter().zip(&mut parts) {
        let mut done = |bytes: u64| {
            at.done += bytes;
            progress(at);
        };
        match &disk {
            Some(disk) if format.is_disk() => {
                let how = disk::How { store, jobs: options.jobs, keep: options.keep_frames };
                let pieces = disk::write(*format, disk, plan, how, part, &mut done)?;
                emitted.disks.insert(*format, pieces);
            }
            _ => emitted.frames = Some(tar_zst(&layout, plan, store, options, part, &mut done)?),
        }
    }
    let image = formats.iter().position(|format| *format == Format::Qcow2).and_then(|at| parts.get(at));
    if let (Some(drop_in), Some(disk), Some(image), [archive, manifest]) =
        (&drop_in, &disk, image, beside.as_mut_slice())
    {
        drop_in.write_archive(archive, plan)?;
        let about = (&image.written(), &archive.written());
        drop_in.write_manifest(manifest, (plan, tree, disk), about, options.published)?;
    }
    records.extend(beside);
    records.extend(parts);
    emitted.files = directory.publish(records)?;
    Ok(emitted)
}

/// Finds out, before there is any work, whether an output directory can be written to, which is made when it is not there.
///
/// # Errors
/// As those of [`emit`] for an output that cannot be written.
pub fn check_output(output: &Path) -> Result<()> {
    output::Directory::open(output)?.begin(PROBE).map(drop)
}

/// The name of a file that is begun and never written.
const PROBE: &str = "probe";

/// How much room writing `formats` takes at most: more is never written, and mostly less.
pub fn needs(tree: &Tree, plan: &Plan, formats: &[Format]) -> Result<Needs> {
    let mut needs = Needs { outputs: 0, store: 0 };
    let disk = disk_of(tree, plan, formats)?;
    for format in formats {
        let bytes = match &disk {
            Some(disk) if format.is_disk() => {
                disk.image.segments.iter().map(|segment| segment.chunk.len).sum()
            }
            _ => layout::layout(tree)?.len,
        };
        needs.outputs += bytes;
        // the raw ones have nothing that would be worth keeping
        needs.store += if matches!(format, Format::Raw | Format::Vhd) { 0 } else { bytes };
    }
    Ok(needs)
}

fn disk_of<'t>(tree: &'t Tree, plan: &Plan, formats: &[Format]) -> Result<Option<Disk<'t>>> {
    let wanted = formats.iter().any(|format| format.is_disk());
    if wanted { disk::layout(plan, tree).map(Some) } else { Ok(None) }
}

fn tar_zst(
    layout: &layout::Layout<'_>,
    plan: &Plan,
    store: &Store,
    options: Options<'_>,
    artifact: &mut Part<'_>,
    done: &mut dyn FnMut(u64),
) -> Result<Frames> {
    let how = frames::How { level: plan.compression.level, jobs: options.jobs, keep: options.keep_frames };
    artifact.expected = layout.len;
    let mut seen = 0;
    frames::write(layout, store, how, |bytes, stands_for| {
        seen += stands_for;
        artifact.expected = expected(artifact.size() + bytes.len() as u64, seen, layout.len);
        artifact.write_all(bytes).map_err(|error| artifact.refusal("write", &error))?;
        done(stands_for);
        Ok(())
    })
}

/// How long an output will be, from what the first part of it came to.
pub(crate) fn expected(written: u64, done: u64, total: u64) -> u64 {
    let all = u128::from(written) * u128::from(total) / u128::from(done.max(1));
    u64::try_from(all).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
