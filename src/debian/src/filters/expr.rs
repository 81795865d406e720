//! `expr`: evaluates an expression whose parts are its arguments.

use super::common::{Done, Run, take, text};
use super::regex::{self, Regex, Syntax};
use super::{Failure, Input};

/// How deep parentheses may be nested.
const DEPTH: usize = 200;

/// Why there is no value.
enum Stop {
    /// The complaint, and the status 2.
    Complaint(String),
    /// The filter cannot go on.
    Failure(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

type Value = Result<Vec<u8>, Stop>;

fn complaint<T>(words: &str) -> Result<T, Stop> {
    Err(Stop::Complaint(words.to_owned()))
}

struct Parser<'p> {
    args: &'p [Vec<u8>],
    at: usize,
    steps: &'p mut u64,
    depth: usize,
}

/// `expr`.
pub(super) fn expr(input: &mut Input<'_>) -> Done {
    let args = match input.args {
        [first, rest @ ..] if first == b"--" => rest,
        args => args,
    };
    if args.is_empty() {
        return Run::new("expr", input).fail("missing operand", 2);
    }
    let mut parser = Parser { args, at: 0, steps: input.steps, depth: 0 };
    let value = parser.or(true).and_then(|value| match parser.args.get(parser.at) {
        None => Ok(value),
        Some(extra) => complaint(&format!("syntax error: unexpected argument '{}'", text(extra))),
    });
    let mut run = Run::new("expr", input);
    match value {
        Ok(value) => {
            run.line(&value, b'\n')?;
            run.out.status = u8::from(is_null(&value));
            run.finish()
        }
        Err(Stop::Complaint(words)) => run.fail(&words, 2),
        Err(Stop::Failure(failure)) => Err(failure),
    }
}

/// Nothing, or zero.
fn is_null(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    value.is_empty() || !digits.is_empty() && digits.iter().all(|byte| *byte == b'0')
}

fn integer(value: &[u8]) -> Result<Option<i128>, Failure> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    match std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(too_large()),
    }
}

fn too_large() -> Failure {
    Failure::Unsupported("expr with numbers of more than 127 bits".to_owned())
}

fn truth(value: bool) -> Vec<u8> {
    if value { b"1".to_vec() } else { b"0".to_vec() }
}

impl<'p> Parser<'p> {
    /// Takes the next argument where it is one of `words`.
    fn next(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let arg = self.args.get(self.at)?;
        let word = words.iter().find(|word| word.as_bytes() == arg.as_slice())?;
        self.at += 1;
        Some(word)
    }

    fn or(&mut self, live: bool) -> Value {
        take(self.steps, 1)?;
        let mut left = self.and(live)?;
        while self.next(&["|"]).is_some() {
            let right = self.and(live && is_null(&left))?;
            if is_null(&left) {
                left = if is_null(&right) { b"0".to_vec() } else { right };
            }
        }
        Ok(left)
    }

    fn and(&mut self, live: bool) -> Value {
        let mut left = self.compare(live)?;
        while self.next(&["&"]).is_some() {
            let right = self.compare(live && !is_null(&left))?;
            if is_null(&left) || is_null(&right) {
                left = b"0".to_vec();
            }
        }
        Ok(left)
    }

    fn compare(&mut self, live: bool) -> Value {
        let mut left = self.add(live)?;
        while let Some(word) = self.next(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = self.add(live)?;
            if !live {
                continue;
            }
            let order = match (integer(&left)?, integer(&right)?) {
                (Some(left), Some(right)) => left.cmp(&right),
                _ => left.cmp(&right),
            };
            left = truth(match word {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                "=" | "==" => order.is_eq(),
                "!=" => order.is_ne(),
                ">=" => order.is_ge(),
                _ => order.is_gt(),
            });
        }
        Ok(left)
    }

    fn add(&mut self, live: bool) -> Value {
        let mut left = self.multiply(live)?;
        while let Some(word) = self.next(&["+", "-"]) {
            let right = self.multiply(live)?;
            left = if live { arithmetic(word, &left, &right)? } else { left };
        }
        Ok(left)
    }

    fn multiply(&mut self, live: bool) -> Value {
        let mut left = self.matching(live)?;
        while let Some(word) = self.next(&["*", "/", "%"]) {
            let right = self.matching(live)?;
            left = if live { arithmetic(word, &left, &right)? } else { left };
        }
        Ok(left)
    }

    fn matching(&mut self, live: bool) -> Value {
        let mut left = self.word(live)?;
        while self.next(&[":"]).is_some() {
            let right = self.word(live)?;
            left = if live { self.matched(&left, &right)? } else { left };
        }
        Ok(left)
    }

    fn word(&mut self, live: bool) -> Value {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Failure::Limit("200 levels of nesting").into());
        }
        let value = self.word_within(live);
        self.depth -= 1;
        value
    }

    fn word_within(&mut self, live: bool) -> Value {
        match self.next(&["+", "length", "match", "index", "substr"]) {
            Some("+") => {
                let Some(arg) = self.args.get(self.at) else { return self.missing() };
                self.at += 1;
                Ok(arg.clone())
            }
            Some("length") => Ok(self.word(live)?.len().to_string().into_bytes()),
            Some("match") => {
                let (left, right) = (self.word(live)?, self.word(live)?);
                if live { self.matched(&left, &right) } else { Ok(left) }
            }
            Some("index") => {
                let (left, right) = (self.word(live)?, self.word(live)?);
                let at = left.iter().position(|byte| right.contains(byte)).map_or(0, |at| at + 1);
                Ok(at.to_string().into_bytes())
            }
            Some(_) => {
                let (value, start, count) = (self.word(live)?, self.word(live)?, self.word(live)?);
                let place = |number: Option<i128>| number.and_then(|number| usize::try_from(number).ok());
                let (Some(start @ 1..), Some(count @ 1..)) =
                    (place(integer(&start)?), place(integer(&count)?))
                else {
                    return Ok(Vec::new());
                };
                let from = (start - 1).min(value.len());
                Ok(value[from..from.saturating_add(count).min(value.len())].to_vec())
            }
            None => self.atom(live),
        }
    }

    fn atom(&mut self, live: bool) -> Value {
        match self.args.get(self.at).map(Vec::as_slice) {
            None => self.missing(),
            Some(b"(") => {
                self.at += 1;
                let value = self.or(live)?;
                match self.args.get(self.at) {
                    Some(close) if close == b")" => {
                        self.at += 1;
                        Ok(value)
                    }
                    Some(other) => {
                        complaint(&format!("syntax error: expecting ')' instead of '{}'", text(other)))
                    }
                    None => {
                        let last = self.args.last().map(|last| text(last)).unwrap_or_default();
                        complaint(&format!("syntax error: expecting ')' after '{last}'"))
                    }
                }
            }
            Some(b")") => complaint("syntax error: unexpected ')'"),
            Some(word) => {
                self.at += 1;
                Ok(word.to_vec())
            }
        }
    }

    fn missing(&self) -> Value {
        let last = self.args.last().map(|last| text(last)).unwrap_or_default();
        complaint(&format!("syntax error: missing argument after '{last}'"))
    }

    fn matched(&mut self, value: &[u8], pattern: &[u8]) -> Value {
        let regex = match Regex::new(pattern, Syntax::expr()) {
            Ok(regex) => regex,
            Err(regex::Error::Invalid(words)) => return complaint(words),
            Err(regex::Error::Failure(failure)) => return Err(failure.into()),
        };
        let found = regex.match_at(value, 0, self.steps)?;
        Ok(match (found, regex.groups()) {
            (Some(found), 0) => found.end(0).to_string().into_bytes(),
            (Some(found), _) => found.get(1).map(|range| value[range].to_vec()).unwrap_or_default(),
            (None, 0) => b"0".to_vec(),
            (None, _) => Vec::new(),
        })
    }
}

fn arithmetic(word: &str, left: &[u8], right: &[u8]) -> Value {
    let (Some(left), Some(right)) = (integer(left)?, integer(right)?) else {
        return complaint("non-integer argument");
    };
    if matches!(word, "/" | "%") && right == 0 {
        return complaint("division by zero");
    }
    let value = match word {
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    match value {
        Some(value) => Ok(value.to_string().into_bytes()),
        None => Err(too_large().into()),
    }
}
