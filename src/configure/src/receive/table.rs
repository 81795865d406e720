//! What an agent may deliver, where it goes, who may read it, and which services read it when they start.

use crate::keys::Grant;
use crate::names::Role;
use crate::services::Service;

/// Where certificates go.
pub const CRT: &str = "/opt/crt";
/// Where public keys go.
pub const PUB: &str = "/opt/pub";
/// Below it each service has a directory of private keys.
pub const KEY: &str = "/opt/key";

/// A certificate, `NAME.crt`, and the key that the agent made for it, `NAME.key`.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Its name without the ending.
    pub name: &'static str,
    /// The directory below [`KEY`], and the group that may read the key; none when it has none here.
    pub key: Option<(&'static str, &'static str)>,
    /// Who reads them when they start; on a worker those of the control plane do not count.
    pub services: &'static [Service],
    /// Whether a worker takes the certificate.
    pub on_workers: bool,
}

impl Pair {
    /// Where the key goes on a node of `role`, and its group.
    #[must_use]
    pub fn key_on(&self, role: Role) -> Option<(String, &'static str)> {
        let of_role =
            self.services.is_empty() || self.services.iter().any(|service| service.is_of_role(role));
        let (directory, group) = self.key.filter(|_| of_role)?;
        Some((format!("{KEY}/{directory}/{}.key", self.name), group))
    }
}

use Service::{Kube2iam, KubeApiserver, KubeControllerManager, KubeScheduler, Kubelet, Netsy, Zot};

/// All who check others against the cluster's authority; containerd reads it for each pull.
const TRUST: &[Service] =
    &[Zot, Netsy, KubeApiserver, KubeControllerManager, KubeScheduler, Kube2iam, Kubelet];

const fn pair(name: &'static str, key: (&'static str, &'static str), services: &'static [Service]) -> Pair {
    Pair { name, key: Some(key), services, on_workers: true }
}

/// Every certificate, sorted by name.
pub const PAIRS: [Pair; 13] = [
    Pair { name: "ca", key: None, services: TRUST, on_workers: true },
    pair("containerd.client", ("containerd", "containerd"), &[]),
    pair("front-proxy.client", ("kube-apiserver", "kube-apiserver"), &[KubeApiserver]),
    pair("kube-apiserver.client", ("kube-apiserver", "kube-apiserver"), &[KubeApiserver]),
    pair("kube-apiserver.server", ("kube-apiserver", "kube-apiserver"), &[KubeApiserver]),
    Pair {
        on_workers: false,
        ..pair(
            "kube-controller-manager.client",
            ("kube-controller-manager", "kube-controller-manager"),
            &[KubeControllerManager],
        )
    },
    Pair {
        on_workers: false,
        ..pair("kube-scheduler.client", ("kube-scheduler", "kube-scheduler"), &[KubeScheduler])
    },
    pair("kube2iam.client", ("kube2iam", "kube2iam"), &[Kube2iam]),
    pair("kubelet.client", ("kubelet", "kubelet"), &[Kubelet]),
    pair("kubelet.server", ("kubelet", "kubelet"), &[Kubelet]),
    pair("netsy.client", ("netsy", "netsy"), &[Netsy]),
    pair("netsy.server", ("netsy", "netsy"), &[Netsy]),
    pair("registry.server", ("registry", "zot"), &[Zot]),
];

/// The live settings.
pub const MUTABLE: &str = "mutable.env";
/// The authority's public key; nothing in the image reads it when it starts.
pub const CA_PUB: &str = "ca.pub";
/// The key that service accounts' tokens are signed with, made by the cluster and not by this node.
pub const SIGNING_KEY: &str = "service-accounts.key";
/// The keys that such tokens are checked with.
pub const SIGNING_PUB: &str = "service-accounts.pub";
/// Who reads both.
pub const SIGNING: &[Service] = &[KubeApiserver];

/// The names that a delivery may have besides `NAME.crt`.
pub const OTHERS: [&str; 4] = [MUTABLE, CA_PUB, SIGNING_KEY, SIGNING_PUB];

/// The class of the policy that a delivered file of this name belongs to. Other certificates are a node's own, made for keys
/// that its agent has anyway, and believed as far as the authority goes that signed them.
#[must_use]
pub fn grant(name: &str) -> Option<Grant> {
    matches!(name, "ca.crt" | CA_PUB | SIGNING_KEY | SIGNING_PUB).then_some(Grant::Authorities)
}

/// Whether a node of `role` takes a delivered file of this name.
#[must_use]
pub fn takes(name: &str, role: Role) -> bool {
    let control_plane = role == Role::ControlPlane;
    match name.strip_suffix(".crt") {
        Some(stem) => PAIRS.iter().any(|pair| pair.name == stem && (pair.on_workers || control_plane)),
        None => OTHERS.contains(&name) && (name != SIGNING_KEY || control_plane),
    }
}

#[cfg(test)]
mod tests {
    use super::{PAIRS, takes};
    use crate::names::Role;

    #[test]
    fn a_worker_takes_no_key_of_the_control_plane() {
        let keys = |role| {
            PAIRS.iter().filter_map(|pair| pair.key_on(role)).map(|(path, _)| path).collect::<Vec<_>>()
        };
        assert_eq!(keys(Role::ControlPlane).len(), 12);
        assert_eq!(
            keys(Role::Worker),
            [
                "/opt/key/containerd/containerd.client.key",
                "/opt/key/kube2iam/kube2iam.client.key",
                "/opt/key/kubelet/kubelet.client.key",
                "/opt/key/kubelet/kubelet.server.key",
                "/opt/key/registry/registry.server.key",
            ]
        );
        assert!(!takes("service-accounts.key", Role::Worker) && takes("service-accounts.pub", Role::Worker));
        for name in ["kube-scheduler.client.crt", "kube-controller-manager.client.crt"] {
            assert!(!takes(name, Role::Worker) && takes(name, Role::ControlPlane), "{name}");
        }
        for name in ["ca.crt", "kubelet.client.crt", "mutable.env", "ca.pub"] {
            assert!(takes(name, Role::Worker) && takes(name, Role::ControlPlane), "{name}");
        }
        assert!(takes("service-accounts.key", Role::ControlPlane));
    }

    #[test]
    fn names_are_taken_as_they_are_spelt() {
        for name in
            ["CA.CRT", "Ca.crt", "ca.crt.crt", "../ca.crt", "ca", ".crt", "nope.crt", "write-files.last"]
        {
            assert!(!takes(name, Role::ControlPlane), "{name}");
        }
    }
}
