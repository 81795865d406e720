//! Which components of the manifest an image gets.

use super::{PlannedComponent, Remark, refuse};
use crate::debian::version::Version;
use crate::lock::{Lock, LockedPackage};
use crate::manifest::{Entry, Form, Manifest, Pin, agree, place, without_epoch};
use crate::policy::Policy;
use crate::recipe::{Component, Recipe};
use std::cmp::Ordering;
use tree::name::{Name, Provider};
use tree::refusal::{Remedy, Result};

/// The components of `recipe` for `provider`, by name, each with its pin, and what was decided about them beyond that.
///
/// All of them must be pinned but the optional ones, and all that the manifest pins must have a place in the recipe or,
/// for a Debian package, be in the lock.
pub(super) fn chosen(
    recipe: &Recipe,
    manifest: &Manifest,
    lock: &Lock,
    policy: &Policy,
    provider: Option<Provider>,
) -> Result<(Vec<PlannedComponent>, Vec<Remark>)> {
    let (mut chosen, mut remarks) = (Vec::new(), Vec::new());
    for (name, entry) in &manifest.components {
        if let Entry::Pinned(pin) = entry {
            agree(name, pin, manifest.arch).map_err(|error| {
                refuse(name.as_str(), error)
                    .hint("make them agree: a digest alone does not say what a file is")
            })?;
        }
    }
    for (name, component) in recipe.components.iter().filter(|(_, one)| is_for(&one.providers, provider)) {
        let entry = manifest.components.get(name);
        if !entry.is_none_or(|entry| is_for(entry.providers(), provider)) {
            continue;
        }
        let pin = match entry {
            Some(Entry::Pinned(pin)) => pin,
            None | Some(Entry::Unpinned { .. }) if component.optional => {
                let declared = entry.map(|entry| entry.version().to_owned());
                remarks.push(Remark::LeftOut { name: name.clone(), declared });
                continue;
            }
            Some(Entry::Unpinned { version, .. }) => {
                let what = format!("version `{version}` is declared without url, digest and size");
                return Err(refuse(name.as_str(), what)
                    .hint("add them to the manifest, from what upstream publishes and signs"));
            }
            None => {
                let kind = &component.kind;
                let what = format!("the recipe of `{kind}` installs it, but the manifest does not have it");
                return Err(refuse(name.as_str(), what).hint(format!(
                    "`dependencies` of the manifest for {} has to have `{name}`, with version, url, type, digest and size; \
                     `optional = true` in the recipe leaves out what a manifest lacks",
                    manifest.arch
                )));
            }
        };
        let overridden = policy.check(name, &pin.version, &pin.digest, true)?;
        remarks.extend(overridden.map(|line| Remark::overridden(name, &pin.version, line)));
        fits(name, component, pin)?;
        remarks.extend(from_elsewhere(name, component, pin)?);
        chosen.push(PlannedComponent { name: name.clone(), pin: pin.clone(), install: component.clone() });
    }
    for (name, entry) in &manifest.components {
        if let Entry::Pinned(pin) = entry
            && !recipe.components.contains_key(name)
        {
            remarks.push(from_lock(name, pin, lock)?);
        }
    }
    Ok((chosen, remarks))
}

/// Kinds whose components are others', and come as these publish them.
const PUBLISHED: [&str; 3] = ["base", "knd", "knc"];

/// A component that comes by `http:` or from a file, which is said: nothing vouches for where it is from. It must be one of a
/// project's own recipe.
fn from_elsewhere(name: &Name, component: &Component, pin: &Pin) -> Result<Option<Remark>> {
    let (kind, scheme) = (&component.kind, place::scheme(&pin.url));
    if scheme == "https" {
        return Ok(None);
    }
    if PUBLISHED.contains(&kind.as_str()) {
        let what = format!("url: expected scheme `https` for a component of `{kind}`, found `{scheme}`");
        return Err(refuse(name.as_str(), what)
            .hint("only components of a project's own recipes may have http: and file: URLs"));
    }
    Ok(Some(Remark::Plain { name: name.clone(), url: pin.url.clone() }))
}

/// A pin that has no place in the recipe must be a Debian package that the lock has at that version or newer: the lock
/// knows who signed for it, and what it depends on.
fn from_lock(name: &Name, pin: &Pin, lock: &Lock) -> Result<Remark> {
    let Pin { version: pinned, form, .. } = pin;
    if *form != Form::Deb {
        return Err(refuse(
            name.as_str(),
            "the manifest pins it, but no recipe says where to install it".to_owned(),
        ));
    }
    let Some(locked) = lock.packages.iter().find(|package| package.name == *name) else {
        let what =
            format!("the manifest pins version `{pinned}` of this package, but the lock does not have it");
        let hint = format!("add `{name}` to [packages] install of the recipe, and lock again");
        return Err(refuse(name.as_str(), what).hint(hint));
    };
    let LockedPackage { version: locked, .. } = locked;
    if order(locked, pinned).is_none_or(Ordering::is_lt) {
        let what = format!("expected version `{pinned}` or later in the lock, found `{locked}`");
        let again = Remedy::LockAgain(lock.kind.clone(), lock.arch);
        return Err(refuse(name.as_str(), what).remedy(again));
    }
    Ok(Remark::FromLock { name: name.clone(), pinned: pinned.clone(), locked: locked.clone() })
}

/// How the version of a locked package compares with that of a pin; none where one is not a version. Upstream's manifests leave
/// epochs out, as names of files do: where the pin has none, that of the lock does not count.
fn order(locked: &str, pinned: &str) -> Option<Ordering> {
    let locked = if pinned.contains(':') { locked } else { without_epoch(locked) };
    Some(Version::parse(locked).ok()?.cmp(&Version::parse(pinned).ok()?))
}

/// An entry for no cloud in particular is for all; one for some clouds is left out of an image for any.
fn is_for(providers: &[Provider], provider: Option<Provider>) -> bool {
    providers.is_empty() || provider.is_some_and(|provider| providers.contains(&provider))
}

/// A .deb is unpacked as a package and has no files of its own; a binary is one file; a disk image is not a component.
fn fits(name: &Name, component: &Component, pin: &Pin) -> Result<()> {
    let fault = match pin.form {
        form if form != Form::Deb && !component.privileges.is_empty() => {
            "`privileges` is only for a .deb: the recipe itself says where the files of any other component go"
        }
        Form::Deb if !component.files.is_empty() => {
            "a .deb is unpacked as a package; it must not have `files`"
        }
        Form::Binary if component.files.is_empty() || component.files.iter().any(|file| file.from != ".") => {
            "a binary is one file: expected `from = \".\"`"
        }
        Form::TarGz if component.files.is_empty() => "`files` does not say which of its files go where",
        Form::Qcow2 => "a disk image cannot be a component",
        _ => return Ok(()),
    };
    Err(refuse(name.as_str(), format!("recipe of `{}`: {fault}", component.kind)))
}
