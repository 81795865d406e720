//! Certificates and keys: whether a key is the one of a certificate.
//!
//! Public keys are found, not used: a certificate's (RFC 5280 4.1) and a private key's (PKCS#8 RFC 5958, PKCS#1 RFC 8017
//! A.1.2, SEC 1 C.4) are compared as values. Who signed a certificate is for those to judge who are shown it, but for
//! authorities that follow others: [`Signed`]. Not supported, on purpose: names and dates, as this node's clock may be wrong.

use crate::pem::{self, Block};
use rsa::pkcs1::{RsaPrivateKey, RsaPublicKey};
use rsa::pkcs8::PrivateKeyInfo;
use sec1::EcPrivateKey;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, OctetStringRef};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::spki::SubjectPublicKeyInfoRef;

const RSA: ObjectIdentifier = rsa::pkcs1::ALGORITHM_OID;
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");

/// A public key, as a value to compare.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// The modulus and the exponent, the highest byte first.
    Rsa(Vec<u8>, Vec<u8>),
    /// The curve and the point.
    Ec(ObjectIdentifier, Vec<u8>),
    /// The point.
    Ed25519([u8; 32]),
    /// Of an algorithm that this reader does not know: its identifier and the key.
    Other(ObjectIdentifier, Vec<u8>),
}

/// A rule that is broken.
type Rule = &'static str;

/// The public key of the first certificate in `bytes`; all of them must be certificates.
pub fn of_certificate(bytes: &[u8]) -> Result<PublicKey, Rule> {
    let mut keys = Vec::new();
    for block in pem::read(bytes)? {
        if block.label.ends_with("PRIVATE KEY") {
            return Err("expected certificates, found a private key, which must not be where all may read");
        }
        if block.label != "CERTIFICATE" {
            return Err("expected certificates, found a block of something else");
        }
        keys.push(in_certificate(&block.der).ok_or("expected an X.509 certificate in PEM")?);
    }
    keys.into_iter().next().ok_or("expected a certificate")
}

/// The public keys in `bytes`: as such, or of certificates.
pub fn of_public_keys(bytes: &[u8]) -> Result<Vec<PublicKey>, Rule> {
    let read = |block: Block| match block.label.as_str() {
        "PUBLIC KEY" => public(&block.der),
        "RSA PUBLIC KEY" => rsa(&block.der),
        "CERTIFICATE" => in_certificate(&block.der),
        _ => None,
    };
    let keys: Option<Vec<_>> = pem::read(bytes)?.into_iter().map(read).collect();
    keys.ok_or("expected public keys in PEM")
}

/// The public key that the one private key in `bytes` belongs to.
pub fn of_private_key(bytes: &[u8]) -> Result<PublicKey, Rule> {
    let mut key = None;
    for block in pem::read(bytes)? {
        let found = match block.label.as_str() {
            // openssl writes them before the key
            "EC PARAMETERS" => continue,
            "PRIVATE KEY" => pkcs8(&block.der),
            "RSA PRIVATE KEY" => pkcs1(&block.der),
            "EC PRIVATE KEY" => sec1(&block.der, None),
            "ENCRYPTED PRIVATE KEY" => return Err("expected a private key that is not encrypted"),
            _ => return Err("expected a private key, found a block of something else"),
        };
        let found = found.ok_or("expected a private key of RSA, EC with its public point, or Ed25519")?;
        if key.replace(found).is_some() {
            return Err("expected one private key, found more");
        }
    }
    key.ok_or("expected a private key")
}

/// The public key of the certificate that the block `der` is.
#[must_use]
pub fn of_block(der: &[u8]) -> Option<PublicKey> {
    in_certificate(der)
}

/// A certificate as something that was signed.
pub struct Signed<'a> {
    /// What the signature is over, as it was written.
    message: &'a [u8],
    certificate: Certificate,
    authority: bool,
}

impl<'a> Signed<'a> {
    /// Of a certificate in DER.
    #[must_use]
    pub fn of(der: &'a [u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let signed = &certificate.tbs_certificate;
        // what is outside of the signature says the same (RFC 5280 4.1.1.2)
        if signed.signature != certificate.signature_algorithm {
            return None;
        }
        let authority = is_authority(signed.extensions.as_deref().unwrap_or_default())?;
        Some(Self { message: message(der)?, certificate, authority })
    }

    /// Whether it says of itself that it may sign others.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        self.authority
    }

    /// Whether the one with `key` has signed it.
    #[must_use]
    pub fn is_by(&self, key: &PublicKey) -> bool {
        let Some(signature) = self.certificate.signature.as_bytes() else { return false };
        crate::signature::is_good(self.certificate.signature_algorithm.oid, key, self.message, signature)
    }
}

/// TBSCertificate with its tag and length.
fn message(der: &[u8]) -> Option<&[u8]> {
    let mut outer = SliceReader::new(der).ok()?;
    let header = outer.peek_header().ok()?;
    let content = outer.tlv_bytes().ok()?;
    let content = content.get(content.len().checked_sub(usize::try_from(header.length).ok()?)?..)?;
    SliceReader::new(content).ok()?.tlv_bytes().ok()
}

/// Whether the one extension `basicConstraints` (RFC 5280 4.2.1.9) is there and says so.
fn is_authority(extensions: &[Extension]) -> Option<bool> {
    let mut found = extensions.iter().filter(|extension| extension.extn_id == BASIC_CONSTRAINTS);
    let Some(first) = found.next() else { return Some(false) };
    let says = BasicConstraints::from_der(first.extn_value.as_bytes()).ok()?;
    found.next().is_none().then_some(says.ca)
}

/// What fuzzers read as DER, without the PEM around it that they seldom get right: as each of what a block may be.
pub(crate) fn of_der(der: &[u8]) -> [Option<PublicKey>; 5] {
    [in_certificate(der), public(der), pkcs8(der), pkcs1(der), sec1(der, None)]
}

fn in_certificate(der: &[u8]) -> Option<PublicKey> {
    let certificate = Certificate::from_der(der).ok()?;
    let info = &certificate.tbs_certificate.subject_public_key_info;
    let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as().ok());
    of_algorithm(info.algorithm.oid, curve, info.subject_public_key.as_bytes()?)
}

/// SubjectPublicKeyInfo (RFC 5280 4.1).
fn public(der: &[u8]) -> Option<PublicKey> {
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    let curve = info.algorithm.parameters_oid().ok();
    of_algorithm(info.algorithm.oid, curve, info.subject_public_key.as_bytes()?)
}

fn of_algorithm(name: ObjectIdentifier, curve: Option<ObjectIdentifier>, key: &[u8]) -> Option<PublicKey> {
    match name {
        RSA => rsa(key),
        EC => Some(PublicKey::Ec(curve?, key.to_vec())),
        ED25519 => key.try_into().ok().map(PublicKey::Ed25519),
        _ => Some(PublicKey::Other(name, key.to_vec())),
    }
}

/// RSAPublicKey
fn rsa(der: &[u8]) -> Option<PublicKey> {
    let key = RsaPublicKey::from_der(der).ok()?;
    Some(PublicKey::Rsa(key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec()))
}

/// RSAPrivateKey
fn pkcs1(der: &[u8]) -> Option<PublicKey> {
    let key = RsaPrivateKey::from_der(der).ok()?.public_key();
    Some(PublicKey::Rsa(key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec()))
}

/// ECPrivateKey; `curve` is what names it outside of it.
fn sec1(der: &[u8], curve: Option<ObjectIdentifier>) -> Option<PublicKey> {
    let key = EcPrivateKey::from_der(der).ok()?;
    let within = key.parameters.and_then(sec1::EcParameters::named_curve);
    Some(PublicKey::Ec(curve.or(within)?, key.public_key?.to_vec()))
}

/// PrivateKeyInfo
fn pkcs8(der: &[u8]) -> Option<PublicKey> {
    let key = PrivateKeyInfo::from_der(der).ok()?;
    match key.algorithm.oid {
        RSA => pkcs1(key.private_key),
        EC => sec1(key.private_key, key.algorithm.parameters_oid().ok()),
        ED25519 => {
            let seed = OctetStringRef::from_der(key.private_key).ok()?.as_bytes().try_into().ok()?;
            let key = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
            Some(PublicKey::Ed25519(key.to_bytes()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{of_certificate, of_private_key, of_public_keys};

    /// Made by openssl 3.5 for these tests, and used nowhere else.
    macro_rules! made {
        ($name:literal) => {
            include_bytes!(concat!("../../../tests/fixtures/certificates/", $name))
        };
    }

    /// A name, a certificate, its private key, its public key.
    type Made = (&'static str, &'static [u8], &'static [u8], &'static [u8]);
    const MADE: [Made; 6] = [
        ("rsa", made!("rsa.crt"), made!("rsa.key"), made!("rsa.pub")),
        ("rsa", made!("rsa.crt"), made!("rsa-pkcs1.key"), made!("rsa.pub")),
        ("p256", made!("p256.crt"), made!("p256.key"), made!("p256.pub")),
        ("p256", made!("p256.crt"), made!("p256-sec1.key"), made!("p256.pub")),
        ("p384", made!("p384.crt"), made!("p384.key"), made!("p384.pub")),
        ("ed25519", made!("ed25519.crt"), made!("ed25519.key"), made!("ed25519.pub")),
    ];

    #[test]
    fn a_key_is_of_its_own_certificate_and_of_no_other() {
        for (name, certificate, _, public) in MADE {
            let found = of_certificate(certificate).expect(name);
            assert!(of_public_keys(public) == Ok(vec![found.clone()]), "{name}");
            for (other, _, key, _) in MADE {
                assert_eq!(of_private_key(key) == Ok(found.clone()), name == other, "{name} {other}");
            }
        }
    }

    #[test]
    fn what_is_no_certificate_or_key_is_refused_and_never_panics() {
        assert!(of_certificate(made!("rsa.key")).is_err_and(|rule| rule.contains("private key")));
        assert!(of_certificate(made!("rsa.pub")).is_err());
        assert!(of_private_key(made!("rsa.crt")).is_err());
        assert!(of_private_key(made!("encrypted.key")).is_err_and(|rule| rule.contains("encrypted")));
        let both = [&made!("rsa.key")[..], made!("p256.key")].concat();
        assert!(of_private_key(&both).is_err_and(|rule| rule.contains("found more")));
        let der = crate::pem::read(made!("p256.crt")).expect("PEM").remove(0).der;
        for cut in 0..der.len() {
            assert!(super::in_certificate(&der[..cut]).is_none(), "{cut}");
        }
        let key = crate::pem::read(made!("rsa.key")).expect("PEM").remove(0).der;
        for cut in 0..key.len() {
            assert!(super::pkcs8(&key[..cut]).is_none(), "{cut}");
        }
        for at in 0..der.len() {
            let mut other = der.clone();
            other[at] ^= 0xff;
            let _ = super::in_certificate(&other);
        }
    }
}
