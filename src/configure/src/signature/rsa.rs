//! RSASSA-PKCS1-v1_5 (RFC 8017 8.2.2): the whole message is made anew and compared, so that there is nothing to read in it.

use super::Hash;
use super::number::{Modulus, bytes};

/// Keys of fewer bits are no keys.
const LEAST: usize = 2048;
/// Longer ones would only cost time.
const MOST: usize = 8192;

/// Whether `signature` is of a digest by the key of `modulus` and `exponent`, both as in DER.
pub(super) fn is_good(modulus: &[u8], exponent: &[u8], hash: Hash, digest: &[u8], signature: &[u8]) -> bool {
    let modulus = trimmed(modulus);
    let bits = modulus.len() * 8;
    if !(LEAST..=MOST).contains(&bits) || signature.len() != modulus.len() || trimmed(exponent).len() > 8 {
        return false;
    }
    let Some(ring) = Modulus::new(modulus) else { return false };
    let Some(number) = ring.number(signature) else { return false };
    let message = bytes(&ring.leave(&ring.power(&ring.enter(&number), trimmed(exponent))));
    let message = message.get(message.len().saturating_sub(modulus.len())..).unwrap_or_default();
    encoded(hash, digest, modulus.len()).is_some_and(|wanted| wanted == message)
}

/// EMSA-PKCS1-v1_5 (RFC 8017 9.2) in `length` bytes.
fn encoded(hash: Hash, digest: &[u8], length: usize) -> Option<Vec<u8>> {
    // DigestInfo up to the digest
    let prefix: &[u8] = match hash {
        Hash::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        Hash::Sha384 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
        Hash::Sha512 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
    };
    let fill = length.checked_sub(prefix.len() + digest.len() + 3)?;
    Some([&[0, 1], vec![0xff; fill].as_slice(), &[0], prefix, digest].concat())
}

/// Without the zeros in front that DER writes before a high bit.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
