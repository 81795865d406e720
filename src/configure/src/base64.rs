//! Base64 (RFC 4648 4) of certificates, as settings carry them.

use base64ct::{Base64, Encoding as _};

/// The bytes; blanks and line breaks are passed over, the padding must be right.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    Base64::decode_vec(&text).ok()
}

/// The PEM text within base64: at least one certificate, nothing that is not text.
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
    use base64ct::{Base64, Encoding as _};

    /// What [`decode`] reads, for tests that write PEM.
    pub(crate) fn encoded(bytes: &[u8]) -> String {
        Base64::encode_string(bytes)
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
