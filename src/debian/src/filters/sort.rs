//! `sort`, in the C locale.

use super::common::{Done, Run, number, push, records, size, text, unsupported};
use super::options::{Grammar, Takes};
use super::version;
use super::{Failure, Input};
use std::cmp::Ordering;

const GRAMMAR: Grammar = Grammar {
    name: "sort",
    short: "bcCdfghik:mMno:rRsS:t:T:uVz",
    long: &[
        ("ignore-leading-blanks", 'b', Takes::Nothing),
        ("check", 'c', Takes::Maybe),
        ("dictionary-order", 'd', Takes::Nothing),
        ("ignore-case", 'f', Takes::Nothing),
        ("human-numeric-sort", 'h', Takes::Nothing),
        ("ignore-nonprinting", 'i', Takes::Nothing),
        ("key", 'k', Takes::Value),
        ("merge", 'm', Takes::Nothing),
        ("month-sort", 'M', Takes::Nothing),
        ("numeric-sort", 'n', Takes::Nothing),
        ("output", 'o', Takes::Value),
        ("reverse", 'r', Takes::Nothing),
        ("stable", 's', Takes::Nothing),
        ("buffer-size", 'S', Takes::Value),
        ("field-separator", 't', Takes::Value),
        ("temporary-directory", 'T', Takes::Value),
        ("unique", 'u', Takes::Nothing),
        ("version-sort", 'V', Takes::Nothing),
        ("zero-terminated", 'z', Takes::Nothing),
        ("parallel", 'P', Takes::Value),
    ],
    in_order: false,
};

/// How to compare.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum How {
    #[default]
    Bytes,
    Numbers,
    Human,
    Months,
    Versions,
}

/// How keys are compared.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Order {
    how: How,
    reverse: bool,
    fold: bool,
    dictionary: bool,
    printable: bool,
    skip_start: bool,
    skip_end: bool,
    /// Two orders of numbers were asked for.
    clash: bool,
}

/// A place in a line: field and byte, counted from zero.
#[derive(Clone, Copy, Default)]
struct Place {
    field: usize,
    byte: usize,
}

/// A part of lines to compare.
#[derive(Clone, Copy, Default)]
struct Key {
    start: Place,
    end: Option<Place>,
    order: Order,
}

struct Sorter {
    keys: Vec<Key>,
    separator: Option<u8>,
    unique: bool,
    stable: bool,
    reverse: bool,
}

impl Order {
    /// Takes a letter of ordering; whether it is one.
    fn letter(&mut self, letter: u8) -> Result<bool, Failure> {
        let how = match letter {
            b'n' => Some(How::Numbers),
            b'h' => Some(How::Human),
            b'M' => Some(How::Months),
            b'V' => Some(How::Versions),
            _ => None,
        };
        if let Some(how) = how {
            self.clash |= self.how != How::Bytes && self.how != how;
            self.how = how;
            return Ok(true);
        }
        match letter {
            b'r' => self.reverse = true,
            b'f' => self.fold = true,
            b'd' => self.dictionary = true,
            b'i' => self.printable = true,
            b'g' | b'R' => return unsupported(format!("sort -{}", char::from(letter))),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Nothing but blanks is said.
    fn is_plain(self) -> bool {
        let blanks = Self { skip_start: self.skip_start, skip_end: self.skip_end, ..Self::default() };
        self == blanks
    }
}

/// `sort`.
pub(super) fn sort(input: &mut Input<'_>) -> Done {
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("sort", input);
    let mut global = Order::default();
    let mut sorter =
        Sorter { keys: Vec::new(), separator: None, unique: false, stable: false, reverse: false };
    let (mut check, mut end, mut output, mut merge) = (None, b'\n', None, false);
    for (letter, value) in given.options {
        match letter {
            'b' => (global.skip_start, global.skip_end) = (true, true),
            'c' if matches!(value.as_slice(), b"quiet" | b"silent") => check = Some(false),
            'c' => check = Some(true),
            'C' => check = Some(false),
            'k' => match key(&value)? {
                Some(key) => sorter.keys.push(key),
                None => return unsupported(format!("sort -k {}", text(&value))),
            },
            'm' => merge = true,
            'o' => output = Some(value),
            's' => sorter.stable = true,
            't' => match value.as_slice() {
                [one] if sorter.separator.is_some_and(|known| known != *one) => {
                    return run.fail("incompatible tabs", 2);
                }
                [one] => sorter.separator = Some(*one),
                b"\\0" => sorter.separator = Some(0),
                [] => return run.fail("empty tab", 2),
                _ => return run.fail(&format!("multi-character tab '{}'", text(&value)), 2),
            },
            'u' => sorter.unique = true,
            'z' => end = 0,
            'S' | 'T' | 'P' => {}
            other => {
                global.letter(u8::try_from(other).unwrap_or_default())?;
            }
        }
    }
    // the reverse of what is compared last, when no key decides, is the one that was given for all
    sorter.reverse = global.reverse;
    for key in &mut sorter.keys {
        if key.order.is_plain() && !key.order.skip_start && !key.order.skip_end {
            key.order = global;
        }
    }
    if sorter.keys.is_empty() && !(Order { reverse: false, ..global }).eq(&Order::default()) {
        sorter.keys.push(Key { order: global, ..Key::default() });
    }
    for Key { order, .. } in &sorter.keys {
        if order.clash
            || !matches!(order.how, How::Bytes | How::Versions) && (order.dictionary || order.printable)
        {
            return run.fail("options are incompatible", 2);
        }
    }
    let mut files = Vec::new();
    let operands = if given.operands.is_empty() { vec![b"-".to_vec()] } else { given.operands };
    for file in &operands {
        match run.open(file) {
            Ok(data) => files.push(data),
            Err(error) => return run.fail(&format!("cannot read: {}: {error}", text(file)), 2),
        }
    }
    let mut lines: Vec<&[u8]> = files.iter().flat_map(|data| records(data, end)).collect();
    if let Some(loud) = check {
        if output.is_some() {
            return run.fail("options '-co' are incompatible", 2);
        }
        if operands.len() > 1 {
            return run.fail(&format!("extra operand '{}' not allowed with -c", text(&operands[1])), 2);
        }
        for (index, pair) in lines.windows(2).enumerate() {
            run.step(1)?;
            let order = sorter.compare(pair[0], pair[1]);
            if order == Ordering::Greater || sorter.unique && order == Ordering::Equal {
                if loud {
                    let words = format!("{}:{}: disorder: {}", text(&operands[0]), index + 2, text(pair[1]));
                    run.complain(&words);
                }
                run.out.status = 1;
                break;
            }
        }
        return run.finish();
    }
    let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let depth = u64::from(count.checked_ilog2().unwrap_or(0)) + 1;
    run.step(count.saturating_mul(depth))?;
    if merge {
        for data in &files {
            let one: Vec<&[u8]> = records(data, end).collect();
            if one.windows(2).any(|pair| sorter.compare(pair[0], pair[1]) == Ordering::Greater) {
                return unsupported("sort -m of lines that are not sorted");
            }
        }
    }
    lines.sort_by(|one, other| sorter.compare(one, other));
    if sorter.unique {
        lines.dedup_by(|next, one| sorter.compare(one, next) == Ordering::Equal);
    }
    let mut sorted = Vec::new();
    for line in lines {
        push(&mut sorted, line)?;
        push(&mut sorted, &[end])?;
    }
    match output {
        Some(file) => run.write(&file, sorted)?,
        None => run.out.stdout = sorted,
    }
    run.finish()
}

/// `F[.C][OPTS][,F[.C][OPTS]]`; nothing where it is none.
fn key(value: &[u8]) -> Result<Option<Key>, Failure> {
    let mut key = Key::default();
    let mut parts = value.splitn(2, |byte| *byte == b',');
    let Some((field, byte, letters)) = parts.next().and_then(place) else { return Ok(None) };
    // both are counted from one
    let (Some(field), Some(byte)) = (field.checked_sub(1), byte.unwrap_or(1).checked_sub(1)) else {
        return Ok(None);
    };
    key.start = Place { field, byte };
    for letter in letters {
        match letter {
            b'b' => key.order.skip_start = true,
            _ if key.order.letter(*letter)? => {}
            _ => return Ok(None),
        }
    }
    if let Some(part) = parts.next() {
        let Some((field, byte, letters)) = place(part) else { return Ok(None) };
        let Some(field) = field.checked_sub(1) else { return Ok(None) };
        key.end = Some(Place { field, byte: byte.unwrap_or(0) });
        for letter in letters {
            match letter {
                b'b' => key.order.skip_end = true,
                _ if key.order.letter(*letter)? => {}
                _ => return Ok(None),
            }
        }
    }
    Ok(Some(key))
}

/// Field, byte and letters.
fn place(part: &[u8]) -> Option<(usize, Option<usize>, &[u8])> {
    let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let field = size(number(&part[..digits])?);
    let rest = &part[digits..];
    let Some(rest) = rest.strip_prefix(b".") else { return Some((field, None, rest)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some((field, Some(size(number(&rest[..digits])?)), &rest[digits..]))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

fn blanks(line: &[u8], at: usize) -> usize {
    at + line.get(at..).unwrap_or_default().iter().take_while(|byte| is_blank(**byte)).count()
}

impl Sorter {
    fn compare(&self, one: &[u8], other: &[u8]) -> Ordering {
        for key in &self.keys {
            let order = key.order.compare(self.part(key, one), self.part(key, other));
            if order != Ordering::Equal {
                return if key.order.reverse { order.reverse() } else { order };
            }
        }
        if !self.keys.is_empty() && (self.unique || self.stable) {
            return Ordering::Equal;
        }
        let order = one.cmp(other);
        if self.reverse { order.reverse() } else { order }
    }

    /// The part of a line that a key names.
    fn part<'l>(&self, key: &Key, line: &'l [u8]) -> &'l [u8] {
        let mut start = 0;
        for _ in 0..key.start.field {
            if start >= line.len() {
                break;
            }
            start = self.field_end(line, start);
            if self.separator.is_some() && start < line.len() {
                start += 1;
            }
        }
        if key.order.skip_start {
            start = blanks(line, start);
        }
        start = start.saturating_add(key.start.byte).min(line.len());
        let end = match key.end {
            None => line.len(),
            Some(place) => {
                let mut end = 0;
                // byte zero stands for the whole field
                let fields = if place.byte == 0 { place.field.saturating_add(1) } else { place.field };
                for index in 0..fields {
                    if end >= line.len() {
                        break;
                    }
                    end = self.field_end(line, end);
                    let more = index + 1 < fields || place.byte > 0;
                    if self.separator.is_some() && end < line.len() && more {
                        end += 1;
                    }
                }
                if place.byte > 0 {
                    if key.order.skip_end {
                        end = blanks(line, end);
                    }
                    end = end.saturating_add(place.byte);
                }
                end.min(line.len())
            }
        };
        line.get(start..end.max(start)).unwrap_or_default()
    }

    /// Where the field that starts at `at` ends.
    fn field_end(&self, line: &[u8], at: usize) -> usize {
        let rest = line.get(at..).unwrap_or_default();
        at + match self.separator {
            Some(separator) => rest.iter().take_while(|byte| **byte != separator).count(),
            None => {
                let blank = rest.iter().take_while(|byte| is_blank(**byte)).count();
                blank + rest[blank..].iter().take_while(|byte| !is_blank(**byte)).count()
            }
        }
    }
}

impl Order {
    fn compare(self, one: &[u8], other: &[u8]) -> Ordering {
        match self.how {
            How::Numbers => Number::read(one).cmp(&Number::read(other)),
            How::Human => human(one).cmp(&human(other)),
            How::Months => month(one).cmp(&month(other)),
            _ if self.fold || self.dictionary || self.printable => {
                let (one, other) = (self.prepare(one), self.prepare(other));
                if self.how == How::Versions { version::compare(&one, &other) } else { one.cmp(&other) }
            }
            How::Versions => version::compare(one, other),
            How::Bytes => one.cmp(other),
        }
    }

    fn prepare(self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if self.dictionary {
            bytes.retain(|byte| byte.is_ascii_alphanumeric() || is_blank(*byte));
        } else if self.printable {
            bytes.retain(|byte| byte.is_ascii_graphic() || *byte == b' ');
        }
        if self.fold {
            bytes.make_ascii_uppercase();
        }
        bytes
    }
}

/// A number of any length, as text.
#[derive(PartialEq, Eq)]
struct Number<'l> {
    negative: bool,
    whole: &'l [u8],
    fraction: &'l [u8],
}

impl<'l> Number<'l> {
    fn read(text: &'l [u8]) -> Self {
        let (number, _) = Self::prefix(text);
        number
    }

    /// The number at the start, and how long it is with blanks before it.
    fn prefix(text: &'l [u8]) -> (Self, usize) {
        let mut at = blanks(text, 0);
        let negative = text.get(at) == Some(&b'-');
        at += usize::from(negative);
        let digits = |at: usize| {
            text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        let count = digits(at);
        let whole = &text[at..at + count];
        at += count;
        let mut fraction: &[u8] = &[];
        if text.get(at) == Some(&b'.') {
            let count = digits(at + 1);
            fraction = &text[at + 1..at + 1 + count];
            at += 1 + count;
        }
        let zeros = whole.iter().take_while(|byte| **byte == b'0').count();
        let tail = fraction.iter().rev().take_while(|byte| **byte == b'0').count();
        let (whole, fraction) = (&whole[zeros..], &fraction[..fraction.len() - tail]);
        let zero = whole.is_empty() && fraction.is_empty();
        (Self { negative: negative && !zero, whole, fraction }, at)
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |one: &Self, other: &Self| {
            one.whole
                .len()
                .cmp(&other.whole.len())
                .then_with(|| one.whole.cmp(other.whole))
                .then_with(|| one.fraction.cmp(other.fraction))
        };
        match (self.negative, other.negative) {
            (false, false) => size(self, other),
            (true, true) => size(other, self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A number with a suffix: its sign and suffix decide first.
fn human(text: &[u8]) -> (i32, Number<'_>) {
    let (number, at) = Number::prefix(text);
    let zero = number.whole.is_empty() && number.fraction.is_empty();
    let suffix = match text.get(at) {
        Some(b'k' | b'K') => 1,
        Some(letter) => b"KMGTPEZYRQ"
            .iter()
            .position(|known| known == letter)
            .map_or(0, |at| i32::try_from(at).unwrap_or(0) + 1),
        None => 0,
    };
    let suffix = if zero { 0 } else { suffix };
    (if number.negative { -suffix } else { suffix }, number)
}

fn month(text: &[u8]) -> usize {
    const MONTHS: [&[u8]; 12] =
        [b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC"];
    let at = blanks(text, 0);
    let name = text.get(at..at.saturating_add(3)).unwrap_or_default().to_ascii_uppercase();
    MONTHS.iter().position(|month| *month == name).map_or(0, |at| at + 1)
}
