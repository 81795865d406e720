//! What an image grants, and whether who brings it may: see [`tree::privilege`].
//!
//! ```text
//! tree: modes, attributes, devices, places, lines of tmpfiles.d ─┐
//! sysusers.d: accounts with number 0, members of others' groups  ├─► privileges ─ of a .deb among the components: allowed?
//! winners: files in place of a package's ────────────────────┘
//! ```
//! Invariant: a .deb that only a manifest, the archive of a third party or nobody (a file of the project) vouches for brings
//! nothing of this into an image unless its recipe names it. Files of other components, and all that recipes bring, are where a recipe says: they are listed, and need no further word.
//!
//! Not supported, on purpose: what a program does when someone starts it. A component whose unit a recipe enables as root has all
//! that root has.

mod own;
mod places;
mod strangers;
mod tmpfiles;

use super::claim::Replaced;
use super::effects::step_of;
use super::{bytes_of, refuse};
use crate::effects::Effect;
use crate::manifest::Form;
use crate::plan::Plan;
use crate::sources::LOCAL;
use std::collections::{BTreeMap, BTreeSet};
use strangers::UntrustedPackages;
use tree::name::{ImagePath, Name};
use tree::privilege::{Grant, Privilege, Sort};
use tree::refusal::{Class, Result};
use tree::{Entry, Node, Origin, Stored, Tree, merged};

/// All that is granted, sorted by owner. `accounts` is what sysusers.d files and recipes ask for, `replaced` what others have
/// in place of packages.
pub(super) fn of(
    plan: &Plan,
    tree: &Tree,
    accounts: Vec<Privilege>,
    replaced: Vec<Replaced>,
    read: &dyn Fn(&Stored) -> Result<Vec<u8>>,
) -> Result<Vec<Privilege>> {
    let mut all: BTreeSet<Privilege> = accounts.into_iter().collect();
    for Replaced { path, winner, loser } in replaced {
        let what = format!("{path} of {loser}");
        all.insert(Privilege { owner: winner, grant: Grant { sort: Sort::Replaces, what } });
    }
    let given = given(plan);
    for (path, entry) in tree.iter() {
        let Some(owner) = entry.origins.first() else { continue };
        // who says a mode grants what is in it, and not whose file it is
        let by_mode = entry.origins.iter().find(is_recipe).or(given.get(path)).unwrap_or(owner);
        // a stranger is asked about more than that
        let is_known = |sort: &Sort| *sort != Sort::Writable || !is_stranger(plan, owner);
        for sort in of_mode(entry).into_iter().filter(is_known) {
            let what = path.to_string();
            all.insert(Privilege { owner: by_mode.bringer(), grant: Grant { sort, what } });
        }
        let mut add = |sort: Sort, what: &str| {
            let grant = Grant { sort, what: what.to_owned() };
            all.insert(Privilege { owner: owner.bringer(), grant });
        };
        for sort in of_inode(entry) {
            add(sort, path.as_str());
        }
        if let Some((sort, what)) = places::of(tree, path, entry) {
            add(sort, what);
        }
        if let (true, Node::File(content)) = (tmpfiles::is_one(path), &entry.node) {
            let bytes = bytes_of(content, read)?;
            for line in tmpfiles::sensitive(tree, owner, &String::from_utf8_lossy(&bytes)) {
                add(Sort::Tmpfiles, &line);
            }
        }
    }
    let strangers = strangers(plan);
    let known: BTreeSet<&Origin> = strangers.iter().map(|stranger| &stranger.origin).collect();
    for Stranger { name, origin, .. } in &strangers {
        all.extend(of_stranger(tree, origin, name, &known, read)?);
    }
    Ok(all.into_iter().collect())
}

/// A .deb that Debian does not vouch for.
struct Stranger<'p> {
    name: &'p Name,
    origin: Origin,
    /// What the recipe allows it.
    allowed: Option<&'p BTreeSet<Grant>>,
    /// Where the recipe does so.
    table: String,
}

/// Who brings the scripts of each package that Debian does not vouch for, by its name.
pub(super) fn bringers(plan: &Plan) -> BTreeMap<Name, Origin> {
    strangers(plan).into_iter().map(|stranger| (stranger.name.clone(), stranger.origin)).collect()
}

/// All of them: packages of third parties and files of the project, then components.
fn strangers(plan: &Plan) -> Vec<Stranger<'_>> {
    let packages = plan.packages.iter().filter(|package| package.is_third_party(&plan.suites));
    let packages = packages.map(|package| {
        let name = &package.name;
        let suite = plan.suites.iter().find(|suite| suite.name == package.suite);
        let from = suite.map_or(LOCAL, |suite| suite.archive.as_str());
        Stranger {
            name,
            origin: Origin::Package { name: name.clone() },
            allowed: plan.allowed.get(name),
            table: format!("[packages.\"{name}\"]: from = \"{from}\", "),
        }
    });
    let components = plan.components.iter().filter(|component| component.pin.form == Form::Deb);
    let components = components.map(|component| Stranger {
        name: &component.name,
        origin: Origin::Component { name: component.name.clone() },
        allowed: Some(&component.install.privileges),
        table: format!("[components.{}]: ", component.name),
    });
    packages.chain(components).collect()
}

/// What more `name`, one of the `strangers`, grants.
fn of_stranger(
    tree: &Tree,
    owner: &Origin,
    name: &Name,
    strangers: &BTreeSet<&Origin>,
    read: &dyn Fn(&Stored) -> Result<Vec<u8>>,
) -> Result<Vec<Privilege>> {
    let judge = UntrustedPackages::of(tree, owner, name, read)?;
    let grant = |sort: Sort, what: &str| Privilege {
        owner: owner.clone(),
        grant: Grant { sort, what: what.to_owned() },
    };
    let (mut found, mut texts) = (Vec::new(), Vec::new());
    for (path, entry) in tree.iter().filter(|(_, entry)| entry.is_of(owner)) {
        // who shares a directory with a package of Debian or a recipe does not say what it is
        let is_known = |origin: &Origin| {
            let bringer = origin.bringer();
            matches!(bringer, Origin::Package { .. } | Origin::Recipe { .. }) && !strangers.contains(&bringer)
        };
        if entry.origins.iter().any(is_known) {
            continue;
        }
        found.extend(judge.sorts(path, entry).into_iter().map(|sort| grant(sort, path.as_str())));
        if let (true, Node::File(content)) = (tmpfiles::is_one(path), &entry.node) {
            texts.push(String::from_utf8_lossy(&bytes_of(content, read)?).into_owned());
        }
    }
    let strange = tmpfiles::UntrustedLines::of(tree, owner, name, &texts);
    let lines = texts.iter().flat_map(|text| strange.lines(text));
    found.extend(lines.map(|line| grant(Sort::Tmpfiles, &line)));
    Ok(found)
}

/// Refuses what a .deb that Debian does not vouch for grants and its recipe does not allow.
pub(super) fn check(plan: &Plan, privileges: &[Privilege]) -> Result<()> {
    for Stranger { name, origin, allowed, table } in strangers(plan) {
        let refused: Vec<String> = privileges
            .iter()
            .filter(|one| one.owner == origin && one.grant.sort != Sort::Replaces)
            .filter(|one| !allowed.is_some_and(|allowed| allowed.contains(&one.grant)))
            .map(|one| one.grant.to_string())
            .collect();
        if !refused.is_empty() {
            let cause = format!(
                "its package grants privileges that the recipe does not allow: {}",
                refused.join("; ")
            );
            let lines: Vec<String> = refused.iter().map(|line| format!("{line:?}")).collect();
            return Err(refuse(Class::Archive, name.as_str(), cause).hint(format!(
                "review what each is for; to allow it, put in the recipe {table}privileges = [{}]",
                lines.join(", ")
            )));
        }
    }
    Ok(())
}

/// Whether Debian does not vouch for an owner, a .deb.
fn is_stranger(plan: &Plan, owner: &Origin) -> bool {
    let owner = owner.bringer();
    strangers(plan).iter().any(|stranger| stranger.origin == owner)
}

fn is_recipe(origin: &&Origin) -> bool {
    matches!(origin, Origin::Recipe { .. })
}

/// Paths whose mode and owner an effect says, with that effect as their owner.
fn given(plan: &Plan) -> BTreeMap<ImagePath, Origin> {
    let effects =
        plan.effects.iter().flat_map(|(name, known)| known.effects.iter().map(move |one| (name, one)));
    let access = effects.filter_map(|(name, effect)| match effect {
        Effect::Access { path, .. } => Some((merged(path), Origin::Made { step: step_of(name) })),
        _ => None,
    });
    access.collect()
}

/// What the mode of an entry grants.
fn of_mode(entry: &Entry) -> Vec<Sort> {
    let mode = entry.meta.mode;
    let is_file = matches!(entry.node, Node::File(_) | Node::Hardlink(_));
    let mut sorts = Vec::new();
    sorts.extend((is_file && mode & 0o4000 != 0).then_some(Sort::SetUid));
    sorts.extend((is_file && mode & 0o2000 != 0).then_some(Sort::SetGid));
    // but for directories like /tmp, where nobody takes what is another's
    let is_common = entry.node == Node::Directory && mode & 0o1000 != 0;
    let may_write = mode & 0o002 != 0 && (is_file || entry.node == Node::Directory);
    sorts.extend((may_write && !is_common).then_some(Sort::Writable));
    sorts
}

/// What type and attributes of an entry grant.
fn of_inode(entry: &Entry) -> Vec<Sort> {
    let mut sorts = Vec::new();
    sorts.extend((!entry.meta.xattrs.is_empty()).then_some(Sort::Capabilities));
    sorts.extend(matches!(entry.node, Node::Character { .. } | Node::Block { .. }).then_some(Sort::Device));
    sorts
}

/// Whether a path is at one of `places`: those that end in `/` are all that is below.
fn is_at(path: &ImagePath, places: &[&str]) -> bool {
    places.iter().any(|place| match place.strip_suffix('/') {
        Some(_) => path.as_str().starts_with(place),
        None => path.as_str() == *place,
    })
}

#[cfg(test)]
mod tests;
