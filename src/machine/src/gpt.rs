//! The partitions of a disk: GUID partition tables, read (UEFI Specification 2.10, 5.3).
//!
//! The bytes come from whoever made the image: every number is checked, and sizes are bounded. Only the primary table on
//! sectors of 512 bytes is read.

use tree::name::Arch;

const SECTOR: u64 = 512;
/// More partitions than this are none of ours.
const MOST: usize = 128;

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1.
    pub number: usize,
    /// Its type, as a GUID in lower case.
    pub type_id: String,
    /// Its own GUID, in lower case: PARTUUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// What is wrong with a partition table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// No header where one must be.
    #[error("the disk has no GUID partition table")]
    None,
    /// A checksum that is not that of the bytes.
    #[error("the checksum of the partition table's {0} is wrong")]
    Checksum(&'static str),
    /// A number that no table has.
    #[error("the partition table's {0} cannot be")]
    Number(&'static str),
}

impl Partition {
    /// Whether this is an EFI system partition.
    #[must_use]
    pub fn is_esp(&self) -> bool {
        self.type_id == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    }

    /// The architecture whose root file system this is, by its type (Discoverable Partitions Specification).
    #[must_use]
    pub fn root_of(&self) -> Option<Arch> {
        match self.type_id.as_str() {
            "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" => Some(Arch::Amd64),
            "b921b045-1df0-41c3-af44-4c6f280d3fae" => Some(Arch::Arm64),
            _ => None,
        }
    }
}

/// The partitions of a disk that begins with these bytes.
pub fn partitions(head: &[u8]) -> Result<Vec<Partition>, Error> {
    let header =
        slice(head, SECTOR, 92).filter(|header| header.starts_with(b"EFI PART")).ok_or(Error::None)?;
    if u32_at(header, 12) != Some(92) {
        return Err(Error::Number("header size"));
    }
    let mut blank = header.to_owned();
    if let Some(field) = blank.get_mut(16..20) {
        field.fill(0);
    }
    if u32_at(header, 16) != Some(crc32(&blank)) {
        return Err(Error::Checksum("header"));
    }
    let field = |at, name| u32_at(header, at).map(u64::from).ok_or(Error::Number(name));
    let (count, size) = (field(80, "number of entries")?, field(84, "entry size")?);
    if size != 128 || count > MOST as u64 {
        return Err(Error::Number("number or size of entries"));
    }
    let begin = u64_at(header, 72).and_then(|sector| sector.checked_mul(SECTOR));
    let entries = begin.and_then(|begin| slice(head, begin, count * size)).ok_or(Error::Number("place"))?;
    if u32_at(header, 88) != Some(crc32(entries)) {
        return Err(Error::Checksum("entries"));
    }
    let (filled, unused) = (entries.chunks_exact(128).enumerate(), [0; 16]);
    filled
        .filter(|(_, entry)| !entry.starts_with(&unused))
        .map(|(index, entry)| partition(index, entry))
        .collect()
}

fn partition(index: usize, entry: &[u8]) -> Result<Partition, Error> {
    let wrong = || Error::Number("partition");
    let (first, last) = u64_at(entry, 32).zip(u64_at(entry, 40)).ok_or_else(wrong)?;
    let sectors = last.checked_sub(first).and_then(|length| length.checked_add(1)).ok_or_else(wrong)?;
    let units = entry.get(56..128).unwrap_or_default().chunks_exact(2);
    let units = units.filter_map(|unit| Some(u16::from_le_bytes(unit.try_into().ok()?)));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    Ok(Partition {
        number: index + 1,
        type_id: guid(entry.get(..16).ok_or_else(wrong)?),
        id: guid(entry.get(16..32).ok_or_else(wrong)?),
        name: String::from_utf16_lossy(&units),
        offset: first.checked_mul(SECTOR).ok_or_else(wrong)?,
        size: sectors.checked_mul(SECTOR).ok_or_else(wrong)?,
    })
}

/// A GUID as text: the first three groups are little endian.
fn guid(bytes: &[u8]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (place, index) in ORDER.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", bytes.get(index).copied().unwrap_or_default()));
    }
    text
}

/// The checksum of tables: CRC-32 as in Ethernet, reflected, polynomial 0x04c11db7.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn slice(bytes: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let begin = usize::try_from(offset).ok()?;
    bytes.get(begin..begin.checked_add(usize::try_from(length).ok()?)?)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use xshell::{Shell, cmd};

    fn sample() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
        let shell = Shell::new().unwrap();
        let table = "label: gpt\nstart=2048,size=2048,type=U,name=esp\nstart=4096,size=8192,\
                     type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709,uuid=6d1b1f86-0000-4000-8000-000000000002,name=root\n";
        cmd!(shell, "sfdisk --quiet {path}").stdin(table).quiet().run().unwrap();
        std::fs::read(path).unwrap()[..1 << 20].to_owned()
    }

    #[test]
    fn partitions_are_those_that_sfdisk_wrote() {
        let found = partitions(&sample()).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found[0].is_esp() && found[0].root_of().is_none());
        assert_eq!((found[0].offset, found[0].size), (1 << 20, 1 << 20));
        assert_eq!((found[1].number, found[1].name.as_str()), (2, "root"));
        assert_eq!(found[1].root_of(), Some(Arch::Amd64));
        assert_eq!(found[1].id, "6d1b1f86-0000-4000-8000-000000000002");
        assert_eq!((found[1].offset, found[1].size), (2 << 20, 4 << 20));
    }

    #[test]
    fn a_table_that_is_damaged_is_refused_wherever_it_is_hit() {
        let sample = sample();
        for at in (512..512 + 92).chain([1024, 1024 + 16, 1024 + 127, 1024 + 128 * 128 - 1]) {
            let mut damaged = sample.clone();
            damaged[at] ^= 4;
            assert!(partitions(&damaged).is_err(), "byte {at}");
        }
        for length in [0, 511, 512, 600, 1024, 16 << 10] {
            assert!(partitions(&sample[..length]).is_err(), "{length} bytes");
        }
    }
}
