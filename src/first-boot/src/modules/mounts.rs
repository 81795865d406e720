//! `mounts`: lines of `/etc/fstab`, for devices that are there.

use super::Context;
use crate::yaml;
use serde_json::Value;

const TABLE: &str = "/etc/fstab";
/// What marks lines that came from user-data.
const MARK: &str = "comment=cloudconfig";
/// What is not said. A device that is there needs no network, and is mounted before what uses it: with cloud-init's
/// `x-systemd.after=cloud-init-network.service,_netdev` a mount of /var/log would wait for what waits for it.
const FIELDS: [&str; 6] = ["", "", "auto", "defaults,nofail", "0", "2"];

/// Writes the lines and mounts what is new.
pub fn mount(context: &mut Context<'_, '_>) {
    if context.config.contains_key("swap") {
        context.report.warn("user-data: `swap` is not applied: this image has no module for it");
    }
    let defaults = context.list("mount_default_fields");
    let mut lines = Vec::new();
    let mut folders = Vec::new();
    for (at, entry) in context.list("mounts").into_iter().enumerate() {
        match line(&entry, &defaults) {
            Ok(None) => {}
            Ok(Some((line, folder))) => {
                lines.push(line);
                folders.extend(folder);
            }
            Err(what) => {
                context.report.error(format!("mounts[{at}]: {what}"));
            }
        }
    }
    let old = context.root.read(TABLE).ok().flatten().unwrap_or_default();
    let old = String::from_utf8_lossy(&old).into_owned();
    let kept = old.lines().filter(|line| !line.contains(MARK)).map(str::to_owned);
    let mut new: String = kept.chain(lines.iter().cloned()).map(|line| format!("{line}\n")).collect();
    if new.trim().is_empty() && old.trim().is_empty() {
        new.clone_from(&old);
    }
    if new == old {
        return;
    }
    for folder in &folders {
        context.report.check(context.root.directory(folder, 0o755));
    }
    context.report.check(context.root.write(TABLE, new.as_bytes(), 0o644, None));
    context.report.check(context.programs.run(&["mount", "--all"], ""));
    if context.root.has("/run/systemd/system") {
        context.report.check(context.programs.run(&["systemctl", "daemon-reload"], ""));
        if lines.iter().any(|line| line.contains("_netdev")) {
            // the image has no use for it otherwise
            context.report.check(context.programs.run(&["systemctl", "enable", "remote-fs.target"], ""));
        }
    }
}

/// One line, and the folder that it mounts to; nothing where the entry takes a line away.
fn line(entry: &Value, defaults: &[Value]) -> Result<Option<(String, Option<String>)>, String> {
    let Value::Array(entry) = entry else { return Err("expected a list".to_owned()) };
    let field = |at: usize| {
        let given = entry.get(at).filter(|value| !value.is_null()).and_then(yaml::text);
        let default = defaults.get(at).filter(|value| !value.is_null()).and_then(yaml::text);
        given.or(default).unwrap_or_else(|| FIELDS.get(at).copied().unwrap_or_default().to_owned())
    };
    let mut fields: Vec<String> = (0..6).map(field).collect();
    if fields.iter().any(|field| field.contains(char::is_whitespace) || field.contains(char::is_control)) {
        return Err("expected fields without white space; `\\040` is a blank".to_owned());
    }
    let [spec, folder, kind, options, ..] = fields.as_mut_slice() else {
        return Err("expected fields".to_owned());
    };
    if entry.len() < 2 || folder.is_empty() {
        // only a device: it is not to be mounted
        return Ok(None);
    }
    let is_known = spec.starts_with('/')
        || ["LABEL=", "UUID=", "PARTUUID=", "PARTLABEL="].iter().any(|start| spec.starts_with(start));
    let is_device_name =
        ["sd", "vd", "xvd", "nvme", "hd"].iter().any(|start| spec.starts_with(start)) && !spec.contains('/');
    let is_virtual = ["tmpfs", "none", "overlay"].contains(&spec.as_str()) || spec.contains(":/");
    if is_device_name {
        *spec = format!("/dev/{spec}");
    } else if !is_known && !is_virtual {
        return Err(format!("device `{}` is not supported", spec.escape_debug()));
    }
    if kind == "swap" || folder == "none" {
        return Err("swap is not supported".to_owned());
    }
    if !folder.starts_with('/') || folder.split('/').any(|part| part == "..") {
        return Err("expected an absolute path to mount to".to_owned());
    }
    let made = folder.clone();
    let is_remote = spec.contains(":/") && !options.split(',').any(|option| option == "_netdev");
    *options = format!("{options}{},{MARK}", if is_remote { ",_netdev" } else { "" });
    Ok(Some((fields.join("\t"), Some(made))))
}
