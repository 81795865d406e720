//! The image's policy: which settings a delivery may change, and which are user-data's for the life of the instance.
//!
//! `/opt/podplane/share/policy.toml` has lines `NAME = "user-data"` or `NAME = "live"`, where a name is a class of
//! [`Grant`] or one setting; a setting's own line counts before its class's. Whatever has no line may change live, and so
//! may everything on an image without the file. A policy that cannot be understood lets no settings through.
//!
//! What is asked is whether the *outcome* changes: a delivery may repeat what the node has already. Only deliveries are
//! asked: who can write the node's own files is root, and needs no delivery. The class `authorities` is of files, not of
//! settings: [`fixes_authorities`] says whether they may change, and [`crate::authority`] what may follow what is there.

use crate::delivery::Delivery;
use crate::keys::{self, Grant};
use crate::layers::Layers;
use crate::names::POLICY;
use crate::refusal::{Fault, Refusal, Result, printable};
use crate::root::Root;
use std::collections::BTreeMap;

/// The most bytes of the file.
const LIMIT: usize = 64 * 1024;
const WANTED: &str = "expected `NAME = \"user-data\"` or `NAME = \"live\"`";
/// Settings that are one thing under several names: a line for one is a line for all, or it would be none.
const SAME: [&[&str]; 2] =
    [&["SSH_AUTHORIZED_KEY", "SSH_AUTHORIZED_KEYS"], &["OIDC_CA_CERT", "OIDC_CA_FILE", "OIDC_CUSTOM_CA"]];

/// Who may change a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only user-data, by a new instance.
    UserData,
    /// A delivery as well.
    Live,
}

/// A line of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// A class or a setting.
    pub name: &'static str,
    /// Who may change it.
    pub change: Change,
    /// Which line, from 1.
    pub line: u32,
}

/// The policy; the default is that of an image without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    lines: BTreeMap<&'static str, Line>,
}

/// Every fault of `delivery` to a node that has `present`: settings that the policy fixes and that would come out as
/// something else. `place` is the delivery's name.
#[must_use]
pub fn check(policy: &Policy, present: &Layers, delivery: &Delivery, place: &str) -> Vec<Fault> {
    let mut after = present.clone();
    for (key, value, _) in delivery {
        after.mutable.set(key, value);
    }
    // the last line of a key is the one that counts
    let lines: BTreeMap<&str, u32> = delivery.iter().map(|(key, _, line)| (key.as_str(), *line)).collect();
    let changed = lines.into_iter().filter(|(key, _)| present.value(key) != after.value(key));
    changed
        .filter_map(|(key, line)| {
            let because = policy.of(key).filter(|because| because.change == Change::UserData)?;
            let rule = format!(
                "expected no live change, as {POLICY}:{} says `{} = \"user-data\"`",
                because.line, because.name
            );
            let hint = "user-data of a new instance gives it; the image's policy says what may change live";
            Some(Fault::new(place, rule).line(line).key(key).hint(hint))
        })
        .collect()
}

/// Why a delivery may not bring another authority, for a fault's text; none where it may. A policy in doubt lets none
/// through.
#[must_use]
pub fn fixes_authorities(policy: &std::result::Result<Policy, Refusal>) -> Option<String> {
    let name = Grant::Authorities.name();
    match policy {
        Ok(policy) => policy
            .lines
            .get(name)
            .filter(|line| line.change == Change::UserData)
            .map(|line| format!("as {POLICY}:{} says `{name} = \"user-data\"`", line.line)),
        Err(_) => Some(format!("as {POLICY} cannot be understood")),
    }
}

/// The policy of the image at `root`.
pub fn load(root: &Root) -> Result<Policy> {
    match root.read(POLICY, LIMIT)? {
        Some(bytes) => parse(&bytes, POLICY).map_err(Refusal::input),
        None => Ok(Policy::default()),
    }
}

/// The policy that `bytes` of `place` are, or every fault.
pub fn parse(bytes: &[u8], place: &str) -> std::result::Result<Policy, Vec<Fault>> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(vec![Fault::new(place, "expected UTF-8")]) };
    if bytes.len() > LIMIT {
        return Err(vec![Fault::new(place, "expected at most 64 KiB")]);
    }
    let (mut policy, mut faults) = (Policy::default(), Vec::new());
    for (raw, line) in text.lines().zip(1u32..) {
        let known = match words(raw) {
            Ok(None) => continue,
            Ok(Some((name, change))) => known(name).map(|name| Line { name, change, line }),
            Err(rule) => Err(rule.to_owned()),
        };
        match known {
            Ok(line) if !policy.lines.contains_key(line.name) => {
                policy.lines.insert(line.name, line);
            }
            Ok(twice) => faults.push(Fault::new(place, "expected each name once").line(line).key(twice.name)),
            Err(rule) => faults.push(Fault::new(place, rule).line(line)),
        }
    }
    let hint = "no settings are delivered under a policy that is in doubt: bake the image again";
    if faults.is_empty() { Ok(policy) } else { Err(faults.into_iter().map(|one| one.hint(hint)).collect()) }
}

/// The name and the word of a line; none of one that says nothing.
fn words(line: &str) -> std::result::Result<Option<(&str, Change)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = line.split_once('=').ok_or(WANTED)?;
    let (value, behind) =
        rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')).ok_or(WANTED)?;
    if !(behind.trim_start().is_empty() || behind.trim_start().starts_with('#')) {
        return Err(WANTED);
    }
    match value {
        "user-data" => Ok(Some((name.trim(), Change::UserData))),
        "live" => Ok(Some((name.trim(), Change::Live))),
        _ => Err(WANTED),
    }
}

/// The class or live setting of that name.
fn known(name: &str) -> std::result::Result<&'static str, String> {
    let class = Grant::ALL.into_iter().map(Grant::name).find(|class| *class == name);
    let setting = || keys::find(name).filter(|key| key.is_live()).map(|key| key.name);
    class.or_else(setting).ok_or_else(|| {
        let classes: Vec<String> = Grant::ALL.iter().map(|class| format!("`{}`", class.name())).collect();
        format!(
            "expected {} or a setting that may change live, found `{}`",
            classes.join(", "),
            printable(name)
        )
    })
}

impl Policy {
    /// The line that decides about the setting `name`: none where it may change live because nobody says otherwise.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Line> {
        let key = keys::find(name);
        let names = SAME.into_iter().find(|names| names.contains(&name)).unwrap_or_default();
        let own = || {
            let names = names.iter().copied().chain(key.map(|key| key.name));
            names.filter_map(|name| self.lines.get(name))
        };
        let class = || key.and_then(|key| key.grant).and_then(|grant| self.lines.get(grant.name()));
        own().find(|line| line.change == Change::UserData).or_else(|| own().next()).or_else(class)
    }

    /// All lines, by name.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.values()
    }
}

#[cfg(test)]
mod matrix;
#[cfg(test)]
mod tests;
