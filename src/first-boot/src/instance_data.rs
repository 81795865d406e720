//! `instance-data.json`: what is known of the instance, for agents and `query`. What may be secret is for root alone.

use crate::instance::{Instance, Source};
use crate::modules::hostname;
use crate::root::Root;
use crate::state::write_json;
use serde_json::{Map, Value, json};

/// What everybody may read.
pub const PUBLIC: &str = "/run/cloud-init/instance-data.json";
/// What root may.
pub const WHOLE: &str = "/run/cloud-init/instance-data-sensitive.json";
/// What cloud-init writes instead of secrets.
const REDACTED: &str = "redacted for non-root user";
/// Members that may hold secrets, in any place.
const SECRETS: [&str; 12] = [
    "admin_pass",
    "adminpass",
    "merged_cfg",
    "random_seed",
    "security-credentials",
    "user-data",
    "user_data",
    "userdata",
    "vendor-data",
    "vendor_data",
    "vendordata",
    "customdata",
];

/// Writes both files, and the id of the cloud.
///
/// # Errors
///
/// What the system says.
pub fn write(root: &Root, instance: &Instance, config: &Map<String, Value>) -> Result<(), String> {
    let mut whole = describe(root, instance);
    if let Some(map) = whole.as_object_mut() {
        map.insert("merged_cfg".to_owned(), Value::Object(config.clone()));
        map.insert("userdata".to_owned(), json!(String::from_utf8_lossy(&instance.user_data)));
        map.insert("vendordata".to_owned(), json!(String::from_utf8_lossy(&instance.vendor_data)));
    }
    write_json(root, WHOLE, &whole, 0o600)?;
    let mut paths = Vec::new();
    redact(&mut whole, "", &mut paths);
    if let Some(map) = whole.as_object_mut() {
        map.insert("sensitive_keys".to_owned(), json!(paths));
    }
    write_json(root, PUBLIC, &whole, 0o644)?;
    let cloud = instance.source.cloud();
    let name = format!("cloud-id-{cloud}");
    root.write(&format!("/run/cloud-init/{name}"), format!("{cloud}\n").as_bytes(), 0o644, None)?;
    root.link("/run/cloud-init/cloud-id", &name)
}

fn redact(value: &mut Value, path: &str, paths: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
                if SECRETS.contains(&key.to_ascii_lowercase().as_str()) {
                    *value = json!(REDACTED);
                    paths.push(path);
                } else {
                    redact(value, &path, paths);
                }
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter_mut().enumerate() {
                redact(value, &format!("{path}/{at}"), paths);
            }
        }
        _ => {}
    }
}

fn describe(root: &Root, instance: &Instance) -> Value {
    let release = root.text("/etc/os-release").unwrap_or_default();
    let field = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let kernel = rustix::system::uname();
    let [kernel_release, machine] =
        [kernel.release(), kernel.machine()].map(|text| text.to_string_lossy().into_owned());
    let cloud = instance.source.cloud();
    let platform = match instance.source {
        Source::Aws => "ec2",
        Source::ConfigDrive => "openstack",
        _ => cloud,
    };
    let subplatform = match instance.source {
        Source::NoCloud if instance.from.starts_with("/dev/") => format!("config-disk ({})", instance.from),
        Source::NoCloud => format!("seed-dir ({})", instance.from),
        Source::ConfigDrive => format!("config-disk ({})", instance.from),
        _ => format!("metadata ({})", instance.from),
    };
    let host = hostname::first(instance.hostname.as_deref().unwrap_or("localhost"));
    let mut v1 = json!({
        "_beta_keys": ["subplatform"],
        "cloud_id": cloud,
        "cloud_name": cloud,
        "distro": field("ID"),
        "distro_release": field("VERSION_CODENAME"),
        "distro_version": field("VERSION_ID"),
        "kernel_release": kernel_release,
        "machine": machine,
        "platform": platform,
        "public_ssh_keys": instance.public_keys,
        "region": instance.region,
        "subplatform": subplatform,
        "system_platform": "linux",
        "variant": field("ID"),
    });
    if let Some(map) = v1.as_object_mut() {
        // both spellings are in use
        for (key, value) in [
            ("availability_zone", json!(instance.zone)),
            ("cloud_name", json!(cloud)),
            ("instance_id", json!(instance.id)),
            ("local_hostname", json!(host)),
        ] {
            map.insert(key.replace('_', "-"), value.clone());
            map.insert(key.to_owned(), value);
        }
        if let Some(project) = instance.metadata.get("project-id") {
            map.insert("project_id".to_owned(), project.clone());
        }
    }
    let mut source = Map::new();
    source.insert("meta_data".to_owned(), Value::Object(instance.metadata.clone()));
    if let Some(dynamic) = &instance.dynamic {
        source.insert("dynamic".to_owned(), dynamic.clone());
    }
    json!({"base64_encoded_keys": [], "ds": source, "sensitive_keys": [], "v1": v1})
}
