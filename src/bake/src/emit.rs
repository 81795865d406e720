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
//! that does not check is refused with [`Corrupt`](store::contents::Corrupt) as the cause, so that the caller can derive the blob anew and try
//! again.

mod drop_in;
mod files;
mod frames;
pub mod index;
mod layout;
pub mod pax;
mod records;

pub use drop_in::{NOWHERE, OS_IMAGE, VMCONFIG};
pub use files::{Component, FORMAT, Files, Head, Line, Type, parse as parse_files};
pub use frames::Frames;

use self::layout::Layout;
use crate::plan::Plan;
use disk::{Codec, Disk, Format, Pieces};
use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use store::Store;
use store::output::{Directory, Written};
use store::part::Part;
use tree::Tree;
use tree::refusal::Result;

/// Artifacts that are laid out, and not yet written.
#[derive(Debug)]
pub struct Prepared<'t> {
    tree: &'t Tree,
    plan: &'t Plan,
    /// Each once, in the order of [`Format::ALL`].
    formats: Vec<Format>,
    tar: Layout<'t>,
    disk: Option<Disk<'t>>,
}

/// How to emit; nothing of it shows in the bytes of any output, but for where a drop-in says that it is published.
#[derive(Debug, Clone, Copy)]
pub struct Options<'p> {
    /// On how many threads to compress.
    pub jobs: NonZeroUsize,
    /// Whether encoded pieces are taken from the store and kept in it.
    pub keep_frames: bool,
    /// Where the image will be published: what the URLs of a drop-in's manifest begin with, [`NOWHERE`] where that is not
    /// known.
    pub published: &'p str,
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

/// What a bake needs of the disk at most, as [`Prepared::needs`] finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Needs {
    /// Bytes of the outputs, were nothing compressed.
    pub outputs: u64,
    /// Bytes that the store keeps for the next bake, likewise.
    pub store: u64,
}

/// Lays out `tree` for artifacts of these formats. Nothing is read, and nothing written.
///
/// # Errors
/// `Archive` for an entry that no tar or file system can hold; `Usage` for a disk of a tree that has not what boots it,
/// or one that readers of a format do not take.
pub fn prepare<'t>(tree: &'t Tree, plan: &'t Plan, formats: &[Format]) -> Result<Prepared<'t>> {
    let tar = layout::layout(tree)?;
    let formats: Vec<Format> = Format::ALL.into_iter().filter(|one| formats.contains(one)).collect();
    let codecs: Vec<&Codec> = formats.iter().filter_map(|format| format.codec()).collect();
    let disk = match codecs.is_empty() {
        true => None,
        false => Some(disk::layout(plan.disk_spec(), tree)?),
    };
    if let Some(disk) = &disk {
        codecs.iter().try_for_each(|codec| codec.check(disk))?;
    }
    Ok(Prepared { tree, plan, formats, tar, disk })
}

impl Prepared<'_> {
    /// How much room writing takes at most: more is never written, and mostly less.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let mut needs = Needs { outputs: 0, store: 0 };
        for format in &self.formats {
            let bytes = match &self.disk {
                Some(disk) if format.is_disk() => disk.bytes(),
                _ => self.tar.len,
            };
            needs.outputs += bytes;
            // the raw ones have nothing that would be worth keeping
            needs.store += if format.codec().is_none_or(Codec::keeps) { bytes } else { 0 };
        }
        needs
    }

    /// Writes the artifacts and their records into the directory `output`.
    ///
    /// # Errors
    /// `Verification` with the cause [`Corrupt`](store::contents::Corrupt) for a content that is not what the tree says;
    /// `Usage` for a drop-in that cannot say where it is published; `Io` for an output that cannot be written. In each
    /// case nothing new stands at a final name.
    pub fn write(
        &self,
        store: &Store,
        output: &Path,
        options: Options<'_>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Emitted> {
        let (tree, plan, name) = (self.tree, self.plan, self.plan.name());
        let directory = Directory::open(output)?;
        let artifacts: Vec<String> =
            self.formats.iter().map(|format| format!("{name}.{}", format.suffix())).collect();
        // all names are taken before there is any work
        let mut parts =
            artifacts.iter().map(|artifact| directory.begin(artifact)).collect::<Result<Vec<_>>>()?;
        let mut records = vec![directory.begin(&format!("{name}.record.json"))?];
        records::record(&mut records[0], plan, tree, self.disk.as_ref())?;
        let mut list = directory.begin(&format!("{name}.files.json"))?;
        records::files(&mut list, plan, &artifacts, tree, &self.tar.at)?;
        records.push(list);
        if let Some(disk) = &self.disk {
            let mut record = directory.begin(&format!("{name}.disk.json"))?;
            records::disk(&mut record, disk)?;
            records.push(record);
        }

        let drop_in = drop_in::DropIn::of(plan).filter(|_| self.formats.contains(&Format::Qcow2));
        let mut beside = Vec::new();
        if let (Some(drop_in), Some(disk)) = (&drop_in, &self.disk) {
            drop_in.check((plan, tree, disk), options.published)?;
            beside = vec![directory.begin(&drop_in.archive)?, directory.begin(&drop_in.manifest)?];
        }

        let mut at = Progress { done: 0, total: self.needs().outputs };
        let mut emitted = Emitted { files: Vec::new(), frames: None, disks: BTreeMap::new() };
        for (format, part) in self.formats.iter().zip(&mut parts) {
            let mut done = |bytes: u64| {
                at.done += bytes;
                progress(at);
            };
            match (&self.disk, format.codec()) {
                (Some(disk), Some(codec)) => {
                    let how = disk::How { store, jobs: options.jobs, keep: options.keep_frames };
                    let pieces = codec.write(disk, how, part, &mut done)?;
                    emitted.disks.insert(*format, pieces);
                }
                _ => emitted.frames = Some(tar_zst(&self.tar, plan, store, options, part, &mut done)?),
            }
        }
        let image =
            self.formats.iter().position(|format| *format == Format::Qcow2).and_then(|at| parts.get(at));
        if let (Some(drop_in), Some(disk), Some(image), [archive, manifest]) =
            (&drop_in, &self.disk, image, beside.as_mut_slice())
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
}

/// Finds out, before there is any work, whether an output directory can be written to, which is made when it is not there.
///
/// # Errors
/// As those of [`Prepared::write`] for an output that cannot be written.
pub fn check_output(output: &Path) -> Result<()> {
    Directory::open(output)?.begin(PROBE).map(drop)
}

/// The name of a file that is begun and never written.
const PROBE: &str = "probe";

fn tar_zst(
    layout: &Layout<'_>,
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
        artifact.expected = store::part::expected(artifact.size() + bytes.len() as u64, seen, layout.len);
        artifact.write_all(bytes).map_err(|error| artifact.refusal("write", &error))?;
        done(stands_for);
        Ok(())
    })
}

#[cfg(test)]
mod tests;
