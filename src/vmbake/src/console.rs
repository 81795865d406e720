//! Standard output and standard error: the one door to them.
//!
//! Results go to standard output, everything else to standard error. A reader that goes away early is no fault: what
//! cannot be written is dropped, and nothing here panics.

use crate::cli;
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use tree::refusal::Class;
use tree::refusal::{hides, shown};

/// Whether standard output has its one JSON document.
static IS_JSON_OUT: AtomicBool = AtomicBool::new(false);

/// What the program is called, where that is not `vmbake`.
static NAME: OnceLock<&str> = OnceLock::new();

/// Says that this program is called `name`: commands in messages are told with that.
pub fn call(name: &'static str) {
    let _ = NAME.set(name);
}

/// `text`, which names commands of `vmbake`, as the program called `name` has them: after a backtick, a blank of an
/// indented line or of a list, and only before the name of a command, so that no other word changes.
#[must_use]
pub fn spelled(text: &str, name: &str) -> String {
    const PROGRAM: &str = "vmbake ";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PROGRAM) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = &from[PROGRAM.len()..];
        let word = after.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
        let begins = before.ends_with(['`', ' ', '\n']) || (before.is_empty() && out.is_empty());
        if begins && cli::is_command(word) {
            out.push_str(name);
            out.push(' ');
        } else {
            out.push_str(PROGRAM);
        }
        rest = after;
    }
    out + rest
}

/// `text` with commands as this program has them.
fn own(text: &str) -> Cow<'_, str> {
    match NAME.get() {
        Some(name) => spelled(text, name).into(),
        None => text.into(),
    }
}

/// A line of the result.
pub fn line(text: impl Display) {
    // a closed or full output must not turn a finished bake into a failed one
    let _ = writeln!(std::io::stdout().lock(), "{}", seen(&own(&text.to_string())));
}

/// `text` with what a terminal would take for a command, or not show, escaped; its lines and tabs stay.
fn seen(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .map(|part| {
            let end = part.trim_end_matches(['\n', '\t']).len();
            format!("{}{}", shown(&part[..end]), &part[end..])
        })
        .collect()
}

/// JSON with the same characters escaped as JSON has it.
fn seen_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && hides(c) {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// The result as one JSON document.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(seen_json(&serde_json::to_string_pretty(value)?));
    IS_JSON_OUT.store(true, Ordering::Relaxed);
    Ok(())
}

/// Standard output for bytes of the result, as they are. Here a failed write is a failure: half a file is not a file.
pub struct Stdout;

impl std::io::Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stdout().lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().lock().flush()
    }
}

/// A line next to the result: what is going on, or a warning.
pub fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{}", seen(&own(&text.to_string())));
}

/// Says at the end of a command, however it ends, what was found wrong in the store.
pub struct Rejected<'s>(pub &'s store::Store);

impl Drop for Rejected<'_> {
    fn drop(&mut self) {
        for name in self.0.rejected() {
            note(format!(
                "warning: `{}` in the store is damaged or forged; it was not used, and was moved to `aside`",
                shown(&name)
            ));
        }
    }
}

/// A failure as JSON.
#[derive(Serialize)]
struct Failure<'a> {
    error: Failed<'a>,
}

#[derive(Serialize)]
struct Failed<'a> {
    /// The class of a refusal; none where the tool itself failed.
    class: Option<Class>,
    exit_code: u8,
    /// The file, component or package that it is about.
    artifact: Option<&'a str>,
    /// Which stage refused.
    stage: Option<tree::refusal::Stage>,
    /// The whole line, as standard error has it after `error: `.
    message: String,
    hint: Option<Cow<'a, str>>,
}

/// Says why a command failed, and gives its exit code: that of the refusal's class, else 1. With `json` standard output
/// gets it as well, unless the result stands there already and says it.
pub fn failed(error: &anyhow::Error, json: bool) -> ExitCode {
    let refusal = error.chain().find_map(|cause| cause.downcast_ref::<tree::refusal::Refusal>());
    let failed = match refusal {
        Some(refusal) => Failed {
            class: Some(refusal.class),
            exit_code: refusal.class.exit_code(),
            artifact: Some(&refusal.artifact),
            stage: Some(refusal.stage),
            message: own(&refusal.to_string()).into_owned(),
            hint: crate::remedy::hint(refusal).map(|hint| own(&hint).into_owned().into()),
        },
        None => {
            let is_io = error.is::<std::io::Error>();
            let (class, exit_code) = if is_io { (Some(Class::Io), 6) } else { (None, 1) };
            let message = shown(&format!("{error:#}")).into_owned();
            Failed { class, exit_code, artifact: None, stage: None, message, hint: None }
        }
    };
    note(format!("error: {}", failed.message));
    if let Some(hint) = &failed.hint {
        note(format!("hint: {}", shown(hint)));
    }
    report(failed, json)
}

/// Help, the version, or wrong use: 0 for what was asked for, else 2.
pub fn usage(error: &clap::Error, json: bool) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let failed = Failed {
        class: Some(Class::Usage),
        exit_code: Class::Usage.exit_code(),
        artifact: None,
        stage: None,
        message,
        hint: None,
    };
    report(failed, json)
}

fn report(failed: Failed<'_>, json: bool) -> ExitCode {
    let code = ExitCode::from(failed.exit_code);
    if json && !IS_JSON_OUT.load(Ordering::Relaxed) {
        // it has been said on standard error
        let _ = self::json(&Failure { error: failed });
    }
    code
}

/// A number of bytes for people: `612 MB`, by thousands as disks and networks count.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A number of bytes as options take it: `20G` is 20 times 2^30.
pub fn bytes(text: &str) -> anyhow::Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..).unwrap_or_default() {
        "" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        unit => bail!("unknown unit `{unit}`; expected one of K, M, G, T"),
    };
    digits.parse::<u64>()?.checked_mul(1 << shift).context("too large")
}

#[cfg(test)]
mod tests {
    use super::{bytes, seen, seen_json, size};

    #[test]
    fn what_would_move_a_terminal_is_escaped_and_lines_stay() {
        assert_eq!(seen("a\tb\n\u{1b}[2J\u{9b}2J\u{202e}\n"), "a\tb\n\\u{1b}[2J\\u{9b}2J\\u{202e}\n");
        let text = serde_json::to_string_pretty(&["\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}é\n"]).unwrap();
        let seen = seen_json(&text);
        assert!(!seen.chars().any(|c| c != '\n' && tree::refusal::hides(c)), "{seen}");
        assert_eq!(
            serde_json::from_str::<Vec<String>>(&seen).unwrap(),
            ["\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}é\n"]
        );
    }

    #[test]
    fn numbers_of_bytes_are_read_in_powers_of_two() {
        for (text, expected) in [("20G", 20 << 30), ("512", 512), ("0", 0), ("300MiB", 300 << 20)] {
            assert_eq!(bytes(text).unwrap(), expected, "{text}");
        }
        for wrong in ["", "G", "20X", "-1", "99999999999T"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (12_345, "12.3 kB"),
            (999_999, "1.00 MB"),
            (611_900_000, "612 MB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }
}
