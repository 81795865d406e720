//! Records and fields.

use super::super::super::Failure;
use super::super::super::common::{length, take, text, unsupported};
use super::super::super::regex::Regex;
use super::super::tree::{Expression, Place, Target, place};
use super::super::value::Value;
use super::{Cell, Evaluated, Machine, Stop, number};
use std::rc::Rc;

/// A file that is read record by record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reader {
    data: Rc<[u8]>,
    at: usize,
}

impl Reader {
    pub(super) fn new(data: Rc<[u8]>) -> Self {
        Self { data, at: 0 }
    }
}

/// The main input.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Source {
    /// The operand that is looked at next, less one.
    next: usize,
    reader: Option<Reader>,
    /// There was a file among the operands.
    any: bool,
    over: bool,
}

impl Source {
    /// Leaves the rest of the file out.
    pub(super) fn skip(&mut self) {
        self.reader = None;
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

impl Machine<'_, '_, '_> {
    /// The next record of the main input.
    pub(super) fn next_record(&mut self) -> Evaluated<Option<Rc<[u8]>>> {
        loop {
            if let Some(mut reader) = self.state.source.reader.take() {
                let record = self.record_of(&mut reader)?;
                if let Some(record) = record {
                    self.state.source.reader = Some(reader);
                    self.count(place::NR)?;
                    self.count(place::FNR)?;
                    return Ok(Some(record));
                }
            }
            if !self.next_file()? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next operand that is a file; whether there is one.
    fn next_file(&mut self) -> Evaluated<bool> {
        while !self.state.source.over {
            self.step()?;
            let count = self.variable(Place::Global(place::ARGC))?.number();
            let next = self.state.source.next + 1;
            let Value::Number(position) = number(next) else { return Ok(false) };
            if position >= count {
                self.state.source.over = true;
                if self.state.source.any {
                    break;
                }
                self.enter(b"-", b"-")?;
                return Ok(true);
            }
            self.state.source.next = next;
            let key: Rc<[u8]> = next.to_string().into_bytes().into();
            let Cell::Array(array) = self.state.globals[place::ARGV] else { break };
            let operand = match self.state.arrays[array].get(&key) {
                Some(value) => value.text(b"%.6g")?,
                None => continue,
            };
            if operand.is_empty() || self.assign_operand(&operand)? {
                continue;
            }
            self.state.source.any = true;
            self.enter(&operand, &operand)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn enter(&mut self, file: &[u8], name: &[u8]) -> Evaluated<()> {
        let data = match self.data_of(file)? {
            Ok(data) => data,
            Err(error) => return Err(Stop::Fatal(format!("cannot open {} ({error})", text(file)))),
        };
        self.state.source.reader = Some(Reader::new(data));
        self.assign_variable(Place::Global(place::FILENAME), Value::Text(name.into()))?;
        self.assign_variable(Place::Global(place::FNR), Value::Number(0.0))
    }

    /// The next record of a file.
    fn record_of(&mut self, reader: &mut Reader) -> Evaluated<Option<Rc<[u8]>>> {
        self.step()?;
        let separator = self.special(place::RS)?;
        let data = reader.data.clone();
        let mut rest = &data[reader.at.min(data.len())..];
        if separator.is_empty() {
            let skipped = rest.iter().take_while(|byte| **byte == b'\n').count();
            reader.at += skipped;
            rest = &rest[skipped..];
        }
        if rest.is_empty() {
            return Ok(None);
        }
        take(self.run.input.steps, length(rest.len().min(4096)) / 512)?;
        let (end, next) = match &*separator {
            [] => match rest.windows(2).position(|pair| pair == b"\n\n") {
                Some(end) => {
                    let blank = rest[end..].iter().take_while(|byte| **byte == b'\n').count();
                    (end, end + blank)
                }
                None => (rest.len() - usize::from(rest.ends_with(b"\n")), rest.len()),
            },
            [one] => match rest.iter().position(|byte| byte == one) {
                Some(end) => (end, end + 1),
                None => (rest.len(), rest.len()),
            },
            _ => {
                let regex = self.compiled(&separator)?;
                match regex.span(rest, 0, self.run.input.steps)? {
                    Some(found) if found.is_empty() => {
                        return Ok(unsupported("awk with an RS that matches nothing")?);
                    }
                    Some(found) => (found.start, found.end),
                    None => (rest.len(), rest.len()),
                }
            }
        };
        reader.at += next;
        Ok(Some(Rc::from(&rest[..end])))
    }

    /// `getline`
    pub(super) fn getline(&mut self, target: Option<&Target>, file: Option<&Expression>) -> Evaluated<Value> {
        let record = match file {
            None => self.next_record()?,
            Some(file) => {
                let name = self.text(file)?;
                let mut reader = match self.state.files.readers.remove(&name) {
                    Some(reader) => reader,
                    None => match self.data_of(&name)? {
                        Ok(data) => Reader::new(data),
                        Err(_) => return Ok(Value::Number(-1.0)),
                    },
                };
                let record = self.record_of(&mut reader)?;
                self.state.files.readers.insert(name, reader);
                record
            }
        };
        let Some(record) = record else { return Ok(Value::Number(0.0)) };
        match target {
            None => self.set_record(&record)?,
            Some(target) => self.assign(target, Value::outside(&record))?,
        }
        Ok(Value::Number(1.0))
    }

    /// The parts of text between separators.
    pub(super) fn split(
        &mut self,
        text: &[u8],
        separator: &Rc<[u8]>,
        paragraphs: bool,
    ) -> Evaluated<Vec<Rc<[u8]>>> {
        take(self.run.input.steps, length(text.len()) / 512)?;
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let parts: Vec<Rc<[u8]>> = match &**separator {
            b" " => {
                text.split(|byte| is_blank(*byte)).filter(|part| !part.is_empty()).map(Rc::from).collect()
            }
            [] => text.iter().map(|byte| Rc::from(&[*byte][..])).collect(),
            [one] => text.split(|byte| byte == one || paragraphs && *byte == b'\n').map(Rc::from).collect(),
            _ if paragraphs => {
                let joined: Rc<[u8]> = [b"\n|(", &**separator, b")"].concat().into();
                let regex = self.compiled(&joined)?;
                return self.split_by(text, &regex);
            }
            _ => {
                let regex = self.compiled(separator)?;
                return self.split_by(text, &regex);
            }
        };
        Ok(parts)
    }

    /// The parts of text between matches.
    pub(super) fn split_by(&mut self, text: &[u8], regex: &Regex) -> Evaluated<Vec<Rc<[u8]>>> {
        let mut parts = Vec::new();
        if text.is_empty() {
            return Ok(parts);
        }
        let mut at = 0;
        loop {
            self.step()?;
            match regex.span(text, at, self.run.input.steps)? {
                Some(found) if found.is_empty() => {
                    return Err(
                        Failure::Unsupported("awk with a separator that matches nothing".to_owned()).into()
                    );
                }
                Some(found) => {
                    parts.push(Rc::from(&text[at..found.start]));
                    at = found.end;
                }
                None => {
                    parts.push(Rc::from(&text[at..]));
                    return Ok(parts);
                }
            }
        }
    }
}
