//! What a run left against what was recorded.

use super::case::{Change, Expect};
use super::room::Ended;
use super::tree::{Entry, Tree};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One way in which they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// It succeeded or failed, and the record says otherwise.
    Exit { code: i32 },
    /// A refusal does not name this.
    Unnamed { name: String },
    /// It says something, and there is nothing new to say.
    Loud,
    /// A path is not as recorded: what of it.
    Path { path: String, what: String },
    /// An environment file has another value of a key; none is not a line.
    Env { path: String, key: String, expected: Option<String>, got: Option<String> },
    /// A path changed that was not recorded to change.
    Extra { path: String, how: &'static str },
    /// A file was rewritten with equal content.
    Rewritten { path: String },
    /// Other programs were asked other things.
    Calls { expected: Vec<Vec<String>>, got: Vec<Vec<String>> },
    /// Accounts differ.
    Accounts { what: String },
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit { code } => write!(out, "it ended with {code}"),
            Self::Unnamed { name } => write!(out, "the refusal does not name `{name}`"),
            Self::Loud => out.write_str("it speaks, and there is nothing new to say"),
            Self::Path { path, what } => write!(out, "{path}: {what}"),
            Self::Env { path, key, expected, got } => {
                write!(out, "{path}: {key}: expected {expected:?}, found {got:?}")
            }
            Self::Extra { path, how } => write!(out, "{path}: {how}, and was recorded unchanged"),
            Self::Rewritten { path } => write!(out, "{path}: rewritten with equal content"),
            Self::Calls { expected, got } => {
                let lines = |calls: &[Vec<String>]| {
                    calls.iter().map(|call| call.join(" ")).collect::<Vec<_>>().join("; ")
                };
                write!(out, "calls: expected [{}], found [{}]", lines(expected), lines(got))
            }
            Self::Accounts { what } => write!(out, "accounts: {what}"),
        }
    }
}

/// All differences. A failing record is held to more than it was: nothing at all may have changed.
pub(super) fn compare(expect: &Expect, before: &Tree, after: &Tree, ended: &Ended) -> Vec<Difference> {
    let mut out = Vec::new();
    let failed = ended.code != 0;
    if failed != (expect.exit_code != 0) {
        out.push(Difference::Exit { code: ended.code });
    }
    for name in expect.fatal_names.iter().filter(|name| failed && !ended.output.contains(name.as_str())) {
        out.push(Difference::Unnamed { name: name.clone() });
    }
    if expect.silent && !ended.output.is_empty() {
        out.push(Difference::Loud);
    }
    let mut recorded = BTreeSet::new();
    if !failed && expect.exit_code == 0 {
        for change in &expect.changes {
            recorded.insert(change.path.as_str());
            path(change, before, after, &mut out);
        }
    }
    extra(before, after, &recorded, &mut out);
    // what a failing script had already asked for is no measure
    if expect.exit_code == 0 && expect.calls != ended.calls {
        out.push(Difference::Calls { expected: expect.calls.clone(), got: ended.calls.clone() });
    }
    if !failed {
        super::compare_accounts(expect, before, after, &mut out);
    }
    out
}

/// Changes that were not recorded, and files that were written for nothing.
fn extra(before: &Tree, after: &Tree, recorded: &BTreeSet<&str>, out: &mut Vec<Difference>) {
    let paths: BTreeSet<&String> = before.entries.keys().chain(after.entries.keys()).collect();
    for path in paths.into_iter().filter(|path| !recorded.contains(path.as_str())) {
        let how = match (before.entries.get(path), after.entries.get(path)) {
            (None, Some(_)) => "created",
            (Some(_), None) => "removed",
            (Some(old), Some(new)) => {
                let same = Entry { identity: old.identity, ..new.clone() } == *old;
                if same && new.kind == "file" && old.identity != new.identity {
                    out.push(Difference::Rewritten { path: path.clone() });
                }
                if same {
                    continue;
                }
                "changed"
            }
            (None, None) => continue,
        };
        out.push(Difference::Extra { path: path.clone(), how });
    }
}

/// One recorded change against the state after.
fn path(change: &Change, before: &Tree, after: &Tree, out: &mut Vec<Difference>) {
    let mut differ = |what: String| out.push(Difference::Path { path: change.path.clone(), what });
    let entry = match (change.change.as_str(), after.entries.get(&change.path)) {
        ("removed", None) => return,
        ("removed", Some(_)) => return differ("expected none, it is there".to_owned()),
        (_, None) => return differ("expected it, it is not there".to_owned()),
        (_, Some(entry)) => entry,
    };
    for (what, expected, got) in [
        ("type", &change.kind, entry.kind),
        ("mode", &change.mode, entry.mode.as_str()),
        ("owner", &change.owner, entry.owner.as_str()),
    ] {
        if let Some(expected) = expected.as_ref().filter(|expected| *expected != got) {
            differ(format!("{what}: expected {expected}, found {got}"));
        }
    }
    if let Some(target) = change.target.as_ref().filter(|target| target.as_bytes() != entry.content) {
        differ(format!("expected a link to {target}"));
    }
    content(change, entry, before, after, out);
}

fn content(change: &Change, entry: &Entry, before: &Tree, after: &Tree, out: &mut Vec<Difference>) {
    let path = change.path.clone();
    let mut differ = |what: String| out.push(Difference::Path { path: path.clone(), what });
    let text = String::from_utf8_lossy(&entry.content);
    if let Some(env) = &change.env {
        return compare_env(&change.path, env, &entry.content, out);
    }
    if let Some(expected) = &change.parsed {
        match value(&change.path, &text) {
            Ok(got) if got == *expected => {}
            Ok(got) => differ(first_difference(expected, &got, "$")),
            Err(error) => differ(format!("it cannot be parsed: {error}")),
        }
        return;
    }
    if let Some(expected) = &change.content_same_as {
        let source = after.entries.get(expected).or_else(|| before.entries.get(expected));
        let source = source.map(|entry| entry.content.clone()).unwrap_or_default();
        // environment files mean a map
        match (change.path.ends_with(".env"), env_map(&source)) {
            (true, Some(map)) => compare_env(&change.path, &map, &entry.content, out),
            _ if source == entry.content => {}
            _ => differ(format!("expected the content of {expected}")),
        }
        return;
    }
    if let Some(expected) = &change.content {
        let got = normalised(&text);
        if change.path.ends_with(".env")
            && let Some(map) = env_map(expected.as_bytes())
        {
            return compare_env(&change.path, &map, &entry.content, out);
        }
        if *expected != got {
            differ(format!("expected {expected:?}, found {got:?}"));
        }
    } else if let Some(expected) = &change.content_base64 {
        if configure::base64::decode(expected).as_deref() != Some(&entry.content[..]) {
            differ("expected other bytes".to_owned());
        }
    } else if let Some(expected) = &change.content_sha256 {
        use sha2::Digest as _;
        let got =
            sha2::Sha256::digest(&entry.content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if got != *expected {
            differ("expected another digest".to_owned());
        }
    }
}

/// Without the time that a run wrote.
fn normalised(text: &str) -> String {
    match text.strip_prefix("completed_at=").map(str::trim_end) {
        Some(time) if time.len() == 20 && time.ends_with('Z') => "completed_at=<UTC_TIMESTAMP>\n".to_owned(),
        _ => text.to_owned(),
    }
}

fn env_map(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    Some(configure::envfile::read(bytes).ok()?.into_iter().map(|one| (one.key, one.value)).collect())
}

fn compare_env(path: &str, expected: &BTreeMap<String, String>, bytes: &[u8], out: &mut Vec<Difference>) {
    let Some(got) = env_map(bytes) else {
        return out.push(Difference::Path {
            path: path.to_owned(),
            what: "it cannot be read as an environment file".to_owned(),
        });
    };
    let keys: BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
    for key in keys.into_iter().filter(|key| expected.get(*key) != got.get(*key)) {
        let (expected, got) = (expected.get(key).cloned(), got.get(key).cloned());
        out.push(Difference::Env { path: path.to_owned(), key: key.clone(), expected, got });
    }
}

/// A configuration file's value.
pub(super) fn value(path: &str, text: &str) -> anyhow::Result<Value> {
    Ok(if path.ends_with(".toml") {
        serde_json::to_value(toml::from_str::<toml::Value>(text)?)?
    } else if path.ends_with(".json") || path.ends_with(".jsonc") {
        let plain: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        serde_json::from_str(&plain)?
    } else {
        serde_yaml_ng::from_str(text)?
    })
}

/// The first place where two values differ; none and an empty list mean the same to every reader of these files.
fn first_difference(expected: &Value, got: &Value, at: &str) -> String {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let keys: BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
            for key in keys {
                let (expected, got) =
                    (expected.get(key).unwrap_or(&Value::Null), got.get(key).unwrap_or(&Value::Null));
                if expected != got {
                    return first_difference(expected, got, &format!("{at}.{key}"));
                }
            }
            format!("{at}: equal")
        }
        _ => format!("{at}: expected {expected}, found {got}"),
    }
}
