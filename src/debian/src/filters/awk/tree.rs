//! Awk programs as trees.

use super::super::regex::Regex;
use std::rc::Rc;

/// Where a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Global(usize),
    Local(usize),
}

/// Something that can be assigned.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Variable(Place),
    Element(Place, Vec<Expression>),
    Field(Box<Expression>),
}

/// A pattern that is known, or an expression that says it.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Known(Rc<Regex>),
    Computed(Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessEqual,
    Equal,
    Unequal,
    Greater,
    GreaterEqual,
}

/// A function of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builtin {
    Length,
    Substr,
    Index,
    Sprintf,
    Lower,
    Upper,
    Sin,
    Cos,
    Atan2,
    Exp,
    Log,
    Sqrt,
    Int,
    Close,
    Flush,
    System,
}

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    Number(f64),
    Text(Rc<[u8]>),
    /// A pattern by itself: whether the record matches.
    Pattern(Rc<Regex>),
    Target(Target),
    Assign(Target, Box<Expression>),
    Update(Target, Operator, Box<Expression>),
    /// `x++` and its like: whether the new value counts, and what is added.
    Step(Target, bool, f64),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    Join(Box<Expression>, Box<Expression>),
    Match(bool, Box<Expression>, Pattern),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Positive(Box<Expression>),
    Choose(Box<Expression>, Box<Expression>, Box<Expression>),
    In(Vec<Expression>, Place),
    Group(Box<Expression>),
    Call(usize, Vec<Expression>),
    Builtin(Builtin, Vec<Expression>),
    /// Text, array, separator.
    Split(Box<Expression>, Place, Option<Pattern>),
    /// All of them, pattern, replacement, target.
    Replace(bool, Pattern, Box<Expression>, Target),
    /// `match`
    Find(Box<Expression>, Pattern),
    /// Target and file.
    Getline(Option<Target>, Option<Box<Expression>>),
    /// A variable as an argument, which may be an array.
    Argument(Place),
}

/// Where `print` writes.
#[derive(Debug, Clone)]
pub(super) enum Output {
    Standard,
    File(Expression),
    Append(Expression),
    Pipe(Expression),
}

/// A statement.
#[derive(Debug, Clone)]
pub(super) enum Statement {
    Expression(Expression),
    Print(Vec<Expression>, Output),
    Printf(Vec<Expression>, Output),
    If(Expression, Box<Statement>, Option<Box<Statement>>),
    While(Expression, Box<Statement>),
    Do(Box<Statement>, Expression),
    For(Option<Box<Statement>>, Option<Expression>, Option<Box<Statement>>, Box<Statement>),
    /// Variable, array, body.
    Each(Target, Place, Box<Statement>),
    Block(Vec<Statement>),
    Next,
    NextFile,
    Exit(Option<Expression>),
    Return(Option<Expression>),
    Break,
    Continue,
    Delete(Place, Option<Vec<Expression>>),
}

/// When a rule applies.
#[derive(Debug, Clone)]
pub(super) enum When {
    Always,
    Matches(Expression),
    /// The range, by its number.
    Between(usize, Expression, Expression),
}

/// A function of the program.
#[derive(Debug, Clone, Default)]
pub(super) struct Function {
    pub(super) name: Vec<u8>,
    pub(super) parameters: Vec<Vec<u8>>,
    pub(super) body: Vec<Statement>,
    pub(super) defined: bool,
}

/// A program.
#[derive(Debug, Clone, Default)]
pub(super) struct Program {
    pub(super) begin: Vec<Statement>,
    pub(super) end: Vec<Statement>,
    /// `END` is there, so the input is read.
    pub(super) ends: bool,
    pub(super) rules: Vec<(When, Vec<Statement>)>,
    pub(super) ranges: usize,
    pub(super) functions: Vec<Function>,
    /// The names of global variables; the first ones are those of the language.
    pub(super) globals: Vec<Vec<u8>>,
}

/// The variables of the language, in the order of their places.
pub(super) const SPECIAL: &[&str] = &[
    "NF", "NR", "FNR", "FS", "OFS", "ORS", "RS", "SUBSEP", "CONVFMT", "OFMT", "FILENAME", "RSTART",
    "RLENGTH", "ENVIRON", "ARGC", "ARGV",
];

/// Places of the variables of the language.
pub(super) mod place {
    pub(in super::super) const NF: usize = 0;
    pub(in super::super) const NR: usize = 1;
    pub(in super::super) const FNR: usize = 2;
    pub(in super::super) const FS: usize = 3;
    pub(in super::super) const OFS: usize = 4;
    pub(in super::super) const ORS: usize = 5;
    pub(in super::super) const RS: usize = 6;
    pub(in super::super) const SUBSEP: usize = 7;
    pub(in super::super) const CONVFMT: usize = 8;
    pub(in super::super) const OFMT: usize = 9;
    pub(in super::super) const FILENAME: usize = 10;
    pub(in super::super) const RSTART: usize = 11;
    pub(in super::super) const RLENGTH: usize = 12;
    pub(in super::super) const ENVIRON: usize = 13;
    pub(in super::super) const ARGC: usize = 14;
    pub(in super::super) const ARGV: usize = 15;
}
