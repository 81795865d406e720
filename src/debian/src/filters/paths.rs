//! `basename` and `dirname`.

use super::Input;
use super::common::{Done, Run, text};
use super::options::{Grammar, Takes};

/// `basename`.
pub(super) fn basename(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "basename",
        short: "as:z",
        long: &[
            ("multiple", 'a', Takes::Nothing),
            ("suffix", 's', Takes::Value),
            ("zero", 'z', Takes::Nothing),
        ],
        in_order: true,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("basename", input);
    let has = |letter| given.options.iter().any(|(found, _)| *found == letter);
    let end = if has('z') { 0 } else { b'\n' };
    let suffix =
        given.options.iter().rev().find(|(letter, _)| *letter == 's').map(|(_, value)| value.as_slice());
    let several = has('a') || suffix.is_some();
    let (names, suffix) = match given.operands.as_slice() {
        [] => return run.fail("missing operand", 1),
        names if several => (names, suffix),
        [_] => (given.operands.as_slice(), None),
        [_, suffix] => (&given.operands[..1], Some(suffix.as_slice())),
        [_, _, extra, ..] => return run.fail(&format!("extra operand '{}'", text(extra)), 1),
    };
    for name in names {
        run.step(1)?;
        let base = base(name);
        let base = match suffix.and_then(|suffix| base.strip_suffix(suffix)) {
            Some(rest) if !rest.is_empty() && base != b"/" => rest,
            _ => base,
        };
        run.line(base, end)?;
    }
    run.finish()
}

/// `dirname`.
pub(super) fn dirname(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar =
        Grammar { name: "dirname", short: "z", long: &[("zero", 'z', Takes::Nothing)], in_order: true };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("dirname", input);
    let end = if given.options.is_empty() { b'\n' } else { 0 };
    if given.operands.is_empty() {
        return run.fail("missing operand", 1);
    }
    for name in &given.operands {
        run.step(1)?;
        run.line(directory(name), end)?;
    }
    run.finish()
}

fn trim(name: &[u8]) -> &[u8] {
    let slashes = name.iter().rev().take_while(|byte| **byte == b'/').count();
    &name[..name.len() - slashes]
}

fn base(name: &[u8]) -> &[u8] {
    let trimmed = trim(name);
    if trimmed.is_empty() {
        return if name.is_empty() { b"" } else { b"/" };
    }
    trimmed.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

fn directory(name: &[u8]) -> &[u8] {
    let trimmed = trim(name);
    match trimmed.iter().rposition(|byte| *byte == b'/') {
        Some(at) => match trim(&trimmed[..at]) {
            [] => b"/",
            directory => directory,
        },
        None if trimmed.is_empty() && !name.is_empty() => b"/",
        None => b".",
    }
}
