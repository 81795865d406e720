//! Why nothing was done: one class, and every fault that was found.
//!
//! A fault names the file, the line, the key and the rule, and the way out. It has no field for the value: a secret
//! cannot leak through what does not hold it.

use std::fmt;
use std::fmt::Write as _;

/// What kind of refusal it is; its number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The command line.
    Usage,
    /// A server did not answer.
    Network,
    /// The disk or the system refused.
    Io,
    /// The same, for want of room.
    Full,
    /// Another run holds the lock.
    Lock,
    /// What was given breaks a rule.
    Input,
}

impl Class {
    /// The exit code: the same table as the baker's.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Network => 3,
            Self::Io | Self::Full => 6,
            Self::Lock => 7,
            Self::Input => 8,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which file (a path as the node knows it) or part.
    pub place: String,
    /// Which line of it, from 1.
    pub line: Option<u32>,
    /// Which setting.
    pub key: Option<String>,
    /// The rule that it breaks: `expected X`, `expected X, found Y` where Y is no value of a setting.
    pub rule: String,
    /// The way out.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault of `place`.
    #[must_use]
    pub fn new(place: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { place: place.into(), line: None, key: None, rule: rule.into(), hint: None }
    }

    /// At `line`, from 1.
    #[must_use]
    pub fn line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }

    /// Of the setting `key`.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// With a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        text.push_str(&self.place);
        if let Some(line) = self.line {
            write!(text, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(text, ": {key}")?;
        }
        write!(text, ": {}", self.rule)?;
        out.write_str(&printable(&text))
    }
}

/// Everything that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind it is.
    pub class: Class,
    /// What is wrong; empty only when it was told before, and only the exit code says it again.
    pub faults: Vec<Fault>,
}

/// What stages return.
pub type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    /// What was given breaks rules.
    #[must_use]
    pub fn input(faults: Vec<Fault>) -> Self {
        Self { class: Class::Input, faults }
    }

    /// The disk or the system refused: `place` is a path, `what` the operation.
    #[must_use]
    pub fn io(place: impl Into<String>, what: &str, cause: &std::io::Error) -> Self {
        let class = match cause.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Class::Full,
            _ => Class::Io,
        };
        Self { class, faults: vec![Fault::new(place, format!("cannot {what}: {cause}"))] }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::input(vec![fault])
    }
}

impl fmt::Display for Refusal {
    /// A line `error: …` for each fault, with a line `hint: …` below it where there is a way out.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(out, "error: {fault}")?;
            if let Some(hint) = &fault.hint {
                writeln!(out, "hint: {}", printable(hint))?;
            }
        }
        Ok(())
    }
}

/// Whether a reader does not see `character`, or sees other text because of it: control characters, marks, embeddings and
/// isolates of direction (Unicode's `Bidi_Control`), separators, what has no width, tags, and what is not a character.
fn hides(character: char) -> bool {
    character.is_control()
        || crate::envfile::is_no_character(u32::from(character))
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` without what is not seen: a file name or a key from outside may hold an escape sequence.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        if hides(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
        out
    })
}
