//! JSON Schemas of `docs/schemas/`, as far as those use them (draft 2020-12): what the program prints is held to them.
//!
//! A keyword that is not known here is an error, so that no schema says what nobody checks.

use crate::workspace;
use anyhow::{Context as _, Result, bail, ensure};
use regex::Regex;
use serde_json::{Map, Value};
use std::fs;

/// A schema that was read.
#[derive(Debug)]
pub struct Schema {
    name: String,
    root: Value,
}

impl Schema {
    /// The schema `docs/schemas/NAME.schema.json`.
    pub fn load(name: &str) -> Result<Self> {
        let path = workspace::root().join(format!("docs/schemas/{name}.schema.json"));
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let root = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Ok(Self { name: name.to_owned(), root })
    }

    /// Checks one document: nothing before it, nothing after it, and of the shape that the schema says.
    pub fn check(&self, text: &str) -> Result<Value> {
        let value: Value =
            serde_json::from_str(text).with_context(|| format!("{}: not one document: {text}", self.name))?;
        self.holds(&self.root, &value, "$").with_context(|| self.name.clone())?;
        Ok(value)
    }

    fn holds(&self, schema: &Value, value: &Value, at: &str) -> Result<()> {
        let schema = schema.as_object().with_context(|| format!("{at}: a schema that is not an object"))?;
        for (keyword, rule) in schema {
            self.keyword(schema, keyword, rule, value, at)?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        schema: &Map<String, Value>,
        keyword: &str,
        rule: &Value,
        value: &Value,
        at: &str,
    ) -> Result<()> {
        let all = |rules: &Value| -> Result<Vec<bool>> {
            let rules = rules.as_array().context("no list of schemas")?;
            Ok(rules.iter().map(|rule| self.holds(rule, value, at).is_ok()).collect())
        };
        match keyword {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#')).context("a reference")?;
                let found = self.root.pointer(pointer).with_context(|| format!("no `{pointer}`"))?;
                self.holds(found, value, at)?;
            }
            "type" => {
                ensure!(is(rule.as_str().context("a type")?, value)?, "{at}: expected {rule}, found {value}");
            }
            "enum" => {
                ensure!(
                    rule.as_array().context("a list")?.contains(value),
                    "{at}: expected one of {rule}, found {value}"
                );
            }
            "const" => ensure!(rule == value, "{at}: expected {rule}, found {value}"),
            "pattern" => {
                let fits = |text: &str| {
                    Ok::<_, anyhow::Error>(Regex::new(rule.as_str().context("a pattern")?)?.is_match(text))
                };
                ensure!(value.as_str().map_or(Ok(true), fits)?, "{at}: {value} does not match {rule}");
            }
            "minimum" => {
                ensure!(value.as_f64() >= rule.as_f64(), "{at}: expected at least {rule}, found {value}");
            }
            "maximum" => {
                ensure!(value.as_f64() <= rule.as_f64(), "{at}: expected at most {rule}, found {value}");
            }
            "minItems" => ensure!(length(value) >= rule.as_u64(), "{at}: too few: {value}"),
            "maxItems" => ensure!(length(value) <= rule.as_u64(), "{at}: too many: {value}"),
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.holds(rule, item, &format!("{at}[{number}]"))?;
                }
            }
            "anyOf" | "oneOf" => {
                let fit = all(rule)?.into_iter().filter(|fits| *fits).count();
                if fit == 0 {
                    let each = rule.as_array().into_iter().flatten();
                    let each = each
                        .filter_map(|rule| self.holds(rule, value, at).err())
                        .map(|error| error.to_string());
                    bail!("{at}: fits none of {keyword}: {}", each.collect::<Vec<_>>().join("; "));
                }
                ensure!(fit == 1 || keyword == "anyOf", "{at}: fits {fit} of oneOf: {value}");
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    ensure!(value.get(name).is_some() || !value.is_object(), "{at}: no `{name}`");
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().context("properties by name")? {
                    if let Some(value) = value.get(name) {
                        self.holds(rule, value, &format!("{at}.{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let other = |name: &&String| known.is_none_or(|known| !known.contains_key(*name));
                for name in value.as_object().into_iter().flat_map(Map::keys).filter(other) {
                    ensure!(*rule != Value::Bool(false), "{at}: `{name}` is not in the schema");
                    if let (Value::Object(_), Some(value)) = (rule, value.get(name)) {
                        self.holds(rule, value, &format!("{at}.{name}"))?;
                    }
                }
            }
            _ => bail!("{at}: keyword `{keyword}` is not known here"),
        }
        Ok(())
    }
}

fn is(name: &str, value: &Value) -> Result<bool> {
    Ok(match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        _ => bail!("type `{name}` is not known here"),
    })
}

fn length(value: &Value) -> Option<u64> {
    value.as_array().map(|items| items.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists of names that the schemas have from the program: by the name below `$defs`.
    #[test]
    fn lists_of_names_are_those_of_the_program() {
        let providers: Vec<String> = tree::name::Provider::ALL.iter().map(ToString::to_string).collect();
        let mut found = 0;
        for entry in fs::read_dir(workspace::root().join("docs/schemas")).unwrap() {
            let path = entry.unwrap().path();
            let mut text = fs::read_to_string(&path).unwrap();
            let Some(at) = text.find("\n  \"provider\": {\n   \"type\"") else { continue };
            found += 1;
            let open = at + text[at..].find("\"enum\": [").unwrap();
            let range = open..open + text[open..].find(']').unwrap();
            let names: Vec<String> = providers.iter().map(|name| format!("\n    \"{name}\"")).collect();
            let list = format!("\"enum\": [{}\n   ", names.join(","));
            if std::env::var_os("VMBAKE_ACCEPT").is_some() {
                text.replace_range(range, &list);
                fs::write(&path, text).unwrap();
            } else {
                let hint = "VMBAKE_ACCEPT=1 cargo test -p tests --lib schema";
                assert_eq!(text[range], list, "{} is out of date: {hint}", path.display());
            }
        }
        assert_eq!(found, 2, "schemas with a list of clouds");
    }

    #[test]
    fn what_does_not_fit_is_told_and_an_unknown_keyword_is_no_schema() {
        let schema = |text: &str| Schema { name: "x".to_owned(), root: serde_json::from_str(text).unwrap() };
        let one = schema(
            r##"{"type": "object", "required": ["a"], "additionalProperties": false, "properties":
                {"a": {"$ref": "#/$defs/n"}, "b": {"type": "array", "items": {"type": "string", "pattern": "^x"}}},
                "$defs": {"n": {"anyOf": [{"type": "integer", "minimum": 2}, {"type": "null"}]}}}"##,
        );
        for good in [r#"{"a": 2}"#, r#"{"a": null, "b": ["x", "xy"]}"#] {
            one.check(good).unwrap();
        }
        for bad in [
            "{}",
            r#"{"a": 1}"#,
            r#"{"a": "2"}"#,
            r#"{"a": 2, "c": 1}"#,
            r#"{"a": 2, "b": ["y"]}"#,
            "[]",
            "{} {}",
            "",
        ] {
            assert!(one.check(bad).is_err(), "{bad}");
        }
        assert!(schema(r#"{"typ": "object"}"#).check("{}").is_err());
        assert!(schema(r#"{"oneOf": [{"type": "object"}, {"const": {}}]}"#).check("{}").is_err());
    }
}
