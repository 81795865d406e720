//! What several settings are together: logs, the registry cache, SSH keys, the issuer's authority.

use crate::layers::Layers;
use crate::names::MUTABLE;
use crate::refusal::Fault;
use crate::rules::{Endpoint, parse_endpoint};

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

/// On when it is not switched off and has a host name and a bucket. An image without either is not configured yet, and
/// boots; one without the other is a mistake.
pub(super) fn registry(layers: &Layers, faults: &mut Vec<Fault>) -> Option<Registry> {
    if layers.value("REGISTRY_ENABLED") == "false" {
        return None;
    }
    let (hostname, bucket) = (layers.value("REGISTRY_HOSTNAME"), layers.value("REGISTRY_BUCKET"));
    let mut need = |key: &str, other: &str| {
        let rule = format!("wanted a value, as {other} is given");
        faults.push(Fault::new(MUTABLE, rule).key(key).hint("give both, or set REGISTRY_ENABLED to false"));
    };
    match (hostname, bucket) {
        ("", "") => return None,
        ("", _) => need("REGISTRY_HOSTNAME", "REGISTRY_BUCKET"),
        (_, "") => need("REGISTRY_BUCKET", "REGISTRY_HOSTNAME"),
        _ => {}
    }
    Some(Registry { hostname: hostname.to_owned() })
}

/// On when it is not switched off and has somewhere to send to.
pub(super) fn telemetry(layers: &Layers, faults: &mut Vec<Fault>) -> Option<Telemetry> {
    if layers.value("TELEMETRY_ENABLED") == "false" {
        return None;
    }
    let s3 = !layers.value("TELEMETRY_S3_BUCKET").is_empty();
    let otlp = parse_endpoint(layers.value("TELEMETRY_OTLP_ENDPOINT"), false);
    if !s3 && otlp.is_none() {
        return None;
    }
    let half = (
        layers.value("TELEMETRY_S3_ACCESS_KEY_ID").is_empty(),
        layers.value("TELEMETRY_S3_SECRET_ACCESS_KEY").is_empty(),
    );
    if s3 && half.0 != half.1 {
        let key = if half.0 { "TELEMETRY_S3_ACCESS_KEY_ID" } else { "TELEMETRY_S3_SECRET_ACCESS_KEY" };
        faults.push(Fault::new(MUTABLE, "wanted a value, as its other half is given").key(key));
    }
    let services = layers
        .value("TELEMETRY_LOG_SERVICES")
        .split(',')
        .map(|one| one.chars().filter(|character| !character.is_whitespace()).collect::<String>())
        .map(|one| one.strip_suffix(".service").map_or(one.clone(), str::to_owned))
        .filter(|one| !one.is_empty())
        .collect();
    Some(Telemetry { services, cloudinit: layers.value("TELEMETRY_LOG_CLOUDINIT") == "true", s3, otlp })
}

/// The union of all that name keys, each once, without blank lines; only comments are no keys.
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
