//! `configure`: from the three files to the disk.

use super::lock;
use crate::accounts::{Accounts, Ids};
use crate::apply::{self, Applied};
use crate::bootstrap::{self, Inputs};
use crate::found::{self, Found};
use crate::install::{self, Image};
use crate::names::Role;
use crate::plan::Plan;
use crate::refusal::{Fault, Refusal, Result};
use crate::root::Root;
use crate::rules::parse_host_port;
use crate::settings::{self, Settings, When};
use std::net::IpAddr;
use std::time::SystemTime;

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    All,
    /// Only what the first run writes for itself.
    FirstRun,
}

/// Runs it, and says one line a changed file.
pub fn run(root: &Root, extent: Extent) -> Result<()> {
    let lock = lock::take(root)?;
    let image = install::load(root)?;
    let inputs = bootstrap::read(root, &image)?;
    let (applied, notes) = match extent {
        Extent::All => bring(root, &image, &inputs)?,
        Extent::FirstRun => (first_run(root, &image, &inputs)?, Vec::new()),
    };
    drop(lock);
    report(&applied, &notes);
    Ok(())
}

/// Makes the node what `inputs` say; under the lock. Also what was passed over.
pub fn bring(root: &Root, image: &Image, inputs: &Inputs) -> Result<(Applied, Vec<String>)> {
    let mut prepared = prepare(root, image, inputs)?;
    let mut applied = apply::apply_at_boot(root, &prepared.plan, &prepared.ids)?;
    prepared.notes.append(&mut applied.notes);
    Ok((applied, prepared.notes))
}

/// All that is decided before anything is written.
pub struct Prepared {
    /// The checked settings.
    pub settings: Settings,
    /// What follows from them.
    pub plan: Plan,
    /// The numbers of the accounts as they will be.
    pub ids: Ids,
    /// What was passed over.
    pub notes: Vec<String>,
}

/// Decides it, reading only; under the lock.
pub fn prepare(root: &Root, image: &Image, inputs: &Inputs) -> Result<Prepared> {
    let settings = settings::check(&inputs.layers, image, inputs.when).map_err(Refusal::input)?;
    let mut notes = settings.notes();
    if inputs.when == When::FirstRun && inputs.asked.is_none() {
        ask(&settings)?;
    }
    let api = api_addresses(&settings, inputs, &mut notes)?;
    let mut found = found::read(root, settings.get("OIDC_CA_FILE"))?;
    found.settled = inputs.when == When::Later;
    let mut plan = crate::render::render(&settings, &found, api.as_deref()).map_err(Refusal::input)?;
    bootstrap::plan(inputs, SystemTime::now(), &mut plan);
    notes.append(&mut plan.notes);
    let ids = planned_accounts(&found, &plan).ids();
    Ok(Prepared { settings, plan, ids, notes })
}

/// Whether both servers answer; before anything is written, and only once: later they may be away for a while.
fn ask(settings: &Settings) -> Result<()> {
    let keys = ["NSTANCE_SERVER_REGISTRATION_ADDR", "NSTANCE_SERVER_AGENT_ADDR"];
    let servers: Vec<_> =
        keys.into_iter().filter_map(|key| Some((key, parse_host_port(settings.get(key))?))).collect();
    crate::probe::servers(&servers)
}

/// A worker's addresses of the API server. A name that is not known any more leaves them as they are; one that was never
/// known is a mistake.
fn api_addresses(
    settings: &Settings,
    inputs: &Inputs,
    notes: &mut Vec<String>,
) -> Result<Option<Vec<IpAddr>>> {
    const KEY: &str = "KUBE_API_INTERNAL_LB_HOSTNAME";
    let host = settings.get(KEY);
    if settings.role == Role::ControlPlane || host.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let addresses = match &inputs.asked {
        Some(asked) => asked.clone(),
        None => crate::probe::resolve(host),
    };
    if !addresses.is_empty() {
        return Ok(Some(addresses));
    }
    if inputs.when == When::FirstRun {
        let place = inputs.layers.find(KEY).map_or(crate::names::MUTABLE, |found| found.place);
        let fault = Fault::new(place, "expected a name with an address").key(KEY);
        return Err(fault
            .hint("does this node's name server know it? configure tries again when it is run again")
            .into());
    }
    // who asked before this run knows what came of it
    if inputs.asked.is_none() {
        notes.push(format!("{KEY} has no address now: /etc/hosts stays, and the next refresh asks again"));
    }
    Ok(None)
}

/// The accounts as they will be.
pub(crate) fn planned_accounts(found: &Found, plan: &Plan) -> Accounts {
    let mut accounts = found.accounts.clone();
    for file in &plan.files {
        let text = || String::from_utf8_lossy(&file.bytes).into_owned();
        match file.path.as_str() {
            "/etc/passwd" => accounts.passwd = text(),
            "/etc/group" => accounts.group = text(),
            _ => {}
        }
    }
    accounts
}

/// Only `detected.env`, `mutable.env` and the marker.
fn first_run(root: &Root, image: &Image, inputs: &Inputs) -> Result<Applied> {
    settings::check(&inputs.layers, image, inputs.when).map_err(Refusal::input)?;
    let mut plan = Plan::default();
    bootstrap::plan(inputs, SystemTime::now(), &mut plan);
    apply::apply(root, &plan, &Accounts::read(root)?.ids())
}

/// One line a file that changed, and what was passed over.
pub fn report(applied: &Applied, notes: &[String]) {
    let mut text: String =
        notes.iter().map(|note| format!("note: {}\n", crate::refusal::printable(note))).collect();
    text.extend(applied.changed.iter().map(|path| format!("changed {}\n", crate::refusal::printable(path))));
    if applied.changed.is_empty() {
        text.push_str("nothing to change\n");
    }
    crate::console::say(&text);
}

#[cfg(test)]
mod broken;
