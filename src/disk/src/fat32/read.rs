//! Files of a volume, read (Microsoft's "FAT: General Overview of On-Disk Format", 1.03): of those that are written here,
//! and of any other that a machine is to be started from.
//!
//! Just what an EFI system partition needs: long and short names, without regard to case, and whole files. The volume
//! is bytes of whoever made the image: each chain is followed no longer than the volume has clusters.

/// Entries of one directory that are looked at.
const MOST_ENTRIES: usize = 65_536;

/// What is wrong with a volume.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VolumeError {
    /// Not FAT32: the other two widths of FAT have no place in an image of ours.
    #[error("the volume is not FAT32")]
    Format,
    /// A chain that leaves the volume, or goes round in circles.
    #[error("the volume is damaged: a chain of clusters has no end")]
    Chain,
    /// No such file or directory.
    #[error("the volume has no `{0}`")]
    Absent(String),
}

/// A volume.
#[derive(Debug)]
pub struct Volume<'v> {
    bytes: &'v [u8],
    cluster: usize,
    table: &'v [u8],
    /// Where cluster 2 begins.
    data: usize,
    root: u32,
}

/// A name in a directory and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FatEntry {
    /// The name, the long one where there is one.
    pub name: String,
    /// Whether it is a directory.
    pub directory: bool,
    /// Its first cluster.
    first: u32,
    /// Its length in bytes.
    size: u32,
}

impl<'v> Volume<'v> {
    /// The volume that these bytes are.
    pub fn open(bytes: &'v [u8]) -> Result<Self, VolumeError> {
        Self::parts(bytes).ok_or(VolumeError::Format)
    }

    fn parts(bytes: &'v [u8]) -> Option<Self> {
        let (sector, spc) = (usize::from(u16_at(bytes, 11)?), usize::from(*bytes.get(13)?));
        let (reserved, tables) = (usize::from(u16_at(bytes, 14)?), usize::from(*bytes.get(16)?));
        let table = usize::try_from(u32_at(bytes, 36)?).ok()?;
        // a count of root entries or of sectors of the short kind is what the other widths have
        let short = u16_at(bytes, 17)? != 0 || u16_at(bytes, 22)? != 0;
        let known = bytes.get(510..512)? == [0x55, 0xaa] && matches!(sector, 512 | 1024 | 2048 | 4096);
        if short || !known || !spc.is_power_of_two() || tables == 0 || table == 0 {
            return None;
        }
        let begin = reserved.checked_mul(sector)?;
        let length = table.checked_mul(sector)?;
        Some(Self {
            bytes,
            cluster: sector * spc,
            table: bytes.get(begin..begin.checked_add(length)?)?,
            data: begin.checked_add(length.checked_mul(tables)?)?,
            root: u32_at(bytes, 44)?,
        })
    }

    /// The bytes of the file at `path`, its parts separated by `/` or `\`.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, VolumeError> {
        let found = self.find(path)?;
        let mut bytes = self.chain(found.first)?;
        let size = usize::try_from(found.size).map_err(|_| VolumeError::Chain)?;
        if found.directory || bytes.len() < size {
            return Err(VolumeError::Absent(path.to_owned()));
        }
        bytes.truncate(size);
        Ok(bytes)
    }

    /// What is in the directory at `path`, in its order.
    pub fn list(&self, path: &str) -> Result<Vec<FatEntry>, VolumeError> {
        let found = self.find(path)?;
        if found.directory { self.entries(found.first) } else { Err(VolumeError::Absent(path.to_owned())) }
    }

    fn find(&self, path: &str) -> Result<FatEntry, VolumeError> {
        let mut at = FatEntry { name: String::new(), directory: true, first: self.root, size: 0 };
        for part in path.split(['/', '\\']).filter(|part| !part.is_empty()) {
            let entries = if at.directory { self.entries(at.first)? } else { Vec::new() };
            let same = |entry: &FatEntry| entry.name.to_lowercase() == part.to_lowercase();
            at = entries.into_iter().find(same).ok_or_else(|| VolumeError::Absent(path.to_owned()))?;
        }
        Ok(at)
    }

    fn entries(&self, first: u32) -> Result<Vec<FatEntry>, VolumeError> {
        let bytes = self.chain(first)?;
        let (mut found, mut long) = (Vec::new(), Vec::new());
        for raw in bytes.chunks_exact(32).take(MOST_ENTRIES) {
            match (raw.first(), raw.get(11)) {
                (Some(0), _) => break,
                (Some(0xe5), _) => long.clear(),
                // a piece of a long name; the last piece comes first
                (_, Some(0x0f)) => long.splice(..0, pieces(raw)).for_each(drop),
                // the volume's label
                (_, Some(attributes)) if attributes & 0x08 != 0 => long.clear(),
                (_, Some(attributes)) => {
                    let units: Vec<u16> = long.drain(..).take_while(|unit| *unit != 0).collect();
                    let name = if units.is_empty() { short(raw) } else { String::from_utf16_lossy(&units) };
                    let high = u16_at(raw, 20).unwrap_or_default();
                    let low = u16_at(raw, 26).unwrap_or_default();
                    found.push(FatEntry {
                        name,
                        directory: attributes & 0x10 != 0,
                        first: u32::from(high) << 16 | u32::from(low),
                        size: u32_at(raw, 28).unwrap_or_default(),
                    });
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// How many clusters the volume has: its table may speak of more, and no chain of its own can be longer.
    fn clusters(&self) -> usize {
        self.bytes.len().saturating_sub(self.data) / self.cluster
    }

    /// The bytes of all clusters of a chain. An empty file has none.
    fn chain(&self, first: u32) -> Result<Vec<u8>, VolumeError> {
        let (mut bytes, mut at) = (Vec::new(), first);
        for _ in 0..=self.clusters() {
            if at == 0 || at >= 0x0fff_fff8 {
                return Ok(bytes);
            }
            let index = usize::try_from(at).map_err(|_| VolumeError::Chain)?;
            let begin = index.checked_sub(2).and_then(|index| index.checked_mul(self.cluster));
            let begin = begin.and_then(|begin| begin.checked_add(self.data)).ok_or(VolumeError::Chain)?;
            let cluster = begin.checked_add(self.cluster).and_then(|end| self.bytes.get(begin..end));
            bytes.extend_from_slice(cluster.ok_or(VolumeError::Chain)?);
            at = u32_at(self.table, index * 4).ok_or(VolumeError::Chain)? & 0x0fff_ffff;
        }
        Err(VolumeError::Chain)
    }
}

/// The 13 UTF-16 units of a piece of a long name.
fn pieces(raw: &[u8]) -> Vec<u16> {
    let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
    places.filter_map(|at| u16_at(raw, at)).collect()
}

/// A short name: eight and three, padded with blanks; bits of byte 12 say which half is in lower case.
fn short(raw: &[u8]) -> String {
    let half = |from: usize, to: usize, bit: u8| {
        let text = String::from_utf8_lossy(raw.get(from..to).unwrap_or_default()).trim_end().to_owned();
        let lower = raw.get(12).is_some_and(|case| case & bit != 0);
        if lower { text.to_lowercase() } else { text }
    };
    let (stem, extension) = (half(0, 8, 0x08), half(8, 11, 0x10));
    if extension.is_empty() { stem } else { format!("{stem}.{extension}") }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    #[test]
    fn a_chain_in_a_circle_is_followed_no_longer_than_the_volume_has_clusters() {
        // a table of half a million entries, and two clusters of 32 KiB
        let (table, cluster) = (4096_u32, 64_u8);
        let mut bytes = vec![0; 512 + 512 * 4096 + 2 * 512 * 64];
        bytes[11..13].copy_from_slice(&512_u16.to_le_bytes());
        bytes[13] = cluster;
        (bytes[14], bytes[16]) = (1, 1);
        bytes[36..40].copy_from_slice(&table.to_le_bytes());
        bytes[44..48].copy_from_slice(&2_u32.to_le_bytes());
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        // the root's only cluster is followed by itself
        bytes[512 + 8..512 + 12].copy_from_slice(&2_u32.to_le_bytes());
        let volume = Volume::open(&bytes).unwrap();
        assert_eq!(volume.clusters(), 2);
        assert_eq!(volume.list("/"), Err(VolumeError::Chain));
        let started = std::time::Instant::now();
        assert!((0..100).all(|_| volume.list("/").is_err()));
        assert!(started.elapsed().as_secs() < 10, "each was followed for {:?}", started.elapsed() / 100);
    }

    /// A volume that mkfs.fat and mtools made of files.
    fn volume(files: &[(&str, &[u8])]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let (image, tree) = (dir.path().join("esp"), dir.path().join("tree"));
        std::fs::File::create(&image).unwrap().set_len(40 << 20).unwrap();
        for (path, bytes) in files {
            let path = tree.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let path = "/usr/sbin:/usr/bin:/bin";
        let made =
            Command::new("mkfs.fat").env("PATH", path).args(["-F", "32"]).arg(&image).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let tops = std::fs::read_dir(&tree).unwrap().map(|entry| entry.unwrap().path());
        let copied =
            Command::new("mcopy").args(["-s", "-i"]).arg(&image).args(tops).arg("::").status().unwrap();
        assert!(copied.success());
        std::fs::read(image).unwrap()
    }

    #[test]
    fn files_of_mtools_are_read_whole_under_long_and_short_names() {
        let large: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        let long = "a long name that takes more than one piece of thirteen units.conf";
        let bytes = volume(&[
            ("EFI/BOOT/BOOTX64.EFI", b"program"),
            ("loader/loader.conf", b"timeout 0\n"),
            (&format!("loader/entries/{long}"), &large),
            ("empty", b""),
        ]);
        let volume = Volume::open(&bytes).unwrap();
        assert_eq!(volume.read("/efi/boot/bootx64.efi").unwrap(), b"program");
        assert_eq!(volume.read("\\loader\\loader.conf").unwrap(), b"timeout 0\n");
        assert!(volume.read(&format!("loader/entries/{long}")).unwrap() == large);
        assert_eq!(volume.read("empty").unwrap(), b"");
        let names: Vec<String> =
            volume.list("loader/entries").unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, [".", "..", long]);
        assert_eq!(volume.read("loader/none"), Err(VolumeError::Absent("loader/none".into())));
        assert!(volume.read("loader").is_err() && volume.list("empty").is_err());
    }

    #[test]
    fn a_chain_without_an_end_and_what_is_no_volume_are_refused() {
        let mut bytes = volume(&[("file", &[7; 10_000])]);
        let (first, table) = {
            let volume = Volume::open(&bytes).unwrap();
            (volume.find("file").unwrap().first, usize::from(u16_at(&bytes, 14).unwrap()) * 512)
        };
        let at = table + usize::try_from(first).unwrap() * 4;
        bytes[at..at + 4].copy_from_slice(&first.to_le_bytes());
        assert_eq!(Volume::open(&bytes).unwrap().read("file"), Err(VolumeError::Chain));
        bytes[at..at + 4].copy_from_slice(&0x0eee_eeeeu32.to_le_bytes());
        assert_eq!(Volume::open(&bytes).unwrap().read("file"), Err(VolumeError::Chain));
        for damage in [11, 13, 17, 22, 510] {
            let mut other = bytes.clone();
            other[damage] = 3;
            assert!(Volume::open(&other).is_err(), "byte {damage}");
        }
        assert!(Volume::open(&[]).is_err() && Volume::open(&[0; 512]).is_err());
    }
}
