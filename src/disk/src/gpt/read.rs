//! Partition tables, read: those of vmbake's own disks, and those of any other disk that is to be started.
//!
//! The bytes come from whoever made the image: every number is checked, and sizes are bounded. Only the primary table
//! is read.

use super::{ENTRIES, ENTRY, Entry, SECTOR, crc32};
use crate::uuid::Uuid;
use std::collections::BTreeMap;

/// Bytes of a header that its checksum is of.
const HEADER: u64 = 92;

/// What a partition table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The disk's own identifier.
    pub id: Uuid,
    /// Its partitions by number, from 1.
    pub partitions: BTreeMap<usize, Entry>,
}

/// What is wrong with a partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No header where one must be.
    #[error("the disk has no GUID partition table")]
    Absent,
    /// A checksum that is not that of the bytes.
    #[error("wrong checksum of the partition table's {0}")]
    Checksum(&'static str),
    /// A number that no table has.
    #[error("invalid {0} in the partition table")]
    Number(&'static str),
}

/// Reads the partition table of a disk that begins with the bytes `head`.
///
/// # Errors
/// For anything but a header and entries that both have their checksums, and lie within `head`.
pub fn read(head: &[u8]) -> Result<Contents, TableError> {
    let header = slice(head, SECTOR, HEADER).filter(|header| header.starts_with(b"EFI PART"));
    let header = header.ok_or(TableError::Absent)?;
    if u32_at(header, 12).map(u64::from) != Some(HEADER) {
        return Err(TableError::Number("header size"));
    }
    let mut unsummed = header.to_owned();
    if let Some(field) = unsummed.get_mut(16..20) {
        field.fill(0);
    }
    if u32_at(header, 16) != Some(crc32(&unsummed)) {
        return Err(TableError::Checksum("header"));
    }
    let field = |at, name| u32_at(header, at).map(u64::from).ok_or(TableError::Number(name));
    let (count, size) = (field(80, "number of entries")?, field(84, "entry size")?);
    if size != ENTRY as u64 || count > ENTRIES as u64 {
        return Err(TableError::Number("number or size of entries"));
    }
    let begin = u64_at(header, 72).and_then(|sector| sector.checked_mul(SECTOR));
    let entries = begin.and_then(|begin| slice(head, begin, count * size));
    let entries = entries.ok_or(TableError::Number("position of the entries"))?;
    if u32_at(header, 88) != Some(crc32(entries)) {
        return Err(TableError::Checksum("entries"));
    }
    let numbered = (1..).zip(entries.as_chunks::<ENTRY>().0);
    let used = numbered.filter(|(_, bytes)| !bytes.starts_with(&[0; 16]));
    let partitions = used.map(|(number, bytes)| {
        let partition = partition(bytes).ok_or(TableError::Number("position of a partition"))?;
        Ok((number, partition))
    });
    let id = uuid_at(header, 56).ok_or(TableError::Number("identifier"))?;
    Ok(Contents { id, partitions: partitions.collect::<Result<_, _>>()? })
}

fn partition(bytes: &[u8; ENTRY]) -> Option<Entry> {
    let (first, last) = (u64_at(bytes, 32)?, u64_at(bytes, 40)?);
    let sectors = last.checked_sub(first)?.checked_add(1)?;
    let size = sectors.checked_mul(SECTOR)?;
    let offset = first.checked_mul(SECTOR)?;
    // where it ends is a number as well
    offset.checked_add(size)?;
    let units = bytes[56..].as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair));
    let units: Vec<u16> = units.take_while(|&unit| unit != 0).collect();
    Some(Entry {
        r#type: uuid_at(bytes, 0)?,
        id: uuid_at(bytes, 16)?,
        offset,
        size,
        attributes: u64_at(bytes, 48)?,
        name: String::from_utf16_lossy(&units),
    })
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

fn uuid_at(bytes: &[u8], at: usize) -> Option<Uuid> {
    Some(Uuid::from_mixed_endian(bytes.get(at..at + 16)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::gpt;
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    use tree::name::Arch;

    /// The first MiB of a disk that sfdisk has partitioned.
    fn sample() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
        let table = "label: gpt\nstart=2048,size=2048,type=U,name=esp\nstart=4096,size=8192,\
                     type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709,uuid=6d1b1f86-0000-4000-8000-000000000002,name=root\n";
        let mut run = Command::new("sfdisk").arg("--quiet").arg(&path).stdin(Stdio::piped()).spawn().unwrap();
        run.stdin.take().unwrap().write_all(table.as_bytes()).unwrap();
        assert!(run.wait().unwrap().success());
        std::fs::read(path).unwrap()[..1 << 20].to_owned()
    }

    fn written() -> Vec<u8> {
        gpt(Uuid([7; 16]), 16 << 20, &entries()).first
    }

    fn entries() -> Vec<Entry> {
        crate::gpt::tests::entries()
    }

    #[test]
    fn what_is_written_is_read() {
        let found = read(&written()).unwrap();
        assert_eq!(found.id, Uuid([7; 16]));
        assert_eq!(found.partitions, (1..).zip(entries()).collect());
    }

    #[test]
    fn partitions_are_those_that_sfdisk_wrote() {
        let found = read(&sample()).unwrap().partitions;
        assert_eq!(found.keys().collect::<Vec<_>>(), [&1, &2]);
        let (esp, root) = (&found[&1], &found[&2]);
        assert!(esp.is_esp() && esp.root_of().is_none() && !root.is_esp());
        assert_eq!((esp.offset, esp.size), (1 << 20, 1 << 20));
        assert_eq!((root.name.as_str(), root.root_of()), ("root", Some(Arch::Amd64)));
        assert_eq!(root.id.to_string(), "6d1b1f86-0000-4000-8000-000000000002");
        assert_eq!((root.offset, root.size), (2 << 20, 4 << 20));
    }

    #[test]
    fn a_table_that_is_damaged_is_rejected_wherever_it_is_hit() {
        for good in [sample(), written()] {
            for at in (512..512 + 92).chain([1024, 1024 + 16, 1024 + 127, 1024 + 128, 1024 + 128 * 128 - 1]) {
                let mut damaged = good.clone();
                damaged[at] ^= 4;
                assert!(read(&damaged).is_err(), "byte {at}");
            }
            for length in [0, 511, 512, 600, 1024, 16 << 10, 17_000] {
                assert!(read(&good[..length]).is_err(), "{length} bytes");
            }
        }
    }

    #[test]
    fn numbers_that_no_table_has_are_rejected_though_their_checksums_are_right() {
        // where in the header, four bytes; what for; what is said
        for (at, number, said) in [
            (12, 512, TableError::Number("header size")),
            (80, 129, TableError::Number("number or size of entries")),
            (80, u32::MAX, TableError::Number("number or size of entries")),
            (84, 256, TableError::Number("number or size of entries")),
            (72, 100, TableError::Number("position of the entries")),
            (76, u32::MAX, TableError::Number("position of the entries")),
            (88, 0, TableError::Checksum("entries")),
        ] {
            let mut table = written();
            table[512 + at..516 + at].copy_from_slice(&number.to_le_bytes());
            sign(&mut table);
            assert_eq!(read(&table), Err(said), "{at}");
        }
        for (first, last) in
            [(9, 8), (0, u64::MAX), (u64::MAX, u64::MAX), (u64::MAX / 512, u64::MAX / 512 + 8)]
        {
            let mut table = written();
            table[1024 + 32..1024 + 40].copy_from_slice(&first.to_le_bytes());
            table[1024 + 40..1024 + 48].copy_from_slice(&last.to_le_bytes());
            let sum = crc32(&table[1024..1024 + 128 * 128]);
            table[512 + 88..512 + 92].copy_from_slice(&sum.to_le_bytes());
            sign(&mut table);
            assert_eq!(read(&table), Err(TableError::Number("position of a partition")), "{first} to {last}");
        }
    }

    /// Makes the checksum of the header right.
    fn sign(table: &mut [u8]) {
        table[512 + 16..512 + 20].fill(0);
        let sum = crc32(&table[512..512 + 92]);
        table[512 + 16..512 + 20].copy_from_slice(&sum.to_le_bytes());
    }
}
