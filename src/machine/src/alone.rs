//! Whether a disk image is one file: an image of someone else's may say that a part of its disk is another file, which QEMU
//! would open, read to the guest and, where it may write, change.
//!
//! ```text
//! qcow2   offset 8: where a backing file's name is; offset 72, bit 2: the data is in another file   (docs/interop/qcow2.txt)
//! vmdk    a text that names files, or a sparse file whose header has no size of its own and sends to one; `parentCID`,
//!         `parentFileNameHint`                                                (VMware's "Virtual Disk Format", 5.0)
//! vhd     a footer of type 4, which differs from a parent                     (Microsoft's "VHD DiskImage Format")
//! ```

use super::Format;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// How much of a file is looked at for VMware's text: it has 10 KiB where it is in a file of its own.
const TEXT: usize = 64 << 10;
/// Bytes of a sector.
const SECTOR: usize = 512;
/// A parent that is none.
const NO_PARENT: &str = "ffffffff";

/// What another file is to the image in `file`; none where it has all of its disk.
pub(super) fn refers_to(file: &File, format: Format) -> std::io::Result<Option<&'static str>> {
    let size = file.metadata()?.len();
    let mut head = vec![0; TEXT.min(usize::try_from(size).unwrap_or(TEXT))];
    file.read_exact_at(&mut head, 0)?;
    Ok(match format {
        Format::Raw => None,
        Format::Qcow2 => qcow2(&head),
        Format::Vmdk => vmdk(&head),
        Format::Vpc => {
            let mut footer = vec![0; SECTOR.min(head.len())];
            let at = size.saturating_sub(footer.len() as u64);
            file.read_exact_at(&mut footer, at)?;
            vhd(&footer).or_else(|| vhd(&head))
        }
    })
}

fn qcow2(head: &[u8]) -> Option<&'static str> {
    const DATA_FILE: u64 = 1 << 2;
    // what is not of this form QEMU does not open
    if !head.starts_with(b"QFI\xfb") {
        return None;
    }
    if number(head, 8..16) != Some(0) {
        return Some("a backing file");
    }
    let version = number(head, 4..8)?;
    let features = if version < 3 { 0 } else { number(head, 72..80).unwrap_or(u64::MAX) };
    (features & DATA_FILE != 0).then_some("a file with its data")
}

fn vmdk(head: &[u8]) -> Option<&'static str> {
    const EXTENT: &str = "the files that its text names";
    if !head.starts_with(b"KDMV") {
        return Some(EXTENT);
    }
    let little = |range: std::ops::Range<usize>| {
        Some(u64::from_le_bytes(head.get(range)?.try_into().ok()?)).filter(|value| *value != 0)
    };
    // without a size of its own it is only there for its text
    let (Some(_), Some(at)) = (little(12..20), little(28..36)) else { return Some(EXTENT) };
    let length = little(36..44).unwrap_or_default();
    let bytes = |sectors: u64| usize::try_from(sectors).ok()?.checked_mul(SECTOR);
    let text = bytes(at).zip(bytes(length)).and_then(|(at, length)| head.get(at..at.checked_add(length)?));
    let Some(text) = text else { return Some(EXTENT) };
    let text = String::from_utf8_lossy(text).to_lowercase();
    let parents: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("parentcid")?.1.trim_start().strip_prefix('='))
        .collect();
    let has_parent =
        parents.iter().any(|parent| parent.trim() != NO_PARENT) || text.contains("parentfilenamehint");
    has_parent.then_some("a parent")
}

fn vhd(footer: &[u8]) -> Option<&'static str> {
    const DIFFERS: u64 = 4;
    (footer.starts_with(b"conectix") && number(footer, 60..64) == Some(DIFFERS)).then_some("a parent")
}

/// A number, the highest byte first.
fn number(bytes: &[u8], range: std::ops::Range<usize>) -> Option<u64> {
    Some(bytes.get(range)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::super::image::DiskImage;
    use std::path::Path;
    use xshell::{Shell, cmd};

    fn made(dir: &Path, name: &str, arguments: &[&str]) -> std::path::PathBuf {
        let (path, shell) = (dir.join(name), Shell::new().unwrap());
        cmd!(shell, "qemu-img create -q {arguments...} {path} 8M").quiet().run().unwrap();
        path
    }

    #[test]
    fn an_image_that_is_not_all_of_its_disk_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim.raw");
        std::fs::write(&victim, vec![7; 8 << 20]).unwrap();
        let (data, victim) = (dir.path().join("data"), victim.to_str().unwrap());
        let data = format!("data_file={},data_file_raw=on", data.display());
        for (name, arguments) in [
            ("plain.qcow2", &["-f", "qcow2"][..]),
            ("old.qcow2", &["-f", "qcow2", "-o", "compat=0.10"]),
            ("plain.vmdk", &["-f", "vmdk"]),
            ("stream.vmdk", &["-f", "vmdk", "-o", "subformat=streamOptimized"]),
            ("dynamic.vhd", &["-f", "vpc"]),
            ("fixed.vhd", &["-f", "vpc", "-o", "subformat=fixed"]),
        ] {
            let path = made(dir.path(), name, arguments);
            assert!(DiskImage::open(&path).is_ok(), "{name}: {:?}", DiskImage::open(&path));
        }
        let (of_old, of_new) = (
            ["-f", "qcow2", "-o", "compat=0.10", "-b", victim, "-F", "raw"],
            ["-f", "qcow2", "-b", victim, "-F", "raw"],
        );
        let parent = made(dir.path(), "parent.vmdk", &["-f", "vmdk"]);
        let parent = parent.to_str().unwrap();
        for (name, arguments, what) in [
            ("old-b.qcow2", &of_old[..], "a backing file"),
            ("new-b.qcow2", &of_new, "a backing file"),
            ("d.qcow2", &["-f", "qcow2", "-o", &data], "a file with its data"),
            ("flat.vmdk", &["-f", "vmdk", "-o", "subformat=monolithicFlat"], "the files that its text names"),
            ("child.vmdk", &["-f", "vmdk", "-b", parent, "-F", "vmdk"], "a parent"),
        ] {
            let refused = DiskImage::open(&made(dir.path(), name, arguments)).unwrap_err().to_string();
            assert!(refused.contains(what), "{name}: {refused}");
        }
        // one whose header sends to its text
        let mut empty = std::fs::read(parent).unwrap();
        empty[12..20].fill(0);
        let path = dir.path().join("sent.vmdk");
        std::fs::write(&path, empty).unwrap();
        assert!(DiskImage::open(&path).is_err());
        let mut differs = std::fs::read(dir.path().join("fixed.vhd")).unwrap();
        let at = differs.len() - 512 + 63;
        differs[at] = 4;
        let path = dir.path().join("differs.vhd");
        std::fs::write(&path, differs).unwrap();
        assert!(DiskImage::open(&path).unwrap_err().to_string().contains("a parent"));
    }
}
