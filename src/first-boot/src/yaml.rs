//! YAML to JSON's data model, with the meaning that cloud-init's reader gives it (YAML 1.1, last of equal keys wins).
//!
//! The grammar is a crate's; what a plain scalar means, anchors, merge keys and the limits are here. Depth, nodes and the
//! expansion of aliases are bounded, so that no input makes it hang or eat memory.

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value, json};
use std::collections::BTreeMap;

/// How deep collections may be nested.
const MOST_DEPTH: usize = 64;
/// What a document may weigh: a value is one, and so are 64 bytes of its text. Each use of an alias is counted again, and what
/// has an anchor twice, as it is kept.
const MOST_WEIGHT: usize = 400_000;
/// How many bytes of text weigh as much as a value.
const UNIT: usize = 64;
/// What a value that is no text is kept as: an object with this key alone, and base64.
const BINARY: &str = "!!binary";
/// How many bytes a document may have.
pub const MOST_BYTES: usize = 8 << 20;

/// The first document of `text`; null where there is none.
///
/// # Errors
///
/// One clause that says what is wrong, with line and column where the grammar is.
pub fn parse(text: &str) -> Result<Value, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("expected at most {MOST_BYTES} bytes, found {}", text.len()));
    }
    // a mark at the beginning, and line ends of Windows, are what editors leave
    let text = text.trim_start_matches('\u{feff}');
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| format!("invalid YAML: {error}"))?;
        let line = span.start.line();
        match builder.take(event) {
            Ok(true) => break,
            Ok(false) => {}
            Err(what) => return Err(format!("line {line}: {what}")),
        }
    }
    Ok(builder.result.unwrap_or(Value::Null))
}

/// A collection that is being read.
enum Frame {
    List(Vec<Value>, usize),
    Map { map: Map<String, Value>, merged: Vec<Value>, key: Option<Key>, anchor: usize },
}

/// A key that waits for its value.
enum Key {
    Text(String),
    /// `<<`, plain.
    Merge,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    /// Values with an anchor, and what each weighs.
    anchors: BTreeMap<usize, (Value, usize)>,
    weight: usize,
    result: Option<Value>,
}

impl Builder {
    /// Takes one event; whether the document is at its end.
    fn take(&mut self, event: Event<'_>) -> Result<bool, String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1 + text.len() / UNIT)?;
                let is_merge = text == "<<" && style == ScalarStyle::Plain && tag.is_none();
                if is_merge && self.wants_key() {
                    if let Some(Frame::Map { key, .. }) = self.stack.last_mut() {
                        *key = Some(Key::Merge);
                    }
                    return Ok(false);
                }
                let value = scalar(&text, style, tag.as_deref())?;
                self.anchor(anchor, &value)?;
                self.put(value)
            }
            Event::Alias(anchor) => {
                let weight = self.anchors.get(&anchor).map(|(_, weight)| *weight);
                // counted before it is copied
                self.count(weight.ok_or("an alias inside of its own anchor")?)?;
                let value = self.anchors.get(&anchor).map(|(value, _)| value.clone());
                self.put(value.unwrap_or_default())
            }
            Event::SequenceStart(anchor, _) => self.open(Frame::List(Vec::new(), anchor)),
            Event::MappingStart(anchor, _) => {
                self.open(Frame::Map { map: Map::new(), merged: Vec::new(), key: None, anchor })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Frame::List(list, anchor)) => {
                    let value = Value::Array(list);
                    self.anchor(anchor, &value)?;
                    self.put(value)
                }
                Some(Frame::Map { mut map, merged, anchor, .. }) => {
                    // what the mapping says itself counts, then the first that is merged
                    for other in merged {
                        merge(&mut map, other)?;
                    }
                    let value = Value::Object(map);
                    self.anchor(anchor, &value)?;
                    self.put(value)
                }
                None => Err("an end without a beginning".to_owned()),
            },
            Event::DocumentEnd | Event::StreamEnd => Ok(self.result.is_some()),
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => Ok(false),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame::Map { key: None, .. }))
    }

    fn count(&mut self, weight: usize) -> Result<(), String> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > MOST_WEIGHT {
            return Err("expected fewer values, and fewer uses of anchors".to_owned());
        }
        Ok(())
    }

    fn open(&mut self, frame: Frame) -> Result<bool, String> {
        self.count(1)?;
        if self.stack.len() >= MOST_DEPTH {
            return Err(format!("expected at most {MOST_DEPTH} levels"));
        }
        if self.wants_key() {
            return Err("expected a scalar as a key, found a collection".to_owned());
        }
        self.stack.push(frame);
        Ok(false)
    }

    fn anchor(&mut self, anchor: usize, value: &Value) -> Result<(), String> {
        if anchor > 0 {
            let weight = weight(value);
            self.count(weight)?;
            self.anchors.insert(anchor, (value.clone(), weight));
        }
        Ok(())
    }

    fn put(&mut self, value: Value) -> Result<bool, String> {
        match self.stack.last_mut() {
            None => self.result = Some(value),
            Some(Frame::List(list, _)) => list.push(value),
            Some(Frame::Map { map, merged, key, .. }) => match key.take() {
                None => *key = Some(Key::Text(text(&value).ok_or("expected a scalar as a key")?)),
                Some(Key::Text(name)) => {
                    map.insert(name, value);
                }
                Some(Key::Merge) => merged.push(value),
            },
        }
        Ok(false)
    }
}

/// What `value` weighs, with all that is in it.
fn weight(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(weight).sum::<usize>(),
        Value::Object(map) => {
            1 + map.iter().map(|(key, value)| key.len() / UNIT + weight(value)).sum::<usize>()
        }
        Value::String(text) => 1 + text.len() / UNIT,
        _ => 1,
    }
}

fn merge(map: &mut Map<String, Value>, other: Value) -> Result<(), String> {
    match other {
        Value::Object(other) => {
            for (key, value) in other {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(list) => list.into_iter().try_for_each(|one| match one {
            Value::Object(_) => merge(map, one),
            _ => Err("`<<`: expected mappings".to_owned()),
        }),
        _ => Err("`<<`: expected a mapping".to_owned()),
    }
}

/// A scalar as text, as Python's `str` has it; not of a collection, nor of null.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Null => Some("None".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// A scalar as bytes: text, or what `!!binary` gives.
#[must_use]
pub fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Object(map) if map.len() == 1 => {
            crate::encoding::base64(map.get(BINARY)?.as_str()?.as_bytes()).ok()
        }
        other => text(other).map(String::into_bytes),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    if let Some(tag) = tag {
        return match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (true, "str") => Ok(Value::String(text.to_owned())),
            (true, "int" | "bool" | "null" | "float") => Ok(plain(text)),
            (true, "binary") => {
                let bytes = crate::encoding::base64(text.as_bytes())?;
                Ok(String::from_utf8(bytes).map_or_else(
                    |error| json!({BINARY: crate::encoding::to_base64(error.as_bytes())}),
                    Value::String,
                ))
            }
            _ => Err(format!("unknown tag `{}{}`", tag.handle, tag.suffix)),
        };
    }
    Ok(if style == ScalarStyle::Plain { plain(text) } else { Value::String(text.to_owned()) })
}

/// What a plain scalar means in YAML 1.1.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let number = integer(text).or_else(|| float(text));
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// Decimal, `0x`, `0b`, octal with a leading 0, and numbers of base 60, all with `_` between digits.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let plain: String = digits.chars().filter(|one| *one != '_').collect();
    let value = if let Some(hex) = plain.strip_prefix("0x") {
        i128::from(u64::from_str_radix(hex, 16).ok()?)
    } else if let Some(binary) = plain.strip_prefix("0b") {
        i128::from(u64::from_str_radix(binary, 2).ok()?)
    } else if plain.len() > 1 && plain.starts_with('0') {
        i128::from(u64::from_str_radix(&plain, 8).ok()?)
    } else if plain.contains(':') {
        sexagesimal(&plain)?
    } else {
        i128::from(plain.parse::<u64>().ok()?)
    };
    let value = if negative { -value } else { value };
    i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from)).ok()
}

fn sexagesimal(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let mut value = i128::from(parts.next()?.parse::<u32>().ok()?);
    for part in parts {
        let digit: u32 = part.parse().ok().filter(|digit| *digit < 60 && part.len() <= 2)?;
        value = value.checked_mul(60)? + i128::from(digit);
    }
    Some(value)
}

/// A number with a dot; an exponent has a sign in YAML 1.1.
fn float(text: &str) -> Option<Number> {
    let known = |one: char| one.is_ascii_digit() || matches!(one, '.' | '-' | '+' | 'e' | 'E');
    if text.matches('.').count() != 1 || !text.chars().all(known) || text == "." {
        return None;
    }
    let exponent = text.split_once(['e', 'E']);
    if exponent.is_some_and(|(_, after)| !after.starts_with(['+', '-'])) {
        return None;
    }
    Number::from_f64(text.parse().ok()?)
}

#[cfg(test)]
mod tests;
