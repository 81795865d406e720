//! `timezone` and `ntp`.

use super::{Context, truth, words};
use serde_json::Value;

const ZONES: &str = "/usr/share/zoneinfo";

/// Sets the time zone.
pub fn zone(context: &mut Context<'_, '_>) {
    let Some(zone) = context.text("timezone").filter(|zone| !zone.is_empty()) else { return };
    let known = |one: char| one.is_ascii_alphanumeric() || matches!(one, '/' | '_' | '-' | '+');
    let path = format!("{ZONES}/{zone}");
    if !zone.chars().all(known) || zone.starts_with('/') || !context.root.at(&path).is_file() {
        context.report.error(format!("timezone: unknown zone `{}`", zone.escape_debug()));
        return;
    }
    context.report.check(context.root.link("/etc/localtime", &path));
    context.report.check(context.root.write("/etc/timezone", format!("{zone}\n").as_bytes(), 0o644, None));
}

/// Tells systemd-timesyncd its servers.
pub fn servers(context: &mut Context<'_, '_>) {
    let given = match context.config.get("ntp") {
        Some(Value::Object(map)) => map.clone(),
        Some(Value::Null) => serde_json::Map::new(),
        Some(_) => {
            context.report.error("ntp: expected a mapping".to_owned());
            return;
        }
        None => return,
    };
    for key in
        given.keys().filter(|key| !["servers", "pools", "enabled", "ntp_client"].contains(&key.as_str()))
    {
        context.report.warn(format!("ntp: `{}` is not supported", key.escape_debug()));
    }
    if given.get("enabled").and_then(truth) == Some(false) {
        context.report.warn("ntp: `enabled: false` is not supported: systemd-timesyncd is part of the image");
        return;
    }
    let client = super::text(&given, "ntp_client").unwrap_or_else(|| "auto".to_owned());
    if !["auto", "systemd-timesyncd"].contains(&client.as_str()) {
        context.report.warn("ntp: `ntp_client` is not supported: the image has systemd-timesyncd");
    }
    let names: Vec<String> =
        ["servers", "pools"].iter().flat_map(|key| words(given.get(*key).unwrap_or(&Value::Null))).collect();
    if names.is_empty() {
        return;
    }
    let known = |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | ':');
    if let Some(bad) = names.iter().find(|name| name.is_empty() || !name.chars().all(known)) {
        context.report.error(format!("ntp: expected names or addresses, found {bad:?}"));
        return;
    }
    let text = format!("# Made by first-boot from user-data\n[Time]\nNTP={}\n", names.join(" "));
    let path = "/etc/systemd/timesyncd.conf.d/cloud-init.conf";
    context.report.check(context.root.write(path, text.as_bytes(), 0o644, None));
    if context.root.has("/run/systemd/system") {
        context.report.check(
            context.programs.run(&["systemctl", "try-reload-or-restart", "systemd-timesyncd.service"], ""),
        );
    }
}
