//! The three files of settings as they are, and which of them a setting comes from.
//!
//! Precedence: the live value when it is not empty, else the detected one, else user-data's; an empty value means "not
//! set", so clearing a live setting lets user-data's show through. `INSTANCE_IPV6` is the exception: given empty by
//! user-data it means that the node has none.

use crate::envfile::{Assignment, Syntax};
use crate::names::{DETECTED, MUTABLE, USER_DATA};
use crate::refusal::Fault;
use std::collections::BTreeMap;

/// One file's assignments.
#[derive(Clone, Default)]
pub struct Layer {
    map: BTreeMap<String, (String, u32)>,
}

/// Where a value was found.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// The value; may be empty.
    pub value: &'a str,
    /// The file.
    pub place: &'static str,
    /// Its line, from 1.
    pub line: u32,
}

impl Layer {
    /// Of assignments; the last of a key wins, as in a shell, but for user-data see [`duplicates`].
    #[must_use]
    pub fn new(assignments: Vec<Assignment>) -> Self {
        Self { map: assignments.into_iter().map(|one| (one.key, (one.value, one.line))).collect() }
    }

    /// Of pairs without lines.
    #[must_use]
    pub fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { map: pairs.into_iter().map(|(key, value)| (key, (value, 0))).collect() }
    }

    /// The value of `key`, given or not.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.map.get(key).map(|(value, _)| value.as_str())
    }

    /// All in order: key, value, line.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.map.iter().map(|(key, (value, line))| (key.as_str(), value.as_str(), *line))
    }

    /// Sets `key`.
    pub fn set(&mut self, key: &str, value: &str) {
        self.map.insert(key.to_owned(), (value.to_owned(), 0));
    }

    /// As a file of [`crate::envfile`], sorted; none when a value has no safe spelling, or all of them together are more
    /// than a file may have. What is written is read again first: a file that cannot be would stop the next boot.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let lines = self.map.iter().map(|(key, (value, _))| crate::envfile::line(key, value));
        let text = lines.collect::<Option<String>>()?;
        let again = crate::envfile::read(text.as_bytes()).ok()?;
        let again = again.iter().map(|one| (&one.key, &one.value));
        again.eq(self.map.iter().map(|(key, (value, _))| (key, value))).then_some(text)
    }
}

/// The three files.
#[derive(Clone, Default)]
pub struct Layers {
    /// [`USER_DATA`].
    pub user_data: Layer,
    /// [`DETECTED`].
    pub detected: Layer,
    /// [`MUTABLE`].
    pub mutable: Layer,
}

impl Layers {
    /// Where `key` comes from: the first that is given and not empty, or else the first that is given at all.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Found<'_>> {
        let all = [(MUTABLE, &self.mutable), (DETECTED, &self.detected), (USER_DATA, &self.user_data)];
        let mut given = all.into_iter().filter_map(|(place, layer)| {
            layer.map.get(key).map(|(value, line)| Found { value, place, line: *line })
        });
        let first = given.clone().find(|found| !found.value.is_empty());
        first.or_else(|| given.next())
    }

    /// The value of `key`, or its default; empty when it has neither.
    #[must_use]
    pub fn value(&self, key: &str) -> &str {
        match self.find(key) {
            Some(found) if !found.value.is_empty() => found.value,
            _ => crate::keys::find(key).map_or("", |key| key.default),
        }
    }
}

/// The lines of `place` that are not assignments, as faults.
#[must_use]
pub fn syntax_faults(place: &str, faults: Vec<Syntax>) -> Vec<Fault> {
    faults
        .into_iter()
        .map(|syntax| {
            let fault = Fault::new(place, syntax.rule).line(syntax.line);
            let fault = Fault { hint: syntax.hint.map(str::to_owned), ..fault };
            match syntax.key {
                Some(key) => fault.key(key),
                None => fault,
            }
        })
        .collect()
}

/// Keys that `assignments` of `place` give twice with different values: which one was meant cannot be told.
#[must_use]
pub fn duplicates(place: &str, assignments: &[Assignment]) -> Vec<Fault> {
    let mut first: BTreeMap<&str, &Assignment> = BTreeMap::new();
    let mut out = Vec::new();
    for one in assignments {
        match first.get(one.key.as_str()) {
            Some(earlier) if earlier.value != one.value => out.push(
                Fault::new(place, format!("expected one value, found another on line {}", earlier.line))
                    .line(one.line)
                    .key(&one.key),
            ),
            _ => {
                first.insert(&one.key, one);
            }
        }
    }
    out
}
