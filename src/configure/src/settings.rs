//! Settings: what is left of the three files when nothing at all is wrong with them.
//!
//! Made only by [`check`], which finds every fault of every file before it returns. After that no value can break a
//! rule of [`crate::keys`], so that rendering has no errors to make. Empty means "not set"; `get` gives the default then.
//! Not `Debug`: there are secrets in it.

mod features;
#[cfg(test)]
mod tests;
mod together;

pub use features::{OidcCa, Registry, Telemetry, Wait};

use crate::cloud::{self, Buckets, Cloud, Provider};
use crate::install::{Cache, Image};
use crate::keys::{self, Given, KEYS};
use crate::layers::Layers;
use crate::names::{DETECTED, MUTABLE, Role, USER_DATA};
use crate::refusal::Fault;
use std::collections::BTreeMap;

/// The checked configuration of a node.
pub struct Settings {
    /// What the node does.
    pub role: Role,
    /// The image's kind.
    pub kind: String,
    /// The sandbox image that the manifest pins.
    pub pause: String,
    /// What the image's registry cache is.
    pub cache: Cache,
    /// Who runs the machine.
    pub provider: Provider,
    /// The authority that the agent trusts, PEM.
    pub nstance_ca: Option<Vec<u8>>,
    /// Lines of `authorized_keys`: every key once, in the order user-data, live.
    pub ssh_keys: Vec<String>,
    /// The issuer's authority.
    pub oidc_ca: OidcCa,
    /// Where logs go; none while telemetry is off or has nowhere to send to.
    pub telemetry: Option<Telemetry>,
    /// The registry cache; none while it is off or lacks its host name or its bucket.
    pub registry: Option<Registry>,
    /// What is off until a setting is given: it may come with the first delivery, which nobody takes in before the node is
    /// configured.
    pub waits: Vec<Wait>,
    /// Names in user-data that are not settings and look like one.
    pub slips: Vec<String>,
    values: BTreeMap<&'static str, String>,
}

impl Settings {
    /// What is passed over, for whoever reads the journal.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.slips.iter().cloned().chain(self.waits.iter().map(Wait::note)).collect()
    }

    /// The checked value of `key`, its default when it is not set, `""` when it has none. An unknown key has none.
    #[must_use]
    pub fn get(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// The value of `key`, or of `other` when that is empty.
    #[must_use]
    pub fn get_or<'a>(&'a self, key: &str, other: &'a str) -> &'a str {
        match self.get(key) {
            "" => other,
            value => value,
        }
    }

    /// What is known of the cloud that the machine is of.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        cloud::of(self.provider)
    }

    /// The role of this cluster that `part` takes on aws, when none was given; empty elsewhere.
    #[must_use]
    pub fn aws_role(&self, key: &str, part: &str) -> String {
        match (self.get(key), self.cloud().buckets) {
            ("", Buckets::Aws) => {
                format!(
                    "arn:aws:iam::{}:role/podplane-{}-{part}",
                    self.get("AWS_ACCOUNT_ID"),
                    self.get("CLUSTER_ID")
                )
            }
            (given, _) => given.to_owned(),
        }
    }
}

/// When settings are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before `detected.env` is written for good.
    FirstRun,
    /// After.
    Later,
}

/// The settings of `layers` on `image`, or everything that is wrong with them.
pub fn check(layers: &Layers, image: &Image, when: When) -> Result<Settings, Vec<Fault>> {
    let mut faults = Vec::new();
    misplaced(layers, &mut faults);
    rules(layers, image.role, &mut faults);
    required(layers, image.role, when, &mut faults);
    kinds(layers, image, &mut faults);
    together::check(layers, image.role, &mut faults);
    let values: BTreeMap<&'static str, String> =
        KEYS.iter().map(|key| (key.name, layers.value(key.name).to_owned())).collect();
    let mut waits = Vec::new();
    if image.role == Role::ControlPlane && layers.value("NETSY_BUCKET").is_empty() {
        waits.push(features::NETSY);
    }
    let registry = features::registry(layers, image.cache, &mut waits);
    let telemetry = features::telemetry(layers, image.cache, &mut waits);
    let provider = Provider::of(layers.value("PROVIDER_KIND"));
    match provider {
        Some(provider) if faults.is_empty() => Ok(Settings {
            role: image.role,
            kind: image.kind.clone(),
            pause: image.pause.clone(),
            cache: image.cache,
            provider,
            nstance_ca: crate::base64::certificates(layers.value("NSTANCE_CA_CERT")),
            ssh_keys: features::ssh_keys(layers),
            oidc_ca: features::oidc_ca(layers),
            telemetry,
            registry,
            waits,
            slips: slips(layers),
            values,
        }),
        _ => Err(faults),
    }
}

/// Names that no such file may have, and settings in a file that is not theirs.
fn misplaced(layers: &Layers, faults: &mut Vec<Fault>) {
    for (place, layer) in
        [(USER_DATA, &layers.user_data), (DETECTED, &layers.detected), (MUTABLE, &layers.mutable)]
    {
        for (key, value, line) in layer.iter() {
            if keys::is_dangerous(key) {
                faults.push(
                    Fault::new(place, "expected no name that programs run code by").line(line).key(key),
                );
            } else if place == MUTABLE
                && keys::find(key).is_some_and(|key| key.given != Given::Live)
                && !value.is_empty()
            {
                faults.push(
                    Fault::new(place, "expected a setting that may change live")
                        .line(line)
                        .key(key)
                        .hint("remove the line; user-data gives this setting"),
                );
            }
        }
    }
}

/// Each value that counts, against its rule.
fn rules(layers: &Layers, role: Role, faults: &mut Vec<Fault>) {
    for key in KEYS.iter().filter(|key| key.is_of(role)) {
        let layer_values =
            [(MUTABLE, &layers.mutable), (USER_DATA, &layers.user_data), (DETECTED, &layers.detected)];
        // a union takes from every file, anything else only from the one that wins
        let union = key.rule == crate::rules::Rule::SshKeys;
        for (place, layer) in layer_values {
            for (_, value, line) in layer.iter().filter(|(name, _, _)| *name == key.name) {
                let wins = layers.find(key.name).is_some_and(|found| found.place == place);
                if value.is_empty() || !(wins || union) {
                    continue;
                }
                if let Some(broken) = key.rule.broken(value) {
                    faults.push(
                        Fault { hint: broken.hint.map(str::to_owned), ..Fault::new(place, broken.rule) }
                            .line(line)
                            .key(key.name),
                    );
                }
            }
        }
    }
}

/// What must not be empty.
fn required(layers: &Layers, role: Role, when: When, faults: &mut Vec<Fault>) {
    let mut need = |key: &str, place: &str, why: &str, hint: &str| {
        if layers.value(key).is_empty() {
            faults.push(Fault::new(place, format!("expected a value, {why}")).key(key).hint(hint));
        }
    };
    let user = "user-data gives it: look at what the instance was started with";
    need("PROVIDER_KIND", USER_DATA, &cloud::names(""), user);
    need("NSTANCE_SERVER_REGISTRATION_ADDR", USER_DATA, "`host:port`", user);
    need("NSTANCE_SERVER_AGENT_ADDR", USER_DATA, "`host:port`", user);
    let provider = Provider::of(layers.value("PROVIDER_KIND"));
    let cloud = provider.map_or(cloud::PLAIN, cloud::of);
    for one in cloud.needs.iter().filter(|one| one.is_asked(when)) {
        let why = provider.map_or_else(String::new, |provider| format!("as the provider is {provider}"));
        need(one.key, USER_DATA, &why, user);
    }
    if role == Role::ControlPlane {
        need("INSTANCE_ID", USER_DATA, "as this is a control plane", user);
        if !cloud.always_needs("CLUSTER_ID") {
            need("CLUSTER_ID", USER_DATA, "as this is a control plane", user);
        }
    }
    let again = "it is written by the first run: remove bootstrap.done beside it, and run configure again";
    for key in ["INSTANCE_PROVIDER_ID", "INSTANCE_NETDEV", "INSTANCE_HOSTNAME", "INSTANCE_FQDN"] {
        need(key, DETECTED, "a fact that the first run found out", again);
    }
    if layers.value("INSTANCE_IPV4").is_empty() && layers.value("INSTANCE_IPV6").is_empty() {
        let rule = "expected a value, or one for INSTANCE_IPV6: a node has an address";
        faults.push(Fault::new(DETECTED, rule).key("INSTANCE_IPV4").hint(again));
    }
    if layers.detected.get("INSTANCE_IPV6").is_none() {
        faults
            .push(Fault::new(DETECTED, "expected a line, it may be empty").key("INSTANCE_IPV6").hint(again));
    }
}

/// Names in user-data that are not settings and look like one; others are somebody else's.
fn slips(layers: &Layers) -> Vec<String> {
    let slips = layers.user_data.iter().filter(|(key, ..)| keys::find(key).is_none());
    let told = slips.filter_map(|(key, _, line)| {
        let meant = keys::closest(key)?;
        Some(format!("{USER_DATA}:{line}: {key} is not a setting: is `{meant}` meant?"))
    });
    told.collect()
}

/// A node is what its image is; user-data may repeat it, and nothing else.
fn kinds(layers: &Layers, image: &Image, faults: &mut Vec<Fault>) {
    for (place, layer) in [(USER_DATA, &layers.user_data), (DETECTED, &layers.detected)] {
        if layer.get("VMCONFIG_KIND").is_some_and(|kind| !kind.is_empty() && *kind != image.kind) {
            let rule =
                format!("expected `{}` as in {}, found another kind", image.kind, crate::names::INSTALLED);
            faults.push(
                Fault::new(place, rule)
                    .key("VMCONFIG_KIND")
                    .hint("start the instance from an image of that kind"),
            );
        }
    }
}
