//! `test` and `[`.

use super::arith::number;
use super::state::{Shell, Stop};
use crate::failure::Reason;
use crate::files::{Bytes, Kind, absolute};

pub(super) fn test(shell: &mut Shell<'_>, words: &[Bytes], _: bool) -> Result<u8, Stop> {
    let mut list = words.get(1..).unwrap_or_default();
    if words.first().is_some_and(|w| w == b"[") {
        match list.split_last() {
            Some((last, rest)) if last == b"]" => list = rest,
            _ => {
                shell.complain("[: missing ]")?;
                return Ok(2);
            }
        }
    }
    match verdict(shell, list)? {
        Some(value) => Ok(u8::from(!value)),
        None => {
            shell.complain("test: unexpected operator")?;
            Ok(2)
        }
    }
}

type Verdict = Result<Option<bool>, Stop>;

/// By the number of arguments, as POSIX has it; more than four by precedence. `None` is an error of the words.
fn verdict(shell: &mut Shell<'_>, list: &[Bytes]) -> Verdict {
    match list {
        [] => Ok(Some(false)),
        [one] => Ok(Some(!one.is_empty())),
        [not, one] if not == b"!" => Ok(Some(one.is_empty())),
        [op, one] if is_unary(op) => unary(shell, op, one),
        [left, op, right] if is_binary(op) => binary(shell, left, op, right),
        [left, op, right] if op == b"-a" => Ok(Some(!left.is_empty() && !right.is_empty())),
        [left, op, right] if op == b"-o" => Ok(Some(!left.is_empty() || !right.is_empty())),
        [not, op, one] if not == b"!" => Ok(verdict(shell, &[op.clone(), one.clone()])?.map(|v| !v)),
        [open, one, close] if open == b"(" && close == b")" => Ok(Some(!one.is_empty())),
        [not, a, b, c] if not == b"!" => Ok(verdict(shell, &[a.clone(), b.clone(), c.clone()])?.map(|v| !v)),
        [open, a, b, close] if open == b"(" && close == b")" => verdict(shell, &[a.clone(), b.clone()]),
        list => {
            let mut at = 0;
            let value = either(shell, list, &mut at, 0)?;
            Ok(if at == list.len() { value } else { None })
        }
    }
}

fn either(shell: &mut Shell<'_>, list: &[Bytes], at: &mut usize, depth: usize) -> Verdict {
    let mut value = both(shell, list, at, depth)?;
    while list.get(*at).is_some_and(|w| w == b"-o") {
        *at += 1;
        let right = both(shell, list, at, depth)?;
        value = value.zip(right).map(|(a, b)| a || b);
    }
    Ok(value)
}

fn both(shell: &mut Shell<'_>, list: &[Bytes], at: &mut usize, depth: usize) -> Verdict {
    let mut value = one(shell, list, at, depth)?;
    while list.get(*at).is_some_and(|w| w == b"-a") {
        *at += 1;
        let right = one(shell, list, at, depth)?;
        value = value.zip(right).map(|(a, b)| a && b);
    }
    Ok(value)
}

fn one(shell: &mut Shell<'_>, list: &[Bytes], at: &mut usize, depth: usize) -> Verdict {
    let Some(first) = list.get(*at) else { return Ok(None) };
    if depth > 100 {
        return Err(shell.fail(Reason::Limit("100 levels of `test`")));
    }
    if let Some(op) = list.get(*at + 1).filter(|op| is_binary(op))
        && let Some(right) = list.get(*at + 2)
    {
        *at += 3;
        return binary(shell, first, op, right);
    }
    match &first[..] {
        b"!" => {
            *at += 1;
            Ok(one(shell, list, at, depth + 1)?.map(|v| !v))
        }
        b"(" => {
            *at += 1;
            let value = either(shell, list, at, depth + 1)?;
            if list.get(*at).is_none_or(|w| w != b")") {
                return Ok(None);
            }
            *at += 1;
            Ok(value)
        }
        op if is_unary(op) && list.get(*at + 1).is_some() => {
            let operand = list.get(*at + 1).cloned().unwrap_or_default();
            *at += 2;
            unary(shell, op, &operand)
        }
        text => {
            *at += 1;
            Ok(Some(!text.is_empty()))
        }
    }
}

fn is_unary(op: &[u8]) -> bool {
    matches!(op, [b'-', letter] if b"bcdefgGhkLnOprsStuwxz".contains(letter))
}

fn is_binary(op: &[u8]) -> bool {
    matches!(
        op,
        b"=" | b"!="
            | b"<"
            | b">"
            | b"-eq"
            | b"-ne"
            | b"-gt"
            | b"-ge"
            | b"-lt"
            | b"-le"
            | b"-nt"
            | b"-ot"
            | b"-ef"
    )
}

fn unary(shell: &mut Shell<'_>, op: &[u8], operand: &[u8]) -> Verdict {
    let letter = op.get(1).copied().unwrap_or(0);
    if let b'n' | b'z' = letter {
        return Ok(Some(operand.is_empty() == (letter == b'z')));
    }
    if letter == b't' {
        return Ok(Some(false));
    }
    let path = absolute(&shell.s.cwd, operand);
    if path == b"/dev/null" && shell.files.stat(&path).is_none() {
        return Ok(Some(matches!(letter, b'e' | b'c' | b'r' | b'w')));
    }
    let meta = if matches!(letter, b'h' | b'L') { shell.files.lstat(&path) } else { shell.files.stat(&path) };
    let Some(meta) = meta else { return Ok(Some(false)) };
    let actor = shell.files.actor.as_ref();
    let (uid, gid) = actor.map_or((0, 0), |actor| (actor.uid, actor.gid));
    let may = |bits: u32| actor.is_none_or(|actor| actor.may(&meta, bits));
    Ok(Some(match letter {
        b'b' => matches!(meta.kind, Kind::Block(..)),
        b'c' => matches!(meta.kind, Kind::Char(..)),
        b'd' => meta.kind == Kind::Directory,
        b'f' => meta.kind == Kind::File,
        b'h' | b'L' => matches!(meta.kind, Kind::Link(_)),
        b'p' => meta.kind == Kind::Fifo,
        b'S' => false,
        b's' => meta.kind != Kind::File || meta.size > 0,
        b'g' => meta.mode & 0o2000 != 0,
        b'u' => meta.mode & 0o4000 != 0,
        b'k' => meta.mode & 0o1000 != 0,
        b'O' => meta.uid == uid,
        b'G' => meta.gid == gid,
        b'x' => (meta.kind == Kind::Directory || meta.mode & 0o111 != 0) && may(1),
        // which hold for root
        b'r' => may(4),
        b'w' => may(2),
        // `-e`
        _ => true,
    }))
}

fn binary(shell: &mut Shell<'_>, left: &[u8], op: &[u8], right: &[u8]) -> Verdict {
    Ok(Some(match op {
        b"=" => left == right,
        b"!=" => left != right,
        b"<" => left < right,
        b">" => left > right,
        b"-nt" | b"-ot" | b"-ef" => {
            let at = |path: &[u8]| shell.files.resolve(&absolute(&shell.s.cwd, path), true).ok();
            let (Some(left), Some(right)) = (at(left), at(right)) else { return Ok(Some(false)) };
            let (newer, older) = (shell.files.age(&left), shell.files.age(&right));
            match op {
                b"-ef" => {
                    newer.is_some()
                        && (left == right
                            || (shell.files.identity(&left).is_some()
                                && shell.files.identity(&left) == shell.files.identity(&right)))
                }
                b"-nt" => newer.is_some() && older.is_some() && newer > older,
                _ => newer.is_some() && older.is_some() && newer < older,
            }
        }
        op => {
            let (Some(left), Some(right)) = (decimal(shell, left)?, decimal(shell, right)?) else {
                return Ok(None);
            };
            match op {
                b"-eq" => left == right,
                b"-ne" => left != right,
                b"-gt" => left > right,
                b"-ge" => left >= right,
                b"-lt" => left < right,
                _ => left <= right,
            }
        }
    }))
}

fn decimal(shell: &mut Shell<'_>, text: &[u8]) -> Result<Option<i64>, Stop> {
    let trimmed = text.trim_ascii();
    let digits = trimmed.strip_prefix(b"-").or_else(|| trimmed.strip_prefix(b"+")).unwrap_or(trimmed);
    let decimal = digits.iter().all(u8::is_ascii_digit) && !digits.is_empty();
    let value = if decimal {
        let digits = String::from_utf8_lossy(digits).trim_start_matches('0').to_owned();
        number(if digits.is_empty() { b"0" } else { digits.as_bytes() })
    } else {
        None
    };
    match value {
        Some(value) => Ok(Some(if trimmed.first() == Some(&b'-') { -value } else { value })),
        None => {
            shell.complain(&format!("[: Illegal number: {}", String::from_utf8_lossy(text)))?;
            Ok(None)
        }
    }
}
