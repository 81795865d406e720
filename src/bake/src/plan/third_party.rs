//! Packages that are not Debian's: of archives of third parties, and files of the project.

use super::{Remark, refuse};
use crate::lock::{Lock, LockedPackage};
use crate::recipe::{PackageSource, Recipe};
use crate::sources::LOCAL;
use serde::ser::SerializeMap as _;
use std::collections::{BTreeMap, BTreeSet};
use tree::name::Name;
use tree::privilege::Grant;
use tree::refusal::Result;

/// What is said about each package of `lock` that is not Debian's.
pub fn remarks(lock: &Lock) -> impl Iterator<Item = Remark> {
    let others = lock.packages.iter().filter(|package| package.is_third_party(&lock.suites));
    others.map(|package| {
        let (name, version) = (package.name.clone(), package.version.clone());
        let because = package.because.clone();
        match lock.suites.iter().find(|suite| suite.name == package.suite) {
            Some(suite) => Remark::ThirdParty {
                name,
                version,
                archive: suite.archive.clone(),
                url: suite.mirror.clone().unwrap_or_default(),
                signed_by: suite.signed_by.clone(),
                because,
            },
            None => Remark::Local { name, version, path: package.file.clone() },
        }
    })
}

/// What they may grant, as `recipe` says.
pub(super) fn allowed(recipe: &Recipe, lock: &Lock) -> Result<BTreeMap<Name, BTreeSet<Grant>>> {
    let mut allowed = BTreeMap::new();
    for (name, PackageSource { kind, from, privileges }) in &recipe.taken {
        let found = lock.packages.iter().find(|package| package.name == *name);
        let is_it = |package: &&LockedPackage| package.is_local() == (from == LOCAL);
        let Some(package) = found.filter(is_it) else {
            // a file may be for another architecture; all else is in the lock
            if from != LOCAL || recipe.local.values().any(|asked| asked.arch.is_some()) {
                continue;
            }
            let what = format!("recipe of `{kind}`: none of [packages] files is the package `{name}`");
            return Err(refuse(name.as_str(), what));
        };
        if privileges.is_empty() {
            continue;
        }
        if !package.is_third_party(&lock.suites) {
            let what = "`privileges` is only for a package that is not Debian's: Debian vouches for its own";
            return Err(refuse(name.as_str(), format!("recipe of `{kind}`: {what}")));
        }
        allowed.insert(name.clone(), privileges.clone());
    }
    Ok(allowed)
}

pub(super) fn as_text<S: serde::Serializer>(
    allowed: &BTreeMap<Name, BTreeSet<Grant>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(allowed.len()))?;
    for (name, grants) in allowed {
        let texts: Vec<String> = grants.iter().map(ToString::to_string).collect();
        map.serialize_entry(name, &texts)?;
    }
    map.end()
}
