//! A script of `sed`, read.

use super::super::regex::Regex;

/// A place in the stream.
#[derive(Debug, Clone)]
pub(super) enum Address {
    Zero,
    Line(u64),
    /// From the first on, every so many.
    Step(u64, u64),
    Last,
    /// Nothing is the pattern that was used last.
    Pattern(Option<Box<Regex>>),
    /// So many lines more.
    More(u64),
    /// To the next multiple.
    Multiple(u64),
}

/// A part of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(Vec<u8>),
    Group(usize),
    Case(Case),
}

/// What becomes of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
    UpperOne,
    LowerOne,
    End,
}

/// `s`
#[derive(Debug, Clone)]
pub(super) struct Substitution {
    pub(super) pattern: Option<Box<Regex>>,
    pub(super) parts: Vec<Part>,
    pub(super) all: bool,
    pub(super) print: bool,
    pub(super) nth: u64,
    pub(super) write: Option<Vec<u8>>,
}

/// What a command does.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// Where its `}` is.
    Block(usize),
    Nothing,
    Number,
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    Delete,
    DeleteFirst,
    Get,
    GetMore,
    Hold,
    HoldMore,
    Exchange,
    List(Option<u64>),
    Next,
    NextMore,
    Print,
    PrintFirst,
    Quit(u8),
    QuitSilently(u8),
    Read(Vec<u8>),
    Write(Vec<u8>),
    WriteFirst(Vec<u8>),
    Substitute(Box<Substitution>),
    Translate(Box<[u8; 256]>),
    /// Where to go on.
    Branch(usize),
    BranchIf(usize),
    BranchUnless(usize),
    Empty,
    Name,
}

/// A command.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) first: Option<Address>,
    pub(super) second: Option<Address>,
    pub(super) negated: bool,
    pub(super) action: Action,
}

/// A script.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
    /// The files that `w` writes; they are there even if nothing is written.
    pub(super) files: Vec<Vec<u8>>,
}
