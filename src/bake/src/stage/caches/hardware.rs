//! `/usr/lib/udev/hwdb.bin`: properties of hardware by pattern, as `systemd-hwdb --usr update` compiles it from the
//! `.hwdb` files (hwdb(7)).
//!
//! A record is lines of patterns, then lines of ` KEY=VALUE`, then an empty one. What a line is in no place for is
//! passed over, as systemd does with a warning: the package's own tests have seen to that.

mod trie;

use super::dropins::Dropin;
use trie::{Source, Trie};

/// The database of `files`, in the order of their names, with the texts of each; `version` is systemd's.
pub(super) fn database(version: u64, files: &[(Dropin<'_>, Vec<u8>)]) -> Vec<u8> {
    let mut trie = Trie::new();
    for (priority, (file, text)) in (1_u16..).zip(files) {
        import(&mut trie, priority, file.path.as_str(), text);
    }
    trie.bytes(version)
}

/// Where in a record a line is.
#[derive(PartialEq)]
enum State {
    Outside,
    Patterns,
    Properties,
}

fn import(trie: &mut Trie, priority: u16, file: &str, text: &[u8]) {
    let mut state = State::Outside;
    let mut patterns: Vec<&[u8]> = Vec::new();
    for (number, line) in (1_u32..).zip(lines(text)) {
        if line.starts_with(b"#") {
            continue;
        }
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii_end();
        let indented = line.starts_with(b" ");
        match state {
            State::Outside | State::Patterns if !line.is_empty() && !indented => {
                patterns.push(line);
                state = State::Patterns;
            }
            State::Patterns | State::Properties if indented => {
                state = State::Properties;
                let source = Source { file, line: number, priority };
                property(trie, &patterns, line, &source);
            }
            State::Outside => {}
            State::Patterns | State::Properties => {
                patterns.clear();
                state = State::Outside;
            }
        }
    }
}

/// Adds ` KEY=VALUE` to all patterns of the record.
fn property(trie: &mut Trie, patterns: &[&[u8]], line: &[u8], source: &Source<'_>) {
    let Some(equals) = line.iter().position(|byte| *byte == b'=') else { return };
    let (key, value) = line.split_at(equals);
    // one blank stays before the key, which is how readers know the form
    let blanks = key.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let key = key.get(blanks.saturating_sub(1)..).unwrap_or_default();
    if key.len() > 1 {
        patterns
            .iter()
            .for_each(|pattern| trie.insert(pattern, key, value.get(1..).unwrap_or_default(), source));
    }
}

/// The lines of a text; a NUL ends one too, and so none has any.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b'\n' | 0))
}
