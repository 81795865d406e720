//! Signatures of certificates (RFC 5280 4.1.1): RSA with PKCS#1 v1.5 (RFC 8017 8.2.2), ECDSA (FIPS 186-5 6.4.2) on
//! NIST's curves, and Ed25519 (RFC 8032 5.1.7), with SHA-2.
//!
//! Only checked, never made: nothing here is secret, so no care is taken that time does not tell of values. Written out as
//! nothing else belongs into the image. Deliberately absent: SHA-1, RSA-PSS, other curves; what is signed so counts as
//! not signed.

mod ecdsa;
mod number;
mod rsa;

use crate::certificate::PublicKey;
use crate::sha2::{sha256, sha384};
use crate::sha512::sha512;

/// How something is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rsa(Hash),
    Ecdsa(Hash),
    Ed25519,
}

/// Of the SHA-2 family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => sha256(message).to_vec(),
            Self::Sha384 => sha384(message).to_vec(),
            Self::Sha512 => sha512(&[message]).to_vec(),
        }
    }
}

/// By the object identifier's content (RFC 4055 5, RFC 5758 3.2, RFC 8410 3).
fn algorithm(name: &[u8]) -> Option<Algorithm> {
    use Hash::{Sha256, Sha384, Sha512};
    Some(match name {
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b" => Algorithm::Rsa(Sha256),
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c" => Algorithm::Rsa(Sha384),
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d" => Algorithm::Rsa(Sha512),
        b"\x2a\x86\x48\xce\x3d\x04\x03\x02" => Algorithm::Ecdsa(Sha256),
        b"\x2a\x86\x48\xce\x3d\x04\x03\x03" => Algorithm::Ecdsa(Sha384),
        b"\x2a\x86\x48\xce\x3d\x04\x03\x04" => Algorithm::Ecdsa(Sha512),
        b"\x2b\x65\x70" => Algorithm::Ed25519,
        _ => return None,
    })
}

/// Whether `signature` of the algorithm `name` (an object identifier's content) is `key`'s over `message`.
#[must_use]
pub fn is_good(name: &[u8], key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    match (algorithm(name), key) {
        (Some(Algorithm::Rsa(hash)), PublicKey::Rsa(modulus, exponent)) => {
            rsa::is_good(modulus, exponent, hash, &hash.of(message), signature)
        }
        (Some(Algorithm::Ecdsa(hash)), PublicKey::Ec(curve, point)) => {
            ecdsa::is_good(curve, point, &hash.of(message), signature)
        }
        (Some(Algorithm::Ed25519), PublicKey::Ed25519(point)) => {
            crate::ed25519::is_good(point, message, signature)
        }
        _ => false,
    }
}
