//! In what the two systems may differ: `differences.toml`, and what a recipe or a component says outright.

use crate::Listing;
use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The file.
const FILE: &str = include_str!("differences.toml");

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    difference: Vec<Difference>,
}

/// One reason for a difference.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// A path: `*` stands for anything but `/`, `**` for anything.
    path: String,
    /// Who has it, or both with something else there.
    who: Who,
    /// In which kinds; all when empty.
    #[serde(default)]
    kinds: BTreeSet<String>,
    /// How many paths it explains at the most; one without a star.
    #[serde(default = "one")]
    most: usize,
    /// Why.
    why: String,
}

#[derive(serde::Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
enum Who {
    /// The real system only.
    Dpkg,
    /// Our image only.
    Ours,
    /// Both, with something else.
    Both,
}

fn one() -> usize {
    1
}

/// The differences that have no reason, and the reasons that explain nothing, one line each. `origins` says who brings
/// our paths, `accounts` are the users and groups that the recipe brings.
pub(crate) fn unexplained(
    kind: &str,
    real: &Listing,
    ours: &Listing,
    origins: &BTreeMap<String, Value>,
    accounts: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let known: Vec<Difference> = toml::from_str::<File>(FILE)?.difference;
    let known: Vec<&Difference> =
        known.iter().filter(|known| known.kinds.is_empty() || known.kinds.contains(kind)).collect();
    ensure!(known.iter().all(|known| known.why.len() > 10), "a difference without a reason");
    let mut used = vec![0; known.len()];
    let mut wrong = Vec::new();
    let paths: BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
    for path in paths {
        let (a, b) = (real.get(path), ours.get(path));
        let who = match (a, b) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(_), Some(_)) => Who::Both,
            (Some(_), None) => Who::Dpkg,
            _ => Who::Ours,
        };
        if who != Who::Dpkg && origins.get(path).is_some_and(is_ours_by_word) {
            continue;
        }
        // a unit that the recipe brings, and enables
        let unit = b.and_then(|what| what.strip_prefix("link root:root ")).and_then(|unit| origins.get(unit));
        if who == Who::Ours && path.contains(".wants/") && unit.is_some_and(is_ours_by_word) {
            continue;
        }
        let account = path.strip_prefix("/etc/").and_then(|path| path.split_once(':'));
        if who == Who::Ours && account.is_some_and(|(_, name)| accounts.contains(name)) {
            continue;
        }
        match known
            .iter()
            .position(|known| known.who == who && matches(known.path.as_bytes(), path.as_bytes()))
        {
            Some(index) => used[index] += 1,
            None => wrong.push(format!("{path}\n    dpkg: {}\n    ours: {}", shown(a), shown(b))),
        }
    }
    for (known, used) in known.iter().zip(used) {
        if used == 0 {
            wrong.push(format!("{}: {:?} no longer differs ({})", known.path, known.who, known.why));
        } else if used > known.most {
            wrong.push(format!(
                "{}: explains {used} paths, at most {} were thought of",
                known.path, known.most
            ));
        }
    }
    Ok(wrong)
}

fn shown(what: Option<&String>) -> &str {
    what.map_or("nothing", String::as_str)
}

/// Whether a recipe or a component says that the path is as it is; and the directories above those.
fn is_ours_by_word(origins: &Value) -> bool {
    origins.as_array().into_iter().flatten().any(|origin| match origin["from"].as_str() {
        Some("recipe" | "component") => true,
        Some("made") => matches!(origin["step"].as_str(), Some("directories" | "configure" | "manifest")),
        _ => false,
    })
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| matches(rest, &text[at..])),
        [b'*', rest @ ..] => {
            let end = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=end).any(|at| matches(rest, &text[at..]))
        }
        [first, rest @ ..] => {
            text.split_first().is_some_and(|(byte, text)| byte == first && matches(rest, text))
        }
        [] => text.is_empty(),
    }
}

#[test]
fn a_star_stays_within_a_name() {
    for (pattern, text, wanted) in [
        ("/a/*", "/a/b", true),
        ("/a/*", "/a/b/c", false),
        ("/a/**", "/a/b/c", true),
        ("/a/*.d/x", "/a/b.d/x", true),
        ("/a", "/a/b", false),
        ("/a/**/x-*", "/a/b/c/x-1", true),
    ] {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), wanted, "{pattern} {text}");
    }
}
