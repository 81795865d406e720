//! Text to syntax tree: words, expansions and here-documents.

use std::rc::Rc;

use super::ast::{Op, Param, Part, Word};
use super::parse::{Parsed, Parser, is_meta, parse};
use crate::files::Bytes;

/// Where a run of parts ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At a blank or an operator.
    Meta,
    /// At the closing double quote.
    Quote,
    /// At the closing brace of `${…}`.
    Brace,
    /// At the `))` of `$((…))`.
    Arith,
    /// At the end of the text of a here-document.
    Text,
}

fn text(parts: &mut Word, byte: u8, quoted: bool) {
    match parts.last_mut() {
        Some(Part::Text { bytes, quoted: last }) if *last == quoted => bytes.push(byte),
        _ => parts.push(Part::Text { bytes: vec![byte], quoted }),
    }
}

fn empty(parts: &mut Word) {
    parts.push(Part::Text { bytes: Vec::new(), quoted: true });
}

impl Parser<'_> {
    /// The word that stands here, if any.
    pub(super) fn word(&mut self) -> Parsed<Option<Word>> {
        match self.peek() {
            None => Ok(None),
            Some(byte) if is_meta(byte) => Ok(None),
            Some(_) => {
                let mut parts = Vec::new();
                self.tilde(&mut parts, false);
                self.parts(&mut parts, false, End::Meta, false)?;
                Ok(Some(parts))
            }
        }
    }

    /// The value of an assignment, where `~` counts after each colon too.
    pub(super) fn value(&mut self) -> Parsed<Word> {
        let mut parts = Vec::new();
        self.tilde(&mut parts, true);
        self.parts(&mut parts, false, End::Meta, true)?;
        Ok(parts)
    }

    fn tilde(&mut self, parts: &mut Word, assignment: bool) {
        let [b'~', rest @ ..] = self.rest() else { return };
        let end = rest
            .iter()
            .position(|&b| is_meta(b) || b == b'/' || b == b'}' || (assignment && b == b':'))
            .unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        if name.iter().all(|b| b.is_ascii_alphanumeric() || b"_-.+".contains(b)) {
            self.at += 1 + end;
            parts.push(Part::Tilde(name.to_vec()));
        }
    }

    fn parts(&mut self, parts: &mut Word, quoted: bool, end: End, assignment: bool) -> Parsed<()> {
        self.deeper(|parser| parser.parts_of(parts, quoted, end, assignment))
    }

    fn parts_of(&mut self, parts: &mut Word, quoted: bool, end: End, assignment: bool) -> Parsed<()> {
        let mut parentheses = 0_usize;
        loop {
            let Some(byte) = self.peek() else {
                return match end {
                    End::Meta | End::Text => Ok(()),
                    End::Quote => self.problem("unterminated quoted string"),
                    End::Brace => self.problem("missing `}`"),
                    End::Arith => self.problem("missing `))`"),
                };
            };
            match (byte, end) {
                (byte, End::Meta) if is_meta(byte) => return Ok(()),
                (b'"', End::Quote) | (b'}', End::Brace) => {
                    self.at += 1;
                    return Ok(());
                }
                (b')', End::Arith) if parentheses == 0 => {
                    if self.eat(b"))") {
                        return Ok(());
                    }
                    return self.problem("`)` unexpected in arithmetic");
                }
                (b')', End::Arith) => parentheses -= 1,
                (b'(', End::Arith) => parentheses += 1,
                _ => {}
            }
            match byte {
                b'\\' => self.backslash(parts, quoted, end)?,
                b'\'' if !quoted => {
                    self.at += 1;
                    empty(parts);
                    loop {
                        match self.bump() {
                            Some(b'\'') => break,
                            Some(byte) => text(parts, byte, true),
                            None => return self.problem("unterminated quoted string"),
                        }
                    }
                }
                b'"' if end != End::Text => {
                    self.at += 1;
                    let start = parts.len();
                    if end != End::Arith {
                        empty(parts);
                    }
                    self.parts(parts, true, End::Quote, false)?;
                    // `"$@"` alone is no field where there are no parameters; with anything else in the quotes it is one
                    if let [Part::Text { bytes, .. }, Part::Param(param)] = &parts[start..]
                        && bytes.is_empty()
                        && param.name == b"@"
                        && matches!(param.op, Op::Value)
                    {
                        parts.remove(start);
                    }
                }
                b'$' => self.dollar(parts, quoted)?,
                b'`' => self.backquotes(parts, quoted)?,
                _ => {
                    self.bump();
                    text(parts, byte, quoted);
                    if assignment && byte == b':' {
                        self.tilde(parts, true);
                    }
                }
            }
        }
    }

    fn backslash(&mut self, parts: &mut Word, quoted: bool, end: End) -> Parsed<()> {
        self.at += 1;
        match self.bump() {
            Some(b'\n') => {}
            Some(byte) if !quoted => text(parts, byte, true),
            Some(byte @ (b'$' | b'`' | b'\\')) => text(parts, byte, true),
            Some(b'"') if end != End::Text => text(parts, b'"', true),
            Some(b'}') if end == End::Brace => text(parts, b'}', true),
            Some(byte) => {
                text(parts, b'\\', true);
                text(parts, byte, true);
            }
            None => text(parts, b'\\', true),
        }
        Ok(())
    }

    fn dollar(&mut self, parts: &mut Word, quoted: bool) -> Parsed<()> {
        self.at += 1;
        let simple =
            |name: &[u8]| Part::Param(Box::new(Param { name: name.to_vec(), op: Op::Value, quoted }));
        match self.rest() {
            [b'(', b'(', ..] => {
                self.at += 2;
                let mut word = Vec::new();
                self.parts(&mut word, true, End::Arith, false)?;
                parts.push(Part::Arith { word, quoted });
            }
            [b'(', ..] => {
                self.at += 1;
                let here = std::mem::take(&mut self.here);
                let body = Rc::new(self.list()?);
                if !self.eat(b")") {
                    return self.problem("missing `)`");
                }
                self.here.splice(0..0, here);
                parts.push(Part::Command { body, quoted });
            }
            [b'{', ..] => {
                self.at += 1;
                let param = self.braces(quoted)?;
                parts.push(Part::Param(Box::new(param)));
            }
            [special @ (b'*' | b'@' | b'#' | b'?' | b'$' | b'!' | b'-' | b'0'..=b'9'), ..] => {
                parts.push(simple(&[*special]));
                self.at += 1;
            }
            _ => {
                let name = self.name();
                if name.is_empty() {
                    text(parts, b'$', quoted);
                } else {
                    parts.push(simple(&name));
                }
            }
        }
        Ok(())
    }

    /// The name of a variable that stands here, perhaps empty.
    fn name(&mut self) -> Bytes {
        let rest = self.rest();
        if rest.first().is_some_and(u8::is_ascii_digit) {
            return Vec::new();
        }
        let end = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        self.at += end;
        rest.get(..end).unwrap_or_default().to_vec()
    }

    fn parameter(&mut self) -> Bytes {
        let rest = self.rest();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            self.at += digits;
            return rest.get(..digits).unwrap_or_default().to_vec();
        }
        if let [special @ (b'*' | b'@' | b'#' | b'?' | b'$' | b'!' | b'-'), ..] = rest {
            self.at += 1;
            return vec![*special];
        }
        self.name()
    }

    fn braces(&mut self, quoted: bool) -> Parsed<Param> {
        let from = self.at;
        if let [b'#', next, ..] = self.rest()
            && *next != b'}'
        {
            self.at += 1;
            let name = self.parameter();
            if !name.is_empty() && self.eat(b"}") {
                return Ok(Param { name, op: Op::Length, quoted });
            }
            self.at = from;
        }
        let name = self.parameter();
        let colon = self.eat(b":");
        let op = match self.peek() {
            Some(b'}') if !colon && !name.is_empty() => {
                self.at += 1;
                return Ok(Param { name, op: Op::Value, quoted });
            }
            Some(op @ (b'-' | b'=' | b'?' | b'+')) if !name.is_empty() => {
                self.at += 1;
                let mut word = Vec::new();
                if !quoted {
                    self.tilde(&mut word, false);
                }
                self.parts(&mut word, quoted, End::Brace, false)?;
                match op {
                    b'-' => Op::Default { colon, word },
                    b'=' => Op::Assign { colon, word },
                    b'?' => Op::Error { colon, word },
                    _ => Op::Alternative { colon, word },
                }
            }
            Some(op @ (b'#' | b'%')) if !colon && !name.is_empty() => {
                self.at += 1;
                let longest = self.eat(&[op]);
                let mut pattern = Vec::new();
                self.tilde(&mut pattern, false);
                self.parts(&mut pattern, false, End::Brace, false)?;
                if op == b'#' { Op::Prefix { longest, pattern } } else { Op::Suffix { longest, pattern } }
            }
            _ => {
                self.parts(&mut Vec::new(), quoted, End::Brace, false)?;
                let text = self.text.get(from..self.at.saturating_sub(1)).unwrap_or_default();
                Op::Bad(text.to_vec())
            }
        };
        Ok(Param { name, op, quoted })
    }

    fn backquotes(&mut self, parts: &mut Word, quoted: bool) -> Parsed<()> {
        self.at += 1;
        let line = self.line;
        let mut inner = Vec::new();
        loop {
            match self.bump() {
                None => return self.problem("unterminated `` ` ``"),
                Some(b'`') => break,
                Some(b'\\') => match self.bump() {
                    Some(byte @ (b'$' | b'`' | b'\\')) => inner.push(byte),
                    Some(b'"') if quoted => inner.push(b'"'),
                    Some(b'\n') => {}
                    Some(byte) => inner.extend([b'\\', byte]),
                    None => inner.push(b'\\'),
                },
                Some(byte) => inner.push(byte),
            }
        }
        let depth = self.depth;
        let body = self.deeper(|_| parse(&inner, line, depth.saturating_sub(1)))?;
        parts.push(Part::Command { body: Rc::new(body), quoted });
        Ok(())
    }

    /// The delimiter of a here-document, and whether it was quoted.
    pub(super) fn delimiter(&mut self) -> Parsed<(Bytes, bool)> {
        let (mut word, mut quoted) = (Vec::new(), false);
        while let Some(byte) = self.peek() {
            match byte {
                byte if is_meta(byte) => break,
                b'\\' => {
                    self.at += 1;
                    quoted = true;
                    word.extend(self.bump());
                }
                b'\'' | b'"' => {
                    self.at += 1;
                    quoted = true;
                    loop {
                        match self.bump() {
                            Some(end) if end == byte => break,
                            Some(byte) => word.push(byte),
                            None => return self.problem("unterminated quoted string"),
                        }
                    }
                }
                byte => {
                    self.at += 1;
                    word.push(byte);
                }
            }
        }
        if word.is_empty() && !quoted {
            self.problem("missing delimiter of a here-document")
        } else {
            Ok((word, quoted))
        }
    }

    /// Reads the here-documents whose operators were in the line that just ended.
    pub(super) fn here_documents(&mut self) -> Parsed<()> {
        for here in std::mem::take(&mut self.here) {
            let first = self.line;
            let mut body = Vec::new();
            let mut continued = false;
            while !self.rest().is_empty() {
                let rest = self.rest();
                let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                let mut line = rest.get(..end).unwrap_or_default();
                self.at += end;
                let newline = self.bump().is_some();
                while here.strip && !continued && line.first() == Some(&b'\t') {
                    line = line.get(1..).unwrap_or_default();
                }
                if line == here.end && !continued {
                    break;
                }
                let backslashes = line.iter().rev().take_while(|b| **b == b'\\').count();
                continued = !here.quoted && backslashes % 2 == 1;
                body.extend_from_slice(line);
                if newline {
                    body.push(b'\n');
                }
            }
            let mut parts = Vec::new();
            if here.quoted {
                parts.push(Part::Text { bytes: body, quoted: true });
            } else {
                let mut inner =
                    Parser { text: &body, at: 0, line: first, depth: self.depth, here: Vec::new() };
                inner.parts(&mut parts, true, End::Text, false)?;
            }
            let _ = here.body.set(parts);
        }
        Ok(())
    }
}
