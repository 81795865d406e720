//! `sed`: edits a stream, as GNU's does.

mod parse;
mod run;
mod script;

use super::Input;
use super::common::{Done, Run, text, unsupported};
use super::options::{Grammar, Takes};

const GRAMMAR: Grammar = Grammar {
    name: "sed",
    short: "ne:f:Eri::szub",
    long: &[
        ("quiet", 'n', Takes::Nothing),
        ("silent", 'n', Takes::Nothing),
        ("expression", 'e', Takes::Value),
        ("file", 'f', Takes::Value),
        ("regexp-extended", 'E', Takes::Nothing),
        ("in-place", 'i', Takes::Maybe),
        ("separate", 's', Takes::Nothing),
        ("null-data", 'z', Takes::Nothing),
        ("unbuffered", 'u', Takes::Nothing),
        ("binary", 'b', Takes::Nothing),
    ],
    in_order: false,
};

/// How the stream is edited.
struct Settings {
    quiet: bool,
    separate: bool,
    /// Files are written in their place; the suffix of their backups.
    in_place: Option<Vec<u8>>,
    /// What ends a line.
    end: u8,
}

/// `sed`.
pub(super) fn sed(input: &mut Input<'_>) -> Done {
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("sed", input);
    let mut settings = Settings { quiet: false, separate: false, in_place: None, end: b'\n' };
    let mut extended = false;
    let mut script: Option<Vec<u8>> = None;
    for (letter, value) in given.options {
        let mut add = |more: &[u8]| match &mut script {
            Some(script) => {
                script.push(b'\n');
                script.extend_from_slice(more);
            }
            None => script = Some(more.to_vec()),
        };
        match letter {
            'n' => settings.quiet = true,
            'e' => add(&value),
            'f' => match run.open(&value) {
                Ok(data) => add(data.strip_suffix(b"\n").unwrap_or(&data)),
                Err(error) => return run.fail(&format!("couldn't open file {}: {error}", text(&value)), 1),
            },
            'E' | 'r' => extended = true,
            'i' => {
                settings.separate = true;
                settings.in_place = Some(value);
            }
            's' => settings.separate = true,
            'z' => settings.end = 0,
            _ => {}
        }
    }
    let mut operands = given.operands;
    let script = match script {
        Some(script) => script,
        None if operands.is_empty() => return run.fail("no script specified", 1),
        None => operands.remove(0),
    };
    if settings.in_place.as_ref().is_some_and(|suffix| suffix.contains(&b'*') || suffix.contains(&b'/')) {
        return unsupported("sed -i with a suffix that holds * or /");
    }
    // a script may ask for silence in its first line
    if script == b"#n" || script.starts_with(b"#n\n") {
        settings.quiet = true;
    }
    let (result, script) = parse::parse(&script, extended);
    let (words, status) = match result {
        Ok(()) => return run::run(run, &script, &settings, &operands),
        Err(parse::Error::Invalid(words)) => (format!("-e expression #1: {words}"), 1),
        Err(parse::Error::Label(words)) => (words, 4),
        Err(parse::Error::Failure(failure)) => return Err(failure),
    };
    // what it would write was opened already
    for file in script.files.iter().filter(|file| !file.starts_with(b"/dev/")) {
        run.write(file, Vec::new())?;
    }
    run.fail(&words, status)
}
