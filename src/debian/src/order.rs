//! The order in which dpkg unpacks and configures a set of packages on an empty root.
//!
//! Essential packages and what they need come first, all unpacked at once, as a bootstrap does it; then all others. Within
//! each of the two, a package is configured after what it depends on; packages that depend on each other are configured in
//! the order of their names, those without a postinst first, as dpkg breaks a cycle. Equal inputs give equal orders.

use std::collections::{BTreeMap, BTreeSet};

use crate::commands::version;
use crate::run::Package;

/// An alternative of a relation: a name, and perhaps an operator and a version.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    name: String,
    version: Bound,
}

/// Reads `a (>= 1), b | c`.
fn relations(text: &str) -> Vec<Vec<Wanted>> {
    let clause = |text: &str| text.split('|').map(wanted).filter(|w| !w.name.is_empty()).collect::<Vec<_>>();
    text.split(',').map(clause).filter(|clause| !clause.is_empty()).collect()
}

fn wanted(text: &str) -> Wanted {
    let (name, version) = match text.split_once('(') {
        Some((name, version)) => (name, Some(version.trim_end().trim_end_matches(')'))),
        None => (text, None),
    };
    let name = name.trim().split([':', ' ', '[']).next().unwrap_or_default().to_owned();
    let version = version.map(|version| {
        let version = version.trim();
        let end = version.find(|c: char| !matches!(c, '<' | '>' | '=')).unwrap_or(version.len());
        let (op, number) = version.split_at(end);
        (op.to_owned(), number.trim().to_owned())
    });
    Wanted { name, version }
}

/// An operator and a version, where there is one.
type Bound = Option<(String, String)>;

/// For each package the indexes of those of the set that it depends on.
#[must_use]
pub fn dependencies(packages: &[Package]) -> Vec<BTreeSet<usize>> {
    let by_name: BTreeMap<&str, usize> = packages.iter().enumerate().map(|(i, p)| (&p.name[..], i)).collect();
    let mut provided: BTreeMap<String, Vec<(usize, Bound)>> = BTreeMap::new();
    for (i, package) in packages.iter().enumerate() {
        for what in relations(package.field("Provides")).into_iter().flatten() {
            provided.entry(what.name).or_default().push((i, what.version));
        }
    }
    let satisfied = |wanted: &Wanted, version: &str| match &wanted.version {
        None => true,
        Some((op, number)) => {
            version::holds(version.as_bytes(), op.as_bytes(), number.as_bytes()).unwrap_or(false)
        }
    };
    let find = |wanted: &Wanted| {
        if let Some(i) = by_name
            .get(&wanted.name[..])
            .filter(|i| packages.get(**i).is_some_and(|p| satisfied(wanted, p.field("Version"))))
        {
            return vec![*i];
        }
        let by = provided.get(&wanted.name).into_iter().flatten();
        let good = |version: &Bound| match version {
            Some((_, version)) => satisfied(wanted, version),
            None => wanted.version.is_none(),
        };
        by.filter(|(_, version)| good(version)).map(|(i, _)| *i).collect()
    };
    packages
        .iter()
        .enumerate()
        .map(|(own, package)| {
            let all = format!("{}, {}", package.field("Pre-Depends"), package.field("Depends"));
            let mut needs = BTreeSet::new();
            for clause in relations(&all) {
                needs.extend(clause.iter().flat_map(find).filter(|i| *i != own));
            }
            needs
        })
        .collect()
}

/// The order of configuration: indexes of `packages`. The first number says how many of them are of the first round.
#[must_use]
pub fn order(packages: &[Package]) -> (Vec<usize>, usize) {
    let needs = dependencies(packages);
    let mut first: BTreeSet<usize> = BTreeSet::new();
    let mut queue: Vec<usize> =
        (0..packages.len()).filter(|i| packages.get(*i).is_some_and(Package::is_essential)).collect();
    while let Some(i) = queue.pop() {
        if first.insert(i) {
            queue.extend(needs.get(i).into_iter().flatten());
        }
    }
    let mut done = Vec::new();
    let rounds = [first.clone(), (0..packages.len()).filter(|i| !first.contains(i)).collect()];
    for round in rounds {
        let mut names: Vec<usize> = round.into_iter().collect();
        names.sort_by_key(|i| packages.get(*i).map(rank));
        let mut left = names;
        let mut open: BTreeSet<usize> = left.iter().copied().collect();
        while !left.is_empty() {
            let ready = |i: &usize| needs.get(*i).is_none_or(|needs| needs.is_disjoint(&open));
            let next =
                left.iter().position(ready).or_else(|| cycle(packages, &needs, &left, &open)).unwrap_or(0);
            let i = left.remove(next);
            open.remove(&i);
            done.push(i);
        }
    }
    (done, first.len())
}

/// By name, but what a bootstrap configures before all others first: the users that the rest refers to, the base of files, and
/// the C library.
fn rank(package: &Package) -> (usize, &str) {
    let before = ["base-passwd", "base-files", "libc6", "libc-bin", "mawk", "debconf", "dpkg"];
    (before.iter().position(|name| *name == package.name).unwrap_or(before.len()), &package.name)
}

/// What `start` depends on, directly or not, of those that are open; itself only when it is in a cycle.
fn closure(needs: &[BTreeSet<usize>], open: &BTreeSet<usize>, start: usize) -> BTreeSet<usize> {
    let (mut seen, mut queue) = (BTreeSet::new(), vec![start]);
    while let Some(i) = queue.pop() {
        for next in needs.get(i).into_iter().flatten().filter(|n| open.contains(n)) {
            if seen.insert(*next) {
                queue.push(*next);
            }
        }
    }
    seen
}

/// Where a cycle is broken: at a package without a postinst in a cycle that needs nothing outside of itself, else at the first
/// package of such a cycle.
fn cycle(
    packages: &[Package],
    needs: &[BTreeSet<usize>],
    left: &[usize],
    open: &BTreeSet<usize>,
) -> Option<usize> {
    let closures: BTreeMap<usize, BTreeSet<usize>> =
        left.iter().map(|i| (*i, closure(needs, open, *i))).collect();
    let closed = |i: &usize| {
        let own = closures.get(i)?;
        let all_back = own.iter().all(|other| closures.get(other).is_some_and(|back| back.contains(i)));
        (own.contains(i) && all_back).then_some(())
    };
    let in_cycle: Vec<usize> =
        (0..left.len()).filter(|at| left.get(*at).and_then(closed).is_some()).collect();
    let quiet = |at: &&usize| {
        left.get(**at).and_then(|i| packages.get(*i)).is_some_and(|p| p.script("postinst").is_none())
    };
    in_cycle.iter().find(quiet).or(in_cycle.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, fields: &[(&str, &str)], postinst: bool) -> Package {
        let fields = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut package = Package { name: name.to_owned(), fields, ..Package::default() };
        if postinst {
            package.control.insert("postinst".to_owned(), Vec::new());
        }
        package
    }

    #[test]
    fn what_is_needed_comes_first_and_essential_before_all() {
        let packages = [
            package("a", &[("Depends", "z | x (>= 2), virtual")], true),
            package("x", &[("Version", "1")], true),
            package("y", &[("Provides", "virtual (= 3)"), ("Depends", "loop1")], true),
            package("loop1", &[("Depends", "loop2")], true),
            package("loop2", &[("Pre-Depends", "loop1")], false),
            package("z-essential", &[("Essential", "yes"), ("Depends", "z")], true),
            package("z", &[("Version", "1")], true),
        ];
        let (order, first) = order(&packages);
        let names: Vec<&str> = order.iter().map(|i| &packages[*i].name[..]).collect();
        assert_eq!(names, ["z", "z-essential", "x", "loop2", "loop1", "y", "a"]);
        assert_eq!(first, 2);
    }
}
