//! The services that a configuration reaches, in the order in which they are restarted.

use crate::install::Cache;
use crate::names::Role;

/// A service; the order of the variants is the order of restarts: what others need comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Ships logs.
    FluentBit,
    /// The registry cache, where it is zot.
    Zot,
    /// The registry cache, where it is Podplane's own.
    Registry,
    /// Runs containers.
    Containerd,
    /// Registers the node and takes deliveries.
    NstanceAgent,
    /// The key-value store of the control plane.
    Netsy,
    /// The API server.
    KubeApiserver,
    /// The controllers.
    KubeControllerManager,
    /// The scheduler.
    KubeScheduler,
    /// Credentials of pods on AWS.
    Kube2iam,
    /// Runs pods.
    Kubelet,
}

impl Service {
    /// All, in order.
    pub const ALL: [Self; 11] = [
        Self::FluentBit,
        Self::Zot,
        Self::Registry,
        Self::Containerd,
        Self::NstanceAgent,
        Self::Netsy,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kube2iam,
        Self::Kubelet,
    ];

    /// The unit's name as `systemctl` is given it.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::FluentBit => "fluent-bit",
            Self::Zot => "zot",
            Self::Registry => "registry",
            Self::Containerd => "containerd",
            Self::NstanceAgent => "nstance-agent",
            Self::Netsy => "netsy",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::Kube2iam => "kube2iam",
        }
    }

    /// The files without which its unit is passed over (`ConditionFileNotEmpty=`): what configure writes, then what a
    /// delivery brings. The units say the same; a test compares.
    #[must_use]
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Self::FluentBit => &["/opt/env/fluent-bit.env", "/opt/fluent-bit/etc/fluent-bit.yml"],
            Self::Zot => &[
                "/opt/env/zot.env",
                "/opt/zot/etc/zot.yml",
                "/opt/crt/ca.crt",
                "/opt/crt/registry.server.crt",
                "/opt/key/registry/registry.server.key",
            ],
            Self::Registry => &["/opt/env/registry.env"],
            Self::Containerd => &["/opt/podplane/etc/user-data.env"],
            Self::NstanceAgent => &["/opt/env/nstance-agent.env", "/opt/nstance-agent/identity/ca.crt"],
            Self::Netsy => &[
                "/opt/env/netsy.env",
                "/opt/netsy/etc/cluster.jsonc",
                "/opt/crt/ca.crt",
                "/opt/crt/netsy.server.crt",
                "/opt/key/netsy/netsy.server.key",
                "/opt/crt/netsy.client.crt",
                "/opt/key/netsy/netsy.client.key",
            ],
            Self::KubeApiserver => &[
                "/opt/env/kube-apiserver.env",
                "/opt/crt/ca.crt",
                "/opt/pub/service-accounts.pub",
                "/opt/key/kube-apiserver/service-accounts.key",
                "/opt/crt/kube-apiserver.client.crt",
                "/opt/key/kube-apiserver/kube-apiserver.client.key",
                "/opt/crt/kube-apiserver.server.crt",
                "/opt/key/kube-apiserver/kube-apiserver.server.key",
                "/opt/crt/front-proxy.client.crt",
                "/opt/key/kube-apiserver/front-proxy.client.key",
            ],
            Self::KubeControllerManager => &[
                "/opt/env/kube-controller-manager.env",
                "/opt/crt/ca.crt",
                "/opt/crt/kube-controller-manager.client.crt",
                "/opt/key/kube-controller-manager/kube-controller-manager.client.key",
            ],
            Self::KubeScheduler => &[
                "/opt/crt/ca.crt",
                "/opt/crt/kube-scheduler.client.crt",
                "/opt/key/kube-scheduler/kube-scheduler.client.key",
            ],
            Self::Kube2iam => &[
                "/opt/env/kube2iam.env",
                "/opt/crt/ca.crt",
                "/opt/crt/kube2iam.client.crt",
                "/opt/key/kube2iam/kube2iam.client.key",
            ],
            Self::Kubelet => &[
                "/opt/env/kubelet.env",
                "/opt/crt/ca.crt",
                "/opt/crt/kubelet.client.crt",
                "/opt/key/kubelet/kubelet.client.key",
                "/opt/crt/kubelet.server.crt",
                "/opt/key/kubelet/kubelet.server.key",
            ],
        }
    }

    /// The one that is the registry cache.
    #[must_use]
    pub fn of_cache(cache: Cache) -> Self {
        match cache {
            Cache::Zot => Self::Zot,
            Cache::Podplane => Self::Registry,
        }
    }

    /// Whether a node of `role` has it, when its image has that registry cache.
    #[must_use]
    pub fn is_of(self, role: Role, cache: Cache) -> bool {
        match self {
            Self::Zot | Self::Registry => self == Self::of_cache(cache),
            _ => self.is_of_role(role),
        }
    }

    /// Whether a node of `role` may have it, whatever is in its image.
    #[must_use]
    pub fn is_of_role(self, role: Role) -> bool {
        match self {
            Self::Netsy | Self::KubeApiserver | Self::KubeControllerManager | Self::KubeScheduler => {
                role == Role::ControlPlane
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Service;
    use std::path::Path;

    #[test]
    fn a_service_needs_what_its_unit_says() {
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image-recipes");
        for service in Service::ALL {
            let name = format!("etc/systemd/system/{}.service", service.unit());
            let folders = ["knd/rootfs", "knd/rootfs.aws", "knc/rootfs"].map(|folder| recipes.join(folder));
            let unit = folders.iter().find_map(|folder| std::fs::read_to_string(folder.join(&name)).ok());
            let unit = unit.unwrap_or_else(|| panic!("{name} of a recipe"));
            let says: Vec<_> =
                unit.lines().filter_map(|line| line.strip_prefix("ConditionFileNotEmpty=")).collect();
            assert_eq!(says, service.needs(), "{name}");
        }
    }
}
