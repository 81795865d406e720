//! Root file systems of disk images, looked at from outside with e2fsprogs: no guest tells what is on its own disk.

use anyhow::{Context as _, Result, ensure};
use machine::DiskImage;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// A root file system, as a file of its own in `room`.
pub fn root(disk: &DiskImage, room: &Path) -> Result<PathBuf> {
    let partitions = disk.partitions()?;
    let root =
        partitions.values().find(|partition| partition.root_of().is_some()).context("no root partition")?;
    let (shell, from, format) = (Shell::new()?, &disk.path, disk.format.driver());
    let whole = tempfile::Builder::new().prefix("disk-").suffix(".raw").tempfile_in(room)?.into_temp_path();
    let to = whole.to_path_buf();
    cmd!(shell, "qemu-img convert -f {format} -O raw {from} {to}").quiet().run()?;
    let path = tempfile::Builder::new()
        .prefix("root-")
        .suffix(".ext4")
        .tempfile_in(room)?
        .into_temp_path()
        .keep()?;
    // a partition that has grown ends where the disk does
    let (skip, count) = (root.offset.to_string(), root.size.to_string());
    cmd!(shell, "dd if={to} of={path} bs=1M iflag=skip_bytes,count_bytes skip={skip} count={count}")
        .args(["conv=sparse", "status=none"])
        .quiet()
        .run()?;
    // what is not written by dd must be there as zeros
    fs::File::options().write(true).open(&path)?.set_len(root.size)?;
    Ok(path)
}

/// Whether the file system is clean, as e2fsck(8) sees it.
pub fn check(root: &Path) -> Result<()> {
    let shell = Shell::new()?;
    let output = cmd!(shell, "e2fsck -fn {root}").env("PATH", PATH).quiet().ignore_status().output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// Path → type, mode, size and digest of every entry below the root: what two disks are compared by.
///
/// Owners are what they are only where we are root.
pub fn entries(root: &Path, room: &Path) -> Result<BTreeMap<String, String>> {
    let dir = tempfile::Builder::new().prefix("tree-").tempdir_in(room)?;
    let (shell, to) = (Shell::new()?, dir.path());
    let request = format!("rdump / {}", to.display());
    cmd!(shell, "debugfs -R {request} {root}").env("PATH", PATH).quiet().ignore_stderr().run()?;
    let mut found = BTreeMap::new();
    walk(to, "", &mut found)?;
    ensure!(found.len() > 1000, "only {} entries in `{}`", found.len(), root.display());
    Ok(found)
}

/// The file at `path` of the file system.
pub fn file(root: &Path, path: &str) -> Result<String> {
    let (shell, request) = (Shell::new()?, format!("cat {path}"));
    Ok(cmd!(shell, "debugfs -R {request} {root}").env("PATH", PATH).quiet().ignore_stderr().read()?)
}

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn walk(dir: &Path, below: &str, found: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        let meta = fs::symlink_metadata(entry.path())?;
        let what = if meta.is_symlink() {
            format!("link {}", fs::read_link(entry.path())?.display())
        } else if meta.is_dir() {
            "directory".to_owned()
        } else if meta.is_file() {
            format!("file {} {}", meta.len(), crate::outputs::digest_of(&fs::read(entry.path())?))
        } else {
            "special".to_owned()
        };
        let mode = if meta.is_symlink() { 0o777 } else { meta.permissions().mode() & 0o7777 };
        found.insert(path.clone(), format!("{mode:04o} {}:{} {what}", meta.uid(), meta.gid()));
        if meta.is_dir() {
            walk(&entry.path(), &path, found)?;
        }
    }
    Ok(())
}
