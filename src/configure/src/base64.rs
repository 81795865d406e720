//! Base64 (RFC 4648 4) of certificates, as settings carry them.

/// The bytes; blanks and line breaks are passed over, the padding must be right.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut count, mut padding) = (0u32, 0u8, 0u8);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if count >= 2 => {
                padding += 1;
                0
            }
            _ => return None,
        };
        // nothing but padding behind padding
        if padding > 0 && byte != b'=' {
            return None;
        }
        word = word << 6 | u32::from(digit);
        count += 1;
        if count == 4 {
            let bytes = word.to_be_bytes();
            out.extend_from_slice(bytes.get(1..4usize.saturating_sub(usize::from(padding)))?);
            if padding > 0 {
                count = 5;
                continue;
            }
            (word, count) = (0, 0);
        }
        if count > 5 {
            return None;
        }
    }
    matches!(count, 0 | 5).then_some(out)
}

/// The PEM text within base64: at least one certificate, nothing that is no text.
#[must_use]
pub fn certificates(text: &str) -> Option<Vec<u8>> {
    let bytes = decode(text)?;
    let pem = std::str::from_utf8(&bytes).ok()?;
    let inner: Vec<&str> = pem.split("-----BEGIN CERTIFICATE-----").skip(1).collect();
    let whole = |part: &&str| {
        part.split_once("-----END CERTIFICATE-----")
            .is_some_and(|(body, _)| decode(body).is_some_and(|der| !der.is_empty()))
    };
    let plain = !pem.contains("PRIVATE KEY") && !pem.contains(['\0', '\u{1b}']);
    (plain && !inner.is_empty() && inner.iter().all(whole)).then_some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::decode;

    /// What [`decode`] reads, for tests that write PEM.
    pub(crate) fn encoded(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let word =
                (0..3).fold(0usize, |word, at| word << 8 | chunk.get(at).map_or(0, |b| usize::from(*b)));
            for at in 0..4 {
                let digit = char::from(DIGITS[word >> (18 - 6 * at) & 63]);
                out.push(if at <= chunk.len() { digit } else { '=' });
            }
        }
        out
    }

    #[test]
    fn what_is_decoded_is_what_was_encoded() {
        for (text, wanted) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("Zm9v\nYmE=", b"fooba")]
        {
            assert_eq!(decode(text).as_deref(), Some(wanted), "{text}");
            assert_eq!(encoded(wanted), text.replace('\n', ""));
        }
        for text in ["!!!!", "Zg=", "Zg", "Zg==Zg==", "=", "Z===", "Zg===", "Zm9v="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
