//! Words to fields: expansion, splitting, path names.

use std::rc::Rc;

use super::ast::{Command, Part, Word};
use super::open::Open;
use super::pattern::{Quoted, is_pattern, plain};
use super::state::{Shell, Stop};
use crate::failure::Reason;
use crate::files::Bytes;

/// Where splitting stands: what the last separator was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Blank,
    Separator,
}

/// Builds fields out of characters.
pub(super) struct Fields {
    done: Vec<Quoted>,
    current: Option<Quoted>,
    last: Last,
    /// The separators; `None` when words are not split.
    pub(super) ifs: Option<Bytes>,
}

impl Fields {
    fn new(ifs: Option<Bytes>) -> Self {
        Self { done: Vec::new(), current: None, last: Last::Nothing, ifs }
    }

    /// Characters that are not split.
    pub(super) fn push(&mut self, bytes: &[u8], quoted: bool) {
        self.current.get_or_insert_default().extend(bytes.iter().map(|b| (*b, quoted)));
    }

    /// Ends the field.
    pub(super) fn end(&mut self) {
        if let Some(field) = self.current.take() {
            self.done.push(field);
        }
    }

    /// Ends a parameter of an unquoted `$@`.
    pub(super) fn end_param(&mut self) {
        self.end();
        self.last = Last::Nothing;
    }

    /// The result of an expansion, split where it is to be.
    pub(super) fn push_split(&mut self, bytes: &[u8]) {
        let Some(ifs) = self.ifs.take() else {
            if !bytes.is_empty() {
                self.push(bytes, false);
            }
            return;
        };
        for &byte in bytes {
            if !ifs.contains(&byte) {
                self.current.get_or_insert_default().push((byte, false));
            } else if matches!(byte, b' ' | b'\t' | b'\n') {
                if self.current.is_some() {
                    self.end();
                    self.last = Last::Blank;
                }
            } else if self.current.is_some() {
                self.end();
                self.last = Last::Separator;
            } else if self.last == Last::Blank {
                self.last = Last::Separator;
            } else {
                self.done.push(Quoted::new());
                self.last = Last::Separator;
            }
        }
        self.ifs = Some(ifs);
    }

    fn finish(mut self) -> Vec<Quoted> {
        self.end();
        self.done
    }
}

impl Shell<'_> {
    pub(crate) fn ifs(&self) -> Bytes {
        self.s.vars.get(b"IFS").cloned().unwrap_or_else(|| b" \t\n".to_vec())
    }

    /// The fields of the words of a command.
    pub(crate) fn fields(&mut self, words: &[Word]) -> Result<Vec<Bytes>, Stop> {
        let mut fields = Vec::new();
        for word in words {
            self.fields_of(word, &mut fields)?;
        }
        Ok(fields)
    }

    pub(crate) fn fields_of(&mut self, word: &Word, fields: &mut Vec<Bytes>) -> Result<(), Stop> {
        let braces = |part: &Part| match part {
            Part::Text { bytes, quoted: false } => {
                bytes.contains(&b'{') && (bytes.contains(&b',') || bytes.contains(&b'.'))
            }
            _ => false,
        };
        if self.s.bash && word.iter().any(braces) {
            return Err(self.unsupported("the expansion of braces of bash"));
        }
        let mut building = Fields::new(Some(self.ifs()));
        self.expand(word, &mut building, false)?;
        for field in building.finish() {
            if !self.s.options.noglob && is_pattern(&field) {
                let found = self.glob(&field)?;
                if !found.is_empty() {
                    fields.extend(found);
                    continue;
                }
            }
            fields.push(plain(&field));
        }
        if fields.len() > 200_000 {
            return Err(self.fail(Reason::Limit("200000 words of a command")));
        }
        Ok(())
    }

    /// A word as characters, not split.
    pub(crate) fn quoted(&mut self, word: &Word) -> Result<Quoted, Stop> {
        let mut building = Fields::new(None);
        self.expand(word, &mut building, false)?;
        let mut fields = building.finish().into_iter();
        Ok(fields.next().unwrap_or_default())
    }

    /// A word as bytes, not split.
    pub(crate) fn string(&mut self, word: &Word) -> Result<Bytes, Stop> {
        Ok(plain(&self.quoted(word)?))
    }

    /// Expands the parts of a word. With `split`, literal text is split too: it is the word of `${x:-word}`.
    pub(super) fn expand(&mut self, word: &Word, fields: &mut Fields, split: bool) -> Result<(), Stop> {
        for part in word {
            match part {
                Part::Text { bytes, quoted } if *quoted || !split => fields.push(bytes, *quoted),
                Part::Text { bytes, .. } => fields.push_split(bytes),
                Part::Tilde(name) => {
                    let home = self.home(name)?;
                    fields.push(&home, true);
                }
                Part::Command { body, quoted } => {
                    let output = self.substitute(body)?;
                    place(fields, &output, *quoted);
                }
                Part::Arith { word, quoted } => {
                    let text = self.string(word)?;
                    let value = self.arithmetic(&text)?.to_string();
                    place(fields, value.as_bytes(), *quoted);
                }
                Part::Param(param) => self.param(param, fields)?,
            }
        }
        Ok(())
    }

    fn home(&mut self, name: &[u8]) -> Result<Bytes, Stop> {
        if name.is_empty() {
            return Ok(self.s.vars.get(b"HOME").cloned().unwrap_or_else(|| b"~".to_vec()));
        }
        let passwd = self.files.read(b"/etc/passwd").unwrap_or_default();
        let entry = passwd.split(|b| *b == b'\n').map(|line| line.split(|b| *b == b':').collect::<Vec<_>>());
        let found =
            entry.filter(|fields| fields.first() == Some(&name)).find_map(|f| f.get(5).map(|h| h.to_vec()));
        Ok(found.unwrap_or_else(|| [b"~", name].concat()))
    }

    /// What a command prints, without the newlines at its end.
    pub(crate) fn substitute(&mut self, body: &Rc<Command>) -> Result<Bytes, Stop> {
        self.step()?;
        let out = Open::buffer();
        let inner = Rc::clone(&out);
        let status = self.subshell(move |shell| {
            shell.s.fds.insert(1, inner);
            shell.eval(body, false)
        })?;
        self.s.substituted = Some(status);
        let mut output = out.take();
        while output.last() == Some(&b'\n') {
            output.pop();
        }
        output.retain(|b| *b != 0);
        Ok(output)
    }
}

pub(super) fn place(fields: &mut Fields, bytes: &[u8], quoted: bool) {
    if quoted {
        fields.push(bytes, true);
    } else {
        fields.push_split(bytes);
    }
}
