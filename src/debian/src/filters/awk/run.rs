//! Runs awk programs.

mod builtins;
mod expressions;
mod files;
mod records;
mod statements;
mod variables;

use super::super::Failure;
use super::super::common::{Done, Run, push, take, text};
use super::super::regex::Regex;
use super::lex::unescape;
use super::tree::{Program, When, place};
use super::value::Value;
use files::Files;
use records::Source;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How deep evaluation may be nested.
const DEPTH: usize = 200;

type Array = BTreeMap<Rc<[u8]>, Value>;

/// A variable.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    /// Nothing is known yet.
    New,
    Scalar(Value),
    /// An array, by its number.
    Array(usize),
    /// It becomes that array, or a scalar.
    Either(usize),
}

/// What the program has reached. It is cloned and compared to see whether the order of a loop matters.
#[derive(Debug, Clone, PartialEq)]
struct State {
    globals: Vec<Cell>,
    frames: Vec<Vec<Cell>>,
    arrays: Vec<Array>,
    /// How much the arrays hold, about.
    held: usize,
    record: Rc<[u8]>,
    /// The record is to be put together from its fields.
    stale: bool,
    fields: Vec<Value>,
    ranges: Vec<bool>,
    source: Source,
    files: Files,
    status: u8,
}

/// What comes after a statement.
#[derive(Debug, Clone, PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
    Next,
    NextFile,
    Exit,
    Return(Value),
}

/// Why evaluation stops.
enum Stop {
    Failure(Failure),
    /// The complaint with which awk ends.
    Fatal(String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

type Evaluated<T> = Result<T, Stop>;

struct Machine<'m, 'r, 'i> {
    run: &'m mut Run<'r, 'i>,
    program: &'m Program,
    state: State,
    depth: usize,
    patterns: BTreeMap<Rc<[u8]>, Rc<Regex>>,
}

/// Runs a program on its operands.
pub(super) fn run(
    mut run: Run<'_, '_>,
    program: &Program,
    separator: Option<&[u8]>,
    assigned: &[Vec<u8>],
    operands: &[Vec<u8>],
) -> Done {
    let env = run.input.env;
    let mut machine = Machine {
        run: &mut run,
        program,
        state: State {
            globals: vec![Cell::New; program.globals.len()],
            frames: Vec::new(),
            arrays: Vec::new(),
            held: 0,
            record: Rc::from(&b""[..]),
            stale: false,
            fields: Vec::new(),
            ranges: vec![false; program.ranges],
            source: Source::default(),
            files: Files::default(),
            status: 0,
        },
        depth: 0,
        patterns: BTreeMap::new(),
    };
    machine.prepare(env, separator, operands)?;
    let ended = machine.all(assigned);
    match ended {
        Ok(()) => {}
        Err(Stop::Failure(failure)) => return Err(failure),
        Err(Stop::Fatal(words)) => {
            machine.state.files.complain(&format!("mawk: {words}\n"))?;
            machine.state.status = 2;
        }
    }
    machine.finish()?;
    let State { status, files, .. } = machine.state;
    run.put(&files.stdout)?;
    push(&mut run.out.stderr, &files.stderr)?;
    for file in files.written {
        run.write(&file.name, file.data)?;
    }
    run.out.status = status;
    run.finish()
}

impl Machine<'_, '_, '_> {
    fn prepare(
        &mut self,
        env: &[(Vec<u8>, Vec<u8>)],
        separator: Option<&[u8]>,
        operands: &[Vec<u8>],
    ) -> Result<(), Failure> {
        let defaults: [(usize, &[u8]); 7] = [
            (place::FS, b" "),
            (place::OFS, b" "),
            (place::ORS, b"\n"),
            (place::RS, b"\n"),
            (place::SUBSEP, b"\x1c"),
            (place::CONVFMT, b"%.6g"),
            (place::OFMT, b"%.6g"),
        ];
        for (place, value) in defaults {
            self.state.globals[place] = Cell::Scalar(Value::Text(value.into()));
        }
        for place in [place::NR, place::FNR, place::RSTART] {
            self.state.globals[place] = Cell::Scalar(Value::Number(0.0));
        }
        self.state.globals[place::RLENGTH] = Cell::Scalar(Value::Number(-1.0));
        if let Some(separator) = separator {
            self.state.globals[place::FS] = Cell::Scalar(Value::Text(unescape(separator)?.into()));
        }
        let count = operands.len() + 1;
        #[expect(clippy::cast_precision_loss, reason = "there are not that many arguments")]
        let count = count as f64;
        self.state.globals[place::ARGC] = Cell::Scalar(Value::Number(count));
        let mut argv = Array::from([(Rc::from(&b"0"[..]), Value::outside(b"awk"))]);
        for (index, operand) in operands.iter().enumerate() {
            argv.insert((index + 1).to_string().into_bytes().into(), Value::outside(operand));
        }
        let environ =
            env.iter().map(|(name, value)| (Rc::from(name.as_slice()), Value::outside(value))).collect();
        self.state.arrays = vec![argv, environ];
        self.state.globals[place::ARGV] = Cell::Array(0);
        self.state.globals[place::ENVIRON] = Cell::Array(1);
        Ok(())
    }

    /// `BEGIN`, the input, `END`.
    fn all(&mut self, assigned: &[Vec<u8>]) -> Evaluated<()> {
        for assignment in assigned {
            if !self.assign_operand(assignment)? {
                return Err(Stop::Fatal(format!("improper assignment: -v {}", text(assignment))));
            }
        }
        let program = self.program;
        let mut left = self.block(&program.begin)? == Flow::Exit;
        if !left && (!program.rules.is_empty() || program.ends) {
            while !left {
                let Some(record) = self.next_record()? else { break };
                self.set_record(&record)?;
                left = self.rules()? == Flow::Exit;
            }
        }
        self.block(&program.end)?;
        Ok(())
    }

    fn rules(&mut self) -> Evaluated<Flow> {
        let program = self.program;
        for (when, body) in &program.rules {
            let applies = match when {
                When::Always => true,
                When::Matches(expression) => self.evaluate(expression)?.truth(),
                When::Between(range, first, second) => {
                    let open = self.state.ranges[*range] || self.evaluate(first)?.truth();
                    if open {
                        self.state.ranges[*range] = !self.evaluate(second)?.truth();
                    }
                    open
                }
            };
            if !applies {
                continue;
            }
            match self.block(body)? {
                Flow::Next => return Ok(Flow::On),
                Flow::NextFile => {
                    self.state.source.skip();
                    return Ok(Flow::On);
                }
                Flow::Exit => return Ok(Flow::Exit),
                _ => {}
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self) -> Result<(), Failure> {
        take(self.run.input.steps, 1)
    }

    fn deeper<T>(&mut self, evaluate: impl FnOnce(&mut Self) -> Evaluated<T>) -> Evaluated<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Failure::Limit("200 levels of evaluation").into());
        }
        let value = evaluate(self);
        self.depth -= 1;
        value
    }
}

/// A count as a value.
#[expect(clippy::cast_precision_loss, reason = "what is in memory can be counted exactly")]
fn number(count: usize) -> Value {
    Value::Number(count as f64)
}
