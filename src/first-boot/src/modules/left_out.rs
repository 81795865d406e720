//! Which keys of a cloud-config are not applied, each with its reason: nothing is dropped silently.

use super::Context;
use serde_json::{Value, json};

const PACKAGES: &str = "the image is complete: packages are added where it is baked";
const IMAGE: &str = "it is set where the image is baked";
const NONE: &str = "this image has no module for it";

/// Keys that something is done about.
const KNOWN: &[&str] = &[
    "bootcmd",
    "ca-certs",
    "ca_certs",
    "chpasswd",
    "disable_root",
    "disable_root_opts",
    "final_message",
    "fqdn",
    "groups",
    "hostname",
    "manage_etc_hosts",
    "mount_default_fields",
    "mounts",
    "ntp",
    "password",
    "prefer_fqdn_over_hostname",
    "preserve_hostname",
    "runcmd",
    "ssh_authorized_keys",
    "ssh_deletekeys",
    "ssh_keys",
    "ssh_pwauth",
    "swap",
    "timezone",
    "user",
    "users",
    "write_files",
];
/// Keys that ask for what is so in any case, or for words on a console.
const IDLE: &[&str] = &[
    "datasource",
    "datasource_list",
    "manual_cache_clean",
    "no_ssh_fingerprints",
    "ssh",
    "ssh_fp_console_blacklist",
    "ssh_key_console_blacklist",
    "vendor_data",
    "merge_how",
    "merge_type",
    "version",
    "create_hostname_file",
    "system_info",
    "debug",
];
/// Proxmox and others ask for these without being asked.
const QUIET: &[&str] = &["package_reboot_if_required", "package_update", "package_upgrade"];
/// Reasons for keys that are common.
const REASONS: &[(&str, &str)] = &[
    ("apt", PACKAGES),
    ("apt_pipelining", PACKAGES),
    ("disk_setup", NONE),
    ("fs_setup", NONE),
    ("grub_dpkg", "the image starts by systemd-boot"),
    ("growpart", "the root file system grows to its disk at the first boot"),
    ("keyboard", IMAGE),
    ("locale", IMAGE),
    ("phone_home", NONE),
    ("power_state", "runcmd takes `systemctl reboot`"),
    ("random_seed", "systemd keeps the seed"),
    ("resize_rootfs", "the root file system grows to its disk at the first boot"),
    ("resolv_conf", "systemd-resolved writes it; write_files takes /etc/systemd/resolved.conf.d/*.conf"),
    ("snap", PACKAGES),
    ("ssh_genkeytypes", "sshd-keygen.service makes the host's keys; ssh_keys takes others"),
    ("ssh_import_id", "ssh_authorized_keys takes the keys themselves"),
];

/// Says what is left out.
pub fn say(context: &mut Context<'_, '_>) {
    let asks = |key: &str, value: &Value| {
        // these ask for something by `false`
        let is_off = *value == json!(false) && key != "resize_rootfs";
        !value.is_null() && !is_off && *value != json!([]) && *value != json!({})
    };
    let keys: Vec<(String, Value)> = context
        .config
        .iter()
        .filter(|(key, value)| asks(key, value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    for (key, value) in keys {
        let is = |list: &[&str]| list.contains(&key.as_str());
        let is_ours = key == "locale"
            && value.as_str().is_some_and(|text| {
                ["C.UTF8", "POSIX", "C"].contains(&text.to_uppercase().replace('-', "").as_str())
            });
        // what is so in any case
        let is_so = match key.as_str() {
            "growpart" => ["auto", "growpart"].iter().any(|mode| value.get("mode") == Some(&json!(mode))),
            "resize_rootfs" => value == json!(true) || value == json!("noblock"),
            _ => false,
        };
        let is_kept = key == "apt" && value == json!({"preserve_sources_list": true});
        if is(KNOWN) || is(IDLE) || is_ours || is_kept || is_so {
            continue;
        }
        let name = key.escape_debug();
        if is(QUIET) {
            context.report.info(format!("user-data: `{name}` is not applied: {PACKAGES}"));
        } else if key == "packages" {
            context.report.error(format!("user-data: `packages` is not applied: {PACKAGES}"));
        } else {
            let reason = REASONS.iter().find(|(known, _)| *known == key).map_or(NONE, |(_, reason)| reason);
            context.report.warn(format!("user-data: `{name}` is not applied: {reason}"));
        }
    }
}
