//! `tr`: translates, squeezes or deletes bytes.

use super::Input;
use super::class::Class;
use super::common::{Done, Run, length, number, size, text, unsupported};
use super::options::{Grammar, Takes};

const GRAMMAR: Grammar = Grammar {
    name: "tr",
    short: "cCdst",
    long: &[
        ("complement", 'c', Takes::Nothing),
        ("delete", 'd', Takes::Nothing),
        ("squeeze-repeats", 's', Takes::Nothing),
        ("truncate-set1", 't', Takes::Nothing),
    ],
    in_order: true,
};

/// One part of a set.
enum Part {
    /// Bytes in their order.
    Bytes(Vec<u8>),
    /// A class.
    Class(Class),
    /// A byte as its class.
    Equivalent(u8),
    /// A byte so often, or as often as needed.
    Repeat(u8, Option<usize>),
}

/// `tr`.
pub(super) fn tr(input: &mut Input<'_>) -> Done {
    let given = GRAMMAR.read(input.args)?;
    let mut run = Run::new("tr", input);
    let has = |letter| given.options.iter().any(|(found, _)| *found == letter);
    let complement = has('c') || has('C');
    let (delete, squeeze, truncate) = (has('d'), has('s'), has('t'));
    let (first, second) = match given.operands.as_slice() {
        [first] => (first, None),
        [first, second] => (first, Some(second)),
        [] => return run.fail("missing operand", 1),
        _ => return run.fail(&format!("extra operand '{}'", text(&given.operands[2])), 1),
    };
    if second.is_none() && !delete && !squeeze || second.is_none() && delete && squeeze {
        return run.fail(&format!("missing operand after '{}'", text(first)), 1);
    }
    if second.is_some() && delete && !squeeze {
        return run.fail("extra operand", 1);
    }
    let parts = match parse(first) {
        Ok(parts) => parts,
        Err(error) => return run.fail(&error, 1),
    };
    if parts.iter().any(|part| matches!(part, Part::Repeat(_, None))) {
        return run.fail("the [c*] repeat construct may not appear in string1", 1);
    }
    let mut set = expand(&parts, 0);
    if complement {
        set = (0..=u8::MAX).filter(|byte| !set.contains(byte)).collect();
    }
    let second = match second.map(|second| parse(second)).transpose() {
        Ok(second) => second,
        Err(error) => return run.fail(&error, 1),
    };
    let fills = |parts: &Vec<Part>| parts.iter().any(|part| matches!(part, Part::Repeat(_, None)));
    if delete && second.as_ref().is_some_and(fills) {
        return run.fail("the [c*] construct may appear in string2 only when translating", 1);
    }
    let mut map: Vec<u8> = (0..=u8::MAX).collect();
    let translate = second.is_some() && !delete;
    let mut into = Vec::new();
    if let Some(second) = &second {
        if translate
            && second
                .iter()
                .any(|part| matches!(part, Part::Class(c) if !matches!(c, Class::Lower | Class::Upper)))
        {
            return run.fail("when translating, the only character classes that may appear in string2 are 'upper' and 'lower'", 1);
        }
        if translate && second.iter().any(|part| matches!(part, Part::Equivalent(_))) {
            return run.fail("[=c=] expressions may not appear in string2 when translating", 1);
        }
        if translate && !cases_match(&parts, second, complement) {
            return unsupported(format!("tr {} {}", text(first), text(&given.operands[1])));
        }
        into = expand(second, set.len());
    }
    if translate {
        if into.is_empty() && !truncate && !set.is_empty() {
            return run.fail("when not truncating set1, string2 must be non-empty", 1);
        }
        let pad = into.last().copied();
        for (index, byte) in set.iter().enumerate() {
            let target = into.get(index).copied().or(if truncate { None } else { pad });
            if let Some(target) = target {
                map[usize::from(*byte)] = target;
            }
        }
    }
    let classes = parts.iter().any(|part| matches!(part, Part::Class(_)));
    if translate && complement && classes && into.iter().any(|byte| into.first() != Some(byte)) {
        return run.fail(
            "when translating with complemented character classes,\nstring2 must map all characters in the domain to one",
            1,
        );
    }
    let mut deleted = [false; 256];
    if delete {
        for byte in &set {
            deleted[usize::from(*byte)] = true;
        }
    }
    let mut squeezed = [false; 256];
    if squeeze {
        for byte in if second.is_some() { &into } else { &set } {
            squeezed[usize::from(*byte)] = true;
        }
    }
    let data = run.stdin();
    run.step(length(data.len()) / 64 + 1)?;
    let mut output = Vec::with_capacity(data.len());
    for byte in data {
        if deleted[usize::from(*byte)] {
            continue;
        }
        let byte = map[usize::from(*byte)];
        if squeezed[usize::from(byte)] && output.last() == Some(&byte) {
            continue;
        }
        output.push(byte);
    }
    run.put(&output)?;
    run.finish()
}

/// Whether each class of case in `second` stands where `first` has one, so that order is the whole of the translation.
fn cases_match(first: &[Part], second: &[Part], complement: bool) -> bool {
    let starts = |parts: &[Part]| {
        let mut at = 0usize;
        let mut starts = Vec::new();
        for part in parts {
            match part {
                Part::Bytes(bytes) => at += bytes.len(),
                Part::Equivalent(_) => at += 1,
                Part::Class(class) => {
                    if matches!(class, Class::Lower | Class::Upper) {
                        starts.push(at);
                    }
                    at += (0..=u8::MAX).filter(|byte| class.holds(*byte)).count();
                }
                Part::Repeat(_, count) => at = at.saturating_add(count.unwrap_or(usize::MAX)),
            }
        }
        starts
    };
    let second = starts(second);
    second.is_empty() || !complement && second.iter().all(|at| starts(first).contains(at))
}

/// The bytes of a set; what repeats as needed fills it up to `wanted`.
fn expand(parts: &[Part], wanted: usize) -> Vec<u8> {
    let fixed: usize = parts
        .iter()
        .map(|part| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::Equivalent(_) => 1,
            Part::Class(class) => (0..=u8::MAX).filter(|byte| class.holds(*byte)).count(),
            Part::Repeat(_, count) => count.unwrap_or(0),
        })
        .fold(0, usize::saturating_add);
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            Part::Bytes(some) => bytes.extend_from_slice(some),
            Part::Equivalent(byte) => bytes.push(*byte),
            Part::Class(class) => bytes.extend((0..=u8::MAX).filter(|byte| class.holds(*byte))),
            // a set has 256 bytes at most: what repeats more often changes nothing
            Part::Repeat(byte, count) => {
                let count = count.unwrap_or(wanted.saturating_sub(fixed)).min(1024);
                bytes.extend(std::iter::repeat_n(*byte, count));
            }
        }
    }
    bytes
}

/// A byte, and whether it was escaped.
fn unescape(set: &[u8]) -> Result<Vec<(u8, bool)>, String> {
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Some(byte) = set.get(at) {
        at += 1;
        if *byte != b'\\' {
            bytes.push((*byte, false));
            continue;
        }
        let Some(next) = set.get(at) else {
            // a backslash at the end stands for itself
            bytes.push((b'\\', false));
            break;
        };
        at += 1;
        bytes.push(match next {
            b'a' => (7, true),
            b'b' => (8, true),
            b'f' => (12, true),
            b'n' => (10, true),
            b'r' => (13, true),
            b't' => (9, true),
            b'v' => (11, true),
            b'0'..=b'7' => {
                let mut value = u32::from(next - b'0');
                let mut digits = 1;
                while digits < 3
                    && let Some(digit @ b'0'..=b'7') = set.get(at)
                    && value * 8 + u32::from(digit - b'0') <= 255
                {
                    value = value * 8 + u32::from(digit - b'0');
                    at += 1;
                    digits += 1;
                }
                (u8::try_from(value).map_err(|_| "invalid octal".to_owned())?, true)
            }
            other => (*other, true),
        });
    }
    Ok(bytes)
}

fn parse(set: &[u8]) -> Result<Vec<Part>, String> {
    let bytes = unescape(set)?;
    let plain = |at: usize, byte: u8| bytes.get(at) == Some(&(byte, false));
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some((byte, _)) = bytes.get(at) {
        if plain(at, b'[')
            && let Some((part, next)) = construct(&bytes, at)?
        {
            parts.push(part);
            at = next;
            continue;
        }
        if plain(at + 1, b'-')
            && let Some((last, _)) = bytes.get(at + 2)
        {
            if last < byte {
                return Err(format!(
                    "range-endpoints of '{}' are in reverse collating sequence order",
                    text(&[*byte, b'-', *last])
                ));
            }
            parts.push(Part::Bytes((*byte..=*last).collect()));
            at += 3;
        } else {
            parts.push(Part::Bytes(vec![*byte]));
            at += 1;
        }
    }
    Ok(parts)
}

/// `[:class:]`, `[=c=]`, `[c*n]` at `at`, and where it ends.
fn construct(bytes: &[(u8, bool)], at: usize) -> Result<Option<(Part, usize)>, String> {
    let plain = |at: usize, byte: u8| bytes.get(at) == Some(&(byte, false));
    for mark in [b':', b'='] {
        if !plain(at + 1, mark) {
            continue;
        }
        let Some(close) = (at + 2..bytes.len()).find(|close| plain(*close, mark) && plain(close + 1, b']'))
        else {
            continue;
        };
        let name: Vec<u8> = bytes[at + 2..close].iter().map(|(byte, _)| *byte).collect();
        if mark == b':' {
            let Some(class) = Class::named(&name) else {
                return Err(format!("invalid character class '{}'", text(&name)));
            };
            return Ok(Some((Part::Class(class), close + 2)));
        }
        return match name.as_slice() {
            [one] => Ok(Some((Part::Equivalent(*one), close + 2))),
            [] => Err("missing equivalence class character '[==]'".to_owned()),
            _ => Err(format!("{}: equivalence class operand must be a single character", text(&name))),
        };
    }
    if let (Some((byte, _)), true) = (bytes.get(at + 1), plain(at + 2, b'*'))
        && let Some(close) = (at + 3..bytes.len()).find(|close| plain(*close, b']'))
    {
        let digits: Vec<u8> = bytes[at + 3..close].iter().map(|(byte, _)| *byte).collect();
        if digits.is_empty() {
            return Ok(Some((Part::Repeat(*byte, None), close + 1)));
        }
        if !digits.iter().all(u8::is_ascii_digit) {
            return Ok(None);
        }
        let count = if digits.first() == Some(&b'0') {
            digits.iter().try_fold(0usize, |sum, digit| {
                (*digit < b'8').then(|| sum.saturating_mul(8).saturating_add(usize::from(digit - b'0')))
            })
        } else {
            number(&digits).map(size)
        };
        return match count {
            Some(0) => Ok(Some((Part::Repeat(*byte, None), close + 1))),
            Some(count) => Ok(Some((Part::Repeat(*byte, Some(count)), close + 1))),
            None => Err(format!("invalid repeat count '{}' in [c*n] construct", text(&digits))),
        };
    }
    Ok(None)
}
