//! What maintainer scripts would have done, done to the tree: `crate::effects` says what, this says how.
//!
//! ```text
//! each package, by name: directories, files, copies, links, access ─┐
//! then, of all packages together:                                   ├─► tree
//!   tmpfiles, nsswitch, ucf, alternatives, pam, shells, certificates ┘
//! ```
//! A script looks at what is there and leaves it alone; so do these: what a package or the recipe brings stays, and a
//! recipe's own `[directories]` are not changed. What `[files] exclude` leaves out is not made again by another name.
//!
//! Invariants: pure but for `Inputs::read`; the same for any order of packages that have nothing to do with each other;
//! a script that nobody has reviewed stops the bake (`check`). Deliberately absent: triggers (each is the postinst of
//! the package that is interested, once, at the end) and the state that only an upgrade or a removal reads:
//! deb-systemd-helper's, the diversions that keep unmerged paths of old packages.

mod alternatives;
mod certificates;
mod draft;
mod nsswitch;
mod pam;
mod shells;
mod tmpfiles;
mod ucf;
mod update_done;
mod x509;

use super::accounts::Accounts;
use super::control::Deb;
use super::refuse;
use crate::effects::{Effect, unreviewed};
use crate::name::{ImagePath, Name};
use crate::plan::Plan;
use crate::recipe::Access;
use crate::refusal::{Class, Result};
use crate::tree::{Content, Node, Stored, Tree};
use draft::Draft;

/// Refuses a package whose scripts nobody has read.
pub(super) fn check(plan: &Plan, debs: &[Deb<'_>]) -> Result<()> {
    for deb in debs {
        let name: Name = deb.name.parse().map_err(|error| refuse(Class::Archive, deb.name, error))?;
        if let Some(script) = unreviewed(&plan.effects, &name, &deb.package.control).into_iter().next() {
            let hint = format!(
                "read it, and put its digest and what it does in an image into manifests/effects.toml, or into \
                 [effects.{}] of the recipe",
                crate::effects::key(&name)
            );
            return Err(refuse(Class::Archive, deb.name, script.to_string()).hint(hint));
        }
    }
    Ok(())
}

/// What makes the entries that are effects of a package.
pub(super) fn step_of(package: &Name) -> String {
    format!("{STEP}{package}")
}

/// Whether `step` makes what somebody has written down as an effect, which follows from nothing else.
pub(super) fn is_step(step: &str) -> bool {
    step.starts_with(STEP)
}

const STEP: &str = "effects of ";

/// Does to `tree` what the effects of the plan say.
pub(super) fn apply(
    plan: &Plan,
    tree: &mut Tree,
    accounts: &Accounts,
    read: &dyn Fn(&Stored) -> Result<Vec<u8>>,
) -> Result<()> {
    let mut draft = Draft::new(plan, tree, accounts, read)?;
    let mut statoverrides = Vec::new();
    for (name, known) in &plan.effects {
        let step = step_of(name);
        for effect in &known.effects {
            match effect {
                Effect::User { user } => drop(accounts.uid(user, &format!("package `{name}`"))?),
                Effect::Group { group } => drop(accounts.gid(group, &format!("package `{name}`"))?),
                Effect::Directory { path, access } => draft.make(&step, path, access, Node::Directory)?,
                Effect::File { path, access, text } => {
                    draft.make(&step, path, access, Node::File(Content::Inline(text.as_bytes().into())))?;
                }
                Effect::Copy { from, to, ucf } => {
                    let copied = draft.copy(&step, from, to)?;
                    if copied && *ucf {
                        ucf::note(&mut draft, name, to)?;
                    }
                }
                Effect::Link { path, to, over_directory } => {
                    draft.link(&step, path, to, *over_directory)?;
                }
                Effect::Access { path, access, statoverride } => {
                    draft.access(name, path, access)?;
                    if *statoverride {
                        statoverrides.push((path, access));
                    }
                }
                // those of all packages together, below; and those that are not of this step
                _ => {}
            }
        }
    }
    together(plan, &mut draft)?;
    register(&mut draft, &statoverrides)
}

/// What is made of the effects of all packages together.
fn together(plan: &Plan, draft: &mut Draft<'_>) -> Result<()> {
    let all: Vec<&Effect> = plan.effects.values().flat_map(|known| &known.effects).collect();
    let mut files: Vec<&str> = Vec::new();
    for effect in &all {
        match effect {
            Effect::Tmpfiles { files: more } => files.extend(more.iter().map(String::as_str)),
            Effect::Nsswitch { database, service, place } => {
                nsswitch::add(draft, database, service, place)?;
            }
            _ => {}
        }
    }
    tmpfiles::apply(draft, &mut files)?;
    alternatives::apply(
        draft,
        all.iter().filter_map(|effect| match effect {
            Effect::Alternative(alternative) => Some(alternative),
            _ => None,
        }),
    )?;
    for effect in all {
        match effect {
            Effect::Pam {} => pam::apply(draft)?,
            Effect::Shells {} => shells::apply(draft)?,
            Effect::Certificates { head } => certificates::apply(draft, head)?,
            Effect::UpdateDone {} => update_done::apply(draft)?,
            _ => {}
        }
    }
    Ok(())
}

/// `/var/lib/dpkg/statoverride`: a line `owner group mode path` for each, in their order; dpkg-statoverride(1).
fn register(draft: &mut Draft<'_>, overrides: &[(&ImagePath, &Access)]) -> Result<()> {
    if overrides.is_empty() {
        return Ok(());
    }
    let line = |(path, access): &(&ImagePath, &Access)| {
        format!("{} {} {:o} {path}\n", access.owner, access.group, access.mode)
    };
    draft.file("effects", "/var/lib/dpkg/statoverride", overrides.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests;
