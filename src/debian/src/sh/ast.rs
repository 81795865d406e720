//! The syntax tree.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::files::Bytes;

/// A command.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are the grammar's")]
pub enum Command {
    Simple(Simple),
    Pipeline { negated: bool, commands: Vec<Command> },
    And(Box<Command>, Box<Command>),
    Or(Box<Command>, Box<Command>),
    List(Vec<Command>),
    Background(Box<Command>),
    Subshell(Rc<Command>),
    Group(Box<Command>),
    Redirected { line: u32, command: Box<Command>, redirects: Vec<Redirect> },
    If { condition: Box<Command>, then: Box<Command>, otherwise: Option<Box<Command>> },
    While { until: bool, condition: Box<Command>, body: Box<Command> },
    For { line: u32, name: Bytes, words: Option<Vec<Word>>, body: Box<Command> },
    Case { line: u32, word: Word, arms: Vec<(Vec<Word>, Command)> },
    Function { name: Bytes, body: Rc<Command> },
}

/// A command without inner commands.
#[derive(Debug, Clone, Default)]
pub struct Simple {
    /// Its line.
    pub line: u32,
    /// `NAME=value` before the words.
    pub assignments: Vec<(Bytes, Word)>,
    /// The words; the first is the command.
    pub words: Vec<Word>,
    /// What is redirected.
    pub redirects: Vec<Redirect>,
    /// The text, for errors.
    pub text: Rc<str>,
}

/// A word: parts that stand next to each other.
pub type Word = Vec<Part>;

/// A part of a word.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are the grammar's")]
pub enum Part {
    Text { bytes: Bytes, quoted: bool },
    Param(Box<Param>),
    Command { body: Rc<Command>, quoted: bool },
    Arith { word: Word, quoted: bool },
    Tilde(Bytes),
}

/// `$name`, `${name}` or `${name OP word}`.
#[derive(Debug, Clone)]
pub struct Param {
    /// The name, number or special character.
    pub name: Bytes,
    /// What is done with it.
    pub op: Op,
    /// Whether it stands in double quotes.
    pub quoted: bool,
}

/// What an expansion does with a parameter; `colon` takes an empty value for an unset one.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are the grammar's")]
pub enum Op {
    Value,
    Length,
    Default {
        colon: bool,
        word: Word,
    },
    Assign {
        colon: bool,
        word: Word,
    },
    Error {
        colon: bool,
        word: Word,
    },
    Alternative {
        colon: bool,
        word: Word,
    },
    Prefix {
        longest: bool,
        pattern: Word,
    },
    Suffix {
        longest: bool,
        pattern: Word,
    },
    /// Not of POSIX: dash complains when it gets there.
    Bad(Bytes),
}

/// A redirection.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// The descriptor.
    pub fd: u32,
    /// To or from what.
    pub to: Target,
}

/// To or from what is redirected.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are the grammar's")]
pub enum Target {
    Read(Word),
    Write(Word),
    Append(Word),
    ReadWrite(Word),
    Duplicate(Word),
    Here(Rc<OnceCell<Word>>),
}
