//! `cmp` and `diff`: compare files.

use super::Input;
use super::common::{Done, Run, length, records, text, unsupported};
use super::options::{Grammar, Takes};

/// `cmp`.
pub(super) fn cmp(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "cmp",
        short: "s",
        long: &[("quiet", 's', Takes::Nothing), ("silent", 's', Takes::Nothing)],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("cmp", input);
    let silent = !given.options.is_empty();
    let stdin = b"-".to_vec();
    let (one, other) = match given.operands.as_slice() {
        [one] => (one, &stdin),
        [one, other] => (one, other),
        [] => return run.fail("missing operand after 'cmp'", 2),
        _ => return unsupported("cmp with more than two operands"),
    };
    if one == other {
        if one != b"-" {
            run.open_or_complain(one, 2);
        }
        return run.finish();
    }
    let mut files = Vec::new();
    for file in [one, other] {
        match run.open(file) {
            Ok(data) => files.push(data),
            Err(error) => {
                if !silent {
                    run.complain(&format!("{}: {error}", text(file)));
                }
                run.out.status = 2;
                return run.finish();
            }
        }
    }
    let [a, b] = files.as_slice() else { return run.finish() };
    run.step(length(a.len().min(b.len())) / 64 + 1)?;
    let differ = a.iter().zip(b.iter()).position(|(a, b)| a != b);
    if differ.is_none() && a.len() == b.len() {
        return run.finish();
    }
    run.out.status = 1;
    if silent {
        return run.finish();
    }
    // in the C locale it says `char`
    let lines = |end: usize| a[..end].iter().filter(|byte| **byte == b'\n').count();
    match differ {
        Some(at) => {
            let line =
                format!("{} {} differ: char {}, line {}\n", text(one), text(other), at + 1, lines(at) + 1);
            run.put(line.as_bytes())?;
        }
        None => {
            let short = if a.len() < b.len() { one } else { other };
            let end = a.len().min(b.len());
            let count = lines(end);
            let words = match end {
                0 => format!("EOF on {} which is empty", text(short)),
                _ if a[..end].ends_with(b"\n") => {
                    format!("EOF on {} after byte {end}, line {count}", text(short))
                }
                _ => format!("EOF on {} after byte {end}, in line {}", text(short), count + 1),
            };
            run.complain(&words);
        }
    }
    run.finish()
}

/// What is no difference.
#[derive(Clone, Copy)]
struct Ignored {
    /// Blanks.
    all: bool,
    /// How many blanks, and those at the end of a line.
    runs: bool,
    /// Empty lines.
    lines: bool,
    case: bool,
}

impl Ignored {
    fn any(self) -> bool {
        self.all || self.runs || self.lines || self.case
    }

    /// The lines without what is ignored.
    fn normal(self, data: &[u8]) -> Vec<Vec<u8>> {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
        let line = |line: &[u8]| {
            let mut normal = Vec::new();
            for byte in line {
                match byte {
                    byte if self.all && blank(byte) => {}
                    byte if self.runs && blank(byte) => {
                        if normal.last() != Some(&b' ') {
                            normal.push(b' ');
                        }
                    }
                    byte => normal.push(*byte),
                }
            }
            if self.runs && normal.last() == Some(&b' ') {
                normal.pop();
            }
            if self.case {
                normal.make_ascii_lowercase();
            }
            normal
        };
        records(data, b'\n').map(line).filter(|line| !(self.lines && line.is_empty())).collect()
    }
}

/// `diff`: whether files differ. What it would print of a difference is not supported: which lines it takes for the same
/// where several choices are as short is a matter of its algorithm.
pub(super) fn diff(input: &mut Input<'_>) -> Done {
    const GRAMMAR: Grammar = Grammar {
        name: "diff",
        short: "qsuaNU:wbBi",
        long: &[
            ("brief", 'q', Takes::Nothing),
            ("report-identical-files", 's', Takes::Nothing),
            ("text", 'a', Takes::Nothing),
            ("new-file", 'N', Takes::Nothing),
            ("unified", 'U', Takes::Maybe),
        ],
        in_order: false,
    };
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("diff", input);
    let has = |letter| given.options.iter().any(|(found, _)| *found == letter);
    let [one, other] = given.operands.as_slice() else {
        return run.fail("missing operand", 2);
    };
    let mut files = Vec::new();
    for file in [one, other] {
        match run.open(file) {
            Ok(data) => files.push(data),
            Err(error) if has('N') && error == "No such file or directory" => files.push(Vec::new().into()),
            Err(error) => {
                run.complain(&format!("{}: {error}", text(file)));
                run.out.status = 2;
            }
        }
    }
    let [a, b] = files.as_slice() else { return run.finish() };
    run.step(length(a.len().min(b.len())) / 64 + 1)?;
    let ignored = Ignored { all: has('w'), runs: has('b'), lines: has('B'), case: has('i') };
    if a == b || ignored.any() && ignored.normal(a) == ignored.normal(b) {
        if has('s') {
            run.put(format!("Files {} and {} are identical\n", text(one), text(other)).as_bytes())?;
        }
    } else if has('q') {
        run.put(format!("Files {} and {} differ\n", text(one), text(other)).as_bytes())?;
        run.out.status = 1;
    } else {
        return unsupported(format!("diff of files that differ: {} and {}", text(one), text(other)));
    }
    run.finish()
}
