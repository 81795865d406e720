//! Authorities that follow others: whether a node that trusts some may come to trust what it is delivered.
//!
//! Where the image's policy fixes authorities, a bundle takes the place of another one only when each certificate in it is
//! one of those present, or an authority that one of them has signed. A bundle that has the present one and a stranger beside
//! it is not enough: whoever checks against a bundle believes all of it. Keys of service accounts have no signatures, so
//! each must be one of those present.
//!
//! Names and dates do not count: this node's clock may be wrong, and a good signature says that its maker wanted it.

use crate::certificate::{self, PublicKey, Signed};
use crate::pem::{self, Block};

/// The most certificates of a bundle that are new: each is compared with each that is present.
const MOST_NEW: usize = 8;

/// What is wrong with the certificates of `delivered` in the place of those of `present`, if anything.
pub fn certificates(present: &[u8], delivered: &[u8]) -> Result<(), &'static str> {
    let present = pem::read(present).map_err(|_| "expected the present one to be certificates in PEM")?;
    let keys: Vec<PublicKey> = present.iter().filter_map(|block| certificate::of_block(&block.der)).collect();
    let is_present = |block: &Block| present.iter().any(|one| one.der == block.der);
    let new: Vec<Block> = pem::read(delivered)?.into_iter().filter(|block| !is_present(block)).collect();
    if new.len() > MOST_NEW {
        return Err("expected at most 8 new certificates at once");
    }
    let is_signed = |block: &Block| {
        Signed::of(&block.der)
            .is_some_and(|signed| signed.is_authority() && keys.iter().any(|key| signed.is_by(key)))
    };
    if new.iter().all(is_signed) {
        Ok(())
    } else {
        Err("expected only the present authority, and authorities that it has signed")
    }
}

/// The same of public keys.
pub fn keys(present: &[PublicKey], delivered: &[PublicKey]) -> Result<(), &'static str> {
    if delivered.iter().all(|key| present.contains(key)) {
        Ok(())
    } else {
        Err("expected only keys that are present")
    }
}

#[cfg(test)]
mod tests {
    use super::{certificates, keys};
    use crate::certificate::of_public_keys;
    use crate::pem;

    /// Each made by openssl for these tests: an authority, one that it has signed, itself anew with the same key, and a
    /// certificate of no authority that it has signed.
    const MADE: [(&str, &str); 7] = [
        ("rsa", include_str!("../../../tests/fixtures/certificates/authorities/rsa.pem")),
        ("rsa-sha512", include_str!("../../../tests/fixtures/certificates/authorities/rsa-sha512.pem")),
        ("p256", include_str!("../../../tests/fixtures/certificates/authorities/p256.pem")),
        ("p384", include_str!("../../../tests/fixtures/certificates/authorities/p384.pem")),
        ("p521", include_str!("../../../tests/fixtures/certificates/authorities/p521.pem")),
        ("p521-sha256", include_str!("../../../tests/fixtures/certificates/authorities/p521-sha256.pem")),
        ("ed25519", include_str!("../../../tests/fixtures/certificates/authorities/ed25519.pem")),
    ];

    /// The four of a file.
    fn of(made: &str) -> [String; 4] {
        const END: &str = "-----END CERTIFICATE-----\n";
        let all: Vec<String> = made.split_inclusive(END).map(str::to_owned).collect();
        all.try_into().expect("four certificates")
    }

    fn takes(present: &str, delivered: &str) -> bool {
        certificates(present.as_bytes(), delivered.as_bytes()).is_ok()
    }

    #[test]
    fn only_the_present_authority_and_what_it_has_signed_follow_it() {
        for (name, made) in MADE {
            let [present, next, anew, leaf] = of(made);
            for good in
                [&present, &next, &anew, &format!("{present}{next}"), &format!("{next}{anew}{present}")]
            {
                assert!(takes(&present, good), "{name}: {good}");
            }
            assert!(takes(&format!("{present}{next}"), &next), "{name}");
            // no authority
            assert!(!takes(&present, &leaf) && !takes(&present, &format!("{present}{leaf}")), "{name}");
            // who was signed is not who signs
            assert!(!takes(&next, &present) && !takes(&leaf, &present), "{name}");
            for (_, other) in MADE.into_iter().filter(|(other, _)| *other != name) {
                let [stranger, theirs, ..] = of(other);
                for bad in
                    [&stranger, &theirs, &format!("{present}{stranger}"), &format!("{stranger}{present}")]
                {
                    assert!(!takes(&present, bad), "{name}: {bad}");
                }
            }
            assert!(!takes("", &present) && !takes("x", &present) && !takes(&present, ""), "{name}");
            assert!(takes(&present, &present.repeat(20)) && !takes(&present, &next.repeat(9)), "{name}");
        }
    }

    #[test]
    fn a_certificate_that_was_changed_anywhere_is_signed_by_nobody() {
        for (name, made) in MADE {
            let [present, next, ..] = of(made);
            let der = pem::read(next.as_bytes()).expect("PEM").remove(0).der;
            let step = if name == "p256" || name == "ed25519" { 1 } else { 17 };
            for at in (0..der.len()).step_by(step) {
                let mut other = der.clone();
                other[at] ^= 1;
                let text = format!(
                    "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                    crate::base64::tests::encoded(&other)
                );
                assert!(!takes(&present, &text), "{name}: {at}");
            }
        }
    }

    #[test]
    fn keys_may_go_and_none_may_come() {
        let keys_of = |texts: &[&str]| of_public_keys(texts.concat().as_bytes()).expect("keys");
        let [one, two] = [of(MADE[2].1), of(MADE[6].1)].map(|[first, ..]| first);
        let both = keys_of(&[&one, &two]);
        assert!(keys(&both, &both).is_ok() && keys(&both, &keys_of(&[&two])).is_ok());
        assert!(
            keys(&keys_of(&[&one]), &both).is_err() && keys(&keys_of(&[&one]), &keys_of(&[&two])).is_err()
        );
    }
}
