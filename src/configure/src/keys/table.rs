//! The rows. `row` takes what every setting has; what only some have is set behind it.

use super::{Given, Grant, Key, Output as O};
use crate::names::Role;
use crate::rules::Rule;

const fn row(
    name: &'static str,
    given: Given,
    rule: Rule,
    outputs: &'static [O],
    about: &'static str,
) -> Key {
    Key { name, given, role: None, rule, default: "", secret: false, grant: None, outputs, about }
}

const fn user(name: &'static str, rule: Rule, outputs: &'static [O], about: &'static str) -> Key {
    row(name, Given::UserData, rule, outputs, about)
}

const fn found(name: &'static str, rule: Rule, outputs: &'static [O], about: &'static str) -> Key {
    row(name, Given::Detected, rule, outputs, about)
}

const fn live(name: &'static str, rule: Rule, outputs: &'static [O], about: &'static str) -> Key {
    row(name, Given::Live, rule, outputs, about)
}

impl Key {
    const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    const fn control_plane(self) -> Self {
        Self { role: Some(Role::ControlPlane), ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn grants(self, grant: Grant) -> Self {
        Self { grant: Some(grant), ..self }
    }
}

/// Every setting, sorted by name.
pub static KEYS: &[Key] = &[
    user("AWS_ACCOUNT_ID", Rule::AwsAccount, &[O::NetsyEnv, O::ZotEnv, O::RegistryAws, O::FluentBitEnv], "The account that roles belong to; needed on aws."),
    live("AWS_S3_USE_PATH_STYLE", Rule::Bool, &[O::ZotEnv, O::ZotConfig, O::RegistryEnv], "Whether buckets are in the path of a URL rather than in its host.").grants(Grant::Endpoints),
    user("CLUSTER_ID", Rule::ClusterName, &[O::KubeApiserverEnv, O::NetsyEnv, O::NetsyCluster, O::ZotEnv, O::RegistryAws, O::FluentBitEnv], "The cluster's name; roles and the OIDC client are named after it."),
    user("GOOGLE_PROJECT_ID", Rule::Name, &[], "The project; needed on google at the first run."),
    user("IMMUTABLE_SSH_AUTHORIZED_KEYS", Rule::SshKeys, &[O::Admin], "SSH keys of the admin user that no delivery can take away."),
    found("INSTANCE_FQDN", Rule::Hostname, &[O::NstanceAgentEnv], "The host's name with its domain."),
    found("INSTANCE_HOSTNAME", Rule::Hostname, &[O::NstanceAgentEnv, O::NetsyEnv], "The host's name."),
    user("INSTANCE_ID", Rule::NodeName, &[O::NstanceAgentEnv, O::KubeletEnv, O::NetsyEnv, O::ZotEnv, O::RegistryAws, O::FluentBitEnv, O::Kube2iamEnv], "The instance's name in the cluster; on a control plane also in netsy, which takes no dot and at most 32."),
    found("INSTANCE_IPV4", Rule::Ipv4, &[O::NstanceAgentEnv, O::KubeletEnv, O::NetsyEnv, O::Kube2iamEnv], "The address of the default route's device; may be empty where there is an IPv6 address."),
    found("INSTANCE_IPV6", Rule::Ipv6, &[O::NstanceAgentEnv, O::KubeletEnv, O::ZotConfig, O::RegistryEnv, O::RegistryHosts], "The global address of the default route's device; may be empty."),
    found("INSTANCE_NETDEV", Rule::Line, &[], "The default route's device."),
    found("INSTANCE_PROVIDER_ID", Rule::Line, &[O::KubeletEnv], "The instance's id at its provider."),
    live("KUBE_API_ETCD_SERVERS", Rule::UrlList, &[O::KubeApiserverEnv], "Where the API server keeps its state.").default("https://127.0.0.1:2378").control_plane().grants(Grant::Endpoints),
    live("KUBE_API_INTERNAL_LB_HOSTNAME", Rule::Host, &[O::Hosts], "The load balancer that workers reach the API server by.").grants(Grant::Endpoints),
    live("KUBE_API_PORT", Rule::Port, &[O::KubeApiserverEnv, O::KubeletKubeconfig, O::Kube2iamKubeconfig, O::KubeControllerManagerKubeconfig, O::KubeSchedulerKubeconfig], "The API server's port.").default("6443").grants(Grant::Endpoints),
    live("KUBE_API_PUBLIC_HOSTNAME", Rule::Host, &[O::KubeApiserverEnv], "The name that the API server is known by outside.").control_plane().grants(Grant::Endpoints),
    live("KUBE_CLUSTER_CIDR", Rule::CidrPair, &[O::KubeControllerManagerEnv], "The addresses of pods.").default("100.64.0.0/10,fd64::/48").control_plane(),
    live("KUBE_CLUSTER_DNS", Rule::AddressList, &[O::KubeletConfig], "The addresses of the cluster's name servers, which pods ask.").default("198.19.255.254,fdc6::ffff").grants(Grant::Endpoints),
    live("KUBE_LOG_LEVEL", Rule::Number(0, 10), &[O::KubeApiserverEnv, O::KubeControllerManagerEnv], "How much the control plane logs.").default("2"),
    live("KUBE_NODE_CIDR_MASK_SIZE_IPV4", Rule::Number(8, 32), &[O::KubeControllerManagerEnv], "How many of them a node gets.").default("24"),
    live("KUBE_NODE_CIDR_MASK_SIZE_IPV6", Rule::Number(8, 128), &[O::KubeControllerManagerEnv], "How many of them a node gets.").default("64"),
    live("KUBE_SERVICE_ACCOUNT_ISSUER", Rule::Issuer, &[O::KubeApiserverEnv], "Who signs service accounts; `https://` and KUBE_API_PUBLIC_HOSTNAME when empty.").control_plane().grants(Grant::ClusterAdmin),
    live("KUBE_SERVICE_CLUSTER_IP_RANGE", Rule::ServiceRanges, &[O::KubeApiserverEnv, O::KubeControllerManagerEnv], "The addresses of services.").default("198.18.0.0/15,fdc6::/108").control_plane(),
    live("NETSY_ACCESS_KEY_ID", Rule::Line, &[O::NetsyEnv], "Its access key.").control_plane().grants(Grant::Endpoints),
    live("NETSY_ASSUME_ROLE", Rule::Line, &[O::NetsyEnv], "The role that netsy takes on aws; derived when empty.").control_plane().grants(Grant::Endpoints),
    live("NETSY_BUCKET", Rule::Name, &[O::NetsyEnv, O::NetsyCluster], "Its bucket; netsy is off until it is there.").control_plane().grants(Grant::Endpoints),
    live("NETSY_ENDPOINT", Rule::Endpoint, &[O::NetsyEnv], "The object store of netsy; local and proxmox only.").control_plane().grants(Grant::Endpoints),
    live("NETSY_KEY_PREFIX", Rule::Line, &[O::NetsyCluster], "What all its object names start with.").control_plane().grants(Grant::Endpoints),
    live("NETSY_REGION", Rule::Region, &[O::NetsyEnv], "Its region; PROVIDER_REGION when empty.").control_plane().grants(Grant::Endpoints),
    live("NETSY_SECRET_ACCESS_KEY", Rule::Line, &[O::NetsyEnv], "Its secret key.").control_plane().secret().grants(Grant::Endpoints),
    user("NSTANCE_CA_CERT", Rule::Certificates, &[O::NstanceCa], "The authority that the agent trusts."),
    live("NSTANCE_SERVER_AGENT_ADDR", Rule::HostPort, &[O::NstanceAgentEnv], "Where the agent reports; needed.").grants(Grant::Endpoints),
    live("NSTANCE_SERVER_REGISTRATION_ADDR", Rule::HostPort, &[O::NstanceAgentEnv], "Where the agent registers; needed.").grants(Grant::Endpoints),
    live("OIDC_CA_CERT", Rule::Certificates, &[O::OidcCa, O::KubeApiserverEnv], "The issuer's authority.").grants(Grant::ClusterAdmin),
    live("OIDC_CA_FILE", Rule::Path, &[O::KubeApiserverEnv], "A file with the issuer's authority, where OIDC_CA_CERT is not given.").grants(Grant::ClusterAdmin),
    live("OIDC_CUSTOM_CA", Rule::Certificates, &[O::OidcCa, O::KubeApiserverEnv], "An older name of OIDC_CA_CERT.").grants(Grant::ClusterAdmin),
    live("OIDC_GROUPS_CLAIM", Rule::Claim, &[O::KubeApiserverEnv], "The claim of its tokens that has a person's groups.").default("groups").control_plane().grants(Grant::ClusterAdmin),
    live("OIDC_GROUPS_PREFIX", Rule::ClaimPrefix, &[O::KubeApiserverEnv], "What the cluster puts before each of these groups; with one the issuer makes nobody a member of `system:masters`.").control_plane().grants(Grant::ClusterAdmin),
    live("OIDC_ISSUER", Rule::Issuer, &[O::KubeApiserverEnv], "Who says who people are.").control_plane().grants(Grant::ClusterAdmin),
    live("OIDC_SIGNING_ALGS", Rule::SigningAlgs, &[O::KubeApiserverEnv], "How the issuer may sign.").default("RS256").control_plane().grants(Grant::ClusterAdmin),
    live("OIDC_USERNAME_CLAIM", Rule::Claim, &[O::KubeApiserverEnv], "The claim of its tokens that has a person's name.").default("email").control_plane().grants(Grant::ClusterAdmin),
    live("OIDC_USERNAME_PREFIX", Rule::ClaimPrefix, &[O::KubeApiserverEnv], "What the cluster puts before each of these names; with one the issuer makes nobody one of its own, such as `system:admin`.").control_plane().grants(Grant::ClusterAdmin),
    user("PROVIDER_INSTANCE_TYPE", Rule::Line, &[O::KubeletEnv], "The type of machine, a label of the node."),
    user("PROVIDER_KIND", Rule::Provider, &[O::NetsyEnv, O::NetsyCluster, O::ZotEnv, O::ZotConfig, O::RegistryEnv, O::RegistryAws, O::FluentBitEnv], "Who runs the machine."),
    user("PROVIDER_REGION", Rule::Region, &[O::KubeletEnv, O::NetsyEnv, O::ZotEnv, O::ZotConfig, O::RegistryEnv, O::RegistryAws, O::FluentBitEnv, O::Kube2iamEnv], "The region; what other regions are when they are not given."),
    user("PROVIDER_ZONE", Rule::Line, &[O::KubeletEnv], "The zone, a label of the node."),
    live("REGISTRY_ACCESS_KEY_ID", Rule::Line, &[O::ZotEnv, O::RegistryEnv, O::RegistryAws], "Its access key.").grants(Grant::Endpoints),
    live("REGISTRY_ASSUME_ROLE", Rule::Line, &[O::ZotEnv, O::RegistryEnv, O::RegistryAws], "The role that reads it; derived on aws when empty.").grants(Grant::Endpoints),
    live("REGISTRY_BUCKET", Rule::Name, &[O::ZotEnv, O::ZotConfig, O::RegistryEnv, O::RegistryAws, O::RegistryHosts, O::ContainerdConfig], "Its bucket.").grants(Grant::Endpoints),
    live("REGISTRY_ENABLED", Rule::Bool, &[O::ZotEnv, O::ZotConfig, O::RegistryEnv, O::RegistryAws, O::RegistryHosts, O::ContainerdConfig], "Whether images come through the registry cache, as soon as it has a host name and a bucket.").default("true").grants(Grant::Endpoints),
    live("REGISTRY_ENDPOINT", Rule::Endpoint, &[O::ZotEnv, O::ZotConfig, O::RegistryEnv], "Its object store; the region's own on aws when empty.").grants(Grant::Endpoints),
    live("REGISTRY_HOSTNAME", Rule::Hostname, &[O::ZotEnv, O::ZotConfig, O::RegistryEnv, O::RegistryAws, O::RegistryHosts, O::ContainerdConfig], "The host name that images are pulled from.").grants(Grant::Endpoints),
    live("REGISTRY_REGION", Rule::Region, &[O::ZotEnv, O::ZotConfig, O::RegistryEnv, O::RegistryAws], "Its region; PROVIDER_REGION when empty.").grants(Grant::Endpoints),
    live("REGISTRY_SECRET_ACCESS_KEY", Rule::Line, &[O::ZotEnv, O::RegistryEnv, O::RegistryAws], "Its secret key.").secret().grants(Grant::Endpoints),
    live("SSH_AUTHORIZED_KEY", Rule::SshKeys, &[O::Admin], "An SSH key of the admin user; an older name of SSH_AUTHORIZED_KEYS.").grants(Grant::Root),
    live("SSH_AUTHORIZED_KEYS", Rule::SshKeys, &[O::Admin], "SSH keys of the admin user, one a line; no key at all: no login and no sudo.").grants(Grant::Root),
    live("TELEMETRY_ENABLED", Rule::Bool, &[O::FluentBitEnv, O::FluentBitConfig], "Whether logs are sent, as soon as there is a bucket or an OTLP endpoint.").default("true"),
    live("TELEMETRY_LOG_CLOUDINIT", Rule::Bool, &[O::FluentBitEnv, O::FluentBitConfig], "Whether cloud-init's log is sent.").default("true"),
    live("TELEMETRY_LOG_SERVICES", Rule::NameList, &[O::FluentBitEnv, O::FluentBitConfig], "Which units' logs are sent.").default("first-boot-env,cron,ssh,netsy,nstance-agent,nstance-recv-watch,containerd,kube-apiserver,kube-controller-manager,kube-scheduler,kubelet,zot"),
    live("TELEMETRY_OTLP_ENDPOINT", Rule::Url, &[O::FluentBitEnv, O::FluentBitConfig], "The OTLP server that logs go to.").grants(Grant::Endpoints),
    live("TELEMETRY_S3_ACCESS_KEY_ID", Rule::Line, &[O::FluentBitEnv, O::FluentBitConfig], "Its access key.").grants(Grant::Endpoints),
    live("TELEMETRY_S3_ASSUME_ROLE", Rule::Line, &[O::FluentBitEnv], "The role that writes to it; derived on aws when empty.").grants(Grant::Endpoints),
    live("TELEMETRY_S3_BUCKET", Rule::Name, &[O::FluentBitEnv, O::FluentBitConfig], "The bucket that logs go to.").grants(Grant::Endpoints),
    live("TELEMETRY_S3_ENDPOINT", Rule::Endpoint, &[O::FluentBitEnv], "Its object store; the region's own on aws when empty.").grants(Grant::Endpoints),
    live("TELEMETRY_S3_REGION", Rule::Region, &[O::FluentBitEnv], "Its region; PROVIDER_REGION when empty.").grants(Grant::Endpoints),
    live("TELEMETRY_S3_SECRET_ACCESS_KEY", Rule::Line, &[O::FluentBitEnv, O::FluentBitConfig], "Its secret key.").secret().grants(Grant::Endpoints),
    found("VMCONFIG_BASE_KIND", Rule::Name, &[], "The base of the image's kind, `node`."),
    found("VMCONFIG_KIND", Rule::Name, &[O::NstanceAgentEnv], "The image's kind."),
];
