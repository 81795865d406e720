//! What maintainer scripts would do in an image, as data: no script is ever run.
//!
//! ```text
//! manifests/effects.toml ──┐
//! recipe.toml [effects.*] ─┴─► Effects ─plan─► the effects of the plan's packages ─stage─► paths of the tree
//! a .deb's preinst, postinst, config ─normal─► digest ── among `reviewed`? ── no: refused, with the difference
//! ```
//! For each package: the digests of the scripts that someone has read, and what they come to in an image. That a
//! script has no effect is an effect too, with its reason. `prerm` and `postrm` are not looked at: they run when a
//! package is upgraded or removed, which does not happen to the packages of an image.
//!
//! What makes each effect is in `stage::effects`. Not supported, on purpose: guessing. A script that is not known word by
//! word (but for what `normal` leaves out, with its reasons) is not taken for one that is.

mod difference;
mod review;

pub use difference::unified;
pub(crate) use review::release;
pub use review::{Text, Unreviewed, line, normal, unreviewed};

use crate::recipe::Access;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tree::digest::Sha256;
use tree::name::{ImagePath, Name};
use tree::refusal::{Class, Refusal, Result, Stage};

/// A file of effects larger than this is refused unread; the committed one has 60 thousand bytes.
const MOST_BYTES: usize = 4 << 20;

/// The maintainer scripts that may have an effect in an image, in the order of their running.
pub const SCRIPTS: [&str; 3] = ["preinst", "config", "postinst"];

/// The effects of packages by name; `linux-image-release` stands for the kernel's of any release.
pub type Effects = BTreeMap<Name, Known>;

/// What is known of one package's scripts. The digests decide whether the effects are taken, so they are
/// of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The digests of the normal form of the scripts that were read, by the script's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reviewed: BTreeMap<String, Vec<Sha256>>,
    /// The digests of their lines (`line`), by the script's name: with them the lines that are new in a script can be shown.
    #[serde(default, skip_serializing)]
    pub lines: BTreeMap<String, String>,
    /// What they come to, in the order of doing.
    #[serde(default)]
    pub effects: Vec<Effect>,
}

/// One thing that a script would have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// Nothing that an image must have.
    Nothing {
        /// Why not.
        why: String,
    },
    /// What the machine does itself when it boots.
    AtBoot {
        /// Who does it.
        why: String,
    },
    /// What another step of the bake makes of the whole tree.
    Step {
        /// `accounts`, `dpkg database`, `ld.so.cache`, …
        step: String,
    },
    /// A unit that installing the package enables. The recipe says what an image enables; this is on record so that the
    /// difference can be seen.
    Unit {
        /// Its file name.
        unit: String,
        /// For each user's systemd.
        #[serde(default)]
        user: bool,
    },
    /// A user that adduser(8) makes; a recipe has to bring it, as its number must be fixed.
    User {
        /// Its name.
        user: String,
    },
    /// A group that addgroup(8) makes; a recipe has to bring it.
    Group {
        /// Its name.
        group: String,
    },
    /// A directory, unless there is something.
    Directory {
        /// Its path.
        path: ImagePath,
        /// Mode and owner of a new one.
        #[serde(default = "directory", deserialize_with = "crate::recipe::access")]
        access: Access,
    },
    /// A file, unless there is something.
    File {
        /// Its path.
        path: ImagePath,
        /// Mode and owner.
        #[serde(default = "file", deserialize_with = "crate::recipe::access")]
        access: Access,
        /// What it holds.
        text: String,
    },
    /// A copy of a package's file with its mode and owner, unless there is something.
    Copy {
        /// The file.
        from: ImagePath,
        /// Where the copy goes.
        to: ImagePath,
        /// Whether it is noted in ucf(1)'s database.
        #[serde(default)]
        ucf: bool,
    },
    /// A symbolic link, unless there is something.
    Link {
        /// Its path.
        path: ImagePath,
        /// Its target.
        to: String,
        /// Whether it takes the place of an empty directory that a package brings.
        #[serde(default)]
        over_directory: bool,
    },
    /// Another mode and owner of what a package brings.
    Access {
        /// Its path.
        path: ImagePath,
        /// Mode and owner.
        #[serde(deserialize_with = "crate::recipe::access")]
        access: Access,
        /// Whether dpkg-statoverride(1) knows of it.
        #[serde(default)]
        statoverride: bool,
    },
    /// A choice of update-alternatives(1).
    Alternative(Alternative),
    /// Files of tmpfiles.d(5) that are applied.
    Tmpfiles {
        /// Their names in `/usr/lib/tmpfiles.d`.
        files: Vec<String>,
    },
    /// A service of nsswitch.conf(5).
    Nsswitch {
        /// The database.
        database: String,
        /// The service, with its actions.
        service: String,
        /// The service that it goes before or after.
        place: Place,
    },
}

/// A choice of update-alternatives(1), `--install LINK NAME PATH PRIORITY --slave …`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// What it is called in `/etc/alternatives`.
    pub name: String,
    /// The path that people use.
    pub link: ImagePath,
    /// What it stands for.
    pub path: ImagePath,
    /// The highest is chosen.
    pub priority: i32,
    /// What changes together with it.
    #[serde(default)]
    pub slaves: Vec<Slave>,
}

/// What changes together with an alternative.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slave {
    /// What it is called in `/etc/alternatives`.
    pub name: String,
    /// The path that people use.
    pub link: ImagePath,
    /// What it stands for.
    pub path: ImagePath,
}

/// Where a service goes in a line of nsswitch.conf(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Right before this one.
    Before(String),
    /// Right after this one, and the actions that belong to it.
    After(String),
}

fn directory() -> Access {
    Access { mode: 0o755, ..file() }
}

fn file() -> Access {
    Access { mode: 0o644, owner: "root".to_owned(), group: "root".to_owned() }
}

/// Reads a file of effects, `artifact` in messages. Errors are `Class::Usage` with line and column.
pub fn parse(artifact: &str, text: &str) -> Result<Effects> {
    if text.len() > MOST_BYTES {
        let what = format!("expected at most {MOST_BYTES} bytes, found {}", text.len());
        return Err(Refusal::new(Class::Usage, artifact, Stage::Parse, what));
    }
    let effects: Effects = toml::from_str(text).map_err(|error| Refusal::toml(artifact, text, &error))?;
    for (name, known) in &effects {
        check(known).map_err(|what| {
            Refusal::new(Class::Usage, artifact, Stage::Parse, format!("package `{name}`: {what}"))
        })?;
    }
    Ok(effects)
}

/// What one package's entry must be, beyond its shape.
pub(crate) fn check(known: &Known) -> Result<(), String> {
    let named = known.reviewed.keys().chain(known.lines.keys());
    if let Some(script) = named.into_iter().find(|script| !SCRIPTS.contains(&script.as_str())) {
        return Err(format!("unknown script `{script}`; expected one of {}", SCRIPTS.join(", ")));
    }
    if !known.reviewed.is_empty() && known.effects.is_empty() {
        return Err("reviewed scripts have no effects; add one, such as `nothing` with its reason".to_owned());
    }
    for effect in &known.effects {
        let text = match effect {
            Effect::Nothing { why } | Effect::AtBoot { why } => why,
            Effect::Step { step } => step,
            _ => continue,
        };
        if text.trim().is_empty() {
            return Err("an effect without a reason".to_owned());
        }
    }
    Ok(())
}

/// The name under which the effects of `name` are kept.
#[must_use]
pub fn key(name: &Name) -> Name {
    let release = review::release(name.as_str());
    release.and_then(|_| "linux-image-release".parse().ok()).unwrap_or_else(|| name.clone())
}

/// What is known of the package `name`.
#[must_use]
pub fn of<'e>(effects: &'e Effects, name: &Name) -> Option<&'e Known> {
    effects.get(&key(name))
}

impl std::fmt::Display for Effect {
    /// A few words, for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing { why } => write!(f, "nothing: {why}"),
            Self::AtBoot { why } => write!(f, "at boot: {why}"),
            Self::Step { step } => write!(f, "step {step}"),
            Self::Unit { unit, user: false } => write!(f, "unit {unit}, if the recipe enables it"),
            Self::Unit { unit, user: true } => write!(f, "user unit {unit}, if the recipe enables it"),
            Self::User { user } => write!(f, "user {user}, of a recipe"),
            Self::Group { group } => write!(f, "group {group}, of a recipe"),
            Self::Directory { path, .. } => write!(f, "directory {path}"),
            Self::File { path, .. } => write!(f, "file {path}"),
            Self::Copy { from, to, .. } => write!(f, "copy {from} to {to}"),
            Self::Link { path, to, .. } => write!(f, "link {path} to {to}"),
            Self::Access { path, access, .. } => {
                write!(f, "access {path} {:04o} {}:{}", access.mode, access.owner, access.group)
            }
            Self::Alternative(Alternative { name, path, .. }) => write!(f, "alternative {name} {path}"),
            Self::Tmpfiles { files } => write!(f, "tmpfiles {}", files.join(" ")),
            Self::Nsswitch { database, service, .. } => write!(f, "nsswitch {database} {service}"),
        }
    }
}

#[cfg(test)]
mod tests;
