//! `configure hosts`: the refresh of the API server's addresses; nothing else is looked at, and nothing is printed when
//! nothing changes.

use super::lock;
use crate::found::Found;
use crate::names::Role;
use crate::plan::Plan;
use crate::refusal::Result;
use crate::root::Root;

/// Runs it. The name is asked for before the lock is taken: a slow name server must not hold up a delivery.
pub fn run(root: &Root) -> Result<()> {
    let image = crate::install::load(root)?;
    let host = host(root)?;
    let addresses = match (image.role, host.as_str()) {
        (Role::ControlPlane, _) | (_, "") => Vec::new(),
        (Role::Worker, host) => crate::probe::resolve(host),
    };
    let _lock = lock::alone(root)?;
    // the setting may have changed meanwhile: then the run that changed it has asked
    if self::host(root)? != host || (image.role == Role::Worker && !host.is_empty() && addresses.is_empty()) {
        return Ok(());
    }
    let mut found = Found { accounts: crate::accounts::Accounts::read(root)?, ..Found::default() };
    if let Some(text) = root.read_text("/etc/hosts", 1024 * 1024)? {
        found.files.insert("/etc/hosts", text);
    }
    let mut plan = Plan::default();
    crate::render::hosts::render(image.role, &found, Some(&addresses), &mut plan);
    // its unit may write in /etc only; a set that a crash left half-way may hold a newer file
    let half_way = root.exists(crate::names::STAGING)?;
    for file in plan.files.iter().filter(|_| !half_way) {
        if crate::apply::replace(root, file, &found.accounts.ids())? {
            crate::console::say(&format!("changed {}\n", file.path));
        }
    }
    Ok(())
}

fn host(root: &Root) -> Result<String> {
    let layers = crate::layers::Layers {
        user_data: crate::bootstrap::user_data(root)?,
        detected: crate::layers::Layer::default(),
        mutable: crate::bootstrap::layer(root, crate::names::MUTABLE)?.unwrap_or_default(),
    };
    let host = layers.value("KUBE_API_INTERNAL_LB_HOSTNAME");
    Ok(if crate::rules::Rule::Host.holds(host) { host.to_owned() } else { String::new() })
}
