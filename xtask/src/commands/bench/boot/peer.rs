//! The machine that is the peer's: mmdebstrap of the same packages, with initramfs-tools for what makes our initrd.
//!
//! All maintainer scripts run, initramfs-tools makes its initrd, and what is done by hand is what every image of that sort
//! has done: a table of file systems, a name, an empty machine-id, and networkd switched on. cloud-init is as Debian
//! ships it. The file system is the disk: without a boot loader, as the kernel is started directly.

use super::ours::Ours;
use crate::commands::bench::{inputs, peers};
use anyhow::{Context as _, Result, ensure};
use bake::lock::Lock;
use machine::Kernel;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use store::Store;
use tree::name::Name;
use vmbake::places::PlaceArgs;
use vmbake::progress::ShowArgs;
use vmbake::relock::{self, Outside};
use xshell::{Shell, cmd};

/// What it has besides: what ours has programs of this project for, and the compressor that initramfs-tools prefers.
const ADDED: [&str; 3] = ["cloud-init", "initramfs-tools", "zstd"];
/// The root of the file system, for whoever starts its kernel.
pub(super) const ROOT: &str = "LABEL=root";
/// Its size: the peer has no free space to be asked for, and grows nothing.
const SIZE: u64 = 2 << 30;

/// The peer, made.
pub(super) struct Peer {
    /// The disk, as qcow2.
    pub(super) disk: PathBuf,
    /// Its own kernel and initrd.
    pub(super) kernel: Kernel,
    /// Its packages that we do not have, and ours that it does not have.
    pub(super) packages: Vec<String>,
}

/// Makes it below `work`, of packages in the store `store`.
pub(super) fn make(
    shell: &Shell,
    ours: &Ours,
    places: &PlaceArgs,
    work: &Path,
    store: &Path,
) -> Result<Peer> {
    let lock = lock(ours, places, store)?;
    let (pool, root) = (fresh(work, "pool")?, fresh(work, "peer")?);
    let debs = inputs::lay_out(store, &lock, &pool)?;
    peers::repository(&debs, &pool)?;
    let names: Vec<String> = lock.packages.iter().map(|package| package.name.to_string()).collect();
    peers::system(shell, &pool, &names, inputs::arch(), &root)?;
    finish(shell, &root)?;
    let (raw, disk) = (work.join("peer.raw"), work.join("peer.qcow2"));
    peers::file_system(shell, &root, &raw, SIZE)?;
    peers::converted(shell, &raw, &disk, "zstd")?;
    let kernel = kernel(&root, work)?;
    fs::remove_file(raw)?;
    fs::remove_dir_all(root)?;
    Ok(Peer { disk, kernel, packages: differences(&ours.lock, &lock) })
}

/// Its packages, of the archive that ours came from a moment ago. Nobody has read the added ones' scripts: they run.
fn lock(ours: &Ours, places: &PlaceArgs, store: &Path) -> Result<Lock> {
    let (kind, arch) = (&ours.lock.kind, ours.lock.arch);
    let mut request = ours.project.recipe(kind)?.request(arch);
    for name in ADDED {
        let name: Name = name.parse()?;
        request.avoid.retain(|avoided| *avoided != name);
        request.install.push(name);
    }
    request.install.sort_unstable();
    let options = places.options(&ours.project, &ours.project.sources()?, "check the mirrors".to_owned())?;
    let previous = std::slice::from_ref(&ours.lock);
    let task = relock::Task { kind, arch, previous, max_age: &[], unreviewed: None, components: &[] };
    let show = ShowArgs { quiet: true, json: false }.show();
    Ok(relock::packages(
        &task,
        &request,
        &Outside::default(),
        &ours.project,
        &Store::open(store)?,
        &options,
        &show,
    )?)
}

/// What nobody's package does.
fn finish(shell: &Shell, root: &Path) -> Result<()> {
    for (path, text) in [
        ("etc/fstab", format!("{ROOT} / ext4 errors=remount-ro 0 1\n")),
        ("etc/hostname", "peer\n".to_owned()),
        ("etc/machine-id", String::new()),
    ] {
        fs::write(root.join(path), text).with_context(|| path.to_owned())?;
    }
    cmd!(shell, "chroot {root} systemctl enable systemd-networkd.service").quiet().ignore_stderr().run()?;
    cmd!(shell, "chroot {root} systemctl set-default multi-user.target").quiet().ignore_stderr().run()?;
    Ok(())
}

/// Its kernel and initrd, copied out of `/boot`, where there is one of each.
fn kernel(root: &Path, work: &Path) -> Result<Kernel> {
    let only = |prefix: &str, to: &str| -> Result<PathBuf> {
        let entries = fs::read_dir(root.join("boot"))?.collect::<std::io::Result<Vec<_>>>()?;
        let found: Vec<PathBuf> = entries
            .iter()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(std::fs::DirEntry::path)
            .collect();
        ensure!(found.len() == 1, "expected one `/boot/{prefix}…` in the peer, found {}", found.len());
        let to = work.join(to);
        fs::copy(found.first().context("there is one")?, &to)?;
        Ok(to)
    };
    let (kernel, initrd) = (only("vmlinuz-", "peer.kernel")?, only("initrd.img-", "peer.initrd")?);
    Ok(Kernel { kernel, initrd: Some(initrd), cmdline: String::new() })
}

/// `+` for what only the peer has, `-` for what only we have, and versions that are not alike.
fn differences(ours: &Lock, peer: &Lock) -> Vec<String> {
    let by_name = |lock: &Lock| -> BTreeMap<Name, String> {
        lock.packages.iter().map(|package| (package.name.clone(), package.version.clone())).collect()
    };
    let (ours, peer) = (by_name(ours), by_name(peer));
    let more = peer.iter().filter_map(|(name, version)| match ours.get(name) {
        None => Some(format!("+{name}")),
        Some(other) if other != version => Some(format!("{name} {version}, ours {other}")),
        Some(_) => None,
    });
    more.chain(ours.keys().filter(|name| !peer.contains_key(*name)).map(|name| format!("-{name}"))).collect()
}

fn fresh(work: &Path, name: &str) -> Result<PathBuf> {
    let path = work.join(name);
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    Ok(path)
}
