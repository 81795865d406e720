//! Digests: SHA-256 everywhere, SHA-512 where upstream publishes only that.

use sha2::Digest as _;
use std::fmt;
use std::str::FromStr;

/// A SHA-256 digest; written `sha256:<64 hex>` in data and as bare hexadecimal in file names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

/// A digest with its algorithm, as manifests write it: `sha256:<64 hex>` or `sha512:<128 hex>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Box<[u8; 64]>),
}

/// Text that is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DigestError {
    /// An unknown algorithm, none, or the wrong number of digits.
    #[error("digest must be sha256:64 hex or sha512:128 hex, found `{0}`")]
    Form(String),
}

/// Computes a digest of what it is fed.
#[derive(Clone)]
pub enum Hasher {
    /// SHA-256.
    Sha256(sha2::Sha256),
    /// SHA-512.
    Sha512(sha2::Sha512),
}

impl Sha256 {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Lower-case hexadecimal, 64 digits.
    #[must_use]
    pub fn hex(&self) -> String {
        base16ct::lower::encode_string(&self.0)
    }

    /// Reads 64 lower- or upper-case hexadecimal digits, without a prefix.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let mut bytes = [0; 32];
        match base16ct::mixed::decode(hex, &mut bytes) {
            Ok(done) if done.len() == 32 => Ok(Self(bytes)),
            _ => Err(DigestError::Form(hex.to_owned())),
        }
    }
}

impl Digest {
    /// `sha256` or `sha512`.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }

    /// The digits alone.
    #[must_use]
    pub fn hex(&self) -> String {
        match self {
            Self::Sha256(digest) => digest.hex(),
            Self::Sha512(digest) => base16ct::lower::encode_string(digest.as_slice()),
        }
    }

    /// A hasher of the same algorithm.
    #[must_use]
    pub fn hasher(&self) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(sha2::Sha256::new()),
            Self::Sha512(_) => Hasher::Sha512(sha2::Sha512::new()),
        }
    }
}

impl Hasher {
    /// A SHA-256 hasher.
    #[must_use]
    pub fn sha256() -> Self {
        Self::Sha256(sha2::Sha256::new())
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all that was added.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::Sha256(Sha256(hasher.finalize().into())),
            Self::Sha512(hasher) => Digest::Sha512(Box::new(hasher.finalize().into())),
        }
    }
}

impl From<Sha256> for Digest {
    fn from(digest: Sha256) -> Self {
        Self::Sha256(digest)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let wrong = || DigestError::Form(text.chars().take(160).collect());
        match text.split_once(':') {
            Some(("sha256", hex)) => Sha256::from_hex(hex).map(Self::Sha256).map_err(|_| wrong()),
            Some(("sha512", hex)) => {
                let mut bytes = [0; 64];
                match base16ct::mixed::decode(hex, &mut bytes) {
                    Ok(done) if done.len() == 64 => Ok(Self::Sha512(Box::new(bytes))),
                    _ => Err(wrong()),
                }
            }
            _ => Err(wrong()),
        }
    }
}

impl FromStr for Sha256 {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text.parse()? {
            Digest::Sha256(digest) => Ok(digest),
            Digest::Sha512(_) => Err(DigestError::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Serde as text, for a type with `Display` and `FromStr`.
macro_rules! text_serde {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_serde;

text_serde!(Sha256);
text_serde!(Digest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_are_read_and_written_alike() {
        for text in [format!("sha256:{}", "ab".repeat(32)), format!("sha512:{}", "0f".repeat(64))] {
            assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let hex = "a".repeat(64);
        let cases = [
            "",
            "sha256:",
            &hex,
            &format!("sha256:{}", &hex[1..]),
            &format!("sha256:{}g", &hex[1..]),
            "md5:0123",
            "sha1:0123",
        ];
        for case in cases {
            let error = case.parse::<Digest>().unwrap_err().to_string();
            assert!(error.starts_with("digest must be sha256:64 hex or sha512:128 hex"), "{case}: {error}");
        }
    }

    #[test]
    fn a_known_text_has_its_known_digest() {
        let mut hasher = Hasher::sha256();
        hasher.update(b"ab");
        hasher.update(b"c");
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hasher.finish().to_string(), expected);
    }
}
