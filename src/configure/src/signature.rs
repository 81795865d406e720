//! Signatures of certificates (RFC 5280 4.1.1): RSA with PKCS#1 v1.5 (RFC 8017 8.2.2), ECDSA (FIPS 186-5 6.4.2) on
//! NIST's curves, and Ed25519 (RFC 8032 5.1.7), with SHA-2.
//!
//! Only checked, never made. Not supported, on purpose: SHA-1, RSA-PSS, other curves; what is signed so counts as not signed.

use crate::certificate::PublicKey;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::der::asn1::ObjectIdentifier;

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
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    fn pkcs1(self) -> Pkcs1v15Sign {
        match self {
            Self::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            Self::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            Self::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        }
    }
}

/// By the object identifier (RFC 4055 5, RFC 5758 3.2, RFC 8410 3).
const ALGORITHMS: [(ObjectIdentifier, Algorithm); 7] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), Algorithm::Rsa(Hash::Sha256)),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"), Algorithm::Rsa(Hash::Sha384)),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"), Algorithm::Rsa(Hash::Sha512)),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"), Algorithm::Ecdsa(Hash::Sha256)),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), Algorithm::Ecdsa(Hash::Sha384)),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"), Algorithm::Ecdsa(Hash::Sha512)),
    (ObjectIdentifier::new_unwrap("1.3.101.112"), Algorithm::Ed25519),
];

/// RFC 5480 2.1.1.1
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// RSA keys of fewer bytes are not keys.
const LEAST: usize = 2048 / 8;
/// RSA keys of more bits would only cost time.
const MOST: usize = 8192;

/// Whether `signature` of the algorithm `name` is `key`'s over `message`.
#[must_use]
pub fn is_good(name: ObjectIdentifier, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let algorithm = ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm);
    let good = match (algorithm, key) {
        (Some(Algorithm::Rsa(hash)), PublicKey::Rsa(modulus, exponent)) => {
            rsa(modulus, exponent, hash, message, signature)
        }
        (Some(Algorithm::Ecdsa(hash)), PublicKey::Ec(curve, point)) => {
            ecdsa(*curve, point, &hash.of(message), signature)
        }
        (Some(Algorithm::Ed25519), PublicKey::Ed25519(point)) => ed25519(point, message, signature),
        _ => None,
    };
    good.is_some()
}

fn rsa(modulus: &[u8], exponent: &[u8], hash: Hash, message: &[u8], signature: &[u8]) -> Option<()> {
    let [modulus, exponent] = [modulus, exponent].map(BigUint::from_bytes_be);
    let key = RsaPublicKey::new_with_max_size(modulus, exponent, MOST).ok()?;
    if key.size() < LEAST {
        return None;
    }
    key.verify(hash.pkcs1(), &hash.of(message), signature).ok()
}

fn ecdsa(curve: ObjectIdentifier, point: &[u8], digest: &[u8], signature: &[u8]) -> Option<()> {
    match curve {
        P256 => {
            let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
            key.verify_prehash(digest, &signature).ok()
        }
        P384 => {
            let signature = p384::ecdsa::Signature::from_der(signature).ok()?;
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
            key.verify_prehash(digest, &signature).ok()
        }
        P521 => {
            let signature = p521::ecdsa::Signature::from_der(signature).ok()?;
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
            // a digest is a number, so zeros in front change nothing; `p521` refuses SHA-256, which `openssl` signs with,
            // as too short
            let mut number = p521::FieldBytes::default();
            let zeros = number.len().checked_sub(digest.len())?;
            number.get_mut(zeros..)?.copy_from_slice(digest);
            key.verify_prehash(&number, &signature).ok()
        }
        _ => None,
    }
}

fn ed25519(point: &[u8; 32], message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(point).ok()?;
    key.verify_strict(message, &signature).ok()
}
