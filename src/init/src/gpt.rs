//! Partition tables, to tell partitions by their UUIDs and names: GPT (UEFI specification, chapter 5) and, for the
//! disk's signature alone, MBR.
//!
//! Which partitions there are, and where, the kernel has read already; here it is only said what each is called. A table
//! that does not check is not a table. Limits: a block of 512 to 64 KiB, entries of 128 to 4096 bytes, 1 MiB of them.

use crate::crc32;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

const MAX_TABLE: u64 = 1 << 20;
const HEADER: usize = 92;

/// A partition of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1.
    pub number: u32,
    /// Its first block.
    pub first: u64,
    /// Its own UUID, lower case.
    pub uuid: String,
    /// Its name.
    pub name: String,
}

/// The partitions of a disk of `len` bytes with blocks of `block` bytes; none where it has no GPT that checks.
#[must_use]
pub fn read(disk: &File, len: u64, block: u64) -> Option<Vec<Partition>> {
    if !(512..=65536).contains(&block) || !block.is_power_of_two() || len < 4 * block {
        return None;
    }
    // the second header is in the last block
    [1, len / block - 1].into_iter().find_map(|at| table(disk, len, block, at))
}

/// The disk's signature of an MBR, for `PARTUUID=SIGNATURE-NUMBER`.
#[must_use]
pub fn signature(disk: &File) -> Option<u32> {
    let mut sector = [0; 512];
    disk.read_exact_at(&mut sector, 0).ok()?;
    let signature = u32::from_le_bytes(sector[440..444].try_into().ok()?);
    (sector[510..] == [0x55, 0xAA] && signature != 0).then_some(signature)
}

fn table(disk: &File, len: u64, block: u64, at: u64) -> Option<Vec<Partition>> {
    let mut header = vec![0; usize::try_from(block).ok()?];
    disk.read_exact_at(&mut header, at.checked_mul(block)?).ok()?;
    let size = usize::try_from(u32_at(&header, 12)?).ok()?;
    if !header.starts_with(b"EFI PART")
        || !(HEADER..=header.len()).contains(&size)
        || u64_at(&header, 24)? != at
    {
        return None;
    }
    let wanted = u32_at(&header, 16)?;
    header.get_mut(16..20)?.fill(0);
    if crc32::of(header.get(..size)?) != wanted {
        return None;
    }
    let (start, count, entry) = (u64_at(&header, 72)?, u32_at(&header, 80)?, u32_at(&header, 84)?);
    let bytes = u64::from(count).checked_mul(entry.into())?;
    let offset = start.checked_mul(block)?;
    let is_plausible = (128..=4096).contains(&entry) && entry.is_multiple_of(8) && bytes <= MAX_TABLE;
    if !is_plausible || offset.checked_add(bytes)? > len {
        return None;
    }
    let mut entries = vec![0; usize::try_from(bytes).ok()?];
    disk.read_exact_at(&mut entries, offset).ok()?;
    if crc32::of(&entries) != u32_at(&header, 88)? {
        return None;
    }
    let entries = entries.chunks_exact(usize::try_from(entry).ok()?);
    Some((1..).zip(entries).filter_map(|(number, entry)| partition(number, entry)).collect())
}

/// One entry; none where it is unused.
fn partition(number: u32, entry: &[u8]) -> Option<Partition> {
    if entry.get(..16)?.iter().all(|byte| *byte == 0) {
        return None;
    }
    let units = entry.get(56..128)?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let name = char::decode_utf16(units.take_while(|unit| *unit != 0));
    Some(Partition {
        number,
        first: u64_at(entry, 32)?,
        uuid: guid(entry.get(16..32)?.try_into().ok()?),
        name: name.map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
    })
}

/// A GUID as text: its first three parts are little endian.
fn guid(bytes: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    crate::superblock::uuid([[d, c, b, a], [f, e, h, g]].concat().into_iter().chain(rest))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write as _;

    /// A disk of 64 blocks of `block` bytes with one partition.
    pub(crate) fn bytes(block: usize) -> Vec<u8> {
        let mut bytes = vec![0u8; 64 * block];
        let mut entries = vec![0u8; 128 * 128];
        entries[..16].fill(7);
        entries[16..32].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        entries[32] = 40;
        for (at, unit) in "röot".encode_utf16().enumerate() {
            entries[56 + 2 * at..58 + 2 * at].copy_from_slice(&unit.to_le_bytes());
        }
        bytes[2 * block..2 * block + entries.len()].copy_from_slice(&entries);
        for (at, other) in [(1u64, 63u64), (63, 1)] {
            let mut header = vec![0u8; 92];
            header[..8].copy_from_slice(b"EFI PART");
            header[12] = 92;
            header[24..32].copy_from_slice(&at.to_le_bytes());
            header[32..40].copy_from_slice(&other.to_le_bytes());
            header[72] = 2;
            header[80] = 128;
            header[84] = 128;
            header[88..92].copy_from_slice(&crc32::of(&entries).to_le_bytes());
            let crc = crc32::of(&header).to_le_bytes();
            header[16..20].copy_from_slice(&crc);
            let at = usize::try_from(at).unwrap() * block;
            bytes[at..at + 92].copy_from_slice(&header);
        }
        bytes
    }

    /// One with blocks of 512 bytes; `change` may spoil it.
    fn disk(change: impl FnOnce(&mut Vec<u8>)) -> (File, u64) {
        let mut bytes = bytes(512);
        change(&mut bytes);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes.len() as u64)
    }

    #[test]
    fn a_partition_has_number_place_uuid_and_name() {
        let (file, len) = disk(|_| {});
        let wanted = Partition {
            number: 1,
            first: 40,
            uuid: "04030201-0605-0807-090a-0b0c0d0e0f10".to_owned(),
            name: "röot".to_owned(),
        };
        assert_eq!(read(&file, len, 512), Some(vec![wanted]));
    }

    #[test]
    fn the_second_table_serves_where_the_first_is_damaged() {
        let (file, len) = disk(|bytes| bytes[512 + 40] ^= 1);
        assert_eq!(read(&file, len, 512).unwrap().len(), 1);
    }

    #[test]
    fn what_does_not_check_is_no_table() {
        let both = |at: usize, value: u8| {
            move |bytes: &mut Vec<u8>| {
                for header in [512, 63 * 512] {
                    bytes[header + at] = value;
                    bytes[header + 16..header + 20].fill(0);
                    let crc = crc32::of(&bytes[header..header + 92]).to_le_bytes();
                    bytes[header + 16..header + 20].copy_from_slice(&crc);
                }
            }
        };
        for (what, at, value) in [
            ("another block's header", 24, 9),
            ("a header of no size", 12, 0),
            ("a table behind the disk", 73, 255),
            ("a table of 16 TiB", 83, 255),
            ("entries of no size", 84, 0),
            ("entries of odd size", 84, 129),
            ("entries that do not check", 88, 0),
        ] {
            let (file, len) = disk(both(at, value));
            assert_eq!(read(&file, len, 512), None, "{what}");
        }
        let (file, len) = disk(|bytes| bytes.truncate(1024));
        assert_eq!(read(&file, len, 512), None);
        assert_eq!(read(&file, 1 << 40, 512), None);
        assert_eq!(read(&file, len, 0), None);
    }

    #[test]
    fn an_mbr_has_a_signature() {
        let (file, _) = disk(|bytes| {
            bytes[440..444].copy_from_slice(&[1, 2, 3, 4]);
            bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
        });
        assert_eq!(signature(&file), Some(0x0403_0201));
        assert_eq!(signature(&disk(|_| {}).0), None);
    }
}
