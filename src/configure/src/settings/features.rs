//! What several settings are together: logs, the registry cache, SSH keys, the issuer's authority.

use crate::install::Cache;
use crate::layers::Layers;
use crate::names::MUTABLE;
use crate::refusal::Fault;
use crate::rules::{Endpoint, parse_endpoint};
use crate::services::Service;

/// Where logs go.
pub struct Telemetry {
    /// Units whose logs are sent, without `.service`, as they were named.
    pub services: Vec<String>,
    /// Whether cloud-init's log is sent.
    pub cloudinit: bool,
    /// Whether there is a bucket.
    pub s3: bool,
    /// The OTLP server.
    pub otlp: Option<Endpoint>,
}

/// The registry cache.
pub struct Registry {
    /// The host name that images are pulled from.
    pub hostname: String,
}

/// A part of a node that is off until a setting is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The setting.
    pub key: &'static str,
    /// Why it is needed.
    because: &'static str,
    /// What is off, for people.
    part: &'static str,
    /// What is off, when it is a whole service.
    pub service: Option<Service>,
    hint: &'static str,
}

impl Wait {
    /// What a node says of it.
    #[must_use]
    pub fn note(&self) -> String {
        format!("{} is not given, {}: {} is off until it is", self.key, self.because, self.part)
    }

    /// What the author of settings that are meant to be complete is told.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let rule = format!("expected a value, {}", self.because);
        Fault::new(MUTABLE, rule).key(self.key).hint(self.hint)
    }
}

/// A control plane without a bucket.
pub(super) const NETSY: Wait = Wait {
    key: "NETSY_BUCKET",
    because: "as this is a control plane",
    part: "netsy",
    service: Some(Service::Netsy),
    hint: "give it in a delivery, or in user-data",
};

fn registry_lacks(key: &'static str, because: &'static str, cache: Cache) -> Wait {
    let hint = "give both, or set REGISTRY_ENABLED to false";
    Wait { key, because, part: "the registry cache", service: Some(Service::of_cache(cache)), hint }
}

const fn telemetry_lacks(key: &'static str) -> Wait {
    let because = "as its other half is";
    Wait {
        key,
        because,
        part: "sending logs to TELEMETRY_S3_BUCKET",
        service: None,
        hint: "give both halves, or none",
    }
}

/// The issuer's authority.
#[derive(PartialEq, Eq)]
pub enum OidcCa {
    /// The system's authorities.
    System,
    /// PEM that was given; it is written to a file.
    Given(Vec<u8>),
    /// A file that is there already.
    File(String),
}

/// On when it is not switched off and has a host name and a bucket: either may come later than the other.
pub(super) fn registry(layers: &Layers, cache: Cache, waits: &mut Vec<Wait>) -> Option<Registry> {
    if layers.value("REGISTRY_ENABLED") == "false" {
        return None;
    }
    match (layers.value("REGISTRY_HOSTNAME"), layers.value("REGISTRY_BUCKET")) {
        ("", "") => None,
        ("", _) => {
            waits.push(registry_lacks("REGISTRY_HOSTNAME", "as REGISTRY_BUCKET is", cache));
            None
        }
        (_, "") => {
            waits.push(registry_lacks("REGISTRY_BUCKET", "as REGISTRY_HOSTNAME is", cache));
            None
        }
        (hostname, _) => Some(Registry { hostname: hostname.to_owned() }),
    }
}

/// On when it is not switched off and has somewhere to send to. A bucket with half a key is nowhere yet. Whoever names zot
/// means the image's registry cache, whatever that is.
pub(super) fn telemetry(layers: &Layers, cache: Cache, waits: &mut Vec<Wait>) -> Option<Telemetry> {
    if layers.value("TELEMETRY_ENABLED") == "false" {
        return None;
    }
    let mut s3 = !layers.value("TELEMETRY_S3_BUCKET").is_empty();
    let halves = ["TELEMETRY_S3_ACCESS_KEY_ID", "TELEMETRY_S3_SECRET_ACCESS_KEY"];
    let lacking = halves.into_iter().find(|key| layers.value(key).is_empty());
    let given = halves.into_iter().any(|key| !layers.value(key).is_empty());
    if let (true, true, Some(key)) = (s3, given, lacking) {
        waits.push(telemetry_lacks(key));
        s3 = false;
    }
    let otlp = parse_endpoint(layers.value("TELEMETRY_OTLP_ENDPOINT"), false);
    if !s3 && otlp.is_none() {
        return None;
    }
    let mut services: Vec<String> = layers
        .value("TELEMETRY_LOG_SERVICES")
        .split(',')
        .map(|one| one.chars().filter(|character| !character.is_whitespace()).collect::<String>())
        .map(|one| one.strip_suffix(".service").map_or(one.clone(), str::to_owned))
        .filter(|one| !one.is_empty())
        .collect();
    let cache = Service::of_cache(cache).unit();
    services.iter_mut().filter(|one| *one == Service::Zot.unit()).for_each(|one| cache.clone_into(one));
    Some(Telemetry { services, cloudinit: layers.value("TELEMETRY_LOG_CLOUDINIT") == "true", s3, otlp })
}

/// The union of all that name keys, each once, without blank lines; only comments are not keys.
pub(super) fn ssh_keys(layers: &Layers) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (layer, key) in [
        (&layers.user_data, "IMMUTABLE_SSH_AUTHORIZED_KEYS"),
        (&layers.user_data, "SSH_AUTHORIZED_KEY"),
        (&layers.user_data, "SSH_AUTHORIZED_KEYS"),
        (&layers.mutable, "SSH_AUTHORIZED_KEY"),
        (&layers.mutable, "SSH_AUTHORIZED_KEYS"),
    ] {
        for line in layer.get(key).unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty())
        {
            if !out.iter().any(|earlier| earlier == line) {
                out.push(line.to_owned());
            }
        }
    }
    if out.iter().all(|line| line.starts_with('#')) {
        out.clear();
    }
    out
}

/// The newer name before the older, and both before a file.
pub(super) fn oidc_ca(layers: &Layers) -> OidcCa {
    let given = ["OIDC_CA_CERT", "OIDC_CUSTOM_CA"]
        .into_iter()
        .find_map(|key| crate::base64::certificates(layers.value(key)));
    match (given, layers.value("OIDC_CA_FILE")) {
        (Some(pem), _) => OidcCa::Given(pem),
        (None, "") => OidcCa::System,
        (None, file) => OidcCa::File(file.to_owned()),
    }
}
