//! Whether a set of packages is whole: each relation satisfied, nothing in conflict.
//!
//! It shares no code with the solver but the readers of fields, so that a fault of the one is seen by the other.

use super::index::Candidate;
use super::relation::{Relation, groups};
use super::version::Version;
use std::collections::BTreeMap;
use tree::name::Arch;

/// Packages of which [`check`] has found that they are whole: there is no other way to make one, and a lock is made
/// of nothing else.
#[derive(Debug)]
pub struct ConsistentSet<'s, 'a>(Vec<&'s Candidate<'a>>);

impl<'s, 'a> ConsistentSet<'s, 'a> {
    /// The packages, in the order in which they were given.
    #[must_use]
    pub fn candidates(&self) -> &[&'s Candidate<'a>] {
        &self.0
    }
}

/// Checks the set `chosen` for `arch`; the first fault names its culprit.
pub fn check<'s, 'a>(chosen: &[&'s Candidate<'a>], arch: Arch) -> Result<ConsistentSet<'s, 'a>, CheckError> {
    let mut names: BTreeMap<&str, Vec<Answer<'_>>> = BTreeMap::new();
    for candidate in chosen {
        if names.get(candidate.name).is_some_and(|known| known.iter().any(|one| one.real)) {
            return Err(fault(candidate, "is chosen twice".to_owned()));
        }
        names.entry(candidate.name).or_default().push(Answer {
            candidate,
            version: Some(candidate.version),
            real: true,
        });
        for provided in read(candidate, candidate.provides)?.into_iter().flatten() {
            let version = provided.version.map(|(_, version)| version);
            names.entry(provided.name).or_default().push(Answer { candidate, version, real: false });
        }
    }
    let answers = |required: &Relation<'_>| {
        let found = names.get(required.name).map(Vec::as_slice).unwrap_or_default();
        let (required, arch) = (*required, arch);
        found
            .iter()
            .filter(move |one| one.answers(&required, arch))
            .map(|one| one.candidate.name)
            .collect::<Vec<_>>()
    };
    for candidate in chosen {
        for group in [candidate.pre_depends, candidate.depends]
            .iter()
            .map(|text| read(candidate, text))
            .collect::<Result<Vec<_>, _>>()?
            .concat()
        {
            if group.iter().all(|one| answers(one).is_empty()) {
                let text: Vec<String> = group.iter().map(ToString::to_string).collect();
                return Err(fault(candidate, format!("needs `{}`, which is not chosen", text.join(" | "))));
            }
        }
        for enemy in
            [read(candidate, candidate.conflicts)?, read(candidate, candidate.breaks)?].concat().concat()
        {
            if let Some(other) = answers(&enemy).into_iter().find(|name| *name != candidate.name) {
                return Err(fault(candidate, format!("conflicts with `{enemy}`, which `{other}` is")));
            }
        }
    }
    Ok(ConsistentSet(chosen.to_vec()))
}

/// A set that is not whole.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("package `{package}` {what}")]
pub struct CheckError {
    /// The culprit.
    pub package: String,
    /// What is wrong with it.
    pub what: String,
}

/// A name that a chosen package answers to.
struct Answer<'a> {
    candidate: &'a Candidate<'a>,
    version: Option<Version<'a>>,
    real: bool,
}

impl Answer<'_> {
    fn answers(&self, required: &Relation<'_>, arch: Arch) -> bool {
        let machine = match required.qualifier {
            None => true,
            Some("any") => self.candidate.any,
            Some(other) => other == arch.debian(),
        };
        machine
            && match (required.version, self.version) {
                (None, _) => true,
                (Some((operator, required)), Some(version)) => operator.allows(version, required),
                (Some(_), None) => false,
            }
    }
}

fn read<'a>(candidate: &Candidate<'_>, text: &'a str) -> Result<Vec<Vec<Relation<'a>>>, CheckError> {
    groups(text).map_err(|error| fault(candidate, format!("has an invalid relation: {error}")))
}

fn fault(candidate: &Candidate<'_>, what: String) -> CheckError {
    CheckError { package: candidate.name.to_owned(), what }
}
