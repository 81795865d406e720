//! Whether a message, cleartext or beside its signatures, is signed by those whom the project trusts.
//!
//! - at least one good signature by a pinned certificate;
//! - a signature that names a pinned certificate and is not good in every respect refuses the message, even
//!   beside a good one: it is either an attack or a fault that someone should see;
//! - signatures by others are neither help nor harm: Debian signs each release with the keys of two.
//!
//! Keys are named by their full fingerprints; user ids are never read, let alone printed.

use super::certificate::{Certificate, Standing, hex};
use super::inrelease::{Cleartext, Detached};
use super::policy;
use jiff::Timestamp;
use pgp::armor::Dearmor;
use pgp::packet::{Packet, PacketParser, Signature, SignatureType};
use std::collections::BTreeSet;
use std::io::{BufReader, Read as _};
use tree::refusal::shown;

/// How many signatures a message may have.
pub const MAX_SIGNATURES: usize = 16;

/// Verifies `message` at the time `now`, and gives the fingerprints of the primary keys that signed, in the order
/// of `trusted`.
pub fn verify(
    message: &Cleartext<'_>,
    trusted: &[&Certificate],
    now: Timestamp,
) -> Result<Vec<String>, SignatureError> {
    verify_bytes(message.signed(), SignatureType::Text, message.signatures, trusted, now)
}

/// `verify` of a message whose signatures are next to it.
pub fn verify_detached(
    message: &Detached<'_>,
    trusted: &[&Certificate],
    now: Timestamp,
) -> Result<Vec<String>, SignatureError> {
    verify_bytes(message.text.as_bytes(), SignatureType::Binary, message.signatures, trusted, now)
}

fn verify_bytes(
    message: &[u8],
    typ: SignatureType,
    armored: &str,
    trusted: &[&Certificate],
    now: Timestamp,
) -> Result<Vec<String>, SignatureError> {
    let mut signed = BTreeSet::new();
    let mut others = BTreeSet::new();
    for signature in signatures(armored)? {
        let known = trusted.iter().enumerate().find_map(|(at, one)| Some((at, one, one.issuer(&signature)?)));
        let Some((at, certificate, key)) = known else {
            others.insert(issuer(&signature));
            continue;
        };
        let refuse = |why| SignatureError::Refused {
            key: key.fingerprint(),
            primary: certificate.fingerprint().to_owned(),
            why,
        };
        policy::signature(&signature).map_err(|why| refuse(Why::Weak(why)))?;
        key.standing(now).map_err(|why| refuse(Why::Key(why)))?;
        policy::in_force(&signature, now).map_err(|why| refuse(Why::Time(why)))?;
        if signature.created().is_some_and(|at| i64::from(at.as_secs()) < key.created()) {
            return Err(refuse(Why::Older));
        }
        if signature.typ() != Some(typ) || !key.verifies(&signature, message) {
            return Err(refuse(Why::Bad));
        }
        signed.insert(at);
    }
    if signed.is_empty() {
        let list = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(SignatureError::Unknown {
            expected: list(trusted.iter().map(|one| one.fingerprint().to_owned()).collect()),
            got: list(others.into_iter().collect()),
        });
    }
    Ok(signed.into_iter().map(|at| trusted[at].fingerprint().to_owned()).collect())
}

/// Why a message is not believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    /// Not signatures, or not only.
    #[error("the signature block cannot be read: {0}")]
    Packets(String),
    /// More than `MAX_SIGNATURES`.
    #[error("more than {MAX_SIGNATURES} signatures")]
    Many,
    /// Nobody whom we trust.
    #[error("no signature by a pinned key, expected one of {expected}, found {got}")]
    Unknown {
        /// Fingerprints of the pinned primary keys.
        expected: String,
        /// Fingerprints of the keys that the signatures name.
        got: String,
    },
    /// Somebody whom we trust, but not like this.
    #[error("signature by key {key} of {primary}: {why}")]
    Refused {
        /// The full fingerprint of the key.
        key: String,
        /// The full fingerprint of its primary key.
        primary: String,
        /// What is wrong.
        why: Why,
    },
}

/// Why a signature by a pinned certificate is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Why {
    /// The policy does not allow it.
    #[error("{0}")]
    Weak(policy::Weak),
    /// The key may not sign.
    #[error("the key {0}")]
    Key(Standing),
    /// Not in force.
    #[error("the signature {0}")]
    Time(policy::Time),
    /// Made before its key.
    #[error("the signature is older than its key")]
    Older,
    /// Not over this text, or not by this key.
    #[error("the text does not match the signature")]
    Bad,
}

/// The signatures of an armoured block. What is not a whole signature refuses all of them.
fn signatures(armored: &str) -> Result<Vec<Signature>, SignatureError> {
    let unreadable = |text: String| SignatureError::Packets(shown(&text).into_owned());
    let mut bytes = Vec::new();
    // `split` has limited the armour, and base64 only shrinks
    Dearmor::new(armored.as_bytes())
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    let mut all = Vec::new();
    for packet in PacketParser::new(BufReader::new(bytes.as_slice())) {
        match packet {
            Ok(Packet::Signature(_)) if all.len() == MAX_SIGNATURES => return Err(SignatureError::Many),
            Ok(Packet::Signature(signature)) => all.push(signature),
            Ok(_) => return Err(unreadable("a packet that is not a signature".to_owned())),
            Err(error) => return Err(unreadable(error.to_string())),
        }
    }
    Ok(all)
}

/// The key that a signature names, as text of our own making.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|&one| hex(one));
    let id =
        || signature.issuer_key_id().first().map(|id| format!("key id {}", id.to_string().to_uppercase()));
    fingerprint.or_else(id).unwrap_or_else(|| "an unnamed key".to_owned())
}

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;
