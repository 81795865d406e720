//! One tar header block, 512 bytes: fields as they are, nothing of their meaning together.
//!
//! Three layouts are known (tar(5), POSIX.1-2017 pax "ustar Interchange Format"): v7 without a magic number, ustar, and
//! GNU's. Where the readers of the field take the same bytes differently, the block is refused: text after a
//! field's NUL, a prefix in a block that has none by its magic number, numbers with signs or trailing garbage,
//! sums of signed bytes.

use std::ops::Range;

/// The size of a header, and what contents are padded to.
pub(super) const BLOCK: usize = 512;

/// The fields of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// `0`, `5`, `x`, …; NUL, the regular file of v7, is given as `0`.
    pub kind: u8,
    /// The name, with a ustar prefix in front of it.
    pub name: Vec<u8>,
    /// The link's target; empty where there is none.
    pub link: Vec<u8>,
    /// Mode; may hold file type bits.
    pub mode: u64,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Size of the content in bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Owner by name; may be empty.
    pub user: Vec<u8>,
    /// Group by name; may be empty.
    pub group: Vec<u8>,
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
}

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const KIND: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const USER: Range<usize> = 265..297;
const GROUP: Range<usize> = 297..329;
const MAJOR: Range<usize> = 329..337;
const MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;

/// Reads a block that is not all zero. The error says which field is wrong, and what of it.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Header, &'static str> {
    let header = ::tar::Header::from_byte_slice(block);
    if header.cksum().ok().map(u64::from) != Some(sum(block)) {
        return Err("wrong checksum");
    }
    let mut name = text(&block[NAME]).ok_or("name with trailing data after its NUL")?.to_vec();
    match &block[MAGIC] {
        b"ustar\x0000" => {
            if block[500..].iter().any(|&b| b != 0) {
                return Err("non-zero bytes in the reserved part of a ustar header");
            }
            let prefix = text(&block[PREFIX]).ok_or("prefix with trailing data after its NUL")?;
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        b"ustar  \0" if block[PREFIX.start..].iter().any(|&b| b != 0) => {
            return Err("times, sparse map or prefix in a GNU header");
        }
        b"ustar  \0" => {}
        _ if block[MAGIC.start..].iter().any(|&b| b != 0) => return Err("unknown magic number"),
        _ => {}
    }
    let number = |field: Range<usize>, what| number(&block[field]).flatten().ok_or(what);
    // dpkg fills the device numbers of what is not a device with NULs
    let device = |field: Range<usize>, what| {
        let value = self::number(&block[field]).ok_or(what)?.unwrap_or(0);
        u32::try_from(value).map_err(|_| what)
    };
    Ok(Header {
        kind: if block[KIND] == 0 { b'0' } else { block[KIND] },
        name,
        link: text(&block[LINK]).ok_or("link target with trailing data after its NUL")?.to_vec(),
        mode: number(MODE, "non-numeric mode")?,
        uid: number(UID, "non-numeric owner")?,
        gid: number(GID, "non-numeric group")?,
        size: number(SIZE, "non-numeric size")?,
        mtime: number(MTIME, "non-numeric time")?,
        user: text(&block[USER]).ok_or("owner's name with trailing data after its NUL")?.to_vec(),
        group: text(&block[GROUP]).ok_or("group's name with trailing data after its NUL")?.to_vec(),
        major: device(MAJOR, "non-numeric device number")?,
        minor: device(MINOR, "non-numeric device number")?,
    })
}

/// The sum of the block's bytes with its checksum as blanks. Signed sums of ancient writers are not taken.
fn sum(block: &[u8; BLOCK]) -> u64 {
    let whole: u64 = block.iter().map(|&b| u64::from(b)).sum();
    let field: u64 = block[148..156].iter().map(|&b| u64::from(b)).sum();
    whole - field + 8 * u64::from(b' ')
}

/// What is before the first NUL; none when something is after it.
fn text(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    field[end..].iter().all(|&b| b == 0).then_some(&field[..end])
}

/// A number: octal digits between blanks before and blanks or NULs after it, or GNU's base 256, never negative.
/// `Some(None)` for a field of only NULs.
#[allow(
    clippy::option_option,
    reason = "a field is wrong, empty or a number, and each caller wants another two of these"
)]
fn number(field: &[u8]) -> Option<Option<u64>> {
    if field[0] == 0x80 {
        let (high, low) = field.split_at(field.len().saturating_sub(8).max(1));
        if high[1..].iter().any(|&b| b != 0) {
            return None;
        }
        return Some(Some(low.iter().fold(0, |value, &b| value << 8 | u64::from(b))));
    }
    if field.iter().all(|&b| b == 0) {
        return Some(None);
    }
    let start = field.iter().position(|&b| b != b' ')?;
    let digits = field[start..].iter().take_while(|b| (b'0'..=b'7').contains(b)).count();
    let behind = &field[start + digits..];
    if digits == 0 || !behind.iter().all(|&b| b == 0 || b == b' ') {
        return None;
    }
    // at most 12 digits, 36 bits
    Some(Some(field[start..start + digits].iter().fold(0, |value, &b| value << 3 | u64::from(b - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_all_readers_read_them() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(Some(0o644))),
            (b"   644 \0", Some(Some(0o644))),
            (b"000644 \0", Some(Some(0o644))),
            (b"77777777", Some(Some(0o7777_7777))),
            (b"\0\0\0\0\0\0\0\0", Some(None)),
            (b"        ", None),
            (b"-0000644", None),
            (b"+000644\0", None),
            (b"00006448", None),
            (b"644\x001\0\0\0", None),
            (b"0x1a\0\0\0\0", None),
            (b"\x80\0\0\0\0\0\x01\0", Some(Some(256))),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x80\0\0\0\0\0\0\0\0\0\x02\0", Some(Some(512))),
            (b"\x80\0\0\x01\0\0\0\0\0\0\x02\0", None),
        ] {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }

    #[test]
    fn text_ends_at_its_nul_for_good() {
        assert_eq!(text(b"abc\0\0"), Some(&b"abc"[..]));
        assert_eq!(text(b"abcde"), Some(&b"abcde"[..]));
        assert_eq!(text(b"abc\0d"), None);
    }
}
