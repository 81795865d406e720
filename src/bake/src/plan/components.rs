//! Which components of the manifest an image gets.

use super::{PlannedComponent, refuse};
use crate::manifest::{Entry, Form, Manifest, Pin};
use crate::name::{Name, Provider};
use crate::policy::Policy;
use crate::recipe::{Component, Recipe};
use crate::refusal::Result;

/// The components of `recipe` for `provider`, by name, each with its pin; all of them must be pinned, and all that
/// the manifest pins must have a place in the recipe.
pub(super) fn chosen(
    recipe: &Recipe,
    manifest: &Manifest,
    policy: &Policy,
    provider: Option<Provider>,
) -> Result<Vec<PlannedComponent>> {
    let mut chosen = Vec::new();
    for (name, component) in &recipe.components {
        let Some(entry) = manifest.components.get(name) else {
            let what =
                format!("the recipe of `{}` places it, and the manifest does not have it", component.kind);
            return Err(refuse(name.as_str(), what));
        };
        if !(is_for(&component.providers, provider) && is_for(entry.providers(), provider)) {
            continue;
        }
        let pin = pinned(name, entry)?;
        policy.check(name, &pin.version, &pin.digest, true)?;
        fits(name, component, pin)?;
        chosen.push(PlannedComponent { name: name.clone(), pin: pin.clone(), install: component.clone() });
    }
    for (name, entry) in &manifest.components {
        if matches!(entry, Entry::Pinned(_)) && !recipe.components.contains_key(name) {
            return Err(refuse(
                name.as_str(),
                "the manifest pins it, and no recipe says where it goes".to_owned(),
            ));
        }
    }
    Ok(chosen)
}

/// An entry for no cloud in particular is for all; one for some clouds is left out of an image for any.
fn is_for(providers: &[Provider], provider: Option<Provider>) -> bool {
    providers.is_empty() || provider.is_some_and(|provider| providers.contains(&provider))
}

fn pinned<'a>(name: &Name, entry: &'a Entry) -> Result<&'a Pin> {
    match entry {
        Entry::Pinned(pin) => Ok(pin),
        Entry::Unpinned { version, .. } => {
            let what =
                format!("version `{version}` is declared but not pinned: url, digest and size are not known");
            Err(refuse(name.as_str(), what).hint(
                "fill in its url, digest and size in the manifest, from what upstream publishes and signs",
            ))
        }
    }
}

/// A .deb is unpacked as a package and has no files of its own; a binary is one file; a disk image is no component.
fn fits(name: &Name, component: &Component, pin: &Pin) -> Result<()> {
    let fault = match pin.form {
        Form::Deb if !component.files.is_empty() => "a .deb is unpacked as a package: `files` has no place",
        Form::Binary if component.files.is_empty() || component.files.iter().any(|file| file.from != ".") => {
            "a binary is one file: `from` is `.`"
        }
        Form::TarGz if component.files.is_empty() => "`files` does not say which of its files go where",
        Form::Qcow2 => "a disk image is no component",
        _ => return Ok(()),
    };
    Err(refuse(name.as_str(), format!("recipe of `{}`: {fault}", component.kind)))
}
