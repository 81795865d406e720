//! Sources over the network. Who talks to it is a process of its own: as nobody, without privileges, that can write no file;
//! it hands the answers to the stage as one document on a pipe.

mod azure;

use crate::http::{self, Limits, Request, Service};
use crate::instance::{Instance, Source, public_keys};
use crate::nocloud::{self, Hints};
use crate::report::Fault;
use crate::{clock, config_drive};
use serde_json::{Map, Value, json};
use std::io::Read as _;
use std::process::{Command, Stdio};

/// Nobody, and its group.
const NOBODY: u32 = 65534;
/// The most that is taken from the process: all bodies, encoded.
const MOST_BYTES: u64 = 128 << 20;
/// Where services of clouds are.
const LINK_LOCAL: &str = "169.254.169.254";
/// Where Amazon's is with IPv6.
const AWS_IPV6: &str = "[fd00:ec2::254]";

/// Asks, in a process without privileges.
///
/// # Errors
///
/// Why the source, or the process, failed.
#[expect(clippy::disallowed_methods, reason = "the process that talks to the network")]
pub fn ask(what: &str) -> Result<Instance, String> {
    use std::os::unix::process::CommandExt as _;
    let wrong = |error: std::io::Error| format!("cannot ask `{what}`: {error}");
    let mut command = Command::new("/proc/self/exe");
    command.arg0("first-boot").args(["fetch", what]).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    // no supplementary groups either: std takes them away with the user
    command.uid(NOBODY).gid(NOBODY);
    let mut child = command.spawn().map_err(wrong)?;
    let mut bytes = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(MOST_BYTES).read_to_end(&mut bytes).map_err(wrong)?;
    }
    let status = child.wait().map_err(wrong)?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| format!("cannot ask `{what}`: {status}, with no whole answer: {error}"))?;
    match value.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None => Instance::from_json(&value),
    }
}

/// What the process prints.
#[must_use]
pub fn document(what: &str) -> Value {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // a pipe is no file
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Fsize, none).map_err(|error| format!("cannot limit files: {error}"));
    match limited.and_then(|()| instance(what)) {
        Ok(instance) => instance.to_json(),
        Err(error) => json!({"error": error}),
    }
}

/// How long a service is waited for: a machine that was configured before is not kept from its users for long.
fn limits() -> Limits {
    let is_known = std::path::Path::new("/var/lib/cloud/data/instance-id").exists();
    if is_known { http::AGAIN } else { http::USUAL }
}

/// The instance that `what` names the source of: `Ec2`, or `NoCloud http://HOST/PATH/ i=ID`.
fn instance(what: &str) -> Result<Instance, String> {
    let mut words = what.split(' ');
    match words.next().and_then(Source::named) {
        Some(Source::Aws) => aws(&mut Service::at_one_of(&[LINK_LOCAL, AWS_IPV6], limits())),
        Some(Source::Google) => google(&mut Service::with(LINK_LOCAL, limits())),
        Some(Source::OpenStack) => openstack(&Service::with(LINK_LOCAL, limits())),
        Some(Source::Azure) => {
            azure::instance(&mut Service::with(LINK_LOCAL, limits()), &Service::with(azure::FABRIC, limits()))
        }
        Some(Source::NoCloud) => {
            let url = words.next().unwrap_or_default();
            let mut hints = Hints { given: true, ..Hints::default() };
            for word in words {
                match word.split_once('=') {
                    Some(("i", id)) => hints.id = Some(id.to_owned()),
                    Some(("h", name)) => hints.hostname = Some(name.to_owned()),
                    _ => {}
                }
            }
            seed(url, &hints)
        }
        _ => Err(format!("unknown source `{what}`")),
    }
}

fn seed(url: &str, hints: &Hints) -> Result<Instance, String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("expected `http://…`, found `{url}`"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let end = if path.is_empty() || path.ends_with('/') { "" } else { "/" };
    from_seed(&Service::with(host, limits()), &format!("/{path}{end}"), url, hints)
}

fn from_seed(service: &Service, path: &str, url: &str, hints: &Hints) -> Result<Instance, String> {
    let read = |name: &str| match name {
        "meta-data" | "user-data" => service.need(&format!("{path}{name}")).map(Some),
        _ => service.get(&format!("{path}{name}")),
    };
    let found = nocloud::seed(&read, url, hints)?;
    found.ok_or_else(|| format!("`{url}` has no meta-data and user-data"))
}

/// What may be absent cannot keep users and keys from a machine.
fn optional(service: &Service, path: &str, faults: &mut Vec<Fault>) -> Option<Vec<u8>> {
    service.get(path).unwrap_or_else(|what| {
        faults.push(Fault::error(what));
        None
    })
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(bytes).map_err(|_| "expected UTF-8".to_owned())?;
    Ok(text.trim().to_owned())
}

fn aws(service: &mut Service) -> Result<Instance, String> {
    let token = "X-aws-ec2-metadata-token";
    let ttl = [("X-aws-ec2-metadata-token-ttl-seconds", "21600")];
    let request = Request { method: "PUT", path: "/latest/api/token", headers: &ttl, body: &[] };
    let given = text(service.ask(&request, |_| false)?.body)?;
    if given.is_empty() || given.contains(|one: char| !one.is_ascii_graphic()) {
        return Err("expected a token of version 2 of the metadata service".to_owned());
    }
    service.headers.push((token.to_owned(), given));
    let data = "/latest/meta-data/";
    let id = text(service.need(&format!("{data}instance-id"))?)?;
    let mut metadata = Map::new();
    metadata.insert("instance-id".to_owned(), json!(id));
    let mut instance = Instance::new(Source::Aws, format!("http://{}", service.host), id);
    for key in [
        "ami-id",
        "ami-launch-index",
        "hostname",
        "instance-action",
        "instance-life-cycle",
        "instance-type",
        "local-hostname",
        "local-ipv4",
        "mac",
        "public-hostname",
        "public-ipv4",
        "reservation-id",
        "security-groups",
    ] {
        if let Some(value) = optional(service, &format!("{data}{key}"), &mut instance.faults) {
            metadata.insert(key.to_owned(), json!(text(value)?));
        }
    }
    let mut placement = Map::new();
    for key in ["availability-zone", "region"] {
        if let Some(value) = optional(service, &format!("{data}placement/{key}"), &mut instance.faults) {
            placement.insert(key.to_owned(), json!(text(value)?));
        }
    }
    let part = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    (instance.zone, instance.region) = (part(&placement, "availability-zone"), part(&placement, "region"));
    metadata.insert("placement".to_owned(), Value::Object(placement));
    // `0=NAME`, a line for each
    let listed = service.get(&format!("{data}public-keys/"))?.map(text).transpose()?.unwrap_or_default();
    let mut keys = Map::new();
    for line in listed.lines().take(64) {
        let Some((number, name)) = line.split_once('=') else { continue };
        let number: u16 = number.parse().map_err(|_| "public-keys: expected numbers".to_owned())?;
        if let Some(key) = service.get(&format!("{data}public-keys/{number}/openssh-key"))? {
            keys.insert(name.to_owned(), json!([text(key)?]));
        }
    }
    let keys = Value::Object(keys);
    instance.public_keys = public_keys(&keys);
    metadata.insert("public-keys".to_owned(), keys);
    // where a network has several domains, a name in each of them
    let names = part(&metadata, "local-hostname").unwrap_or_default();
    instance.hostname = names.split_ascii_whitespace().next().map(str::to_owned);
    instance.user_data = service.get("/latest/user-data")?.unwrap_or_default();
    let document = optional(service, "/latest/dynamic/instance-identity/document", &mut instance.faults);
    let document = document.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    instance.dynamic = document.map(|document| json!({"instance-identity": {"document": document}}));
    instance.metadata = metadata;
    instance.checked()
}

/// Whose keys Google's metadata has for cloud-init: `USER:KEY`, a line each.
const GOOGLE_USERS: [&str; 2] = ["cloudinit", "debian"];

fn google(service: &mut Service) -> Result<Instance, String> {
    service.headers.push(("Metadata-Flavor".to_owned(), "Google".to_owned()));
    let bytes = service.need("/computeMetadata/v1/?recursive=true&alt=json")?;
    let all: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("metadata: invalid JSON: {error}"))?;
    let (machine, project) =
        (all.get("instance").cloned().unwrap_or_default(), all.get("project").cloned().unwrap_or_default());
    let id = machine.get("id").and_then(crate::yaml::text).ok_or("metadata: expected `instance.id`")?;
    let mut instance = Instance::new(Source::Google, "http://metadata.google.internal", id);
    let part = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    instance.hostname = part(&machine, "hostname");
    // `projects/NUMBER/zones/ZONE`; a region is what is before the last `-`
    instance.zone = part(&machine, "zone").and_then(|zone| zone.rsplit('/').next().map(str::to_owned));
    instance.region =
        instance.zone.as_ref().and_then(|zone| zone.rsplit_once('-')).map(|(region, _)| region.to_owned());
    let attributes = |value: &Value| value.get("attributes").cloned().unwrap_or_default();
    let (own, shared) = (attributes(&machine), attributes(&project));
    let blocks = part(&own, "block-project-ssh-keys").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let mut lines = part(&own, "ssh-keys").unwrap_or_default();
    if !blocks {
        lines.push('\n');
        lines.push_str(&part(&shared, "ssh-keys").unwrap_or_default());
    }
    let now = clock::log_time(clock::now()).replace(' ', "T");
    instance.public_keys = lines.lines().filter_map(|line| google_key(line, &now)).collect();
    if let Some(user_data) = part(&own, "user-data") {
        let decoded = match part(&own, "user-data-encoding").as_deref() {
            Some("base64") => crate::encoding::base64(user_data.as_bytes()),
            None => Ok(user_data.into_bytes()),
            Some(other) => Err(format!("user-data-encoding: unknown `{}`", other.escape_debug())),
        };
        match decoded {
            Ok(bytes) => instance.user_data = bytes,
            Err(what) => instance.faults.push(Fault::error(format!("user-data: {what}"))),
        }
    }
    let mut metadata = Map::new();
    metadata.insert("instance-id".to_owned(), json!(instance.id));
    metadata.insert("local-hostname".to_owned(), json!(instance.hostname));
    metadata.insert("availability-zone".to_owned(), json!(instance.zone));
    metadata.insert("public-keys".to_owned(), json!(instance.public_keys));
    if let Some(project) = part(&project, "projectId") {
        metadata.insert("project-id".to_owned(), json!(project));
    }
    instance.metadata = metadata;
    instance.checked()
}

/// The key of a line, where it is for the default user and has not expired.
fn google_key(line: &str, now: &str) -> Option<String> {
    let (user, key) = line.trim().split_once(':')?;
    if !GOOGLE_USERS.contains(&user) {
        return None;
    }
    if let Some((_, rest)) = key.split_once(" google-ssh ") {
        let value: Value = serde_json::from_str(rest.trim()).ok()?;
        let expires = value.get("expireOn")?.as_str()?;
        if expires.get(..19)? < now.get(..19)? {
            return None;
        }
    }
    Some(key.trim().to_owned())
}

fn openstack(service: &Service) -> Result<Instance, String> {
    let read = |name: &str| match name {
        "meta_data.json" => service.need(&format!("/{}/{name}", config_drive::FOLDER)).map(Some),
        _ => service.get(&format!("/{}/{name}", config_drive::FOLDER)),
    };
    let from = format!("http://{}", service.host);
    let found = config_drive::instance(Source::OpenStack, &from, &read)?;
    let mut instance = found.ok_or("the service has no meta_data.json")?;
    // the network is up, by the image's own configuration, when this is read
    instance.network = None;
    Ok(instance)
}

#[cfg(test)]
mod tests;
