//! Microsoft's virtual hard disk, of fixed size: the disk as it is, and a sector that says so behind it.
//!
//! Source: "Virtual Hard Disk Image Format Specification", 1.0, 2006. Azure wants a size in whole MiB.

use super::codec::Codec;
use super::layout::Disk;
use super::uuid::Uuid;
use tree::refusal::{Class, Refusal, Result, Stage};

/// Seconds from 1970 to 2000, where the format's time begins.
const CENTURY: i64 = 946_684_800;

/// The largest disk in bytes: what the format's readers agree on, and Azure takes.
const MOST: u64 = 2040 << 30;

/// The format.
pub(crate) static CODEC: Codec = Codec {
    keeps: false,
    check,
    write: |disk, how, part, done| {
        let footer = footer(disk.image.size, disk.id, disk.spec.epoch);
        super::raw::write(&disk.image, &footer, how, part, done)
    },
    open: |file| super::read::sectors(file, true),
};

/// Refuses a disk that is larger than [`MOST`].
fn check(disk: &Disk<'_>) -> Result<()> {
    if disk.image.size <= MOST {
        return Ok(());
    }
    let (most, found) = (MOST >> 30, disk.image.size >> 30);
    let cause = format!("size of the disk, expected at most {most} GiB, found {found} GiB");
    Err(Refusal::new(Class::Usage, "vhd", Stage::Emit, cause).hint(
        "make [disk] size of the recipe smaller: the root file system grows to its disk at the first boot",
    ))
}

/// The sector behind a disk of `size` bytes.
fn footer(size: u64, id: Uuid, epoch: i64) -> Vec<u8> {
    let mut out = b"conectix".to_vec();
    out.extend(2_u32.to_be_bytes()); // features: none, which is said by a reserved bit
    out.extend(0x0001_0000_u32.to_be_bytes());
    out.extend(u64::MAX.to_be_bytes()); // no further header
    out.extend(u32::try_from(epoch.saturating_sub(CENTURY)).unwrap_or(0).to_be_bytes());
    // readers take the size from heads and cylinders unless they know the maker for one that means the exact number
    out.extend(b"win \0\x0a\0\0Wi2k");
    out.extend(size.to_be_bytes()); // when it was made, and now
    out.extend(size.to_be_bytes());
    out.extend(geometry(size / 512));
    out.extend(2_u32.to_be_bytes()); // of fixed size
    out.extend([0; 4]);
    out.extend(id.0);
    out.resize(512, 0);
    let sum = out.iter().fold(0_u32, |sum, &byte| sum.wrapping_add(byte.into()));
    out[64..68].copy_from_slice(&(!sum).to_be_bytes());
    out
}

/// Cylinders, heads and sectors of a track: the appendix's way to find them.
fn geometry(sectors: u64) -> [u8; 4] {
    let sectors = sectors.min(65535 * 16 * 255);
    let (mut track, mut heads, mut rest);
    if sectors >= 65535 * 16 * 63 {
        (track, heads, rest) = (255, 16, sectors / 255);
    } else {
        track = 17;
        rest = sectors / track;
        heads = rest.div_ceil(1024).max(4);
        if rest >= heads * 1024 || heads > 16 {
            (track, heads, rest) = (31, 16, sectors / 31);
        }
        if rest >= heads * 1024 {
            (track, heads, rest) = (63, 16, sectors / 63);
        }
    }
    let [high, low] = u16::try_from(rest / heads).unwrap_or(u16::MAX).to_be_bytes();
    [high, low, u8::try_from(heads).unwrap_or(16), u8::try_from(track).unwrap_or(u8::MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    #[test]
    fn the_footer_has_the_fields_of_the_specification() {
        let footer = footer(3 << 30, Uuid([7; 16]), CENTURY + 5);
        assert_eq!(footer.len(), 512);
        let fields: [(&str, std::ops::Range<usize>, &[u8]); 7] = [
            ("cookie", 0..8, b"conectix"),
            ("features and version", 8..16, &[0, 0, 0, 2, 0, 1, 0, 0]),
            ("offset of a further header", 16..24, &[0xff; 8]),
            ("time", 24..28, &[0, 0, 0, 5]),
            ("host", 36..40, b"Wi2k"),
            ("type", 60..64, &[0, 0, 0, 2]),
            ("id", 68..84, &[7; 16]),
        ];
        for (what, at, expected) in fields {
            assert_eq!(&footer[at], expected, "{what}");
        }
        assert_eq!((number(&footer[40..48]), number(&footer[48..56])), (3 << 30, 3 << 30));
        assert!(footer[84..].iter().all(|&byte| byte == 0), "reserved");
        // one's complement of the sum of all other bytes
        let others = footer.iter().enumerate().filter(|(at, _)| !(64..68).contains(at));
        let sum: u64 = others.map(|(_, &byte)| u64::from(byte)).sum();
        assert_eq!(number(&footer[64..68]), u64::from(!u32::try_from(sum).unwrap()));
    }

    #[test]
    fn a_time_before_the_format_s_is_its_first() {
        assert_eq!(footer(1 << 30, Uuid([0; 16]), 0)[24..28], [0; 4]);
    }

    #[test]
    fn heads_and_cylinders_are_those_of_the_appendix() {
        // MiB; cylinders, heads, sectors of a track
        for (mib, cylinders, heads, track) in [
            (1, 30, 4, 17),
            (64, 963, 8, 17),
            (512, 1040, 16, 63),
            (2048, 4161, 16, 63),
            (32 << 10, 16_448, 16, 255),
            (127 << 10, 65_278, 16, 255),
            // as many as can be said
            (2040 << 10, 65_535, 16, 255),
        ] {
            let [high, low, found_heads, found_track] = geometry(mib * 2048);
            let found = (u16::from_be_bytes([high, low]), found_heads, found_track);
            assert_eq!(found, (cylinders, heads, track), "{mib}");
        }
    }
}
