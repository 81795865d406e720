//! What gives an instance its identity: cloud-init, or the program of this project that answers to its name.

use super::Recipe;
use std::collections::BTreeMap;
use tree::name::{Kind, Name};

/// The package that the program replaces.
pub(crate) const PACKAGE: &str = "cloud-init";
/// What cloud-init depends on, and what only that needs.
const CLIENT: (&str, &str) = ("dhcpcd-base", "dhcpcd");
/// Units of cloud-init that the program has none for.
const NOT_OURS: [&str; 2] = ["cloud-init-hotplugd.socket", "cloud-init-main.service"];
/// What turns either off.
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";
/// Folders of what configures and extends cloud-init.
const FOLDERS: [&str; 2] = ["/etc/cloud/", "/usr/lib/python3/dist-packages/cloudinit/"];
/// Units that the program has, by cloud-init's names: others are ordered by them.
pub(crate) const UNITS: [&str; 5] = [
    "cloud-config.service",
    "cloud-final.service",
    "cloud-init-local.service",
    "cloud-init-network.service",
    "cloud-init.target",
];

/// What gives an instance its identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstBoot {
    /// Debian's package, where the recipe asks for it.
    #[default]
    CloudInit,
    /// The program of this project, static and without Python.
    Native,
}

/// Whether a recipe names the package itself. An inherited one is taken out instead.
pub(super) fn is_asked_for(lists: [&Vec<Name>; 3]) -> bool {
    lists.into_iter().flatten().any(|name| name.as_str() == PACKAGE)
}

/// Takes cloud-init and what is only for it out of a recipe, and enables the program's units.
pub(super) fn replace(recipe: &mut Recipe, kind: &Kind) {
    recipe.packages.retain(|name, _| name.as_str() != PACKAGE);
    if !recipe.packages.keys().any(|name| name.as_str() == CLIENT.0) {
        recipe.users.remove(CLIENT.1);
    }
    recipe.files.retain(|(path, _), _| {
        path.as_str() == DISABLED || !FOLDERS.iter().any(|folder| path.as_str().starts_with(folder))
    });
    for units in [&mut recipe.enable, &mut recipe.disable] {
        units.retain(|unit, _: &mut Kind| !NOT_OURS.contains(&unit.as_str()));
    }
    let enabled: BTreeMap<String, Kind> =
        UNITS.iter().map(|unit| ((*unit).to_owned(), kind.clone())).collect();
    recipe.disable.retain(|unit, _| !enabled.contains_key(unit));
    for (unit, kind) in enabled {
        recipe.enable.entry(unit).or_insert(kind);
    }
}
