//! The initrd of each kernel: `init`, and the modules that a machine may need to reach its root file system.
//!
//! ```text
//! plan.init ───────────────────────────┐
//! Modules: wanted ─closure─► order ────┼─cpio─► zstd ─► /boot/initrd.img-VERSION
//!                     aliases ─► table ┘
//! ```
//! Which of them a machine loads is decided there, by the devices that it has: `modules/table` says which module serves
//! which device (the shape is in `table`). Modules stay as the kernel package has them, compressed and signed; the kernel
//! unpacks those that are loaded. Not supported, on purpose: a shell, udev, firmware, microcode (the hypervisor's), and
//! whatever is not between the kernel's start and the root file system.

mod cpio;
mod table;

use super::modules::{Modules, is_alias_of};
use super::{Generated, bytes_of, image_path, refuse};
use crate::plan::{Plan, PlannedInit};
use cpio::{Archive, Kind};
use std::collections::BTreeSet;
use tree::name::ImagePath;
use tree::refusal::{Class, Refusal, Result};
use tree::{Node, Stored, Tree};

/// What reaches the disks of QEMU, Google, AWS, Xen, Azure and VMware, and the usual root file system. A kernel may have
/// some built in, and none of others: Debian's cloud kernel has ext4, NVMe and virtio-pci itself.
const USUAL: [&str; 14] = [
    "virtio_pci",
    "virtio_mmio",
    "virtio_blk",
    "virtio_scsi",
    "sd_mod",
    "nvme",
    "ahci",
    // the IDE controller of QEMU's `pc`, VMware and Hyper-V's first generation, and others that do as it does
    "ata_piix",
    "ata_generic",
    "xen_blkfront",
    "hv_storvsc",
    "pci_hyperv",
    "vmw_pvscsi",
    "ext4",
];
/// The kernel gives up on a frame whose window is larger (lib/zstd: `ZSTD_WINDOWSIZE_MAX`).
const WINDOW_LOG: u32 = 23;
/// More than ten times what a machine needs; the boot loader must read it before anything can be said on a console.
const MAX: usize = 16 << 20;

/// The initrd of each kernel that has an image in `/boot`, and the links that the kernel's postinst makes.
pub(super) fn files(
    plan: &Plan,
    tree: &Tree,
    kernels: &[Modules],
    read: &dyn Fn(&Stored) -> Result<Vec<u8>>,
) -> Result<Vec<Generated>> {
    let versions = versions(tree)?;
    let mut files = Vec::new();
    if let Some(init) = &plan.init {
        for version in &versions {
            let kernel = kernels.iter().find(|kernel| kernel.version == *version);
            let bytes = pack(plan, init, kernel, version, read)?;
            files.push(Generated::file(&format!("/boot/initrd.img-{version}"), 0o644, bytes)?);
        }
    }
    files.extend(links(versions, plan.init.is_some())?);
    Ok(files)
}

/// The kernels in `/boot`, oldest first.
fn versions(tree: &Tree) -> Result<Vec<String>> {
    let boot = image_path("/boot")?;
    let file = |(path, entry): (&ImagePath, &tree::Entry)| {
        let version = path.as_str().strip_prefix("/boot/vmlinuz-")?;
        matches!(entry.node, Node::File(_) | Node::Hardlink(_)).then(|| version.to_owned())
    };
    let mut versions: Vec<String> = tree.within(&boot).filter_map(file).collect();
    versions.sort_by(|a, b| by_version(a, b).then_with(|| a.cmp(b)));
    Ok(versions)
}

fn by_version(a: &str, b: &str) -> std::cmp::Ordering {
    use crate::debian::version::Version;
    match (Version::parse(a), Version::parse(b)) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => std::cmp::Ordering::Equal,
    }
}

/// `/vmlinuz` and `/initrd.img`, and the same with `.old` for the kernel before: linux-update-symlinks(1) makes them
/// when a kernel is installed, the second ones also where there is just one kernel. They are kept, as boot loaders
/// outside of the machine, and people, find kernel and initrd by them without a version.
fn links(versions: Vec<String>, with_initrd: bool) -> Result<Vec<Generated>> {
    let mut newest = versions.into_iter().rev();
    let Some(current) = newest.next() else { return Ok(Vec::new()) };
    let previous = newest.next().unwrap_or_else(|| current.clone());
    let mut links = Vec::new();
    for (stem, is_there) in [("initrd.img", with_initrd), ("vmlinuz", true)] {
        for (suffix, version) in [("", &current), (".old", &previous)] {
            if is_there {
                links.push(Generated::link(
                    image_path(&format!("/{stem}{suffix}"))?,
                    format!("boot/{stem}-{version}"),
                ));
            }
        }
    }
    Ok(links)
}

/// The initrd of one kernel; `kernel` is none where it has no modules at all.
fn pack(
    plan: &Plan,
    init: &PlannedInit,
    kernel: Option<&Modules>,
    version: &str,
    read: &dyn Fn(&Stored) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let path = format!("/boot/initrd.img-{version}");
    let mut archive = Archive::new(u32::try_from(plan.epoch).unwrap_or(0));
    for directory in ["dev", "modules", "proc", "root", "run", "sys"] {
        archive.add(directory, Kind::Directory, 0o755, &[]);
    }
    // the kernel opens it for the first program before that has mounted anything
    archive.add("dev/console", Kind::Character { major: 5, minor: 1 }, 0o600, &[]);
    archive.add("init", Kind::File, 0o755, &init.bytes);
    let mut text = table::HEAD.to_owned();
    if let Some(kernel) = kernel {
        let order = closure(kernel, &wanted(plan, init, kernel)?);
        for &at in &order {
            let bytes = bytes_of(&kernel.modules[at].content, read)?;
            archive.add(&format!("modules/{}", table::file(&kernel.modules[at])), Kind::File, 0o644, &bytes);
        }
        text = table::print(kernel, &order, &init.load);
    }
    archive.add("modules/table", Kind::File, 0o644, text.as_bytes());
    let plain = archive.finish();
    if plain.len() > MAX {
        let cause = format!("the initrd is too large: expected at most {MAX} bytes, found {}", plain.len());
        return Err(refuse(Class::Usage, path, cause).hint("remove modules from [initrd] of the recipe"));
    }
    compress(&plain, init.level).map_err(|error| refuse(Class::Io, path, error))
}

/// The modules that are to be in it, by place.
fn wanted(plan: &Plan, init: &PlannedInit, kernel: &Modules) -> Result<Vec<usize>> {
    let place = |name: &str| kernel.modules.iter().position(|module| module.name == name);
    let mut wanted: Vec<usize> = USUAL.iter().filter_map(|name| place(name)).collect();
    for name in init.modules.iter().chain(&init.load) {
        let known = name.replace('-', "_");
        match place(&known) {
            Some(at) => wanted.push(at),
            None if kernel.is_built_in(&known) => {}
            None => return Err(missing(plan, name, &kernel.version)),
        }
    }
    Ok(wanted)
}

fn missing(plan: &Plan, name: &str, version: &str) -> Refusal {
    let cause = format!("[initrd] names module `{name}`, but kernel `{version}` has no such module");
    refuse(Class::Usage, format!("image-recipes/{}/recipe.toml", plan.kind), cause)
        .hint("check the spelling against /usr/lib/modules; another kernel package may have it, as Debian's cloud kernel has few")
}

/// `wanted` and all that they need, each after what it needs: also what they ask for by `softdep … pre:`.
fn closure(kernel: &Modules, wanted: &[usize]) -> Vec<usize> {
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    // `true` when all that it needs is in
    let mut open: Vec<(usize, bool)> = wanted.iter().rev().map(|&at| (at, false)).collect();
    while let Some((at, is_ready)) = open.pop() {
        if is_ready {
            order.push(at);
        } else if seen.insert(at) {
            open.push((at, true));
            // the last pushed is the first done: of what is needed the deepest is named last
            open.extend(kernel.modules[at].needs.iter().map(|&need| (need, false)));
            open.extend(before(kernel, at).into_iter().rev().map(|soft| (soft, false)));
        }
    }
    order
}

/// The modules that `at` wants loaded before it where they are there.
fn before(kernel: &Modules, at: usize) -> Vec<usize> {
    let mut found = Vec::new();
    for softdep in &kernel.modules[at].facts.softdeps {
        let names = softdep.split_whitespace().scan(false, |is_pre, word| {
            *is_pre = if word.ends_with(':') { word == "pre:" } else { *is_pre };
            Some((*is_pre, word))
        });
        for name in names.filter(|(is_pre, word)| *is_pre && !word.ends_with(':')).map(|(_, word)| word) {
            let plain = name.replace('-', "_");
            found.extend(kernel.modules.iter().enumerate().filter_map(|(place, module)| {
                (place != at && (module.name == plain || is_alias_of(&module.facts, &plain))).then_some(place)
            }));
        }
    }
    found
}

/// One frame, as the kernel reads it: lib/decompress_unzstd.c of Linux.
fn compress(plain: &[u8], level: i32) -> std::io::Result<Vec<u8>> {
    use zstd::zstd_safe::CParameter;
    let mut encoder = zstd::bulk::Compressor::new(level)?;
    encoder.set_parameter(CParameter::ChecksumFlag(true))?;
    encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    encoder.compress(plain)
}

#[cfg(test)]
mod tests;
