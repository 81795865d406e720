//! What is known of the instance and of the stages, where cloud-init has it: scripts and agents read these files.
//!
//! ```text
//! /run/cloud-init/                       this boot alone
//!   status.json  result.json             each stage with its times and errors; the end
//!   instance-data.json  .instance-id  cloud-id  enabled | disabled
//!   first-boot/instance.json             one stage hands the instance to the next; 0600
//! /var/lib/cloud/
//!   instance -> instances/ID             sem/ (what was done), scripts/, user-data.txt, boot-finished
//!   data/instance-id                     written last: until then the next boot starts over
//! ```
//! A file appears whole or not at all, and a semaphore only when its module is at its end.

use crate::clock;
use crate::instance::Instance;
use crate::report::Report;
use crate::root::Root;
use serde_json::{Map, Value, json};

/// Where this boot's files are.
pub const RUN: &str = "/run/cloud-init";
/// The current instance's folder, a link.
pub const INSTANCE: &str = "/var/lib/cloud/instance";
const HANDED_ON: &str = "/run/cloud-init/first-boot/instance.json";
const REMOTE: &str = "/run/cloud-init/first-boot/remote";
const KNOWN: &str = "/run/cloud-init/first-boot/known.json";
const STATUS: &str = "/run/cloud-init/status.json";

/// A stage of the boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before the network: sources that need none, and the network's configuration.
    Local,
    /// With the network: all other sources; users, keys, files.
    Network,
    /// Passwords, time, and what `runcmd` will do.
    Config,
    /// Scripts.
    Final,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Local, Self::Network, Self::Config, Self::Final];

    /// cloud-init's name of it in `status.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "init-local",
            Self::Network => "init",
            Self::Config => "modules-config",
            Self::Final => "modules-final",
        }
    }
}

/// What the stages say, as `status.json` has it below `v1`.
#[must_use]
pub fn status(root: &Root) -> Option<Map<String, Value>> {
    let bytes = root.read(STATUS).ok().flatten()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    value.get("v1").and_then(Value::as_object).cloned()
}

fn unstarted() -> Map<String, Value> {
    let stage = || json!({"errors": [], "finished": null, "recoverable_errors": {}, "start": null});
    let mut status = Map::new();
    status.insert("datasource".to_owned(), Value::Null);
    status.insert("stage".to_owned(), Value::Null);
    for one in Stage::ALL {
        status.insert(one.name().to_owned(), stage());
    }
    status
}

fn put_status(root: &Root, status: &Map<String, Value>) -> Result<(), String> {
    write_json(root, STATUS, &json!({"v1": status}), 0o644)
}

/// Writes JSON with a line for each member.
///
/// # Errors
///
/// What the system says.
pub fn write_json(root: &Root, path: &str, value: &Value, mode: u32) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| format!("`{path}`: {error}"))?;
    root.write(path, format!("{text}\n").as_bytes(), mode, None)
}

/// Notes that a stage begins.
///
/// # Errors
///
/// What the system says.
pub fn begin(root: &Root, stage: Stage) -> Result<(), String> {
    if stage == Stage::Local {
        // after a soft reboot, or a restart of the unit, nothing of before counts
        for path in [STATUS, HANDED_ON, REMOTE, KNOWN, "/run/cloud-init/result.json"] {
            root.remove(path);
        }
    }
    let mut status = status(root).unwrap_or_else(unstarted);
    status.insert("stage".to_owned(), json!(stage.name()));
    if let Some(Value::Object(one)) = status.get_mut(stage.name()) {
        one.insert("start".to_owned(), json!(clock::now().as_secs_f64()));
        one.insert("finished".to_owned(), Value::Null);
    }
    put_status(root, &status)
}

/// The stage right before `stage`, where it has not finished in this boot.
#[must_use]
pub fn unfinished_before(root: &Root, stage: Stage) -> Option<Stage> {
    let at = Stage::ALL.iter().position(|one| *one == stage)?.checked_sub(1)?;
    let before = *Stage::ALL.get(at)?;
    let finished = status(root)?.get(before.name())?.get("finished").cloned();
    finished.is_none_or(|time| time.is_null()).then_some(before)
}

/// Notes that a stage is at its end, with what it said; after the last one `result.json` says so.
///
/// # Errors
///
/// What the system says.
pub fn end(root: &Root, stage: Stage, detail: Option<&str>, report: &Report<'_>) -> Result<(), String> {
    let mut status = status(root).unwrap_or_else(unstarted);
    status.insert("stage".to_owned(), Value::Null);
    if let Some(detail) = detail {
        status.insert("datasource".to_owned(), json!(detail));
    }
    if let Some(Value::Object(one)) = status.get_mut(stage.name()) {
        one.insert("errors".to_owned(), json!(report.errors));
        let recoverable =
            if report.warnings.is_empty() { json!({}) } else { json!({"WARNING": report.warnings}) };
        one.insert("recoverable_errors".to_owned(), recoverable);
        one.insert("finished".to_owned(), json!(clock::now().as_secs_f64()));
    }
    let errors: Vec<Value> = Stage::ALL
        .iter()
        .filter_map(|stage| status.get(stage.name())?.get("errors")?.as_array())
        .flatten()
        .cloned()
        .collect();
    let datasource = status.get("datasource").cloned().unwrap_or_default();
    put_status(root, &status)?;
    if stage == Stage::Final {
        let result = json!({"v1": {"datasource": datasource, "errors": errors}});
        write_json(root, "/run/cloud-init/result.json", &result, 0o644)?;
        write_json(root, "/var/lib/cloud/data/result.json", &result, 0o644)?;
    }
    Ok(())
}

/// Notes that nothing on this machine says who it is.
///
/// # Errors
///
/// What the system says.
pub fn disable(root: &Root) -> Result<(), String> {
    root.write("/run/cloud-init/disabled", b"", 0o644, None)
}

/// Whether that was noted.
#[must_use]
pub fn is_disabled(root: &Root) -> bool {
    root.has("/run/cloud-init/disabled")
}

/// Notes that something does.
///
/// # Errors
///
/// What the system says.
pub fn enable(root: &Root) -> Result<(), String> {
    root.remove("/run/cloud-init/disabled");
    root.write("/run/cloud-init/enabled", b"", 0o644, None)
}

/// Hands the instance to the next stages.
///
/// # Errors
///
/// What the system says.
pub fn hand_on(root: &Root, instance: &Instance) -> Result<(), String> {
    root.directory("/run/cloud-init/first-boot", 0o700)?;
    write_json(root, HANDED_ON, &instance.to_json(), 0o600)
}

/// The instance that an earlier stage handed on.
///
/// # Errors
///
/// A file that is not as it was written.
pub fn handed_on(root: &Root) -> Result<Option<Instance>, String> {
    instance_of(root, HANDED_ON)
}

/// What was known of the instance before the network.
///
/// # Errors
///
/// A file that is not as it was written.
pub fn known(root: &Root) -> Result<Option<Instance>, String> {
    instance_of(root, KNOWN)
}

fn instance_of(root: &Root, path: &str) -> Result<Option<Instance>, String> {
    let Some(bytes) = root.read(path)? else { return Ok(None) };
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| format!("`{path}`: {error}"))?;
    Instance::from_json(&value).map(Some)
}

/// Keeps what is known of this machine before the network: a disc that has it may be there at the first boot only.
///
/// # Errors
///
/// What the system says.
pub fn remember(root: &Root, known: Option<Instance>) -> Result<Option<Instance>, String> {
    const KEPT: &str = "/var/lib/cloud/data/provisioning.json";
    let machine = root.text("/sys/class/dmi/id/product_uuid").unwrap_or_default();
    if let Some(known) = known {
        root.directory("/var/lib/cloud/data", 0o755)?;
        write_json(root, KEPT, &json!({"machine": machine, "instance": known.to_json()}), 0o600)?;
        return Ok(Some(known));
    }
    let Some(bytes) = root.read(KEPT)? else { return Ok(None) };
    let kept: Value = serde_json::from_slice(&bytes).map_err(|error| format!("`{KEPT}`: {error}"))?;
    if kept.get("machine").and_then(Value::as_str) != Some(&machine) {
        // a copy of another machine's disk
        root.remove(KEPT);
        return Ok(None);
    }
    kept.get("instance").map(Instance::from_json).transpose()
}

/// Notes what is to be asked over the network, and what is known before.
///
/// # Errors
///
/// What the system says.
pub fn ask_later(root: &Root, what: &str, known: Option<&Instance>) -> Result<(), String> {
    root.directory("/run/cloud-init/first-boot", 0o700)?;
    if let Some(known) = known {
        write_json(root, KNOWN, &known.to_json(), 0o600)?;
    }
    root.write(REMOTE, what.as_bytes(), 0o600, None)
}

/// What is to be asked over the network.
#[must_use]
pub fn to_ask(root: &Root) -> Option<String> {
    root.text(REMOTE)
}

/// Whether an instance is the current one.
#[must_use]
pub fn is_current(root: &Root, id: &str) -> bool {
    std::fs::read_link(root.at(INSTANCE)).is_ok_and(|to| to.ends_with(id))
}

/// Makes the instance's folder, and makes it the current one.
///
/// # Errors
///
/// What the system says.
pub fn settle(root: &Root, instance: &Instance, config: &Map<String, Value>) -> Result<(), String> {
    let folder = format!("/var/lib/cloud/instances/{}", instance.id);
    for (path, mode) in [
        ("/var/lib/cloud/data".to_owned(), 0o755),
        ("/var/lib/cloud/sem".to_owned(), 0o755),
        ("/var/lib/cloud/scripts/per-boot".to_owned(), 0o755),
        ("/var/lib/cloud/scripts/per-instance".to_owned(), 0o755),
        ("/var/lib/cloud/scripts/per-once".to_owned(), 0o755),
        (format!("{folder}/sem"), 0o755),
        (format!("{folder}/scripts/vendor"), 0o755),
        (format!("{folder}/handlers"), 0o755),
    ] {
        root.directory(&path, mode)?;
    }
    root.write(&format!("{folder}/user-data.txt"), &instance.user_data, 0o600, None)?;
    root.write(&format!("{folder}/vendor-data.txt"), &instance.vendor_data, 0o600, None)?;
    write_cloud_config(root, &folder, config)?;
    let datasource = format!("DataSource{}: {}\n", instance.source.name(), instance.detail());
    root.write(&format!("{folder}/datasource"), datasource.as_bytes(), 0o644, None)?;
    root.write("/run/cloud-init/.instance-id", format!("{}\n", instance.id).as_bytes(), 0o644, None)?;
    let last = "/var/lib/cloud/data/instance-id";
    let previous = root.text(last);
    if previous.as_deref() == Some(instance.id.as_str()) && is_current(root, &instance.id) {
        return Ok(());
    }
    let before = previous.unwrap_or_else(|| "NO_PREVIOUS_INSTANCE_ID".to_owned());
    root.write("/var/lib/cloud/data/previous-instance-id", format!("{before}\n").as_bytes(), 0o644, None)?;
    root.link(INSTANCE, &format!("instances/{}", instance.id))?;
    root.write(last, format!("{}\n", instance.id).as_bytes(), 0o644, None)
}

fn write_cloud_config(root: &Root, folder: &str, config: &Map<String, Value>) -> Result<(), String> {
    // JSON is YAML
    let text = serde_json::to_string_pretty(config).map_err(|error| format!("cloud-config: {error}"))?;
    root.write(
        &format!("{folder}/cloud-config.txt"),
        format!("#cloud-config\n{text}\n").as_bytes(),
        0o600,
        None,
    )
}

/// Where a module's semaphore is: of the instance, or of the machine.
fn semaphore(module: &str, is_once: bool) -> String {
    if is_once {
        format!("/var/lib/cloud/sem/config_{module}.once")
    } else {
        format!("{INSTANCE}/sem/config_{module}")
    }
}

/// Whether a module was at its end for this instance, or this machine where `is_once`.
#[must_use]
pub fn is_done(root: &Root, module: &str, is_once: bool) -> bool {
    root.has(&semaphore(module, is_once))
}

/// Notes that it is.
///
/// # Errors
///
/// What the system says.
pub fn done(root: &Root, module: &str, is_once: bool) -> Result<(), String> {
    let text = format!("{}: {}\n", std::process::id(), clock::mail_time(clock::now()));
    root.write(&semaphore(module, is_once), text.as_bytes(), 0o644, None)?;
    root.remove(&format!("{}.started", semaphore(module, is_once)));
    Ok(())
}

/// Whether a module has begun and not finished.
#[must_use]
pub fn has_begun(root: &Root, module: &str, is_once: bool) -> bool {
    root.has(&format!("{}.started", semaphore(module, is_once)))
}

/// Notes that a module begins; whether it began before and did not finish.
///
/// # Errors
///
/// What the system says.
pub fn started(root: &Root, module: &str, is_once: bool) -> Result<bool, String> {
    let path = format!("{}.started", semaphore(module, is_once));
    let again = has_begun(root, module, is_once);
    root.write(&path, b"", 0o644, None)?;
    Ok(again)
}
