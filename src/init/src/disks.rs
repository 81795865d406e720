//! The block devices that the machine has now, and what is on each.
//!
//! Linux, Documentation/ABI/stable/sysfs-block: `/sys/class/block/NAME` has `dev`, `size` in sectors of 512 bytes whatever
//! the disk's blocks are, and for a partition `partition` and `start`; it lies in the folder of its disk.

use crate::gpt::{self, Partition};
use crate::superblock::{self, Contents};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// More are not looked at: what a machine with so many has as its root is said by `/dev/NAME`.
const MAX_DEVICES: usize = 1024;
const SECTOR: u64 = 512;

/// A disk or a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name in `/sys/class/block`: `vda2`.
    pub name: String,
    /// The name of the disk that it is on, or its own.
    pub disk: String,
    /// `254:2`.
    pub device_number: String,
    /// The number of a partition.
    pub number: Option<u32>,
    /// Its size in sectors of 512 bytes.
    pub sectors: u64,
    /// The UUID that the partition table has for it, lower case.
    pub part_uuid: Option<String>,
    /// The name that the partition table has for it.
    pub part_label: Option<String>,
    /// What is on it, as far as it is known.
    pub contents: Option<Contents>,
    /// Of a disk whose partitions cannot be found: which sectors it has, and which its partition table was made for.
    pub mismatch: Option<Mismatch>,
}

/// A partition table counts in sectors: copied to a disk with others it means other places, and the kernel takes none of
/// its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// Bytes of a sector of the disk.
    pub disk: u64,
    /// Bytes of a sector that the table was made for.
    pub table: u64,
}

impl Device {
    /// Its node.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(self.name.replace('!', "/"))
    }
}

/// What one look finds: devices by name, and whether all of them could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disks {
    /// The devices, by name.
    pub devices: Vec<Device>,
    is_whole: bool,
}

impl Disks {
    /// Looks again. Devices are read anew only when there are others than before.
    #[must_use]
    pub fn again(self) -> Self {
        let class = Path::new("/sys/class/block");
        let names = names(class);
        let seen: Vec<&str> = self.devices.iter().map(|device| device.name.as_str()).collect();
        if self.is_whole && seen == names { self } else { look(class, &names) }
    }
}

/// The devices that may have a file system, sorted.
fn names(class: &Path) -> Vec<String> {
    const OTHERS: [&str; 5] = ["fd", "loop", "ram", "sr", "zram"];
    let Ok(entries) = fs::read_dir(class) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| !OTHERS.iter().any(|other| name.starts_with(other))).take(MAX_DEVICES).collect();
    names.sort();
    names
}

fn look(class: &Path, names: &[String]) -> Disks {
    let mut disks = Disks { devices: Vec::new(), is_whole: true };
    let mut tables: BTreeMap<String, (Vec<Partition>, Option<u32>, u64)> = BTreeMap::new();
    for name in names {
        let folder = class.join(name);
        let Some(mut device) = device(name, &folder) else {
            disks.is_whole = false;
            continue;
        };
        if device.sectors > 0 {
            match File::open(device.path()) {
                Ok(node) => device.contents = superblock::read(&node),
                Err(_) => disks.is_whole = false,
            }
        }
        if device.number.is_none() && device.sectors > 0 {
            device.mismatch = mismatch(&folder, &device);
        }
        if let Some(number) = device.number {
            let (partitions, signature, block) =
                tables.entry(device.disk.clone()).or_insert_with(|| table(class, &device.disk));
            let start = number_in(&folder, "start").unwrap_or(0).checked_mul(SECTOR);
            let same = |partition: &&Partition| {
                partition.number == number && partition.first.checked_mul(*block) == start
            };
            if let Some(partition) = partitions.iter().find(same) {
                device.part_uuid = Some(partition.uuid.clone());
                device.part_label = Some(partition.name.clone()).filter(|name| !name.is_empty());
            } else if let (true, Some(signature)) = (partitions.is_empty(), signature) {
                device.part_uuid = Some(format!("{signature:08x}-{number:02x}"));
            }
        }
        disks.devices.push(device);
    }
    disks
}

fn device(name: &str, folder: &Path) -> Option<Device> {
    let number = number_in(folder, "partition").and_then(|number| u32::try_from(number).ok());
    let disk = match number {
        None => name.to_owned(),
        Some(_) => fs::canonicalize(folder).ok()?.parent()?.file_name()?.to_str()?.to_owned(),
    };
    Some(Device {
        name: name.to_owned(),
        disk,
        device_number: fs::read_to_string(folder.join("dev")).ok()?.trim_end().to_owned(),
        number,
        sectors: number_in(folder, "size")?,
        part_uuid: None,
        part_label: None,
        contents: None,
        mismatch: None,
    })
}

/// Whether the partition table of a disk was made for sectors of another size.
fn mismatch(folder: &Path, disk: &Device) -> Option<Mismatch> {
    let sector = number_in(&folder.join("queue"), "logical_block_size").unwrap_or(SECTOR);
    let len = disk.sectors.saturating_mul(SECTOR);
    let node = File::open(disk.path()).ok()?;
    foreign(&node, len, sector).map(|table| Mismatch { disk: sector, table })
}

/// The size of the sectors that the table of a disk was made for, where that is not `sector`.
fn foreign(disk: &File, len: u64, sector: u64) -> Option<u64> {
    const SIZES: [u64; 2] = [512, 4096];
    if gpt::read(disk, len, sector).is_some() {
        return None;
    }
    SIZES.into_iter().find(|size| *size != sector && gpt::read(disk, len, *size).is_some())
}

/// The partition table of a disk: of GPT what it says, of MBR its signature; and the size of its blocks.
fn table(class: &Path, disk: &str) -> (Vec<Partition>, Option<u32>, u64) {
    let folder = class.join(disk);
    let block = number_in(&folder.join("queue"), "logical_block_size").unwrap_or(SECTOR);
    let len = number_in(&folder, "size").unwrap_or(0).saturating_mul(SECTOR);
    match File::open(Path::new("/dev").join(disk.replace('!', "/"))) {
        Ok(node) => match gpt::read(&node, len, block) {
            Some(partitions) => (partitions, None, block),
            None => (Vec::new(), gpt::signature(&node), block),
        },
        Err(_) => (Vec::new(), None, block),
    }
}

fn number_in(folder: &Path, name: &str) -> Option<u64> {
    fs::read_to_string(folder.join(name)).ok()?.trim_end().parse().ok()
}

/// The devices as a table for a person; one line each, with nothing in it that a disk could move the cursor by.
#[must_use]
pub fn listed(devices: &[Device]) -> String {
    if devices.is_empty() {
        return "  none at all: is the disk attached, by virtio, SCSI, NVMe, AHCI, Xen, Hyper-V or VMware?\n"
            .to_owned();
    }
    let mut text = String::new();
    for device in devices {
        // writing to a string cannot fail
        let indent = if device.number.is_some() { "    " } else { "  " };
        let _ = write!(text, "{indent}/dev/{}  {}", device.name.replace('!', "/"), size(device.sectors));
        if let Some(uuid) = &device.part_uuid {
            let _ = write!(text, "  PARTUUID={uuid}");
        }
        if let Some(label) = &device.part_label {
            let _ = write!(text, "  PARTLABEL={}", plain(label));
        }
        if let Some(Contents { kind, uuid, label }) = &device.contents {
            let _ = write!(text, "  {kind}  UUID={uuid}");
            if !label.is_empty() {
                let _ = write!(text, "  LABEL={}", plain(label));
            }
        }
        if let Some(Mismatch { disk, table }) = device.mismatch {
            let _ = write!(text, "  sectors of {disk} bytes, partition table made for {table}");
        }
        text.push('\n');
    }
    if let Some(Mismatch { disk, table }) = devices.iter().find_map(|device| device.mismatch) {
        let _ = writeln!(
            text,
            "the partitions of a disk are not found where its sectors are of {disk} bytes and its image was made for {table}: \
             attach it with sectors of {table} bytes"
        );
    }
    text
}

fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

fn size(sectors: u64) -> String {
    let kib = sectors / 2;
    match kib {
        0..10_240 => format!("{kib} KiB"),
        10_240..10_485_760 => format!("{} MiB", kib >> 10),
        _ => format!("{} GiB", kib >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_shows_what_root_could_be() {
        let disk = Device {
            name: "vda".to_owned(),
            disk: "vda".to_owned(),
            device_number: "254:0".to_owned(),
            number: None,
            sectors: 4 << 20,
            part_uuid: None,
            part_label: None,
            contents: None,
            mismatch: None,
        };
        let root = Device {
            name: "vda1".to_owned(),
            number: Some(1),
            sectors: 2048,
            part_uuid: Some("ab-cd".to_owned()),
            part_label: Some("root\u{1b}[2J".to_owned()),
            contents: Some(Contents { kind: "ext4", uuid: "12".to_owned(), label: "r\n".to_owned() }),
            ..disk.clone()
        };
        assert_eq!(
            listed(&[disk, root]),
            "  /dev/vda  2048 MiB\n    /dev/vda1  1024 KiB  PARTUUID=ab-cd  PARTLABEL=root\u{FFFD}[2J  ext4  UUID=12  \
             LABEL=r\u{FFFD}\n"
        );
        assert!(listed(&[]).contains("none at all"));
    }

    #[test]
    fn a_table_for_other_sectors_is_told_from_none_and_from_the_disk_s_own() {
        use std::io::Write as _;
        for (made_for, sector, expected) in [
            (Some(512), 4096, Some(512)),
            (Some(4096), 512, Some(4096)),
            (Some(512), 512, None),
            (Some(4096), 4096, None),
            (None, 4096, None),
        ] {
            let bytes = made_for.map_or_else(|| vec![0; 1 << 20], crate::gpt::tests::bytes);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            assert_eq!(foreign(&file, bytes.len() as u64, sector), expected, "{made_for:?} {sector}");
        }
    }

    #[test]
    fn a_disk_with_other_sectors_is_listed_with_the_way_out() {
        let disk = Device {
            name: "vda".to_owned(),
            disk: "vda".to_owned(),
            device_number: "254:0".to_owned(),
            number: None,
            sectors: 4 << 20,
            part_uuid: None,
            part_label: None,
            contents: None,
            mismatch: Some(Mismatch { disk: 4096, table: 512 }),
        };
        let text = listed(&[disk]);
        assert!(
            text.starts_with("  /dev/vda  2048 MiB  sectors of 4096 bytes, partition table made for 512\n"),
            "{text}"
        );
        assert!(text.ends_with("attach it with sectors of 512 bytes\n"), "{text}");
    }

    #[test]
    fn devices_come_from_the_folders_of_their_disks() {
        let root = tempfile::tempdir().unwrap();
        let (devices, class) = (root.path().join("devices"), root.path().join("class"));
        let put = |path: &Path, files: &[(&str, &str)]| {
            fs::create_dir_all(path).unwrap();
            files.iter().for_each(|(name, text)| fs::write(path.join(name), text).unwrap());
        };
        put(&devices.join("xyza"), &[("dev", "8:0\n"), ("size", "100\n")]);
        put(
            &devices.join("xyza/xyza1"),
            &[("dev", "8:1\n"), ("size", "10\n"), ("partition", "1\n"), ("start", "8\n")],
        );
        put(&devices.join("loop0"), &[("dev", "7:0\n"), ("size", "0\n")]);
        fs::create_dir(&class).unwrap();
        for (name, place) in [("xyza", "xyza"), ("xyza1", "xyza/xyza1"), ("loop0", "loop0")] {
            std::os::unix::fs::symlink(devices.join(place), class.join(name)).unwrap();
        }
        let disks = look(&class, &names(&class));
        let seen: Vec<(&str, &str, Option<u32>, u64)> = disks
            .devices
            .iter()
            .map(|device| (device.name.as_str(), device.disk.as_str(), device.number, device.sectors))
            .collect();
        assert_eq!(seen, [("xyza", "xyza", None, 100), ("xyza1", "xyza", Some(1), 10)]);
        // there is no such node: they are looked at again
        assert!(!disks.is_whole);
    }
}
