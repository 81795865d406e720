//! From a request to a lock, over an archive that is believed only as far as its signatures go.

mod elsewhere;
mod indexes;
mod signed;

use super::check;
use super::check::ConsistentSet;
use super::index::{self, Candidate, Layout};
use super::solve::{Goal, SolveError, solve};
use super::universe::{Preferences, Universe, UniverseError};
use crate::lock::{Lock, LockedPackage, LockedSuite, Request};
use crate::sources::{LOCAL, Sources, Suite};
use elsewhere::{elsewhere, passed_over};
use indexes::{Index, Reader, layout};
use jiff::Timestamp;
use signed::{Verified, verify};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use tree::digest::Sha256;
use tree::name::{Kind, Name};
use tree::refusal::{Class, Refusal, Result, Stage};

/// Where the files of suites come from: the network, or a directory. It verifies nothing and is believed nothing.
pub trait Archive: Sync {
    /// The InRelease of `suite`. It must not be kept before the caller has accepted it.
    fn inrelease(&self, suite: &Suite) -> Result<Vec<u8>>;

    /// The Release of `suite`, and its Release.gpg, likewise; asked for where a third party's archive has no InRelease.
    fn detached(&self, suite: &Suite) -> Result<(Vec<u8>, Vec<u8>)>;

    /// The file of `suite` with this digest and size; `paths` are where it may be below the suite's folder, the best
    /// first.
    fn index(&self, suite: &Suite, paths: &[String], digest: Sha256, size: u64) -> Result<Vec<u8>>;
}

/// What to resolve.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Whose lock it will be.
    pub kind: &'a Kind,
    /// What is asked for.
    pub request: &'a Request,
    /// The time that signatures and dates are judged by.
    pub now: Timestamp,
    /// The locks before: nothing older than any of them is accepted.
    pub previous: &'a [Lock],
    /// Packages of the image that are of no suite: components. What they need is resolved; they are not in the lock.
    pub given: &'a [Given],
    /// Packages that are files of the project.
    pub files: &'a [LocalPackage],
}

/// A package that is a file of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPackage {
    /// Its path below the project's folder.
    pub path: String,
    /// Its control file.
    pub control: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
}

impl LocalPackage {
    /// Its paragraph as an index would have it.
    fn paragraph(&self) -> String {
        paragraph(&self.control, &self.path, self.size, self.sha256)
    }
}

/// A control file as an index has it.
fn paragraph(control: &str, file: &str, size: u64, sha256: Sha256) -> String {
    format!("{}\nFilename: {file}\nSize: {size}\nSHA256: {}\n", control.trim_end(), sha256.hex())
}

/// A package that is part of an image and of no suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The component.
    pub name: Name,
    /// Its control file.
    pub control: String,
}

impl Given {
    /// Its paragraph as an index would have it. Where it is and what its digest is, the manifest says: nothing here is asked.
    fn paragraph(&self) -> String {
        paragraph(&self.control, &format!("pool/{}.deb", self.name), 0, Sha256([0; 32]))
    }
}

/// How large the files of an archive may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// An index as it is published, compressed.
    pub packed: u64,
    /// An index, decompressed.
    pub index: u64,
}

impl Default for Limits {
    /// Twice what trixie needs.
    fn default() -> Self {
        Self { packed: 32 << 20, index: 128 << 20 }
    }
}

/// Resolves `task` over the suites of `sources` that it needs: those that are taken from without a word, and those that its
/// request names.
pub fn resolve(task: &Task<'_>, sources: &Sources, archive: &dyn Archive, limits: &Limits) -> Result<Lock> {
    let arch = task.request.arch;
    // first every signature and date, then the first index
    let mut verified = Vec::new();
    for suite in suites(task, sources)? {
        verified.push(verify(task, sources, suite, archive)?);
    }
    let reader = Reader { arch, archive, limits };
    let (mut suites, mut texts) = (Vec::new(), Vec::new());
    for (at, Verified { suite, release, locked }) in verified.iter().enumerate() {
        let indexes = reader.suite(suite, release)?;
        suites.push(over(locked.clone(), &indexes, suite));
        texts.extend(indexes.into_iter().map(|index| (at, index)));
    }
    let mut candidates = Vec::new();
    for (at, index) in &texts {
        let name = format!("{} {}", suites[*at].name, index.path);
        let layout = layout(verified[*at].suite);
        let parsed = index::parse_as(&index.text, *at, arch, layout);
        candidates.extend(parsed.map_err(|error| refuse(Class::Verification, name, error))?);
    }
    let given: Vec<String> = task.given.iter().map(Given::paragraph).collect();
    let files: Vec<String> = task.files.iter().map(LocalPackage::paragraph).collect();
    let given = given
        .iter()
        .zip(task.given)
        .map(|(text, given)| (text, given.name.as_str(), suites.len(), Some(given.name.as_str())));
    let files =
        files.iter().zip(task.files).map(|(text, file)| (text, file.path.as_str(), suites.len() + 1, None));
    let mut replaced = BTreeSet::new();
    for (text, artifact, suite, name) in given.chain(files) {
        let wrong = |error: String| refuse(Class::Archive, artifact, error);
        let own = index::parse_as(text, suite, arch, Layout::Anywhere)
            .map_err(|error| wrong(format!("its control file: {error}")))?;
        let [one] = own.as_slice() else {
            return Err(wrong("its control file is for another package".to_owned()));
        };
        if name.is_some_and(|name| name != one.name) {
            return Err(wrong("its control file is for another package".to_owned()));
        }
        if !replaced.insert(one.name) {
            return Err(wrong(format!("its package `{}` is also another file's, or a component", one.name)));
        }
        // it is the one that the image gets, whatever version an archive has
        candidates.retain(|candidate| candidate.name != one.name);
        candidates.extend(own);
    }
    let preferences = preferences(task, &verified, &candidates)?;
    let elsewhere = |names: &[String]| elsewhere(names, task, sources, &verified, &reader);
    let packages = choose(task, candidates, &preferences, &suites, &elsewhere)?;
    Ok(Lock { kind: task.kind.clone(), arch, request: task.request.digest(), suites, packages })
}

/// The suites that `task` is resolved over, in the order of `sources`.
fn suites<'s>(task: &Task<'_>, sources: &'s Sources) -> Result<Vec<&'s Suite>> {
    let from = &task.request.from;
    let is_named = |suite: &&Suite| from.values().any(|from| suite.is_named(from));
    let known = |from: &str| sources.suites.iter().any(|suite| suite.is_named(from));
    if let Some((name, from)) = from.iter().find(|(_, from)| !known(from)) {
        let mut names: BTreeSet<&str> = sources.suites.iter().map(|suite| suite.name.as_str()).collect();
        let others = sources.suites.iter().filter(|suite| suite.is_third_party());
        names.extend(others.map(|suite| suite.archive.as_str()));
        let cause =
            format!("package `{name}` is to be taken from `{from}`, which sources.toml does not have");
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        return Err(refuse(Class::Usage, artifact(task), cause)
            .hint(format!("it has {}; files of the project are `{LOCAL}`", names.join(", "))));
    }
    Ok(sources.suites.iter().filter(|suite| !suite.by_name || is_named(suite)).collect())
}

/// What is taken from where.
fn preferences<'a>(
    task: &Task<'a>,
    verified: &[Verified<'_>],
    candidates: &[Candidate<'_>],
) -> Result<Preferences<'a>> {
    let group = |(at, Verified { suite, release, .. }): (usize, &Verified<'_>)| {
        let first = || verified.iter().position(|one| one.suite.archive == suite.archive);
        let own = if suite.is_third_party() { first() } else { Some(at) };
        own.filter(|_| suite.by_name || release.not_automatic)
    };
    let groups = verified.iter().enumerate().map(group).collect();
    let mut named: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (name, from) in &task.request.from {
        let has = |suite: usize| {
            candidates.iter().any(|candidate| candidate.name == name.as_str() && candidate.suite == suite)
        };
        let wrong = |what: String| Err(refuse(Class::Usage, artifact(task), what));
        if has(verified.len() + 1) {
            return wrong(format!(
                "package `{name}` is to be taken from `{from}`, and is one of [packages] files"
            ));
        }
        let of_it = |(at, one): (usize, &Verified<'_>)| one.suite.is_named(from).then_some(at);
        let suites: BTreeSet<usize> = verified.iter().enumerate().filter_map(of_it).collect();
        if !suites.iter().any(|&suite| has(suite)) {
            return wrong(format!("`{from}` has no package `{name}`, which the recipe takes from there"));
        }
        named.insert(name.as_str(), suites);
    }
    Ok(Preferences { groups, named })
}

/// `locked` with what was read of `suite`.
fn over(mut locked: LockedSuite, indexes: &[Index], suite: &Suite) -> LockedSuite {
    let texts = |of: &dyn Fn(&Index) -> bool| -> Sha256 {
        let texts: Vec<&str> = indexes.iter().filter(|one| of(one)).map(|one| one.text.as_str()).collect();
        Sha256::of(texts.concat().as_bytes())
    };
    locked.packages = texts(&|_| true);
    if suite.components.len() > 1 {
        let of = |component: &String| (component.clone(), texts(&|one| one.component == *component));
        locked.components = suite.components.iter().map(of).collect();
    }
    locked
}

/// Chooses packages and says what asked for each.
fn choose(
    task: &Task<'_>,
    candidates: Vec<Candidate<'_>>,
    preferences: &Preferences<'_>,
    suites: &[LockedSuite],
    elsewhere: &dyn Fn(&[String]) -> Vec<String>,
) -> Result<Vec<LockedPackage>> {
    let request = task.request;
    let unread = |error: UniverseError| solver_refusal(task, error.into(), &[]);
    let universe = Universe::preferring(candidates, request.arch, preferences).map_err(unread)?;
    let failed = |error: SolveError| {
        let names = match &error {
            SolveError::Unknown { name, .. } => std::slice::from_ref(name),
            SolveError::Unsatisfied { names, .. } => names,
            _ => &[],
        };
        let mut ways = passed_over(&universe, names, suites);
        if ways.is_empty() && !names.is_empty() {
            ways = elsewhere(names);
        }
        solver_refusal(task, error, &ways)
    };
    let mut because: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    // what is essential is Debian's word, or that of a recipe which names it
    let candidates = universe.candidates().iter().enumerate().filter(|(at, _)| !universe.is_bound(*at));
    for (_, candidate) in candidates {
        // mmdebstrap's and debootstrap's notion; `Protected` and `Important` only guard against removal
        for (reason, holds) in
            [("essential", candidate.essential), ("required", candidate.priority == "required")]
        {
            if holds {
                because.entry(candidate.name).or_default().insert(reason);
            }
        }
    }
    let files = universe
        .candidates()
        .iter()
        .filter(|candidate| candidate.suite > suites.len())
        .map(|candidate| candidate.name);
    let given = task.given.iter().map(|given| given.name.as_str());
    for name in request.install.iter().map(Name::as_str).chain(given).chain(files) {
        because.entry(name).or_default().insert("recipe");
    }
    let names = |names: &[Name]| names.iter().map(|name| name.as_str().to_owned()).collect::<BTreeSet<_>>();
    let (recommends_of, avoid) = (names(&request.recommends_of), names(&request.avoid));
    let goal = Goal {
        roots: because.keys().copied().collect(),
        recommends_of: recommends_of.iter().map(String::as_str).collect(),
        avoid: avoid.iter().map(String::as_str).collect(),
    };
    let chosen = solve(&universe, &goal).map_err(failed)?;
    let set: Vec<&Candidate<'_>> = chosen.iter().map(|&at| &universe.candidates()[at]).collect();
    let whole = check::check(&set, request.arch).map_err(|error| {
        refuse(Class::Usage, artifact(task), format!("the resolved set is not consistent: {error}"))
    })?;
    for &at in &chosen {
        let relations = universe.relations(at).map_err(|error| failed(error.into()))?;
        let name = universe.candidates()[at].name;
        let wants = relations.wants.iter().filter(|_| goal.recommends_of.contains(name));
        for target in relations.needs.iter().chain(wants).flatten().flat_map(|one| universe.targets(one)) {
            if target != at && chosen.contains(&target) && universe.serves(at, target) {
                because.entry(universe.candidates()[target].name).or_default().insert(name);
            }
        }
    }
    locked(&whole, suites, &because)
}

/// What a lock says of the packages of a set that was checked.
fn locked(
    whole: &ConsistentSet<'_, '_>,
    suites: &[LockedSuite],
    because: &BTreeMap<&str, BTreeSet<&str>>,
) -> Result<Vec<LockedPackage>> {
    // components are not in it
    let of_suites = whole.candidates().iter().filter(|candidate| candidate.suite != suites.len());
    of_suites.map(|candidate| package(candidate, suites, because)).collect()
}

fn package(
    candidate: &Candidate<'_>,
    suites: &[LockedSuite],
    because: &BTreeMap<&str, BTreeSet<&str>>,
) -> Result<LockedPackage> {
    let name = candidate.name.parse::<Name>();
    Ok(LockedPackage {
        name: name.map_err(|error| refuse(Class::Verification, candidate.name, error))?,
        version: candidate.version.as_str().to_owned(),
        arch: candidate.arch.to_owned(),
        suite: suites.get(candidate.suite).map_or(LOCAL, |suite| suite.name.as_str()).to_owned(),
        file: candidate.file.to_owned(),
        size: candidate.size,
        sha256: candidate.sha256,
        because: because.get(candidate.name).into_iter().flatten().map(|&reason| reason.to_owned()).collect(),
        scripts: BTreeMap::new(),
        triggers: Vec::new(),
        diverts: Vec::new(),
    })
}

fn artifact(task: &Task<'_>) -> String {
    format!("{} {} lock", task.kind, task.request.arch)
}

fn solver_refusal(task: &Task<'_>, error: SolveError, ways: &[String]) -> Refusal {
    let hint = match &error {
        _ if !ways.is_empty() => Some(ways.join("; ")),
        SolveError::Unknown { close, .. } if !close.is_empty() => {
            Some(format!("similar names: {}", close.join(", ")))
        }
        SolveError::Root { name, .. } => Some(format!(
            "a recipe that inherits `{name}` leaves it out by `without = [\"{name}\"]` in [packages]"
        )),
        _ => None,
    };
    let refusal = refuse(Class::Usage, artifact(task), error);
    match hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

fn refuse(
    class: Class,
    artifact: impl Into<String>,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> Refusal {
    Refusal::new(class, artifact, Stage::Resolve, cause)
}

#[cfg(test)]
mod tests;
