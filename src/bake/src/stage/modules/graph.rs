//! Which module needs which: symbols to their owners, and an order in which each comes before what it needs.
//!
//! The order is that of depmod(8), because `modules.dep` shows it: modules that nobody needs are taken from the last to
//! the first, and what loses its last user is taken next.

use super::facts::Facts;
use std::collections::{BTreeMap, BTreeSet};

/// Modules that need each other, by their places.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DependencyCycle(pub(super) Vec<usize>);

/// Who has each symbol: of several the last module in the order of `modules.order`.
pub(super) fn owners<'a>(facts: impl Iterator<Item = &'a Facts>) -> BTreeMap<&'a str, usize> {
    facts
        .enumerate()
        .flat_map(|(at, facts)| facts.exports.iter().map(move |name| (name.as_str(), at)))
        .collect()
}

/// For each module all that it needs, itself or through others: what is needed by another comes after it.
pub(super) fn needed(facts: &[Facts]) -> Result<Vec<Vec<usize>>, DependencyCycle> {
    let owners = owners(facts.iter());
    let direct: Vec<Vec<usize>> = facts.iter().map(|facts| direct(facts, &owners)).collect();
    let rank = ranks(&direct)?;
    let mut all: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); facts.len()];
    let mut order: Vec<usize> = (0..facts.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(rank[at]));
    // what a module needs has a higher rank, so it is known already
    for at in order {
        let mut needs = BTreeSet::new();
        for &need in &direct[at] {
            needs.insert(need);
            needs.extend(all[need].iter().copied());
        }
        all[at] = needs;
    }
    let sorted = |needs: BTreeSet<usize>| {
        let mut needs: Vec<usize> = needs.into_iter().collect();
        needs.sort_by_key(|&at| rank[at]);
        needs
    };
    Ok(all.into_iter().map(sorted).collect())
}

/// The owners of the symbols that a module needs, each once, in the order of the symbols.
fn direct(facts: &Facts, owners: &BTreeMap<&str, usize>) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    // a symbol that no module has is the kernel's own
    let owner = |name: &String| owners.get(name.strip_prefix('.').unwrap_or(name)).copied();
    facts.needs.iter().filter_map(owner).filter(|&at| seen.insert(at)).collect()
}

/// The place of each module in the order: lower than those of all that it needs.
fn ranks(direct: &[Vec<usize>]) -> Result<Vec<usize>, DependencyCycle> {
    let mut users = vec![0usize; direct.len()];
    direct.iter().flatten().for_each(|&need| users[need] += 1);
    let mut free: Vec<usize> = (0..direct.len()).filter(|&at| users[at] == 0).collect();
    let mut rank = vec![None; direct.len()];
    let mut next = 0;
    while let Some(at) = free.pop() {
        rank[at] = Some(next);
        next += 1;
        for &need in &direct[at] {
            users[need] -= 1;
            if users[need] == 0 {
                free.push(need);
            }
        }
    }
    let left: Vec<usize> = (0..direct.len()).filter(|&at| rank[at].is_none()).collect();
    if left.is_empty() { Ok(rank.into_iter().flatten().collect()) } else { Err(DependencyCycle(left)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `exports|needs`, names by spaces.
    fn facts(lines: &[&str]) -> Vec<Facts> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        lines
            .iter()
            .map(|line| {
                let (exports, needs) = line.split_once('|').unwrap();
                Facts { exports: words(exports), needs: words(needs), ..Facts::default() }
            })
            .collect()
    }

    #[test]
    fn needs_are_closed_over_and_the_deepest_comes_last() {
        let facts = facts(&["common|", "mod|common printk", "|mod", "|common mod mod", "|printk"]);
        assert_eq!(needed(&facts).unwrap(), [vec![], vec![0], vec![1, 0], vec![1, 0], vec![]]);
    }

    #[test]
    fn of_two_owners_of_a_symbol_the_later_has_it() {
        assert_eq!(needed(&facts(&["s|", "s|", "|s"])).unwrap()[2], [1]);
    }

    #[test]
    fn modules_that_need_each_other_are_named() {
        assert_eq!(needed(&facts(&["|", "a|b", "b|a", "|a"])), Err(DependencyCycle(vec![1, 2])));
        assert_eq!(needed(&facts(&["a|a"])), Err(DependencyCycle(vec![0])));
    }
}
