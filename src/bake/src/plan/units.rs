//! Units that come and go with a component: of two registries, or of a program for one cloud.

use super::PlannedComponent;
use crate::recipe::Recipe;
use std::collections::{BTreeMap, BTreeSet};
use tree::name::{ImagePath, Kind};

/// What of the recipe's units is in an image.
pub(super) struct Units {
    /// Those that are enabled, with whose recipe says so.
    pub(super) enable: BTreeMap<String, Kind>,
    /// The files of those whose component is not in the image.
    pub(super) absent: BTreeSet<ImagePath>,
}

/// The units of an image with these components.
pub(super) fn of(recipe: &Recipe, components: &[PlannedComponent]) -> Units {
    let mut units = Units { enable: recipe.enable.clone(), absent: BTreeSet::new() };
    for (name, component) in &recipe.components {
        if components.iter().any(|planned| planned.name == *name) {
            let own = component.units.iter().map(|unit| (unit.clone(), component.kind.clone()));
            units.enable.extend(own);
        } else {
            // the name of a unit is a part of a path
            let files = component.units.iter().map(|unit| format!("/etc/systemd/system/{unit}"));
            units.absent.extend(files.filter_map(|file| file.parse::<ImagePath>().ok()));
        }
    }
    units
}
