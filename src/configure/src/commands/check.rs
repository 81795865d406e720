//! `configure check`: what a node would say of settings, on any machine; the same code as at boot and at a delivery.
//!
//! Live settings are held to both: as a delivery, which is how they reach a node, and together with user-data. What only a
//! machine can find out is taken as found.

use crate::bootstrap::parse_user_data;
use crate::delivery::{self, Delivery};
use crate::envfile::{Assignment, FILE_LIMIT};
use crate::found::Found;
use crate::install::{Cache, Image, role_of};
use crate::layers::{Layer, Layers};
use crate::names::{MUTABLE, Role, USER_DATA};
use crate::policy::{self, Policy};
use crate::refusal::{Fault, Refusal, Result, printable};
use crate::render::render;
use crate::settings::When;
use std::io::Read as _;
use std::path::Path;

#[cfg(test)]
mod tests;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// User-data.
    pub user_data: &'a Path,
    /// Live settings.
    pub mutable: Option<&'a Path>,
    /// The image's policy.
    pub policy: Option<&'a Path>,
}

/// Runs it.
pub fn run(files: &Files<'_>, kind: &str, role: Option<&str>) -> Result<()> {
    let told = check(files, kind, role)?;
    if !told.faults.is_empty() {
        return Err(Refusal::input(told.faults));
    }
    let notes = told.notes.iter().map(|note| format!("note: {}\n", printable(note)));
    let mut text: String = notes.collect();
    text.push_str("a node would take these settings\n");
    crate::console::say(&text);
    Ok(())
}

/// What a node would say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Every fault of all files, under the names that they were given by.
    pub faults: Vec<Fault>,
    /// What it would take and pass over, and why; what only a machine can find out is not among it.
    pub notes: Vec<String>,
}

/// Asks it.
pub fn check(files: &Files<'_>, kind: &str, role: Option<&str>) -> Result<Told> {
    let role = role_of(kind, role)
        .ok_or_else(|| super::usage("expected `--kind knd`, `--kind knc`, or another with `--role`"))?;
    let (mut faults, mut notes) = (Vec::<Fault>::new(), Vec::<String>::new());
    // a value that breaks a rule breaks it as a delivery and as a setting: once is enough
    let mut take = |found: Vec<Fault>| {
        for fault in found {
            let is_same =
                |old: &Fault| (&old.place, old.line, &old.key) == (&fault.place, fault.line, &fault.key);
            if !faults.iter().any(is_same) {
                faults.push(fault);
            }
        }
    };
    let user_data = parse_user_data(&read(files.user_data)?).map_err(&mut take).ok();
    let (delivered, mutable) = match files.mutable {
        Some(path) => live(&read(path)?, role, &mut take),
        None => (Delivery::new(), Layer::default()),
    };
    let policy = match files.policy {
        Some(path) => policy::parse(&read(path)?, &path.display().to_string()).map_err(&mut take).ok(),
        None => Some(Policy::default()),
    };
    if let Some(user_data) = user_data {
        let detected = facts(&user_data);
        let mut layers = Layers { user_data, detected, mutable: Layer::default() };
        if let Some(policy) = policy {
            take(policy::check(&policy, &layers, &delivered, MUTABLE));
        }
        layers.mutable = mutable;
        let image = Image {
            kind: kind.to_owned(),
            role,
            pause: "registry.k8s.io/pause:0".to_owned(),
            cache: Cache::Zot,
        };
        match crate::settings::check(&layers, &image, When::FirstRun) {
            Err(found) => take(found),
            Ok(settings) => {
                // live settings that were given are all that there will be
                if files.mutable.is_some() {
                    take(settings.waits.iter().map(crate::settings::Wait::fault).collect());
                }
                notes = settings.notes();
                match render(&settings, &Found::of_an_image(), Some(&[])) {
                    Ok(plan) => notes.extend(plan.notes),
                    Err(found) => take(found),
                }
            }
        }
    }
    for fault in &mut faults {
        match (fault.place.as_str(), files.mutable) {
            (USER_DATA, _) => fault.place = files.user_data.display().to_string(),
            (MUTABLE, Some(path)) => fault.place = path.display().to_string(),
            _ => {}
        }
    }
    let given = files.user_data.display().to_string();
    let notes = notes.into_iter().map(|note| note.replace(USER_DATA, &given)).collect();
    Ok(Told { faults, notes })
}

/// Live settings as a delivery and as the layer that they become. Where they are refused as a delivery, they are still
/// read as a file, so that all the rest is told as well.
fn live(bytes: &[u8], role: Role, take: &mut impl FnMut(Vec<Fault>)) -> (Delivery, Layer) {
    let (delivered, faults) = delivery::read(bytes, MUTABLE, role, &Layer::default());
    take(delivered.unknown.iter().map(|one| one.fault(MUTABLE)).collect());
    if !faults.is_empty() {
        take(faults);
        return (Delivery::new(), crate::envfile::read(bytes).map(Layer::new).unwrap_or_default());
    }
    let assignments =
        delivered.settings.iter().cloned().map(|(key, value, line)| Assignment { key, value, line });
    let layer = Layer::new(assignments.collect());
    (delivered.settings, layer)
}

/// At most as much as a node reads, and a byte more.
fn read(path: &Path) -> Result<Vec<u8>> {
    let wrong = |error: std::io::Error| Refusal::io(path.display().to_string(), "read it", &error);
    let mut bytes = Vec::new();
    let most = u64::try_from(FILE_LIMIT).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path).map_err(wrong)?.take(most).read_to_end(&mut bytes).map_err(wrong)?;
    Ok(bytes)
}

/// What a machine might find out.
fn facts(user_data: &Layer) -> Layer {
    let facts = [
        ("INSTANCE_PROVIDER_ID", "id"),
        ("INSTANCE_IPV4", "192.0.2.1"),
        ("INSTANCE_IPV6", ""),
        ("INSTANCE_NETDEV", "eth0"),
        ("INSTANCE_HOSTNAME", "node"),
        ("INSTANCE_FQDN", "node.localdomain"),
    ];
    // what user-data gives is left to user-data, so that a fault names its line; an empty IPv6 address hides nothing
    let given = |key: &str| user_data.get(key).is_some_and(|value| !value.is_empty());
    let found = facts.into_iter().filter(|(key, value)| value.is_empty() || !given(key));
    Layer::of(found.map(|(key, value)| (key.to_owned(), value.to_owned())))
}
