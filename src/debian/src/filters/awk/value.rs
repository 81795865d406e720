//! Values of awk.

use super::super::Failure;
use super::super::common::unsupported;
use super::super::number::{Conversion, real, whole};
use std::rc::Rc;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing was assigned.
    Unset,
    Number(f64),
    Text(Rc<[u8]>),
    /// Text from outside that looks like a number.
    Both(Rc<[u8]>, f64),
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Number(f64::from(u8::from(truth)))
    }
}

impl From<Vec<u8>> for Value {
    fn from(text: Vec<u8>) -> Self {
        Self::Text(text.into())
    }
}

/// The number at the start of text: awk knows decimals only.
fn decimal(text: &[u8]) -> (f64, usize) {
    let start = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n')).count();
    let sign = usize::from(matches!(text.get(start), Some(b'-' | b'+')));
    match text.get(start + sign..) {
        // no hexadecimal, infinity or NaN
        Some([b'0', b'x' | b'X', ..]) => (0.0, start + sign + 1),
        Some([b'0'..=b'9' | b'.', ..]) => real(text),
        _ => (0.0, 0),
    }
}

impl Value {
    /// Text from outside.
    pub(super) fn outside(text: &[u8]) -> Self {
        let (number, read) = decimal(text);
        let rest = text.get(read..).unwrap_or_default();
        if read > 0 && rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n')) {
            return Self::Both(text.into(), number);
        }
        Self::Text(text.into())
    }

    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Unset => 0.0,
            Self::Number(number) | Self::Both(_, number) => *number,
            Self::Text(text) => decimal(text).0,
        }
    }

    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Unset => false,
            Self::Number(number) | Self::Both(_, number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
        }
    }

    /// Its text; numbers that are not whole by a format.
    pub(super) fn text(&self, format: &[u8]) -> Result<Rc<[u8]>, Failure> {
        match self {
            Self::Unset => Ok(Rc::from(&b""[..])),
            Self::Text(text) | Self::Both(text, _) => Ok(text.clone()),
            Self::Number(number) => number_text(*number, format).map(Rc::from),
        }
    }

    /// Whether it compares as a number.
    pub(super) fn numeric(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

/// A number as text.
pub(super) fn number_text(number: f64, format: &[u8]) -> Result<Vec<u8>, Failure> {
    if !number.is_finite() {
        return unsupported("infinity or NaN of awk");
    }
    // whole numbers are printed in full as far as the machine has them
    if number.fract() == 0.0 && number.abs() <= 18_446_744_073_709_551_616.0 {
        // there is no negative zero
        return Ok(if number == 0.0 { b"0".to_vec() } else { format!("{number:.0}").into_bytes() });
    }
    if format == b"%.6g" {
        return Ok(Conversion { precision: Some(6), ..Conversion::default() }.real(number, b'g'));
    }
    sprintf(format, &[Value::Number(number)], format)
}

/// `sprintf`
pub(super) fn sprintf(format: &[u8], args: &[Value], convert: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    let mut args = args.iter();
    let mut next = || match args.next() {
        Some(value) => Ok(value),
        None => unsupported("printf of awk with too few arguments"),
    };
    let mut at = 0;
    while let Some(byte) = format.get(at) {
        at += 1;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        if format.get(at) == Some(&b'%') {
            out.push(b'%');
            at += 1;
            continue;
        }
        let (spec, length) = Conversion::read(&format[at..], || Ok(whole(next()?.number())))?;
        at += length;
        let letter = format.get(at).copied().unwrap_or_default();
        at += 1;
        let integer = |value: &Value| {
            let number = value.number();
            if number.is_finite() && number.abs() < 9_223_372_036_854_775_808.0 {
                Ok(whole(number))
            } else {
                unsupported("printf of awk with a number of more than 63 bits")
            }
        };
        let printed = match letter {
            b'd' | b'i' => spec.signed(integer(next()?)?),
            b'o' | b'x' | b'X' | b'u' => {
                let value = integer(next()?)?;
                spec.unsigned(u64::from_ne_bytes(value.to_ne_bytes()), letter)
            }
            b'e' | b'f' | b'g' | b'E' | b'F' | b'G' => {
                let number = next()?.number();
                if !number.is_finite() {
                    return unsupported("infinity or NaN of awk");
                }
                spec.real(number, letter)
            }
            b'c' => {
                let byte = match next()? {
                    Value::Number(number) | Value::Both(_, number) => match u8::try_from(whole(*number)) {
                        Ok(byte) => byte,
                        Err(_) => return unsupported("%c of awk with a number over 255"),
                    },
                    Value::Text(text) => text.first().copied().unwrap_or_default(),
                    Value::Unset => 0,
                };
                Conversion { precision: None, ..spec }.string(&[byte])
            }
            b's' => {
                let text = next()?.text(convert)?;
                spec.string(&text)
            }
            other => return unsupported(format!("%{} in printf of awk", char::from(other))),
        };
        super::super::common::push(&mut out, &printed)?;
    }
    Ok(out)
}
