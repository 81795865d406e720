//! Variables, arrays and fields: read and assigned.

use super::super::super::Failure;
use super::super::super::common::{MEMORY, MEMORY_TEXT, length, push, unsupported};
use super::super::super::number::whole;
use super::super::lex::unescape;
use super::super::tree::{Expression, Place, Target, place};
use super::super::value::Value;
use super::{Array, Cell, Evaluated, Machine, number};
use std::rc::Rc;

/// The largest number of fields.
const FIELDS: usize = 1 << 20;

impl Machine<'_, '_, '_> {
    /// A variable of the language, as text.
    pub(super) fn special(&self, place: usize) -> Result<Rc<[u8]>, Failure> {
        match &self.state.globals[place] {
            Cell::Scalar(value) => value.text(b"%.6g"),
            _ => Ok(Rc::from(&b""[..])),
        }
    }

    pub(super) fn cell(&mut self, place: Place) -> &mut Cell {
        let frame = self.state.frames.last_mut();
        match (place, frame) {
            (Place::Local(index), Some(frame)) if index < frame.len() => &mut frame[index],
            (Place::Local(index) | Place::Global(index), _) => &mut self.state.globals[index],
        }
    }

    /// The array that a variable is.
    pub(super) fn array(&mut self, place: Place) -> Result<usize, Failure> {
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

    pub(super) fn new_array(&mut self) -> Result<usize, Failure> {
        if self.state.arrays.len() > 1 << 16 {
            return Err(Failure::Limit(MEMORY_TEXT));
        }
        self.state.arrays.push(Array::new());
        Ok(self.state.arrays.len() - 1)
    }

    pub(super) fn key(&mut self, keys: &[Expression]) -> Evaluated<Rc<[u8]>> {
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

    pub(super) fn variable(&mut self, place: Place) -> Evaluated<Value> {
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

    pub(super) fn read(&mut self, target: &Target) -> Evaluated<Value> {
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
    pub(super) fn assign(&mut self, target: &Target, value: Value) -> Evaluated<()> {
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

    pub(super) fn insert(&mut self, array: usize, key: Rc<[u8]>, value: Value) -> Evaluated<()> {
        let size = match &value {
            Value::Text(text) | Value::Both(text, _) => text.len(),
            _ => 0,
        };
        self.hold(key.len() + size)?;
        self.state.arrays[array].insert(key, value);
        Ok(())
    }

    pub(super) fn assign_variable(&mut self, place: Place, value: Value) -> Evaluated<()> {
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
    pub(super) fn record(&mut self) -> Evaluated<Rc<[u8]>> {
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

    pub(super) fn set_record(&mut self, record: &[u8]) -> Evaluated<()> {
        let separator = self.special(place::FS)?;
        let paragraphs = self.special(place::RS)?.is_empty();
        let fields = self.split(record, &separator, paragraphs)?;
        self.state.fields = fields.iter().map(|field| Value::outside(field)).collect();
        self.state.record = record.into();
        self.state.stale = false;
        Ok(())
    }

    /// `name=value` as an operand; whether it is one.
    pub(super) fn assign_operand(&mut self, operand: &[u8]) -> Evaluated<bool> {
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

    pub(super) fn count(&mut self, place: usize) -> Evaluated<()> {
        let value = self.variable(Place::Global(place))?.number();
        self.assign_variable(Place::Global(place), Value::Number(value + 1.0))
    }
}

fn field_index(index: f64) -> Result<usize, Failure> {
    match usize::try_from(whole(index)) {
        Ok(index) if index <= FIELDS => Ok(index),
        Ok(_) => Err(Failure::Limit("1048576 fields of a record")),
        Err(_) => unsupported("a negative field of awk"),
    }
}
