//! `cloud-init query` and `cloud-id`: what is known of the instance.

use crate::instance_data::{PUBLIC, WHOLE};
use crate::root::Root;
use crate::state;
use serde_json::{Map, Value};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// All of it.
    All,
    /// One value, by its path: `v1.region`, `ds.meta_data`.
    Name(String),
    /// The keys of all, or of a value.
    Keys(Option<String>),
    /// Text with values in `{{ }}`.
    Template(String),
}

/// What this process may know.
///
/// # Errors
///
/// Nothing is known yet, or it cannot be read.
fn data(root: &Root) -> Result<Map<String, Value>, String> {
    let whole = root.read(WHOLE).ok().flatten();
    let bytes = match whole {
        Some(bytes) => bytes,
        None => root.read(PUBLIC)?.ok_or_else(|| format!("missing instance-data file: `{PUBLIC}`"))?,
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| format!("`{PUBLIC}`: {error}"))?;
    let mut map = value.as_object().cloned().unwrap_or_default();
    // standardised keys can be asked for without `v1.`
    let standard = map.get("v1").and_then(Value::as_object).cloned().unwrap_or_default();
    for (key, value) in standard {
        map.entry(key).or_insert(value);
    }
    Ok(map)
}

fn find<'m>(map: &'m Map<String, Value>, path: &str) -> Result<&'m Value, String> {
    let mut parts = path.split('.');
    let first = parts.next().unwrap_or_default();
    let undefined = |part: &str| format!("undefined instance-data key `{}`", part.escape_debug());
    let mut value = member(map, first).ok_or_else(|| undefined(first))?;
    for part in parts {
        value = match value {
            Value::Object(map) => member(map, part),
            Value::Array(list) => part.parse::<usize>().ok().and_then(|at| list.get(at)),
            _ => None,
        }
        .ok_or_else(|| undefined(part))?;
    }
    Ok(value)
}

/// A member, also where it is written with `-` for `_`.
fn member<'m>(map: &'m Map<String, Value>, key: &str) -> Option<&'m Value> {
    map.get(key).or_else(|| map.get(&key.replace('_', "-")))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// The answer, with a line break at its end.
///
/// # Errors
///
/// What is not known.
pub fn answer(root: &Root, question: &Question) -> Result<String, String> {
    let map = data(root)?;
    Ok(match question {
        Question::All => format!("{}\n", shown(&Value::Object(map))),
        Question::Name(name) => format!("{}\n", shown(find(&map, name)?)),
        Question::Keys(name) => {
            let keys = match name {
                None => map.keys().cloned().collect(),
                Some(name) => match find(&map, name)? {
                    Value::Object(map) => map.keys().cloned().collect::<Vec<_>>(),
                    _ => return Err(format!("`{}` has no keys", name.escape_debug())),
                },
            };
            keys.iter().map(|key| format!("{key}\n")).collect()
        }
        Question::Template(text) => {
            let (mut rest, mut filled) = (text.as_str(), String::new());
            while let Some((before, after)) = rest.split_once("{{") {
                let (name, after) = after.split_once("}}").ok_or("expected `}}`")?;
                filled.push_str(before);
                filled.push_str(&shown(find(&map, name.trim())?));
                rest = after;
            }
            format!("{filled}{rest}\n")
        }
    })
}

/// What `cloud-id` prints, and its exit status.
#[must_use]
pub fn cloud_id(root: &Root) -> (String, u8) {
    if state::is_disabled(root) {
        return ("disabled\n".to_owned(), 2);
    }
    match data(root).ok().and_then(|map| find(&map, "v1.cloud_id").ok().map(shown)) {
        Some(cloud) => (format!("{cloud}\n"), 0),
        None => ("not run\n".to_owned(), 3),
    }
}
