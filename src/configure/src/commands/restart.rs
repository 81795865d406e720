//! `configure restart`: enables, starts and restarts services as the settings say.
//!
//! One service that fails does not stop the rest; the exit code says that one did.

use crate::names::{Provider, Role};
use crate::refusal::{Class, Fault, Refusal, Result};
use crate::root::Root;
use crate::services::Service;
use crate::settings::{Settings, When};
use std::process::{Command, Stdio};

/// Runs it.
pub fn run(root: &Root) -> Result<()> {
    let image = crate::install::load(root)?;
    let settings = {
        let _lock = super::lock::take(root)?;
        let inputs = crate::bootstrap::read(root, &image)?;
        if inputs.when == When::FirstRun {
            return Err(Fault::new(crate::names::DONE, "wanted a node that has been configured")
                .hint("run configure first")
                .into());
        }
        crate::settings::check(&inputs.layers, &image, inputs.when).map_err(Refusal::input)?
    };
    carry_out(&commands(&settings))
}

/// What `systemctl` is asked, in order.
#[must_use]
pub fn commands(settings: &Settings) -> Vec<Vec<&'static str>> {
    let mut out = vec![vec!["daemon-reload"], vec!["enable", "nstance-recv-watch.service"]];
    for unit in ["nstance-recv-watch.path", "hosts-refresh.timer"] {
        out.extend([vec!["enable", unit], vec!["start", unit]]);
    }
    for service in Service::ALL.into_iter().filter(|service| service.is_of(settings.role)) {
        let (first, second) = match is_on(service, settings) {
            Some(true) => ("enable", "restart"),
            Some(false) => ("disable", "stop"),
            None => continue,
        };
        out.extend([vec![first, service.unit()], vec![second, service.unit()]]);
    }
    out
}

/// Whether the settings want it; none for a service that this node does not have.
#[must_use]
pub fn is_on(service: Service, settings: &Settings) -> Option<bool> {
    match service {
        Service::FluentBit => Some(settings.telemetry.is_some()),
        Service::Zot => Some(settings.registry.is_some()),
        Service::Kube2iam => (settings.provider == Provider::Aws).then_some(true),
        Service::Netsy | Service::KubeApiserver | Service::KubeControllerManager | Service::KubeScheduler => {
            (settings.role == Role::ControlPlane).then_some(true)
        }
        Service::Containerd | Service::NstanceAgent | Service::Kubelet => Some(true),
    }
}

/// Asks `systemctl` each of `commands`; all that failed are told at the end. Without a reload nothing else is asked.
pub fn carry_out(commands: &[Vec<&'static str>]) -> Result<()> {
    let mut faults = Vec::new();
    for words in commands {
        let what = format!("systemctl {}", words.join(" "));
        let wrong = match Command::new("systemctl").args(words).stdin(Stdio::null()).status() {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("it ended with {status}")),
            Err(error) => Some(format!("it cannot be run: {error}")),
        };
        if let Some(wrong) = wrong {
            let unit = words.last().copied().unwrap_or_default();
            faults.push(
                Fault::new(what, format!("wanted success: {wrong}"))
                    .hint(format!("`journalctl -b -u {unit}` says why")),
            );
            if words.first() == Some(&"daemon-reload") {
                break;
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal { class: Class::Io, faults }) }
}
