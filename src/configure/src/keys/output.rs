//! The files that settings end up in, where they are, and which services read them.

use crate::services::Service;

/// A file that settings end up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Output {
    /// `/opt/env/nstance-agent.env`
    NstanceAgentEnv,
    /// `/opt/nstance-agent/identity/ca.crt`
    NstanceCa,
    /// `/opt/env/kubelet.env`
    KubeletEnv,
    /// `/opt/kubelet/etc/kubelet.conf.d/10-settings.conf`
    KubeletConfig,
    /// `/opt/env/kube-apiserver.env`
    KubeApiserverEnv,
    /// `/opt/env/kube-controller-manager.env`
    KubeControllerManagerEnv,
    /// `/opt/env/netsy.env`
    NetsyEnv,
    /// `/opt/netsy/etc/cluster.jsonc`
    NetsyCluster,
    /// `/opt/env/zot.env`
    ZotEnv,
    /// `/opt/zot/etc/zot.yml`
    ZotConfig,
    /// `/opt/env/registry.env`
    RegistryEnv,
    /// `/opt/zot/etc/aws.conf`
    RegistryAws,
    /// `/etc/containerd/certs.d/HOST/hosts.toml`; read for each pull, so nothing restarts
    RegistryHosts,
    /// `/etc/containerd/config.toml`
    ContainerdConfig,
    /// `/opt/env/fluent-bit.env`
    FluentBitEnv,
    /// `/opt/fluent-bit/etc/fluent-bit.yml`
    FluentBitConfig,
    /// `/opt/env/kube2iam.env`
    Kube2iamEnv,
    /// `/opt/kubelet/etc/kubeconfig`
    KubeletKubeconfig,
    /// `/opt/kube2iam/etc/kubeconfig`
    Kube2iamKubeconfig,
    /// `/opt/kube-controller-manager/etc/kubeconfig`
    KubeControllerManagerKubeconfig,
    /// `/opt/kube-scheduler/etc/kubeconfig`
    KubeSchedulerKubeconfig,
    /// `/opt/crt/oidc-ca.pem`
    OidcCa,
    /// `/etc/hosts`
    Hosts,
    /// The admin user, its `authorized_keys` and its sudo
    Admin,
    /// A delivered certificate or key, and who reads it; [`crate::receive::table`] says which. No setting reaches it.
    Delivered(&'static [Service]),
}

impl Output {
    /// All that settings reach.
    pub const ALL: [Self; 24] = [
        Self::NstanceAgentEnv,
        Self::NstanceCa,
        Self::KubeletEnv,
        Self::KubeletConfig,
        Self::KubeApiserverEnv,
        Self::KubeControllerManagerEnv,
        Self::NetsyEnv,
        Self::NetsyCluster,
        Self::ZotEnv,
        Self::ZotConfig,
        Self::RegistryEnv,
        Self::RegistryAws,
        Self::RegistryHosts,
        Self::ContainerdConfig,
        Self::FluentBitEnv,
        Self::FluentBitConfig,
        Self::Kube2iamEnv,
        Self::KubeletKubeconfig,
        Self::Kube2iamKubeconfig,
        Self::KubeControllerManagerKubeconfig,
        Self::KubeSchedulerKubeconfig,
        Self::OidcCa,
        Self::Hosts,
        Self::Admin,
    ];

    /// Where it is; of several files the first, and `HOST` for a host name.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::NstanceAgentEnv => "/opt/env/nstance-agent.env",
            Self::NstanceCa => "/opt/nstance-agent/identity/ca.crt",
            Self::KubeletEnv => "/opt/env/kubelet.env",
            Self::KubeletConfig => "/opt/kubelet/etc/kubelet.conf.d/10-settings.conf",
            Self::KubeApiserverEnv => "/opt/env/kube-apiserver.env",
            Self::KubeControllerManagerEnv => "/opt/env/kube-controller-manager.env",
            Self::NetsyEnv => "/opt/env/netsy.env",
            Self::NetsyCluster => "/opt/netsy/etc/cluster.jsonc",
            Self::ZotEnv => "/opt/env/zot.env",
            Self::ZotConfig => "/opt/zot/etc/zot.yml",
            Self::RegistryEnv => "/opt/env/registry.env",
            Self::RegistryAws => "/opt/zot/etc/aws.conf",
            Self::RegistryHosts => "/etc/containerd/certs.d/HOST/hosts.toml",
            Self::ContainerdConfig => "/etc/containerd/config.toml",
            Self::FluentBitEnv => "/opt/env/fluent-bit.env",
            Self::FluentBitConfig => "/opt/fluent-bit/etc/fluent-bit.yml",
            Self::Kube2iamEnv => "/opt/env/kube2iam.env",
            Self::KubeletKubeconfig => "/opt/kubelet/etc/kubeconfig",
            Self::Kube2iamKubeconfig => "/opt/kube2iam/etc/kubeconfig",
            Self::KubeControllerManagerKubeconfig => "/opt/kube-controller-manager/etc/kubeconfig",
            Self::KubeSchedulerKubeconfig => "/opt/kube-scheduler/etc/kubeconfig",
            Self::OidcCa => "/opt/crt/oidc-ca.pem",
            Self::Hosts => "/etc/hosts",
            Self::Admin => "/home/admin/.ssh/authorized_keys",
            Self::Delivered(_) => "/opt/crt",
        }
    }

    /// The services that read the file when they start, and so restart when it changes.
    #[must_use]
    pub fn services(self) -> &'static [Service] {
        match self {
            Self::NstanceAgentEnv | Self::NstanceCa => &[Service::NstanceAgent],
            Self::KubeletEnv | Self::KubeletConfig | Self::KubeletKubeconfig => &[Service::Kubelet],
            Self::KubeApiserverEnv | Self::OidcCa => &[Service::KubeApiserver],
            Self::KubeControllerManagerEnv | Self::KubeControllerManagerKubeconfig => {
                &[Service::KubeControllerManager]
            }
            Self::KubeSchedulerKubeconfig => &[Service::KubeScheduler],
            Self::NetsyEnv | Self::NetsyCluster => &[Service::Netsy],
            Self::ZotEnv | Self::ZotConfig => &[Service::Zot],
            Self::RegistryEnv | Self::RegistryAws => &[Service::Registry],
            Self::ContainerdConfig => &[Service::Containerd],
            Self::FluentBitEnv | Self::FluentBitConfig => &[Service::FluentBit],
            Self::Kube2iamEnv | Self::Kube2iamKubeconfig => &[Service::Kube2iam],
            Self::Delivered(services) => services,
            Self::RegistryHosts | Self::Hosts | Self::Admin => &[],
        }
    }
}
