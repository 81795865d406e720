//! Certificates and keys: whether a key is the one of a certificate.
//!
//! Public keys are found, not used: a certificate's (RFC 5280 4.1) and a private key's (PKCS#8 RFC 5958, PKCS#1 RFC 8017
//! A.1.2, SEC 1 C.4) are compared as values. Who signed a certificate is for those to judge who are shown it, but for
//! authorities that follow others: [`Signed`]. Deliberately absent: names and dates, as this node's clock may be wrong.

use crate::der::{BOOLEAN, INTEGER, OBJECT, OCTET_STRING, Reader, SEQUENCE, sequence};
use crate::pem::{self, Block};

/// 1.2.840.113549.1.1.1
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
/// 1.2.840.10045.2.1
const EC: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
/// 1.3.101.112
const ED25519: &[u8] = b"\x2b\x65\x70";

/// A public key, as a value to compare.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// The modulus and the exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// The curve's object identifier and the point.
    Ec(Vec<u8>, Vec<u8>),
    /// The point.
    Ed25519([u8; 32]),
    /// Of an algorithm that this reader does not know: its identifier and the key.
    Other(Vec<u8>, Vec<u8>),
}

/// A rule that is broken.
type Rule = &'static str;

/// The public key of the first certificate in `bytes`; all of them must be certificates.
pub fn of_certificate(bytes: &[u8]) -> Result<PublicKey, Rule> {
    let mut keys = Vec::new();
    for block in pem::read(bytes)? {
        if block.label.ends_with("PRIVATE KEY") {
            return Err("wanted certificates, got a private key, which must not be where all may read");
        }
        if block.label != "CERTIFICATE" {
            return Err("wanted certificates, got a block of something else");
        }
        keys.push(in_certificate(&block.der).ok_or("wanted an X.509 certificate in PEM")?);
    }
    keys.into_iter().next().ok_or("wanted a certificate")
}

/// The public keys in `bytes`: as such, or of certificates.
pub fn of_public_keys(bytes: &[u8]) -> Result<Vec<PublicKey>, Rule> {
    let read = |block: Block| match block.label.as_str() {
        "PUBLIC KEY" => sequence(&block.der).and_then(public),
        "RSA PUBLIC KEY" => rsa(&block.der),
        "CERTIFICATE" => in_certificate(&block.der),
        _ => None,
    };
    let keys: Option<Vec<_>> = pem::read(bytes)?.into_iter().map(read).collect();
    keys.ok_or("wanted public keys in PEM")
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
            "ENCRYPTED PRIVATE KEY" => return Err("wanted a private key that is not encrypted"),
            _ => return Err("wanted a private key, got a block of something else"),
        };
        let found = found.ok_or("wanted a private key of RSA, EC with its public point, or Ed25519")?;
        if key.replace(found).is_some() {
            return Err("wanted one private key, got more");
        }
    }
    key.ok_or("wanted a private key")
}

/// The public key of the certificate that the block `der` is.
#[must_use]
pub fn of_block(der: &[u8]) -> Option<PublicKey> {
    in_certificate(der)
}

/// A certificate as something that was signed.
pub struct Signed<'a> {
    message: &'a [u8],
    /// Its object identifier.
    algorithm: &'a [u8],
    signature: &'a [u8],
    authority: bool,
}

impl<'a> Signed<'a> {
    /// Of a certificate in DER.
    #[must_use]
    pub fn of(der: &'a [u8]) -> Option<Self> {
        let mut certificate = sequence(der)?;
        let message = certificate.whole(SEQUENCE)?;
        let named = certificate.whole(SEQUENCE)?;
        let signature = certificate.bits()?;
        let mut signed = sequence(message)?;
        signed.optional(0xa0);
        signed.value(INTEGER)?;
        // what is outside of the signature says the same (RFC 5280 4.1.1.2)
        if signed.whole(SEQUENCE)? != named || !certificate.is_empty() {
            return None;
        }
        // issuer, validity, subject, key
        for _ in 0..4 {
            signed.value(SEQUENCE)?;
        }
        // unique identifiers
        signed.optional(0x81);
        signed.optional(0x82);
        let authority = match signed.optional(0xa3) {
            Some(extensions) => is_authority(sequence(extensions)?)?,
            None => false,
        };
        if !signed.is_empty() {
            return None;
        }
        Some(Self { message, algorithm: sequence(named)?.value(OBJECT)?, signature, authority })
    }

    /// Whether it says of itself that it may sign others.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        self.authority
    }

    /// Whether the one with `key` has signed it.
    #[must_use]
    pub fn is_by(&self, key: &PublicKey) -> bool {
        crate::signature::is_good(self.algorithm, key, self.message, self.signature)
    }
}

/// Whether the one extension `basicConstraints` (RFC 5280 4.2.1.9) is there and says so.
fn is_authority(mut extensions: Reader<'_>) -> Option<bool> {
    let mut found = None;
    while !extensions.is_empty() {
        let mut extension = extensions.inside(SEQUENCE)?;
        let name = extension.value(OBJECT)?;
        extension.optional(BOOLEAN);
        let value = extension.value(OCTET_STRING)?;
        if name == b"\x55\x1d\x13" {
            let says = sequence(value)?.optional(BOOLEAN) == Some(&[0xff]);
            if found.replace(says).is_some() {
                return None;
            }
        }
    }
    Some(found.unwrap_or(false))
}

/// What fuzzers read as DER, without the PEM around it that they seldom get right: as each of what a block may be.
pub(crate) fn of_der(der: &[u8]) -> [Option<PublicKey>; 5] {
    [in_certificate(der), sequence(der).and_then(public), pkcs8(der), pkcs1(der), sec1(der, None)]
}

/// Certificate → TBSCertificate → SubjectPublicKeyInfo.
fn in_certificate(der: &[u8]) -> Option<PublicKey> {
    let mut certificate = sequence(der)?;
    let mut signed = certificate.inside(SEQUENCE)?;
    certificate.value(SEQUENCE)?;
    certificate.bits()?;
    signed.optional(0xa0);
    signed.value(INTEGER)?;
    // algorithm, issuer, validity, subject
    for _ in 0..4 {
        signed.value(SEQUENCE)?;
    }
    let key = public(signed.inside(SEQUENCE)?);
    key.filter(|_| certificate.is_empty())
}

/// SubjectPublicKeyInfo (RFC 5280 4.1), from within.
fn public(mut info: Reader<'_>) -> Option<PublicKey> {
    let mut algorithm = info.inside(SEQUENCE)?;
    let (name, key) = (algorithm.value(OBJECT)?, info.bits()?);
    match name {
        RSA => rsa(key),
        EC => Some(PublicKey::Ec(algorithm.value(OBJECT)?.to_vec(), key.to_vec())),
        ED25519 => key.try_into().ok().map(PublicKey::Ed25519),
        _ => Some(PublicKey::Other(name.to_vec(), key.to_vec())),
    }
}

/// RSAPublicKey
fn rsa(der: &[u8]) -> Option<PublicKey> {
    let mut key = sequence(der)?;
    Some(PublicKey::Rsa(key.value(INTEGER)?.to_vec(), key.value(INTEGER)?.to_vec()))
}

/// RSAPrivateKey: a version, then the public key's two numbers.
fn pkcs1(der: &[u8]) -> Option<PublicKey> {
    let mut key = sequence(der)?;
    key.value(INTEGER)?;
    Some(PublicKey::Rsa(key.value(INTEGER)?.to_vec(), key.value(INTEGER)?.to_vec()))
}

/// ECPrivateKey; `curve` is what names it outside of it.
fn sec1(der: &[u8], curve: Option<&[u8]>) -> Option<PublicKey> {
    let mut key = sequence(der)?;
    key.value(INTEGER)?;
    key.value(OCTET_STRING)?;
    let within = key.optional(0xa0).and_then(|inner| Reader::new(inner).value(OBJECT));
    let point = Reader::new(key.optional(0xa1)?).bits()?;
    Some(PublicKey::Ec(curve.or(within)?.to_vec(), point.to_vec()))
}

/// PrivateKeyInfo
fn pkcs8(der: &[u8]) -> Option<PublicKey> {
    let mut key = sequence(der)?;
    key.value(INTEGER)?;
    let mut algorithm = key.inside(SEQUENCE)?;
    let name = algorithm.value(OBJECT)?;
    let inner = key.value(OCTET_STRING)?;
    match name {
        RSA => pkcs1(inner),
        EC => sec1(inner, algorithm.value(OBJECT)),
        ED25519 => {
            let seed: [u8; 32] = Reader::new(inner).value(OCTET_STRING)?.try_into().ok()?;
            Some(PublicKey::Ed25519(crate::ed25519::public_key(&seed)))
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
        assert!(of_private_key(&both).is_err_and(|rule| rule.contains("got more")));
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
