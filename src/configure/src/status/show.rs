//! A status as text for people, and as JSON for programs: the same facts.

use super::{Delivered, Status, Waiting, Written};
use crate::bootstrap::rfc3339;
use crate::json::Json;
use crate::names::{DONE, POLICY, Role};
use crate::refusal::{Fault, printable};
use std::fmt::Write as _;

/// What people read; faults are not in it, as they are told like any refusal.
#[must_use]
pub fn text(status: &Status) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "{name:<11} {}", printable(text));
    };
    match &status.image {
        Some(image) => line("image", &format!("{}, {}", image.kind, role(image.role))),
        None => line("image", "unknown"),
    }
    match &status.completed_at {
        Some(time) => line("first run", &format!("done {time} ({DONE})")),
        None => line("first run", "not done yet: nothing has been written, and no service starts"),
    }
    if let Some((path, time)) = &status.changed {
        line("last change", &format!("{} ({path})", rfc3339(*time)));
    }
    for (path, time) in &status.inputs {
        let count = status.origins.values().filter(|(place, _)| place == path).count();
        line("settings", &format!("{count} from {path}, written {}", rfc3339(*time)));
    }
    if status.busy {
        line("now", "a run of configure is under way: look again");
    }
    if status.interrupted {
        line("now", "a run was interrupted: the next run of configure completes or undoes it");
    }
    for path in &status.differs {
        line("differs", &format!("{path}: the next run of configure puts it right"));
    }
    for (name, number) in &status.fixed {
        line("policy", &format!("no delivery may change `{name}` ({POLICY}:{number})"));
    }
    for waiting in &status.services {
        line("service", &format!("{:<24} {}", waiting.service.unit(), state(waiting)));
    }
    if let Some(delivered) = &status.delivery {
        told(delivered, &mut line);
    }
    status.notes.iter().for_each(|text| line("note", text));
    if !status.faults.is_empty() {
        line("faults", &format!("{}: until they are fixed nothing is changed", status.faults.len()));
    }
    out
}

fn told(delivered: &Delivered, line: &mut impl FnMut(&str, &str)) {
    if !delivered.generation.is_empty() {
        line("delivery", &format!("generation {} is the last that was taken", delivered.generation));
    }
    for key in &delivered.unknown {
        line("delivery", &format!("{key} is not a setting of this image, and was passed over"));
    }
    if !delivered.refused.is_empty() {
        line("delivery", &format!("the last one was refused and has changed nothing: {}", delivered.refused));
    }
    for unit in &delivered.restart {
        line("delivery", &format!("{unit} is still to be restarted: `systemctl restart {unit}` does it now"));
    }
    for unit in &delivered.failed {
        line("delivery", &format!("{unit} could not be restarted: `journalctl -b -u {unit}` says why"));
    }
    if !delivered.at.is_empty() {
        line("delivery", &format!("all this since {}", delivered.at));
    }
}

fn state(waiting: &Waiting) -> String {
    match (waiting.on, waiting.missing.as_slice()) {
        (Some(false), _) if let Some(key) = waiting.setting => {
            format!("waits for {key}, which a delivery may bring")
        }
        (Some(false), _) => "off by the settings".to_owned(),
        (_, []) => "has all its files".to_owned(),
        (_, missing) => format!("waits for {}", missing.join(", ")),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::ControlPlane => "control-plane",
    }
}

/// What programs read. Members: `image` {kind, role}, `completed_at`, `busy`, `interrupted`, `inputs` [{path,
/// written_at}], `settings` {KEY: {place, line}}, `last_change` {path, written_at}, `differs` \[path\], `faults` [{place,
/// line, key, rule, hint}], `notes` [text], `services` {unit: {on, waits_for [setting or path]}}, `fixed` {name: line of the policy},
/// `delivery` {changed_at, generation, unknown \[key\], refused, restart \[unit\], failed \[unit\]}. What is not known is null.
#[must_use]
pub fn json(status: &Status) -> Json {
    let list =
        |items: &mut dyn Iterator<Item = &String>| Json::List(items.map(|item| string(item)).collect());
    let image = status
        .image
        .as_ref()
        .map(|image| Json::map([("kind", string(&image.kind)), ("role", string(role(image.role)))]));
    let services = status.services.iter().map(|waiting| {
        let missing = waiting.setting.iter().chain(&waiting.missing).map(|what| string(what)).collect();
        let on = waiting.on.map_or(Json::Null, Json::Bool);
        (waiting.service.unit(), Json::map([("on", on), ("waits_for", Json::List(missing))]))
    });
    let settings = status
        .origins
        .iter()
        .map(|(key, (place, line))| (*key, Json::map([("place", string(place)), ("line", number(*line))])));
    Json::map([
        ("image", image.unwrap_or(Json::Null)),
        ("completed_at", status.completed_at.as_deref().map_or(Json::Null, string)),
        ("busy", Json::Bool(status.busy)),
        ("interrupted", Json::Bool(status.interrupted)),
        ("inputs", Json::List(status.inputs.iter().map(written).collect())),
        ("settings", Json::map(settings)),
        ("last_change", status.changed.as_ref().map_or(Json::Null, written)),
        ("differs", list(&mut status.differs.iter())),
        ("faults", Json::List(status.faults.iter().map(fault).collect())),
        ("notes", list(&mut status.notes.iter())),
        ("services", Json::map(services)),
        ("fixed", Json::map(status.fixed.iter().map(|(name, line)| (*name, number(*line))))),
        ("delivery", status.delivery.as_ref().map_or(Json::Null, delivery)),
    ])
}

fn delivery(delivered: &Delivered) -> Json {
    let list = |names: &[String]| Json::List(names.iter().map(|name| string(name)).collect());
    Json::map([
        ("changed_at", string(&delivered.at)),
        ("generation", string(&delivered.generation)),
        ("unknown", list(&delivered.unknown)),
        ("refused", string(&delivered.refused)),
        ("restart", list(&delivered.restart)),
        ("failed", list(&delivered.failed)),
    ])
}

fn fault(fault: &Fault) -> Json {
    Json::map([
        ("place", string(&fault.place)),
        ("line", fault.line.map_or(Json::Null, number)),
        ("key", fault.key.as_deref().map_or(Json::Null, string)),
        ("rule", string(&fault.rule)),
        ("hint", fault.hint.as_deref().map_or(Json::Null, string)),
    ])
}

fn written((path, time): &Written) -> Json {
    Json::map([("path", string(path)), ("written_at", string(&rfc3339(*time)))])
}

/// A line, where 0 is one that is not known.
fn number(line: u32) -> Json {
    if line == 0 { Json::Null } else { Json::Number(line.to_string()) }
}

fn string(text: &str) -> Json {
    Json::Text(printable(text))
}
