//! `configure check`: what a node would say of settings, on any machine; the same code as at boot.

use crate::install::Image;
use crate::layers::{Layer, Layers, syntax_faults};
use crate::names::{MUTABLE, Role};
use crate::refusal::{Refusal, Result};
use crate::settings::When;
use std::path::Path;

/// Runs it. What only a machine can tell is taken as found.
pub fn run(user_data: &Path, mutable: Option<&Path>, kind: &str) -> Result<()> {
    let role = match kind {
        "knd" => Role::Worker,
        "knc" => Role::ControlPlane,
        _ => return Err(super::usage("wanted `--kind knd` or `--kind knc`")),
    };
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| Refusal::io(path.display().to_string(), "read it", &error))
    };
    let mut faults = Vec::new();
    let user_data = crate::bootstrap::parse_user_data(&read(user_data)?).unwrap_or_else(|found| {
        faults.extend(found);
        Layer::default()
    });
    let mutable = match mutable {
        Some(path) => match crate::envfile::read(&read(path)?) {
            Ok(assignments) => Layer::new(assignments),
            Err(found) => {
                faults.extend(syntax_faults(MUTABLE, found));
                Layer::default()
            }
        },
        None => Layer::default(),
    };
    let image = Image { kind: kind.to_owned(), role, pause: "registry.k8s.io/pause:0".to_owned() };
    let facts = [
        ("INSTANCE_PROVIDER_ID", "id"),
        ("INSTANCE_IPV4", "192.0.2.1"),
        ("INSTANCE_IPV6", ""),
        ("INSTANCE_NETDEV", "eth0"),
        ("INSTANCE_HOSTNAME", "node"),
        ("INSTANCE_FQDN", "node.localdomain"),
    ];
    let detected = Layer::of(facts.map(|(key, value)| (key.to_owned(), value.to_owned())));
    if faults.is_empty()
        && let Err(found) =
            crate::settings::check(&Layers { user_data, detected, mutable }, &image, When::FirstRun)
    {
        faults = found;
    }
    if faults.is_empty() {
        crate::console::say("a node would take these settings\n");
        return Ok(());
    }
    Err(Refusal::input(faults))
}
