//! `configure check`: what a node would say of settings, on any machine; the same code as at boot and at a delivery.
//!
//! Live settings are held to both: as a delivery, which is how they reach a node, and together with user-data. What only a
//! machine can find out is taken as found.

use crate::bootstrap::parse_user_data;
use crate::delivery::{self, Delivery};
use crate::envfile::{Assignment, FILE_LIMIT};
use crate::install::{Image, role_of};
use crate::layers::{Layer, Layers};
use crate::names::{MUTABLE, USER_DATA};
use crate::policy::{self, Policy};
use crate::refusal::{Fault, Refusal, Result};
use crate::settings::When;
use std::io::Read as _;
use std::path::Path;

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

/// Runs it: every fault of all files, under the names that they were given by.
pub fn run(files: &Files<'_>, kind: &str, role: Option<&str>) -> Result<()> {
    let role = role_of(kind, role)
        .ok_or_else(|| super::usage("wanted `--kind knd`, `--kind knc`, or another with `--role`"))?;
    let mut faults = Vec::new();
    let mut take = |found: Vec<Fault>| faults.extend(found);
    let user_data = parse_user_data(&read(files.user_data)?).map_err(&mut take).ok();
    let delivered = match files.mutable {
        Some(path) => delivery::parse(&read(path)?, MUTABLE, role, &Layer::default()).map_err(&mut take).ok(),
        None => Some(Delivery::new()),
    };
    let policy = match files.policy {
        Some(path) => policy::parse(&read(path)?, &path.display().to_string()).map_err(&mut take).ok(),
        None => Some(Policy::default()),
    };
    if let (Some(user_data), Some(delivered)) = (user_data, delivered) {
        let detected = facts(&user_data);
        let mut layers = Layers { user_data, detected, mutable: Layer::default() };
        if let Some(policy) = policy {
            take(policy::check(&policy, &layers, &delivered, MUTABLE));
        }
        let assignments = delivered.into_iter().map(|(key, value, line)| Assignment { key, value, line });
        layers.mutable = Layer::new(assignments.collect());
        let image = Image { kind: kind.to_owned(), role, pause: "registry.k8s.io/pause:0".to_owned() };
        if let Err(found) = crate::settings::check(&layers, &image, When::FirstRun) {
            take(found);
        }
    }
    if faults.is_empty() {
        crate::console::say("a node would take these settings\n");
        return Ok(());
    }
    for fault in &mut faults {
        match (fault.place.as_str(), files.mutable) {
            (USER_DATA, _) => fault.place = files.user_data.display().to_string(),
            (MUTABLE, Some(path)) => fault.place = path.display().to_string(),
            _ => {}
        }
    }
    Err(Refusal::input(faults))
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
