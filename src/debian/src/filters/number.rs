//! Numbers as C prints and reads them.

use super::Failure;
use super::common::number;

/// The largest width and precision.
const WIDEST: usize = 8192;

/// A conversion of `printf`: what stands between `%` and its letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conversion {
    /// `-`
    pub left: bool,
    /// `+`
    pub plus: bool,
    /// a blank
    pub blank: bool,
    /// `#`
    pub alternate: bool,
    /// `0`
    pub zero: bool,
    /// How wide it is at least.
    pub width: usize,
    /// After the point.
    pub precision: Option<usize>,
}

impl Conversion {
    /// Reads flags, width and precision at the start of `format`, and says how long they are. `star` is the value for a `*`.
    ///
    /// # Errors
    /// When width or precision are out of limits, and those of `star`.
    pub fn read(
        format: &[u8],
        mut star: impl FnMut() -> Result<i64, Failure>,
    ) -> Result<(Self, usize), Failure> {
        let (mut spec, mut at) = (Self::default(), 0);
        while let Some(flag) = format.get(at) {
            match flag {
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.blank = true,
                b'#' => spec.alternate = true,
                b'0' => spec.zero = true,
                _ => break,
            }
            at += 1;
        }
        let mut amount = |at: &mut usize| -> Result<Option<i64>, Failure> {
            if format.get(*at) == Some(&b'*') {
                *at += 1;
                return star().map(Some);
            }
            let digits = format[*at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let value = number(&format[*at..*at + digits]);
            *at += digits;
            Ok(value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)))
        };
        let size = |value: i64| usize::try_from(value.unsigned_abs()).unwrap_or(usize::MAX);
        if let Some(width) = amount(&mut at)? {
            spec.left |= width < 0;
            spec.width = size(width);
        }
        if format.get(at) == Some(&b'.') {
            at += 1;
            let precision = amount(&mut at)?.unwrap_or(0);
            spec.precision = (precision >= 0).then(|| size(precision));
        }
        if spec.width > WIDEST || spec.precision.is_some_and(|precision| precision > WIDEST) {
            return Err(Failure::Limit("8192 bytes of a conversion"));
        }
        Ok((spec, at))
    }

    /// Pads to the width: zeros go after the sign or prefix.
    fn pad(self, prefix: &str, body: &str, zeros: bool) -> Vec<u8> {
        let gap = self.width.saturating_sub(prefix.len() + body.len());
        let text = if self.left {
            format!("{prefix}{body}{}", " ".repeat(gap))
        } else if self.zero && zeros {
            format!("{prefix}{}{body}", "0".repeat(gap))
        } else {
            format!("{}{prefix}{body}", " ".repeat(gap))
        };
        text.into_bytes()
    }

    fn sign(self, negative: bool) -> &'static str {
        match (negative, self.plus, self.blank) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    /// `%s`
    #[must_use]
    pub fn string(self, value: &[u8]) -> Vec<u8> {
        let value = value.get(..self.precision.unwrap_or(usize::MAX)).unwrap_or(value);
        let gap = vec![b' '; self.width.saturating_sub(value.len())];
        if self.left { [value, &gap].concat() } else { [&gap, value].concat() }
    }

    /// `%d`
    #[must_use]
    pub fn signed(self, value: i64) -> Vec<u8> {
        self.whole(self.sign(value < 0), value.unsigned_abs().to_string(), value == 0)
    }

    /// `%u`, `%o`, `%x`, `%X`
    #[must_use]
    pub fn unsigned(self, value: u64, letter: u8) -> Vec<u8> {
        let digits = match letter {
            b'o' => format!("{value:o}"),
            b'x' => format!("{value:x}"),
            b'X' => format!("{value:X}"),
            _ => value.to_string(),
        };
        let prefix = match letter {
            b'x' if self.alternate && value != 0 => "0x",
            b'X' if self.alternate && value != 0 => "0X",
            _ => "",
        };
        let octal = letter == b'o' && self.alternate;
        let digits = if octal && value != 0 && self.precision.is_none_or(|p| p <= digits.len()) {
            format!("0{digits}")
        } else {
            digits
        };
        self.whole(prefix, digits, value == 0 && !octal)
    }

    fn whole(self, prefix: &str, digits: String, zero: bool) -> Vec<u8> {
        let digits = match self.precision {
            Some(0) if zero => String::new(),
            Some(precision) => format!("{digits:0>precision$}"),
            None => digits,
        };
        self.pad(prefix, &digits, self.precision.is_none())
    }

    /// `%e`, `%f`, `%g` and their capitals
    #[must_use]
    pub fn real(self, value: f64, letter: u8) -> Vec<u8> {
        let sign = self.sign(value.is_sign_negative());
        let (value, precision) = (value.abs(), self.precision.unwrap_or(6));
        let body = if value.is_nan() {
            "nan".to_owned()
        } else if value.is_infinite() {
            "inf".to_owned()
        } else {
            match letter.to_ascii_lowercase() {
                b'e' => self.exponential(value, precision),
                b'f' => self.fixed(value, precision),
                _ => self.general(value, precision.max(1)),
            }
        };
        let body = if letter.is_ascii_uppercase() { body.to_ascii_uppercase() } else { body };
        self.pad(sign, &body, value.is_finite())
    }

    fn fixed(self, value: f64, precision: usize) -> String {
        let point = if precision == 0 && self.alternate { "." } else { "" };
        format!("{value:.precision$}{point}")
    }

    fn exponential(self, value: f64, precision: usize) -> String {
        let text = format!("{value:.precision$e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if precision == 0 && self.alternate { "." } else { "" };
        let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |rest| ("-", rest));
        format!("{digits}{point}e{sign}{exponent:0>2}")
    }

    fn general(self, value: f64, precision: usize) -> String {
        let text = format!("{value:.precision$e}", precision = precision - 1);
        let exponent: i64 = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
        let places = i64::try_from(precision).unwrap_or(i64::MAX);
        let trim = |text: String| {
            if self.alternate || !text.contains('.') {
                return text;
            }
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        if exponent < -4 || exponent >= places {
            let text = self.exponential(value, precision - 1);
            match text.split_once('e') {
                Some((digits, exponent)) => format!("{}e{exponent}", trim(digits.to_owned())),
                None => text,
            }
        } else {
            trim(self.fixed(value, usize::try_from(places - 1 - exponent).unwrap_or(0)))
        }
    }
}

/// The number at the start of `text`, after blanks, as `strtod` of C has it, and how many bytes were read; none are where there
/// is not a number.
pub(super) fn real(text: &[u8]) -> (f64, usize) {
    let start = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let mut at = start;
    let negative = text.get(at) == Some(&b'-');
    at += usize::from(matches!(text.get(at), Some(b'-' | b'+')));
    let sign = if negative { -1.0 } else { 1.0 };
    let rest = &text[at..];
    if rest.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"0x"))
        && rest.get(2).is_some_and(u8::is_ascii_hexdigit)
    {
        let count = rest[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let value = rest[2..2 + count]
            .iter()
            .fold(0.0, |value, digit| value * 16.0 + f64::from(char::from(*digit).to_digit(16).unwrap_or(0)));
        return (sign * value, at + 2 + count);
    }
    for (word, value) in [(&b"infinity"[..], f64::INFINITY), (b"inf", f64::INFINITY), (b"nan", f64::NAN)] {
        if rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) {
            return (sign * value, at + word.len());
        }
    }
    let digits =
        |at: usize| text.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(at);
    let mut end = at + whole;
    let mut fraction = 0;
    if text.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return (0.0, 0);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'-' | b'+')));
        let count = digits(end + 1 + sign);
        if count > 0 {
            end += 1 + sign + count;
        }
    }
    let value = std::str::from_utf8(&text[start..end]).ok().and_then(|text| text.parse().ok());
    (value.unwrap_or(0.0), end)
}

/// A real number as a whole one, towards zero, within the limits of the type.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what is wanted")]
pub(super) fn whole(value: f64) -> i64 {
    value as i64
}
