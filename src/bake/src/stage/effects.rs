//! What maintainer scripts would have done, done to the tree: `crate::effects` says what, this says how.
//!
//! ```text
//! each package, by name: directories, files, copies, links, access ─┐
//! then, of all packages together:                                   ├─► tree
//!   tmpfiles, nsswitch, ucf, alternatives                            ┘
//! ```
//! A script looks at what is there and leaves it alone; so do these: what a package or the recipe brings stays, and a
//! recipe's own `[directories]` are not changed. What `[files] exclude` leaves out is not made again by another name.
//!
//! Invariants: pure but for `Inputs::read`; the same for any order of packages that have nothing to do with each other;
//! the effects of a package whose scripts have changed since they were reviewed are not taken (`taken`). Deliberately
//! absent: triggers (each is the postinst of the package that is interested, once, at the end) and the state that only
//! an upgrade or a removal reads: deb-systemd-helper's, the diversions that keep unmerged paths of old packages.

mod alternatives;
mod draft;
mod nsswitch;
mod tmpfiles;
mod ucf;

use super::accounts::Accounts;
use super::scripts::Trusts;
use crate::effects::{Effect, Known};
use crate::plan::Plan;
use crate::recipe::Access;
use draft::Draft;
use tree::name::{ImagePath, Name};
use tree::refusal::Result;
use tree::scripts::Trust;
use tree::{Content, Node, Stored, Tree};

/// What makes the entries that are effects of a package.
pub(super) fn step_of(package: &Name) -> String {
    format!("{STEP}{package}")
}

/// Whether `step` makes what someone has written down as an effect, which follows from nothing else.
pub(super) fn is_step(step: &str) -> bool {
    step.starts_with(STEP)
}

const STEP: &str = "effects of ";

/// Does to `tree` what the effects of the plan say.
pub(super) fn apply(
    plan: &Plan,
    tree: &mut Tree,
    trusts: &Trusts,
    accounts: &Accounts,
    read: &dyn Fn(&Stored) -> Result<Vec<u8>>,
) -> Result<()> {
    let effects = taken(plan, trusts);
    let mut draft = Draft::new(plan, tree, accounts, read)?;
    let mut statoverrides = Vec::new();
    for (name, known) in &effects {
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
    together(&effects, &mut draft)?;
    register(&mut draft, &statoverrides)
}

/// The effects that are taken, by package: not those of packages whose scripts are interpreted or ignored.
fn taken<'p>(plan: &'p Plan, trusts: &Trusts) -> Vec<(&'p Name, &'p Known)> {
    let is_taken = |name: &Name| {
        let mut trusts = trusts.iter().filter(|(package, _)| crate::effects::key(package) == *name);
        trusts.all(|(_, trust)| *trust == Trust::Reviewed)
    };
    plan.effects.iter().filter(|(name, _)| is_taken(name)).collect()
}

/// What is made of the effects of all packages together.
fn together(effects: &[(&Name, &Known)], draft: &mut Draft<'_>) -> Result<()> {
    let all: Vec<&Effect> = effects.iter().flat_map(|(_, known)| &known.effects).collect();
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
