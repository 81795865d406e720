//! Regular expressions of POSIX as GNU's C library and programs understand them.
//!
//! This is a matcher of its own. The crates `regex` and `fancy-regex` take the first alternative that matches, POSIX the longest
//! match; translated patterns would find other text. GNU's C library chooses submatches in a way of its own, too: within the
//! longest match it prefers the earlier alternative and the greedier repetition. Here the span comes from simulating all
//! alternatives at once, which takes time in proportion to pattern and text; submatches come from a search with
//! backtracking that must end where the span ends and visits no place twice. Only with back-references, for which no better way
//! is known, can the work grow beyond that; it ends with the steps of the caller.

mod parse;
mod program;
mod search;

use super::Failure;
pub(super) use parse::{awk_escape, sed_escape};
use program::Program;
use std::ops::Range;

/// Whose rules a pattern follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// `grep`
    Grep,
    /// `sed`
    Sed,
    /// `expr`
    Expr,
    /// `awk`
    Awk,
}

/// How a pattern is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// Whose rules it follows.
    pub(super) flavour: Flavour,
    /// It is extended.
    pub(super) extended: bool,
    /// It is no pattern but plain text.
    pub(super) fixed: bool,
    /// Case does not count.
    pub(super) fold: bool,
    /// `^` and `$` match at every line.
    pub(super) lines: bool,
    /// The match is the whole text.
    pub(super) whole: bool,
    /// No letter, digit or underscore stands before or after the match.
    pub(super) word: bool,
}

impl Syntax {
    /// The basic expressions of `expr`.
    pub(super) fn expr() -> Self {
        Self::of(Flavour::Expr, false)
    }

    /// The expressions of `awk`.
    pub(super) fn awk() -> Self {
        Self::of(Flavour::Awk, true)
    }

    /// Those of a program, basic or extended.
    pub(super) fn of(flavour: Flavour, extended: bool) -> Self {
        Self { flavour, extended, fixed: false, fold: false, lines: false, whole: false, word: false }
    }
}

/// Why a pattern is not taken.
#[derive(Debug)]
pub(super) enum Error {
    /// GNU's programs do not take it either, and say so.
    Invalid(&'static str),
    /// It is not supported, or too large.
    Failure(Failure),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// A pattern, ready to search.
#[derive(Debug, Clone)]
pub(super) struct Regex {
    program: Program,
    /// What GNU's grep warns of.
    warnings: Vec<String>,
}

/// Where a pattern and its groups matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    slots: Vec<Option<usize>>,
}

impl Match {
    /// The range of a group; 0 is all of it.
    pub(super) fn get(&self, group: usize) -> Option<Range<usize>> {
        match (self.slots.get(group * 2)?, self.slots.get(group * 2 + 1)?) {
            (Some(start), Some(end)) if start <= end => Some(*start..*end),
            _ => None,
        }
    }

    /// Where a group starts, or nothing.
    pub(super) fn start(&self, group: usize) -> usize {
        self.get(group).map_or(0, |range| range.start)
    }

    /// Where a group ends, or nothing.
    pub(super) fn end(&self, group: usize) -> usize {
        self.get(group).map_or(0, |range| range.end)
    }
}

impl From<Range<usize>> for Match {
    fn from(range: Range<usize>) -> Self {
        Self { slots: vec![Some(range.start), Some(range.end)] }
    }
}

impl Regex {
    /// Reads a pattern.
    pub(super) fn new(pattern: &[u8], syntax: Syntax) -> Result<Self, Error> {
        let parsed = parse::parse(pattern, syntax)?;
        let program = Program::new(&parsed, syntax)?;
        Ok(Self { program, warnings: parsed.warnings })
    }

    /// Reads patterns of which any may match; those with back-references stay alone.
    pub(super) fn any(patterns: &[Vec<u8>], syntax: Syntax) -> Result<Vec<Self>, Error> {
        let mut plain = Vec::new();
        let mut regexes = Vec::new();
        let mut warnings = Vec::new();
        for pattern in patterns {
            let parsed = parse::parse(pattern, syntax)?;
            if parsed.referenced.is_empty() {
                warnings.extend(parsed.warnings);
                plain.push(parsed.node);
            } else {
                regexes.push(Self { program: Program::new(&parsed, syntax)?, warnings: parsed.warnings });
            }
        }
        if !plain.is_empty() {
            let parsed = parse::Parsed {
                node: parse::Node::Either(plain),
                groups: 0,
                referenced: Vec::new(),
                warnings: Vec::new(),
            };
            regexes.insert(0, Self { program: Program::new(&parsed, syntax)?, warnings });
        }
        Ok(regexes)
    }

    /// How many groups it has.
    pub(super) fn groups(&self) -> usize {
        self.program.groups
    }

    /// What GNU's grep warns of.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The first and there the longest match that starts at `from` or later.
    pub(super) fn find(&self, text: &[u8], from: usize, steps: &mut u64) -> Result<Option<Match>, Failure> {
        self.program.search(search::Text::new(text), from, false, true, steps)
    }

    /// The same without groups, which is less work.
    pub(super) fn span(
        &self,
        text: &[u8],
        from: usize,
        steps: &mut u64,
    ) -> Result<Option<Range<usize>>, Failure> {
        let found = self.program.search(search::Text::new(text), from, false, false, steps)?;
        Ok(found.and_then(|found| found.get(0)))
    }

    /// Whether it matches anywhere.
    pub(super) fn is_match(&self, text: &[u8], steps: &mut u64) -> Result<bool, Failure> {
        Ok(self.span(text, 0, steps)?.is_some())
    }

    /// The longest match that starts at `at`.
    pub(super) fn match_at(&self, text: &[u8], at: usize, steps: &mut u64) -> Result<Option<Match>, Failure> {
        self.program.search(search::Text::new(text), at, true, true, steps)
    }
}

#[cfg(test)]
mod tests;
