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

/// What the words say, `None` where they are no expression.
///
/// POSIX has a meaning for up to four words; dash has one for any number, and the same grammar for all: three words with an
/// operator in the middle first, then a pair of parentheses or a `!` around three or four, and precedence for the rest.
fn verdict(shell: &mut Shell<'_>, list: &[Bytes]) -> Verdict {
    let (mut list, mut negated) = (list, false);
    let compared = loop {
        match list {
            [_, op, _] if is_binary(op) => break true,
            [open, inner @ .., close] if matches!(list.len(), 3 | 4) && open == b"(" && close == b")" => {
                list = inner;
                break false;
            }
            // a second one has no effect
            [not, rest @ ..] if matches!(list.len(), 3 | 4) && not == b"!" => (list, negated) = (rest, true),
            _ => break false,
        }
    };
    if list.is_empty() {
        return Ok(Some(negated));
    }
    let mut words = Words { list, at: 0 };
    let first = if compared { Token::Operand } else { words.token(0) };
    let value = words.either(shell, first, 0)?;
    Ok(value.filter(|_| words.at + 1 >= list.len()).map(|value| value != negated))
}

/// What a word is, which depends on those after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    End,
    Not,
    And,
    Or,
    Open,
    Close,
    Unary,
    Binary,
    Operand,
}

/// The words and the last one that was read.
struct Words<'w> {
    list: &'w [Bytes],
    at: usize,
}

impl Words<'_> {
    fn token(&self, at: usize) -> Token {
        let word = |at: usize| self.list.get(at).map(Vec::as_slice);
        let Some(text) = word(at) else { return Token::End };
        match text {
            b"!" => Token::Not,
            b"-a" => Token::And,
            b"-o" => Token::Or,
            b"(" if word(at + 1).is_some() => Token::Open,
            b")" => Token::Close,
            op if is_binary(op) => Token::Binary,
            op if is_unary(op) => match (word(at + 1), word(at + 2)) {
                (None, _) => Token::Operand,
                (Some(op), Some(_)) if is_binary(op) => Token::Operand,
                _ => Token::Unary,
            },
            _ => Token::Operand,
        }
    }

    /// Goes to the word after `operator`, where that is the next one.
    fn after(&mut self, operator: Token) -> Option<Token> {
        (self.token(self.at + 1) == operator).then(|| {
            self.at += 2;
            self.token(self.at)
        })
    }

    fn either(&mut self, shell: &mut Shell<'_>, mut token: Token, depth: usize) -> Verdict {
        let mut value = Some(false);
        loop {
            let right = self.both(shell, token, depth)?;
            value = value.zip(right).map(|(a, b)| a || b);
            token = match self.after(Token::Or) {
                Some(Token::End) => return Ok(None),
                Some(token) => token,
                None => return Ok(value),
            };
        }
    }

    fn both(&mut self, shell: &mut Shell<'_>, mut token: Token, depth: usize) -> Verdict {
        let mut value = Some(true);
        loop {
            let right = self.not(shell, token, depth)?;
            value = value.zip(right).map(|(a, b)| a && b);
            token = match self.after(Token::And) {
                Some(Token::End) => return Ok(None),
                Some(token) => token,
                None => return Ok(value),
            };
        }
    }

    fn not(&mut self, shell: &mut Shell<'_>, mut token: Token, depth: usize) -> Verdict {
        let mut negated = false;
        while token == Token::Not {
            negated = !negated;
            token = self.token(self.at + 1);
            if token != Token::End {
                self.at += 1;
            }
        }
        Ok(self.primary(shell, token, depth)?.map(|value| value != negated))
    }

    fn primary(&mut self, shell: &mut Shell<'_>, token: Token, depth: usize) -> Verdict {
        if depth > 100 {
            return Err(shell.fail(Reason::Limit("100 levels of `test`")));
        }
        let list = self.list;
        let Some(first) = list.get(self.at).filter(|_| token != Token::End) else { return Ok(Some(false)) };
        if token == Token::Open {
            self.at += 1;
            let inner = self.token(self.at);
            if inner == Token::Close {
                return Ok(Some(false));
            }
            let value = self.either(shell, inner, depth + 1)?;
            self.at += 1;
            return Ok(value.filter(|_| self.token(self.at) == Token::Close));
        }
        if token == Token::Unary {
            self.at += 1;
            return match list.get(self.at) {
                Some(operand) => unary(shell, first, operand),
                None => Ok(None),
            };
        }
        if self.token(self.at + 1) == Token::Binary {
            let (op, right) = (list.get(self.at + 1), list.get(self.at + 2));
            self.at += 2;
            return match op.zip(right) {
                Some((op, right)) => binary(shell, first, op, right),
                None => Ok(None),
            };
        }
        Ok(Some(!first.is_empty()))
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
