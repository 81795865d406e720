//! Scripts of `sed`.

mod substitution;

use super::super::Failure;
use super::super::common::{number, text};
use super::super::regex::{self, Flavour, Regex, Syntax, sed_escape};
use super::script::{Action, Address, Command, Script};

/// Why a script is not taken.
#[derive(Debug)]
pub(super) enum Error {
    /// A label is missing.
    Label(String),
    /// GNU's sed does not take it either.
    Invalid(String),
    /// It is not supported.
    Failure(Failure),
}

fn invalid<T>(words: &str) -> Result<T, Error> {
    Err(Error::Invalid(words.to_owned()))
}

fn unsupported<T>(words: String) -> Result<T, Error> {
    Err(Error::Failure(Failure::Unsupported(words)))
}

struct Parser<'p> {
    script: &'p [u8],
    at: usize,
    extended: bool,
    parsed: Script,
    blocks: Vec<usize>,
    labels: Vec<(Vec<u8>, usize)>,
    /// Commands that branch, and where to.
    branches: Vec<(usize, Vec<u8>)>,
}

/// Reads a script. The files that it writes are known even where it is wrong further on.
pub(super) fn parse(script: &[u8], extended: bool) -> (Result<(), Error>, Script) {
    let mut parser = Parser {
        script,
        at: 0,
        extended,
        parsed: Script::default(),
        blocks: Vec::new(),
        labels: Vec::new(),
        branches: Vec::new(),
    };
    let result = all(&mut parser);
    (result, parser.parsed)
}

fn all(parser: &mut Parser<'_>) -> Result<(), Error> {
    while parser.command()? {}
    if !parser.blocks.is_empty() {
        return invalid("unmatched `{'");
    }
    let end = parser.parsed.commands.len();
    for (command, label) in std::mem::take(&mut parser.branches) {
        let target = match parser.labels.iter().find(|(known, _)| *known == label) {
            Some((_, target)) => *target,
            None if label.is_empty() => end,
            None => return Err(Error::Label(format!("can't find label for jump to `{}'", text(&label)))),
        };
        if let Some(command) = parser.parsed.commands.get_mut(command) {
            match &mut command.action {
                Action::Branch(to) | Action::BranchIf(to) | Action::BranchUnless(to) => *to = target,
                _ => {}
            }
        }
    }
    Ok(())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 11 | 12 | b'\r')
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.script.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn digits(&mut self) -> Option<u64> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        number(&self.script[start..self.at])
    }

    /// Reads a command; whether there was one.
    fn command(&mut self) -> Result<bool, Error> {
        while self.peek().is_some_and(|byte| is_blank(byte) || matches!(byte, b'\n' | b';')) {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Ok(false);
        }
        let first = self.address(true)?;
        let mut second = None;
        if first.is_some() {
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
                self.blanks();
                second = self.address(false)?;
                if second.is_none() {
                    return invalid("unexpected `,'");
                }
            }
        }
        match (&first, &second) {
            (Some(Address::Zero), Some(Address::Pattern(_))) => {}
            (Some(Address::Zero), _) => return invalid("invalid usage of line address 0"),
            _ => {}
        }
        self.blanks();
        let mut negated = false;
        while self.peek() == Some(b'!') {
            self.at += 1;
            negated = true;
            self.blanks();
        }
        let Some(letter) = self.next() else { return invalid("missing command") };
        let addressed = first.is_some();
        let index = self.parsed.commands.len();
        self.parsed.commands.push(Command { first, second, negated, action: Action::Nothing });
        let action = self.action(letter, index, addressed)?;
        if let Some(command) = self.parsed.commands.get_mut(index) {
            command.action = action;
        }
        Ok(true)
    }

    fn address(&mut self, first: bool) -> Result<Option<Address>, Error> {
        Ok(Some(match self.peek() {
            Some(b'0'..=b'9') => {
                let line = self.digits().unwrap_or_default();
                self.blanks();
                if self.peek() == Some(b'~') && first {
                    self.at += 1;
                    self.blanks();
                    return Ok(Some(match self.digits().unwrap_or_default() {
                        0 => Address::Line(line),
                        step => Address::Step(line, step),
                    }));
                }
                if line == 0 && first { Address::Zero } else { Address::Line(line) }
            }
            Some(mark @ (b'+' | b'~')) if !first => {
                self.at += 1;
                let Some(count) = self.digits() else { return invalid("expected number") };
                if mark == b'+' { Address::More(count) } else { Address::Multiple(count) }
            }
            Some(b'$') => {
                self.at += 1;
                Address::Last
            }
            Some(mark @ (b'/' | b'\\')) => {
                self.at += 1;
                let mark = if mark == b'/' {
                    mark
                } else {
                    match self.next() {
                        Some(mark) if mark != b'\n' && mark != b'\\' => mark,
                        _ => return invalid("unterminated address regex"),
                    }
                };
                let Some(pattern) = self.until(mark) else {
                    return invalid("unterminated address regex");
                };
                let mut syntax = self.syntax();
                loop {
                    self.blanks();
                    match self.peek() {
                        Some(b'I') => syntax.fold = true,
                        Some(b'M') => syntax.lines = true,
                        _ => break,
                    }
                    self.at += 1;
                }
                Address::Pattern(self.regex(&pattern, syntax)?)
            }
            _ => return Ok(None),
        }))
    }

    fn syntax(&self) -> Syntax {
        Syntax::of(Flavour::Sed, self.extended)
    }

    fn regex(&self, pattern: &[u8], syntax: Syntax) -> Result<Option<Box<Regex>>, Error> {
        if pattern.is_empty() {
            if syntax.fold || syntax.lines {
                return invalid("no modifiers on empty regexp");
            }
            return Ok(None);
        }
        match Regex::new(pattern, syntax) {
            Ok(regex) => Ok(Some(Box::new(regex))),
            Err(regex::Error::Invalid(words)) => invalid(words),
            Err(regex::Error::Failure(failure)) => Err(Error::Failure(failure)),
        }
    }

    /// The pattern before the next `mark`. The mark may stand in brackets.
    fn until(&mut self, mark: u8) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        // where a bracket expression starts, after its `[` or `[^`
        let mut bracket: Option<usize> = None;
        while let Some(byte) = self.next() {
            if let Some(start) = bracket {
                if byte == b'\n' {
                    return None;
                }
                if byte == b'[' && matches!(self.peek(), Some(b':' | b'.' | b'=')) {
                    let kind = self.peek().unwrap_or_default();
                    let rest = self.script.get(self.at + 1..).unwrap_or_default();
                    if let Some(length) = rest.windows(2).position(|pair| pair == [kind, b']']) {
                        found.extend_from_slice(&self.script[self.at - 1..self.at + 1 + length + 2]);
                        self.at += 1 + length + 2;
                        continue;
                    }
                }
                found.push(byte);
                if byte == b']' && self.at - 1 > start {
                    bracket = None;
                }
                continue;
            }
            if byte == mark {
                return Some(found);
            }
            match byte {
                b'\n' => return None,
                b'\\' => {
                    let next = self.next()?;
                    if next == mark {
                        // it means what it means without the backslash
                        found.push(mark);
                    } else if next == b'\n' {
                        found.push(b'\n');
                    } else {
                        found.extend_from_slice(&[b'\\', next]);
                    }
                }
                b'[' => {
                    found.push(byte);
                    if self.peek() == Some(b'^') {
                        found.push(b'^');
                        self.at += 1;
                    }
                    bracket = Some(self.at);
                }
                other => found.push(other),
            }
        }
        None
    }

    fn action(&mut self, letter: u8, index: usize, addressed: bool) -> Result<Action, Error> {
        let action = match letter {
            b'#' if addressed => return invalid("comments don't accept any addresses"),
            b'#' => {
                while self.peek().is_some_and(|byte| byte != b'\n') {
                    self.at += 1;
                }
                return Ok(Action::Nothing);
            }
            b':' => {
                if addressed {
                    return invalid(": doesn't want any addresses");
                }
                self.blanks();
                let label = self.label();
                if label.is_empty() {
                    return invalid("\":\" lacks a label");
                }
                self.labels.push((label, index));
                return Ok(Action::Nothing);
            }
            b'{' => {
                self.blocks.push(index);
                return Ok(Action::Block(0));
            }
            b'}' => {
                if addressed {
                    return invalid("} doesn't want any addresses");
                }
                let Some(open) = self.blocks.pop() else { return invalid("unexpected `}'") };
                if let Some(command) = self.parsed.commands.get_mut(open) {
                    command.action = Action::Block(index);
                }
                Action::Nothing
            }
            b'a' => return Ok(Action::Append(self.text()?)),
            b'i' => return Ok(Action::Insert(self.text()?)),
            b'c' => return Ok(Action::Change(self.text()?)),
            b'=' => Action::Number,
            b'd' => Action::Delete,
            b'D' => Action::DeleteFirst,
            b'g' => Action::Get,
            b'G' => Action::GetMore,
            b'h' => Action::Hold,
            b'H' => Action::HoldMore,
            b'x' => Action::Exchange,
            b'n' => Action::Next,
            b'N' => Action::NextMore,
            b'p' => Action::Print,
            b'P' => Action::PrintFirst,
            b'z' => Action::Empty,
            b'F' => Action::Name,
            b'l' => {
                self.blanks();
                Action::List(self.digits())
            }
            b'q' | b'Q' => {
                if self.parsed.commands.get(index).is_some_and(|command| command.second.is_some()) {
                    return invalid("command only uses one address");
                }
                self.blanks();
                let code = self.digits().unwrap_or_default();
                let code = u8::try_from(code & 0xff).unwrap_or_default();
                if letter == b'q' { Action::Quit(code) } else { Action::QuitSilently(code) }
            }
            b'r' => return Ok(Action::Read(self.file()?)),
            b'w' => return Ok(Action::Write(self.target()?)),
            b'W' => return Ok(Action::WriteFirst(self.target()?)),
            b'b' | b't' | b'T' => {
                self.blanks();
                let label = self.label();
                self.branches.push((index, label));
                match letter {
                    b'b' => Action::Branch(0),
                    b't' => Action::BranchIf(0),
                    _ => Action::BranchUnless(0),
                }
            }
            b's' => return self.substitute(),
            b'y' => self.translate()?,
            b'v' => {
                self.label();
                Action::Nothing
            }
            b'e' | b'R' => return unsupported(format!("the command {} of sed", char::from(letter))),
            other => return Err(Error::Invalid(format!("unknown command: `{}'", char::from(other)))),
        };
        self.finish()?;
        Ok(action)
    }

    /// The end of a command.
    fn finish(&mut self) -> Result<(), Error> {
        self.blanks();
        match self.peek() {
            None | Some(b'}' | b'#') => Ok(()),
            Some(b'\n' | b';') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => invalid("extra characters after command"),
        }
    }

    fn label(&mut self) -> Vec<u8> {
        let start = self.at;
        while self.peek().is_some_and(|byte| !is_blank(byte) && !matches!(byte, b'\n' | b';' | b'}')) {
            self.at += 1;
        }
        self.script[start..self.at].to_vec()
    }

    /// A file's name: the rest of the line.
    fn file(&mut self) -> Result<Vec<u8>, Error> {
        self.blanks();
        let start = self.at;
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
        if start == self.at {
            return invalid("missing filename in r/R/w/W commands");
        }
        Ok(self.script[start..self.at].to_vec())
    }

    fn target(&mut self) -> Result<Vec<u8>, Error> {
        let file = self.file()?;
        if !self.parsed.files.contains(&file) {
            self.parsed.files.push(file.clone());
        }
        Ok(file)
    }

    /// The text of `a`, `i` and `c`, with the newline after it.
    fn text(&mut self) -> Result<Vec<u8>, Error> {
        self.blanks();
        match self.peek() {
            None | Some(b'\n') => return invalid("expected \\ after `a', `c' or `i'"),
            Some(b'\\') => {
                self.at += 1;
                let start = self.at;
                self.blanks();
                match self.peek() {
                    None => return Ok(Vec::new()),
                    Some(b'\n') => self.at += 1,
                    // on the same line, the backslash keeps what follows as it is
                    Some(_) => {
                        self.at = start;
                        let first = self.next().unwrap_or_default();
                        return Ok(self.rest(vec![first]));
                    }
                }
            }
            Some(_) => {}
        }
        Ok(self.rest(Vec::new()))
    }

    fn rest(&mut self, mut found: Vec<u8>) -> Vec<u8> {
        while let Some(byte) = self.next() {
            match byte {
                b'\n' => break,
                b'\\' => {
                    let Some(next) = self.next() else { break };
                    match sed_escape(self.script, &mut self.at, next) {
                        Some(byte) => found.push(byte),
                        None => found.push(next),
                    }
                }
                other => found.push(other),
            }
        }
        found.push(b'\n');
        found
    }
}
