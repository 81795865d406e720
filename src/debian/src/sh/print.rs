//! `echo` and `printf`, as dash has them.

use super::arith;
use super::state::{Shell, Stop};
use crate::files::Bytes;

fn say(shell: &mut Shell<'_>, bytes: &[u8]) -> Result<u8, Stop> {
    if shell.write_fd(1, bytes)? {
        return Ok(0);
    }
    shell.complain("write error: Bad file descriptor")?;
    Ok(1)
}

pub(super) fn echo(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let mut list = words.get(1..).unwrap_or_default();
    if shell.s.bash {
        return echo_of_bash(shell, list);
    }
    let newline = list.first().is_none_or(|w| w != b"-n");
    if !newline {
        list = list.get(1..).unwrap_or_default();
    }
    let (mut out, more) = escapes(&list.join(&b' '), true);
    if newline && more {
        out.push(b'\n');
    }
    say(shell, &out)
}

/// bash takes options together, and backslashes only with `-e`.
fn echo_of_bash(shell: &mut Shell<'_>, mut list: &[Bytes]) -> Result<u8, Stop> {
    let (mut newline, mut takes) = (true, false);
    while let Some(([b'-', letters @ ..], rest)) = list.split_first().map(|(first, rest)| (&first[..], rest))
    {
        if letters.is_empty() || !letters.iter().all(|letter| b"neE".contains(letter)) {
            break;
        }
        newline &= !letters.contains(&b'n');
        takes = letters.contains(&b'e') || (takes && !letters.contains(&b'E'));
        list = rest;
    }
    let joined = list.join(&b' ');
    let (mut out, more) = if takes { escapes(&joined, true) } else { (joined, true) };
    if newline && more {
        out.push(b'\n');
    }
    say(shell, &out)
}

/// Takes backslashes away, as `echo` and `%b` do; false when `\c` ended it. With `zero`, a `\\0` may have three more octal digits.
fn escapes(text: &[u8], zero: bool) -> (Bytes, bool) {
    let mut out = Vec::new();
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let Some((letter, tail)) = tail.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = tail;
        match letter {
            b'c' if zero => return (out, false),
            b'0'..=b'7' => {
                // one to three digits; echo and `%b` take three more after a zero
                let whole = text.get(text.len() - tail.len() - 1..).unwrap_or_default();
                let from = if zero && *letter == b'0' { tail } else { whole };
                let count = from.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
                let value = from.iter().take(count).fold(0_u32, |value, b| value * 8 + u32::from(b - b'0'));
                out.push(value.to_le_bytes()[0]);
                rest = from.get(count..).unwrap_or_default();
            }
            other => match simple(*other) {
                Some(byte) => out.push(byte),
                None => out.extend([b'\\', *other]),
            },
        }
    }
    (out, true)
}

fn simple(letter: u8) -> Option<u8> {
    Some(match letter {
        b'\\' => b'\\',
        b'a' => 7,
        b'b' => 8,
        b'e' => 27,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        _ => return None,
    })
}

/// The width, precision and flags of a conversion.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are the flags of printf")]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn pad(&self, text: &[u8], out: &mut Bytes, zeros: bool) {
        let missing = self.width.saturating_sub(text.len());
        if self.left {
            out.extend_from_slice(text);
            out.extend(std::iter::repeat_n(b' ', missing));
        } else if zeros && self.zero {
            let sign = usize::from(matches!(text.first(), Some(b'-' | b'+' | b' ')));
            out.extend_from_slice(text.get(..sign).unwrap_or_default());
            out.extend(std::iter::repeat_n(b'0', missing));
            out.extend_from_slice(text.get(sign..).unwrap_or_default());
        } else {
            out.extend(std::iter::repeat_n(b' ', missing));
            out.extend_from_slice(text);
        }
    }
}

pub(super) fn printf(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let mut list = words.get(1..).unwrap_or_default();
    if list.first().is_some_and(|w| w == b"--") {
        list = list.get(1..).unwrap_or_default();
    }
    let Some((format, mut args)) = list.split_first() else {
        return shell.fatal("printf: usage: printf format [arg ...]");
    };
    let mut out = Vec::new();
    let mut status = 0;
    loop {
        shell.step()?;
        let before = args.len();
        let more = round(shell, format, &mut args, &mut out, &mut status)?;
        if !more || args.is_empty() || args.len() == before {
            break;
        }
    }
    Ok(say(shell, &out)?.max(status))
}

fn round(
    shell: &mut Shell<'_>,
    format: &[u8],
    args: &mut &[Bytes],
    out: &mut Bytes,
    status: &mut u8,
) -> Result<bool, Stop> {
    let mut rest = format;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'\\' => {
                let end = match tail {
                    [b'0'..=b'7', ..] => tail.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count(),
                    _ => 1,
                };
                if tail.first() == Some(&b'c') {
                    return Ok(false);
                }
                let piece = tail.get(..end).unwrap_or(tail);
                out.extend(escapes(&[b"\\", piece].concat(), false).0);
                rest = tail.get(piece.len()..).unwrap_or_default();
            }
            b'%' if tail.first() == Some(&b'%') => {
                out.push(b'%');
                rest = tail.get(1..).unwrap_or_default();
            }
            b'%' => {
                let mut spec = Spec::default();
                rest = parse_spec(tail, args, &mut spec);
                let Some((letter, tail)) = rest.split_first() else {
                    return shell.fatal("printf: missing format character");
                };
                rest = tail;
                if spec.width > 100_000 || spec.precision.is_some_and(|p| p > 100_000) {
                    return Err(shell.unsupported("a width of more than 100000"));
                }
                if !conversion(shell, *letter, &spec, args, out, status)? {
                    return Ok(false);
                }
            }
            byte => out.push(*byte),
        }
    }
    Ok(true)
}

fn take(args: &mut &[Bytes]) -> Option<Bytes> {
    let (first, rest) = args.split_first()?;
    *args = rest;
    Some(first.clone())
}

fn parse_spec<'f>(mut rest: &'f [u8], args: &mut &[Bytes], spec: &mut Spec) -> &'f [u8] {
    while let [flag @ (b'-' | b'0' | b'+' | b' ' | b'#'), tail @ ..] = rest {
        match flag {
            b'-' => spec.left = true,
            b'0' => spec.zero = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            _ => spec.alternate = true,
        }
        rest = tail;
    }
    let mut count = |rest: &mut &'f [u8]| {
        if let [b'*', tail @ ..] = *rest {
            *rest = tail;
            let value = take(args).and_then(|arg| arith::number(&arg)).unwrap_or(0);
            return (value < 0, usize::try_from(value.unsigned_abs()).unwrap_or(usize::MAX));
        }
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let value = rest
            .iter()
            .take(digits)
            .fold(0_usize, |v, b| v.saturating_mul(10).saturating_add(usize::from(b - b'0')));
        *rest = rest.get(digits..).unwrap_or_default();
        (false, value)
    };
    let (left, width) = count(&mut rest);
    spec.left |= left;
    spec.width = width;
    if let [b'.', tail @ ..] = rest {
        rest = tail;
        let (_, precision) = count(&mut rest);
        spec.precision = Some(precision);
    }
    rest
}

fn conversion(
    shell: &mut Shell<'_>,
    letter: u8,
    spec: &Spec,
    args: &mut &[Bytes],
    out: &mut Bytes,
    status: &mut u8,
) -> Result<bool, Stop> {
    match letter {
        b's' | b'b' => {
            let text = take(args).unwrap_or_default();
            let (text, more) = if letter == b'b' { escapes(&text, true) } else { (text, true) };
            let shown = spec.precision.map_or(&text[..], |p| text.get(..p).unwrap_or(&text));
            spec.pad(shown, out, false);
            return Ok(more);
        }
        b'c' => {
            let text = take(args).unwrap_or_default();
            spec.pad(text.get(..1).unwrap_or(b""), out, false);
        }
        b'd' | b'i' | b'u' | b'o' | b'x' | b'X' => {
            let text = take(args).unwrap_or_default();
            let value = integer(shell, &text, status)?;
            let unsigned = value.cast_unsigned();
            let mut digits = match letter {
                b'd' | b'i' => value.unsigned_abs().to_string(),
                b'u' => unsigned.to_string(),
                b'o' => format!("{unsigned:o}"),
                b'x' => format!("{unsigned:x}"),
                _ => format!("{unsigned:X}"),
            };
            if let Some(precision) = spec.precision {
                digits = format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
                if precision == 0 && value == 0 {
                    digits.clear();
                }
            }
            let prefix = match letter {
                b'd' | b'i' if value < 0 => "-",
                b'd' | b'i' if spec.plus => "+",
                b'd' | b'i' if spec.space => " ",
                b'o' if spec.alternate && !digits.starts_with('0') => "0",
                b'x' if spec.alternate && value != 0 => "0x",
                b'X' if spec.alternate && value != 0 => "0X",
                _ => "",
            };
            spec.pad(format!("{prefix}{digits}").as_bytes(), out, spec.precision.is_none());
        }
        other => {
            return Err(shell.unsupported(format!("`printf` with `%{}`", char::from(other))));
        }
    }
    Ok(true)
}

fn integer(shell: &mut Shell<'_>, text: &[u8], status: &mut u8) -> Result<i64, Stop> {
    if let [b'\'' | b'"', rest @ ..] = text {
        return Ok(rest.first().map_or(0, |b| i64::from(*b)));
    }
    if text.is_empty() {
        return Ok(0);
    }
    match arith::number(text) {
        Some(value) => Ok(value),
        None => {
            let shown = String::from_utf8_lossy(text).into_owned();
            shell.complain(&format!("printf: {shown}: expected numeric value"))?;
            *status = 1;
            // the longest beginning that is a number
            let text = text.trim_ascii_start();
            let longest = (1..=text.len().min(30)).rev().filter_map(|end| text.get(..end));
            Ok(longest.filter(|head| !head.ends_with(b" ")).find_map(arith::number).unwrap_or(0))
        }
    }
}
