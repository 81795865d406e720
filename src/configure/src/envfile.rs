//! Environment files: `KEY=value` lines in the POSIX shell's form of an assignment, read as data.
//!
//! [`read()`] takes what cloud-init's scripts and people write (single quotes, double quotes, `$'…'`, none; over several
//! lines) and refuses whatever a shell would execute or expand, rather than guess. [`line()`] writes the one form that
//! bash, dash and systemd's `EnvironmentFile=` read alike: single quotes, or double quotes where the value has a single
//! one (POSIX.1-2024 XCU 2.2; systemd.exec(5)). Invariant: `read(line(key, value)) == [(key, value)]` for every
//! value that [`line()`] accepts. Not supported, on purpose: expansion of any kind, `+=`, arrays.

mod read;
#[cfg(test)]
mod tests;

pub use read::{Assignment, FILE_LIMIT, NO_MARK, Syntax, VALUE_LIMIT, is_key, read};

/// Whether no spelling of `character` is read alike by all. systemd refuses a whole file for one code point that Unicode
/// keeps for no character (U+FDD0–U+FDEF, U+xxFFFE, U+xxFFFF; its utf8.c), and silently drops an assignment with a control
/// character but tab and newline (its env-util.c).
fn is_unsafe(character: char) -> bool {
    let code = u32::from(character);
    let control = character.is_ascii_control() && !matches!(character, '\t' | '\n');
    control || is_no_character(code)
}

pub(crate) fn is_no_character(code: u32) -> bool {
    matches!(code, 0xfdd0..=0xfdef) || code & 0xfffe == 0xfffe
}

/// `KEY='value'` with a newline at the end; none for a value that no spelling is safe for: control characters but tab and
/// newline, code points that are not characters.
#[must_use]
pub fn line(key: &str, value: &str) -> Option<String> {
    let mut out = String::with_capacity(key.len() + value.len() + 4);
    out.push_str(key);
    out.push('=');
    if value.contains(is_unsafe) {
        return None;
    }
    if value.contains('\'') {
        out.push('"');
        for character in value.chars() {
            if matches!(character, '"' | '\\' | '$' | '`') {
                out.push('\\');
            }
            out.push(character);
        }
        out.push('"');
    } else {
        out.push('\'');
        out.push_str(value);
        out.push('\'');
    }
    out.push('\n');
    Some(out)
}
