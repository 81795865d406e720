//! Text to syntax tree: commands.

use std::cell::OnceCell;
use std::rc::Rc;

use super::ast::{Command, Redirect, Simple, Target, Word};
use crate::files::Bytes;

/// Why a text is not a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Problem {
    /// The line.
    pub line: u32,
    /// What is wrong.
    pub what: String,
}

pub(super) struct HereDoc {
    pub(super) end: Bytes,
    pub(super) quoted: bool,
    pub(super) strip: bool,
    pub(super) body: Rc<OnceCell<Word>>,
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t [u8],
    pub(super) at: usize,
    pub(super) line: u32,
    pub(super) depth: usize,
    pub(super) here: Vec<HereDoc>,
}

pub(super) type Parsed<T> = Result<T, Problem>;

/// Parses a whole script. Constructs may be nested as deep as `nesting`.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &[u8], line: u32, nesting: usize) -> Result<Command, Problem> {
    let mut parser = Parser { text, at: 0, line, depth: nesting, here: Vec::new() };
    let list = parser.list()?;
    match parser.peek() {
        None => Ok(list),
        Some(_) => Err(parser.unexpected()),
    }
}

const RESERVED: [&[u8]; 16] = [
    b"!", b"{", b"}", b"case", b"do", b"done", b"elif", b"else", b"esac", b"fi", b"for", b"if", b"in",
    b"then", b"until", b"while",
];

pub(super) fn is_meta(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}

pub(super) fn is_name(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// What is redirected as a whole. As in dash, where a subshell is all that stands in braces, the redirections after the braces
/// come in the place of its own.
fn alone_in_braces(command: Command) -> Command {
    let mut inner = &command;
    while let Command::Group(list) = inner {
        inner = list;
    }
    if let Command::Redirected { command, .. } = inner {
        inner = command;
    }
    match inner {
        Command::Subshell(list) => Command::Subshell(Rc::clone(list)),
        _ => command,
    }
}

impl<'t> Parser<'t> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn bump(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b'\n' {
            self.line += 1;
        }
        Some(byte)
    }

    pub(super) fn eat(&mut self, token: &[u8]) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn problem<T>(&self, what: impl Into<String>) -> Parsed<T> {
        Err(Problem { line: self.line, what: what.into() })
    }

    fn unexpected(&self) -> Problem {
        let token: Vec<u8> = match self.rest() {
            [] => return Problem { line: self.line, what: "unexpected end of file".to_owned() },
            [b'\n', ..] => b"newline".to_vec(),
            [b, ..] if is_meta(*b) => vec![*b],
            rest => rest.iter().copied().take_while(|b| !is_meta(*b)).take(40).collect(),
        };
        Problem { line: self.line, what: format!("`{}` unexpected", String::from_utf8_lossy(&token)) }
    }

    /// Runs `parse` one level deeper.
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return self.problem("constructs are nested too deep");
        };
        self.depth = depth;
        let result = parse(self);
        self.depth += 1;
        result
    }

    /// Skips spaces, line continuations and a comment.
    fn blanks(&mut self) {
        loop {
            match self.rest() {
                [b' ' | b'\t', ..] => self.at += 1,
                [b'\\', b'\n', ..] => {
                    self.at += 2;
                    self.line += 1;
                }
                [b'#', rest @ ..] => {
                    self.at += 1 + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    /// Skips blanks and newlines, reading here-documents that begin after a newline.
    fn newlines(&mut self) -> Parsed<()> {
        loop {
            self.blanks();
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.bump();
            self.here_documents()?;
        }
    }

    /// The reserved word that stands here.
    fn reserved(&self) -> Option<&'static [u8]> {
        let rest = self.rest();
        let end = rest.iter().position(|&b| is_meta(b)).unwrap_or(rest.len());
        let word = rest.get(..end)?;
        RESERVED.into_iter().find(|reserved| *reserved == word)
    }

    fn expect(&mut self, word: &[u8]) -> Parsed<()> {
        self.newlines()?;
        if self.reserved() == Some(word) {
            self.at += word.len();
            return Ok(());
        }
        let problem = self.unexpected();
        self.problem(format!("{} (expecting `{}`)", problem.what, String::from_utf8_lossy(word)))
    }

    /// Commands up to a closing token, which is left standing.
    pub(super) fn list(&mut self) -> Parsed<Command> {
        self.deeper(|parser| {
            let mut items = Vec::new();
            loop {
                parser.newlines()?;
                match parser.rest() {
                    [] | [b')', ..] | [b';', b';', ..] => break,
                    _ => {}
                }
                if parser.reserved().is_some_and(|word| {
                    matches!(word, b"}" | b"do" | b"done" | b"elif" | b"else" | b"esac" | b"fi" | b"then")
                }) {
                    break;
                }
                let item = parser.and_or()?;
                parser.blanks();
                match parser.rest() {
                    [b';', b';', ..] => {
                        items.push(item);
                        break;
                    }
                    [b';', ..] => {
                        parser.at += 1;
                        items.push(item);
                    }
                    [b'&', ..] => {
                        parser.at += 1;
                        items.push(Command::Background(Box::new(item)));
                    }
                    [b'\n', ..] => items.push(item),
                    [] | [b')', ..] => {
                        items.push(item);
                        break;
                    }
                    _ if parser.reserved().is_some() && ends_compound(&item) => items.push(item),
                    _ => return Err(parser.unexpected()),
                }
            }
            if parser.peek().is_none() && !parser.here.is_empty() {
                parser.here_documents()?;
            }
            Ok(if items.len() == 1 {
                items.pop().unwrap_or(Command::List(Vec::new()))
            } else {
                Command::List(items)
            })
        })
    }

    /// A list that may not be empty.
    fn some_list(&mut self) -> Parsed<Command> {
        match self.list()? {
            Command::List(items) if items.is_empty() => Err(self.unexpected()),
            list => Ok(list),
        }
    }

    fn and_or(&mut self) -> Parsed<Command> {
        let mut left = self.pipeline()?;
        let mut chain = 0;
        loop {
            self.blanks();
            let and = self.rest().starts_with(b"&&");
            if !and && !self.rest().starts_with(b"||") {
                return Ok(left);
            }
            chain += 1;
            if chain > 200 {
                return self.problem("a chain of more than 200 `&&` and `||`");
            }
            self.at += 2;
            self.newlines()?;
            let right = Box::new(self.pipeline()?);
            left = if and { Command::And(Box::new(left), right) } else { Command::Or(Box::new(left), right) };
        }
    }

    fn pipeline(&mut self) -> Parsed<Command> {
        self.blanks();
        let negated = self.reserved() == Some(b"!");
        if negated {
            self.at += 1;
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            match self.rest() {
                [b'|', b'|', ..] => break,
                [b'|', ..] => {
                    self.at += 1;
                    self.newlines()?;
                    commands.push(self.command()?);
                }
                _ => break,
            }
        }
        match commands.pop() {
            Some(command) if commands.is_empty() && !negated => Ok(command),
            Some(command) => {
                commands.push(command);
                Ok(Command::Pipeline { negated, commands })
            }
            None => Err(self.unexpected()),
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.blanks();
        let line = self.line;
        let command = match self.peek() {
            Some(b'(') => {
                self.at += 1;
                let list = self.some_list()?;
                if !self.eat(b")") {
                    return Err(self.unexpected());
                }
                Command::Subshell(Rc::new(list))
            }
            _ => match self.reserved() {
                Some(b"{") => {
                    self.at += 1;
                    let list = self.some_list()?;
                    self.expect(b"}")?;
                    Command::Group(Box::new(list))
                }
                Some(b"if") => self.deeper(Self::if_clause)?,
                Some(word @ (b"while" | b"until")) => {
                    self.at += 5;
                    let condition = Box::new(self.some_list()?);
                    let body = Box::new(self.do_group()?);
                    Command::While { until: word == b"until", condition, body }
                }
                Some(b"for") => self.for_clause()?,
                Some(b"case") => self.case_clause()?,
                Some(_) => return Err(self.unexpected()),
                None => {
                    self.at += self.keyword_of_bash();
                    return self.simple();
                }
            },
        };
        let mut redirects = Vec::new();
        loop {
            self.blanks();
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None if redirects.is_empty() => return Ok(command),
                None => {
                    let command = Box::new(alone_in_braces(command));
                    return Ok(Command::Redirected { line, command, redirects });
                }
            }
        }
    }

    /// How long `function ` is where `NAME()` follows, which dash has no command for: bash's other way to write the same.
    fn keyword_of_bash(&self) -> usize {
        let blank = |b: &u8| matches!(b, b' ' | b'\t');
        let Some(rest) = self.rest().strip_prefix(b"function").filter(|rest| rest.first().is_some_and(blank))
        else {
            return 0;
        };
        let blanks = rest.iter().take_while(|b| blank(b)).count();
        let name = rest.get(blanks..).unwrap_or_default();
        let length = name.iter().take_while(|b| !is_meta(**b)).count();
        let after = name.get(length..).unwrap_or_default().trim_ascii_start();
        if is_name(name.get(..length).unwrap_or_default()) && after.starts_with(b"(") {
            8 + blanks
        } else {
            0
        }
    }

    fn do_group(&mut self) -> Parsed<Command> {
        self.expect(b"do")?;
        let body = self.some_list()?;
        self.expect(b"done")?;
        Ok(body)
    }

    fn if_clause(&mut self) -> Parsed<Command> {
        self.at += if self.reserved() == Some(b"elif") { 4 } else { 2 };
        let condition = Box::new(self.some_list()?);
        self.expect(b"then")?;
        let then = Box::new(self.some_list()?);
        let otherwise = match self.reserved() {
            Some(b"elif") => Some(Box::new(self.deeper(Self::if_clause)?)),
            Some(b"else") => {
                self.at += 4;
                let list = self.some_list()?;
                self.expect(b"fi")?;
                Some(Box::new(list))
            }
            _ => {
                self.expect(b"fi")?;
                None
            }
        };
        Ok(Command::If { condition, then, otherwise })
    }

    fn for_clause(&mut self) -> Parsed<Command> {
        let line = self.line;
        self.at += 3;
        self.blanks();
        let name = self.bare_word();
        if !is_name(&name) {
            return self.problem("bad for loop variable");
        }
        self.newlines()?;
        let mut words = None;
        if self.reserved() == Some(b"in") {
            self.at += 2;
            let mut list = Vec::new();
            loop {
                self.blanks();
                match self.peek() {
                    Some(b';' | b'\n') => break,
                    _ => match self.word()? {
                        Some(word) => list.push(word),
                        None => return Err(self.unexpected()),
                    },
                }
            }
            words = Some(list);
            if self.peek() == Some(b';') {
                self.at += 1;
            }
        } else if self.peek() == Some(b';') {
            self.at += 1;
        }
        let body = Box::new(self.do_group()?);
        Ok(Command::For { line, name, words, body })
    }

    fn case_clause(&mut self) -> Parsed<Command> {
        let line = self.line;
        self.at += 4;
        self.blanks();
        let Some(word) = self.word()? else { return Err(self.unexpected()) };
        self.expect(b"in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines()?;
            if self.reserved() == Some(b"esac") {
                break;
            }
            if self.peek() == Some(b'(') {
                self.at += 1;
                self.blanks();
            }
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                match self.word()? {
                    Some(pattern) => patterns.push(pattern),
                    None => return Err(self.unexpected()),
                }
                self.blanks();
                match self.peek() {
                    Some(b'|') => self.at += 1,
                    Some(b')') => break,
                    _ => return Err(self.unexpected()),
                }
            }
            self.at += 1;
            arms.push((patterns, self.list()?));
            self.newlines()?;
            if !self.eat(b";;") {
                break;
            }
        }
        self.expect(b"esac")?;
        Ok(Command::Case { line, word, arms })
    }

    fn bare_word(&mut self) -> Bytes {
        let rest = self.rest();
        let end = rest.iter().position(|&b| is_meta(b)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default().to_vec()
    }

    fn simple(&mut self) -> Parsed<Command> {
        let start = self.at;
        let mut simple = Simple { line: self.line, ..Simple::default() };
        let mut end = start;
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect()? {
                simple.redirects.push(redirect);
            } else if let Some(name) = self.assignment().filter(|_| simple.words.is_empty()) {
                self.at += name.len() + 1;
                let value = self.value()?;
                simple.assignments.push((name, value));
            } else {
                let first =
                    simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty();
                let from = self.at;
                let Some(word) = self.word()? else { break };
                if first {
                    let name = self.text.get(from..self.at).unwrap_or_default().to_vec();
                    self.blanks();
                    if self.peek() == Some(b'(') {
                        return self.function(name);
                    }
                }
                simple.words.push(word);
            }
            end = self.at;
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty() {
            return Err(self.unexpected());
        }
        let text: Vec<u8> = self.text.get(start..end).unwrap_or_default().iter().copied().take(200).collect();
        simple.text = String::from_utf8_lossy(&text).trim_end().into();
        Ok(Command::Simple(simple))
    }

    fn function(&mut self, name: Bytes) -> Parsed<Command> {
        self.at += 1;
        self.blanks();
        if !self.eat(b")") || !name.iter().all(|b| b.is_ascii_alphanumeric() || b"_-.:+@%,/".contains(b)) {
            return Err(self.unexpected());
        }
        self.newlines()?;
        let body = Rc::new(self.deeper(Self::command)?);
        Ok(Command::Function { name, body })
    }

    /// The name of an assignment that stands here.
    fn assignment(&self) -> Option<Bytes> {
        let rest = self.rest();
        let end = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let name = rest.get(..end)?;
        (is_name(name) && rest.get(end) == Some(&b'=')).then(|| name.to_vec())
    }

    fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        let rest = self.rest();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let op = rest.get(digits..).unwrap_or_default();
        if digits > 1 || !matches!(op, [b'<' | b'>', ..]) {
            return Ok(None);
        }
        let number = if digits == 1 { rest.first().map(|b| u32::from(*b - b'0')) } else { None };
        let tokens: [&[u8]; 9] = [b"<<-", b"<<", b"<&", b"<>", b"<", b">>", b">&", b">|", b">"];
        let Some(token) = tokens.into_iter().find(|token| op.starts_with(token)) else { return Ok(None) };
        self.at += digits + token.len();
        self.blanks();
        let fd = number.unwrap_or(u32::from(token.starts_with(b">")));
        if token.starts_with(b"<<") {
            let (end, quoted) = self.delimiter()?;
            let body = Rc::new(OnceCell::new());
            self.here.push(HereDoc { end, quoted, strip: token == b"<<-", body: Rc::clone(&body) });
            return Ok(Some(Redirect { fd, to: Target::Here(body) }));
        }
        let Some(word) = self.word()? else { return Err(self.unexpected()) };
        let to = match token {
            b"<" => Target::Read(word),
            b">>" => Target::Append(word),
            b"<>" => Target::ReadWrite(word),
            b"<&" | b">&" => Target::Duplicate(word),
            _ => Target::Write(word),
        };
        Ok(Some(Redirect { fd, to }))
    }
}

/// Whether a reserved word may follow without a separator: after `)`, `}`, `fi`, `done`, `esac`.
fn ends_compound(command: &Command) -> bool {
    match command {
        Command::Simple(_) => false,
        Command::Pipeline { commands, .. } => commands.last().is_some_and(ends_compound),
        Command::And(_, right) | Command::Or(_, right) => ends_compound(right),
        Command::Function { body, .. } => ends_compound(body),
        _ => true,
    }
}
