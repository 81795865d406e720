//! The cleartext signature framework, as far as Debian's InRelease uses it: RFC 9580, section 7.
//!
//! ```text
//! -----BEGIN PGP SIGNED MESSAGE-----
//! Hash: SHA256
//!
//! the text, with `- ` before a line that begins with `-`
//! -----BEGIN PGP SIGNATURE-----
//! …
//! -----END PGP SIGNATURE-----
//! ```
//! Exactly this, from the first byte to the last: what one reader takes as signed and another one as a preface
//! has been a way into apt more than once. The text that is handed out is made from the bytes that are hashed.
//!
//! An archive of a third party may have `Release` with a signature of its bytes next to it, `Release.gpg` (section 5.2.4), and
//! what its program says of itself in the armour (`Version:`, `Comment:`), which nobody reads.

/// How many bytes an InRelease may have; that of trixie has 140 thousand.
pub const MAX: usize = 4 << 20;
/// How many bytes its signatures may have, armoured.
pub const MAX_SIGNATURES: usize = 64 << 10;

const HEAD: &str = "-----BEGIN PGP SIGNED MESSAGE-----\n";
const MIDDLE: &str = "-----BEGIN PGP SIGNATURE-----\n";
const END: &str = "-----END PGP SIGNATURE-----\n";
const HASHES: [&str; 5] = ["SHA256", "SHA384", "SHA512", "SHA3-256", "SHA3-512"];

/// What may stand between the first line of an armour and its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headers {
    /// An empty line: Debian's.
    None,
    /// Lines of `Version:` and `Comment:`, too.
    Program,
}

/// Splits `bytes` into its text and its signatures. Nothing is verified yet.
pub fn split(bytes: &[u8]) -> Result<Cleartext<'_>, InReleaseError> {
    split_with(bytes, Headers::None)
}

/// `split`, where the armour may have these headers.
pub fn split_with(bytes: &[u8], headers: Headers) -> Result<Cleartext<'_>, InReleaseError> {
    let text = plain(bytes)?;
    let rest = text.strip_prefix(HEAD).ok_or_else(|| beginning(text))?;
    let rest = after_hashes(rest)?;
    let (body, signatures) = match rest.strip_prefix(MIDDLE) {
        Some(_) => ("", rest),
        None => {
            let at = rest.find("\n-----BEGIN PGP SIGNATURE-----\n").ok_or(InReleaseError::Cut)?;
            rest.split_at(at + 1)
        }
    };
    Ok(Cleartext { signed: unescape(body)?, signatures: armor(signatures, headers)? })
}

/// A Release and its signatures, in files of their own. Nothing is verified yet.
pub fn detached<'a>(release: &'a [u8], signatures: &'a [u8]) -> Result<Detached<'a>, InReleaseError> {
    let (text, signatures) = (plain(release)?, plain(signatures)?);
    if text.starts_with("-----") {
        return Err(InReleaseError::Outside("an armor in place of the Release"));
    }
    if !signatures.starts_with(MIDDLE) {
        return Err(InReleaseError::NotDetached);
    }
    Ok(Detached { text, signatures: armor(signatures, Headers::Program)? })
}

/// Plain text of a size that a Release may have.
fn plain(bytes: &[u8]) -> Result<&str, InReleaseError> {
    if bytes.len() > MAX {
        return Err(InReleaseError::Large(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| InReleaseError::Text)?;
    if text.bytes().any(|b| (b < 0x20 && b != b'\n' && b != b'\t') || b == 0x7f) {
        return Err(InReleaseError::Text);
    }
    Ok(text)
}

/// A text with signatures of just its bytes next to it, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached<'a> {
    /// The text, which is what is hashed.
    pub text: &'a str,
    /// The signatures in their armour, with its first and last line.
    pub signatures: &'a str,
}

/// A message that is split, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleartext<'a> {
    signed: String,
    /// The signatures in their armour, with its first and last line.
    pub signatures: &'a str,
}

impl Cleartext<'_> {
    /// The bytes that are hashed: lines without blanks at their end, CR LF between them, none after the last.
    #[must_use]
    pub fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The text of just these bytes, each line ended with LF.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.signed.replace("\r\n", "\n");
        text.push('\n');
        text
    }
}

/// What is not a cleartext message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InReleaseError {
    /// More than `MAX`.
    #[error("expected at most {MAX} bytes, found {0}")]
    Large(usize),
    /// Binary data, carriage returns, control characters.
    #[error("expected plain UTF-8 text")]
    Text,
    /// No signed message at the first byte, none at all, or more after it.
    #[error("data outside the signed block: {0}")]
    Outside(&'static str),
    /// Neither signature nor message.
    #[error("expected `-----BEGIN PGP SIGNED MESSAGE-----`, found {0}")]
    NotSigned(&'static str),
    /// `Release.gpg` without an armour.
    #[error("expected `-----BEGIN PGP SIGNATURE-----` at the beginning of Release.gpg")]
    NotDetached,
    /// A header other than `Hash:`, or a hash below SHA-256.
    #[error("expected `Hash: SHA256` or stronger before the text, found `{0}`")]
    Header(String),
    /// A line of text that begins with `-` and is not escaped.
    #[error("a line of the signed text begins with `-` and is not escaped")]
    Dash,
    /// `- ` before a line that needs none.
    #[error("a line of the signed text is escaped unnecessarily")]
    Escape,
    /// Headers of the signatures' armour, which nobody has signed.
    #[error("the signature block has headers: expected an empty line after its first")]
    Armor,
    /// No signature, or one that does not end.
    #[error("the message is truncated before the end of its signature")]
    Cut,
    /// More than `MAX_SIGNATURES`.
    #[error("expected at most {MAX_SIGNATURES} bytes of signatures, found {0}")]
    Signatures(usize),
}

/// Why a text does not begin as it should.
fn beginning(text: &str) -> InReleaseError {
    if text.contains(HEAD) {
        InReleaseError::Outside("text before it")
    } else if text.starts_with(MIDDLE) {
        InReleaseError::NotSigned("a detached signature, which belongs next to a Release")
    } else if text.trim_start().starts_with('<') {
        InReleaseError::NotSigned("what looks like a web page")
    } else {
        InReleaseError::NotSigned("something else")
    }
}

/// Skips the headers and the empty line after them.
fn after_hashes(mut rest: &str) -> Result<&str, InReleaseError> {
    let mut named = false;
    loop {
        let (line, after) = rest.split_once('\n').ok_or(InReleaseError::Cut)?;
        rest = after;
        if line.is_empty() && named {
            return Ok(rest);
        }
        let strong = line
            .strip_prefix("Hash: ")
            .is_some_and(|names| names.split(',').all(|name| HASHES.contains(&name.trim_matches(' '))));
        if !strong {
            return Err(InReleaseError::Header(line.chars().take(80).collect()));
        }
        named = true;
    }
}

/// The text as it is hashed.
fn unescape(body: &str) -> Result<String, InReleaseError> {
    let mut signed = String::with_capacity(body.len() + body.len() / 32);
    for (number, line) in body.strip_suffix('\n').unwrap_or(body).split('\n').enumerate() {
        let line = match line.strip_prefix("- ") {
            // as gpg writes it; any other would be a second form of the same signed text
            Some(escaped) if escaped.starts_with('-') || escaped.starts_with("From ") => escaped,
            Some(_) => return Err(InReleaseError::Escape),
            None if line.starts_with('-') => return Err(InReleaseError::Dash),
            None => line,
        };
        if number > 0 {
            signed.push_str("\r\n");
        }
        signed.push_str(line.trim_end_matches([' ', '\t']));
    }
    Ok(signed)
}

/// Checks that `text` is one armoured block up to the last byte.
fn armor(text: &str, headers: Headers) -> Result<&str, InReleaseError> {
    let end = text.find(END).ok_or(InReleaseError::Cut)? + END.len();
    if end != text.len() {
        let twice = text[end..].contains(HEAD);
        return Err(InReleaseError::Outside(if twice { "a second message" } else { "text after it" }));
    }
    if end > MAX_SIGNATURES {
        return Err(InReleaseError::Signatures(end));
    }
    let inner = &text[MIDDLE.len()..end - END.len()];
    // a second beginning before the end: some readers would start over there
    if inner.contains("-----") || !inner.ends_with('\n') {
        return Err(InReleaseError::Outside("a second signature block"));
    }
    let mut before = inner.lines().take_while(|line| !line.is_empty());
    let is_known = |line: &str| line.starts_with("Version: ") || line.starts_with("Comment: ");
    if !before.all(|line| headers == Headers::Program && is_known(line)) {
        return Err(InReleaseError::Armor);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----\n\niQ==\n=abcd\n-----END PGP SIGNATURE-----\n";

    fn message(text: &str) -> String {
        format!("{HEAD}Hash: SHA256\n\n{text}{SIGNATURE}")
    }

    #[test]
    fn the_text_is_what_is_hashed() {
        let text = message("Origin: Debian \t\n- -dash\n- - twice\n\nEnd:\n");
        let split = split(text.as_bytes()).unwrap();
        assert_eq!(split.signed(), b"Origin: Debian\r\n-dash\r\n- twice\r\n\r\nEnd:");
        assert_eq!(split.text(), "Origin: Debian\n-dash\n- twice\n\nEnd:\n");
        assert_eq!(split.signatures, SIGNATURE);
    }

    #[test]
    fn data_outside_the_signed_block_is_refused() {
        let good = message("A: b\n");
        for (case, text) in [
            ("before", format!("Origin: evil\n{good}")),
            ("blank line before", format!("\n{good}")),
            ("after", format!("{good}Origin: evil\n")),
            ("blank line after", format!("{good}\n")),
            ("two messages", format!("{good}{good}")),
            ("two signature blocks", message(&format!("A: b\n{SIGNATURE}"))),
            ("a block within the block", good.replace("\niQ==", "\n-----BEGIN PGP SIGNATURE-----\niQ==")),
        ] {
            let error = split(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("data outside the signed block"), "{case}: {error}");
        }
    }

    #[test]
    fn a_detached_signature_in_the_place_of_an_inrelease_is_refused() {
        let error = split(SIGNATURE.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("detached signature, which belongs next to a Release"), "{error}");
        let payload = format!("{SIGNATURE}Origin: Debian\n");
        assert!(split(payload.as_bytes()).is_err());
        assert!(split(b"Origin: Debian\nCodename: trixie\n").is_err());
    }

    #[test]
    fn a_release_beside_its_signature_is_plain_text_and_one_armour() {
        let release = "Origin: x\n";
        let both = detached(release.as_bytes(), SIGNATURE.as_bytes()).unwrap();
        assert_eq!((both.text, both.signatures), (release, SIGNATURE));
        let headed = SIGNATURE.replacen("\n\n", "\nVersion: GnuPG v2\nComment: x\n\n", 1);
        assert!(detached(release.as_bytes(), headed.as_bytes()).is_ok());
        let good = message("A: b\n").replace(SIGNATURE, &headed);
        assert!(split_with(good.as_bytes(), Headers::Program).is_ok());
        assert_eq!(split(good.as_bytes()), Err(InReleaseError::Armor));
        let cases = [
            (release, format!("{SIGNATURE}{SIGNATURE}"), "data outside the signed block"),
            (release, format!("x\n{SIGNATURE}"), "at the beginning of Release.gpg"),
            (release, SIGNATURE.replacen("\n\n", "\nHash: SHA256\n\n", 1), "has headers"),
            (release, SIGNATURE.replacen("\n\n", "\n", 1), "has headers"),
            (SIGNATURE, SIGNATURE.to_owned(), "an armor in place of the Release"),
            ("Origin: x\r\n", SIGNATURE.to_owned(), "plain UTF-8 text"),
        ];
        for (release, signature, expected) in cases {
            let error = detached(release.as_bytes(), signature.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}, expected {expected}");
        }
    }

    #[test]
    fn a_weak_or_missing_hash_header_is_refused() {
        let good = message("A: b\n");
        for header in [
            "",
            "Hash: SHA1\n",
            "Hash: SHA256,MD5\n",
            "Hash:SHA256\n",
            "Comment: x\n",
            "Hash: SHA256\nX: y\n",
        ] {
            let error = split(good.replace("Hash: SHA256\n", header).as_bytes()).unwrap_err();
            assert!(matches!(error, InReleaseError::Header(_)), "{header:?}: {error}");
        }
        assert!(split(good.replace("SHA256", "SHA512, SHA256").as_bytes()).is_ok());
    }

    #[test]
    fn a_message_that_other_readers_would_split_elsewhere_is_refused() {
        for (text, expected) in [
            (message("A: b\n-x\n"), InReleaseError::Dash),
            (message("A: b\n-----BEGIN PGP SIGNED MESSAGE-----\n"), InReleaseError::Dash),
            (message("A: b\r\n"), InReleaseError::Text),
            (message("A: \0\n"), InReleaseError::Text),
            (message("A: b\n").replace("-----END PGP SIGNATURE-----\n", ""), InReleaseError::Cut),
            (message("A: b\n").trim_end().to_owned(), InReleaseError::Cut),
            (format!("{HEAD}Hash: SHA256\n\nA: b\n"), InReleaseError::Cut),
            ("<html>".to_owned(), InReleaseError::NotSigned("what looks like a web page")),
        ] {
            assert_eq!(split(text.as_bytes()).unwrap_err(), expected, "{text:?}");
        }
        assert_eq!(split(&[0xff, 0xfe]).unwrap_err(), InReleaseError::Text);
        assert_eq!(split(&vec![b'x'; MAX + 1]).unwrap_err(), InReleaseError::Large(MAX + 1));
        let long = message("A: b\n").replace("iQ==", &"iQ==\n".repeat(MAX_SIGNATURES / 4));
        assert!(matches!(split(long.as_bytes()).unwrap_err(), InReleaseError::Signatures(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_or_refused_without_a_panic(parts in proptest::collection::vec(0_usize..12, 0..24)) {
            let pieces = [HEAD, MIDDLE, END, "Hash: SHA256\n", "\n", "- ", "-", "x\n", "\u{e4}", "=", " \n", "-----"];
            let text: String = parts.iter().map(|&at| pieces[at]).collect();
            if let Ok(split) = split(text.as_bytes()) {
                prop_assert!(text.starts_with(HEAD) && text.ends_with(END));
                // each line is there once: none was taken for a frame
                let body = &text[HEAD.len()..text.len() - split.signatures.len()];
                let headers = body.split_inclusive('\n').take_while(|line| *line != "\n").count() + 1;
                prop_assert_eq!(split.text().lines().count().max(1), body.lines().skip(headers).count().max(1));
            }
        }
    }
}
