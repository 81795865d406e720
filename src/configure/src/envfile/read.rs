//! The reader: one pass over bytes that somebody else wrote.

/// The longest file that is read: user-data of every cloud is at most this.
pub const FILE_LIMIT: usize = 64 * 1024;
/// The longest value, unless the table of keys says more.
pub const VALUE_LIMIT: usize = 4096;
/// The longest key.
const KEY_LIMIT: usize = 128;
/// The most lines of a file.
const LINE_LIMIT: u32 = 4096;

/// A key, its value and where it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// `[A-Za-z_][A-Za-z0-9_]*`.
    pub key: String,
    /// The value after unquoting: UTF-8, without NUL and CR.
    pub value: String,
    /// The line where it starts, from 1.
    pub line: u32,
}

/// A line that is not an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syntax {
    /// Which, from 1.
    pub line: u32,
    /// The key, as far as there is one.
    pub key: Option<String>,
    /// What is wrong.
    pub rule: &'static str,
    /// The way out.
    pub hint: Option<&'static str>,
}

impl Syntax {
    fn new(line: u32, rule: &'static str) -> Self {
        Self { line, key: None, rule, hint: None }
    }
}

/// What takes a byte order mark away.
pub const NO_MARK: &str = "`dos2unix FILE` removes it, and so does `sed -i '1s/^\\xef\\xbb\\xbf//' FILE`";
/// What gives lines that end with a newline alone.
const NO_RETURNS: &str =
    "its lines end as on Windows: `dos2unix FILE` makes them plain, and so does `sed -i 's/\\r$//' FILE`";
const NO_UTF16: &str = "it is UTF-16: `iconv -f UTF-16 -t UTF-8 FILE` writes it as UTF-8";

/// All assignments in order, or all that is wrong. After an unclosed quote nothing more can be told.
pub fn read(bytes: &[u8]) -> Result<Vec<Assignment>, Vec<Syntax>> {
    let at = |at: usize, rule, hint| Err(vec![Syntax { hint, ..Syntax::new(line_of(bytes, at), rule) }]);
    if bytes.len() > FILE_LIMIT {
        return at(0, "expected a file of at most 64 KiB", None);
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return at(0, "expected no byte order mark", Some(NO_MARK));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
            return at(error.valid_up_to(), "expected UTF-8", utf16.then_some(NO_UTF16));
        }
    };
    if let Some(found) = text.find(['\0', '\r']) {
        let is_return = bytes.get(found) == Some(&b'\r');
        return at(found, "expected no NUL and no carriage return", is_return.then_some(NO_RETURNS));
    }
    if let Some(found) = text.find(|character| super::is_no_character(u32::from(character))) {
        return at(found, "expected no code point that is not a character", None);
    }
    let mut reader = Reader { text, at: 0, line: 1 };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    while reader.at < text.len() {
        if reader.line > LINE_LIMIT {
            bad.push(Syntax::new(reader.line, "expected at most 4096 lines"));
            break;
        }
        match reader.statement() {
            Ok(Some(assignment)) => good.push(assignment),
            Ok(None) => {}
            Err(syntax) => {
                let unclosed = syntax.rule == UNCLOSED;
                bad.push(syntax);
                if unclosed {
                    break;
                }
                reader.skip_line();
            }
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

const UNCLOSED: &str = "expected a closing quote";

/// The line, from 1, of the byte `at`.
fn line_of(bytes: &[u8], at: usize) -> u32 {
    let breaks = bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
    u32::try_from(breaks).unwrap_or(u32::MAX).saturating_add(1)
}

/// Whether `key` is a name that a shell could assign to.
#[must_use]
pub fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= KEY_LIMIT
        && key.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && !key.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        if character == '\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(character)
    }

    fn skip_line(&mut self) {
        while let Some(character) = self.peek() {
            if character == '\n' {
                return;
            }
            self.next();
        }
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
    }

    /// One line's statement: an assignment, or nothing.
    fn statement(&mut self) -> Result<Option<Assignment>, Syntax> {
        self.skip_blanks();
        match self.peek() {
            None => return Ok(None),
            Some('\n') => {
                self.next();
                return Ok(None);
            }
            Some('#') => {
                self.skip_line();
                return Ok(None);
            }
            Some(_) => {}
        }
        let line = self.line;
        let mut key = self.name();
        if key == "export" && matches!(self.peek(), Some(' ' | '\t')) {
            self.skip_blanks();
            key = self.name();
        }
        let named = is_key(&key).then(|| key.clone());
        let wrong = |rule| Syntax { key: named.clone(), ..Syntax::new(line, rule) };
        if named.is_none() {
            return Err(wrong("expected a key of letters, digits and `_`, not starting with a digit"));
        }
        if self.peek() != Some('=') {
            return Err(wrong("expected `KEY=value`, one assignment a line"));
        }
        self.next();
        let value = self.value().map_err(wrong)?;
        self.skip_blanks();
        match self.peek() {
            None | Some('\n') => {}
            Some('#') => self.skip_line(),
            Some(_) => return Err(wrong("expected nothing after the value, or the value in quotes")),
        }
        Ok(Some(Assignment { key, value, line }))
    }

    /// What stands before `=` or a blank, at most one byte more than a key may have.
    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(character) = self.peek() {
            if matches!(character, '=' | ' ' | '\t' | '\n') || name.len() > KEY_LIMIT {
                break;
            }
            name.push(character);
            self.next();
        }
        name
    }

    /// A word: quoted and unquoted parts up to a blank or the end of the line.
    fn value(&mut self) -> Result<String, &'static str> {
        let mut out = String::new();
        loop {
            match self.peek() {
                None | Some(' ' | '\t' | '\n') => return Ok(out),
                Some('\'') => self.single(&mut out)?,
                Some('"') => self.double(&mut out)?,
                Some('$') => self.dollar_single(&mut out)?,
                Some('\\') => {
                    self.next();
                    match self.next() {
                        Some('\n') => {}
                        Some(character) => out.push(character),
                        None => return Err("expected a character after the `\\`"),
                    }
                }
                Some('`' | ';' | '&' | '|' | '<' | '>' | '(' | ')') => return Err(ACTIVE),
                Some('~') if out.is_empty() || out.ends_with(':') => return Err(ACTIVE),
                Some(character) => {
                    out.push(character);
                    self.next();
                }
            }
        }
    }

    fn single(&mut self, out: &mut String) -> Result<(), &'static str> {
        self.next();
        loop {
            match self.next() {
                None => return Err(UNCLOSED),
                Some('\'') => return Ok(()),
                Some(character) => out.push(character),
            }
        }
    }

    fn double(&mut self, out: &mut String) -> Result<(), &'static str> {
        self.next();
        loop {
            match self.next() {
                None => return Err(UNCLOSED),
                Some('"') => return Ok(()),
                Some('$' | '`') => return Err(ACTIVE),
                Some('\\') => match self.next() {
                    None => return Err(UNCLOSED),
                    Some('\n') => {}
                    Some(character @ ('"' | '\\' | '$' | '`')) => out.push(character),
                    Some(character) => out.extend(['\\', character]),
                },
                Some(character) => out.push(character),
            }
        }
    }

    /// `$'…'` with the escapes of POSIX.1-2024 that give text; any other `$` would be expanded.
    fn dollar_single(&mut self, out: &mut String) -> Result<(), &'static str> {
        self.next();
        if self.peek() != Some('\'') {
            return Err(ACTIVE);
        }
        self.next();
        loop {
            match self.next() {
                None => return Err(UNCLOSED),
                Some('\'') => return Ok(()),
                Some('\\') => match self.next() {
                    None => return Err(UNCLOSED),
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some(character @ ('\'' | '"' | '\\')) => out.push(character),
                    Some(_) => {
                        return Err("expected only `\\n`, `\\t`, `\\\\` and quotes as escapes in `$'…'`");
                    }
                },
                Some(character) => out.push(character),
            }
        }
    }
}

const ACTIVE: &str =
    "expected plain text, found a character that a shell would act on; put the value in single quotes";
