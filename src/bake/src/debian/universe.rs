//! All that the suites have: of each name one version, and who provides what.
//!
//! Of the suites that are taken from without a word it is the newest. Of a suite that is taken from by name it is what the
//! recipe names (apt: `Pin-Priority: 990`), and what no other has (apt: 100); the latter only for packages of that same
//! archive, so that nobody but Debian answers for what the recipe does not name.
//!
//! Lookups are binary searches in sorted slices: no order of a hash table can show in a result.

use super::index::Candidate;
use super::relation::{self, Relation, RelationError};
use super::version::Version;
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tree::name::Arch;

/// The candidates of a resolution. A candidate is identified by its place in the order of names.
#[derive(Debug)]
pub struct Universe<'a> {
    arch: Arch,
    candidates: Vec<Candidate<'a>>,
    /// Sorted by the provided name, then by preference.
    provided: Vec<Provided<'a>>,
    relations: Vec<OnceCell<Relations<'a>>>,
    /// Of each candidate.
    homes: Vec<Home>,
    /// Sorted by name, the newest first: those of suites that are taken from by name, where the name is another's.
    passed_over: Vec<Candidate<'a>>,
}

/// From which suites what is taken.
#[derive(Debug, Clone, Default)]
pub struct Preferences<'a> {
    /// For each suite that is taken from by name alone, those with which it belongs together; none for the others.
    pub groups: Vec<Option<usize>>,
    /// The suites of packages that are named.
    pub named: BTreeMap<&'a str, BTreeSet<usize>>,
}

/// Where a candidate is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Home {
    /// What it belongs together with, if it is of a suite that is taken from by name.
    group: Option<usize>,
    /// Whether it is there for packages of its group alone.
    bound: bool,
}

/// The relations of one candidate.
#[derive(Debug)]
pub struct Relations<'a> {
    /// Pre-Depends and Depends.
    pub needs: Vec<Vec<Relation<'a>>>,
    /// Recommends.
    pub wants: Vec<Vec<Relation<'a>>>,
    /// Conflicts and Breaks.
    pub against: Vec<Relation<'a>>,
}

#[derive(Debug)]
struct Provided<'a> {
    name: &'a str,
    version: Option<Version<'a>>,
    by: usize,
}

/// Why the candidates cannot be chosen from.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UniverseError {
    /// A relation that cannot be read.
    #[error("`{field}` of package `{package}`: {error}")]
    Relation {
        /// Whose relation it is.
        package: String,
        /// Its field.
        field: &'static str,
        /// What is wrong.
        error: RelationError,
    },
    /// One suite has one version in two forms.
    #[error("package `{package}` {version} is listed twice in one suite")]
    Twice {
        /// Its name.
        package: String,
        /// Its version.
        version: String,
    },
}

impl<'a> Universe<'a> {
    /// The newest of `candidates` for each name; of equal versions the one of the earlier suite.
    pub fn new(candidates: Vec<Candidate<'a>>, arch: Arch) -> Result<Self, UniverseError> {
        Self::preferring(candidates, arch, &Preferences::default())
    }

    /// Of `candidates` the one for each name that `preferences` say; of equal versions the one of the earlier suite.
    pub fn preferring(
        mut candidates: Vec<Candidate<'a>>,
        arch: Arch,
        preferences: &Preferences<'_>,
    ) -> Result<Self, UniverseError> {
        candidates.sort_by(|a, b| {
            (a.name, Reverse(a.version), a.suite).cmp(&(b.name, Reverse(b.version), b.suite))
        });
        // two indexes of a suite, such as those of `all` and of an architecture, may have the same package
        candidates.dedup();
        let same = |a: &Candidate<'_>, b: &Candidate<'_>| {
            a.name == b.name && a.version == b.version && a.suite == b.suite
        };
        if let Some(pair) = candidates.windows(2).find(|pair| same(&pair[0], &pair[1])) {
            let (package, version) = (pair[0].name.to_owned(), pair[0].version.as_str().to_owned());
            return Err(UniverseError::Twice { package, version });
        }
        let (candidates, homes, passed_over) = chosen(candidates, preferences);
        let mut provided = Vec::new();
        for (by, candidate) in
            candidates.iter().enumerate().filter(|(_, candidate)| !candidate.provides.is_empty())
        {
            for one in relation::list(candidate.provides)
                .map_err(|error| unreadable(candidate, "Provides", error))?
            {
                provided.push(Provided {
                    name: one.name,
                    version: one.version.map(|(_, version)| version),
                    by,
                });
            }
        }
        provided.sort_by_key(|one| (one.name, rank(candidates[one.by].priority), one.by));
        let relations = std::iter::repeat_with(OnceCell::new).take(candidates.len()).collect();
        Ok(Self { arch, candidates, provided, relations, homes, passed_over })
    }

    /// All candidates, in the order of their names.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate<'a>] {
        &self.candidates
    }

    /// The candidate of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.candidates.binary_search_by(|candidate| candidate.name.cmp(name)).ok()
    }

    /// Whether the candidate `at` may be chosen because the candidate `by` needs it.
    #[must_use]
    pub fn serves(&self, by: usize, at: usize) -> bool {
        !self.homes[at].bound || self.homes[at].group == self.homes[by].group
    }

    /// Whether the candidate `at` is there for what needs it in its own archive alone.
    #[must_use]
    pub fn is_bound(&self, at: usize) -> bool {
        self.homes[at].bound
    }

    /// What suites that are taken from by name have of `name`, the newest first, where that is not the candidate.
    pub fn passed_over(&self, name: &str) -> impl Iterator<Item = &Candidate<'a>> {
        let from = self.passed_over.partition_point(|one| one.name < name);
        self.passed_over[from..].iter().take_while(move |one| one.name == name)
    }

    /// What the candidate `at` says of others; read when it is first asked for.
    pub fn relations(&self, at: usize) -> Result<&Relations<'a>, UniverseError> {
        if let Some(relations) = self.relations[at].get() {
            return Ok(relations);
        }
        let candidate = &self.candidates[at];
        let groups =
            |field, text| relation::groups(text).map_err(|error| unreadable(candidate, field, error));
        let list = |field, text| relation::list(text).map_err(|error| unreadable(candidate, field, error));
        let mut needs = groups("Pre-Depends", candidate.pre_depends)?;
        needs.extend(groups("Depends", candidate.depends)?);
        let mut against = list("Conflicts", candidate.conflicts)?;
        against.extend(list("Breaks", candidate.breaks)?);
        let wants = groups("Recommends", candidate.recommends)?;
        Ok(self.relations[at].get_or_init(|| Relations { needs, wants, against }))
    }

    /// The candidates that satisfy `relation`: the package of that name first, then those that provide it, by
    /// priority and name.
    #[must_use]
    pub fn targets(&self, relation: &Relation<'_>) -> Vec<usize> {
        let real = self.find(relation.name).filter(|&at| self.is_real(at, relation));
        let mut targets: Vec<usize> = real.into_iter().collect();
        for one in self.providers(relation.name).iter().filter(|one| self.is_provided(one, relation)) {
            if !targets.contains(&one.by) {
                targets.push(one.by);
            }
        }
        targets
    }

    /// Whether the candidate `at` satisfies `relation`, by its name or by what it provides.
    #[must_use]
    pub fn satisfies(&self, at: usize, relation: &Relation<'_>) -> bool {
        self.is_real(at, relation)
            || self.providers(relation.name).iter().any(|one| one.by == at && self.is_provided(one, relation))
    }

    /// The names of the candidates that provide `name`.
    pub fn provider_names(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.providers(name).iter().map(|one| self.candidates[one.by].name)
    }

    fn providers(&self, name: &str) -> &[Provided<'a>] {
        let from = self.provided.partition_point(|one| one.name < name);
        let count = self.provided[from..].partition_point(|one| one.name == name);
        &self.provided[from..from + count]
    }

    fn is_real(&self, at: usize, relation: &Relation<'_>) -> bool {
        let candidate = &self.candidates[at];
        candidate.name == relation.name
            && self.qualifies(candidate, relation)
            && relation
                .version
                .is_none_or(|(operator, required)| operator.allows(candidate.version, required))
    }

    /// An unversioned Provides satisfies only unversioned relations: policy 7.5.
    fn is_provided(&self, one: &Provided<'_>, relation: &Relation<'_>) -> bool {
        self.qualifies(&self.candidates[one.by], relation)
            && relation.version.is_none_or(|(operator, required)| {
                one.version.is_some_and(|version| operator.allows(version, required))
            })
    }

    fn qualifies(&self, candidate: &Candidate<'_>, relation: &Relation<'_>) -> bool {
        match relation.qualifier {
            None => true,
            Some("any") => candidate.any,
            Some(arch) => arch == self.arch.debian(),
        }
    }
}

/// Of each name the candidate with its home, and what else suites that are taken from by name have of it. `candidates` are
/// sorted by name, the newest first.
fn chosen<'a>(
    candidates: Vec<Candidate<'a>>,
    preferences: &Preferences<'_>,
) -> (Vec<Candidate<'a>>, Vec<Home>, Vec<Candidate<'a>>) {
    let group = |candidate: &Candidate<'_>| preferences.groups.get(candidate.suite).copied().flatten();
    let (mut kept, mut homes, mut passed_over) =
        (Vec::with_capacity(candidates.len()), Vec::new(), Vec::new());
    let mut rest = candidates.into_iter().peekable();
    while let Some(first) = rest.next() {
        let name = first.name;
        let mut all = vec![first];
        while let Some(next) = rest.next_if(|next| next.name == name) {
            all.push(next);
        }
        let (at, bound) = match preferences.named.get(name) {
            Some(suites) => (all.iter().position(|one| suites.contains(&one.suite)), false),
            None => match all.iter().position(|one| group(one).is_none()) {
                Some(at) => (Some(at), false),
                None => (Some(0), true),
            },
        };
        for (nth, one) in all.into_iter().enumerate() {
            if Some(nth) == at {
                homes.push(Home { group: group(&one), bound });
                kept.push(one);
            } else if group(&one).is_some() {
                passed_over.push(one);
            }
        }
    }
    (kept, homes, passed_over)
}

fn unreadable(candidate: &Candidate<'_>, field: &'static str, error: RelationError) -> UniverseError {
    UniverseError::Relation { package: candidate.name.to_owned(), field, error }
}

fn rank(priority: &str) -> usize {
    let order = ["required", "important", "standard", "optional", "extra"];
    order.iter().position(|known| *known == priority).unwrap_or(order.len())
}
