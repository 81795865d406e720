//! What is planned of the program that gives an instance its identity, where that is not cloud-init.

use super::{Choices, refuse};
use crate::lock::Lock;
use crate::recipe::{self, Recipe};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tree::digest::Sha256;
use tree::refusal::Result;

/// What gives an instance its identity, with its units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedFirstBoot {
    /// Its digest.
    pub digest: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// The digests of its units and their preset.
    pub units: BTreeMap<String, Sha256>,
    /// Its bytes.
    #[serde(skip)]
    pub bytes: Arc<[u8]>,
}

pub(super) fn first_boot(
    recipe: &Recipe,
    lock: &Lock,
    choices: &Choices,
) -> Result<Option<PlannedFirstBoot>> {
    let is_native = recipe.first_boot == recipe::FirstBoot::Native;
    if is_native && lock.packages.iter().any(|package| package.name.as_str() == recipe::FIRST_BOOT_PACKAGE) {
        let cause = "`first-boot` is `native`, and a package depends on `cloud-init`".to_owned();
        return Err(refuse("lock", cause)
            .hint("remove that package from `packages.install`; `why cloud-init` names it"));
    }
    match (recipe.first_boot, &choices.first_boot) {
        (recipe::FirstBoot::CloudInit, _) => Ok(None),
        (recipe::FirstBoot::Native, None) => {
            Err(refuse("first-boot", "the recipe has it, but it was not built".to_owned()))
        }
        (recipe::FirstBoot::Native, Some(bytes)) => Ok(Some(PlannedFirstBoot {
            digest: Sha256::of(bytes),
            size: bytes.len() as u64,
            units: crate::stage::first_boot_units()
                .map(|(name, bytes)| (name.to_owned(), Sha256::of(bytes)))
                .collect(),
            bytes: bytes.clone(),
        })),
    }
}
