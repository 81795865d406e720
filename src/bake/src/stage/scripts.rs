//! Maintainer scripts: those of packages that nobody has reviewed are interpreted, over the tree, in dpkg's order.
//!
//! ```text
//! reviewed (manifests/effects.toml, [effects]) ─ stage::effects ─► tree ─┐
//! accepted ([accept] of the recipe) ─ nothing                            ├─ debian::run ─► changes ─ apply ─► tree
//! all others: preinst, config, postinst, triggers ───────────────────────┘
//! ```
//! A package is one of the three as a whole: where one script of it has changed since it was reviewed, all are interpreted.
//! Accounts of sysusers.d files come when their package is configured (`later`). What a recipe brings stays as it is, and so does what is under a mount point at run time. What `[files] exclude` leaves out
//! is not made either. A script that cannot be followed to its end stops the bake: it says where, and names the ways out.
//!
//! Invariants: nothing of the host is read or run; the same inputs give the same changes. They are kept for the next bake under
//! a digest of all that goes in.

mod apply;
mod capabilities;
mod kept;
mod laid;
mod later;

use super::accounts::Accounts;
use super::control::Deb;
use super::{Memory, refuse};
use crate::effects::{SCRIPTS, release, unreviewed};
use crate::plan::Plan;
use debian::failure::{Failure, Limits, STACK};
use laid::IndexedTree;
use later::DeferredAccounts;
use std::collections::BTreeMap;
use tree::name::{ImagePath, Name};
use tree::privilege::{Grant, Privilege, Sort};
use tree::refusal::{Class, Refusal, Result};
use tree::scripts::{Done, Scripted, Trust};
use tree::{Meta, Node, Origin, Stored, Tree, merged};

/// Reads a range of a blob, from any thread.
type Read<'a> = &'a (dyn Fn(&Stored) -> Result<Vec<u8>> + Sync);

/// The release of the kernel that stands for the host's, where an image has none: that of Debian 13.
const KERNEL: &str = "6.12";

/// The trust in each package that has scripts, in the order of `debs`.
pub(super) type Trusts = BTreeMap<Name, Trust>;

/// The result of interpreting.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Derived {
    /// What is at a path afterwards, in the order of paths; nothing where it was removed.
    puts: Vec<Put>,
    /// What each package did, in the order of its doing.
    done: BTreeMap<Name, Vec<Done>>,
    /// Who joined a group: package, user, group.
    joins: Vec<(Name, String, String)>,
    /// What scripts of packages have changed that Debian does not vouch for, each with every one of them.
    touched: Vec<(Name, ImagePath)>,
    /// The questions of debconf that were asked or set.
    questions: Vec<String>,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Put {
    path: ImagePath,
    /// The script that did it last.
    origin: Origin,
    node: Option<(Meta, Node)>,
}

/// How far the scripts of each package are trusted. Refuses what the recipe does not allow, and names in `[accept]` that mean
/// nothing.
pub(super) fn trusts(plan: &Plan, debs: &[Deb<'_>]) -> Result<Trusts> {
    let mut trusts = Trusts::new();
    for deb in debs {
        let name: Name = deb.name.parse().map_err(|error| refuse(Class::Archive, deb.name, error))?;
        if !deb.package.control.iter().any(|file| SCRIPTS.contains(&file.name.as_str())) {
            continue;
        }
        let unknown = unreviewed(&plan.effects, &name, &deb.package.control);
        let trust = match unknown.first() {
            _ if plan.accept.contains_key(&name) => Trust::Accepted,
            None => Trust::Reviewed,
            Some(script) if plan.reviewed_only => {
                let hint = format!(
                    "read it, and put its digest and what it does in an image into [effects.{0}] of the recipe; or ignore it by \
                     [accept] {0} = \"why\"; or leave out `scripts = \"reviewed\"`, and it is interpreted",
                    crate::effects::key(&name)
                );
                return Err(refuse(Class::Archive, deb.name, script.to_string()).hint(hint));
            }
            Some(_) => Trust::Derived,
        };
        trusts.insert(name, trust);
    }
    if let Some(name) = plan.accept.keys().find(|name| !trusts.contains_key(*name)) {
        let cause =
            format!("[accept] names `{name}`, but the image has no such package with maintainer scripts");
        return Err(refuse(Class::Usage, plan.kind.as_str(), cause).hint("remove it from [accept]"));
    }
    Ok(trusts)
}

/// What became of scripts.
pub(super) struct Interpreted {
    /// Each package with scripts, by name.
    pub(super) scripts: Vec<Scripted>,
    /// The questions of debconf that scripts ask or set.
    questions: Vec<String>,
}

/// Interprets the scripts of all packages that are `Derived`, and does to `tree` and `accounts` what they do.
pub(super) fn interpret(
    plan: &Plan,
    debs: &[Deb<'_>],
    trusts: &Trusts,
    tree: &mut Tree,
    accounts: &mut Accounts,
    read: Read<'_>,
    memory: &dyn Memory,
) -> Result<Interpreted> {
    let mut derived = Derived::default();
    if trusts.values().any(|trust| *trust == Trust::Derived) {
        let packages = packages(debs, trusts);
        let key = kept::key(plan, &packages, tree);
        derived = match kept::recall(memory, &key) {
            Some(derived) => derived,
            None => {
                let mut later = DeferredAccounts::of(accounts, trusts);
                later.hide(tree, read)?;
                let derived = run(plan, debs, &packages, tree, &later, read)?;
                later.restore(tree)?;
                kept::keep(memory, &key, &derived);
                derived
            }
        };
        let before = apply::Before::of(tree, &derived, read)?;
        apply::apply(plan, tree, &derived)?;
        let grants = apply::changed(plan, tree, &before, &derived, read)?;
        accounts.grants.extend(grants);
        // who joins a group by a stranger's script is among those
        let strangers = super::privileges::bringers(plan);
        let joins = derived.joins.iter().filter(|(package, ..)| !strangers.contains_key(package));
        accounts.grants.extend(joins.map(|(package, user, group)| Privilege {
            owner: Origin::Package { name: package.clone() },
            grant: Grant { sort: Sort::Member, what: format!("{user} {group}") },
        }));
        learn(tree, accounts, read)?;
    }
    let of = |name: &Name, trust: Trust| match trust {
        Trust::Derived => derived.done.get(name).cloned().unwrap_or_default(),
        Trust::Reviewed => {
            let known = crate::effects::of(&plan.effects, name);
            let effects = known.into_iter().flat_map(|known| &known.effects);
            effects.map(|effect| Done { at: None, does: effect.to_string() }).collect()
        }
        Trust::Accepted => Vec::new(),
    };
    let scripts = |name: &Name| {
        let control = debs.iter().find(|deb| deb.name == name.as_str()).map(|deb| &deb.package.control);
        let has = |script: &str| control.is_some_and(|files| files.iter().any(|file| file.name == script));
        SCRIPTS.into_iter().filter(|script| has(script)).map(str::to_owned).collect()
    };
    let scripted = |(name, trust): (&Name, &Trust)| Scripted {
        package: name.clone(),
        trust: *trust,
        scripts: scripts(name),
        effects: of(name, *trust),
    };
    Ok(Interpreted { scripts: trusts.iter().map(scripted).collect(), questions: derived.questions })
}

/// The packages as the interpreter has them. Those that it does not interpret are there without scripts, questions and triggers:
/// what is left of them is done already.
fn packages(debs: &[Deb<'_>], trusts: &Trusts) -> Vec<debian::run::Package> {
    let one = |deb: &Deb<'_>| {
        let trust = deb.name.parse::<Name>().ok().and_then(|name| trusts.get(&name).copied());
        let is_done = trust.is_some_and(|trust| trust != Trust::Derived);
        let control = deb.package.control.iter().filter(|file| {
            !is_done
                || !(SCRIPTS.contains(&file.name.as_str())
                    || ["templates", "triggers"].contains(&&*file.name))
        });
        debian::run::Package {
            name: deb.name.to_owned(),
            fields: deb
                .fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            files: deb
                .package
                .members
                .iter()
                .map(|member| merged(&member.path).as_str().as_bytes().to_vec())
                .collect(),
            control: control.map(|file| (file.name.clone(), file.bytes.to_vec())).collect(),
        }
    };
    debs.iter().map(one).collect()
}

/// Interprets.
fn run(
    plan: &Plan,
    debs: &[Deb<'_>],
    packages: &[debian::run::Package],
    tree: &Tree,
    later: &DeferredAccounts,
    read: Read<'_>,
) -> Result<Derived> {
    let laid = IndexedTree::new(tree, read);
    // what scripts ask of the kernel is whether it is new enough; an image without one runs on that of its host
    let kernel = debs.iter().find_map(|deb| release(deb.name)).or(Some(KERNEL));
    let (users, groups) = (later.numbers(plan, true), later.numbers(plan, false));
    let task = debian::run::Task {
        packages,
        architecture: plan.arch.debian(),
        kernel,
        now: plan.epoch,
        answers: &plan.debconf,
        users: &users,
        groups: &groups,
        stable_ids: true,
        limits: Limits::default(),
    };
    let interpret =
        || debian::run::run(&task, &laid, false).map(|outcome| apply::derived(plan, tree, later, &outcome));
    let ran = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, interpret);
        thread.map(std::thread::ScopedJoinHandle::join)
    });
    let ran = ran.map_err(|error| {
        Refusal::io("maintainer scripts", tree::refusal::Stage::Stage, "start a thread", &error)
    })?;
    // what could not be read is why a script went wrong
    if let Some(refusal) = laid.refusal() {
        return Err(refusal);
    }
    match ran {
        Ok(Ok(derived)) => derived,
        Ok(Err(failure)) => Err(stopped(plan, &failure)),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The refusal of a script that cannot be followed to its end.
fn stopped(plan: &Plan, failure: &Failure) -> Refusal {
    let package = &failure.origin.package;
    let key = package
        .parse::<Name>()
        .map_or_else(|_| package.clone(), |name| crate::effects::key(&name).to_string());
    let hint = format!(
        "write what it does in an image into [effects.{key}] of the recipe of {}; or ignore its scripts by [accept] {package} = \
         \"why\"; or take another package (image-recipes/README.md)",
        plan.kind
    );
    refuse(Class::Archive, package.as_str(), failure.to_string()).hint(hint)
}

/// Refuses an answer to a question that no package asks: a name that is misspelt would be passed over silently.
pub(super) fn answers(plan: &Plan, interpreted: &Interpreted) -> Result<()> {
    match plan.debconf.keys().find(|question| !interpreted.questions.contains(question)) {
        None => Ok(()),
        Some(question) => {
            let cause = format!("debconf: no package whose scripts are interpreted asks `{question}`");
            Err(refuse(Class::Usage, plan.kind.as_str(), cause).hint(
                "the questions of a package are in its `templates`; remove the line, or correct the name",
            ))
        }
    }
}

/// Takes up the users and groups that scripts have made.
fn learn(tree: &Tree, accounts: &mut Accounts, read: Read<'_>) -> Result<()> {
    accounts.learn(&apply::text(tree, "/etc/passwd", read)?, &apply::text(tree, "/etc/group", read)?);
    Ok(())
}

#[cfg(test)]
mod tests;
