//! `configure merge SRC DEST`: a delivered `mutable.env` into the live one, whole or not at all.

use super::lock;
use crate::bootstrap::layer;
use crate::delivery;
use crate::names::DEFAULTS;
use crate::plan::Plan;
use crate::refusal::{Fault, Refusal, Result};
use crate::root::Root;

/// Runs it; `delete` removes the source once the settings are durable.
pub fn run(root: &Root, source: &str, destination: &str, delete: bool) -> Result<()> {
    let _lock = lock::take(root)?;
    let image = crate::install::load(root)?;
    let bytes =
        root.read(source, delivery::LIMIT)?.ok_or_else(|| Fault::new(source, "wanted a file, got none"))?;
    let defaults = layer(root, DEFAULTS)?.ok_or_else(|| {
        Fault::new(DEFAULTS, "wanted the image's defaults, got none").hint("bake the image again")
    })?;
    let delivered = delivery::parse(&bytes, source, image.role, &defaults).map_err(Refusal::input)?;
    let present = layer(root, destination)?.unwrap_or_default();
    let merged = delivery::merge(&defaults, &present, &delivered);
    let text = merged
        .text()
        .ok_or_else(|| Fault::new(destination, "wanted values without NUL and carriage return"))?;
    let mut plan = Plan::default();
    plan.file(destination, 0o600, ("root", "root"), text.into_bytes(), None);
    plan.remove(&format!("{destination}.tmp"), None);
    if delete {
        plan.remove(source, None);
    }
    let applied = crate::apply::apply(root, &plan, &crate::accounts::Accounts::read(root)?.ids())?;
    super::configure::report(&applied, &[]);
    Ok(())
}
