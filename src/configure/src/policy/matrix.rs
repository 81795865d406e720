//! Each thing that a delivery may bring against each class of the policy.

use super::{fixes_authorities, parse};
use crate::keys::{Grant, KEYS};
use crate::layers::{Layer, Layers};
use crate::names::Role::ControlPlane;
use crate::plan::Plan;
use crate::receive::judge::{Installed, judge};
use crate::receive::record::Record;
use crate::receive::table::{CRT, KEY, MUTABLE, OTHERS, PAIRS, PUB};
use crate::receive::take::Taken;
use crate::refusal::Fault;
use std::collections::BTreeSet;

/// What is decided, for every setting that may change live and every file that is delivered besides them. Whoever adds one
/// decides here which class keeps a delivery from changing it.
const DECIDED: [(Option<Grant>, &str); 5] = [
    (Some(Grant::Root), "SSH_AUTHORIZED_KEY SSH_AUTHORIZED_KEYS"),
    (
        Some(Grant::ClusterAdmin),
        "KUBE_SERVICE_ACCOUNT_ISSUER OIDC_CA_CERT OIDC_CA_FILE OIDC_CUSTOM_CA OIDC_GROUPS_CLAIM OIDC_GROUPS_PREFIX \
         OIDC_ISSUER OIDC_SIGNING_ALGS OIDC_USERNAME_CLAIM OIDC_USERNAME_PREFIX",
    ),
    (Some(Grant::Authorities), "ca.crt ca.pub service-accounts.key service-accounts.pub"),
    (
        Some(Grant::Endpoints),
        "AWS_S3_USE_PATH_STYLE KUBE_API_ETCD_SERVERS KUBE_API_INTERNAL_LB_HOSTNAME KUBE_API_PORT \
         KUBE_API_PUBLIC_HOSTNAME KUBE_CLUSTER_DNS NETSY_ACCESS_KEY_ID NETSY_ASSUME_ROLE NETSY_BUCKET NETSY_ENDPOINT \
         NETSY_KEY_PREFIX NETSY_REGION NETSY_SECRET_ACCESS_KEY NSTANCE_SERVER_AGENT_ADDR \
         NSTANCE_SERVER_REGISTRATION_ADDR REGISTRY_ACCESS_KEY_ID REGISTRY_ASSUME_ROLE REGISTRY_BUCKET REGISTRY_ENABLED \
         REGISTRY_ENDPOINT REGISTRY_HOSTNAME REGISTRY_REGION REGISTRY_SECRET_ACCESS_KEY TELEMETRY_OTLP_ENDPOINT \
         TELEMETRY_S3_ACCESS_KEY_ID TELEMETRY_S3_ASSUME_ROLE TELEMETRY_S3_BUCKET TELEMETRY_S3_ENDPOINT \
         TELEMETRY_S3_REGION TELEMETRY_S3_SECRET_ACCESS_KEY",
    ),
    // sizes, ranges, how much is logged, and certificates that are believed as far as their authority is
    (
        None,
        "KUBE_CLUSTER_CIDR KUBE_LOG_LEVEL KUBE_NODE_CIDR_MASK_SIZE_IPV4 KUBE_NODE_CIDR_MASK_SIZE_IPV6 \
         KUBE_SERVICE_CLUSTER_IP_RANGE TELEMETRY_ENABLED TELEMETRY_LOG_CLOUDINIT TELEMETRY_LOG_SERVICES \
         containerd.client.crt front-proxy.client.crt kube-apiserver.client.crt kube-apiserver.server.crt \
         kube-controller-manager.client.crt kube-scheduler.client.crt kube2iam.client.crt kubelet.client.crt \
         kubelet.server.crt netsy.client.crt netsy.server.crt registry.server.crt",
    ),
];

macro_rules! made {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/fixtures/certificates/", $name)).as_slice()
    };
}

/// A certificate, its private key, its public key: what a node has, and what it is delivered.
const OLD: [&[u8]; 3] = [made!("p256.crt"), made!("p256.key"), made!("p256.pub")];
const NEW: [&[u8]; 3] = [made!("ed25519.crt"), made!("ed25519.key"), made!("ed25519.pub")];

fn decided() -> impl Iterator<Item = (Option<Grant>, &'static str)> {
    DECIDED.into_iter().flat_map(|(class, names)| names.split_whitespace().map(move |name| (class, name)))
}

#[test]
fn each_thing_that_a_delivery_may_bring_has_a_decided_class() {
    let settings = KEYS.iter().filter(|key| key.is_live()).map(|key| key.name.to_owned());
    let certificates = PAIRS.iter().map(|pair| format!("{}.crt", pair.name));
    let others = OTHERS.iter().filter(|name| **name != MUTABLE).map(|name| (*name).to_owned());
    let all: BTreeSet<String> = settings.chain(certificates).chain(others).collect();
    let known: BTreeSet<String> = decided().map(|(_, name)| name.to_owned()).collect();
    assert_eq!(known.len(), decided().count(), "each once");
    assert_eq!(all, known, "on the left what there is, on the right what is decided");
}

#[test]
fn a_class_that_is_fixed_keeps_all_of_its_own_from_changing_and_nothing_else() {
    for (class, name) in decided() {
        for fixed in Grant::ALL {
            let told = refused(&format!("{} = \"user-data\"\n", fixed.name()), name);
            assert_eq!(told.is_some(), class == Some(fixed), "{name} with {} fixed: {told:?}", fixed.name());
        }
        let all: String =
            Grant::ALL.iter().map(|class| format!("{} = \"user-data\"\n", class.name())).collect();
        assert_eq!(refused(&all, name).is_some(), class.is_some(), "{name} with all fixed");
        assert_eq!(refused(&all.replace("user-data", "live"), name), None, "{name} with all live");
        assert_eq!(refused("", name), None, "{name} without a line");
        assert!(class.is_none() || refused("authorities", name).is_some(), "{name} with a policy in doubt");
    }
}

/// What a node with the policy `text` says of a delivery that changes `name`; none where it takes it.
fn refused(text: &str, name: &str) -> Option<String> {
    let policy = parse(text.as_bytes(), "policy.toml").map_err(crate::refusal::Refusal::input);
    let faults: Vec<Fault> = match KEYS.iter().find(|key| key.name == name) {
        Some(key) => {
            let present = Layers::default();
            let other = crate::page::tests::values(key.rule).into_iter().rev();
            let value = other.into_iter().find(|value| !value.is_empty() && *value != present.value(name));
            let mut taken = Taken::default();
            let line = format!("{name}='{}'\n", value.expect("another value"));
            taken.recv.insert(MUTABLE.to_owned(), line.into_bytes());
            let none = Layer::default();
            let (record, notes) = (&mut Record::default(), &mut Vec::new());
            crate::receive::settings(ControlPlane, &taken, &none, &present, &policy, record, notes)
                .err()
                .unwrap_or_default()
        }
        None => {
            let (taken, installed) = files(name);
            let fixed = fixes_authorities(&policy);
            judge(ControlPlane, &taken, &installed, fixed.as_deref(), &mut Plan::default())
        }
    };
    faults.first().map(ToString::to_string)
}

/// A delivery of the file `name`, with what it cannot be without, and what is installed.
fn files(name: &str) -> (Taken, Installed) {
    let (mut taken, mut installed) = (Taken::default(), Installed::new());
    let mut both = |name: &str, path: &str, which: usize| {
        taken.recv.insert(name.to_owned(), NEW[which].to_vec());
        installed.insert(path.to_owned(), OLD[which].to_vec());
    };
    match name {
        "ca.pub" => both(name, &format!("{PUB}/{name}"), 2),
        "service-accounts.key" | "service-accounts.pub" => {
            both("service-accounts.pub", &format!("{PUB}/service-accounts.pub"), 2);
            both("service-accounts.key", &format!("{KEY}/kube-apiserver/service-accounts.key"), 1);
        }
        _ => both(name, &format!("{CRT}/{name}"), 0),
    }
    let pair = PAIRS.iter().find(|pair| Some(pair.name) == name.strip_suffix(".crt"));
    if let Some((path, _)) = pair.and_then(|pair| pair.key_on(ControlPlane)) {
        taken.keys.insert(name.replace(".crt", ".key"), NEW[1].to_vec());
        installed.insert(path, OLD[1].to_vec());
    }
    (taken, installed)
}

#[test]
fn what_the_present_authorities_vouch_for_is_taken_though_they_are_fixed() {
    let made = include_str!("../../../../tests/fixtures/certificates/authorities/p256.pem");
    let certificates: Vec<&str> = made.split_inclusive("-----END CERTIFICATE-----\n").collect();
    let (present, next) = (certificates[0], certificates[1]);
    let mut installed = Installed::new();
    for (path, text) in [("ca.crt", present.as_bytes()), ("none.crt", b"")] {
        installed.insert(format!("{CRT}/{path}"), text.to_vec());
    }
    installed.insert(format!("{PUB}/ca.pub"), present.as_bytes().to_vec());
    let two_keys = [OLD[2], NEW[2]].concat();
    installed.insert(format!("{PUB}/service-accounts.pub"), two_keys);
    installed.insert(format!("{KEY}/kube-apiserver/service-accounts.key"), OLD[1].to_vec());
    let told = |delivered: &[(&str, &[u8])]| {
        let recv = delivered.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        let taken = Taken { recv, ..Taken::default() };
        let faults = judge(ControlPlane, &taken, &installed, Some("as it is fixed"), &mut Plan::default());
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let both = [present, next].concat();
    let none: [String; 0] = [];
    assert_eq!(told(&[("ca.crt", both.as_bytes()), ("ca.pub", next.as_bytes())]), none);
    assert_eq!(told(&[("ca.crt", next.as_bytes()), ("ca.pub", present.as_bytes())]), none);
    assert_eq!(told(&[("service-accounts.pub", OLD[2])]), none);
    // another of the keys that are believed
    assert_eq!(told(&[("service-accounts.key", NEW[1])]), none);
    assert_eq!(told(&[("service-accounts.pub", NEW[2]), ("service-accounts.key", NEW[1])]), none);
    let stranger = [present.as_bytes(), OLD[0]].concat();
    let said = told(&[("ca.crt", &stranger), ("ca.pub", next.as_bytes())]);
    assert!(
        said.len() == 2 && said[0].contains("recv/ca.crt: expected only the present authority"),
        "{said:?}"
    );
    assert!(said[1].contains("recv/ca.pub") && said.iter().all(|fault| fault.ends_with(", as it is fixed")));
    // damaged by root: nothing follows it, and the same again changes nothing
    installed.insert(format!("{CRT}/ca.crt"), b"damaged".to_vec());
    assert_eq!(told_of(&installed, present).len(), 1);
    // and the first is taken as it comes
    installed.insert(format!("{CRT}/ca.crt"), Vec::new());
    assert!(told_of(&installed, next).is_empty());
}

fn told_of(installed: &Installed, ca: &str) -> Vec<Fault> {
    let taken = Taken { recv: [("ca.crt".to_owned(), ca.as_bytes().to_vec())].into(), ..Taken::default() };
    judge(ControlPlane, &taken, installed, Some("as it is fixed"), &mut Plan::default())
}
