//! Volumes with a label: which block device has one, and what is on it.
//!
//! Labels are read here, from the first sectors. Files are read through the kernel: the volume is mounted read-only, without
//! set-user-ids, devices and programs, where only root gets to, and no longer than it is read; the unit has mounts of its own
//! (`PrivateMounts=`). A reader of ISO 9660 with
//! its extensions, of UDF and of FAT would be more code here than all else, and safer than the kernel's for nobody:
//! who writes such a volume decides what runs as root.

use crate::root::Root;
use rustix::mount::{MountFlags, UnmountFlags};
use std::fs::File;
use std::io::SeekFrom;
use std::path::Path;

/// Where ISO 9660 has its primary volume descriptor.
const DESCRIPTOR: u64 = 16 * 2048;
/// Where a volume is mounted, as long as it is read.
const MOUNT_POINT: &str = "/run/cloud-init/tmp";

/// A volume that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// `/dev/sr0`.
    pub device: String,
    /// `iso9660`, `vfat` or `udf`.
    pub file_system: &'static str,
}

/// The volumes whose label is `label` in any case, by the names of their devices.
#[must_use]
pub fn labelled(root: &Root, label: &str) -> Vec<Volume> {
    let mut found = Vec::new();
    for name in root.names("/sys/class/block") {
        let skipped = ["loop", "ram", "zram", "dm-", "md"];
        if skipped.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let device = format!("/dev/{}", name.replace('!', "/"));
        // no disc in a drive, and the like, is no volume
        let Ok(mut file) = File::open(root.at(&device)) else { continue };
        let Some((file_system, found_label)) = self::label(&mut file) else { continue };
        if found_label.eq_ignore_ascii_case(label) {
            found.push(Volume { device, file_system });
        }
    }
    found
}

/// The discs in drives, which may have UDF.
#[must_use]
pub fn discs(root: &Root) -> Vec<Volume> {
    let names = root.names("/sys/class/block").into_iter().filter(|name| name.starts_with("sr"));
    names.map(|name| Volume { device: format!("/dev/{name}"), file_system: "udf" }).collect()
}

/// The file system and the label of what is in `file`, where it is ISO 9660 or FAT.
pub fn label(file: &mut (impl std::io::Read + std::io::Seek)) -> Option<(&'static str, String)> {
    let mut at = |offset: u64, length: usize| -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(offset)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches([' ', '\0']).to_owned();
    if let Some(descriptor) = at(DESCRIPTOR, 2048)
        && descriptor.starts_with(b"\x01CD001")
    {
        return Some(("iso9660", text(descriptor.get(40..72)?)));
    }
    let sector = at(0, 512)?;
    if sector.get(510..512)? != b"\x55\xaa" {
        return None;
    }
    // where the label is depends on the width of the allocation table
    let in_sector = match (sector.get(82..87)?, sector.get(54..58)?) {
        (b"FAT32", _) => 71,
        (_, b"FAT1" | b"FAT ") => 43,
        _ => return None,
    };
    let label = text(sector.get(in_sector..in_sector + 11)?);
    if !label.is_empty() && label != "NO NAME" {
        return Some(("vfat", label));
    }
    // tools that only write the entry of the root directory
    Some(("vfat", root_label(&sector, in_sector == 71, &mut at).unwrap_or_default()))
}

/// The volume's entry in FAT's root directory, among its first entries.
fn root_label(
    sector: &[u8],
    is_32: bool,
    at: &mut impl FnMut(u64, usize) -> Option<Vec<u8>>,
) -> Option<String> {
    let number = |from: usize, size: usize| -> Option<u64> {
        let bytes = sector.get(from..from + size)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let (bytes, per_cluster) = (number(11, 2)?, number(13, 1)?);
    let (reserved, tables) = (number(14, 2)?, number(16, 1)?);
    let length = if is_32 { number(36, 4)? } else { number(22, 2)? };
    let mut start = reserved.checked_add(tables.checked_mul(length)?)?;
    if is_32 {
        start = start.checked_add(number(44, 4)?.checked_sub(2)?.checked_mul(per_cluster)?)?;
    }
    let directory = at(start.checked_mul(bytes)?, 512)?;
    let entry = directory.chunks(32).find(|entry| entry.get(11).is_some_and(|kind| kind & 0x1f == 0x08))?;
    Some(String::from_utf8_lossy(entry.get(..11)?).trim_end().to_owned())
}

/// Mounts `volume` and gives its folder to `read`.
///
/// # Errors
///
/// What the kernel says.
pub fn with<T>(root: &Root, volume: &Volume, read: impl FnOnce(&Path) -> T) -> Result<T, String> {
    let wrong = |what: &str, error: rustix::io::Errno| format!("`{}`: cannot {what}: {error}", volume.device);
    root.directory(MOUNT_POINT, 0o700)?;
    let place = root.at(MOUNT_POINT);
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let device = root.at(&volume.device);
    rustix::mount::mount(&device, &place, volume.file_system, flags, None)
        .map_err(|error| wrong("mount it", error))?;
    let result = read(&place);
    rustix::mount::unmount(&place, UnmountFlags::DETACH).map_err(|error| wrong("unmount it", error))?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn iso(label: &str) -> Vec<u8> {
        let mut image = vec![0; 17 * 2048];
        let at = 16 * 2048;
        image[at..at + 6].copy_from_slice(b"\x01CD001");
        image[at + 40..at + 72].copy_from_slice(format!("{label:32}").as_bytes());
        image
    }

    /// FAT16 with sectors of 512 bytes, one reserved, two tables of one sector each.
    fn fat(in_sector: &str, in_directory: &str) -> Vec<u8> {
        let mut image = vec![0; 8 * 512];
        image[11..24].copy_from_slice(&[0, 2, 1, 1, 0, 2, 16, 0, 8, 0, 0xf8, 1, 0]);
        image[43..54].copy_from_slice(format!("{in_sector:11}").as_bytes());
        image[54..62].copy_from_slice(b"FAT16   ");
        image[510..512].copy_from_slice(b"\x55\xaa");
        image[3 * 512..3 * 512 + 11].copy_from_slice(format!("{in_directory:11}").as_bytes());
        image[3 * 512 + 11] = 8;
        image
    }

    #[test]
    fn labels_are_found_where_each_file_system_has_them() {
        let found = |image: Vec<u8>| label(&mut Cursor::new(image));
        assert_eq!(found(iso("cidata")), Some(("iso9660", "cidata".to_owned())));
        assert_eq!(found(fat("CIDATA", "")), Some(("vfat", "CIDATA".to_owned())));
        assert_eq!(found(fat("NO NAME", "CIDATA")), Some(("vfat", "CIDATA".to_owned())));
        for image in [vec![], vec![0; 512], vec![0xff; 40_000], fat("NO NAME", "")[..1600].to_vec()] {
            assert!(found(image).is_none_or(|(_, label)| label.is_empty()));
        }
    }

    #[test]
    fn devices_are_looked_at_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        for (name, image) in [
            ("sr0", iso("CIDATA")),
            ("vda", vec![0; 4096]),
            ("vdb", iso("config-2")),
            ("loop0", iso("cidata")),
        ] {
            std::fs::create_dir_all(dir.path().join("sys/class/block").join(name)).unwrap();
            std::fs::create_dir_all(dir.path().join("dev")).unwrap();
            std::fs::write(dir.path().join("dev").join(name), image).unwrap();
        }
        std::fs::create_dir_all(dir.path().join("sys/class/block/sr1")).unwrap();
        let devices =
            |label: &str| labelled(&root, label).into_iter().map(|one| one.device).collect::<Vec<_>>();
        assert_eq!(devices("cidata"), ["/dev/sr0"]);
        assert_eq!(devices("config-2"), ["/dev/vdb"]);
    }
}
