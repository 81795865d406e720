//! `grep`: lines that match.

use super::common::{Done, Run, number, records, size, text, unsupported};
use super::options::{Grammar, Takes};
use super::regex::{self, Flavour, Regex, Syntax};
use super::{Failure, Input};
use std::borrow::Cow;

const GRAMMAR: Grammar = Grammar {
    name: "grep",
    short: "0123456789EFGPe:f:ivwxyqshHnLlcom:A:B:C:zZabrRTuU",
    long: &[
        ("extended-regexp", 'E', Takes::Nothing),
        ("fixed-strings", 'F', Takes::Nothing),
        ("basic-regexp", 'G', Takes::Nothing),
        ("perl-regexp", 'P', Takes::Nothing),
        ("regexp", 'e', Takes::Value),
        ("file", 'f', Takes::Value),
        ("ignore-case", 'i', Takes::Nothing),
        ("no-ignore-case", 'I', Takes::Nothing),
        ("invert-match", 'v', Takes::Nothing),
        ("word-regexp", 'w', Takes::Nothing),
        ("line-regexp", 'x', Takes::Nothing),
        ("quiet", 'q', Takes::Nothing),
        ("silent", 'q', Takes::Nothing),
        ("no-messages", 's', Takes::Nothing),
        ("no-filename", 'h', Takes::Nothing),
        ("with-filename", 'H', Takes::Nothing),
        ("line-number", 'n', Takes::Nothing),
        ("files-without-match", 'L', Takes::Nothing),
        ("files-with-matches", 'l', Takes::Nothing),
        ("count", 'c', Takes::Nothing),
        ("only-matching", 'o', Takes::Nothing),
        ("max-count", 'm', Takes::Value),
        ("after-context", 'A', Takes::Value),
        ("before-context", 'B', Takes::Value),
        ("context", 'C', Takes::Value),
        ("null-data", 'z', Takes::Nothing),
        ("null", 'Z', Takes::Nothing),
        ("text", 'a', Takes::Nothing),
        ("line-buffered", 'N', Takes::Nothing),
        ("color", 'K', Takes::Maybe),
        ("colour", 'K', Takes::Maybe),
        ("recursive", 'r', Takes::Nothing),
    ],
    in_order: false,
};

/// `grep`.
pub(super) fn grep(input: &mut Input<'_>) -> Done {
    start(false, false, input)
}

/// `egrep`.
pub(super) fn egrep(input: &mut Input<'_>) -> Done {
    start(true, false, input)
}

/// `fgrep`.
pub(super) fn fgrep(input: &mut Input<'_>) -> Done {
    start(false, true, input)
}

/// What is printed of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Lines,
    Parts,
    Count,
    With,
    Without,
    Nothing,
}

struct Grep {
    regexes: Vec<Regex>,
    invert: bool,
    show: Show,
    numbers: bool,
    names: bool,
    end: u8,
    /// What ends a file's name.
    mark: Option<u8>,
    most: usize,
    before: Option<usize>,
    after: Option<usize>,
    text: bool,
    /// Something was printed before, so that groups of lines are kept apart.
    printed: bool,
}

fn start(extended: bool, fixed: bool, input: &mut Input<'_>) -> Done {
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("grep", input);
    let mut syntax = Syntax { fixed, ..Syntax::of(Flavour::Grep, extended) };
    let mut patterns: Option<Vec<Vec<u8>>> = None;
    let (mut silent, mut names, mut parts, mut listing, mut count) = (false, None, false, None, false);
    let (mut quiet, mut digits) = (false, Vec::new());
    let mut grep = Grep {
        regexes: Vec::new(),
        invert: false,
        show: Show::Lines,
        numbers: false,
        names: false,
        end: b'\n',
        mark: None,
        most: usize::MAX,
        before: None,
        after: None,
        text: false,
        printed: false,
    };
    for (letter, value) in given.options {
        let amount = || match number(&value) {
            Some(value) => Ok(size(value)),
            None => Err(Failure::Unsupported(format!("grep -{letter} {}", text(&value)))),
        };
        let add = |patterns: &mut Option<Vec<Vec<u8>>>, more: &[u8]| {
            patterns.get_or_insert_default().extend(more.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        };
        match letter {
            'E' => (syntax.extended, syntax.fixed) = (true, false),
            'F' => syntax.fixed = true,
            'G' => (syntax.extended, syntax.fixed) = (false, false),
            'e' => add(&mut patterns, &value),
            'f' => {
                let data = match run.open(&value) {
                    Ok(data) => data,
                    Err(error) => return run.fail(&format!("{}: {error}", text(&value)), 2),
                };
                // an empty file has no pattern at all, which matches nothing
                if data.is_empty() {
                    patterns.get_or_insert_default();
                } else {
                    add(&mut patterns, data.strip_suffix(b"\n").unwrap_or(&data));
                }
            }
            'i' | 'y' => syntax.fold = true,
            'I' => syntax.fold = false,
            'v' => grep.invert = true,
            'w' => syntax.word = true,
            'x' => syntax.whole = true,
            'q' => quiet = true,
            's' => silent = true,
            'h' => names = Some(false),
            'H' => names = Some(true),
            'n' => grep.numbers = true,
            'L' => listing = Some(Show::Without),
            'l' => listing = Some(Show::With),
            'c' => count = true,
            'o' => parts = true,
            'm' => grep.most = amount()?,
            'A' => grep.after = Some(amount()?),
            'B' => grep.before = Some(amount()?),
            'C' => {
                let around = Some(amount()?);
                (grep.before, grep.after) = (grep.before.or(around), grep.after.or(around));
            }
            'z' => grep.end = 0,
            'Z' => grep.mark = Some(0),
            'a' => grep.text = true,
            'N' | 'u' | 'U' => {}
            'K' if value != b"always" => {}
            digit if digit.is_ascii_digit() => digits.push(u8::try_from(digit).unwrap_or(b'0')),
            other => return unsupported(format!("grep -{other}")),
        }
    }
    if let Some(context) = number(&digits).map(size) {
        grep.before = grep.before.or(Some(context));
        grep.after = grep.after.or(Some(context));
    }
    let mut operands = given.operands;
    let patterns = match patterns {
        Some(patterns) => patterns,
        None if operands.is_empty() => return run.fail("no pattern", 2),
        None => operands.remove(0).split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(),
    };
    grep.show = match (quiet, listing, count) {
        (true, ..) => Show::Nothing,
        (_, Some(listing), _) => listing,
        (.., true) => Show::Count,
        _ if parts => Show::Parts,
        _ => Show::Lines,
    };
    if parts && (grep.before.is_some() || grep.after.is_some()) && grep.show == Show::Parts {
        return unsupported("grep -o with lines around");
    }
    match Regex::any(&patterns, syntax) {
        Ok(regexes) => grep.regexes = regexes,
        Err(regex::Error::Invalid(words)) => return run.fail(words, 2),
        Err(regex::Error::Failure(failure)) => return Err(failure),
    }
    for words in grep.regexes.iter().flat_map(|regex| regex.warnings().to_vec()) {
        run.complain(&words);
    }
    grep.names = names.unwrap_or(operands.len() > 1);
    let files = if operands.is_empty() { vec![b"-".to_vec()] } else { operands };
    let (mut any, mut failed) = (false, false);
    if grep.most == 0 {
        run.out.status = 1;
        return run.finish();
    }
    for file in &files {
        let data = match run.open(file) {
            Ok(data) => data,
            Err(error) => {
                if !silent {
                    run.complain(&format!("{}: {error}", text(file)));
                }
                failed = true;
                continue;
            }
        };
        let name = if file == b"-" { b"(standard input)".to_vec() } else { file.clone() };
        let selected = grep.file(&mut run, &name, &data)?;
        any |= selected;
        if any && grep.show == Show::Nothing {
            return run.finish();
        }
    }
    run.out.status = match (failed, any) {
        (true, _) => 2,
        (false, true) => 0,
        (false, false) => 1,
    };
    run.finish()
}

impl Grep {
    fn matches(&self, line: &[u8], steps: &mut u64) -> Result<bool, Failure> {
        for regex in &self.regexes {
            if regex.is_match(line, steps)? {
                return Ok(!self.invert);
            }
        }
        Ok(self.invert)
    }

    /// The name and number before a line; the mark says whether it matches.
    fn prefix(&self, run: &mut Run<'_, '_>, name: &[u8], line: u64, mark: u8) -> Result<(), Failure> {
        if self.names {
            run.put(name)?;
            run.put(&[self.mark.unwrap_or(mark)])?;
        }
        if self.numbers {
            run.put(line.to_string().as_bytes())?;
            run.put(&[mark])?;
        }
        Ok(())
    }

    /// Searches a file; whether a line was selected.
    fn file(&mut self, run: &mut Run<'_, '_>, name: &[u8], data: &[u8]) -> Result<bool, Failure> {
        let mut data = Cow::Borrowed(data);
        let null = data.iter().position(|byte| *byte == 0).filter(|_| !self.text && self.end != 0);
        if let Some(at) = null {
            if at >= 32768 && !matches!(self.show, Show::With | Show::Without | Show::Nothing) {
                return unsupported(format!("grep of the binary file {}", text(name)));
            }
            // in a binary file, zeros end lines
            data = data.iter().map(|byte| if *byte == 0 { b'\n' } else { *byte }).collect::<Vec<u8>>().into();
        }
        let mut selected = 0u64;
        let lines: Vec<&[u8]> = records(&data, self.end).collect();
        // the first line that was not printed yet, and how many to print after a match
        let (mut next, mut trail) = (0usize, 0usize);
        let mut last = None;
        for (index, line) in lines.iter().enumerate() {
            run.step(1)?;
            let full = size(selected) >= self.most;
            if full && trail == 0 {
                break;
            }
            let number = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            // after the last one that is wanted, lines are context even where they match
            if full || !self.matches(line, run.input.steps)? {
                if trail > 0 && self.show == Show::Lines {
                    trail -= 1;
                    self.prefix(run, name, number, b'-')?;
                    run.line(line, self.end)?;
                    next = index + 1;
                    last = Some(index);
                }
                continue;
            }
            selected += 1;
            match self.show {
                Show::Nothing | Show::With | Show::Without => break,
                Show::Count => continue,
                Show::Lines | Show::Parts if null.is_some() => {
                    run.complain(&format!("{}: binary file matches", text(name)));
                    return Ok(true);
                }
                Show::Parts => self.parts(run, name, number, line)?,
                Show::Lines => {
                    let from = index.saturating_sub(self.before.unwrap_or(0)).max(next);
                    let apart = last.is_none_or(|last| last + 1 != from);
                    if (self.before.is_some() || self.after.is_some()) && self.printed && apart {
                        run.put(b"--\n")?;
                    }
                    for (before, line) in lines.iter().enumerate().take(index).skip(from) {
                        let number = u64::try_from(before).unwrap_or(u64::MAX).saturating_add(1);
                        self.prefix(run, name, number, b'-')?;
                        run.line(line, self.end)?;
                    }
                    self.prefix(run, name, number, b':')?;
                    run.line(line, self.end)?;
                    self.printed = true;
                    next = index + 1;
                    last = Some(index);
                    trail = self.after.unwrap_or(0);
                }
            }
        }
        let mark = self.mark.unwrap_or(b'\n');
        match self.show {
            Show::Count => {
                if self.names {
                    run.put(name)?;
                    run.put(&[self.mark.unwrap_or(b':')])?;
                }
                run.line(selected.to_string().as_bytes(), b'\n')?;
            }
            Show::With if selected > 0 => run.line(name, mark)?,
            Show::Without if selected == 0 => run.line(name, mark)?,
            _ => {}
        }
        Ok(selected > 0)
    }

    /// Prints what matched, part by part.
    fn parts(&self, run: &mut Run<'_, '_>, name: &[u8], number: u64, line: &[u8]) -> Result<(), Failure> {
        if self.invert {
            return Ok(());
        }
        let mut at = 0;
        while at <= line.len() {
            let mut best: Option<std::ops::Range<usize>> = None;
            for regex in &self.regexes {
                let Some(found) = regex.span(line, at, run.input.steps)? else { continue };
                let better = best.as_ref().is_none_or(|best| {
                    found.start < best.start || found.start == best.start && found.end > best.end
                });
                if better {
                    best = Some(found);
                }
            }
            let Some(found) = best else { break };
            if found.is_empty() {
                at = found.end + 1;
                continue;
            }
            self.prefix(run, name, number, b':')?;
            run.line(&line[found.clone()], self.end)?;
            at = found.end;
        }
        Ok(())
    }
}
