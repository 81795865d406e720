//! Microsoft's virtual hard disk, of fixed size: the disk as it is, and a sector that says so behind it.
//!
//! Source: "Virtual Hard Disk Image Format Specification", 1.0, 2006. Azure wants a size in whole MiB.

use super::uuid::Uuid;

/// Seconds from 1970 to 2000, where the format's time begins.
const CENTURY: i64 = 946_684_800;

/// The largest disk in bytes: what the format's readers agree on, and Azure takes.
pub(crate) const MOST: u64 = 2040 << 30;

/// The sector behind a disk of `size` bytes.
pub(crate) fn footer(size: u64, id: Uuid, epoch: i64) -> Vec<u8> {
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
