//! `SHA256SUMS`: the digests of what is in an output directory, as `sha256sum --check` reads them.
//!
//! One line a file, `<64 hex>  <name>`, sorted by name. Lines of files of other bakes stay; a file that is of another
//! form is no such list, and is refused before anything is made.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use tree::digest::{DigestError, Sha256};

/// Its name in an output directory.
pub const NAME: &str = "SHA256SUMS";

/// The largest list that is read in bytes.
pub const MAX: u64 = 1 << 20;

/// Digests by file name.
pub type Sums = BTreeMap<String, Sha256>;

/// A list that is of another form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SumsError {
    /// A line that is not a digest, two spaces and a plain name.
    #[error("line {0}: expected `<64 hex>  <name>`")]
    Form(usize),
    /// A digest that is none.
    #[error("line {0}: {1}")]
    Digest(usize, DigestError),
    /// A name on two lines.
    #[error("line {0}: `{1}` is listed twice")]
    Twice(usize, String),
}

/// Reads a list.
pub fn parse(text: &str) -> Result<Sums, SumsError> {
    let mut sums = Sums::new();
    for (at, line) in text.split_terminator('\n').enumerate() {
        let number = at + 1;
        let (hex, name) = line.split_once("  ").ok_or(SumsError::Form(number))?;
        let plain = !name.is_empty()
            && !name.starts_with(['*', ' '])
            && !name.contains(|c: char| c == '/' || tree::refusal::hides(c));
        if !plain {
            return Err(SumsError::Form(number));
        }
        let digest = Sha256::from_hex(hex).map_err(|error| SumsError::Digest(number, error))?;
        if sums.insert(name.to_owned(), digest).is_some() {
            return Err(SumsError::Twice(number, name.to_owned()));
        }
    }
    Ok(sums)
}

/// The list as text.
#[must_use]
pub fn print(sums: &Sums) -> String {
    let mut text = String::new();
    for (name, digest) in sums {
        // writing to a string cannot fail
        let _ = writeln!(text, "{}  {name}", digest.hex());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        let sums: Sums =
            [("b.tar.zst".to_owned(), Sha256([1; 32])), ("a".to_owned(), Sha256([2; 32]))].into();
        let text = print(&sums);
        assert_eq!(text.lines().next().unwrap(), format!("{}  a", "02".repeat(32)));
        assert_eq!(parse(&text), Ok(sums));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let hex = "0".repeat(64);
        let lines = [
            format!("{hex} *a"),
            format!("{hex}  *a"),
            format!("{hex}  ../a"),
            format!("{hex}  a\r\n"),
            format!("{hex}  a\n{hex}  a"),
            format!("{hex}  "),
            format!("{}  a", &hex[1..]),
            "<html>".to_owned(),
            String::from("\n"),
        ];
        for text in lines {
            assert!(parse(&text).is_err(), "{text:?}");
        }
    }
}
