//! What starts a disk: boot loader, kernel, initrd and the words that the kernel is told.
//!
//! Source: the Boot Loader Specification, type 1 (<https://uapi-group.org/specifications/specs/boot_loader_specification/>),
//! and loader.conf(5).

use super::{Uuid, file, refuse};
use crate::bios::Run;
use crate::fat32::{Files, Source};
use crate::spec::{Holds, Spec};
use std::collections::BTreeMap;
use tree::Tree;
use tree::name::{Arch, ImagePath};
use tree::refusal::{Class, Refusal, Remedy, Result};
use tree::release::NUMBER;

/// How a disk is started without firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// The version of the kernel, as its files have it in their names.
    pub version: String,
    /// The kernel's command line.
    pub cmdline: String,
    /// The number of the partition, from 1, with the tree: whoever starts the kernel without firmware reads it there.
    pub partition: u32,
    /// The kernel in the tree.
    pub kernel: ImagePath,
    /// The initrd in the tree.
    pub initrd: ImagePath,
}

/// What `tree` is started by, with its root in the partition `root`.
pub(super) fn boot(spec: &Spec, tree: &Tree, root: Uuid) -> Result<Boot> {
    let versions: Vec<&str> = tree
        .within(&path("/boot")?)
        .filter_map(|(path, _)| path.as_str().strip_prefix("/boot/vmlinuz-"))
        .filter(|version| !version.contains('/'))
        .collect();
    let [version] = versions.as_slice() else {
        let what = match versions.as_slice() {
            [] => "the tree has no `/boot/vmlinuz-VERSION`".to_owned(),
            several => format!("the tree has more than one kernel: {}", several.join(", ")),
        };
        return Err(refuse(Class::Usage, what).remedy(Remedy::Bootable));
    };
    let holder = spec.partitions.iter().position(|partition| partition.holds == Holds::Tree);
    let number = holder.and_then(|at| u32::try_from(at + 1).ok());
    let boot = Boot {
        version: (*version).to_owned(),
        cmdline: format!("root=PARTUUID={root} {}", spec.cmdline),
        partition: number.unwrap_or(0),
        kernel: path(&format!("/boot/vmlinuz-{version}"))?,
        initrd: path(&format!("/boot/initrd.img-{version}"))?,
    };
    for at in [&boot.kernel, &boot.initrd] {
        file(tree, at).ok_or_else(|| missing(at.as_str()))?;
    }
    Ok(boot)
}

impl Boot {
    /// Where kernel and initrd are in the EFI system partition.
    fn directory(&self, spec: &Spec) -> String {
        format!("{}/{}", spec.kind, self.version)
    }

    /// Where kernel and initrd are on a disk whose EFI system partition begins at `offset` and has its files at `places`.
    pub(super) fn runs(
        &self,
        spec: &Spec,
        tree: &Tree,
        offset: u64,
        places: &BTreeMap<String, u64>,
    ) -> Result<[Run; 2]> {
        let run = |name: &str, at: &ImagePath| {
            let (_, content) = file(tree, at).ok_or_else(|| missing(at.as_str()))?;
            let place = places.get(&format!("{}/{name}", self.directory(spec)));
            let place =
                place.ok_or_else(|| refuse(Class::Usage, format!("`{at}`: expected a file with content")))?;
            Ok::<_, Refusal>(Run { offset: offset + place, len: content.len() })
        };
        Ok([run("linux", &self.kernel)?, run("initrd", &self.initrd)?])
    }

    /// The files of the EFI system partition.
    pub(super) fn files<'t>(&self, spec: &Spec, tree: &'t Tree) -> Result<Files<'t>> {
        let (own, fallback) = match spec.arch {
            Arch::Amd64 => ("systemd-bootx64.efi", "BOOTX64.EFI"),
            Arch::Arm64 => ("systemd-bootaa64.efi", "BOOTAA64.EFI"),
        };
        let loader = path(&format!("/usr/lib/systemd/boot/efi/{own}"))?;
        let taken = |at: &ImagePath| {
            let (path, content) = file(tree, at).ok_or_else(|| missing(at.as_str()))?;
            Ok::<_, Refusal>(Source::File(path, content))
        };
        let directory = self.directory(spec);
        let mut files = Files::new();
        files.insert(format!("EFI/BOOT/{fallback}"), taken(&loader)?);
        files.insert(format!("EFI/systemd/{own}"), taken(&loader)?);
        files.insert(format!("{directory}/linux"), taken(&self.kernel)?);
        files.insert(format!("{directory}/initrd"), taken(&self.initrd)?);
        // whoever holds a key at the console could otherwise write `init=/bin/sh`
        let loader = format!("default {}.conf\ntimeout 0\neditor no\n", spec.kind);
        files.insert("loader/loader.conf".to_owned(), Source::Bytes(loader.into_bytes()));
        let entry = format!(
            "title Debian {NUMBER} ({})\nversion {}\nlinux /{directory}/linux\ninitrd /{directory}/initrd\noptions {}\n",
            spec.kind, self.version, self.cmdline
        );
        files.insert(format!("loader/entries/{}.conf", spec.kind), Source::Bytes(entry.into_bytes()));
        Ok(files)
    }
}

fn missing(at: &str) -> Refusal {
    refuse(Class::Usage, format!("the tree has no file `{at}`")).remedy(Remedy::Bootable)
}

fn path(text: &str) -> Result<ImagePath> {
    text.parse().map_err(|error| refuse(Class::Usage, format!("`{text}`: {error}")))
}
