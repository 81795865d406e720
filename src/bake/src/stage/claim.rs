//! Who has which path: all claims are collected first and settled path by path, so that no order of layers matters
//! but where it is said here.
//!
//! 1. Directories join. The first of the lowest package name, Debian's before third parties', says mode and owner, as the package that dpkg unpacks
//!    first does (in the packages of Debian 13 that images use all owners agree); a recipe overrides all.
//! 2. Where two claim a path, and not both a directory, the recipe's `winners` decide.
//! 3. Between packages a diversion decides (the one that diverts has the path, the other's file is at `….distrib`, as
//!    dpkg-divert(1) has it by default), then `Replaces` (deb-control(5)), as dpkg does in `tarobject`: the loser's
//!    list no longer names the path. What a component, a third party's package or a file of the project says so does not
//!    count, as Debian has not looked at it, but between packages of one third party.
//! 4. Everything else is an error that names both.

use super::control::Deb;
use super::refuse;
use crate::lock::LockedPackage;
use crate::plan::Plan;
use crate::sources::is_debian;
use std::collections::{BTreeMap, BTreeSet};
use tree::name::ImagePath;
use tree::refusal::Class;
use tree::refusal::Result;
use tree::{Entry, Node, Origin, Tree, TreeError, merged, place};

/// One owner's wish for one path.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// The path as the owner spells it.
    pub(super) path: ImagePath,
    /// What should be there; it has just one origin.
    pub(super) entry: Entry,
    /// Who wishes it.
    pub(super) origin: Origin,
}

/// All claims settled.
pub(super) struct ResolvedClaims {
    /// The tree, not finished: hard links are not in their form.
    pub(super) tree: Tree,
    /// The paths that packages lost to other packages, merged, by the name of the loser.
    pub(super) lost: BTreeMap<String, BTreeSet<ImagePath>>,
    /// Diversions that decided something: from, to, and the name of the package that diverts.
    pub(super) diversions: Vec<(ImagePath, ImagePath, String)>,
    /// Paths of packages that others have.
    pub(super) replaced: Vec<Replaced>,
}

/// A path of a package that a component or a recipe has.
pub(super) struct Replaced {
    pub(super) path: ImagePath,
    pub(super) winner: Origin,
    pub(super) loser: Origin,
}

impl Claim {
    /// A claim of `origin`.
    pub(super) fn new(path: ImagePath, meta: tree::Meta, node: Node, origin: Origin) -> Self {
        Self { path, entry: Entry { meta, node, origins: [origin.clone()].into() }, origin }
    }
}

/// Settles `claims`, which come in the order of the layers: packages by name, those of third parties by name, components by name,
/// the recipe.
pub(super) fn settle(plan: &Plan, debs: &[Deb<'_>], claims: Vec<Claim>) -> Result<ResolvedClaims> {
    let made = Origin::Made { step: "directories".to_owned() };
    let mut settled = ResolvedClaims {
        tree: Tree::new(made.clone(), plan.epoch),
        lost: BTreeMap::new(),
        diversions: Vec::new(),
        replaced: Vec::new(),
    };
    let mut paths: BTreeMap<ImagePath, Vec<Claim>> = BTreeMap::new();
    for claim in claims {
        let path = place(&claim.path, &claim.entry).map_err(|error| refused(error, &claim.origin))?;
        paths.entry(path).or_default().push(claim);
    }
    let judge = Judge::new(plan, debs);
    let mut orphans: BTreeMap<(Origin, ImagePath), Entry> = BTreeMap::new();
    let mut moved: BTreeMap<(Origin, ImagePath), ImagePath> = BTreeMap::new();
    while let Some((path, claims)) = paths.pop_first() {
        if claims.iter().all(|claim| claim.entry.node == Node::Directory) {
            join(&mut settled.tree, claims)?;
            continue;
        }
        let verdict = judge.decide(&path, claims)?;
        for loser in verdict.losers {
            // a package of Debian; what recipes have in place of a third party's is no matter of trust
            let is_package = |origin: &Origin| match origin {
                Origin::Package { name } => !super::is_third_party(plan, name),
                _ => false,
            };
            if is_package(&loser.origin) && !is_package(&verdict.winner.origin) {
                let (winner, loser) = (verdict.winner.origin.clone(), loser.origin.clone());
                settled.replaced.push(Replaced { path: path.clone(), winner, loser });
            }
            if judge.deb(&verdict.winner.origin).is_some()
                && let Some(deb) = judge.deb(&loser.origin)
            {
                settled.lost.entry(deb.name.to_owned()).or_default().insert(path.clone());
            }
            orphans.insert((loser.origin.clone(), path.clone()), loser.entry);
        }
        for (claim, to) in verdict.diverted {
            settled.diversions.push((claim.path.clone(), to.clone(), verdict.diverter.clone()));
            moved.insert((claim.origin.clone(), path.clone()), merged(&to));
            paths.entry(merged(&to)).or_default().push(Claim { path: to, ..claim });
        }
        let Claim { entry, origin, .. } = verdict.winner;
        settled.tree.insert(&path, entry).map_err(|error| refused(error, &origin))?;
        if !matches!(origin, Origin::Package { .. }) {
            settled.tree.make_parents(&path, &made, plan.epoch);
        }
    }
    // before what is lost is looked at: a file may be lost where it was moved to
    follow(&mut settled.tree, &moved)?;
    adopt(&mut settled.tree, &orphans)?;
    Ok(settled)
}

/// Directories of one path: the first says mode and owner, but for a recipe, which says it last.
fn join(tree: &mut Tree, claims: Vec<Claim>) -> Result<()> {
    for Claim { path, entry, origin } in claims {
        match &origin {
            Origin::Recipe { .. } => tree.set_directory(&path, entry.meta, origin.clone()),
            _ => tree.insert(&path, entry),
        }
        .map_err(|error| refused(error, &origin))?;
    }
    Ok(())
}

/// Leads hard links whose file a diversion moved to where that is: at its name is the file of another package.
fn follow(tree: &mut Tree, moved: &BTreeMap<(Origin, ImagePath), ImagePath>) -> Result<()> {
    let mut changed = Vec::new();
    for (path, entry) in tree.iter() {
        let (Node::Hardlink(target), Some(origin)) = (&entry.node, entry.origins.first()) else { continue };
        if let Some(to) = moved.get(&(origin.clone(), target.clone())) {
            changed.push((path.clone(), Entry { node: Node::Hardlink(to.clone()), ..entry.clone() }));
        }
    }
    change(tree, changed)
}

/// Gives hard links whose file went to another owner their own content: it is not that of the winner.
fn adopt(tree: &mut Tree, orphans: &BTreeMap<(Origin, ImagePath), Entry>) -> Result<()> {
    let mut heirs: BTreeMap<(Origin, ImagePath), ImagePath> = BTreeMap::new();
    let mut changed = Vec::new();
    for (path, entry) in tree.iter() {
        let (Node::Hardlink(target), Some(origin)) = (&entry.node, entry.origins.first()) else { continue };
        let key = (origin.clone(), target.clone());
        let Some(orphan) = orphans.get(&key) else { continue };
        let node = match heirs.get(&key) {
            Some(heir) => Node::Hardlink(heir.clone()),
            None => orphan.node.clone(),
        };
        heirs.entry(key).or_insert_with(|| path.clone());
        changed.push((path.clone(), Entry { node, ..entry.clone() }));
    }
    change(tree, changed)
}

/// Puts entries in place of those that are there.
fn change(tree: &mut Tree, changed: Vec<(ImagePath, Entry)>) -> Result<()> {
    for (path, entry) in changed {
        let origin = entry.origins.first().cloned();
        tree.remove(&path);
        tree.insert(&path, entry).map_err(|error| {
            refuse(Class::Archive, origin.map_or_else(String::new, |origin| about(&origin)), error)
        })?;
    }
    Ok(())
}

/// Who has a path, and what becomes of the others.
struct Verdict {
    winner: Claim,
    losers: Vec<Claim>,
    diverted: Vec<(Claim, ImagePath)>,
    diverter: String,
}

/// What decides between claims.
struct Judge<'a> {
    plan: &'a Plan,
    debs: BTreeMap<&'a Origin, &'a Deb<'a>>,
    diverts: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Of which archive each package of one is.
    archives: BTreeMap<&'a str, &'a str>,
}

impl<'a> Judge<'a> {
    fn new(plan: &'a Plan, debs: &'a [Deb<'a>]) -> Self {
        let diverts = plan
            .packages
            .iter()
            .map(|package| (package.name.as_str(), package.diverts.iter().map(String::as_str).collect()))
            .collect();
        let archive = |package: &'a LockedPackage| {
            let suite = plan.suites.iter().find(|suite| suite.name == package.suite)?;
            Some((package.name.as_str(), suite.archive.as_str()))
        };
        let archives = plan.packages.iter().filter_map(archive).collect();
        Self { plan, debs: debs.iter().map(|deb| (&deb.origin, deb)).collect(), diverts, archives }
    }

    fn deb(&self, origin: &Origin) -> Option<&'a Deb<'a>> {
        self.debs.get(origin).copied()
    }

    /// Decides who has `path`; `claims` has at least one.
    fn decide(&self, path: &ImagePath, claims: Vec<Claim>) -> Result<Verdict> {
        let mut claims = claims.into_iter();
        let Some(first) = claims.next() else {
            return Err(refuse(Class::Archive, path.as_str(), "a path without an owner"));
        };
        let mut verdict =
            Verdict { winner: first, losers: Vec::new(), diverted: Vec::new(), diverter: String::new() };
        let named = self.plan.winners.get(path).map(String::as_str);
        for next in claims {
            let winner = &verdict.winner;
            let (a, b) = (self.deb(&winner.origin), self.deb(&next.origin));
            let same = winner.origin == next.origin;
            if !same && named == Some(party(&next.origin).as_str()) {
                verdict.losers.push(std::mem::replace(&mut verdict.winner, next));
            } else if !same && named == Some(party(&winner.origin).as_str()) {
                verdict.losers.push(next);
            } else if let (Some(a), Some(b), false) = (a, b, same) {
                if self.diverts(a, b, &next.path) {
                    a.name.clone_into(&mut verdict.diverter);
                    verdict.diverted.push((next.clone(), diverted(&next.path)?));
                } else if self.diverts(b, a, &winner.path) {
                    b.name.clone_into(&mut verdict.diverter);
                    let to = diverted(&winner.path)?;
                    verdict.diverted.push((std::mem::replace(&mut verdict.winner, next), to));
                } else if self.replaces(b, a) {
                    verdict.losers.push(std::mem::replace(&mut verdict.winner, next));
                } else if self.replaces(a, b) || named.is_some() {
                    // where neither is the named winner, that one may come yet
                    verdict.losers.push(next);
                } else {
                    return Err(clash(path, winner, &next));
                }
            } else if same || named.is_none() {
                return Err(clash(path, winner, &next));
            } else {
                verdict.losers.push(next);
            }
        }
        match (named, verdict.losers.last()) {
            (Some(named), Some(loser)) if !self.settled_by(named, &verdict) => {
                Err(clash(path, &verdict.winner, loser))
            }
            _ => Ok(verdict),
        }
    }

    /// Whether `verdict` is what the recipe named, or what packages agree about among themselves.
    fn settled_by(&self, named: &str, verdict: &Verdict) -> bool {
        party(&verdict.winner.origin) == named
            || verdict.losers.iter().all(|loser| {
                let pair = self.deb(&verdict.winner.origin).zip(self.deb(&loser.origin));
                pair.is_some_and(|(winner, loser)| self.replaces(winner, loser))
            })
    }

    /// Whether `deb` diverts `path` of `other`.
    fn diverts(&self, deb: &Deb<'_>, other: &Deb<'_>, path: &ImagePath) -> bool {
        let paths = self.diverts.get(deb.name);
        paths.is_some_and(|paths| paths.contains(path.as_str())) && self.is_heard(deb, other)
    }

    /// Whether `deb` has the paths of `other` by its own word.
    fn replaces(&self, deb: &Deb<'_>, other: &Deb<'_>) -> bool {
        deb.may_replace(other) && self.is_heard(deb, other)
    }

    /// Whether the word of `deb` about a path of `other` counts: it is Debian's, or both are of one third party.
    fn is_heard(&self, deb: &Deb<'_>, other: &Deb<'_>) -> bool {
        let archive = |deb: &Deb<'_>| match &deb.origin {
            Origin::Package { name } => self.archives.get(name.as_str()).copied(),
            _ => None,
        };
        archive(deb).is_some_and(|own| is_debian(own) || Some(own) == archive(other))
    }
}

/// Whether the recipe has said that another than `origin` wins at `path`.
pub(super) fn loses(plan: &Plan, path: &ImagePath, origin: &Origin) -> bool {
    plan.winners.get(path).is_some_and(|winner| *winner != party(origin))
}

fn diverted(path: &ImagePath) -> Result<ImagePath> {
    format!("{path}.distrib").parse().map_err(|error| refuse(Class::Archive, path.as_str(), error))
}

/// An owner as `winners` names it.
fn party(origin: &Origin) -> String {
    match origin {
        Origin::Package { name } => format!("package:{name}"),
        Origin::Component { name } => format!("component:{name}"),
        Origin::Recipe { .. } => "recipe".to_owned(),
        Origin::Script { .. } => party(&origin.bringer()),
        Origin::Image { name } => format!("image:{name}"),
        Origin::Made { step } => format!("made:{step}"),
    }
}

/// An owner as the artifact of a refusal.
pub(super) fn about(origin: &Origin) -> String {
    match origin {
        Origin::Package { name } | Origin::Component { name } => name.to_string(),
        Origin::Recipe { kind, file } => format!("image-recipes/{kind}/{file}"),
        Origin::Script { package, .. } => package.to_string(),
        Origin::Image { name } => name.clone(),
        Origin::Made { step } => step.clone(),
    }
}

fn refused(error: TreeError, origin: &Origin) -> tree::refusal::Refusal {
    refuse(Class::Archive, about(origin), error)
}

fn clash(path: &ImagePath, first: &Claim, second: &Claim) -> tree::refusal::Refusal {
    let error = TreeError::Clash {
        path: path.clone(),
        first: first.origin.to_string(),
        second: second.origin.to_string(),
    };
    let refusal = refused(error, &second.origin);
    if first.origin == second.origin {
        return refusal;
    }
    let (a, b) = (party(&first.origin), party(&second.origin));
    refusal.hint(format!("say who wins in the recipe: [winners] \"{path}\" = \"{a}\" or \"{b}\""))
}

#[cfg(test)]
mod tests;
