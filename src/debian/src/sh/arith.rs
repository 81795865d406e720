//! Arithmetic, as dash has it: 64 bits, assignments, no `++`.

use super::parse::is_name;
use super::state::{Shell, Stop};

/// Values are computed only where `live`: the other side of `&&`, `||` and `?:` is parsed, not run.
struct Arith<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

/// The value of a number in a variable or a text: decimal, `0x` or octal, all of it.
pub(crate) fn number(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        rest => (10, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let value = i128::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    let value = if negative { -value } else { value };
    i64::try_from(value.clamp(i128::from(i64::MIN), i128::from(i64::MAX))).ok()
}

const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl Shell<'_> {
    /// The value of an expression whose expansions are done.
    pub(crate) fn arithmetic(&mut self, text: &[u8]) -> Result<i64, Stop> {
        let mut arith = Arith { text, at: 0, depth: 0 };
        let value = self.assignment(&mut arith, true)?;
        arith.blanks();
        if arith.at < text.len() {
            return self.bad_arithmetic(text);
        }
        Ok(value)
    }

    fn bad_arithmetic<T>(&mut self, text: &[u8]) -> Result<T, Stop> {
        self.fatal(&format!("arithmetic expression: syntax error: \"{}\"", String::from_utf8_lossy(text)))
    }

    fn value_of(&mut self, name: &[u8]) -> Result<i64, Stop> {
        match self.s.vars.get(name).cloned() {
            // with `set -u`, too
            None => Ok(0),
            Some(value) if value.trim_ascii().is_empty() => Ok(0),
            Some(value) => match number(&value) {
                Some(value) => Ok(value),
                None => self.fatal(&format!("Illegal number: {}", String::from_utf8_lossy(&value))),
            },
        }
    }

    fn assignment(&mut self, a: &mut Arith<'_>, live: bool) -> Result<i64, Stop> {
        a.depth += 1;
        if a.depth > 50 {
            return Err(self.unsupported("arithmetic that is nested deeper than 50 levels"));
        }
        let from = a.at;
        if let Some(name) = a.name() {
            a.blanks();
            let rest = a.rest();
            let ops = ["<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "^=", "|=", "="];
            let op = ops.into_iter().find(|op| rest.starts_with(op.as_bytes()));
            if let Some(op) = op.filter(|op| *op != "=" || !rest.starts_with(b"==")) {
                a.at += op.len();
                let right = self.assignment(a, live)?;
                a.depth -= 1;
                if !live {
                    return Ok(0);
                }
                let value = match op {
                    "=" => right,
                    op => {
                        let left = self.value_of(&name)?;
                        self.binary(op.trim_end_matches('='), left, right)?
                    }
                };
                self.set(&name, value.to_string().into_bytes())?;
                return Ok(value);
            }
            a.at = from;
        }
        let condition = self.level(a, 0, live)?;
        a.blanks();
        let value = if a.rest().starts_with(b"?") {
            a.at += 1;
            let yes = self.assignment(a, live && condition != 0)?;
            a.blanks();
            if !a.rest().starts_with(b":") {
                return self.bad_arithmetic(a.text);
            }
            a.at += 1;
            let no = self.assignment(a, live && condition == 0)?;
            if condition != 0 { yes } else { no }
        } else {
            condition
        };
        a.depth -= 1;
        Ok(value)
    }

    fn level(&mut self, a: &mut Arith<'_>, level: usize, live: bool) -> Result<i64, Stop> {
        let Some(ops) = LEVELS.get(level) else { return self.unary(a, live) };
        let mut left = self.level(a, level + 1, live)?;
        loop {
            a.blanks();
            let rest = a.rest();
            let Some(op) = ops.iter().find(|op| rest.starts_with(op.as_bytes())) else { return Ok(left) };
            let next = rest.get(op.len()).copied();
            let longer = match *op {
                "|" => next == Some(b'|'),
                "&" => next == Some(b'&'),
                "<" | ">" => next == rest.first().copied(),
                _ => false,
            };
            if longer || (next == Some(b'=') && !matches!(*op, "==" | "!=" | "<=" | ">=" | "||" | "&&")) {
                return Ok(left);
            }
            a.at += op.len();
            left = match *op {
                "||" => {
                    let right = self.level(a, level + 1, live && left == 0)?;
                    i64::from(left != 0 || right != 0)
                }
                "&&" => {
                    let right = self.level(a, level + 1, live && left != 0)?;
                    i64::from(left != 0 && right != 0)
                }
                op => {
                    let right = self.level(a, level + 1, live)?;
                    if live { self.binary(op, left, right)? } else { 0 }
                }
            };
        }
    }

    fn binary(&mut self, op: &str, left: i64, right: i64) -> Result<i64, Stop> {
        let shift = u32::try_from(right & 63).unwrap_or(0);
        Ok(match op {
            "|" => left | right,
            "^" => left ^ right,
            "&" => left & right,
            "==" => i64::from(left == right),
            "!=" => i64::from(left != right),
            "<=" => i64::from(left <= right),
            ">=" => i64::from(left >= right),
            "<" => i64::from(left < right),
            ">" => i64::from(left > right),
            "<<" => left.wrapping_shl(shift),
            ">>" => left.wrapping_shr(shift),
            "+" => left.wrapping_add(right),
            "-" => left.wrapping_sub(right),
            "*" => left.wrapping_mul(right),
            _ if right == 0 => return self.fatal("arithmetic expression: division by zero"),
            "/" => left.wrapping_div(right),
            _ => left.wrapping_rem(right),
        })
    }

    fn unary(&mut self, a: &mut Arith<'_>, live: bool) -> Result<i64, Stop> {
        a.blanks();
        a.depth += 1;
        if a.depth > 50 {
            return Err(self.unsupported("arithmetic that is nested deeper than 50 levels"));
        }
        let value = match a.rest() {
            [op @ (b'+' | b'-' | b'!' | b'~'), ..] => {
                a.at += 1;
                let value = self.unary(a, live)?;
                match op {
                    b'-' => value.wrapping_neg(),
                    b'!' => i64::from(value == 0),
                    b'~' => !value,
                    _ => value,
                }
            }
            [b'(', ..] => {
                a.at += 1;
                let value = self.assignment(a, live)?;
                a.blanks();
                if !a.rest().starts_with(b")") {
                    return self.bad_arithmetic(a.text);
                }
                a.at += 1;
                value
            }
            [b'0'..=b'9', ..] => {
                let digits = a.rest().iter().take_while(|b| b.is_ascii_alphanumeric()).count();
                let value = a.rest().get(..digits).and_then(number);
                a.at += digits;
                match value {
                    Some(value) => value,
                    None => return self.bad_arithmetic(a.text),
                }
            }
            _ => match a.name() {
                Some(name) if live => self.value_of(&name)?,
                Some(_) => 0,
                None => return self.bad_arithmetic(a.text),
            },
        };
        a.depth -= 1;
        Ok(value)
    }
}

impl<'t> Arith<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        self.at += self.rest().iter().take_while(|b| b.is_ascii_whitespace()).count();
    }

    fn name(&mut self) -> Option<Vec<u8>> {
        self.blanks();
        let end = self.rest().iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let name = self.rest().get(..end).filter(|name| is_name(name))?;
        self.at += end;
        Some(name.to_vec())
    }
}
