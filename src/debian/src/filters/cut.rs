//! `cut`: parts of lines.

use super::common::{Done, Run, number, records, size, text, unsupported};
use super::options::{Grammar, Takes};
use super::{Failure, Input};

const GRAMMAR: Grammar = Grammar {
    name: "cut",
    short: "b:c:d:f:nsz",
    long: &[
        ("bytes", 'b', Takes::Value),
        ("characters", 'c', Takes::Value),
        ("delimiter", 'd', Takes::Value),
        ("fields", 'f', Takes::Value),
        ("only-delimited", 's', Takes::Nothing),
        ("zero-terminated", 'z', Takes::Nothing),
        ("complement", 'C', Takes::Nothing),
        ("output-delimiter", 'O', Takes::Value),
    ],
    in_order: false,
};

/// `cut`.
pub(super) fn cut(input: &mut Input<'_>) -> Done {
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("cut", input);
    let (mut list, mut fields, mut delimiter, mut only, mut end) = (None, false, None, false, b'\n');
    let (mut complement, mut output) = (false, None);
    for (letter, value) in given.options {
        match letter {
            'b' | 'c' | 'f' if list.is_some() => return run.fail("only one list may be specified", 1),
            'b' | 'c' | 'f' => {
                fields = letter == 'f';
                list = Some(value);
            }
            'd' => delimiter = Some(value),
            's' => only = true,
            'z' => end = 0,
            'C' => complement = true,
            'O' => output = Some(value),
            _ => {}
        }
    }
    let Some(list) = list else {
        return run.fail("you must specify a list of bytes, characters, or fields", 1);
    };
    if !fields && (delimiter.is_some() || only) {
        return run.fail("an input delimiter may be specified only when operating on fields", 1);
    }
    let delimiter = match delimiter.as_deref() {
        None => b'\t',
        Some([]) => 0,
        Some([one]) => *one,
        Some(_) => return run.fail("the delimiter must be a single character", 1),
    };
    if delimiter == end && fields {
        return unsupported("cut with a delimiter that ends lines");
    }
    let Some(ranges) = ranges(&list) else {
        let words = format!("invalid list: {}", text(&list));
        return run.fail(&words, 1);
    };
    let ranges = if complement { invert(&ranges) } else { ranges };
    let files = if given.operands.is_empty() { vec![b"-".to_vec()] } else { given.operands };
    for file in &files {
        let Some(data) = run.open_or_complain(file, 1) else { continue };
        for line in records(&data, end) {
            run.step(1)?;
            if fields {
                let separator = output.as_deref().unwrap_or(std::slice::from_ref(&delimiter));
                if line.contains(&delimiter) {
                    let parts = line.split(|byte| *byte == delimiter).enumerate();
                    let mut first = true;
                    for (_, part) in parts.filter(|(index, _)| within(&ranges, index + 1).is_some()) {
                        if !std::mem::replace(&mut first, false) {
                            run.put(separator)?;
                        }
                        run.put(part)?;
                    }
                } else if only {
                    continue;
                } else {
                    run.put(line)?;
                }
            } else {
                bytes(&mut run, line, &ranges, output.as_deref())?;
            }
            run.put(&[end])?;
        }
    }
    run.finish()
}

fn bytes(
    run: &mut Run<'_, '_>,
    line: &[u8],
    ranges: &[(usize, usize)],
    separator: Option<&[u8]>,
) -> Result<(), Failure> {
    let mut first = true;
    for (start, last) in ranges {
        let from = start.saturating_sub(1).min(line.len());
        let Some(part) = line.get(from..(*last).min(line.len())).filter(|part| !part.is_empty()) else {
            continue;
        };
        if !std::mem::replace(&mut first, false)
            && let Some(separator) = separator
        {
            run.put(separator)?;
        }
        run.put(part)?;
    }
    Ok(())
}

/// The range that holds `position`.
fn within(ranges: &[(usize, usize)], position: usize) -> Option<usize> {
    ranges.iter().position(|(start, last)| (*start..=*last).contains(&position))
}

/// A list: first and last of each range, in order, overlapping ones as one.
fn ranges(list: &[u8]) -> Option<Vec<(usize, usize)>> {
    let mut ranges = Vec::new();
    for part in list.split(|byte| matches!(byte, b',' | b' ' | b'\t')) {
        let bounds: Vec<&[u8]> = part.splitn(2, |byte| *byte == b'-').collect();
        let range = match bounds.as_slice() {
            [one] => (size(number(one)?), size(number(one)?)),
            [b"", b""] => return None,
            [b"", last] => (1, size(number(last)?)),
            [start, b""] => (size(number(start)?), usize::MAX),
            [start, last] => (size(number(start)?), size(number(last)?)),
            _ => return None,
        };
        if range.0 == 0 || range.1 < range.0 {
            return None;
        }
        ranges.push(range);
    }
    ranges.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.0 <= last.1 => last.1 = last.1.max(range.1),
            _ => merged.push(range),
        }
    }
    Some(merged)
}

/// What `ranges` leaves out.
fn invert(ranges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut inverted = Vec::new();
    let mut next = 1usize;
    for (start, last) in ranges {
        if *start > next {
            inverted.push((next, start - 1));
        }
        next = last.saturating_add(1);
    }
    if next < usize::MAX {
        inverted.push((next, usize::MAX));
    }
    inverted
}
