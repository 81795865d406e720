//! Debian's archive as it is today, to resolve many requests over.

use anyhow::{Context as _, anyhow};
use bake::debian::index::{self, Candidate};
use bake::debian::resolve::{self, Archive as Files, Limits, Task};
use bake::debian::solve::{Goal, solve};
use bake::debian::universe::Universe;
use bake::fetch::{self, Archives};
use bake::lock::{LockedPackage, LockedSuite, Request};
use bake::sources::{Sources, Suite};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use store::Store;
use tree::digest::Sha256;
use tree::name::{Arch, Kind};
use vmbake::progress::Show;

/// The indexes of all suites, verified.
pub(super) struct Archive {
    pub(super) suites: Vec<LockedSuite>,
    texts: Vec<String>,
    arch: Arch,
}

/// The files of suites, and what was asked of them: a resolution has verified each.
struct Kept<'a> {
    files: Archives<'a>,
    indexes: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Files for Kept<'_> {
    fn inrelease(&self, suite: &Suite) -> tree::refusal::Result<Vec<u8>> {
        self.files.inrelease(suite)
    }

    fn detached(&self, suite: &Suite) -> tree::refusal::Result<(Vec<u8>, Vec<u8>)> {
        self.files.detached(suite)
    }

    fn index(
        &self,
        suite: &Suite,
        paths: &[String],
        digest: Sha256,
        size: u64,
    ) -> tree::refusal::Result<Vec<u8>> {
        let bytes = self.files.index(suite, paths, digest, size)?;
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.insert(suite.name.clone(), bytes.clone());
        Ok(bytes)
    }
}

impl Archive {
    /// Reads and verifies it, which a resolution of nothing does.
    pub(super) fn read(
        sources: &Sources,
        arch: Arch,
        store: &Store,
        options: &fetch::Options,
        show: &Show,
    ) -> anyhow::Result<Self> {
        let kept = Kept { files: Archives::new(store, options, show), indexes: Mutex::default() };
        let request = Request {
            arch,
            install: Vec::new(),
            from: BTreeMap::new(),
            files: Vec::new(),
            recommends_of: Vec::new(),
            avoid: Vec::new(),
        };
        let kind: Kind = "survey".parse().map_err(|error| anyhow!("{error}"))?;
        let task = Task {
            kind: &kind,
            request: &request,
            now: jiff::Timestamp::now(),
            previous: &[],
            given: &[],
            files: &[],
        };
        let lock = resolve::resolve(&task, sources, &kept, &Limits::default())?;
        let indexes = kept.indexes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut texts = Vec::new();
        for suite in &lock.suites {
            let bytes = indexes.get(&suite.name).with_context(|| format!("{} has no index", suite.name))?;
            let mut text = String::new();
            liblzma::read::XzDecoder::new(&bytes[..]).read_to_string(&mut text)?;
            texts.push(text);
        }
        Ok(Self { suites: lock.suites, texts, arch })
    }

    /// All that it has.
    pub(super) fn universe(&self) -> anyhow::Result<Universe<'_>> {
        let mut candidates = Vec::new();
        for (at, text) in self.texts.iter().enumerate() {
            candidates.extend(index::parse(text, at, self.arch)?);
        }
        Ok(Universe::new(candidates, self.arch)?)
    }

    /// A package with all that it needs, and the packages that are there in every system.
    pub(super) fn closure(
        &self,
        universe: &Universe<'_>,
        name: &str,
        with: &[String],
    ) -> anyhow::Result<Vec<LockedPackage>> {
        let base = universe
            .candidates()
            .iter()
            .filter(|candidate| candidate.essential || candidate.priority == "required");
        let mut roots: BTreeSet<&str> = base.map(|candidate| candidate.name).collect();
        roots.insert(name);
        roots.extend(with.iter().map(String::as_str));
        let wanted = Goal { roots, ..Goal::default() };
        let chosen = solve(universe, &wanted)?;
        chosen
            .iter()
            .filter_map(|at| universe.candidates().get(*at))
            .map(|candidate| self.locked(candidate))
            .collect()
    }

    fn locked(&self, candidate: &Candidate<'_>) -> anyhow::Result<LockedPackage> {
        let suite = self.suites.get(candidate.suite).context("a candidate of no suite")?;
        Ok(LockedPackage {
            name: candidate.name.parse()?,
            version: candidate.version.as_str().to_owned(),
            arch: candidate.arch.to_owned(),
            suite: suite.name.clone(),
            file: candidate.file.to_owned(),
            size: candidate.size,
            sha256: candidate.sha256,
            because: Vec::new(),
            scripts: BTreeMap::new(),
            triggers: Vec::new(),
            diverts: Vec::new(),
        })
    }

    /// What `uname -r` says where Debian's newest kernel runs.
    pub(super) fn kernel(&self, universe: &Universe<'_>) -> Option<String> {
        let at = universe.find(&format!("linux-image-{}", self.arch.debian()))?;
        let relations = universe.relations(at).ok()?;
        let names = relations.needs.iter().flatten().map(|relation| relation.name);
        names.filter_map(|name| name.strip_prefix("linux-image-")).map(str::to_owned).next()
    }
}
