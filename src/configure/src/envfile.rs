//! Environment files: `KEY=value` lines in the POSIX shell's form of an assignment, read as data.
//!
//! [`read()`] takes what cloud-init's scripts and people write (single quotes, double quotes, `$'…'`, none; over several
//! lines) and refuses whatever a shell would execute or expand, rather than guess. [`line`] writes the one form that
//! bash, dash and systemd's `EnvironmentFile=` read alike: single quotes, or double quotes where the value has a single
//! one (POSIX.1-2024 XCU 2.2; systemd.exec(5)). Invariant: `read(line(key, value)) == [(key, value)]` for every
//! value that [`line`] accepts. Deliberately absent: expansion of any kind, `+=`, arrays.

mod read;
#[cfg(test)]
mod tests;

pub use read::{Assignment, FILE_LIMIT, Syntax, VALUE_LIMIT, is_key, read};

/// `KEY='value'` with a newline at the end; none for a value that no spelling is safe for (NUL, CR).
#[must_use]
pub fn line(key: &str, value: &str) -> Option<String> {
    let mut out = String::with_capacity(key.len() + value.len() + 4);
    out.push_str(key);
    out.push('=');
    if value.contains(['\0', '\r']) {
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
