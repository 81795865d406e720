//! What stands beside artifacts: the record of what went in, the list of files, the record of the disk.

use super::{Line, files};
use crate::manifest::{Boot, BootFile, Manifest};
use crate::plan::{Plan, PlannedImage, Remark, resolved};
use disk::Disk;
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use store::part::Part;
use tree::digest::Sha256;
use tree::name::ImagePath;
use tree::privilege::Privilege;
use tree::refusal::Result;
use tree::scripts::Scripted;
use tree::{Node, Tree};

/// The version of the record's form.
const FORMAT: u32 = 1;

/// The record of an image.
#[derive(Serialize)]
struct Record<'a> {
    format: u32,
    name: &'a str,
    /// The digest of the plan.
    plan: Sha256,
    /// What was decided about the inputs beyond taking them as they are pinned.
    remarks: &'a [Remark],
    /// What the image grants beyond root:root 0755, and who brings it.
    privileges: &'a [Privilege],
    /// What became of maintainer scripts: how far those of each package are trusted, and what they do.
    scripts: &'a [Scripted],
    /// The container images that are in containerd's store.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    images: &'a [PlannedImage],
    /// `vmconfig`: what went in, in the schema of manifests.
    #[serde(flatten)]
    manifest: &'a Manifest,
}

/// Writes what went in, every package and component with its digest; with a disk, how that is started without firmware.
pub(super) fn record(part: &mut Part<'_>, plan: &Plan, tree: &Tree, disk: Option<&Disk<'_>>) -> Result<()> {
    let mut resolved = resolved(plan);
    resolved.boot = disk.and_then(|disk| boot(tree, disk));
    let record = Record {
        format: FORMAT,
        name: &plan.name(),
        plan: plan.digest(),
        remarks: &plan.remarks,
        privileges: tree.privileges(),
        scripts: tree.scripts(),
        images: &plan.containers,
        manifest: &resolved,
    };
    written(part, |out| {
        serde_json::to_writer_pretty(&mut *out, &record)?;
        out.write_all(b"\n")
    })
}

/// How `disk` is started without firmware.
pub(super) fn boot(tree: &Tree, disk: &Disk<'_>) -> Option<Boot> {
    let file = |path: &ImagePath| {
        let Node::File(content) = &tree.get(path)?.node else { return None };
        let digest = content.digest().into();
        Some(BootFile { partition: disk.boot.partition, path: path.to_string(), digest })
    };
    let (kernel, initrd) = (file(&disk.boot.kernel)?, file(&disk.boot.initrd)?);
    Some(Boot { cmdline: disk.boot.cmdline.clone(), kernel, initrd })
}

/// Writes each path with its owner; `at` is where its content stands in the tar stream.
pub(super) fn files(
    part: &mut Part<'_>,
    plan: &Plan,
    artifacts: &[String],
    tree: &Tree,
    at: &[u64],
) -> Result<()> {
    let lines = tree.iter().zip(at).map(|((path, entry), at)| Line::of(path, entry, *at));
    written(part, |out| files::print(out, plan, artifacts, lines))
}

/// Writes what stands where on the disk.
pub(super) fn disk(part: &mut Part<'_>, disk: &Disk<'_>) -> Result<()> {
    written(part, |out| disk::record::print(out, disk))
}

fn written(
    part: &mut Part<'_>,
    print: impl FnOnce(&mut BufWriter<&mut Part<'_>>) -> io::Result<()>,
) -> Result<()> {
    let mut buffered = BufWriter::with_capacity(256 << 10, &mut *part);
    let printed = print(&mut buffered).and_then(|()| buffered.flush());
    // what could not be written is not tried again by the buffer
    let _ = buffered.into_parts();
    printed.map_err(|error| part.refusal("write", &error))
}
