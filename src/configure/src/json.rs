//! JSON (RFC 8259): a small reader for the installed manifest and cloud-init's instance data, and a writer.
//!
//! Limits: 4 MiB, 32 levels, keys given once. Numbers are kept as their text, since nothing here computes with them.

mod write;

pub use write::text;

use std::collections::BTreeMap;

/// The most bytes that are read.
pub const LIMIT: usize = 4 * 1024 * 1024;
const DEPTH: u8 = 32;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Map(BTreeMap<String, Json>),
}

impl Json {
    /// An object.
    pub fn map<'a>(members: impl IntoIterator<Item = (&'a str, Json)>) -> Self {
        Self::Map(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The member `key` of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// A string's text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An array's elements.
    #[must_use]
    pub fn list(&self) -> &[Json] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }
}

/// The value of `bytes`; the error says what was expected.
pub fn read(bytes: &[u8]) -> Result<Json, &'static str> {
    if bytes.len() > LIMIT {
        return Err("expected at most 4 MiB of JSON");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "expected JSON in UTF-8")?;
    let mut reader = Reader { rest: text };
    let value = reader.value(DEPTH)?;
    reader.blanks();
    if reader.rest.is_empty() { Ok(value) } else { Err("expected one JSON value and nothing after it") }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: u8) -> Result<Json, &'static str> {
        let deeper = depth.checked_sub(1).ok_or("expected JSON of at most 32 levels")?;
        self.blanks();
        if self.take("{") {
            self.map(deeper)
        } else if self.take("[") {
            self.items(deeper)
        } else if self.take("\"") {
            self.text().map(Json::Text)
        } else if self.take("null") {
            Ok(Json::Null)
        } else if self.take("true") {
            Ok(Json::Bool(true))
        } else if self.take("false") {
            Ok(Json::Bool(false))
        } else {
            let end = self
                .rest
                .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
                .unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at_checked(end).ok_or("expected JSON")?;
            if !is_number(number) {
                return Err("expected a JSON value");
            }
            self.rest = rest;
            Ok(Json::Number(number.to_owned()))
        }
    }

    fn map(&mut self, depth: u8) -> Result<Json, &'static str> {
        let mut out = BTreeMap::new();
        self.blanks();
        if self.take("}") {
            return Ok(Json::Map(out));
        }
        loop {
            self.blanks();
            if !self.take("\"") {
                return Err("expected a key in quotes");
            }
            let key = self.text()?;
            self.blanks();
            if !self.take(":") {
                return Err("expected `:` after a key");
            }
            let value = self.value(depth)?;
            if out.insert(key, value).is_some() {
                return Err("expected each key once");
            }
            self.blanks();
            if self.take("}") {
                return Ok(Json::Map(out));
            }
            if !self.take(",") {
                return Err("expected `,` or `}`");
            }
        }
    }

    fn items(&mut self, depth: u8) -> Result<Json, &'static str> {
        let mut out = Vec::new();
        self.blanks();
        if self.take("]") {
            return Ok(Json::List(out));
        }
        loop {
            out.push(self.value(depth)?);
            self.blanks();
            if self.take("]") {
                return Ok(Json::List(out));
            }
            if !self.take(",") {
                return Err("expected `,` or `]`");
            }
        }
    }

    fn text(&mut self) -> Result<String, &'static str> {
        let mut out = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next().ok_or("expected a closing quote")? {
                '"' => break,
                '\\' => match chars.next().ok_or("expected an escape")? {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'u' => {
                        let unit = hex(&mut chars)?;
                        out.push(if (0xd800..0xdc00).contains(&unit) {
                            let low = match (chars.next(), chars.next()) {
                                (Some('\\'), Some('u')) => hex(&mut chars)?,
                                _ => return Err("expected a pair of surrogates"),
                            };
                            let low = low
                                .checked_sub(0xdc00)
                                .filter(|low| *low < 0x400)
                                .ok_or("expected a pair of surrogates")?;
                            char::from_u32(0x10000 + ((unit - 0xd800) << 10 | low))
                                .ok_or("expected a character")?
                        } else {
                            char::from_u32(unit).ok_or("expected a character")?
                        });
                    }
                    plain @ ('"' | '\\' | '/') => out.push(plain),
                    _ => return Err("expected an escape of JSON"),
                },
                control if (control as u32) < 0x20 => return Err("expected control characters escaped"),
                plain => out.push(plain),
            }
        }
        self.rest = chars.as_str();
        Ok(out)
    }
}

fn hex(chars: &mut std::str::Chars<'_>) -> Result<u32, &'static str> {
    (0..4).try_fold(0, |sum, _| {
        let digit =
            chars.next().and_then(|digit| digit.to_digit(16)).ok_or("expected four hexadecimal digits")?;
        Ok(sum * 16 + digit)
    })
}

/// `-? digits (. digits)? ([eE] [+-]? digits)?`, without a needless zero in front.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && digits(fraction) && digits(exponent)
}

/// `text` as a JSON string with its quotes; also a YAML double-quoted scalar and a TOML basic string.
#[must_use]
pub fn quote(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // U+0085, U+2028 and U+2029 end a line in YAML; escaped they mean the same in all three
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{Json, quote, read};

    #[test]
    fn values_are_read() {
        let json = read(br#"{"a": [1, -2.5e3, "x\"\u00e9\ud83d\ude00\n"], "b": {"c": null, "d": true}}"#)
            .expect("json");
        assert_eq!(json.get("a").map(|a| a.list().len()), Some(3));
        assert_eq!(json.get("a").and_then(|a| a.list()[2].text()), Some("x\"\u{e9}\u{1f600}\n"));
        assert_eq!(json.get("b").and_then(|b| b.get("d")), Some(&Json::Bool(true)));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        for text in [
            "",
            "{",
            "{\"a\":1,\"a\":2}",
            "[1,]",
            "01",
            "1.",
            "+1",
            "1e",
            "\"\u{1}\"",
            "tru",
            "1 2",
            "\"\\ud800\"",
            "'a'",
            &deep,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in ["", "a\"\\\n\t\u{7f}\u{85}\u{2028}ü😀"] {
            assert_eq!(read(quote(text).as_bytes()), Ok(Json::Text(text.to_owned())));
        }
    }
}
