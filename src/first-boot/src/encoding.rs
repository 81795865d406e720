//! Encodings of what an instance is given: gzip and base64, as they occur in user-data and `write_files`.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::io::Read as _;

/// The most that anything is decompressed to.
pub const MOST_BYTES: usize = 32 << 20;

/// Padding may be absent, and trailing bits may be anything, as for Python's decoder.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of base64 with any white space in between.
///
/// # Errors
///
/// What is no base64.
pub fn base64(text: &[u8]) -> Result<Vec<u8>, String> {
    let dense: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    LENIENT.decode(dense).map_err(|error| format!("invalid base64: {error}"))
}

/// Base64 of `bytes`, on one line.
#[must_use]
pub fn to_base64(bytes: &[u8]) -> String {
    LENIENT.encode(bytes)
}

/// Whether `bytes` begin as gzip does.
#[must_use]
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b")
}

/// What is in a gzip stream of one or more members.
///
/// # Errors
///
/// A stream that is damaged or cut off, or has more than [`MOST_BYTES`].
pub fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    gunzip_to(bytes, MOST_BYTES)
}

/// The same, of at most so many bytes.
///
/// # Errors
///
/// See above.
pub fn gunzip_to(bytes: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut plain = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(bytes).take(limit);
    reader.read_to_end(&mut plain).map_err(|error| format!("invalid gzip: {error}"))?;
    if plain.len() > most {
        return Err(format!("gzip: expected at most {most} bytes decompressed"));
    }
    Ok(plain)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write as _;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn base64_is_read_with_line_breaks_and_without_padding() {
        assert_eq!(base64(b"aGVs\nbG8"), Ok(b"hello".to_vec()));
        assert_eq!(base64(to_base64(b"\0\xff").as_bytes()), Ok(b"\0\xff".to_vec()));
        assert!(base64(b"a*b").is_err());
    }

    #[test]
    fn gzip_that_is_damaged_or_a_bomb_is_an_error() {
        let whole = gzip(b"#!/bin/sh\n");
        assert_eq!(gunzip(&whole), Ok(b"#!/bin/sh\n".to_vec()));
        assert!(gunzip(&whole[..whole.len() - 4]).is_err());
        assert!(gunzip(&gzip(&vec![0; MOST_BYTES + 1])).is_err());
    }
}
