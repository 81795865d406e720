//! `configure receive`: a delivery into place, and the services that read it restarted; see [`crate::receive`].

use super::configure::prepare;
use super::lock;
use super::restart::is_on;
use super::systemctl::{No, Systemctl};
use crate::accounts::Accounts;
use crate::apply;
use crate::bootstrap::{self, layer};
use crate::install::Image;
use crate::names::{DEFAULTS, MUTABLE, Role};
use crate::policy::Policy;
use crate::receive::record::{RECORD, Record};
use crate::receive::take::{disarm, take};
use crate::receive::{PACE, judge, rest};
use crate::refusal::{Class, Fault, Refusal, Result};
use crate::root::Root;
use crate::services::Service;
use crate::settings::{self, OidcCa, Settings, When};
use std::collections::BTreeSet;
use std::time::SystemTime;

#[cfg(test)]
mod tests;

/// What of the API server's addresses this program may not ask for itself.
const API: &str = "KUBE_API_INTERNAL_LB_HOSTNAME";

/// Runs it.
pub fn run(root: &Root, systemctl: &Systemctl) -> Result<()> {
    std::thread::sleep(rest(root.modified(RECORD), SystemTime::now()));
    // before anything can fail: a trigger that stays starts this again at once. One that cannot be removed does not do
    // so without end
    disarm(root).inspect_err(|_| std::thread::sleep(PACE))?;
    let image = crate::install::load(root)?;
    let lock = lock::take(root)?;
    let mut record = Record::read(root)?;
    let (settings, steps) = match deliver(root, &image, &mut record) {
        Ok(done) => done,
        Err(refusal) => return Err(once(root, refusal, record.get("DELIVERY"))?),
    };
    // services that require the configuration may want the lock
    drop(lock);
    restart(root, systemctl, &settings, &steps, record)
}

/// What is to be done with a service.
struct Step {
    service: Service,
    /// Whether it was off, or nobody knows.
    turned: bool,
}

/// What follows a delivery that is in place.
struct Steps {
    services: Vec<Step>,
    hosts: bool,
}

fn deliver(root: &Root, image: &Image, record: &mut Record) -> Result<(Settings, Steps)> {
    let taken = take(root, image.role, &Accounts::read(root)?.ids())?;
    record.set("DELIVERY", &taken.name());
    let mut inputs = bootstrap::read(root, image)?;
    let before = settings::check(&inputs.layers, image, inputs.when).ok();
    let defaults = layer(root, DEFAULTS)?.ok_or_else(|| {
        Fault::new(DEFAULTS, "expected the image's defaults, found none").hint("bake the image again")
    })?;
    let mut faults = Vec::new();
    let policy = match crate::policy::load(root) {
        // a disk that cannot say is no doubt about the policy: the next run asks it again
        Err(refusal) if refusal.class != Class::Input => return Err(refusal),
        policy => policy,
    };
    let fixed = crate::policy::fixes_authorities(&policy);
    // before the first run is done there are no settings that could be changed; an authority may be there already
    let policy = if inputs.when == When::Later { policy } else { Ok(Policy::default()) };
    let mut told = taken.notes.clone();
    let merged =
        crate::receive::settings(image.role, &taken, &defaults, &inputs.layers, &policy, record, &mut told);
    let merged = merged.unwrap_or_else(|found| {
        faults.extend(found);
        None
    });
    let mut delivered = crate::plan::Plan::default();
    let installed = judge::installed(root, image.role)?;
    faults.extend(judge::judge(image.role, &taken, &installed, fixed.as_deref(), &mut delivered));
    if !faults.is_empty() {
        return Err(Refusal::input(faults));
    }
    if let Some(merged) = merged {
        let text = merged.text().ok_or_else(|| {
            Fault::new(MUTABLE, "expected at most 64 KiB and 4096 lines of values together")
        })?;
        if inputs.when == When::Later {
            delivered.file(MUTABLE, 0o600, ("root", "root"), text.into_bytes(), None);
        }
        inputs.layers.mutable = merged;
    }
    if inputs.when == When::Later {
        // names are asked for by hosts-refresh, which may talk to name servers
        inputs.asked = Some(Vec::new());
    }
    let mut prepared = prepare(root, image, &inputs).map_err(without_lines)?;
    // at a boot it may have gone since, which is told; a delivery that names a file that is not there is a mistake
    if let OidcCa::File(path) = &prepared.settings.oidc_ca
        && image.role == Role::ControlPlane
        && before.as_ref().is_none_or(|before| before.oidc_ca != prepared.settings.oidc_ca)
        && !root.exists(path)?
    {
        return Err(crate::render::kube::no_oidc_file(path).into());
    }
    prepared.plan.files.append(&mut delivered.files);
    prepared.notes.append(&mut told);
    prepared.notes.append(&mut delivered.notes);
    let mut services = apply::affected(root, &prepared.plan, &prepared.ids)?;
    let waiting = record.services("RESTART");
    services.extend(&waiting);
    services.retain(|service| service.is_of(image.role, image.cache));
    for (key, value) in [("REFUSED", ""), ("WHY", ""), ("FAILED", "")] {
        record.set(key, value);
    }
    record.set_services("RESTART", &services);
    record.plan(SystemTime::now(), &mut prepared.plan);
    let mut applied = apply::apply(root, &prepared.plan, &prepared.ids)?;
    applied.changed.remove(RECORD);
    prepared.notes.append(&mut applied.notes);
    super::configure::report(&applied, &prepared.notes);
    let after = prepared.settings;
    let was_on = |service: Service| before.as_ref().is_some_and(|before| is_on(service, before));
    let turned = |service: Service| {
        before.is_none() || waiting.contains(&service) || was_on(service) != is_on(service, &after)
    };
    let hosts = image.role == Role::Worker
        && !after.get(API).is_empty()
        && before.as_ref().is_none_or(|before| before.get(API) != after.get(API));
    let services = services.into_iter().map(|service| Step { service, turned: turned(service) }).collect();
    Ok((after, Steps { services, hosts }))
}

/// Lines of live settings are those of a file that is not written yet.
fn without_lines(mut refusal: Refusal) -> Refusal {
    refusal.faults.iter_mut().filter(|fault| fault.place == MUTABLE).for_each(|fault| fault.line = None);
    refusal
}

/// Remembers a refused delivery: the same refusal of the same delivery is not told again, only the exit code says it.
fn once(root: &Root, refusal: Refusal, delivery: &str) -> Result<Refusal> {
    if refusal.class != Class::Input {
        return Ok(refusal);
    }
    let ids = Accounts::read(root)?.ids();
    let name = crate::digest::name(&[delivery.as_bytes(), refusal.to_string().as_bytes()]);
    let mut record = Record::read(root)?;
    if record.get("REFUSED") == name {
        return Ok(Refusal { class: Class::Input, faults: Vec::new() });
    }
    record.set("REFUSED", &name);
    record.set_why(&refusal.faults.first().map(ToString::to_string).unwrap_or_default());
    record.write(root, &ids, SystemTime::now())?;
    Ok(refusal)
}

/// Restarts in order, one line a service; afterwards only those wait for it of which systemd could not be asked.
fn restart(
    root: &Root,
    systemctl: &Systemctl,
    settings: &Settings,
    steps: &Steps,
    mut record: Record,
) -> Result<()> {
    let (mut failed, mut unasked) = (BTreeSet::new(), BTreeSet::new());
    let mut faults = Vec::new();
    for step in &steps.services {
        let unit = step.service.unit();
        let words: &[&str] = match (is_on(step.service, settings), step.turned) {
            (true, true) => &["enable", "restart"],
            (true, false) => &["restart"],
            (false, true) => &["disable", "stop"],
            (false, false) => &[],
        };
        let wrong: Vec<Wrong> =
            words.iter().filter_map(|word| ask(root, systemctl, &[word, unit]).err()).collect();
        if !systemctl.is_asked() {
            // whoever starts this root as a system restarts them
            unasked.insert(step.service);
        } else if let Some(first) = wrong.first() {
            let hint = match first {
                Wrong::Failed(_) => format!("`journalctl -b -u {unit}` says why"),
                Wrong::Unasked(_) => "the next run of `configure receive` asks again".to_owned(),
            };
            faults.push(Fault::new(unit, first.rule()).hint(hint));
            let unheard = wrong.iter().any(|one| matches!(one, Wrong::Unasked(_)));
            if unheard { &mut unasked } else { &mut failed }.insert(step.service);
        } else if let Some(last) = words.last() {
            let done = if *last == "restart" { "restarted" } else { "stopped: the settings turn it off" };
            crate::console::say(&format!("{unit}: {done}\n"));
        }
    }
    if steps.hosts
        && let Err(wrong) = ask(root, systemctl, &["start", "--no-block", "hosts-refresh.service"])
    {
        faults
            .push(Fault::new("hosts-refresh", wrong.rule()).hint("its timer starts it within five minutes"));
    }
    if !steps.services.is_empty() {
        let _lock = lock::take(root)?;
        // another delivery came meanwhile: it took over what waited, and writes down what became of it
        if !record.is_still(root)? {
            return outcome(faults);
        }
        record.set_services("RESTART", &unasked);
        record.set_services("FAILED", &failed);
        record.write(root, &Accounts::read(root)?.ids(), SystemTime::now())?;
    }
    outcome(faults)
}

fn outcome(faults: Vec<Fault>) -> Result<()> {
    if faults.is_empty() { Ok(()) } else { Err(Refusal { class: Class::Io, faults }) }
}

/// What went wrong when `systemctl` was asked.
enum Wrong {
    /// It said no: the service's own affair, which is told and not tried again.
    Failed(String),
    /// It could not be run at all.
    Unasked(String),
}

impl Wrong {
    fn rule(&self) -> &str {
        let (Self::Failed(rule) | Self::Unasked(rule)) = self;
        rule
    }
}

/// Asks `systemctl`.
fn ask(root: &Root, systemctl: &Systemctl, words: &[&str]) -> std::result::Result<(), Wrong> {
    let what = words.first().copied().unwrap_or_default();
    systemctl.ask(root, words).map_err(|no| match no {
        No::Ended(status) => {
            Wrong::Failed(format!("expected `systemctl {what}` to succeed: it ended with {status}"))
        }
        No::Unasked(error) => Wrong::Unasked(format!("cannot run systemctl: {error}")),
    })
}
