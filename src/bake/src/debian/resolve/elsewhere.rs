//! Where a package is that no enabled component has, or that is taken from by name: the way out of a refusal.

use super::super::index;
use super::super::universe::Universe;
use super::Task;
use super::indexes::{Index, Reader, layout};
use super::signed::{Verified, verify};
use crate::lock::LockedSuite;
use crate::sources::{Sources, Suite, is_debian};

/// Where packages of these names are that no enabled component has, each as a way to have it. What cannot be read is left out:
/// something else is wrong already.
pub(super) fn elsewhere(
    names: &[String],
    task: &Task<'_>,
    sources: &Sources,
    verified: &[Verified<'_>],
    reader: &Reader<'_>,
) -> Vec<String> {
    let mut ways = Vec::new();
    let mut look = |suite: &Suite, indexes: &[Index], way: &dyn Fn(&str) -> String| {
        for index in indexes {
            let candidates = index::parse_as(&index.text, 0, reader.arch, layout(suite)).unwrap_or_default();
            let has = |name: &&String| candidates.iter().any(|candidate| candidate.name == name.as_str());
            ways.extend(names.iter().filter(has).map(|name| way(name)));
        }
    };
    for Verified { suite, release, .. } in verified {
        let read = |component: &&str| suite.components.iter().any(|known| known == component);
        // what the installer is made of is in no image
        let is_other = |component: &&str| !read(component) && !component.ends_with("/debian-installer");
        for component in release.components(reader.arch.debian()).filter(is_other) {
            let indexes = reader.component(suite, release, component).unwrap_or_default();
            let name = &suite.name;
            look(suite, &indexes, &|package| {
                format!(
                    "`{name}` has `{package}` in its component `{component}`, which [[suite]] {name} of \
                     manifests/sources.toml does not enable"
                )
            });
        }
    }
    let others =
        sources.suites.iter().filter(|suite| !verified.iter().any(|one| one.suite.name == suite.name));
    for suite in others {
        let Ok(Verified { release, .. }) = verify(task, sources, suite, reader.archive) else { continue };
        let indexes = reader.suite(suite, &release).unwrap_or_default();
        look(suite, &indexes, &|package| taken(package, suite));
    }
    ways
}

/// How a package is taken from a suite that is taken from by name.
fn taken(package: &str, suite: &Suite) -> String {
    let from = if suite.is_third_party() { &suite.archive } else { &suite.name };
    format!(
        "`{from}` has `{package}`, which [packages] \"{package}\" = {{ from = \"{from}\" }} takes from there"
    )
}

/// How what suites that are taken from by name have of these names is taken from there.
pub(super) fn passed_over(universe: &Universe<'_>, names: &[String], suites: &[LockedSuite]) -> Vec<String> {
    let mut ways = Vec::new();
    for name in names {
        let bound =
            universe.find(name).filter(|&at| universe.is_bound(at)).map(|at| &universe.candidates()[at]);
        for candidate in bound.into_iter().chain(universe.passed_over(name)) {
            let Some(LockedSuite { name: suite, archive, .. }) = suites.get(candidate.suite) else {
                continue;
            };
            let from = if is_debian(archive) { suite } else { archive };
            let version = candidate.version.as_str();
            ways.push(format!(
                "`{from}` has `{name}` {version}, which [packages] \"{name}\" = {{ from = \"{from}\" }} takes from there"
            ));
        }
    }
    ways
}
