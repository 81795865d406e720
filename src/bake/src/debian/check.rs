//! Whether a set of packages is whole: each relation satisfied, nothing in conflict.
//!
//! It shares no code with the solver but the readers of fields, so that a fault of the one is seen by the other.

use super::index::Offer;
use super::relation::{Relation, groups};
use super::version::Version;
use crate::name::Arch;
use std::collections::BTreeMap;

/// Packages of which [`check`] has found that they are whole: there is no other way to make one, and a lock is made
/// of nothing else.
#[derive(Debug)]
pub struct Whole<'s, 'a>(Vec<&'s Offer<'a>>);

impl<'s, 'a> Whole<'s, 'a> {
    /// The packages, in the order in which they were given.
    #[must_use]
    pub fn offers(&self) -> &[&'s Offer<'a>] {
        &self.0
    }
}

/// Checks the set `chosen` for `arch`; the first fault names its culprit.
pub fn check<'s, 'a>(chosen: &[&'s Offer<'a>], arch: Arch) -> Result<Whole<'s, 'a>, CheckError> {
    let mut names: BTreeMap<&str, Vec<Answer<'_>>> = BTreeMap::new();
    for offer in chosen {
        if names.get(offer.name).is_some_and(|known| known.iter().any(|one| one.real)) {
            return Err(fault(offer, "is chosen twice".to_owned()));
        }
        names.entry(offer.name).or_default().push(Answer { offer, version: Some(offer.version), real: true });
        for provided in read(offer, offer.provides)?.into_iter().flatten() {
            let version = provided.version.map(|(_, version)| version);
            names.entry(provided.name).or_default().push(Answer { offer, version, real: false });
        }
    }
    let answers = |wanted: &Relation<'_>| {
        let found = names.get(wanted.name).map(Vec::as_slice).unwrap_or_default();
        let (wanted, arch) = (*wanted, arch);
        found
            .iter()
            .filter(move |one| one.answers(&wanted, arch))
            .map(|one| one.offer.name)
            .collect::<Vec<_>>()
    };
    for offer in chosen {
        for group in [offer.pre_depends, offer.depends]
            .iter()
            .map(|text| read(offer, text))
            .collect::<Result<Vec<_>, _>>()?
            .concat()
        {
            if group.iter().all(|one| answers(one).is_empty()) {
                let text: Vec<String> = group.iter().map(ToString::to_string).collect();
                return Err(fault(offer, format!("needs `{}`, which is not chosen", text.join(" | "))));
            }
        }
        for enemy in [read(offer, offer.conflicts)?, read(offer, offer.breaks)?].concat().concat() {
            if let Some(other) = answers(&enemy).into_iter().find(|name| *name != offer.name) {
                return Err(fault(offer, format!("conflicts with `{enemy}`, which `{other}` is")));
            }
        }
    }
    Ok(Whole(chosen.to_vec()))
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
    offer: &'a Offer<'a>,
    version: Option<Version<'a>>,
    real: bool,
}

impl Answer<'_> {
    fn answers(&self, wanted: &Relation<'_>, arch: Arch) -> bool {
        let machine = match wanted.qualifier {
            None => true,
            Some("any") => self.offer.any,
            Some(other) => other == arch.debian(),
        };
        machine
            && match (wanted.version, self.version) {
                (None, _) => true,
                (Some((operator, wanted)), Some(version)) => operator.allows(version, wanted),
                (Some(_), None) => false,
            }
    }
}

fn read<'a>(offer: &Offer<'_>, text: &'a str) -> Result<Vec<Vec<Relation<'a>>>, CheckError> {
    groups(text).map_err(|error| fault(offer, format!("has an invalid relation: {error}")))
}

fn fault(offer: &Offer<'_>, what: String) -> CheckError {
    CheckError { package: offer.name.to_owned(), what }
}
