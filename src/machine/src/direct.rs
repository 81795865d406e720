//! The kernel of an image, taken out of it: what its boot loader would start.

use crate::{DiskImage, entry};
use anyhow::{Context as _, Result};
use disk::fat32::Volume;
use std::fs;
use std::path::{Path, PathBuf};

/// A kernel with what it is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initrds, one after the other.
    pub initrd: Option<PathBuf>,
    /// Its command line.
    pub cmdline: String,
}

/// Takes the kernel out of the EFI system partition of `image`, into `dir`.
pub fn kernel(image: &DiskImage, dir: &Path) -> Result<Kernel> {
    let partitions = image.partitions()?;
    let esp = partitions.iter().find(|(_, partition)| partition.is_esp());
    let (number, esp) =
        esp.with_context(|| format!("`{}` has no EFI system partition", image.path.display()))?;
    let bytes = image.range(esp.offset, esp.size)?;
    extract(&bytes, dir).with_context(|| format!("partition {number} of `{}`", image.path.display()))
}

fn extract(esp: &[u8], dir: &Path) -> Result<Kernel> {
    let volume = Volume::open(esp)?;
    let text = |path: &str| Ok::<_, anyhow::Error>(String::from_utf8_lossy(&volume.read(path)?).into_owned());
    let listed = volume.list("loader/entries")?;
    let names: Vec<&str> = listed.iter().map(|entry| entry.name.as_str()).collect();
    let loader = text("loader/loader.conf").unwrap_or_default();
    let name = entry::chosen(&loader, &names).context("there is no entry in `loader/entries`")?;
    let path = format!("loader/entries/{name}");
    let entry = entry::parse(&text(&path)?).with_context(|| format!("`{path}` names no kernel"))?;
    let kernel = dir.join("kernel");
    fs::write(&kernel, volume.read(&entry.linux)?)?;
    let mut initrd = Vec::new();
    for path in &entry.initrd {
        initrd.extend(volume.read(path)?);
    }
    let at = dir.join("initrd");
    let initrd = if initrd.is_empty() { None } else { Some(fs::write(&at, initrd).map(|()| at)?) };
    Ok(Kernel { kernel, initrd, cmdline: entry.options })
}

#[cfg(test)]
mod tests {
    use super::*;
    use xshell::{Shell, cmd};

    /// A volume that mkfs.fat and mtools made of files.
    fn volume(files: &[(&str, &[u8])]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let (image, tree) = (dir.path().join("esp"), dir.path().join("tree"));
        fs::File::create(&image).unwrap().set_len(40 << 20).unwrap();
        for (path, bytes) in files {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        let shell = Shell::new().unwrap();
        let path = "/usr/sbin:/usr/bin:/bin";
        cmd!(shell, "mkfs.fat -F 32 {image}").env("PATH", path).quiet().ignore_stdout().run().unwrap();
        let tops = fs::read_dir(&tree).unwrap().map(|entry| entry.unwrap().path());
        cmd!(shell, "mcopy -s -i {image} {tops...} ::").quiet().run().unwrap();
        fs::read(image).unwrap()
    }

    #[test]
    fn the_kernel_is_the_one_of_the_entry() {
        let dir = tempfile::tempdir().unwrap();
        let entry = "title Debian\nlinux /d/vmlinuz-1\ninitrd /d/initrd-1\noptions root=PARTUUID=x ro\n";
        let esp = volume(&[
            ("loader/entries/d.conf", entry.as_bytes()),
            ("d/vmlinuz-1", b"kernel"),
            ("d/initrd-1", b"initrd"),
        ]);
        let kernel = extract(&esp, dir.path()).unwrap();
        assert_eq!(fs::read(&kernel.kernel).unwrap(), b"kernel");
        assert_eq!(fs::read(kernel.initrd.unwrap()).unwrap(), b"initrd");
        assert_eq!(kernel.cmdline, "root=PARTUUID=x ro");
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for (entry, expected) in [("title only\n", "names no kernel"), ("linux /gone\n", "`/gone`")] {
            let error =
                extract(&volume(&[("loader/entries/d.conf", entry.as_bytes())]), dir.path()).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }
}
