//! `configure restart`: enables, starts and restarts services as the settings say.
//!
//! One service that fails does not stop the rest; the exit code says that one did.

use crate::names::Provider;
use crate::refusal::{Class, Fault, Refusal, Result};
use crate::root::Root;
use crate::services::Service;
use crate::settings::{Settings, When};
use std::collections::BTreeSet;
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
    let mut absent = BTreeSet::new();
    for service in Service::ALL {
        if !is_there(root, service)? {
            absent.insert(service);
        }
    }
    carry_out(&commands(&settings, &absent))
}

/// Whether the image has the service's unit. An image for one provider lacks those of others (`kube2iam`), and `systemctl`
/// fails to switch off what is not there. One that is wanted is asked for all the same: that it is missing has to be seen.
pub(super) fn is_there(root: &Root, service: Service) -> Result<bool> {
    root.exists(&format!("/etc/systemd/system/{}.service", service.unit()))
}

/// What `systemctl` is asked, in order, in an image that lacks the units of `absent`.
#[must_use]
pub fn commands(settings: &Settings, absent: &BTreeSet<Service>) -> Vec<Vec<&'static str>> {
    let mut out = vec![vec!["daemon-reload"], vec!["enable", "nstance-recv-watch.service"]];
    for unit in ["nstance-recv-watch.path", "hosts-refresh.timer"] {
        out.extend([vec!["enable", unit], vec!["start", unit]]);
    }
    for service in Service::ALL.into_iter().filter(|service| service.is_of(settings.role)) {
        let unit = service.unit();
        out.extend(match (is_on(service, settings), waits_for_certificates(service)) {
            (false, _) if absent.contains(&service) => vec![],
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
        Service::Zot => settings.registry.is_some(),
        Service::Kube2iam => settings.provider == Provider::Aws,
        _ => true,
    }
}

/// Whether the first delivery starts it: before that it has no certificate, and a restart would say nothing.
fn waits_for_certificates(service: Service) -> bool {
    matches!(service, Service::KubeControllerManager | Service::KubeScheduler | Service::Kubelet)
}

/// Asks `systemctl` each of `commands`; all that failed are told at the end. Without a reload nothing else is asked.
pub fn carry_out(commands: &[Vec<&'static str>]) -> Result<()> {
    let mut faults = Vec::new();
    for words in commands {
        let what = format!("systemctl {}", words.join(" "));
        let wrong = match systemctl(words) {
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

/// The door to the only other program there is.
pub(super) fn systemctl(words: &[&str]) -> std::io::Result<std::process::ExitStatus> {
    #[expect(
        clippy::disallowed_methods,
        reason = "one program with fixed words; nothing else belongs into the image"
    )]
    let mut command = Command::new("systemctl");
    command.args(words).stdin(Stdio::null()).status()
}
