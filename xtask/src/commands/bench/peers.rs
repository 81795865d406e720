//! The programs that people use today for the same work.

use super::measure::{self, Sample};
use anyhow::{Context as _, Result};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tree::release::CODENAME;
use xshell::{Shell, cmd};

/// Makes a directory of packages a repository that apt takes: `Packages` beside them, and a `Release` for its suite, by
/// which mmdebstrap tells the essential packages of trixie from others.
pub(crate) fn repository(debs: &[PathBuf], folder: &Path) -> Result<()> {
    let shell = Shell::new()?;
    let mut packages = Vec::new();
    for deb in debs {
        let fields = cmd!(shell, "dpkg-deb --field {deb}").quiet().read()?;
        let name = deb.file_name().context("a package has a name")?.to_string_lossy();
        let bytes = fs::read(deb)?;
        let digest = tree::digest::Sha256::of(&bytes).hex();
        writeln!(packages, "{fields}\nFilename: ./{name}\nSize: {}\nSHA256: {digest}\n", bytes.len())?;
    }
    let (digest, size) = (tree::digest::Sha256::of(&packages).hex(), packages.len());
    let release = format!("Suite: {CODENAME}\nCodename: {CODENAME}\nDate: Thu, 01 Jan 2026 00:00:00 UTC");
    fs::write(folder.join("Release"), format!("{release}\nSHA256:\n {digest} {size} Packages\n"))?;
    fs::write(folder.join("Packages"), packages)?;
    Ok(())
}

/// mmdebstrap, from a repository in a directory to a tar.zst: the packages that are named, which are all there are. Essential
/// ones go first: the variant `custom` configures all at once, and their scripts fail.
pub(crate) fn mmdebstrap(
    shell: &Shell,
    repository: &Path,
    names: &[String],
    arch: &str,
    output: &Path,
) -> Result<Sample> {
    let include = format!("--include={}", names.join(","));
    let mode = if rustix::process::geteuid().is_root() { "--mode=root" } else { "--mode=unshare" };
    let source = format!("deb [trusted=yes] copy://{} ./", repository.display());
    let arch = format!("--architectures={arch}");
    let run =
        cmd!(shell, "mmdebstrap --variant=essential {mode} {arch} {include} {CODENAME} {output} {source}");
    let sample = measure::program(run.quiet()).context("mmdebstrap")?;
    fs::remove_file(output)?;
    // its children's memory is not seen from here
    Ok(Sample { peak: None, ..sample })
}

/// mmdebstrap, from the same repository to a directory, which needs root: whoever makes a file system of it reads its owners.
/// It is told to wait for no disk, though a bake does.
pub(crate) fn system(
    shell: &Shell,
    repository: &Path,
    names: &[String],
    arch: &str,
    folder: &Path,
) -> Result<Sample> {
    let include = format!("--include={}", names.join(","));
    let source = format!("deb [trusted=yes] copy://{} ./", repository.display());
    let arch = format!("--architectures={arch}");
    let run = cmd!(shell, "mmdebstrap {SYSTEM...} {arch} {include} {CODENAME} {folder} {source}");
    let sample = measure::program(run.quiet()).context("mmdebstrap")?;
    Ok(Sample { peak: None, ..sample })
}

/// How mmdebstrap makes a system.
pub(crate) const SYSTEM: [&str; 4] =
    ["--variant=essential", "--mode=root", "--dpkgopt=force-unsafe-io", "--skip=check/qemu"];
/// How mke2fs makes a file system of a directory.
pub(crate) const FILE_SYSTEM: [&str; 11] = [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-L",
    "root",
    "-m",
    "0",
    "-E",
    "root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0",
    "-d",
];
/// How qemu-img converts it: compressed, on several threads, out of order, which is its fastest way.
pub(crate) const CONVERT: [&str; 7] = ["-f", "raw", "-O", "qcow2", "-c", "-W", "-o"];

/// `mke2fs -d` of a directory into a sparse file of `size` bytes: the file system alone, without partitions.
pub(crate) fn file_system(shell: &Shell, folder: &Path, output: &Path, size: u64) -> Result<Sample> {
    fs::File::create(output)?.set_len(size)?;
    let run = cmd!(shell, "mke2fs {FILE_SYSTEM...} {folder} {output}");
    // it is not on every user's path
    let path = std::env::var("PATH").unwrap_or_default();
    measure::program(run.quiet().env("PATH", format!("{path}:/usr/sbin:/sbin"))).context("mke2fs")
}

/// `qemu-img convert` of a raw disk to qcow2, compressed by `how`.
pub(crate) fn converted(shell: &Shell, from: &Path, to: &Path, how: &str) -> Result<Sample> {
    let how = format!("compression_type={how}");
    let run = cmd!(shell, "qemu-img convert {CONVERT...} {how} {from} {to}");
    measure::program(run.quiet()).context("qemu-img")
}

/// `dpkg-deb --extract` of every package into one directory, so many at a time.
pub(crate) fn dpkg_deb(shell: &Shell, debs: &[PathBuf], at_once: usize, folder: &Path) -> Result<Sample> {
    fs::create_dir_all(folder)?;
    let list = folder.with_extension("list");
    let text: Vec<String> = debs.iter().map(|deb| deb.display().to_string()).collect();
    fs::write(&list, text.join("\n"))?;
    let at_once = at_once.to_string();
    let run = cmd!(
        shell,
        "xargs --arg-file={list} --max-procs={at_once} --replace=DEB dpkg-deb --extract DEB {folder}"
    );
    let sample = measure::program(run.quiet()).context("dpkg-deb")?;
    fs::remove_dir_all(folder)?;
    Ok(Sample { peak: None, ..sample })
}
