//! dpkg's database, `/var/lib/dpkg`, as dpkg 1.22 leaves it after `dpkg --install` of all packages: dpkg(1), deb(5),
//! deb-control(5), and dpkg's `lib/dpkg`.
//!
//! ```text
//! status              a stanza for each package, by name      info/<name>.list       its paths, as it spells them
//! available           empty                                   info/<name>.<control>  its control files but `control`
//! diversions          those that decided something            info/format            1
//! triggers/File       who is interested in which path         triggers/<name>        who is interested in it
//! arch-native, lock, lock-frontend, triggers/{Lock,Unincorp}, updates/
//! ```
//! `<name>` is `libc6:amd64` where a package may be installed for two architectures. A list keeps the spelling of the
//! package (`/lib/x`), and paths that are left out of the image, as with dpkg's `path-exclude`; it loses what another
//! package took over.
//!
//! Not supported, on purpose: diversions, alternatives and statoverrides that only maintainer scripts make.

mod info;
mod status;
mod triggers;

use super::control::{ControlError, Deb};
use super::{Generated, refuse};
use crate::plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use tree::Stored;
use tree::name::ImagePath;
use tree::refusal::{Class, Result};

/// Reads a range of a blob.
type Read<'a> = &'a dyn Fn(&Stored) -> Result<Vec<u8>>;

/// What each package lost to others, merged, by its name.
type Lost = BTreeMap<String, BTreeSet<ImagePath>>;

/// All files of the database.
pub(super) fn database(
    plan: &Plan,
    debs: &[Deb<'_>],
    lost: &Lost,
    diversions: &[(ImagePath, ImagePath, String)],
    read: Read<'_>,
) -> Result<Vec<Generated>> {
    let mut debs: Vec<&Deb<'_>> = debs.iter().collect();
    debs.sort_by_key(|deb| (deb.name, deb.arch));
    let mut files: Vec<Generated> = ["/var/lib/dpkg/info", "/var/lib/dpkg/triggers", "/var/lib/dpkg/updates"]
        .map(Generated::directory)
        .into_iter()
        .collect::<Result<_>>()?;
    let mut stanzas = String::new();
    for deb in &debs {
        let none = BTreeSet::new();
        let lost = lost.get(deb.name).unwrap_or(&none);
        let conffiles = info::conffiles(deb, lost, read)?;
        stanzas.push_str(&status::stanza(deb, &conffiles).map_err(|error| refused(deb, error))?);
        stanzas.push('\n');
        files.extend(info::files(deb, lost, read)?);
    }
    for (path, mode, text) in [
        ("status", 0o644, stanzas.as_str()),
        ("available", 0o644, ""),
        ("arch-native", 0o644, &format!("{}\n", plan.arch)),
        ("info/format", 0o644, "1\n"),
        ("lock", 0o640, ""),
        ("lock-frontend", 0o640, ""),
        ("triggers/Lock", 0o600, ""),
        ("triggers/Unincorp", 0o644, ""),
    ] {
        files.push(Generated::file(&format!("/var/lib/dpkg/{path}"), mode, text)?);
    }
    for (name, text) in triggers::interests(&debs).map_err(|(deb, error)| refused(deb, error))? {
        files.push(Generated::file(&format!("/var/lib/dpkg/triggers/{name}"), 0o644, text)?);
    }
    if !diversions.is_empty() {
        let lines = diversions.iter().map(|(from, to, package)| format!("{from}\n{to}\n{package}\n"));
        files.push(Generated::file("/var/lib/dpkg/diversions", 0o644, lines.collect::<String>())?);
    }
    Ok(files)
}

#[cfg(test)]
mod tests;

fn refused(deb: &Deb<'_>, error: ControlError) -> tree::refusal::Refusal {
    refuse(Class::Archive, deb.name, error)
}
