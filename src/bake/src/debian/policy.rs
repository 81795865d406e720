//! Which algorithms count: the policy as of November 2026.
//!
//! - hashes: SHA-256, SHA-384, SHA-512, SHA3-256, SHA3-512 (apt's `default-sequoia.config` refuses SHA-1 from 2026);
//! - keys: RSA of 2048 bits and more, Ed25519 and Ed448, ECDSA over the NIST curves; no DSA (refused there since 2024);
//! - signatures of version 4 and 6.

use jiff::Timestamp;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureVersion, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{EcdsaPublicParams, KeyDetails, PublicParams};

/// The date of this policy.
pub const DATE: &str = "2026-11";
/// The fewest bits of an RSA key.
pub const RSA_BITS: u16 = 2048;
/// How far in the future a signature or a Date may lie, because clocks differ.
pub const SKEW_SECONDS: i64 = 600;

/// What the policy does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is rejected by the policy of {DATE}, expected {expected}")]
pub struct Weak {
    what: String,
    expected: &'static str,
}

/// Why a signature is not in force at a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Time {
    /// It does not say when it was made.
    #[error("has no creation time")]
    None,
    /// It is from the future.
    #[error("was created at {0}, in the future")]
    Future(Timestamp),
    /// It has ended.
    #[error("expired at {0}")]
    Past(Timestamp),
}

/// Version, hash and critical parts of a signature.
pub(super) fn signature(signature: &Signature) -> Result<(), Weak> {
    let weak = |what: String, expected| Err(Weak { what, expected });
    if !matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6) {
        return weak(format!("a signature of version {}", u8::from(signature.version())), "version 4 or 6");
    }
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    match signature.hash_alg() {
        Some(Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512) => {}
        Some(other) => return weak(format!("hash {other}"), "SHA-256 or stronger"),
        None => return weak("an unknown hash".to_owned(), "SHA-256 or stronger"),
    }
    let mut parts = signature.config().into_iter().flat_map(pgp::packet::SignatureConfig::hashed_subpackets);
    let unknown = |data: &SubpacketData| {
        matches!(
            data,
            SubpacketData::Experimental(..) | SubpacketData::Other(..) | SubpacketData::Notation(..)
        )
    };
    match parts.find(|part| part.is_critical && unknown(&part.data)) {
        Some(_) => weak("an unknown critical subpacket".to_owned(), "only known ones"),
        None => Ok(()),
    }
}

/// Whether a signature is in force at `now`.
pub(super) fn in_force(signature: &Signature, now: Timestamp) -> Result<(), Time> {
    let created = i64::from(signature.created().ok_or(Time::None)?.as_secs());
    let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    if created > now.as_second().saturating_add(SKEW_SECONDS) {
        return Err(Time::Future(at(created)));
    }
    let life = signature.signature_expiration_time().map_or(0, |life| i64::from(life.as_secs()));
    if life != 0 && created + life <= now.as_second() { Err(Time::Past(at(created + life))) } else { Ok(()) }
}

/// Algorithm and size of a key.
pub(super) fn key(key: &impl KeyDetails) -> Result<(), Weak> {
    let expected = "RSA of 2048 bits or more, Ed25519, Ed448 or ECDSA over a NIST curve";
    let what = match key.public_params() {
        PublicParams::RSA(rsa) => {
            // the modulus comes first, as an integer with its number of bits before it
            let bytes = rsa.to_bytes().unwrap_or_default();
            let bits = bytes.first_chunk().map_or(0, |bits| u16::from_be_bytes(*bits));
            if bits >= RSA_BITS {
                return Ok(());
            }
            format!("RSA of {bits} bits")
        }
        PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) | PublicParams::Ed448(_) => return Ok(()),
        PublicParams::ECDSA(
            EcdsaPublicParams::P256 { .. } | EcdsaPublicParams::P384 { .. } | EcdsaPublicParams::P521 { .. },
        ) => return Ok(()),
        _ => format!("a key of type {:?}", key.algorithm()),
    };
    Err(Weak { what, expected })
}
