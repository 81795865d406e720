//! `printf`: the shell's builtin and the program.

use super::common::{Done, Run, push, take, text, unsupported};
use super::number::{self, Conversion};
use super::{Failure, Input};

/// Whose `printf` it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// The builtin of dash.
    Dash,
    /// The program of GNU coreutils.
    Gnu,
}

/// What was formatted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Formatted {
    /// What is printed.
    pub stdout: Vec<u8>,
    /// The complaints, without the name of the program before them.
    pub complaints: Vec<String>,
    /// The exit status.
    pub status: u8,
}

/// `printf`, the program.
pub(super) fn printf(input: &mut Input<'_>) -> Done {
    let args = match input.args {
        [first, rest @ ..] if first == b"--" => rest,
        args => args,
    };
    let Some((format, args)) = args.split_first() else {
        return Run::new("printf", input).fail("missing operand", 1);
    };
    let formatted = self::format(Flavour::Gnu, format, args, input.steps)?;
    let mut run = Run::new("printf", input);
    run.put(&formatted.stdout)?;
    for words in formatted.complaints {
        run.complain(&words);
    }
    run.out.status = formatted.status;
    run.finish()
}

struct Formatter<'f> {
    flavour: Flavour,
    args: &'f [Vec<u8>],
    at: usize,
    /// `\c` was there.
    ended: bool,
    out: Formatted,
}

/// Formats `args` by `format`, again as long as there are arguments.
pub fn format(
    flavour: Flavour,
    format: &[u8],
    args: &[Vec<u8>],
    steps: &mut u64,
) -> Result<Formatted, Failure> {
    let mut formatter = Formatter { flavour, args, at: 0, ended: false, out: Formatted::default() };
    loop {
        take(steps, 1)?;
        let before = formatter.at;
        let on = formatter.once(format, steps)?;
        if !on && formatter.ended && flavour == Flavour::Gnu {
            // with `\c` GNU's program ends, and all is well
            formatter.out.status = 0;
        }
        if !on || formatter.at >= args.len() {
            break;
        }
        if formatter.at == before {
            if flavour == Flavour::Gnu {
                let words =
                    format!("warning: ignoring excess arguments, starting with '{}'", text(&args[before]));
                formatter.out.complaints.push(words);
            }
            break;
        }
    }
    Ok(formatter.out)
}

/// `text` as dash's `echo` and `%b` print it; false when `\c` ended it.
///
/// # Errors
/// When it is too much.
pub fn unescape(text: &[u8]) -> Result<(Vec<u8>, bool), Failure> {
    let mut formatter =
        Formatter { flavour: Flavour::Dash, args: &[], at: 0, ended: false, out: Formatted::default() };
    let ended = formatter.unescape(text)?;
    Ok((formatter.out.stdout, !ended))
}

impl Formatter<'_> {
    fn complain(&mut self, words: String) {
        self.out.complaints.push(words);
        self.out.status = 1;
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let arg = self.args.get(self.at).cloned();
        self.at += 1;
        arg
    }

    /// Goes through the format once; whether to go on.
    fn once(&mut self, format: &[u8], steps: &mut u64) -> Result<bool, Failure> {
        let mut at = 0;
        while let Some(byte) = format.get(at) {
            take(steps, 1)?;
            match byte {
                b'\\' => {
                    let Some(count) = self.escape(&format[at..], false)? else { return Ok(false) };
                    at += count;
                }
                b'%' if format.get(at + 1) == Some(&b'%') => {
                    push(&mut self.out.stdout, b"%")?;
                    at += 2;
                }
                b'%' => match self.conversion(&format[at + 1..])? {
                    Some(count) => at += 1 + count,
                    None => return Ok(false),
                },
                other => {
                    push(&mut self.out.stdout, &[*other])?;
                    at += 1;
                }
            }
        }
        Ok(true)
    }

    /// An escape at the start; how long it is, or nothing for `\c`. `%b` has `\0ooo`, the format `\ooo`.
    fn escape(&mut self, from: &[u8], argument: bool) -> Result<Option<usize>, Failure> {
        let gnu = self.flavour == Flavour::Gnu;
        let byte = match from.get(1) {
            None => b'\\',
            Some(b'a') => 7,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => 10,
            Some(b'r') => 13,
            Some(b't') => 9,
            Some(b'v') => 11,
            Some(b'e') => 27,
            Some(b'\\') => b'\\',
            Some(b'"') if gnu => b'"',
            Some(b'c') if gnu || argument => {
                self.ended = true;
                return Ok(None);
            }
            Some(b'x' | b'u' | b'U') if gnu => {
                return unsupported(format!("printf of the escape {}", text(&from[..2])));
            }
            Some(b'0'..=b'7') => {
                let start = 1 + usize::from(argument && from[1] == b'0');
                let digits =
                    from[start..].iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
                let value = from[start..start + digits]
                    .iter()
                    .fold(0u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                push(&mut self.out.stdout, &[value.to_le_bytes()[0]])?;
                return Ok(Some(start + digits));
            }
            Some(other) => {
                push(&mut self.out.stdout, &[b'\\', *other])?;
                return Ok(Some(2));
            }
        };
        push(&mut self.out.stdout, &[byte])?;
        Ok(Some(from.len().min(2)))
    }

    /// A conversion, without its `%`; how long it is, or nothing where printing ends.
    fn conversion(&mut self, from: &[u8]) -> Result<Option<usize>, Failure> {
        let (spec, mut at) = Conversion::read(from, || match self.next() {
            Some(arg) => self.signed(&arg),
            None => Ok(0),
        })?;
        if self.flavour == Flavour::Gnu {
            at += from[at..].iter().take_while(|byte| b"hlLqjzt".contains(byte)).count();
            if from.get(at.saturating_sub(1)) == Some(&b'q') {
                return unsupported("printf %q");
            }
        }
        let printed = match from.get(at) {
            Some(b's') => {
                let arg = self.next().unwrap_or_default();
                spec.string(&arg)
            }
            Some(b'b') => {
                let arg = self.next().unwrap_or_default();
                let kept = std::mem::take(&mut self.out.stdout);
                let ended = self.unescape(&arg)?;
                let value = std::mem::replace(&mut self.out.stdout, kept);
                push(&mut self.out.stdout, &spec.string(&value))?;
                return Ok((!ended).then_some(at + 1));
            }
            Some(b'c') => {
                let arg = self.next().unwrap_or_default();
                let one = arg.get(..1).unwrap_or_default();
                // dash prints the byte that ends an empty string
                let one = if one.is_empty() { b"\0" } else { one };
                Conversion { precision: None, ..spec }.string(one)
            }
            Some(b'd' | b'i') => {
                let value = match self.next() {
                    Some(arg) => self.signed(&arg)?,
                    None => 0,
                };
                spec.signed(value)
            }
            Some(letter @ (b'u' | b'o' | b'x' | b'X')) => {
                let value = match self.next() {
                    Some(arg) => self.unsigned(&arg)?,
                    None => 0,
                };
                spec.unsigned(value, *letter)
            }
            Some(letter @ (b'e' | b'f' | b'g' | b'E' | b'F' | b'G')) => match self.next() {
                Some(arg) => self.real(spec, &arg, *letter)?,
                None => spec.real(0.0, *letter),
            },
            Some(b'a' | b'A' | b'q') => {
                return unsupported(format!("printf %{}", text(&from[..=at])));
            }
            None if self.flavour == Flavour::Dash => {
                self.complain("missing format character".to_owned());
                self.out.status = 2;
                return Ok(None);
            }
            _ => {
                let until = (at + 1).min(from.len());
                match self.flavour {
                    Flavour::Gnu => {
                        let words = format!("%{}: invalid conversion specification", text(&from[..until]));
                        self.complain(words);
                    }
                    Flavour::Dash => {
                        self.complain(format!("%{}: invalid directive", text(&from[..until])));
                        self.out.status = 2;
                    }
                }
                return Ok(None);
            }
        };
        push(&mut self.out.stdout, &printed)?;
        Ok(Some(at + 1))
    }

    /// What `%b` prints; whether `\c` ended it.
    fn unescape(&mut self, arg: &[u8]) -> Result<bool, Failure> {
        let mut at = 0;
        while let Some(byte) = arg.get(at) {
            if *byte == b'\\' {
                let Some(count) = self.escape(&arg[at..], true)? else { return Ok(true) };
                at += count;
            } else {
                push(&mut self.out.stdout, &[*byte])?;
                at += 1;
            }
        }
        Ok(false)
    }

    /// Complains where a number is none.
    fn numeric(&mut self, arg: &[u8], read: usize) {
        let shown = text(arg);
        match self.flavour {
            _ if read == arg.len() && read > 0 => {}
            Flavour::Gnu if read == 0 && arg.is_empty() => {
                self.complain(format!("'{shown}': expected a numeric value"));
            }
            // dash takes an empty word for zero
            Flavour::Dash if arg.is_empty() => {}
            Flavour::Gnu if read == 0 => self.complain(format!("'{shown}': expected a numeric value")),
            Flavour::Gnu => self.complain(format!("'{shown}': value not completely converted")),
            Flavour::Dash if read == 0 => self.complain(format!("{shown}: expected numeric value")),
            Flavour::Dash => self.complain(format!("{shown}: not completely converted")),
        }
    }

    /// The code of the byte after a quotation mark; dash takes none for zero.
    fn quoted(&self, arg: &[u8]) -> Option<u8> {
        match arg {
            [b'\'' | b'"', byte, ..] => Some(*byte),
            [b'\'' | b'"'] if self.flavour == Flavour::Dash => Some(0),
            _ => None,
        }
    }

    fn signed(&mut self, arg: &[u8]) -> Result<i64, Failure> {
        if let Some(byte) = self.quoted(arg) {
            return Ok(i64::from(byte));
        }
        let (negative, value, read) = whole(arg);
        self.numeric(arg, read);
        let value = i128::from(value) * if negative { -1 } else { 1 };
        match i64::try_from(value) {
            Ok(value) => Ok(value),
            Err(_) => unsupported(format!("printf of {}", text(arg))),
        }
    }

    fn unsigned(&mut self, arg: &[u8]) -> Result<u64, Failure> {
        if let Some(byte) = self.quoted(arg) {
            return Ok(u64::from(byte));
        }
        let (negative, value, read) = whole(arg);
        if value == u64::MAX {
            return unsupported(format!("printf of {}", text(arg)));
        }
        self.numeric(arg, read);
        Ok(if negative { value.wrapping_neg() } else { value })
    }

    fn real(&mut self, spec: Conversion, arg: &[u8], letter: u8) -> Result<Vec<u8>, Failure> {
        if let Some(byte) = self.quoted(arg) {
            return Ok(spec.real(f64::from(byte), letter));
        }
        let (value, read) = number::real(arg);
        self.numeric(arg, read);
        let printed = spec.real(value, letter);
        // GNU's program has 64 bits of precision: where that could be seen, neighbours look different
        if self.flavour == Flavour::Gnu && value.fract() != 0.0 {
            let near = |value: f64| spec.real(value, letter) == printed;
            if !near(value.next_up()) || !near(value.next_down()) {
                return unsupported(format!("printf of {} with that precision", text(arg)));
            }
        }
        Ok(printed)
    }
}

/// Sign and value of a whole number as `strtoumax` of C with any base reads it, and how many bytes were read.
fn whole(arg: &[u8]) -> (bool, u64, usize) {
    let mut at = arg.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let negative = arg.get(at) == Some(&b'-');
    at += usize::from(matches!(arg.get(at), Some(b'-' | b'+')));
    let hexadecimal = matches!(arg.get(at..at + 2), Some(b"0x" | b"0X"))
        && arg.get(at + 2).is_some_and(u8::is_ascii_hexdigit);
    let base = match arg.get(at) {
        _ if hexadecimal => 16,
        Some(b'0') => 8,
        _ => 10,
    };
    at += if hexadecimal { 2 } else { 0 };
    let digits = arg[at..]
        .iter()
        .map_while(|digit| char::from(*digit).to_digit(base))
        .map(u64::from)
        .collect::<Vec<_>>();
    if digits.is_empty() {
        return (false, 0, 0);
    }
    let value =
        digits.iter().fold(0u64, |sum, digit| sum.saturating_mul(u64::from(base)).saturating_add(*digit));
    (negative, value, at + digits.len())
}
