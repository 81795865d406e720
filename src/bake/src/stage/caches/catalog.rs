//! `/var/lib/systemd/catalog/database`: explanations of log messages, as `journalctl --update-catalog` compiles it
//! from the `.catalog` files (<https://systemd.io/CATALOG>; systemd, `src/libsystemd/sd-journal/catalog.c`).
//!
//! ```text
//! "RHHHKSLP" │ 0 u32 │ 0 u32 │ header 40 │ items n │ item 56
//! n × { id 16 bytes │ language 32 bytes │ offset among the strings }   by id, then language
//! strings
//! ```
//! An entry is a line `-- ID [LANGUAGE]`, headers, an empty line, text. A later file's entry of the same id and language
//! adds its headers before those of the first, and its text replaces that one's where it has any. Unlike systemd, which
//! makes no database at all of a set with one broken file, and says so in its log, we refuse.

use super::dropins::Dropin;
use super::strings::Strings;
use std::collections::BTreeMap;

/// Why a catalog cannot be compiled.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum CatalogError {
    #[error("line {0}: text before the first `-- ID` line")]
    NoId(u32),
    #[error("line {0}: the previous entry has no text")]
    NoText(u32),
    #[error("line {line}: expected a language of 2 to 31 bytes, found {got}")]
    Language { line: u32, got: usize },
}

/// An id and a language, empty for the default one.
type Key = ([u8; 16], Vec<u8>);

/// All entries so far.
#[derive(Default)]
pub(super) struct Catalog {
    /// In the order in which keys came.
    texts: Vec<(Key, Vec<u8>)>,
    known: BTreeMap<Key, usize>,
}

impl Catalog {
    /// Adds the entries of a file.
    pub(super) fn import(&mut self, file: &Dropin<'_>, text: &[u8]) -> Result<(), CatalogError> {
        let usual = language_of(file.path.file_name());
        let mut open: Option<(Key, Vec<u8>)> = None;
        let mut after_empty = true;
        let mut last = 0;
        for (number, line) in (1..).zip(text.split(|byte| matches!(byte, b'\n' | 0))) {
            last = number;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                after_empty = true;
                continue;
            }
            if line.starts_with(b"#") || line.starts_with(b";") {
                continue;
            }
            if let Some((id, language)) = after_empty.then(|| begin(line)).flatten() {
                self.close(open.take(), number)?;
                let language = match language.len() {
                    0 => usual.to_vec(),
                    2..=31 => language.to_vec(),
                    got => return Err(CatalogError::Language { line: number, got }),
                };
                open = Some(((id, language), Vec::new()));
            } else {
                let (_, text) = open.as_mut().ok_or(CatalogError::NoId(number))?;
                if after_empty {
                    text.push(b'\n');
                }
                text.extend(line);
                text.push(b'\n');
            }
            after_empty = false;
        }
        self.close(open, last)
    }

    fn close(&mut self, entry: Option<(Key, Vec<u8>)>, line: u32) -> Result<(), CatalogError> {
        let Some((key, text)) = entry else { return Ok(()) };
        if text.is_empty() {
            return Err(CatalogError::NoText(line));
        }
        match self.known.get(&key).and_then(|nth| self.texts.get_mut(*nth)) {
            Some((_, known)) => *known = combined(&text, known),
            None => {
                self.known.insert(key.clone(), self.texts.len());
                self.texts.push((key, text));
            }
        }
        Ok(())
    }

    /// Whether there is no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut strings = Strings::new();
        let places: Vec<u64> = self.texts.iter().map(|(_, text)| strings.add(text) as u64).collect();
        let mut file = b"RHHHKSLP".to_vec();
        for number in [0, 40, self.known.len() as u64, 56] {
            file.extend(number.to_le_bytes());
        }
        for ((id, language), nth) in &self.known {
            file.extend(id);
            file.extend(language);
            file.resize(file.len() + 32 - language.len().min(32), 0);
            file.extend(places.get(*nth).copied().unwrap_or_default().to_le_bytes());
        }
        file.extend(strings.bytes());
        file
    }
}

/// The id and the language of a line that begins an entry.
fn begin(line: &[u8]) -> Option<([u8; 16], &[u8])> {
    let rest = line.strip_prefix(b"-- ")?;
    let (id, language) = rest.split_at_checked(32)?;
    if !matches!(language.first(), None | Some(b' ')) {
        return None;
    }
    let id = base16ct::mixed::decode_vec(id).ok()?;
    Some((id.try_into().ok()?, language.trim_ascii()))
}

/// The language that a file's name says: `fr` of `systemd.fr.catalog`.
fn language_of(name: &str) -> &[u8] {
    let name = name.strip_suffix(".catalog").unwrap_or(name);
    match name.rsplit_once('.') {
        Some((_, language)) if (2..=30).contains(&language.len()) => language.as_bytes(),
        _ => b"",
    }
}

/// The headers of both, and the text of `new`, or of `old` where it has none.
fn combined(new: &[u8], old: &[u8]) -> Vec<u8> {
    let (new_headers, new_text) = parted(new);
    let (old_headers, old_text) = parted(old);
    let text = if new_text.is_empty() { old_text } else { new_text };
    [new_headers, old_headers, text].concat()
}

/// Headers, and the text from its empty line on.
fn parted(entry: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in entry.split_inclusive(|byte| *byte == b'\n') {
        if line == b"\n" {
            break;
        }
        at += line.len();
    }
    entry.split_at_checked(at).unwrap_or((entry, b""))
}
