//! Debian packages, those of the lock and those among the components: each member is a claim.

use super::claim::Claim;
use super::control::{ControlError, Deb, admits, relations};
use super::{Inputs, is_third_party, refuse};
use crate::debian::relation::Relation;
use crate::manifest::{Pin, without_epoch};
use crate::plan::Plan;
use crate::unpack::Unpacked;
use std::collections::BTreeMap;
use tree::Origin;
use tree::name::Name;
use tree::refusal::{Class, Remedy, Result};

/// Reads the control files of all packages: those of the lock in the order of their names, then the components.
pub(super) fn debs<'a>(plan: &Plan, inputs: &'a Inputs<'_>) -> Result<Vec<Deb<'a>>> {
    let mut debs: Vec<Deb<'a>> = Vec::with_capacity(plan.packages.len() + 1);
    for locked in &plan.packages {
        let package = inputs.packages.get(&locked.name).ok_or_else(|| absent(&locked.name))?;
        let origin = Origin::Package { name: locked.name.clone() };
        let deb = Deb::read(origin, package).map_err(|error| refused(&locked.name, error))?;
        let name = &locked.name;
        let facts = [
            ("package", name.as_str(), deb.name),
            ("version", &locked.version, deb.version),
            ("architecture", &locked.arch, deb.arch),
        ];
        agree(name, &facts)?;
        debs.push(deb);
    }
    for component in &plan.components {
        let name = &component.name;
        if let Unpacked::Package(package) = inputs.components.get(name).ok_or_else(|| absent(name))? {
            let deb = Deb::read(Origin::Component { name: name.clone() }, package)
                .map_err(|error| refused(name, error))?;
            check_pin(&component.pin, &deb, name)?;
            check_component(plan, &deb, &debs, name)?;
            debs.push(deb);
        }
    }
    Ok(debs)
}

/// The claims of packages, in their order; those of third parties come after Debian's, as the first to have a directory says
/// its mode.
pub(super) fn claims(plan: &Plan, debs: &[Deb<'_>]) -> Vec<Claim> {
    let is_stranger = |deb: &&Deb<'_>| match &deb.origin {
        Origin::Package { name } => is_third_party(plan, name),
        _ => true,
    };
    let (strangers, debians): (Vec<_>, Vec<_>) = debs.iter().partition(is_stranger);
    let members = debians
        .into_iter()
        .chain(strangers)
        .flat_map(|deb| deb.package.members.iter().map(move |member| (deb, member)));
    members
        .map(|(deb, member)| {
            let (meta, node) = (member.meta.clone(), member.node.clone());
            Claim::new(member.path.clone(), meta, node, deb.origin.clone())
        })
        .collect()
}

/// Checks that a component's package is what the manifest calls it: its policy was asked about that name and version. Pins leave
/// epochs out, as names of files do.
fn check_pin(pin: &Pin, deb: &Deb<'_>, name: &Name) -> Result<()> {
    let found = if pin.version.contains(':') { deb.version } else { without_epoch(deb.version) };
    agree(name, &[("package", name.as_str(), deb.name), ("version", &pin.version, found)])
        .map_err(|refusal| refusal.hint("correct the name or the version in the manifest"))
}

/// Checks facts of a control file: what each is, what it is where `name` was pinned, and what it is.
fn agree(name: &Name, facts: &[(&str, &str, &str)]) -> Result<()> {
    match facts.iter().find(|(_, expected, found)| expected != found) {
        None => Ok(()),
        Some((what, expected, found)) => {
            let cause = format!("expected {what} `{expected}` in its control file, found `{found}`");
            Err(refuse(Class::Verification, name.as_str(), cause))
        }
    }
}

/// Checks that a component fits into the set that the lock has: the resolver did not know of it.
fn check_component(plan: &Plan, deb: &Deb<'_>, installed: &[Deb<'_>], name: &Name) -> Result<()> {
    if deb.arch != plan.arch.debian() && deb.arch != "all" {
        let cause = format!("expected architecture `{}` or `all`, found `{}`", plan.arch, deb.arch);
        return Err(refuse(Class::Archive, name.as_str(), cause));
    }
    if installed.iter().any(|other| other.name == deb.name) {
        let cause = format!("its package `{}` is also in the lock or in another component", deb.name);
        return Err(refuse(Class::Usage, name.as_str(), cause));
    }
    let provisions = provisions(installed).map_err(|error| refused(name, error))?;
    let mut missing = Vec::new();
    for field in ["Pre-Depends", "Depends"] {
        let Some(value) = deb.field(field) else { continue };
        for clause in relations(field, value).map_err(|error| refused(name, error))? {
            if !clause.iter().any(|expected| satisfied(expected, installed, &provisions)) {
                let clause = clause.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
                missing.push(format!("`{clause}`"));
            }
        }
    }
    let what = match missing.as_slice() {
        [] => return Ok(()),
        [one] => format!("package {one}, which is not in the image"),
        _ => format!("packages {}, which are not in the image", missing.join(", ")),
    };
    let remedy = Remedy::LockComponents(plan.kind.clone(), plan.arch);
    Err(refuse(Class::Usage, name.as_str(), format!("component `{name}` needs {what}")).remedy(remedy))
}

/// What packages provide, by the provided name.
fn provisions<'a>(installed: &[Deb<'a>]) -> Result<BTreeMap<&'a str, Vec<Relation<'a>>>, ControlError> {
    let mut provisions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for value in installed.iter().filter_map(|deb| deb.field("Provides")) {
        for provided in relations("Provides", value)?.into_iter().flatten() {
            provisions.entry(provided.name).or_default().push(provided);
        }
    }
    Ok(provisions)
}

/// Whether a package of the image, or what one provides, will do; a relation with a version needs a provision with
/// one: policy 7.5.
fn satisfied(
    expected: &Relation<'_>,
    installed: &[Deb<'_>],
    provisions: &BTreeMap<&str, Vec<Relation<'_>>>,
) -> bool {
    installed.iter().any(|deb| deb.name == expected.name && admits(expected, deb.version))
        || provisions.get(expected.name).into_iter().flatten().any(|provided| match provided.version {
            None => expected.version.is_none(),
            Some((_, version)) => admits(expected, version.as_str()),
        })
}

fn absent(name: &Name) -> tree::refusal::Refusal {
    refuse(Class::Io, name.as_str(), "it is in the plan, but was not unpacked")
}

fn refused(name: &Name, error: ControlError) -> tree::refusal::Refusal {
    refuse(Class::Archive, name.as_str(), error)
}
