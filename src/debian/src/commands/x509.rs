//! The hash of a certificate's subject by which OpenSSL finds it in a directory: `X509_NAME_hash`.
//!
//! It is the first four bytes, little-endian, of the SHA-1 of the subject's canonical encoding: its relative names without
//! the outer header, each string that people read as UTF-8 in lower case (of ASCII letters), without blanks around it and
//! with one blank for several within. Source: OpenSSL, `crypto/x509/x_name.c` (`x509_name_canon`); RFC 5280 section 4.1;
//! X.690 for DER, RFC 7468 for the text around it.
//!
//! A certificate is looked at as far as its subject, and must be that far as DER has it. Nothing is verified: which
//! authorities are trusted is Debian's word, by the digest of the package.

use sha1::{Digest as _, Sha1};

/// A certificate is smaller than this; the largest that Debian trusts has 2 KiB.
const MOST_BYTES: usize = 64 << 10;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8: u8 = 0x0c;
const VERSION: u8 = 0xa0;

/// The hash of the subject of the one certificate in `pem`, and the certificate itself.
pub(super) fn subject_hash(pem: &[u8]) -> Result<(u32, Vec<u8>), &'static str> {
    let der = der(pem)?;
    let (tag, certificate, _) = value(&der)?;
    let (tag2, mut tbs, _) = value(certificate)?;
    if (tag, tag2) != (SEQUENCE, SEQUENCE) {
        return Err("it does not begin with two sequences");
    }
    if tbs.first() == Some(&VERSION) {
        tbs = value(tbs)?.2;
    }
    // serial number, algorithm, issuer, validity
    for expected in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE] {
        let (tag, _, rest) = value(tbs)?;
        if tag != expected {
            return Err("a field has another type");
        }
        tbs = rest;
    }
    let (tag, subject, _) = value(tbs)?;
    if tag != SEQUENCE {
        return Err("the subject is not a sequence");
    }
    let digest = Sha1::digest(canonical(subject)?);
    let hash = digest.iter().take(4).rev().fold(0, |hash, byte| hash << 8 | u32::from(*byte));
    Ok((hash, der.clone()))
}

/// The bytes of the one certificate in a text.
fn der(pem: &[u8]) -> Result<Vec<u8>, &'static str> {
    if pem.len() > MOST_BYTES {
        return Err("it is too large");
    }
    let text = std::str::from_utf8(pem).map_err(|_| "it is not text")?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----").ok_or("it has no begin")?;
    let (body, rest) = rest.split_once("-----END CERTIFICATE-----").ok_or("it has no end")?;
    if rest.contains("-----BEGIN") {
        return Err("it holds more than one");
    }
    let (mut bits, mut count) = (0_u32, 0);
    let mut out = Vec::new();
    for byte in body.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err("it is not base64"),
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.extend((bits >> count).to_le_bytes().first());
            bits &= (1 << count) - 1;
        }
    }
    Ok(out)
}

/// Tag and content of the first value of `der`, and what comes after it.
fn value(der: &[u8]) -> Result<(u8, &[u8], &[u8]), &'static str> {
    const SHORT: &str = "it ends too early";
    let (&tag, rest) = der.split_first().ok_or(SHORT)?;
    let (&first, mut rest) = rest.split_first().ok_or(SHORT)?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return Err("a length is not DER");
        }
        let (bytes, after) = rest.split_at_checked(count).ok_or(SHORT)?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length).ok_or(SHORT)?;
    Ok((tag, content, after))
}

/// The canonical encoding of a name: each relative name a set of pairs of a type and a string.
fn canonical(mut name: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::new();
    while !name.is_empty() {
        let (tag, mut set, rest) = value(name)?;
        if tag != SET {
            return Err("a relative name is not a set");
        }
        name = rest;
        let mut pairs = Vec::new();
        while !set.is_empty() {
            let (tag, pair, rest) = value(set)?;
            let (_, _, string) = value(pair)?;
            if tag != SEQUENCE {
                return Err("an attribute is not a sequence");
            }
            set = rest;
            let kind = &pair[..pair.len() - string.len()];
            let (tag, content, _) = value(string)?;
            let string = match readable(tag, content)? {
                Some(text) => encoded(UTF8, folded(&text).as_bytes()),
                None => string.to_vec(),
            };
            pairs.push(encoded(SEQUENCE, &[kind, &string].concat()));
        }
        // DER sorts what is in a set
        pairs.sort();
        out.extend(encoded(SET, &pairs.concat()));
    }
    Ok(out)
}

/// The text of a string that people read; nothing for other types.
fn readable(tag: u8, content: &[u8]) -> Result<Option<String>, &'static str> {
    const WRONG: &str = "a string is not of its type";
    let wide = |size: usize| -> Result<String, &'static str> {
        let code = |bytes: &[u8]| bytes.iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
        if !content.len().is_multiple_of(size) {
            return Err(WRONG);
        }
        content.chunks_exact(size).map(|bytes| char::from_u32(code(bytes)).ok_or(WRONG)).collect()
    };
    Ok(Some(match tag {
        UTF8 => std::str::from_utf8(content).map_err(|_| WRONG)?.to_owned(),
        // PrintableString, T61String (as Latin-1), IA5String, VisibleString
        0x13 | 0x14 | 0x16 | 0x1a => content.iter().map(|byte| char::from(*byte)).collect(),
        // UniversalString, BMPString
        0x1c => wide(4)?,
        0x1e => wide(2)?,
        _ => return Ok(None),
    }))
}

/// Without blanks around, with one for several within, in lower case as far as ASCII goes.
fn folded(text: &str) -> String {
    let words = text.split(|c: char| c.is_ascii_whitespace() || c == '\u{b}').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match significant[..] {
        [] => out.push(0),
        [one] if one < 0x80 => out.push(one),
        _ => {
            // at most eight bytes
            out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
            out.extend(&significant);
        }
    }
    out.extend(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_blanks_and_case_have_one_encoding() {
        let name = |tag: u8, text: &[u8]| {
            let pair = [vec![0x06, 3, 0x55, 4, 3], encoded(tag, text)].concat();
            canonical(&encoded(SET, &encoded(SEQUENCE, &pair))).unwrap()
        };
        let expected = name(UTF8, b"root ca");
        assert_eq!(expected, [&[0x31, 16, 0x30, 14, 6, 3, 0x55, 4, 3, 0x0c, 7][..], b"root ca"].concat());
        assert_eq!(name(0x13, b"  Root \t CA "), expected);
        assert_eq!(name(0x1e, b"\0R\0o\0o\0t\0 \0C\0A"), expected);
        assert_ne!(name(0x12, b"root ca"), expected, "a NumericString stays as it is");
    }

    #[test]
    fn lengths_are_written_as_der_has_them() {
        assert_eq!(encoded(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(encoded(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(encoded(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
        for length in [0, 127, 128, 300] {
            let bytes = encoded(4, &vec![7; length]);
            assert_eq!(value(&bytes).unwrap(), (4, &vec![7; length][..], &[][..]));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_no_certificate_is_refused_without_a_panic(bytes: Vec<u8>, body in "[A-Za-z0-9+/=\n]{0,200}") {
            let _ = subject_hash(&bytes);
            let _ = canonical(&bytes);
            let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
            proptest::prop_assert!(subject_hash(pem.as_bytes()).is_err());
        }
    }
}
