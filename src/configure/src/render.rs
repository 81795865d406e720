//! Rendering: settings in, plan out; pure. One small module an output.
//!
//! Files that are wholly ours are written anew from settings; of shared files (`/etc/hosts`, `subuid`, containerd's
//! configuration, kubeconfigs, accounts) only our part is changed. What a feature wrote is removed when it is off: no
//! secret stays behind.

pub mod admin;
pub mod containerd;
pub mod directories;
pub mod env;
pub mod fluent_bit;
pub mod hosts;
pub mod kube;
pub mod netsy;
pub mod nstance;
pub mod registry;
pub mod subid;
#[cfg(test)]
mod tests;

use crate::found::Found;
use crate::plan::Plan;
use crate::refusal::Fault;
use crate::settings::Settings;
use std::net::IpAddr;

/// The plan for `settings` on what was `found`; `api` are the addresses of the API server on a worker: none while they
/// are not known, which leaves `/etc/hosts` as it is.
pub fn render(settings: &Settings, found: &Found, api: Option<&[IpAddr]>) -> Result<Plan, Vec<Fault>> {
    let mut plan = Plan::default();
    let mut faults = Vec::new();
    directories::render(settings, found, &mut plan);
    nstance::render(settings, found, &mut plan, &mut faults);
    kube::render(settings, found, &mut plan, &mut faults);
    netsy::render(settings, &mut plan);
    registry::render(settings, found, &mut plan);
    containerd::render(settings, found, &mut plan, &mut faults);
    fluent_bit::render(settings, &mut plan);
    subid::render(found, &mut plan);
    hosts::render(settings.role, found, api, &mut plan);
    admin::render(settings, found, &mut plan, &mut faults);
    if faults.is_empty() { Ok(plan) } else { Err(faults) }
}
