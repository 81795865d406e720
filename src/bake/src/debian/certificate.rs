//! A trusted OpenPGP certificate, and which of its keys may sign at a given time: RFC 9580, section 10.1.
//!
//! Certificates are files of the project, pinned by the fingerprint of their primary key, so that a doubt about
//! one is a reason to refuse it, not to look for a kinder reading:
//! - the newest self-signature of each user id, and of the key itself, counts; one that is weak counts for nothing;
//! - a key is expired at the earliest of the times that these give;
//! - any revocation of a key ends it for ever, whatever its reason, even one that cannot be verified;
//! - a subkey signs only with a binding that says so and with its own signature back.
//!
//! Not supported, on purpose: the web of trust, key servers, user ids as a means to tell who someone is.

use super::policy;
use jiff::Timestamp;
use pgp::composed::{Deserializable as _, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Signature, SignatureType};
use pgp::types::{Fingerprint, KeyDetails, Tag};

/// How many bytes an armoured certificate may have.
pub const MAX: usize = 256 << 10;

/// One primary key with its user ids and subkeys.
#[derive(Debug, Clone)]
pub struct Certificate {
    key: SignedPublicKey,
    fingerprint: String,
}

/// Text that is not a certificate.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CertificateError {
    /// More than `MAX`.
    #[error("expected at most {MAX} bytes, found {0}")]
    Large(usize),
    /// Not armoured, cut, or of no known form.
    #[error("not an OpenPGP certificate: {0}")]
    Form(String),
    /// None, or several.
    #[error("expected one certificate, found {0}")]
    Count(usize),
}

/// Why a key may not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Standing {
    /// No self-signature, or no binding, that counts.
    #[error("is not bound to its primary key by a valid signature")]
    Unbound,
    /// Its time is over.
    #[error("expired at {0}")]
    Expired(Timestamp),
    /// Taken back by its owner.
    #[error("is revoked")]
    Revoked,
    /// Its owner did not make it for signing.
    #[error("cannot be used for signing")]
    Use,
    /// An algorithm or size that the policy does not allow.
    #[error("{0}")]
    Weak(policy::Weak),
}

/// A key of a certificate: the primary one, or a subkey.
#[derive(Debug, Clone, Copy)]
pub(super) enum Member<'a> {
    Primary(&'a SignedPublicKey),
    Subkey(&'a SignedPublicKey, &'a SignedPublicSubKey),
}

impl Certificate {
    /// Reads the one certificate of an armoured text.
    pub fn parse(armored: &str) -> Result<Self, CertificateError> {
        if armored.len() > MAX {
            return Err(CertificateError::Large(armored.len()));
        }
        let form = |error: pgp::errors::Error| CertificateError::Form(error.to_string());
        let (keys, _) = SignedPublicKey::from_string_many(armored).map_err(form)?;
        let mut keys = keys.collect::<Result<Vec<_>, _>>().map_err(form)?;
        match (keys.pop(), keys.len()) {
            (Some(key), 0) => Ok(Self::new(key)),
            (last, before) => Err(CertificateError::Count(before + usize::from(last.is_some()))),
        }
    }

    pub(super) fn new(key: SignedPublicKey) -> Self {
        let fingerprint = hex(&key.primary_key.fingerprint());
        Self { key, fingerprint }
    }

    /// The fingerprint of its primary key, upper-case hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The key that `signature` says to be made by, if it is one of these. It only says so.
    pub(super) fn issuer(&self, signature: &Signature) -> Option<Member<'_>> {
        let primary = Member::Primary(&self.key);
        let subkeys = self.key.public_subkeys.iter().map(|subkey| Member::Subkey(&self.key, subkey));
        std::iter::once(primary).chain(subkeys).find(|member| member.is_named_by(signature))
    }
}

impl Member<'_> {
    fn is_named_by(self, signature: &Signature) -> bool {
        let (fingerprint, id) = match self {
            Self::Primary(key) => (key.primary_key.fingerprint(), key.primary_key.legacy_key_id()),
            Self::Subkey(_, key) => (key.key.fingerprint(), key.key.legacy_key_id()),
        };
        signature.issuer_fingerprint().contains(&&fingerprint) || signature.issuer_key_id().contains(&&id)
    }

    /// Its fingerprint, upper-case hexadecimal.
    pub(super) fn fingerprint(self) -> String {
        match self {
            Self::Primary(key) => hex(&key.primary_key.fingerprint()),
            Self::Subkey(_, key) => hex(&key.key.fingerprint()),
        }
    }

    /// When it was made, seconds since 1970.
    pub(super) fn created(self) -> i64 {
        match self {
            Self::Primary(key) => seconds(&key.primary_key),
            Self::Subkey(_, key) => seconds(&key.key),
        }
    }

    /// Whether `signature` over `text` is of this key, by the numbers alone.
    pub(super) fn verifies(self, signature: &Signature, text: &[u8]) -> bool {
        match self {
            Self::Primary(key) => signature.verify(&key.primary_key, text).is_ok(),
            Self::Subkey(_, key) => signature.verify(&key.key, text).is_ok(),
        }
    }

    /// Whether it may sign at `now`.
    pub(super) fn standing(self, now: Timestamp) -> Result<(), Standing> {
        match self {
            Self::Primary(key) => {
                let flags = primary_standing(key, now)?;
                if flags { Ok(()) } else { Err(Standing::Use) }
            }
            Self::Subkey(key, subkey) => {
                primary_standing(key, now)?;
                subkey_standing(key, subkey, now)
            }
        }
    }
}

/// Whether the primary key stands, and whether it was made for signing.
fn primary_standing(key: &SignedPublicKey, now: Timestamp) -> Result<bool, Standing> {
    let primary = &key.primary_key;
    policy::key(primary).map_err(Standing::Weak)?;
    if !key.details.revocation_signatures.is_empty() {
        return Err(Standing::Revoked);
    }
    let users = key.details.users.iter().filter_map(|user| {
        let signed = |one: &Signature| one.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        let own =
            || user.signatures.iter().filter(|one| one.issuer_key_id().contains(&&primary.legacy_key_id()));
        let revoked = own().any(|one| one.typ() == Some(SignatureType::CertRevocation) && signed(one));
        if revoked { None } else { newest(own(), now, signed) }
    });
    let direct = key.details.direct_signatures.iter().filter(|one| one.typ() == Some(SignatureType::Key));
    let current: Vec<&Signature> =
        users.chain(newest(direct, now, |one| one.verify_key(primary).is_ok())).collect();
    if current.is_empty() {
        return Err(Standing::Unbound);
    }
    for signature in &current {
        unexpired(primary, signature, now)?;
    }
    Ok(current.iter().any(|signature| signature.key_flags().sign()))
}

fn subkey_standing(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: Timestamp,
) -> Result<(), Standing> {
    let primary = &key.primary_key;
    policy::key(&subkey.key).map_err(Standing::Weak)?;
    if subkey.signatures.iter().any(|one| one.typ() == Some(SignatureType::SubkeyRevocation)) {
        return Err(Standing::Revoked);
    }
    let bindings = subkey.signatures.iter().filter(|one| one.typ() == Some(SignatureType::SubkeyBinding));
    let binding = newest(bindings, now, |one| one.verify_subkey_binding(primary, &subkey.key).is_ok())
        .ok_or(Standing::Unbound)?;
    unexpired(&subkey.key, binding, now)?;
    if !binding.key_flags().sign() {
        return Err(Standing::Use);
    }
    let back = binding.embedded_signature().filter(|back| policy::signature(back).is_ok());
    match back {
        Some(back) if back.verify_primary_key_binding(&subkey.key, primary).is_ok() => Ok(()),
        _ => Err(Standing::Unbound),
    }
}

/// The newest of `signatures` that counts at `now`.
fn newest<'a>(
    signatures: impl Iterator<Item = &'a Signature>,
    now: Timestamp,
    verifies: impl Fn(&Signature) -> bool,
) -> Option<&'a Signature> {
    let counts = |one: &&Signature| {
        policy::signature(one).is_ok() && policy::in_force(one, now).is_ok() && verifies(one)
    };
    signatures.filter(counts).max_by_key(|one| one.created())
}

fn unexpired(key: &impl KeyDetails, signature: &Signature, now: Timestamp) -> Result<(), Standing> {
    let life = signature.key_expiration_time().map_or(0, |life| i64::from(life.as_secs()));
    // zero is RFC 9580's way to say never
    let end = Timestamp::from_second(seconds(key) + life).unwrap_or(Timestamp::MAX);
    if life != 0 && end <= now { Err(Standing::Expired(end)) } else { Ok(()) }
}

fn seconds(key: &impl KeyDetails) -> i64 {
    i64::from(key.created_at().as_secs())
}

pub(super) fn hex(fingerprint: &Fingerprint) -> String {
    format!("{fingerprint:X}")
}
