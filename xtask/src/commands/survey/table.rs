//! The table of `docs/packages.md`: each package alone and in its set, and the reasons for what differs.

use super::compared::{Compared, Sort};
use super::report::{PackageReport, cell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tree::release::CODENAME;

/// How many paths of those that differ are named in a cell.
const MOST_PATHS: usize = 4;

/// The reasons that are for some packages only, numbered in the order in which they are first met.
#[derive(Default)]
struct Reasons<'a>(Vec<&'a str>);

impl<'a> Reasons<'a> {
    fn number(&mut self, why: &'a str) -> usize {
        let at = self.0.iter().position(|known| *known == why).unwrap_or_else(|| {
            self.0.push(why);
            self.0.len() - 1
        });
        at + 1
    }

    /// What a comparison came to: `equal`, `equal but for 1 3`, or what differs.
    fn verdict(&mut self, compared: &'a Compared) -> String {
        let Some(found) = &compared.found else {
            let why = compared.failed.as_deref().unwrap_or_default();
            let why = why.lines().find(|line| line.starts_with("error: ")).or(why.lines().next());
            return cell(&format!("failed: {}", why.unwrap_or_default()));
        };
        if !found.unexplained.is_empty() {
            let mut paths: Vec<&str> = found.unexplained.iter().map(|one| one.path.as_str()).collect();
            let count = paths.len();
            paths.truncate(MOST_PATHS);
            let more = if count > MOST_PATHS { ", …" } else { "" };
            return cell(&format!("{count} without a reason: {}{more}", paths.join(", ")));
        }
        let special = found.reasons.iter().filter(|reason| reason.special);
        let mut numbers: Vec<usize> = special.map(|reason| self.number(&reason.why)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.is_empty() {
            return "equal".to_owned();
        }
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        format!("equal but for {}", numbers.join(" "))
    }
}

/// The table of these packages, which are those of `list`.
pub(super) fn table(followed: &[PackageReport], compared: &[Compared], list: &str, date: &str) -> String {
    let of = |sort| compared.iter().filter(move |one: &&Compared| one.sort == sort);
    let equal = |sort| of(sort).filter(|one| one.is_equal()).count();
    let good = followed.iter().filter(|one| one.is_good()).count();
    let whole = followed.iter().filter(|one| one.is_whole()).count();
    let mut text = format!(
        "# Images compared with real Debian installations, package by package\n\n\
         {date}, the packages of `{list}`, over {CODENAME} as it was that day; no effects, no answers. `cargo xtask survey` makes this.\n\n\
         Each package is baked alone (with what it needs, systemd and a kernel), and over `base` in a set of `tests/survey/sets.txt`. \
         Each image is compared with a system that mmdebstrap has made of the same lock, in which all scripts ran: type, mode, owner, \
         attributes and content of every path, every account, every stanza of dpkg's database.\n\n\
         - {} packages: for {good}, every maintainer script of the package is interpreted to its end, for {whole} also those of all that it \
         needs. The others are refused, with an explanation and the ways out; nothing is guessed.\n\
         - Alone, {} of {} that were compared are equal but for what is listed below; of {} sets {}.\n\n\
         | package | scripts | packages | followed | alone | in the set |\n|---|---|---|---|---|---|\n",
        followed.len(),
        equal(Sort::Alone),
        of(Sort::Alone).count(),
        of(Sort::Set).count(),
        equal(Sort::Set),
    );
    let mut reasons = Reasons::default();
    for one in followed {
        let alone = of(Sort::Alone).find(|compared| compared.name == one.package);
        let packages =
            alone.and_then(|alone| alone.found.as_ref()).map_or(one.packages, |found| found.packages.len());
        let alone = alone.map_or_else(|| "not compared".to_owned(), |alone| reasons.verdict(alone));
        let sets: Vec<&str> = of(Sort::Set)
            .filter(|set| set.asked.contains(&one.package))
            .map(|set| set.name.as_str())
            .collect();
        let sets = if sets.is_empty() { "none".to_owned() } else { sets.join(" ") };
        let (package, scripts, followed) = (&one.package, one.scripts_or_none(), cell(&one.followed()));
        let _ = writeln!(text, "| {package} | {scripts} | {packages} | {followed} | {alone} | {sets} |");
    }
    if of(Sort::Set).next().is_some() {
        text.push_str("\n| set | asked for | packages | compared |\n|---|---|---|---|\n");
        for set in of(Sort::Set) {
            let packages = set.found.as_ref().map_or(0, |found| found.packages.len());
            let (name, asked, verdict) = (&set.name, set.asked.len(), reasons.verdict(set));
            let _ = writeln!(text, "| {name} | {asked} | {packages} | {verdict} |");
        }
    }
    text.push_str("\n## What differs, and why\n\n");
    if !reasons.0.is_empty() {
        text.push_str("With some packages:\n\n");
        for (at, why) in reasons.0.iter().enumerate() {
            let _ = writeln!(text, "{}. {why}", at + 1);
        }
        text.push('\n');
    }
    let mut general: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let all = compared.iter().filter_map(|one| one.found.as_ref());
    for reason in all.flat_map(|found| &found.reasons).filter(|reason| !reason.special) {
        *general.entry((&reason.path, &reason.why)).or_default() += 1;
    }
    text.push_str("With any package, and in how many images:\n\n| images | path | why |\n|---|---|---|\n");
    let mut general: Vec<_> = general.into_iter().collect();
    general.sort_by_key(|(reason, times)| (std::cmp::Reverse(*times), *reason));
    for ((path, why), times) in general {
        let _ = writeln!(text, "| {times} | `{path}` | {} |", cell(why));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::compared::example;
    use super::super::report;
    use super::*;

    #[test]
    fn a_package_is_told_with_its_reasons_and_its_set() {
        let followed = [report::example("a"), report::example("b")];
        let mut set = example(Sort::Set, "all", &[], &[("an own key", true), ("usual", false)]);
        set.asked = vec!["a".to_owned(), "b".to_owned()];
        let compared = [
            example(Sort::Alone, "a", &[], &[("a pipe | of its own", true), ("usual", false)]),
            example(Sort::Alone, "b", &["/1", "/2", "/3", "/4", "/5"], &[]),
            set,
        ];
        let text = table(&followed, &compared, "list", "today");
        for line in [
            "| a | none | 2 | yes | equal but for 1 | all |",
            "| b | none | 2 | yes | 5 without a reason: /1, /2, /3, /4, … | all |",
            "| all | 2 | 2 | equal but for 2 |",
            "1. a pipe | of its own",
            "2. an own key",
            "| 2 | `/x` | usual |",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.contains("Alone, 1 of 2 that were compared") && text.contains("of 1 sets 1."), "{text}");
    }
}
