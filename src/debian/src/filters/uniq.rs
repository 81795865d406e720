//! `uniq`: one line of those that repeat.

use super::Input;
use super::common::{Done, Run, number, records, size, text};
use super::options::{Grammar, Takes};

const GRAMMAR: Grammar = Grammar {
    name: "uniq",
    short: "cdiuzf:s:w:",
    long: &[
        ("count", 'c', Takes::Nothing),
        ("repeated", 'd', Takes::Nothing),
        ("ignore-case", 'i', Takes::Nothing),
        ("unique", 'u', Takes::Nothing),
        ("zero-terminated", 'z', Takes::Nothing),
        ("skip-fields", 'f', Takes::Value),
        ("skip-chars", 's', Takes::Value),
        ("check-chars", 'w', Takes::Value),
    ],
    in_order: false,
};

/// `uniq`.
pub(super) fn uniq(input: &mut Input<'_>) -> Done {
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("uniq", input);
    let (mut counts, mut once, mut more, mut fold, mut end) = (false, true, true, false, b'\n');
    let (mut fields, mut skip, mut width) = (0, 0, usize::MAX);
    for (letter, value) in &given.options {
        let value = number(value).map(size);
        match letter {
            'c' => counts = true,
            'd' => once = false,
            'u' => more = false,
            'i' => fold = true,
            'z' => end = 0,
            'f' | 's' | 'w' => {
                let Some(value) = value else { return run.fail("invalid number", 1) };
                match letter {
                    'f' => fields = value,
                    's' => skip = value,
                    _ => width = value,
                }
            }
            _ => {}
        }
    }
    let (source, target) = match given.operands.as_slice() {
        [] => (b"-".as_slice(), None),
        [source] => (source.as_slice(), None),
        [source, target] => (source.as_slice(), Some(target.as_slice()).filter(|target| *target != b"-")),
        [_, _, extra, ..] => return run.fail(&format!("extra operand '{}'", text(extra)), 1),
    };
    let Some(data) = run.open_or_complain(source, 1) else { return run.finish() };
    let key = |line: &[u8]| {
        let mut at = 0;
        for _ in 0..fields.min(line.len()) {
            at += line[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            at += line[at..].iter().take_while(|byte| !matches!(byte, b' ' | b'\t')).count();
        }
        let rest = line.get(at.saturating_add(skip)..).unwrap_or_default();
        let rest = rest.get(..width).unwrap_or(rest);
        if fold { rest.to_ascii_uppercase() } else { rest.to_vec() }
    };
    let mut lines = records(&data, end).peekable();
    while let Some(line) = lines.next() {
        run.step(1)?;
        let wanted = key(line);
        let mut count = 1u64;
        while lines.peek().is_some_and(|next| key(next) == wanted) {
            lines.next();
            run.step(1)?;
            count += 1;
        }
        if if count == 1 { once } else { more } {
            if counts {
                run.put(format!("{count:7} ").as_bytes())?;
            }
            run.line(line, end)?;
        }
    }
    if let Some(target) = target {
        let data = std::mem::take(&mut run.out.stdout);
        run.write(target, data)?;
    }
    run.finish()
}
