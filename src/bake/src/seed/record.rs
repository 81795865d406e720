//! A directory record (ECMA-119, 9.1), and the fields of SUSP and Rock Ridge after it.

/// A number in both orders of bytes, the little end first.
pub(super) trait Both: Sized {
    fn both(self) -> Vec<u8>;
}

impl Both for u32 {
    fn both(self) -> Vec<u8> {
        [self.to_le_bytes(), self.to_be_bytes()].concat()
    }
}

impl Both for u16 {
    fn both(self) -> Vec<u8> {
        [self.to_le_bytes(), self.to_be_bytes()].concat()
    }
}

/// One entry of a directory.
pub(super) struct Record<'a> {
    /// Where its content begins.
    pub(super) sector: u32,
    /// How long that is.
    pub(super) len: u32,
    pub(super) is_directory: bool,
    /// Its name: a byte 0 for the directory itself, 1 for the one above.
    pub(super) id: &'a [u8],
    /// Fields of SUSP.
    pub(super) more: &'a [u8],
}

/// 1970-01-01 00:00:00 UTC, counted from 1900.
const TIME: [u8; 7] = [70, 1, 1, 0, 0, 0, 0];

impl Record<'_> {
    /// Its bytes; at most 255, which limits of names see to.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0, 0];
        bytes.extend([self.sector.both(), self.len.both()].concat());
        bytes.extend(TIME);
        bytes.extend([if self.is_directory { 2 } else { 0 }, 0, 0]);
        bytes.extend(1_u16.both());
        bytes.push(short(self.id.len()));
        bytes.extend(self.id);
        // an even place for what follows, and an even length
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes.extend(self.more);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        let len = short(bytes.len());
        if let Some(first) = bytes.first_mut() {
            *first = len;
        }
        bytes
    }
}

fn short(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}

/// Fields: two letters, length, version 1, content.
pub(super) mod suffix {
    use super::{Both as _, short};

    fn field(letters: &[u8; 2], content: &[u8]) -> Vec<u8> {
        [letters.as_slice(), &[short(content.len() + 4), 1], content].concat()
    }

    /// `PX`: mode, how many names, owner, group.
    fn access(mode: u32, names: u32) -> Vec<u8> {
        field(b"PX", &[mode.both(), names.both(), 0_u32.both(), 0_u32.both()].concat())
    }

    /// Of the directory itself: that there are fields at all (`SP`), and whose they are (`ER`).
    pub(crate) fn first() -> Vec<u8> {
        let id = b"RRIP_1991A";
        let extension = [&[short(id.len()), 0, 0, 1], id.as_slice()].concat();
        [field(b"SP", &[0xbe, 0xef, 0]), directory(), field(b"ER", &extension)].concat()
    }

    /// Of a directory.
    pub(crate) fn directory() -> Vec<u8> {
        access(0o040_500, 2)
    }

    /// Of a file.
    pub(crate) fn file() -> Vec<u8> {
        access(0o100_400, 1)
    }

    /// `NM`: the whole name.
    pub(crate) fn name(name: &str) -> Vec<u8> {
        field(b"NM", &[&[0], name.as_bytes()].concat())
    }
}
