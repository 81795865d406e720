//! `configure merge SRC DEST`: a delivered `mutable.env` into the live one, whole or not at all.

use super::lock;
use crate::bootstrap::{self, layer};
use crate::delivery;
use crate::install::Image;
use crate::layers::{Layer, Layers};
use crate::names::{DEFAULTS, DETECTED, DONE, MUTABLE};
use crate::plan::Plan;
use crate::refusal::{Fault, Refusal, Result};
use crate::root::Root;
use crate::settings;

#[cfg(test)]
mod tests;

/// Runs it; `delete` removes the source once the settings are durable.
pub fn run(root: &Root, source: &str, destination: &str, delete: bool) -> Result<()> {
    let _lock = lock::take(root)?;
    let image = crate::install::load(root)?;
    let bytes = root
        .read(source, delivery::LIMIT)?
        .ok_or_else(|| Fault::new(source, "expected a file, found none"))?;
    let defaults = layer(root, DEFAULTS)?.ok_or_else(|| {
        Fault::new(DEFAULTS, "expected the image's defaults, found none").hint("bake the image again")
    })?;
    let delivered = delivery::parse(&bytes, source, image.role, &defaults).map_err(Refusal::input)?;
    let present = layer(root, destination)?.unwrap_or_default();
    allowed(root, source, &present, &delivered.settings)?;
    let merged = delivery::merge(&defaults, &present, &delivered.settings);
    told_before(root, &image, destination, &merged)?;
    let text = merged.text().ok_or_else(|| {
        Fault::new(
            destination,
            "expected values without control characters, and at most 64 KiB and 4096 lines of them together",
        )
    })?;
    let mut plan = Plan::default();
    plan.file(destination, 0o600, ("root", "root"), text.into_bytes(), None);
    plan.remove(&format!("{destination}.tmp"), None);
    if delete {
        plan.remove(source, None);
    }
    let applied = crate::apply::apply(root, &plan, &crate::accounts::Accounts::read(root)?.ids())?;
    let notes: Vec<String> = delivered.unknown.iter().map(|one| one.note(source)).collect();
    super::configure::report(&applied, &notes);
    Ok(())
}

/// Refuses what the image's policy fixes. Until the first run is done there is no agent, and only user-data's own scripts
/// can have called.
fn allowed(root: &Root, source: &str, present: &Layer, delivered: &delivery::Delivery) -> Result<()> {
    let policy = crate::policy::load(root)?;
    if !root.exists(DONE)? {
        return Ok(());
    }
    // files that are damaged are told of by whoever configures; here they give nothing, and so allow less
    let present = Layers {
        user_data: bootstrap::user_data(root).unwrap_or_default(),
        detected: layer(root, DETECTED).ok().flatten().unwrap_or_default(),
        mutable: present.clone(),
    };
    let faults = crate::policy::check(&policy, &present, delivered, source);
    if faults.is_empty() { Ok(()) } else { Err(Refusal::input(faults)) }
}

/// Refuses what would break the next configuration: faults that the settings together have with `merged`, and had not
/// before. A node that is broken already can still be mended by a delivery.
fn told_before(root: &Root, image: &Image, destination: &str, merged: &Layer) -> Result<()> {
    if destination != MUTABLE || !root.exists(DONE)? {
        return Ok(());
    }
    let Ok(mut inputs) = bootstrap::read(root, image) else { return Ok(()) };
    let before = settings::check(&inputs.layers, image, inputs.when).err().unwrap_or_default();
    inputs.layers.mutable = merged.clone();
    let mut after = settings::check(&inputs.layers, image, inputs.when).err().unwrap_or_default();
    // lines are those of a file that is not written yet
    after.iter_mut().filter(|fault| fault.place == MUTABLE).for_each(|fault| fault.line = None);
    let is_new = |fault: &Fault| !before.iter().any(|old| (&old.key, &old.rule) == (&fault.key, &fault.rule));
    after.retain(is_new);
    if after.is_empty() { Ok(()) } else { Err(Refusal::input(after)) }
}
