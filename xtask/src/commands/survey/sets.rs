//! Sets of packages that are baked together, over `base`.

use anyhow::{Context as _, ensure};
use std::collections::BTreeSet;
use std::path::Path;

/// PackageReport set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) name: String,
    /// The packages.
    pub(super) packages: Vec<String>,
    /// Those of `base` that conflict with one of them, and their units, which it then cannot enable.
    pub(super) without: Vec<String>,
}

/// Reads a file of sets.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Set>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

/// A set a line: a name, a colon, and its packages; `-` stands before what `base` then lacks, `#` begins a comment.
fn parse(text: &str) -> anyhow::Result<Vec<Set>> {
    let mut sets: Vec<Set> = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if line.is_empty() {
            continue;
        }
        let (name, words) =
            line.split_once(':').with_context(|| format!("expected `NAME: PACKAGE…`, found `{line}`"))?;
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        ensure!(is_plain && !name.is_empty(), "expected a name of a-z and `-`, found `{name}`");
        ensure!(sets.iter().all(|set| set.name != name), "the set `{name}` is there twice");
        let mut set = Set { name: name.to_owned(), packages: Vec::new(), without: Vec::new() };
        let mut seen = BTreeSet::new();
        for word in words.split_whitespace() {
            ensure!(seen.insert(word), "`{word}` is twice in the set `{name}`");
            match word.strip_prefix('-') {
                Some(word) => set.without.push(word.to_owned()),
                None => set.packages.push(word.to_owned()),
            }
        }
        ensure!(!set.packages.is_empty(), "the set `{name}` has no package");
        sets.push(set);
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_set_and_a_dash_takes_a_package_out_of_base() {
        let sets = parse("# all\nweb: nginx php-fpm # two\n\ntime: chrony -systemd-timesyncd\n").unwrap();
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let set = |name: &str, packages: &[&str], without: &[&str]| Set {
            name: name.to_owned(),
            packages: owned(packages),
            without: owned(without),
        };
        assert_eq!(
            sets,
            [set("web", &["nginx", "php-fpm"], &[]), set("time", &["chrony"], &["systemd-timesyncd"])]
        );
        for wrong in ["web nginx", "web:", "Web: a", ": a", "a: b b", "a: b\na: c"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_package_of_the_list_is_in_a_set() {
        let folder = crate::tools::root().join("tests/survey");
        let listed = super::super::read_list(&folder.join("packages.txt")).unwrap();
        let sets = read(&folder.join("sets.txt")).unwrap();
        let in_sets: BTreeSet<&String> = sets.iter().flat_map(|set| &set.packages).collect();
        assert_eq!(in_sets, listed.iter().collect());
        assert!(sets.iter().all(|set| set.packages.len() <= 16));
    }
}
