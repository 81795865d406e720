//! Runs awk programs.

mod files;
mod records;

use super::super::Failure;
use super::super::common::{Done, MEMORY, MEMORY_TEXT, Run, length, push, take, text, unsupported};
use super::super::regex::Regex;
use super::lex::unescape;
use super::parse::pattern;
use super::tree::{
    Builtin, Comparison, Expression, Operator, Output, Pattern, Place, Program, SPECIAL, Statement, Target,
    When, place,
};
use super::value::{Value, sprintf};
use files::Files;
use records::Source;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How deep evaluation may be nested.
const DEPTH: usize = 200;
/// The largest number of fields.
const FIELDS: usize = 1 << 20;

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

    // ---- statements

    fn block(&mut self, statements: &[Statement]) -> Evaluated<Flow> {
        for statement in statements {
            let flow = self.statement(statement)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn statement(&mut self, statement: &Statement) -> Evaluated<Flow> {
        self.step()?;
        self.deeper(|machine| machine.statement_within(statement))
    }

    fn statement_within(&mut self, statement: &Statement) -> Evaluated<Flow> {
        match statement {
            Statement::Expression(expression) => {
                self.evaluate(expression)?;
            }
            Statement::Print(list, output) => self.print(list, output)?,
            Statement::Printf(list, output) => {
                let bytes = self.format(list)?;
                self.emit(&bytes, output)?;
            }
            Statement::If(condition, then, otherwise) => {
                if self.evaluate(condition)?.truth() {
                    return self.statement(then);
                } else if let Some(otherwise) = otherwise {
                    return self.statement(otherwise);
                }
            }
            Statement::While(condition, body) => {
                while self.evaluate(condition)?.truth() {
                    match self.statement(body)? {
                        Flow::Break => break,
                        Flow::On | Flow::Continue => {}
                        flow => return Ok(flow),
                    }
                }
            }
            Statement::Do(body, condition) => loop {
                match self.statement(body)? {
                    Flow::Break => break,
                    Flow::On | Flow::Continue => {}
                    flow => return Ok(flow),
                }
                if !self.evaluate(condition)?.truth() {
                    break;
                }
            },
            Statement::For(start, condition, step, body) => {
                if let Some(start) = start {
                    self.statement(start)?;
                }
                loop {
                    if let Some(condition) = condition
                        && !self.evaluate(condition)?.truth()
                    {
                        break;
                    }
                    match self.statement(body)? {
                        Flow::Break => break,
                        Flow::On | Flow::Continue => {}
                        flow => return Ok(flow),
                    }
                    if let Some(step) = step {
                        self.statement(step)?;
                    }
                }
            }
            Statement::Each(target, array, body) => return self.each(target, *array, body),
            Statement::Block(statements) => return self.block(statements),
            Statement::Next => return Ok(Flow::Next),
            Statement::NextFile => return Ok(Flow::NextFile),
            Statement::Exit(code) => {
                if let Some(code) = code {
                    let code = super::super::number::whole(self.evaluate(code)?.number());
                    self.state.status = u8::try_from(code.rem_euclid(256)).unwrap_or_default();
                }
                return Ok(Flow::Exit);
            }
            Statement::Return(value) => {
                let value = match value {
                    Some(value) => self.evaluate(value)?,
                    None => Value::Unset,
                };
                return Ok(Flow::Return(value));
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Delete(array, keys) => {
                let array = self.array(*array)?;
                match keys {
                    Some(keys) => {
                        let key = self.key(keys)?;
                        self.state.arrays[array].remove(&key);
                    }
                    None => self.state.arrays[array].clear(),
                }
            }
        }
        Ok(Flow::On)
    }

    /// `for (key in array)`. The order of keys is a matter of the implementation, so the loop is run in two orders; where what
    /// they come to differs, it is not for us to choose.
    fn each(&mut self, target: &Target, array: Place, body: &Statement) -> Evaluated<Flow> {
        let array = self.array(array)?;
        let mut keys: Vec<Rc<[u8]>> = self.state.arrays[array].keys().cloned().collect();
        if keys.len() < 2 {
            return self.each_of(target, &keys, body);
        }
        let before = self.state.clone();
        // what is held is copied and compared
        let held = self.state.held / 64 + self.state.files.held() / 4096;
        self.run.step(length(keys.len() + held))?;
        let flow = self.each_of(target, &keys, body)?;
        let mut after = std::mem::replace(&mut self.state, before);
        keys.reverse();
        let other = self.each_of(target, &keys, body)?;
        // the variable of the loop itself is rarely looked at again
        let last = self.state.clone();
        std::mem::swap(&mut self.state, &mut after);
        self.assign(target, Value::Unset)?;
        std::mem::swap(&mut self.state, &mut after);
        self.assign(target, Value::Unset)?;
        if flow != other || self.state != after {
            // nor are those that each round sets again, and nothing else of the program has
            for place in self.scratch(body) {
                let target = Target::Variable(place);
                self.assign(&target, Value::Unset)?;
                std::mem::swap(&mut self.state, &mut after);
                self.assign(&target, Value::Unset)?;
                std::mem::swap(&mut self.state, &mut after);
            }
        }
        if flow != other || self.state != after {
            return Err(Failure::Unsupported("the order of `for (… in …)` in awk".to_owned()).into());
        }
        self.state = last;
        Ok(flow)
    }

    /// The global variables that the body of a loop assigns first of all, and that stand nowhere but in that body.
    fn scratch(&self, body: &Statement) -> Vec<Place> {
        let Statement::Block(statements) = body else { return Vec::new() };
        let times = |text: &str, place: Place| text.matches(&format!("{place:?}")).count();
        let (whole, inner) = (format!("{:?}", self.program), format!("{body:?}"));
        let mut found = Vec::new();
        for statement in statements {
            let Statement::Expression(Expression::Assign(Target::Variable(place @ Place::Global(at)), value)) =
                statement
            else {
                break;
            };
            let own = *at >= SPECIAL.len() && times(&format!("{value:?}"), *place) == 0;
            if own && times(&whole, *place) == times(&inner, *place) {
                found.push(*place);
            }
        }
        found
    }

    fn each_of(&mut self, target: &Target, keys: &[Rc<[u8]>], body: &Statement) -> Evaluated<Flow> {
        for key in keys {
            self.assign(target, Value::Text(key.clone()))?;
            match self.statement(body)? {
                Flow::Break => break,
                Flow::On | Flow::Continue => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::On)
    }

    fn print(&mut self, list: &[Expression], output: &Output) -> Evaluated<()> {
        let mut line = Vec::new();
        if list.is_empty() {
            let record = self.record()?;
            push(&mut line, &record)?;
        }
        let format = self.special(place::OFMT)?;
        let separator = self.special(place::OFS)?;
        for (index, expression) in list.iter().enumerate() {
            if index > 0 {
                push(&mut line, &separator)?;
            }
            let value = self.evaluate(expression)?;
            push(&mut line, &value.text(&format)?)?;
        }
        push(&mut line, &self.special(place::ORS)?)?;
        self.run.step(length(line.len()) / 512)?;
        self.emit(&line, output)
    }

    fn format(&mut self, list: &[Expression]) -> Evaluated<Vec<u8>> {
        let mut values = Vec::new();
        for expression in list {
            values.push(self.evaluate(expression)?);
        }
        let convert = self.special(place::CONVFMT)?;
        let Some((format, values)) = values.split_first() else { return Ok(Vec::new()) };
        Ok(sprintf(&format.text(&convert)?, values, &convert)?)
    }

    // ---- variables

    /// A variable of the language, as text.
    fn special(&self, place: usize) -> Result<Rc<[u8]>, Failure> {
        match &self.state.globals[place] {
            Cell::Scalar(value) => value.text(b"%.6g"),
            _ => Ok(Rc::from(&b""[..])),
        }
    }

    fn cell(&mut self, place: Place) -> &mut Cell {
        let frame = self.state.frames.last_mut();
        match (place, frame) {
            (Place::Local(index), Some(frame)) if index < frame.len() => &mut frame[index],
            (Place::Local(index) | Place::Global(index), _) => &mut self.state.globals[index],
        }
    }

    /// The array that a variable is.
    fn array(&mut self, place: Place) -> Result<usize, Failure> {
        let fresh = self.state.arrays.len();
        let cell = self.cell(place);
        let (number, created) = match cell {
            Cell::Array(number) => (*number, false),
            Cell::Either(number) => (*number, false),
            Cell::New => (fresh, true),
            Cell::Scalar(_) => return unsupported("awk program: a scalar as an array"),
        };
        *cell = Cell::Array(number);
        if created {
            self.new_array()?;
        }
        Ok(number)
    }

    fn new_array(&mut self) -> Result<usize, Failure> {
        if self.state.arrays.len() > 1 << 16 {
            return Err(Failure::Limit(MEMORY_TEXT));
        }
        self.state.arrays.push(Array::new());
        Ok(self.state.arrays.len() - 1)
    }

    fn key(&mut self, keys: &[Expression]) -> Evaluated<Rc<[u8]>> {
        let format = self.special(place::CONVFMT)?;
        if let [one] = keys {
            return Ok(self.evaluate(one)?.text(&format)?);
        }
        let separator = self.special(place::SUBSEP)?;
        let mut joined = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if index > 0 {
                push(&mut joined, &separator)?;
            }
            let key = self.evaluate(key)?;
            push(&mut joined, &key.text(&format)?)?;
        }
        Ok(joined.into())
    }

    fn variable(&mut self, place: Place) -> Evaluated<Value> {
        if place == Place::Global(place::NF) {
            return Ok(number(self.state.fields.len()));
        }
        match self.cell(place) {
            Cell::Scalar(value) => Ok(value.clone()),
            Cell::New | Cell::Either(_) => Ok(Value::Unset),
            Cell::Array(_) => Ok(unsupported("awk program: an array as a scalar")?),
        }
    }

    /// Counts what an array holds.
    fn hold(&mut self, size: usize) -> Result<(), Failure> {
        self.state.held = self.state.held.saturating_add(size + 64);
        if self.state.held > MEMORY { Err(Failure::Limit(MEMORY_TEXT)) } else { Ok(()) }
    }

    fn read(&mut self, target: &Target) -> Evaluated<Value> {
        match target {
            Target::Variable(place) => self.variable(*place),
            Target::Element(array, keys) => {
                let key = self.key(keys)?;
                let array = self.array(*array)?;
                if let Some(value) = self.state.arrays[array].get(&key) {
                    return Ok(value.clone());
                }
                // looking at an element makes it
                self.hold(key.len())?;
                self.state.arrays[array].insert(key, Value::Unset);
                Ok(Value::Unset)
            }
            Target::Field(index) => {
                let index = self.evaluate(index)?.number();
                self.field(index)
            }
        }
    }

    fn field(&mut self, index: f64) -> Evaluated<Value> {
        let index = field_index(index)?;
        if index == 0 {
            let record = self.record()?;
            return Ok(Value::outside(&record));
        }
        // beyond the last field there is text of no length
        Ok(self.state.fields.get(index - 1).cloned().unwrap_or_else(|| Value::Text(Rc::from(&b""[..]))))
    }

    /// Assigns to a target. What it names is evaluated here, once.
    fn assign(&mut self, target: &Target, value: Value) -> Evaluated<()> {
        match target {
            Target::Variable(place) => self.assign_variable(*place, value),
            Target::Element(array, keys) => {
                let key = self.key(keys)?;
                let array = self.array(*array)?;
                self.insert(array, key, value)
            }
            Target::Field(index) => {
                let index = self.evaluate(index)?.number();
                self.assign_field(index, &value)
            }
        }
    }

    fn insert(&mut self, array: usize, key: Rc<[u8]>, value: Value) -> Evaluated<()> {
        let size = match &value {
            Value::Text(text) | Value::Both(text, _) => text.len(),
            _ => 0,
        };
        self.hold(key.len() + size)?;
        self.state.arrays[array].insert(key, value);
        Ok(())
    }

    fn assign_variable(&mut self, place: Place, value: Value) -> Evaluated<()> {
        if place == Place::Global(place::NF) {
            let count = field_index(value.number())?;
            self.run.step(length(count) / 16)?;
            self.state.fields.resize(count, Value::Text(Rc::from(&b""[..])));
            self.state.stale = true;
            return Ok(());
        }
        match self.cell(place) {
            Cell::Array(_) => Ok(unsupported("awk program: an array as a scalar")?),
            cell => {
                *cell = Cell::Scalar(value);
                Ok(())
            }
        }
    }

    fn assign_field(&mut self, index: f64, value: &Value) -> Evaluated<()> {
        let index = field_index(index)?;
        let format = self.special(place::CONVFMT)?;
        let text = value.text(&format)?;
        if index == 0 {
            return self.set_record(&text);
        }
        if index > self.state.fields.len() {
            self.run.step(length(index) / 16)?;
            self.state.fields.resize(index, Value::Text(Rc::from(&b""[..])));
        }
        self.state.fields[index - 1] = match value {
            Value::Text(_) | Value::Unset => Value::Text(text),
            Value::Number(number) => Value::Both(text, *number),
            both => both.clone(),
        };
        self.state.stale = true;
        Ok(())
    }

    /// The record, put together from its fields where they were assigned.
    fn record(&mut self) -> Evaluated<Rc<[u8]>> {
        if self.state.stale {
            let separator = self.special(place::OFS)?;
            let format = self.special(place::CONVFMT)?;
            let mut record = Vec::new();
            for (index, field) in self.state.fields.iter().enumerate() {
                if index > 0 {
                    push(&mut record, &separator)?;
                }
                push(&mut record, &field.text(&format)?)?;
            }
            self.run.step(length(self.state.fields.len()) / 16 + length(record.len()) / 512)?;
            self.state.record = record.into();
            self.state.stale = false;
        }
        Ok(self.state.record.clone())
    }

    fn set_record(&mut self, record: &[u8]) -> Evaluated<()> {
        let separator = self.special(place::FS)?;
        let paragraphs = self.special(place::RS)?.is_empty();
        let fields = self.split(record, &separator, paragraphs)?;
        self.state.fields = fields.iter().map(|field| Value::outside(field)).collect();
        self.state.record = record.into();
        self.state.stale = false;
        Ok(())
    }

    /// `name=value` as an operand; whether it is one.
    fn assign_operand(&mut self, operand: &[u8]) -> Evaluated<bool> {
        let Some(at) = operand.iter().position(|byte| *byte == b'=') else { return Ok(false) };
        let (name, value) = (&operand[..at], &operand[at + 1..]);
        let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        let named = name.first().is_some_and(|first| letter(*first))
            && name.iter().all(|byte| letter(*byte) || byte.is_ascii_digit());
        if !named {
            return Ok(false);
        }
        let value = Value::outside(&unescape(value)?);
        // a name that the program does not have is nothing to it
        if let Some(global) = self.program.globals.iter().position(|global| global == name) {
            self.assign_variable(Place::Global(global), value)?;
        }
        Ok(true)
    }

    fn count(&mut self, place: usize) -> Evaluated<()> {
        let value = self.variable(Place::Global(place))?.number();
        self.assign_variable(Place::Global(place), Value::Number(value + 1.0))
    }

    // ---- expressions

    fn evaluate(&mut self, expression: &Expression) -> Evaluated<Value> {
        match expression {
            Expression::Number(number) => Ok(Value::Number(*number)),
            Expression::Text(text) => Ok(Value::Text(text.clone())),
            Expression::Target(Target::Variable(place)) | Expression::Argument(place) => {
                self.variable(*place)
            }
            _ => {
                self.step()?;
                self.deeper(|machine| machine.evaluate_within(expression))
            }
        }
    }

    fn evaluate_within(&mut self, expression: &Expression) -> Evaluated<Value> {
        Ok(match expression {
            Expression::Number(_) | Expression::Text(_) | Expression::Argument(_) => {
                return self.evaluate(expression);
            }
            Expression::Pattern(regex) => {
                let record = self.record()?;
                regex.is_match(&record, self.run.input.steps)?.into()
            }
            Expression::Target(target) => self.read(target)?,
            Expression::Group(inner) => self.evaluate(inner)?,
            Expression::Assign(target, value) => {
                let value = self.evaluate(value)?;
                self.assign(target, value.clone())?;
                value
            }
            Expression::Update(target, operator, value) => {
                let value = self.evaluate(value)?.number();
                let target = self.settle(target)?;
                let before = self.read(&target)?.number();
                let value = Value::Number(calculate(*operator, before, value)?);
                self.assign(&target, value.clone())?;
                value
            }
            Expression::Step(target, after, by) => {
                let target = self.settle(target)?;
                let before = self.read(&target)?.number();
                self.assign(&target, Value::Number(before + by))?;
                Value::Number(if *after { before + by } else { before })
            }
            Expression::Binary(operator, one, other) => {
                let one = self.evaluate(one)?.number();
                let other = self.evaluate(other)?.number();
                Value::Number(calculate(*operator, one, other)?)
            }
            Expression::Compare(comparison, one, other) => self.compare(*comparison, one, other)?,
            Expression::Join(one, other) => {
                let format = self.special(place::CONVFMT)?;
                let mut joined = self.evaluate(one)?.text(&format)?.to_vec();
                push(&mut joined, &self.evaluate(other)?.text(&format)?)?;
                take(self.run.input.steps, length(joined.len()) / 512)?;
                Value::from(joined)
            }
            Expression::Match(wanted, one, pattern) => {
                let text = self.text(one)?;
                let regex = self.regex(pattern)?;
                (regex.is_match(&text, self.run.input.steps)? == *wanted).into()
            }
            Expression::And(one, other) => {
                (self.evaluate(one)?.truth() && self.evaluate(other)?.truth()).into()
            }
            Expression::Or(one, other) => {
                (self.evaluate(one)?.truth() || self.evaluate(other)?.truth()).into()
            }
            Expression::Not(one) => (!self.evaluate(one)?.truth()).into(),
            Expression::Negative(one) => Value::Number(-self.evaluate(one)?.number()),
            Expression::Positive(one) => Value::Number(self.evaluate(one)?.number()),
            Expression::Choose(condition, one, other) => {
                let truth = self.evaluate(condition)?.truth();
                self.evaluate(if truth { one } else { other })?
            }
            Expression::In(keys, array) => {
                let key = self.key(keys)?;
                let array = self.array(*array)?;
                self.state.arrays[array].contains_key(&key).into()
            }
            Expression::Call(function, arguments) => self.call(*function, arguments)?,
            Expression::Builtin(builtin, arguments) => self.builtin(*builtin, arguments)?,
            Expression::Split(value, array, separator) => {
                self.split_array(value, *array, separator.as_ref())?
            }
            Expression::Replace(all, pattern, replacement, target) => {
                self.replace(*all, pattern, replacement, target)?
            }
            Expression::Find(value, pattern) => {
                let text = self.text(value)?;
                let regex = self.regex(pattern)?;
                let found = regex.span(&text, 0, self.run.input.steps)?;
                let (start, length) = match found {
                    Some(found) => (number(found.start + 1), number(found.len())),
                    None => (Value::Number(0.0), Value::Number(-1.0)),
                };
                self.assign_variable(Place::Global(place::RSTART), start.clone())?;
                self.assign_variable(Place::Global(place::RLENGTH), length)?;
                start
            }
            Expression::Getline(target, file) => self.getline(target.as_ref(), file.as_deref())?,
        })
    }

    /// The target with its index evaluated, so that it can be read and assigned.
    fn settle(&mut self, target: &Target) -> Evaluated<Target> {
        Ok(match target {
            Target::Variable(place) => Target::Variable(*place),
            Target::Element(array, keys) => {
                let key = self.key(keys)?;
                Target::Element(*array, vec![Expression::Text(key)])
            }
            Target::Field(index) => {
                let index = self.evaluate(index)?.number();
                Target::Field(Box::new(Expression::Number(index)))
            }
        })
    }

    fn text(&mut self, expression: &Expression) -> Evaluated<Rc<[u8]>> {
        let format = self.special(place::CONVFMT)?;
        Ok(self.evaluate(expression)?.text(&format)?)
    }

    fn compare(&mut self, comparison: Comparison, one: &Expression, other: &Expression) -> Evaluated<Value> {
        let one = self.evaluate(one)?;
        let other = self.evaluate(other)?;
        let order = if one.numeric() && other.numeric() {
            one.number().partial_cmp(&other.number())
        } else {
            let format = self.special(place::CONVFMT)?;
            Some(one.text(&format)?.cmp(&other.text(&format)?))
        };
        let Some(order) = order else { return Ok(unsupported("infinity or NaN of awk")?) };
        Ok(match comparison {
            Comparison::Less => order.is_lt(),
            Comparison::LessEqual => order.is_le(),
            Comparison::Equal => order.is_eq(),
            Comparison::Unequal => order.is_ne(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterEqual => order.is_ge(),
        }
        .into())
    }

    fn regex(&mut self, found: &Pattern) -> Evaluated<Rc<Regex>> {
        let expression = match found {
            Pattern::Known(regex) => return Ok(regex.clone()),
            Pattern::Computed(expression) => expression,
        };
        let text = self.text(expression)?;
        self.compiled(&text)
    }

    /// A pattern that was computed.
    fn compiled(&mut self, text: &Rc<[u8]>) -> Evaluated<Rc<Regex>> {
        if let Some(regex) = self.patterns.get(text) {
            return Ok(regex.clone());
        }
        take(self.run.input.steps, length(text.len()))?;
        let regex = Rc::new(pattern(text)?);
        if self.patterns.len() > 256 {
            self.patterns.clear();
        }
        self.patterns.insert(text.clone(), regex.clone());
        Ok(regex)
    }

    fn call(&mut self, function: usize, arguments: &[Expression]) -> Evaluated<Value> {
        let program = self.program;
        let function = &program.functions[function];
        if arguments.len() > function.parameters.len() {
            return Ok(unsupported(format!(
                "awk program: {} with too many arguments",
                text(&function.name)
            ))?);
        }
        let mut frame = Vec::new();
        for argument in arguments {
            frame.push(match argument {
                Expression::Argument(place) if *place != Place::Global(place::NF) => {
                    let fresh = matches!(self.cell(*place), Cell::New);
                    if fresh {
                        // it may become an array in there
                        let array = self.new_array()?;
                        *self.cell(*place) = Cell::Either(array);
                    }
                    self.cell(*place).clone()
                }
                other => Cell::Scalar(self.evaluate(other)?),
            });
        }
        frame.resize(function.parameters.len(), Cell::New);
        self.state.frames.push(frame);
        let flow = self.block(&function.body);
        self.state.frames.pop();
        match flow? {
            Flow::Return(value) => Ok(value),
            Flow::On => Ok(Value::Unset),
            _ => Ok(unsupported("awk program: next or exit in a function")?),
        }
    }

    fn builtin(&mut self, builtin: Builtin, arguments: &[Expression]) -> Evaluated<Value> {
        let first = arguments.first();
        if builtin == Builtin::Length {
            let Some(first) = first else { return Ok(number(self.record()?.len())) };
            if let Expression::Argument(place) = first
                && let Cell::Array(array) = self.cell(*place)
            {
                let array = *array;
                return Ok(number(self.state.arrays[array].len()));
            }
            return Ok(number(self.text(first)?.len()));
        }
        if builtin == Builtin::Sprintf {
            return Ok(self.format(arguments)?.into());
        }
        let Some(first) = first else { return Ok(Value::Number(0.0)) };
        let real = |machine: &mut Self| machine.evaluate(first).map(|value| value.number());
        Ok(match builtin {
            Builtin::Substr => return self.substr(arguments),
            Builtin::Index => {
                let text = self.text(first)?;
                let wanted = self.text(&arguments[1])?;
                take(self.run.input.steps, length(text.len()) / 512)?;
                // mawk finds nothing right at the start
                let at = if wanted.is_empty() {
                    Some(0)
                } else {
                    text.windows(wanted.len()).position(|window| window == &wanted[..])
                };
                at.map_or(Value::Number(0.0), |at| number(at + 1))
            }
            Builtin::Lower => self.text(first)?.to_ascii_lowercase().into(),
            Builtin::Upper => self.text(first)?.to_ascii_uppercase().into(),
            Builtin::Sin => real(self)?.sin().into(),
            Builtin::Cos => real(self)?.cos().into(),
            Builtin::Atan2 => {
                let one = real(self)?;
                one.atan2(self.evaluate(&arguments[1])?.number()).into()
            }
            Builtin::Exp => real(self)?.exp().into(),
            Builtin::Log => real(self)?.ln().into(),
            Builtin::Sqrt => real(self)?.sqrt().into(),
            Builtin::Int => real(self)?.trunc().into(),
            Builtin::Close => {
                let name = self.text(first)?;
                self.close(&name)?
            }
            Builtin::Flush => Value::Number(0.0),
            Builtin::System => {
                let command = self.text(first)?;
                if !command.is_empty() {
                    return Ok(unsupported(format!("system of awk: {}", text(&command)))?);
                }
                Value::Number(0.0)
            }
            Builtin::Length | Builtin::Sprintf => Value::Unset,
        })
    }

    fn substr(&mut self, arguments: &[Expression]) -> Evaluated<Value> {
        let text = self.text(&arguments[0])?;
        let start = self.evaluate(&arguments[1])?.number();
        let count = match arguments.get(2) {
            Some(count) => self.evaluate(count)?.number(),
            None => f64::INFINITY,
        };
        if start.is_nan()
            || count.is_nan()
            || start.fract() != 0.0
            || count.is_finite() && count.fract() != 0.0
        {
            return Ok(unsupported("substr of awk with numbers that are not whole")?);
        }
        let position =
            |value: f64| usize::try_from(super::super::number::whole(value)).unwrap_or(0).min(text.len());
        // the part from `start` on, `count` long, as far as there is text
        let from = position(start - 1.0);
        let to = if count.is_finite() { position(start - 1.0 + count) } else { text.len() };
        self.run.step(length(to.saturating_sub(from)) / 512)?;
        Ok(text[from..to.max(from)].to_vec().into())
    }

    fn split_array(
        &mut self,
        value: &Expression,
        array: Place,
        separator: Option<&Pattern>,
    ) -> Evaluated<Value> {
        let text = self.text(value)?;
        let parts = match separator {
            None => {
                let separator = self.special(place::FS)?;
                self.split(&text, &separator, false)?
            }
            Some(Pattern::Known(regex)) => {
                let regex = regex.clone();
                self.split_by(&text, &regex)?
            }
            Some(Pattern::Computed(expression)) => {
                let separator = self.text(expression)?;
                self.split(&text, &separator, false)?
            }
        };
        let array = self.array(array)?;
        self.state.arrays[array].clear();
        let count = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            self.step()?;
            let key = (index + 1).to_string().into_bytes().into();
            self.insert(array, key, Value::outside(&part))?;
        }
        Ok(number(count))
    }

    /// `sub` and `gsub`
    fn replace(
        &mut self,
        all: bool,
        pattern: &Pattern,
        replacement: &Expression,
        target: &Target,
    ) -> Evaluated<Value> {
        let regex = self.regex(pattern)?;
        let replacement = self.text(replacement)?;
        let target = self.settle(target)?;
        let format = self.special(place::CONVFMT)?;
        let text = self.read(&target)?.text(&format)?;
        let mut result = Vec::new();
        let (mut at, mut from, mut count) = (0, 0, 0usize);
        let mut behind = None;
        while from <= text.len() {
            self.step()?;
            let Some(found) = regex.span(&text, from, self.run.input.steps)? else { break };
            // nothing right after a match is none
            if found.is_empty() && behind == Some(found.start) {
                from = found.end + 1;
                continue;
            }
            behind = Some(found.end);
            count += 1;
            push(&mut result, &text[at..found.start])?;
            substitute(&mut result, &replacement, &text[found.clone()])?;
            at = found.end;
            from = if found.is_empty() { found.end + 1 } else { found.end };
            if !all {
                break;
            }
        }
        self.run.step(length(text.len() + result.len()) / 512)?;
        if count > 0 {
            push(&mut result, &text[at..])?;
            self.assign(&target, result.into())?;
        }
        Ok(number(count))
    }
}

/// Adds a replacement: `&` is what matched.
fn substitute(result: &mut Vec<u8>, replacement: &[u8], matched: &[u8]) -> Result<(), Failure> {
    let mut at = 0;
    while let Some(byte) = replacement.get(at) {
        at += 1;
        match (byte, replacement.get(at)) {
            (b'\\', Some(next @ (b'&' | b'\\'))) => {
                push(result, &[*next])?;
                at += 1;
            }
            (b'&', _) => push(result, matched)?,
            (other, _) => push(result, &[*other])?,
        }
    }
    Ok(())
}

fn calculate(operator: Operator, one: f64, other: f64) -> Result<f64, Failure> {
    let value = match operator {
        Operator::Add => one + other,
        Operator::Subtract => one - other,
        Operator::Multiply => one * other,
        Operator::Divide | Operator::Remainder if other == 0.0 => {
            return unsupported("division by zero in awk");
        }
        Operator::Divide => one / other,
        Operator::Remainder => one % other,
        Operator::Power => one.powf(other),
    };
    if value.is_finite() { Ok(value) } else { unsupported("infinity or NaN of awk") }
}

/// A count as a value.
#[expect(clippy::cast_precision_loss, reason = "what is in memory can be counted exactly")]
fn number(count: usize) -> Value {
    Value::Number(count as f64)
}

fn field_index(index: f64) -> Result<usize, Failure> {
    match usize::try_from(super::super::number::whole(index)) {
        Ok(index) if index <= FIELDS => Ok(index),
        Ok(_) => Err(Failure::Limit("1048576 fields of a record")),
        Err(_) => unsupported("a negative field of awk"),
    }
}
