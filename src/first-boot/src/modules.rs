//! What a cloud-config asks for, module by module.
//!
//! Each module is a function from the configuration to changes below the root. It says what fails and goes on:
//! an instance with one bad line is still one that somebody can log in to.

pub mod accounts;
pub mod certificates;
pub mod files;
pub mod hostname;
pub mod keys;
pub mod left_out;
pub mod mounts;
pub mod scripts;
pub mod time;
pub mod users;

use crate::instance::Instance;
use crate::programs::Programs;
use crate::report::Report;
use crate::root::Root;
use crate::yaml;
use serde_json::{Map, Value};

/// What a module works with.
pub struct Context<'c, 'r> {
    /// Where files are.
    pub root: &'c Root,
    /// What starts programs.
    pub programs: &'c dyn Programs,
    /// The cloud-config, over the vendor's.
    pub config: &'c Map<String, Value>,
    /// The instance.
    pub instance: &'c Instance,
    /// What is said.
    pub report: &'c mut Report<'r>,
    /// Whether the module that runs began at an earlier boot and did not finish.
    pub again: bool,
}

impl Context<'_, '_> {
    /// A key's value as text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        text(self.config, key)
    }

    /// A key's value as a flag.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.config.get(key).and_then(truth)
    }

    /// The members of a list, none where there is none; another type is said.
    pub fn list(&mut self, key: &str) -> Vec<Value> {
        match self.config.get(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(_) => {
                self.report.error(format!("cloud-config: `{key}`: expected a list"));
                Vec::new()
            }
        }
    }
}

/// A scalar of `map` as text.
#[must_use]
pub fn text(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key).filter(|value| !value.is_null()).and_then(yaml::text)
}

/// A flag, also one that is written as text.
#[must_use]
pub fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        Value::Number(number) => number.as_i64().map(|number| number != 0),
        _ => None,
    }
}

/// Text, or a list of it: `a, b` and `[a, b]`.
#[must_use]
pub fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => {
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        Value::Array(list) => list.iter().filter_map(yaml::text).collect(),
        Value::Object(map) => map.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
