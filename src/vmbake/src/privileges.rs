//! What an image grants, as lines for people.

use std::collections::{BTreeMap, BTreeSet};
use tree::Origin;
use tree::name::Name;
use tree::privilege::{Privilege, Sort};
use tree::refusal::shown;

/// More than so many of one sort by one owner are counted.
const MOST: usize = 6;

/// A line for each owner and sort; many of one sort are counted, unless `all` are asked for.
pub(crate) fn lines(privileges: &[Privilege], all: bool) -> Vec<String> {
    let line = |(owner, sort, what): &(String, Sort, String)| format!("{owner:<32} {sort:<12} {what}");
    grouped(privileges.iter(), all).iter().map(line).collect()
}

/// What a bake says: what components and the packages of `third_parties` grant, and how much recipes and Debian's packages do.
pub(crate) fn summary(privileges: &[Privilege], third_parties: &BTreeSet<&Name>) -> Vec<String> {
    let is_stranger = |one: &&Privilege| match one.owner.bringer() {
        Origin::Component { .. } => true,
        Origin::Package { name } => third_parties.contains(&name),
        _ => false,
    };
    let line = |(owner, sort, what): &(String, Sort, String)| format!("{owner} grants {sort} {what}");
    let mut lines: Vec<String> =
        grouped(privileges.iter().filter(is_stranger), false).iter().map(line).collect();
    // an effect stands for what a maintainer script would have done, whoever has written it down
    const WHOSE: [&str; 3] = ["Debian's packages", "effects", "recipes"];
    let whose = |one: &Privilege| match one.owner.bringer() {
        _ if is_stranger(&one) => None,
        Origin::Recipe { .. } => Some(WHOSE[2]),
        Origin::Made { .. } => Some(WHOSE[1]),
        _ => Some(WHOSE[0]),
    };
    for who in WHOSE {
        let mut counts: BTreeMap<Sort, usize> = BTreeMap::new();
        for one in privileges.iter().filter(|one| whose(one) == Some(who)) {
            *counts.entry(one.grant.sort).or_default() += 1;
        }
        if !counts.is_empty() {
            let counts: Vec<String> = counts.iter().map(|(sort, count)| format!("{count} {sort}")).collect();
            lines.push(format!("{who} grant {}; `plan` and the record list them", counts.join(", ")));
        }
    }
    lines
}

/// Owner, sort, and what they grant: several paths of one sort together, many of them counted unless `all` are asked for.
fn grouped<'p>(privileges: impl Iterator<Item = &'p Privilege>, all: bool) -> Vec<(String, Sort, String)> {
    let mut groups: BTreeMap<(String, Sort), Vec<&str>> = BTreeMap::new();
    for Privilege { owner, grant } in privileges {
        groups.entry((party(owner), grant.sort)).or_default().push(&grant.what);
    }
    let mut grouped = Vec::new();
    for ((owner, sort), what) in groups {
        match what.as_slice() {
            [first, rest @ ..] if !all && rest.len() >= MOST => {
                grouped.push((owner, sort, format!("({}) such as {}", what.len(), shown(first))));
            }
            // what lines say has blanks of its own
            _ if all || [Sort::Tmpfiles, Sort::Member, Sort::Replaces].contains(&sort) => {
                grouped.extend(what.iter().map(|one| (owner.clone(), sort, shown(one).into_owned())));
            }
            _ => grouped.push((owner, sort, shown(&what.join(" ")).into_owned())),
        }
    }
    grouped
}

/// An owner, all files of a recipe as one.
fn party(owner: &Origin) -> String {
    match owner {
        Origin::Recipe { kind, .. } => format!("recipe `{kind}`"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privilege(owner: &Origin, text: &str) -> Privilege {
        Privilege { owner: owner.clone(), grant: text.parse().unwrap() }
    }

    #[test]
    fn what_many_grant_is_counted_and_what_components_grant_is_not() {
        let package = Origin::Package { name: "sudo".parse().unwrap() };
        let component = Origin::Component { name: "tool".parse().unwrap() };
        let recipe = |file: &str| Origin::Recipe { kind: "base".parse().unwrap(), file: file.to_owned() };
        let mut all: Vec<Privilege> =
            (0..8).map(|n| privilege(&package, &format!("certificate /c/{n}"))).collect();
        all.push(privilege(&package, "set-uid /usr/bin/sudo"));
        all.push(privilege(&component, "set-uid /usr/bin/tool"));
        all.extend((0..7).map(|n| privilege(&component, &format!("hook /opt/cni/bin/{n}"))));
        all.push(privilege(&Origin::Made { step: "effects of dbus".to_owned() }, "set-uid /usr/lib/dbus"));
        all.push(privilege(&recipe("rootfs/a"), "cron /etc/cron.d/a"));
        all.push(privilege(&recipe("rootfs/b"), "cron /etc/cron.d/b"));
        let joined = |lines: Vec<String>| {
            lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(
            joined(lines(&all, false)),
            [
                "component `tool` set-uid /usr/bin/tool",
                "component `tool` hook (7) such as /opt/cni/bin/0",
                "package `sudo` set-uid /usr/bin/sudo",
                "package `sudo` certificate (8) such as /c/0",
                "recipe `base` cron /etc/cron.d/a /etc/cron.d/b",
                "vmbake (effects of dbus) set-uid /usr/lib/dbus",
            ]
        );
        assert_eq!(lines(&all, true).len(), all.len());
        let agent = Origin::Package { name: "agent".parse().unwrap() };
        all.push(privilege(&agent, "cron /etc/cron.d/agent"));
        assert_eq!(
            summary(&all, &[&"agent".parse().unwrap()].into()),
            [
                "component `tool` grants set-uid /usr/bin/tool",
                "component `tool` grants hook (7) such as /opt/cni/bin/0",
                "package `agent` grants cron /etc/cron.d/agent",
                "Debian's packages grant 1 set-uid, 8 certificate; `plan` and the record list them",
                "effects grant 1 set-uid; `plan` and the record list them",
                "recipes grant 2 cron; `plan` and the record list them",
            ]
        );
    }
}
