//! A reader of DER (X.690 10): just enough to find the public key in a certificate or a private key.
//!
//! It goes forward over borrowed bytes, takes only definite and shortest lengths, and makes no tree: what is hostile costs
//! no more than its own length.

/// A whole number, the highest byte first.
pub const INTEGER: u8 = 0x02;
/// A string of bits; the first byte of its content says how many at the end do not count.
pub const BIT_STRING: u8 = 0x03;
/// A string of bytes.
pub const OCTET_STRING: u8 = 0x04;
/// Yes (0xff) or no (0).
pub const BOOLEAN: u8 = 0x01;
/// The name of an algorithm or a curve.
pub const OBJECT: u8 = 0x06;
/// What others are in.
pub const SEQUENCE: u8 = 0x30;

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Of all of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value: its tag and its content. None at the end, and when it is cut or not DER.
    pub fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.rest.split_first()?;
        // tags of more than one byte are in nothing that is read here
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .try_fold(0usize, |sum, byte| sum.checked_mul(256).map(|sum| sum | usize::from(*byte)))?;
                let shortest = length >= 0x80 && bytes.first() != Some(&0);
                shortest.then_some((length, rest))?
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some((tag, content))
    }

    /// The next value, which must have the tag `tag`.
    pub fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The next value's content as a reader.
    pub fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.value(tag).map(Reader::new)
    }

    /// The next value with its tag and length, which must have the tag `tag`: what a signature is over.
    pub fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.rest;
        self.value(tag)?;
        before.get(..before.len() - self.rest.len())
    }

    /// The next value when it has the tag `tag`; passed over only then.
    pub fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.rest.first() == Some(&tag) { self.value(tag) } else { None }
    }

    /// A string of whole bytes as bits.
    pub fn bits(&mut self) -> Option<&'a [u8]> {
        match self.value(BIT_STRING)?.split_first()? {
            (0, bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The one sequence that `bytes` are, and nothing behind it.
#[must_use]
pub fn sequence(bytes: &[u8]) -> Option<Reader<'_>> {
    let mut whole = Reader::new(bytes);
    let inside = whole.inside(SEQUENCE)?;
    whole.is_empty().then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::{INTEGER, Reader, sequence};

    #[test]
    fn only_definite_shortest_lengths_that_are_there_are_read() {
        for (bytes, wanted) in [
            (&b"\x02\x01\x05"[..], Some(1)),
            (b"\x02\x00", Some(0)),
            (b"", None),
            (b"\x02", None),
            (b"\x02\x02\x05", None),
            (b"\x02\x81\x01\x05", None),
            (b"\x02\x82\x00\x01\x05", None),
            (b"\x02\x80\x05\x00\x00", None),
            (b"\x02\x84\xff\xff\xff\xff", None),
            (b"\x02\x89\x01\x01\x01\x01\x01\x01\x01\x01\x01", None),
            (b"\x1f\x01\x05", None),
        ] {
            assert_eq!(Reader::new(bytes).any().map(|(_, content)| content.len()), wanted, "{bytes:x?}");
        }
    }

    #[test]
    fn a_sequence_has_nothing_behind_it() {
        assert!(sequence(b"\x30\x03\x02\x01\x05").is_some_and(|mut inside| inside.value(INTEGER).is_some()));
        assert!(sequence(b"\x30\x03\x02\x01\x05\x00").is_none());
    }
}
