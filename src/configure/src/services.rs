//! The services that a configuration reaches, in the order in which they are restarted.

use crate::names::Role;

/// A service; the order of the variants is the order of restarts: what others need comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Ships logs.
    FluentBit,
    /// The registry cache.
    Zot,
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
    pub const ALL: [Self; 10] = [
        Self::FluentBit,
        Self::Zot,
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

    /// Whether a node of `role` has it.
    #[must_use]
    pub fn is_of(self, role: Role) -> bool {
        match self {
            Self::Netsy | Self::KubeApiserver | Self::KubeControllerManager | Self::KubeScheduler => {
                role == Role::ControlPlane
            }
            _ => true,
        }
    }
}
