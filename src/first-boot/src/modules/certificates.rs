//! `ca_certs`: authorities that the machine trusts, by Debian's own program.

use super::{Context, text, truth};
use serde_json::Value;

const FOLDER: &str = "/usr/local/share/ca-certificates";
const LIST: &str = "/etc/ca-certificates.conf";

/// Adds certificates, and removes the image's where `remove_defaults` says so.
pub fn trust(context: &mut Context<'_, '_>) {
    let given = ["ca_certs", "ca-certs"].into_iter().find_map(|key| context.config.get(key));
    let Some(Value::Object(given)) = given.cloned() else { return };
    for key in
        given.keys().filter(|key| !["trusted", "remove_defaults", "remove-defaults"].contains(&key.as_str()))
    {
        context.report.warn(format!("ca_certs: `{}` is not supported", key.escape_debug()));
    }
    let removes =
        ["remove_defaults", "remove-defaults"].into_iter().find_map(|key| given.get(key).and_then(truth));
    if removes == Some(true) {
        let list = context.root.text(LIST).unwrap_or_default();
        let line = |line: &str| match line.is_empty() || line.starts_with(['#', '!']) {
            true => format!("{line}\n"),
            false => format!("!{line}\n"),
        };
        let list: String = list.lines().map(line).collect();
        context.report.check(context.root.write(LIST, list.as_bytes(), 0o644, None));
    }
    let certificates = match given.get("trusted") {
        Some(Value::Array(list)) => list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        Some(Value::String(_)) => text(&given, "trusted").into_iter().collect(),
        _ => Vec::new(),
    };
    for (at, certificate) in certificates.iter().enumerate() {
        if !certificate.contains("-----BEGIN CERTIFICATE-----") {
            context.report.error(format!("ca_certs: trusted[{at}]: expected PEM"));
            continue;
        }
        let path = format!("{FOLDER}/cloud-init-ca-cert-{}.crt", at + 1);
        context.report.check(context.root.write(&path, certificate.as_bytes(), 0o644, None));
    }
    if removes == Some(true) || !certificates.is_empty() {
        context.report.check(context.programs.run(&["update-ca-certificates"], ""));
    }
}
