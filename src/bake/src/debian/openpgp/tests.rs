use super::fixture::{Binding, DAY, Key, day, message};
use super::*;
use crate::debian::inrelease::split;
use pgp::composed::{DsaKeySize, KeyType};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::SubpacketData;
use pgp::ser::Serialize as _;
use pgp::types::Duration;

const TEXT: &str = "Origin: Debian\nCodename: trixie";

/// What comes of a message under these certificates, on that day.
fn verdict(text: &str, trusted: &[Certificate], days: u32) -> Result<Vec<String>, String> {
    let message = split(text.as_bytes()).map_err(|error| error.to_string())?;
    verify(&message, &trusted.iter().collect::<Vec<_>>(), day(days)).map_err(|error| error.to_string())
}

#[test]
fn a_good_signature_by_a_pinned_key_or_its_subkey_is_enough() {
    let (key, other) = (Key::ed25519(1), Key::ed25519(2));
    let trusted = [key.certificate(Binding::default())];
    for signatures in [
        vec![key.sign(TEXT, 1)],
        vec![key.sign_primary(TEXT, 1)],
        vec![other.sign(TEXT, 1), key.sign(TEXT, 1)],
        vec![key.sign(TEXT, 1), key.sign_primary(TEXT, 2), other.sign("other text", 1)],
    ] {
        assert_eq!(verdict(&message(TEXT, &signatures), &trusted, 3), Ok(vec![key.primary()]));
    }
    let both = [other.certificate(Binding::default()), key.certificate(Binding::default())];
    let got = verdict(&message(TEXT, &[key.sign(TEXT, 1), other.sign(TEXT, 1)]), &both, 3);
    assert_eq!(got, Ok(vec![other.primary(), key.primary()]));
}

#[test]
fn any_flipped_bit_is_refused() {
    let key = Key::ed25519(1);
    let trusted = [key.certificate(Binding::default())];
    let good = message(TEXT, &[key.sign(TEXT, 1)]);
    let text = good.find(TEXT).unwrap();
    let end = good.find("\n-----END").unwrap();
    let flipped = |at: usize, bit: u8| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1 << bit;
        verdict(&String::from_utf8(bytes).unwrap(), &trusted, 3)
    };
    let named = |error: &String| error.contains(&key.subkey()) && error.contains(&key.primary());
    let mut bad = 0;
    for at in text..text + TEXT.len() {
        for bit in 0..7 {
            let error = flipped(at, bit).unwrap_err();
            // the others are no longer text
            bad += usize::from(error.ends_with("the text does not match the signature") && named(&error));
        }
    }
    assert!(bad > TEXT.len() * 5, "{bad}");
    // the numbers of the signature itself are its last 68 bytes; the last letter has bits that mean nothing
    for at in end - 80..end - 4 {
        assert!(flipped(at, 0).is_err() || good.as_bytes()[at] == b'\n', "{at}");
    }
}

#[test]
fn an_unknown_key_is_refused_by_its_full_fingerprint() {
    let (key, other) = (Key::ed25519(1), Key::ed25519(2));
    let error = verdict(&message(TEXT, &[other.sign(TEXT, 1)]), &[key.certificate(Binding::default())], 3)
        .unwrap_err();
    assert_eq!(
        error,
        format!("no signature by a pinned key, expected one of {}, found {}", key.primary(), other.subkey())
    );
    let error = verdict(&message(TEXT, &[key.sign(TEXT, 1)]), &[], 3).unwrap_err();
    assert!(error.contains("expected one of none"), "{error}");
}

#[test]
fn keys_that_may_not_sign_are_refused_by_their_full_fingerprint() {
    let key = Key::ed25519(1);
    let good = Binding::default();
    let cases = [
        (
            "expired subkey",
            Binding { subkey_life: Some(2 * DAY), ..good },
            "the key expired at 2026-01-03T00:00:00Z",
        ),
        (
            "expired primary",
            Binding { primary_life: Some(2 * DAY), ..good },
            "the key expired at 2026-01-03T00:00:00Z",
        ),
        ("revoked subkey", Binding { revoke_subkey: true, ..good }, "the key is revoked"),
        ("revoked primary", Binding { revoke_primary: true, ..good }, "the key is revoked"),
        ("no signature back", Binding { back: false, ..good }, "the key is not bound to its primary key"),
        ("bound by another", Binding { foreign: true, ..good }, "the key is not bound to its primary key"),
        ("not for signing", Binding { subkey_signs: false, ..good }, "the key cannot be used for signing"),
    ];
    for (case, how, expected) in cases {
        let error = verdict(&message(TEXT, &[key.sign(TEXT, 1)]), &[key.certificate(how)], 3).unwrap_err();
        let expected = format!("signature by key {} of {}: {expected}", key.subkey(), key.primary());
        assert!(error.starts_with(&expected), "{case}: {error}");
    }
    // one day before its end the same key is good
    let alive = Binding { subkey_life: Some(4 * DAY), primary_life: Some(4 * DAY), ..good };
    assert!(verdict(&message(TEXT, &[key.sign(TEXT, 1)]), &[key.certificate(alive)], 3).is_ok());
}

#[test]
fn a_bad_signature_by_a_pinned_key_refuses_beside_a_good_one() {
    let key = Key::ed25519(1);
    let trusted = [key.certificate(Binding::default())];
    let error = verdict(&message(TEXT, &[key.sign(TEXT, 1), key.sign("other", 1)]), &trusted, 3).unwrap_err();
    assert!(error.ends_with("the text does not match the signature"), "{error}");
}

#[test]
fn signatures_out_of_their_time_are_refused() {
    let key = Key::ed25519(1);
    let trusted = [key.certificate(Binding::default())];
    let short = vec![SubpacketData::SignatureExpirationTime(Duration::from_secs(DAY))];
    let short = key.sign_as(TEXT, 1, HashAlgorithm::Sha256, short);
    assert!(verdict(&message(TEXT, std::slice::from_ref(&short)), &trusted, 1).is_ok());
    let error = verdict(&message(TEXT, &[short]), &trusted, 2).unwrap_err();
    assert!(error.ends_with("the signature expired at 2026-01-03T00:00:00Z"), "{error}");
    let error = verdict(&message(TEXT, &[key.sign(TEXT, 5)]), &trusted, 3).unwrap_err();
    assert!(error.ends_with("the signature was created at 2026-01-06T00:00:00Z, in the future"), "{error}");
}

#[test]
fn a_user_id_with_line_ends_is_neither_believed_nor_shown() {
    // the fixture's user id says `[GNUPG:] GOODSIG` on a line of its own
    let (key, other) = (Key::ed25519(1), Key::ed25519(2));
    for (text, trusted) in [(TEXT, &other), ("other", &key)] {
        let text = message(TEXT, &[key.sign(text, 1)]);
        let error = verdict(&text, &[trusted.certificate(Binding::default())], 3).unwrap_err();
        assert!(!error.contains("GNUPG") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn weak_hashes_keys_and_versions_are_refused_by_the_dated_policy() {
    let check = |key: &Key, signature: Signature, expected: &str| {
        let trusted = [key.certificate(Binding::default())];
        let error = verdict(&message(TEXT, &[signature]), &trusted, 3).unwrap_err();
        assert!(
            error.contains(expected) && error.contains("is rejected by the policy of 2026-11"),
            "{error}"
        );
        assert!(error.contains(&key.subkey()), "{error}");
    };
    let key = Key::ed25519(1);
    let strong = Key::new(KeyType::Rsa(2048), KeyType::Rsa(2048), 2);
    check(&strong, strong.sign_as(TEXT, 1, HashAlgorithm::Sha1, vec![]), "hash SHA1");
    // GnuPG still makes such keys, `pgp` does not
    let weak = Certificate::parse(include_str!("rsa1024.asc")).unwrap();
    let error = verdict(include_str!("rsa1024.InRelease"), &[weak], 3).unwrap_err();
    assert!(error.contains("RSA of 1024 bits is rejected by the policy of 2026-11"), "{error}");
    let bound = strong.certificate(Binding { hash: HashAlgorithm::Sha1, ..Binding::default() });
    let error = verdict(&message(TEXT, &[strong.sign(TEXT, 1)]), &[bound], 3).unwrap_err();
    assert!(error.contains("the key is not bound to its primary key"), "{error}");
    let dsa = Key::new(KeyType::Ed25519Legacy, KeyType::Dsa(DsaKeySize::B1024), 4);
    check(&dsa, dsa.sign(TEXT, 1), "a key of type DSA");
    // version 3 has no subpackets: the same numbers in the old frame
    let new = key.sign(TEXT, 1);
    let id = new.issuer_key_id()[0];
    let old = Signature::v3(
        pgp::packet::PacketHeader::new_fixed(pgp::types::Tag::Signature, 0),
        SignatureType::Text,
        new.config().unwrap().pub_alg,
        HashAlgorithm::Sha256,
        new.created().unwrap(),
        *id,
        new.signed_hash_value().unwrap(),
        new.signature().unwrap().clone(),
    );
    let bytes = old.to_bytes().unwrap();
    let header =
        pgp::packet::PacketHeader::new_fixed(pgp::types::Tag::Signature, u32::try_from(bytes.len()).unwrap());
    check(&key, Signature::try_from_reader(header, bytes.as_slice()).unwrap(), "a signature of version 3");
}

#[test]
fn a_block_that_is_not_just_signatures_is_refused() {
    let key = Key::ed25519(1);
    let trusted = [key.certificate(Binding::default())];
    let many = vec![key.sign(TEXT, 1); MAX_SIGNATURES + 1];
    assert_eq!(verdict(&message(TEXT, &many), &trusted, 3), Err("more than 16 signatures".to_owned()));
    let good = message(TEXT, &[key.sign(TEXT, 1)]);
    let at = good.find("SIGNATURE-----\n\n").unwrap() + "SIGNATURE-----\n\n".len();
    for (case, text) in [
        ("empty", format!("{}-----END PGP SIGNATURE-----\n", &good[..at])),
        ("cut", format!("{}\n-----END PGP SIGNATURE-----\n", &good[..at + 64])),
        // a literal data packet, `tag 11`, before the signature
        ("another packet", format!("{}ywliAAAAAAA=\n-----END PGP SIGNATURE-----\n", &good[..at])),
    ] {
        assert!(verdict(&text, &trusted, 3).is_err(), "{case}");
    }
}

/// A cleartext message is signed as text. A signature over the same bytes as a document of another kind was made for
/// another purpose, and is not believed although it verifies.
#[test]
fn a_signature_of_another_type_over_the_same_bytes_is_refused() {
    let key = Key::ed25519(1);
    let trusted = [key.certificate(Binding::default())];
    let hashed = TEXT.replace('\n', "\r\n");
    let binary = key.sign_bytes(SignatureType::Binary, hashed.as_bytes(), 1);
    // it is a good signature of these bytes: its type alone is wrong
    let public = key.secret.secret_subkeys[0].key.public_key();
    binary.verify(public, hashed.as_bytes()).unwrap();
    for signatures in [vec![binary.clone()], vec![key.sign(TEXT, 1), binary]] {
        let error = verdict(&message(TEXT, &signatures), &trusted, 3).unwrap_err();
        assert!(error.ends_with("the text does not match the signature"), "{error}");
    }
    // signed in the same way as text it is believed
    let text = key.sign_bytes(SignatureType::Text, hashed.as_bytes(), 1);
    assert_eq!(verdict(&message(TEXT, &[text]), &trusted, 3), Ok(vec![key.primary()]));
}

/// What may differ in a message under one good signature, decided one by one.
#[test]
fn what_a_signature_does_not_cover_is_refused_or_makes_no_difference() {
    const SIGNED: &str = "Origin: Debian\n-dash\nCodename: trixie";
    let key = Key::ed25519(1);
    let trusted = [key.certificate(Binding::default())];
    let body = "Origin: Debian\n- -dash\nCodename: trixie";
    let good = message(body, &[key.sign(SIGNED, 1)]);
    assert_eq!(verdict(&good, &trusted, 3), Ok(vec![key.primary()]));
    let block = "-----BEGIN PGP SIGNATURE-----\n";
    let armored = |header: &str| good.replace(block, &format!("{block}{header}\n"));
    let cases = [
        // nobody signs these headers, no archive has them, and readers differ in what they take for one
        (armored("Comment: unsigned"), Some("the signature block has headers")),
        (armored("Version: GnuPG v1"), Some("the signature block has headers")),
        (armored("Hash: SHA1"), Some("the signature block has headers")),
        (armored(" "), Some("the signature block has headers")),
        // an escape that is not needed is a second form of one text, and gpg never writes it
        (good.replace("Origin", "- Origin"), Some("escaped unnecessarily")),
        (good.replace("- -dash", "- - -dash"), Some("the text does not match the signature")),
        // blanks at the end of a line are not hashed, by RFC 9580: they are in no text that is handed out either
        (good.replace("Origin: Debian\n", "Origin: Debian \t \n"), None),
        (good.replace("trixie\n", "trixie  \n"), None),
        // blanks anywhere else are hashed
        (good.replace("Origin: ", "Origin:  "), Some("the text does not match the signature")),
        (good.replace("Origin", " Origin"), Some("the text does not match the signature")),
    ];
    for (text, expected) in cases {
        assert_ne!(text, good);
        match (verdict(&text, &trusted, 3), expected) {
            (Err(error), Some(expected)) => assert!(error.contains(expected), "{text}: {error}"),
            (Ok(_), None) => assert_eq!(split(text.as_bytes()).unwrap().text(), format!("{SIGNED}\n")),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }
}
