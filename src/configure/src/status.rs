//! What a node is: configured or not, when, from what, what differs from the settings, and which services wait for what.
//!
//! Nothing is written and nobody is asked: it is all on disk, and the difference is what the next run of configure would
//! write. No value of any setting is in it, only where each comes from.

mod show;
#[cfg(test)]
mod tests;

pub use show::{json, text};

use crate::bootstrap::{self, Inputs};
use crate::commands::restart::is_on;
use crate::install::{self, Image};
use crate::keys::KEYS;
use crate::names::{DETECTED, DONE, MUTABLE, STAGING, USER_DATA};
use crate::plan::Plan;
use crate::policy::{self, Change};
use crate::receive::record::RECORD;
use crate::refusal::{Fault, Refusal, Result};
use crate::root::Root;
use crate::services::Service;
use crate::settings::{self, Settings, When};
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// The most bytes of the marker.
const LIMIT: usize = 64 * 1024;

/// A file and when it was written.
pub type Written = (String, SystemTime);

/// What was found.
#[derive(Default)]
pub struct Status {
    /// What the image is; none when it does not say.
    pub image: Option<Image>,
    /// When the first run was done, RFC 3339; none before.
    pub completed_at: Option<String>,
    /// Whether another run is under way.
    pub busy: bool,
    /// Whether a run was interrupted after it had decided: the next one completes it.
    pub interrupted: bool,
    /// The three files of settings, as far as they are there.
    pub inputs: Vec<Written>,
    /// Which file each setting comes from that is given at all; its line where that is known.
    pub origins: BTreeMap<&'static str, (&'static str, u32)>,
    /// What configure wrote last of what is as it should be.
    pub changed: Option<Written>,
    /// Paths that the next run would write or remove.
    pub differs: BTreeSet<String>,
    /// What stands in the way of the next run.
    pub faults: Vec<Fault>,
    /// What the next run would pass over, and why.
    pub notes: Vec<String>,
    /// The services of this role, in the order of restarts.
    pub services: Vec<Waiting>,
    /// Classes and settings that no delivery may change, with the line of the policy.
    pub fixed: Vec<(&'static str, u32)>,
    /// What is remembered of deliveries; none before the first.
    pub delivery: Option<Delivered>,
}

/// What is remembered of deliveries; empty where there is nothing to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// When that last changed, RFC 3339.
    pub at: String,
    /// The number of the last one that was taken.
    pub generation: String,
    /// Keys in its settings that this image does not know.
    pub unknown: Vec<String>,
    /// Why the last one was refused, until one is taken.
    pub refused: String,
    /// Services that are still to be restarted.
    pub restart: Vec<String>,
    /// Services that could not be.
    pub failed: Vec<String>,
}

/// A service and what it starts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub service: Service,
    /// Whether the settings want it; none while they cannot be told.
    pub on: Option<bool>,
    /// The setting without which it is off.
    pub setting: Option<&'static str>,
    /// Files that are not there or empty, without which its unit is passed over.
    pub missing: Vec<&'static str>,
}

/// Looks at the node at `root`.
pub fn look(root: &Root) -> Result<Status> {
    let mut status = Status::default();
    let lock = crate::commands::lock::glance(root)?;
    status.busy = lock.is_none();
    status.interrupted = lock.is_some() && root.exists(STAGING)?;
    if let Some(text) = root.read_text(DONE, LIMIT)? {
        status.completed_at = Some(text.trim().trim_start_matches("completed_at=").to_owned());
    }
    for path in [USER_DATA, DETECTED, MUTABLE] {
        if let Some((_, time)) = root.size_and_time(path)? {
            status.inputs.push((path.to_owned(), time));
        }
    }
    status.delivery = delivered(root);
    match policy::load(root) {
        Ok(policy) => {
            let fixed = policy.lines().filter(|line| line.change == Change::UserData);
            status.fixed = fixed.map(|line| (line.name, line.line)).collect();
        }
        Err(refusal) => status.faults.extend(refusal.faults),
    }
    match install::load(root) {
        Ok(image) => {
            settled(root, &image, &mut status)?;
            status.image = Some(image);
        }
        Err(refusal) => status.faults.extend(refusal.faults),
    }
    Ok(status)
}

/// A record that cannot be read is as none.
fn delivered(root: &Root) -> Option<Delivered> {
    let record = bootstrap::layer(root, RECORD).ok().flatten()?;
    let text = |key: &str| record.get(key).unwrap_or_default().to_owned();
    let list = |key: &str| text(key).split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some(Delivered {
        at: text("AT"),
        generation: text("GENERATION"),
        unknown: list("UNKNOWN"),
        refused: text("WHY"),
        restart: list("RESTART"),
        failed: list("FAILED"),
    })
}

/// The part that needs settings. What stands in their way is part of the answer.
fn settled(root: &Root, image: &Image, status: &mut Status) -> Result<()> {
    let checked = bootstrap::read(root, image).and_then(|inputs| {
        for key in KEYS {
            if let Some(found) = inputs.layers.find(key.name).filter(|found| !found.value.is_empty()) {
                status.origins.insert(key.name, (found.place, found.line));
            }
        }
        let settings = settings::check(&inputs.layers, image, inputs.when).map_err(Refusal::input)?;
        Ok((inputs, settings))
    });
    let settings = match checked {
        Ok((inputs, settings)) => {
            if let Err(refusal) = compare(root, &inputs, &settings, status) {
                status.faults.extend(refusal.faults);
            }
            Some(settings)
        }
        Err(refusal) => {
            status.faults.extend(refusal.faults);
            None
        }
    };
    for service in Service::ALL.into_iter().filter(|service| service.is_of(image.role, image.cache)) {
        let on = settings.as_ref().map(|settings| is_on(service, settings));
        let mut missing = Vec::new();
        for path in service.needs() {
            if root.size_and_time(path)?.is_none_or(|(size, _)| size == 0) {
                missing.push(*path);
            }
        }
        let waits = settings.iter().flat_map(|settings| &settings.waits);
        let setting = waits.filter(|wait| wait.service == Some(service)).map(|wait| wait.key).next();
        status.services.push(Waiting { service, on, setting, missing });
    }
    Ok(())
}

/// What the next run would write, and what the last one wrote. The API server's addresses are taken as they are: no name
/// server is asked. Before the first run everything differs, and nothing is said.
fn compare(root: &Root, inputs: &Inputs, settings: &Settings, status: &mut Status) -> Result<()> {
    let mut found = crate::found::read(root, settings.get("OIDC_CA_FILE"))?;
    found.settled = inputs.when == When::Later;
    let none = settings.get("KUBE_API_INTERNAL_LB_HOSTNAME").is_empty().then_some(&[][..]);
    status.notes = settings.notes();
    let mut plan = crate::render::render(settings, &found, none).map_err(Refusal::input)?;
    status.notes.append(&mut plan.notes);
    if inputs.when == When::FirstRun {
        return Ok(());
    }
    let ids = crate::commands::configure::planned_accounts(&found, &plan).ids();
    status.differs = crate::apply::difference(root, &plan, &ids)?;
    status.changed = newest(root, &plan, &status.differs)?;
    Ok(())
}

fn newest(root: &Root, plan: &Plan, differs: &BTreeSet<String>) -> Result<Option<Written>> {
    let mut out: Option<Written> = None;
    for file in plan.files.iter().filter(|file| !differs.contains(&file.path)) {
        if let Some((_, time)) = root.size_and_time(&file.path)?
            && out.as_ref().is_none_or(|(_, newest)| time > *newest)
        {
            out = Some((file.path.clone(), time));
        }
    }
    Ok(out)
}
