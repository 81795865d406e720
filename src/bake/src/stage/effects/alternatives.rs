//! update-alternatives(1): which of several programs has a common name.
//!
//! ```text
//! /usr/bin/awk ─► /etc/alternatives/awk ─► /usr/bin/mawk        and /var/lib/dpkg/alternatives/awk, the administrative file:
//! auto            automatic, not chosen by a person
//! /usr/bin/awk    the link, then name and link of each slave, by name; an empty line
//! /usr/bin/mawk   each choice, by path: its priority, then for each slave its path or an empty line
//!                 an empty line
//! ```
//! The choice with the highest priority has the name, of equal ones the first by path. A choice or a slave whose file
//! is left out of the image has no links, as update-alternatives itself passes over files that are not there; the
//! administrative file still names it. Source: dpkg, `utils/update-alternatives.c`.

use super::super::{image_path, refuse};
use super::draft::Draft;
use crate::effects::Alternative;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use tree::name::ImagePath;
use tree::refusal::{Class, Result};

const STEP: &str = "alternatives";

/// Makes links and administrative files of all alternatives.
pub(super) fn apply<'e>(draft: &mut Draft<'_>, all: impl Iterator<Item = &'e Alternative>) -> Result<()> {
    let mut groups: BTreeMap<&str, BTreeMap<&ImagePath, &Alternative>> = BTreeMap::new();
    for alternative in all {
        let group = groups.entry(&alternative.name).or_default();
        if group.values().any(|other| other.link != alternative.link) {
            let cause = format!("alternative `{}` has two links", alternative.name);
            return Err(refuse(Class::Usage, "effects", cause));
        }
        if draft.has(&alternative.path) {
            group.insert(&alternative.path, alternative);
        } else if !draft.leaves_out(&alternative.path) {
            let cause = format!("alternative `{}`: there is no `{}`", alternative.name, alternative.path);
            return Err(refuse(Class::Archive, "effects", cause));
        }
    }
    for (name, choices) in groups {
        let best = choices.values().rev().max_by_key(|choice| choice.priority);
        if let Some(best) = best {
            links(draft, best)?;
            draft.file(
                STEP,
                &format!("/var/lib/dpkg/alternatives/{name}"),
                administrative(best, &choices),
            )?;
        }
    }
    Ok(())
}

/// The links of the choice that has the name, and of its slaves.
fn links(draft: &mut Draft<'_>, best: &Alternative) -> Result<()> {
    let slaves = best.slaves.iter().map(|slave| (&slave.name, &slave.link, &slave.path));
    for (name, link, path) in std::iter::once((&best.name, &best.link, &best.path)).chain(slaves) {
        if !draft.has(path) {
            continue;
        }
        let middle = format!("/etc/alternatives/{name}");
        draft.link(STEP, &image_path(&middle)?, path.as_str(), false)?;
        draft.link(STEP, link, &middle, false)?;
    }
    Ok(())
}

fn administrative(best: &Alternative, choices: &BTreeMap<&ImagePath, &Alternative>) -> String {
    let slaves: BTreeSet<(&str, &ImagePath)> = choices
        .values()
        .flat_map(|choice| choice.slaves.iter().map(|slave| (slave.name.as_str(), &slave.link)))
        .collect();
    let mut out = format!("auto\n{}\n", best.link);
    for (name, link) in &slaves {
        // writing to a String cannot fail
        let _ = write!(out, "{name}\n{link}\n");
    }
    out.push('\n');
    for (path, choice) in choices {
        let _ = write!(out, "{path}\n{}\n", choice.priority);
        for (name, _) in &slaves {
            let slave = choice.slaves.iter().find(|slave| slave.name == *name);
            let _ = writeln!(out, "{}", slave.map_or("", |slave| slave.path.as_str()));
        }
    }
    out.push('\n');
    out
}
