//! `configure restart`: enables, starts and restarts services as the settings say.
//!
//! One service that fails does not stop the rest; the exit code says that one did.

use super::systemctl::{No, Systemctl};
use crate::refusal::{Class, Fault, Refusal, Result};
use crate::root::Root;
use crate::services::Service;
use crate::settings::{Settings, When};

/// Runs it.
pub fn run(root: &Root, systemctl: &Systemctl) -> Result<()> {
    let image = crate::install::load(root)?;
    let settings = {
        let _lock = super::lock::take(root)?;
        let inputs = crate::bootstrap::read(root, &image)?;
        if inputs.when == When::FirstRun {
            return Err(Fault::new(crate::names::DONE, "expected a node that has been configured")
                .hint("run configure first")
                .into());
        }
        crate::settings::check(&inputs.layers, &image, inputs.when).map_err(Refusal::input)?
    };
    carry_out(root, systemctl, &commands(&settings))
}

/// What `systemctl` is asked, in order.
#[must_use]
pub fn commands(settings: &Settings) -> Vec<Vec<&'static str>> {
    let mut out = vec![vec!["daemon-reload"], vec!["enable", "nstance-recv-watch.service"]];
    for unit in ["nstance-recv-watch.path", "hosts-refresh.timer"] {
        out.extend([vec!["enable", unit], vec!["start", unit]]);
    }
    for service in Service::ALL.into_iter().filter(|service| service.is_of(settings.role, settings.cache)) {
        let unit = service.unit();
        out.extend(match (is_on(service, settings), waits_for_certificates(service)) {
            (false, _) => vec![vec!["disable", unit], vec!["stop", unit]],
            (true, false) => vec![vec!["enable", unit], vec!["restart", unit]],
            (true, true) => vec![vec!["enable", unit]],
        });
    }
    out
}

/// Whether the settings want it; asked of services that this node's role has.
#[must_use]
pub fn is_on(service: Service, settings: &Settings) -> bool {
    match service {
        Service::FluentBit => settings.telemetry.is_some(),
        Service::Zot | Service::Registry => {
            settings.registry.is_some() && service == Service::of_cache(settings.cache)
        }
        Service::Netsy => !settings.get("NETSY_BUCKET").is_empty(),
        Service::Kube2iam => settings.cloud().kube2iam,
        _ => true,
    }
}

/// Whether the first delivery starts it: before that it has no certificate, and a restart would say nothing.
fn waits_for_certificates(service: Service) -> bool {
    matches!(service, Service::KubeControllerManager | Service::KubeScheduler | Service::Kubelet)
}

/// Asks `systemctl` each of `commands`; all that failed are told at the end. Without a reload nothing else is asked.
pub fn carry_out(root: &Root, systemctl: &Systemctl, commands: &[Vec<&'static str>]) -> Result<()> {
    let mut faults = Vec::new();
    for words in commands {
        let what = format!("systemctl {}", words.join(" "));
        let wrong = match systemctl.ask(root, words) {
            Ok(()) => None,
            Err(No::Ended(status)) => Some(format!("it ended with {status}")),
            Err(No::Unasked(error)) => Some(format!("it cannot be run: {error}")),
        };
        if let Some(wrong) = wrong {
            let unit = words.last().copied().unwrap_or_default();
            faults.push(
                Fault::new(what, format!("expected success: {wrong}"))
                    .hint(format!("`journalctl -b -u {unit}` says why")),
            );
            if words.first() == Some(&"daemon-reload") {
                break;
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal { class: Class::Io, faults }) }
}
