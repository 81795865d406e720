//! The GUID partition table: UEFI 2.10, section 5.
//!
//! ```text
//! LBA 0    protective MBR      one partition of type 0xEE over the whole disk, so that old tools keep off; `bios` has
//!                              boot code for it
//!     1    header              CRC-32 of itself and of the entries, where the other copy is
//!     2    128 entries         128 bytes each
//!    34    room, then partitions, each at a multiple of 1 MiB
//!   -33    the entries again
//!    -1    the header again, with the places exchanged
//! ```
//! A table is two pieces of bytes; everything between is partitions' own. Not supported, on purpose: a legacy MBR next to
//! it (hybrid), sectors that are not of 512 bytes, more than 128 partitions.

mod read;

use crate::uuid::Uuid;
use flate2::Crc;
pub use read::{Contents, TableError, read};
use tree::name::Arch;

/// Bytes of a sector.
pub(crate) const SECTOR: u64 = 512;
/// Partitions begin at multiples of this many bytes: no disk or cloud has larger blocks.
pub(crate) const PARTITION_ALIGN: u64 = 1 << 20;
/// How many entries a table has room for: what firmware and tools expect.
pub(crate) const ENTRIES: usize = 128;
const ENTRY: usize = 128;
/// Sectors of all entries.
const ENTRY_SECTORS: u64 = (ENTRIES * ENTRY) as u64 / SECTOR;

/// The type of an EFI system partition.
pub(crate) const ESP: Uuid = Uuid::of(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);

/// The type of the root partition of machines of `arch`:
/// <https://uapi-group.org/specifications/specs/discoverable_partitions_specification/>
pub(crate) const fn root(arch: Arch) -> Uuid {
    Uuid::of(match arch {
        Arch::Amd64 => 0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709,
        Arch::Arm64 => 0xb921b045_1df0_41c3_af44_4c6f280d3fae,
    })
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is for, by the Discoverable Partitions Specification.
    pub r#type: Uuid,
    /// Its own identifier: the kernel's PARTUUID.
    pub id: Uuid,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Attribute bits.
    pub attributes: u64,
    /// Its name: at most 36 UTF-16 units, more are cut.
    pub name: String,
}

impl Entry {
    /// Whether this is an EFI system partition.
    #[must_use]
    pub fn is_esp(&self) -> bool {
        self.r#type == ESP
    }

    /// The architecture whose root file system this is, by its type.
    #[must_use]
    pub fn root_of(&self) -> Option<Arch> {
        Arch::ALL.into_iter().find(|&arch| self.r#type == root(arch))
    }
}

/// A table as the bytes at the two ends of a disk.
#[derive(Debug)]
pub(crate) struct Table {
    /// The first 34 sectors.
    pub(crate) first: Vec<u8>,
    /// The last 33 sectors.
    pub(crate) last: Vec<u8>,
}

/// The table of a disk of `size` bytes, a multiple of a sector, with these partitions in their order.
pub(crate) fn gpt(disk: Uuid, size: u64, partitions: &[Entry]) -> Table {
    let end = size / SECTOR - 1;
    let mut entries = Vec::with_capacity(ENTRIES * ENTRY);
    for partition in partitions.iter().take(ENTRIES) {
        entries.extend(entry(partition));
    }
    entries.resize(ENTRIES * ENTRY, 0);
    let sum = crc32(&entries);
    let mut first = protective_mbr(end);
    first.extend(header(disk, (1, end), 2, end, sum));
    first.extend(&entries);
    let mut last = entries;
    last.extend(header(disk, (end, 1), end - ENTRY_SECTORS, end, sum));
    Table { first, last }
}

/// One header: `at` is where it stands and where the other one does, in sectors.
fn header(disk: Uuid, at: (u64, u64), entries: u64, end: u64, sum: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend(b"EFI PART");
    out.extend(0x0001_0000_u32.to_le_bytes()); // revision 1.0
    out.extend(92_u32.to_le_bytes()); // the header's own length
    out.extend([0; 8]); // its checksum, below, and four that are reserved
    // what partitions may use lies between the two copies
    let usable = (2 + ENTRY_SECTORS, end - ENTRY_SECTORS - 1);
    for sector in [at.0, at.1, usable.0, usable.1] {
        out.extend(sector.to_le_bytes());
    }
    out.extend(disk.mixed_endian());
    out.extend(entries.to_le_bytes());
    out.extend(128_u32.to_le_bytes()); // ENTRIES
    out.extend(128_u32.to_le_bytes()); // ENTRY
    out.extend(sum.to_le_bytes());
    let own = crc32(&out);
    out[16..20].copy_from_slice(&own.to_le_bytes());
    out.resize(512, 0);
    out
}

fn entry(partition: &Entry) -> [u8; ENTRY] {
    let mut out = [0; ENTRY];
    out[..16].copy_from_slice(&partition.r#type.mixed_endian());
    out[16..32].copy_from_slice(&partition.id.mixed_endian());
    let first = partition.offset / SECTOR;
    out[32..40].copy_from_slice(&first.to_le_bytes());
    // the last sector is the partition's own
    out[40..48].copy_from_slice(&(first + partition.size / SECTOR - 1).to_le_bytes());
    out[48..56].copy_from_slice(&partition.attributes.to_le_bytes());
    for (place, unit) in out[56..].as_chunks_mut::<2>().0.iter_mut().zip(partition.name.encode_utf16()) {
        *place = unit.to_le_bytes();
    }
    out
}

/// Section 5.2.3. `end` is the last sector of the disk.
fn protective_mbr(end: u64) -> Vec<u8> {
    let mut out = vec![0; 512];
    // not bootable; begins at head 0, sector 2; type; ends beyond what heads and sectors can say
    out[446..454].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff]);
    out[454..458].copy_from_slice(&1_u32.to_le_bytes());
    out[458..462].copy_from_slice(&u32::try_from(end).unwrap_or(u32::MAX).to_le_bytes());
    out[510..].copy_from_slice(&[0x55, 0xaa]);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn entries() -> Vec<Entry> {
        let entry = |id: u8, offset: u64, size: u64, name: &str| Entry {
            r#type: Uuid::of(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709),
            id: Uuid([id; 16]),
            offset,
            size,
            attributes: 1 << 59,
            name: name.to_owned(),
        };
        vec![entry(1, 1 << 20, 3 << 20, "esp"), entry(2, 4 << 20, 11 << 20, "Főtanúsítvány")]
    }

    /// A disk of 16 MiB with the table at both ends.
    fn disk() -> Vec<u8> {
        let size = 16 << 20;
        let table = gpt(Uuid::derived("disk", &tree::digest::Sha256([3; 32])), size, &entries());
        let mut disk = vec![0; usize::try_from(size).unwrap()];
        disk[..table.first.len()].copy_from_slice(&table.first);
        let at = disk.len() - table.last.len();
        disk[at..].copy_from_slice(&table.last);
        disk
    }

    /// What sfdisk and sgdisk object to. Both exit with 0 when they find a bad copy, as they would repair it from the
    /// good one, so what they print decides.
    fn objections(disk: &[u8]) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("disk");
        std::fs::write(&path, disk).unwrap();
        let mut found = Vec::new();
        for (program, option, good) in
            [("sfdisk", "--verify", "No errors detected"), ("sgdisk", "-v", "No problems found")]
        {
            let run = std::process::Command::new(program).arg(option).arg(&path).output().unwrap();
            let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
            let rest = said.replace(good, "").to_lowercase();
            let bad = ["error", "corrupt", "caution", "warning", "problem", "invalid"];
            if !run.status.success() || !said.contains(good) || bad.iter().any(|word| rest.contains(word)) {
                found.push(format!("{program}: {said}"));
            }
        }
        found
    }

    /// The whole disk is checked with them by the tests of the formats.
    #[test]
    fn sfdisk_and_sgdisk_find_both_copies_whole() {
        assert_eq!(objections(&disk()), Vec::<String>::new());
    }

    #[test]
    fn a_bad_copy_is_told_from_what_the_checkers_print() {
        let end = disk().len();
        // own checksum, its own place and the checksum of the entries, of the first header and of the last
        for header in [512, end - 512] {
            for at in [16, 24, 88] {
                let mut disk = disk();
                disk[header + at] ^= 1;
                assert_eq!(objections(&disk).len(), 2, "{header} {at}");
            }
        }
        // an entry in the last copy
        let mut disk = disk();
        disk[end - 33 * 512] ^= 1;
        assert_eq!(objections(&disk).len(), 2);
    }

    #[test]
    fn each_header_names_itself_the_other_and_its_own_entries() {
        let disk = disk();
        let last = (disk.len() / 512 - 1) as u64;
        for (own, other, entries) in [(1, last, 2), (last, 1, last - 32)] {
            let at = usize::try_from(own).unwrap() * 512;
            let header = &disk[at..at + 512];
            let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
            let sum = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
            assert_eq!(
                (&header[..8], number(24), number(32), number(72)),
                (&b"EFI PART"[..], own, other, entries)
            );
            let mut unsummed = header[..92].to_vec();
            unsummed[16..20].fill(0);
            assert_eq!(sum(16), crc32(&unsummed), "{own}");
            let from = usize::try_from(entries).unwrap() * 512;
            assert_eq!(sum(88), crc32(&disk[from..from + 128 * 128]), "{own}");
            assert_eq!(disk[from..from + 128 * 128], disk[1024..1024 + 128 * 128], "{own}");
        }
    }
}
