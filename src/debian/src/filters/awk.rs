//! `awk`, as mawk has it: POSIX's language without what only a running machine could answer.

mod lex;
mod parse;
mod run;
mod tree;
mod value;

use super::Input;
use super::common::{Done, Run, text, unsupported};
use super::options::{Grammar, Takes};

const GRAMMAR: Grammar = Grammar {
    name: "awk",
    short: "F:f:v:",
    long: &[
        ("field-separator", 'F', Takes::Value),
        ("file", 'f', Takes::Value),
        ("assign", 'v', Takes::Value),
    ],
    in_order: true,
};

/// `awk`.
pub(super) fn awk(input: &mut Input<'_>) -> Done {
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("awk", input);
    let (mut separator, mut program, mut assigned) = (None, None::<Vec<u8>>, Vec::new());
    for (letter, value) in given.options {
        match letter {
            'F' => separator = Some(value),
            'v' => assigned.push(value),
            _ => match run.open(&value) {
                Ok(data) => {
                    let program = program.get_or_insert_default();
                    program.extend_from_slice(&data);
                    program.push(b'\n');
                }
                Err(error) => return run.fail(&format!("cannot open {} ({error})", text(&value)), 2),
            },
        }
    }
    let mut operands = given.operands;
    let program = match program {
        Some(program) => program,
        None if operands.is_empty() => return run.fail("no program", 2),
        None => operands.remove(0),
    };
    let program = parse::parse(&program)?;
    // `-F t` stands for a tab
    let separator = match separator.as_deref() {
        Some(b"t") => Some(b"\t".to_vec()),
        Some(b"") => return unsupported("awk -F without a separator"),
        _ => separator,
    };
    run::run(run, &program, separator.as_deref(), &assigned, &operands)
}
