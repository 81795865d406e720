//! `wc`: counts lines, words and bytes.

use super::Input;
use super::common::{Done, Run, length, unsupported};
use super::options::{Grammar, Takes};

const GRAMMAR: Grammar = Grammar {
    name: "wc",
    short: "clLmw",
    long: &[
        ("bytes", 'c', Takes::Nothing),
        ("chars", 'm', Takes::Nothing),
        ("lines", 'l', Takes::Nothing),
        ("words", 'w', Takes::Nothing),
        ("max-line-length", 'L', Takes::Nothing),
    ],
    in_order: false,
};

/// `wc`.
pub(super) fn wc(input: &mut Input<'_>) -> Done {
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("wc", input);
    let has = |letter| given.options.iter().any(|(found, _)| *found == letter);
    if has('L') {
        return unsupported("wc -L");
    }
    // in the C locale a byte is a character; the order is fixed: lines, words, characters, bytes
    let all = given.options.is_empty();
    let shown = [all || has('l'), all || has('w'), has('m'), all || has('c')];
    let single = shown.iter().filter(|shown| **shown).count() == 1;
    let mut rows: Vec<([u64; 4], Option<Vec<u8>>)> = Vec::new();
    let mut total = [0u64; 4];
    let stdin = given.operands.is_empty();
    let files = if stdin { vec![b"-".to_vec()] } else { given.operands };
    if !single && files.iter().any(|file| file == b"-") {
        // the width of the columns depends on what standard input is
        return unsupported("wc of standard input with more than one count");
    }
    for file in &files {
        let Some(data) = run.open_or_complain(file, 1) else { continue };
        run.step(length(data.len()) / 64 + 1)?;
        let lines = length(data.iter().filter(|byte| **byte == b'\n').count());
        let words = data.split(|byte| matches!(byte, b' ' | b'\t'..=b'\r'));
        // a word holds something that can be printed
        let printable = |word: &&[u8]| word.iter().any(u8::is_ascii_graphic);
        let row = [lines, length(words.filter(printable).count()), length(data.len()), length(data.len())];
        for (sum, count) in total.iter_mut().zip(row) {
            *sum = sum.saturating_add(count);
        }
        rows.push((row, (!stdin).then(|| file.clone())));
    }
    let width = if files.len() == 1 && single { 1 } else { total[3].to_string().len() };
    if files.len() > 1 {
        rows.push((total, Some(b"total".to_vec())));
    }
    for (row, name) in rows {
        let counts: Vec<String> = row
            .iter()
            .zip(shown)
            .filter(|(_, shown)| *shown)
            .map(|(count, _)| format!("{count:>width$}"))
            .collect();
        run.put(counts.join(" ").as_bytes())?;
        if let Some(name) = name {
            run.put(&[b" ", name.as_slice()].concat())?;
        }
        run.put(b"\n")?;
    }
    run.finish()
}
