//! The key that tells what this user derived from what anybody else has put into the store.
//!
//! ```text
//! id(8)    = the first bytes of HMAC-SHA-256(key, "vmbake store key 1")
//! tag(32)  = HMAC-SHA-256(key, "vmbake store entry 1" | kind-length(u64) | kind | input(32) | length(u64) | bytes)
//! ```
//! An entry says "of this input, by this kind of derivation, came these bytes", which holds in every store and at any
//! time: an authentic entry that is copied to another place is either found under its own kind and input, where it is
//! right, or does not check. Numbers are little-endian. The id is public and a part of a path, so that users of one
//! store who have keys of their own do not take each other's entries for forged ones.

use hmac::{Hmac, KeyInit as _, Mac as _};
use std::fmt;
use tree::digest::Sha256;

const ENTRY: &[u8] = b"vmbake store entry 1";
const ID: &[u8] = b"vmbake store key 1";

/// A secret that is not in the store. It is never printed.
#[derive(Clone)]
pub struct Key {
    /// Ready to begin a tag.
    mac: Hmac<sha2::Sha256>,
    id: String,
}

/// Text that is no key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 64 hexadecimal digits and the end of the line")]
pub struct KeyError;

impl Key {
    /// The key of these bytes, which must be random.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        // a key is filled with zeros to a block (RFC 2104)
        let mut block = [0; 64];
        block[..32].copy_from_slice(&secret);
        let mac = Hmac::new(&block.into());
        Self { id: id(mac.clone()), mac }
    }

    /// Reads a key as it is kept in a file: 64 hexadecimal digits, and perhaps one newline.
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let digits = text.strip_suffix(b"\n").unwrap_or(text);
        let mut secret = [0; 32];
        match base16ct::mixed::decode(digits, &mut secret) {
            Ok(done) if done.len() == 32 => Ok(Self::new(secret)),
            _ => Err(KeyError),
        }
    }

    /// What names it in paths, and gives nothing of it away: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The tag of an entry.
    pub(super) fn tag(&self, kind: &str, input: &Sha256, bytes: &[u8]) -> [u8; 32] {
        self.over(kind, input, bytes).finalize().into_bytes().into()
    }

    /// Whether `tag` is the tag of this entry; takes the same time wherever they differ.
    pub(super) fn vouches(&self, kind: &str, input: &Sha256, bytes: &[u8], tag: &[u8; 32]) -> bool {
        self.over(kind, input, bytes).verify_slice(tag).is_ok()
    }

    fn over(&self, kind: &str, input: &Sha256, bytes: &[u8]) -> Hmac<sha2::Sha256> {
        let mut mac = self.mac.clone();
        mac.update(ENTRY);
        mac.update(&(kind.len() as u64).to_le_bytes());
        mac.update(kind.as_bytes());
        mac.update(&input.0);
        mac.update(&(bytes.len() as u64).to_le_bytes());
        mac.update(bytes);
        mac
    }
}

fn id(mut mac: Hmac<sha2::Sha256>) -> String {
    mac.update(ID);
    base16ct::lower::encode_string(&mac.finalize().into_bytes()[..8])
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_and_nothing_else_is_one() {
        let digits = "0123456789abcdef".repeat(4);
        let key = Key::parse(digits.as_bytes()).unwrap();
        assert_eq!(Key::parse(format!("{digits}\n").as_bytes()).unwrap().id(), key.id());
        for bad in ["", "\n", &digits[1..], &format!("{digits}0"), &format!("{digits}\n\n"), &"g".repeat(64)]
        {
            assert_eq!(Key::parse(bad.as_bytes()).unwrap_err(), KeyError, "{bad:?}");
        }
        assert_eq!(key.id().len(), 16);
        assert!(!format!("{key:?}").contains(&digits[..16]));
    }

    #[test]
    fn a_tag_is_over_key_kind_input_and_bytes() {
        // RFC 4231 has no case of this form; the value was computed with another HMAC (Python's)
        let key = Key::new([7; 32]);
        let input = Sha256([9; 32]);
        let tag = key.tag("frame-2", &input, b"bytes");
        assert_eq!(base16ct::lower::encode_string(&tag), KNOWN);
        assert_eq!(key.id(), KNOWN_ID);
        assert!(key.vouches("frame-2", &input, b"bytes", &tag));
        assert!(!Key::new([8; 32]).vouches("frame-2", &input, b"bytes", &tag));
        assert!(!key.vouches("frame-1", &input, b"bytes", &tag));
        assert!(!key.vouches("frame-", &Sha256([9; 32]), b"2bytes", &tag));
        assert!(!key.vouches("frame-2", &Sha256([8; 32]), b"bytes", &tag));
        assert!(!key.vouches("frame-2", &input, b"byte", &tag));
    }

    const KNOWN: &str = "4eb7143939753330005b2b619850539d752f782c6daf75db5d9b127bd557cbf1";
    const KNOWN_ID: &str = "2eb0f94794b83792";
}
