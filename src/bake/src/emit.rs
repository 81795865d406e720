//! Emitting: a tree to artifacts and the record of what went in.
//!
//! ```text
//! Tree ─layout─► chunks ─frames─► <name>.tar.zst        each chunk one zstd frame, in parallel, in order
//!  └─────────────files──────────► <name>.files.json     each path with its owner
//! Plan ─────────resolved────────► <name>.manifest.json  what went in, in the schema of manifests and no more
//!                                 SHA256SUMS            last of all
//! ```
//! One pass, streaming: memory does not grow with the image. The bytes of each output are a function of tree, plan and
//! the version of this program; the number of threads, the state of the store, the user, the clock and the place do
//! not show. Every byte of a file is compared with its digest on its way; a content that does not check is
//! refused with [`Corrupt`] as the cause, so that the caller can derive the blob anew and try again.

mod contents;
mod files;
mod frames;
pub mod index;
mod layout;
mod ordered;
pub mod output;
mod part;
pub mod pax;
pub mod sums;

pub use contents::Corrupt;
pub use files::{Component, FORMAT, Files, Head, Line, Type, parse as parse_files};
pub use frames::Frames;
pub use output::Written;
pub use part::Part;

use crate::manifest;
use crate::plan::{Plan, resolved};
use crate::refusal::{Refusal, Result};
use crate::store::Store;
use crate::tree::Tree;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::Path;

/// How to emit; nothing of it shows in the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// On how many threads to compress.
    pub jobs: NonZeroUsize,
    /// Whether frames are taken from the store and kept in it.
    pub keep_frames: bool,
}

/// What was emitted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Emitted {
    /// The files, the artifact last.
    pub files: Vec<Written>,
    /// Of what the artifact is made.
    pub frames: Frames,
}

/// How far it is, in bytes of the tar stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Written so far.
    pub done: u64,
    /// In all.
    pub total: u64,
}

/// Writes the artifact of `tree` and its records into the directory `output`.
///
/// # Errors
/// `Verification` with the cause [`Corrupt`] for a content that is not what the tree says; `Archive` for an entry
/// that no tar can hold; `Io` for an output that cannot be written. In each case nothing new stands at a final name.
pub fn emit(
    tree: &Tree,
    plan: &Plan,
    store: &Store,
    output: &Path,
    options: Options,
    mut progress: impl FnMut(Progress),
) -> Result<Emitted> {
    let name = plan.name();
    let layout = layout::layout(tree)?;
    let directory = output::Directory::open(output)?;
    let mut artifact = directory.begin(&format!("{name}.tar.zst"))?;
    artifact.expected = layout.len;

    let mut went_in = directory.begin(&format!("{name}.manifest.json"))?;
    let text = manifest::print(&resolved(plan));
    went_in.expected = text.len() as u64;
    went_in.write_all(text.as_bytes()).map_err(|error| went_in.refusal("write", &error))?;

    let mut list = directory.begin(&format!("{name}.files.json"))?;
    let lines = tree.iter().zip(&layout.at).map(|((path, entry), at)| Line::of(path, entry, *at));
    let mut buffered = BufWriter::with_capacity(256 << 10, &mut list);
    let printed =
        files::print(&mut buffered, plan, &format!("{name}.tar.zst"), lines).and_then(|()| buffered.flush());
    // what could not be written is not tried again by the buffer
    let _ = buffered.into_parts();
    printed.map_err(|error| list.refusal("write", &error))?;

    let how = frames::How { level: plan.compression.level, jobs: options.jobs, keep: options.keep_frames };
    let mut at = Progress { done: 0, total: layout.len };
    let frames = frames::write(&layout, store, how, |bytes, stands_for| {
        artifact.expected = expected(artifact.size() + bytes.len() as u64, at.done + stands_for, at.total);
        artifact.write_all(bytes).map_err(|error| artifact.refusal("write", &error))?;
        at.done += stands_for;
        progress(at);
        Ok(())
    })?;
    let files = directory.publish(vec![went_in, list, artifact])?;
    Ok(Emitted { files, frames })
}

/// Writes the plain tar stream of `tree`, the same that the artifact holds, for formats that are made from a tar.
pub fn tar(tree: &Tree, store: &Store, out: &mut impl Write) -> Result<u64> {
    let layout = layout::layout(tree)?;
    frames::plain(&layout, store, |bytes| {
        out.write_all(bytes).map_err(|error| Refusal::io("tar", crate::Stage::Emit, "write", &error))
    })?;
    Ok(layout.len)
}

/// How long the artifact will be, from what the first part of it came to.
fn expected(written: u64, done: u64, total: u64) -> u64 {
    let all = u128::from(written) * u128::from(total) / u128::from(done.max(1));
    u64::try_from(all).unwrap_or(u64::MAX)
}
