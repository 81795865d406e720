//! What stands beside artifacts: the manifest, the list of files, the record of the disk.

use super::{Line, Part, files};
use crate::disk::{self, Disk};
use crate::manifest::{self, Boot, BootFile};
use crate::name::ImagePath;
use crate::plan::{Plan, resolved};
use crate::refusal::Result;
use crate::tree::{Node, Tree};
use std::io::{self, BufWriter, Write};

/// Writes what went in, in the schema of manifests; with a disk, how that is started without firmware.
///
/// Where the image will be published is not known here, so `os.image` is for whoever publishes it to add.
pub(super) fn manifest(part: &mut Part<'_>, plan: &Plan, tree: &Tree, disk: Option<&Disk<'_>>) -> Result<()> {
    let mut resolved = resolved(plan);
    resolved.boot = disk.and_then(|disk| {
        let file = |path: &ImagePath| {
            let Node::File(content) = &tree.get(path)?.node else { return None };
            let digest = content.digest().into();
            Some(BootFile { partition: disk.boot.partition, path: path.to_string(), digest })
        };
        let (kernel, initrd) = (file(&disk.boot.kernel)?, file(&disk.boot.initrd)?);
        Some(Boot { cmdline: disk.boot.cmdline.clone(), kernel, initrd })
    });
    let text = manifest::print(&resolved);
    written(part, |out| out.write_all(text.as_bytes()))
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
pub(super) fn disk(part: &mut Part<'_>, plan: &Plan, disk: &Disk<'_>) -> Result<()> {
    written(part, |out| disk::record::print(out, &plan.digest(), disk))
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
