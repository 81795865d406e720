//! Blocks of PEM (RFC 7468), strictly: each is whole, of base64, and named alike at both ends.
//!
//! Text outside of blocks is passed over, as all readers do, when it is harmless: `openssl` writes such lines.

use crate::base64;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// The most blocks of a file: more is not a chain of certificates.
const MOST: usize = 64;

/// A block.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// `CERTIFICATE`, `PRIVATE KEY`, …
    pub label: String,
    /// What is in it.
    pub der: Vec<u8>,
}

/// The blocks of `bytes`, at least one; or the rule that is broken.
pub fn read(bytes: &[u8]) -> Result<Vec<Block>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "expected PEM, found no text")?;
    if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("expected PEM, found control characters");
    }
    let (mut out, mut lines) = (Vec::new(), text.lines());
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN) else {
            if line.contains(BEGIN) || line.contains(END) {
                return Err("expected PEM: a block starts and ends at the start of a line");
            }
            continue;
        };
        let label = label.trim_end().strip_suffix(DASHES).ok_or("expected PEM: `-----BEGIN …-----`")?;
        out.push(Block { label: label.to_owned(), der: body(label, &mut lines)? });
        if out.len() > MOST {
            return Err("expected at most 64 blocks of PEM");
        }
    }
    if out.is_empty() { Err("expected PEM, found no block") } else { Ok(out) }
}

/// Up to the end of the block that is called `label`.
fn body(label: &str, lines: &mut std::str::Lines<'_>) -> Result<Vec<u8>, &'static str> {
    let mut text = String::new();
    for line in lines {
        if let Some(end) = line.strip_prefix(END) {
            if end.trim_end().strip_suffix(DASHES) != Some(label) {
                return Err("expected PEM: a block ends with the name it starts with");
            }
            return match base64::decode(&text) {
                Some(der) if !der.is_empty() => Ok(der),
                _ => Err("expected PEM: base64 in a block"),
            };
        }
        text.push_str(line);
    }
    Err("expected PEM: a block has an end")
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn whole_blocks_are_read_and_nothing_else() {
        let labels = |text: &str| {
            read(text.as_bytes()).map(|blocks| blocks.into_iter().map(|one| one.label).collect::<Vec<_>>())
        };
        let one = "-----BEGIN A B-----\nZm9v\nZm9v\n-----END A B-----\n";
        assert_eq!(labels(one), Ok(vec!["A B".to_owned()]));
        assert_eq!(labels(&format!("subject=x\n{one}\n{one}")).map(|found| found.len()), Ok(2));
        assert_eq!(labels(&one.replace('\n', "\r\n")).map(|found| found.len()), Ok(1));
        for wrong in [
            "",
            "no block\n",
            "-----BEGIN A-----\nZm9v\n",
            "-----BEGIN A-----\n-----END A-----\n",
            "-----BEGIN A-----\nZm9v\n-----END B-----\n",
            "-----BEGIN A-----\nZm9\n-----END A-----\n",
            "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nZm9v\n-----END A-----\n",
            "-----BEGIN A-----\n-----BEGIN A-----\nZm9v\n-----END A-----\n",
            "-----BEGIN A\nZm9v\n-----END A-----\n",
            "x -----BEGIN A-----\nZm9v\n-----END A-----\n",
            "\u{1b}[0m-----BEGIN A-----\nZm9v\n-----END A-----\n",
        ] {
            assert!(labels(wrong).is_err(), "{wrong:?}");
        }
    }
}
