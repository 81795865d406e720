//! What kubelet and kube-apiserver look at before they start, as the real ones do: a flag that they do not know, or a value
//! or a certificate that they would not take, ends them. Then kubelet joins the API server that its kubeconfig names, and
//! the API server takes clients of its cluster alone.

use crate::tls::{self, Client, Server};
use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::path::Path;

/// Flags of the real program (kubernetes.io/docs/reference/command-line-tools-reference/kubelet) that a node may give it.
const KUBELET: [&str; 8] =
    ["config", "config-dir", "hostname-override", "kubeconfig", "node-ip", "node-labels", "provider-id", "v"];

/// The same of kube-apiserver.
const API_SERVER: [&str; 61] = [
    "allow-privileged",
    "anonymous-auth",
    "audit-log-compress",
    "audit-log-maxage",
    "audit-log-maxbackup",
    "audit-log-maxsize",
    "audit-log-mode",
    "audit-log-path",
    "audit-policy-file",
    "authorization-mode",
    "bind-address",
    "client-ca-file",
    "enable-admission-plugins",
    "etcd-cafile",
    "etcd-certfile",
    "etcd-compaction-interval",
    "etcd-healthcheck-timeout",
    "etcd-keyfile",
    "etcd-readycheck-timeout",
    "etcd-servers",
    "external-hostname",
    "feature-gates",
    "goaway-chance",
    "kubelet-certificate-authority",
    "kubelet-client-certificate",
    "kubelet-client-key",
    "kubelet-preferred-address-types",
    "max-requests-inflight",
    "oidc-ca-file",
    "oidc-client-id",
    "oidc-groups-claim",
    "oidc-groups-prefix",
    "oidc-issuer-url",
    "oidc-required-claim",
    "oidc-signing-algs",
    "oidc-username-claim",
    "oidc-username-prefix",
    "profiling",
    "proxy-client-cert-file",
    "proxy-client-key-file",
    "request-timeout",
    "requestheader-allowed-names",
    "requestheader-client-ca-file",
    "requestheader-extra-headers-prefix",
    "requestheader-group-headers",
    "requestheader-uid-headers",
    "requestheader-username-headers",
    "secure-port",
    "service-account-issuer",
    "service-account-jwks-uri",
    "service-account-key-file",
    "service-account-signing-key-file",
    "service-cluster-ip-range",
    "shutdown-delay-duration",
    "shutdown-send-retry-after",
    "tls-cert-file",
    "tls-cipher-suites",
    "tls-min-version",
    "tls-private-key-file",
    "v",
    "watch-cache",
];

const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"];

/// Labels below kubernetes.io that a kubelet may give its own node, as far as nodes do.
const LABELS: [&str; 4] = [
    "kubernetes.io/hostname",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Flags by name.
type Flags<'a> = BTreeMap<&'a str, &'a str>;

fn flags<'a>(args: &'a [String], known: &[&str]) -> Result<Flags<'a>, String> {
    let mut out = Flags::new();
    for arg in args {
        let named = arg.strip_prefix("--").and_then(|arg| arg.split_once('='));
        let (name, value) = named.ok_or_else(|| format!("unknown argument: {arg}"))?;
        if !known.contains(&name) {
            return Err(format!("unknown flag: --{name}"));
        }
        out.insert(name, value);
    }
    Ok(out)
}

fn needed<'a>(flags: &Flags<'a>, name: &str) -> Result<&'a str, String> {
    flags.get(name).copied().filter(|value| !value.is_empty()).ok_or_else(|| format!("--{name} is required"))
}

/// Of a kubelet: the API server that it joins, and who it is there.
pub(crate) fn kubelet(args: &[String]) -> Result<Client, String> {
    let flags = flags(args, &KUBELET)?;
    let config = configuration(needed(&flags, "config")?)?;
    let folder = needed(&flags, "config-dir")?;
    for entry in std::fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?.flatten() {
        // others are passed over
        if entry.path().extension().is_some_and(|ending| ending == "conf") {
            for server in list(&configuration(entry.path())?, "clusterDNS") {
                server.parse::<IpAddr>().map_err(|_| format!("clusterDNS: {server} is not an address"))?;
            }
        }
    }
    tls::pair(value(&config, "tlsCertFile")?, value(&config, "tlsPrivateKeyFile")?)?;
    tls::authority(value(&config, "clientCAFile")?)?;
    for address in needed(&flags, "node-ip")?.split(',') {
        let parsed: IpAddr =
            address.parse().map_err(|_| format!("--node-ip: {address} is not an address"))?;
        // one of this machine's own
        let own = UdpSocket::bind((parsed, 0));
        own.map_err(|error| format!("--node-ip: {address} is none of this node: {error}"))?;
    }
    for label in flags.get("node-labels").into_iter().flat_map(|labels| labels.split(',')) {
        let (name, _) = label.split_once('=').ok_or_else(|| format!("--node-labels: {label}"))?;
        if !LABELS.contains(&name) {
            return Err(format!("--node-labels: unknown 'kubernetes.io' label {name}"));
        }
    }
    let node = needed(&flags, "hostname-override")?;
    let path = needed(&flags, "kubeconfig")?;
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let server = value(&text, "server")?;
    let address = server.strip_prefix("https://").and_then(|address| address.split_once(':'));
    let (host, port) = address.ok_or_else(|| format!("{path}: {server} is not an https://HOST:PORT"))?;
    let client = Client {
        host: host.to_owned(),
        port: port.to_owned(),
        authority: value(&text, "certificate-authority")?.to_owned(),
        certificate: value(&text, "client-certificate")?.to_owned(),
        key: value(&text, "client-key")?.to_owned(),
    };
    tls::authority(&client.authority)?;
    tls::pair(&client.certificate, &client.key)?;
    // whom the API server's node authorizer takes for this node
    let (subject, expected) =
        (tls::subject(&client.certificate)?, format!("CN=system:node:{node},O=system:nodes"));
    if subject == expected {
        Ok(client)
    } else {
        Err(format!("the node {node} is {expected}, and not {subject}"))
    }
}

/// Of an API server: how it serves.
pub(crate) fn api_server(args: &[String]) -> Result<Server, String> {
    let flags = flags(args, &API_SERVER)?;
    let oidc: Vec<&str> = flags.keys().copied().filter(|name| name.starts_with("oidc-")).collect();
    if !oidc.is_empty() {
        let issuer = needed(&flags, "oidc-issuer-url")?;
        needed(&flags, "oidc-client-id")?;
        if !issuer.starts_with("https://") {
            return Err(format!("--oidc-issuer-url: {issuer} is not https"));
        }
        let algorithms = flags.get("oidc-signing-algs").copied().unwrap_or("RS256").split(',');
        if let Some(other) = algorithms.into_iter().find(|name| !ALGORITHMS.contains(name)) {
            return Err(format!("--oidc-signing-algs: unknown {other}"));
        }
        if let Some(file) = flags.get("oidc-ca-file") {
            tls::authority(file)?;
        }
    }
    needed(&flags, "service-account-issuer")?;
    let keys = needed(&flags, "service-account-jwks-uri")?;
    if !keys.starts_with("https://") {
        return Err(format!("--service-account-jwks-uri: {keys} is not https"));
    }
    if needed(&flags, "etcd-servers")?.split(',').any(|server| !server.starts_with("https://")) {
        return Err("--etcd-servers: certificates are given, and a server is not https".to_owned());
    }
    let ranges: Vec<&str> = needed(&flags, "service-cluster-ip-range")?.split(',').collect();
    for range in &ranges {
        let parts = range.split_once('/').and_then(|(address, length)| {
            Some((address.parse::<IpAddr>().ok()?, length.parse::<u32>().ok()?))
        });
        match parts {
            Some((IpAddr::V4(_), 12..=32) | (IpAddr::V6(_), 108..=128)) => {}
            _ => return Err(format!("--service-cluster-ip-range: {range} is not a range, or too large")),
        }
    }
    let sixes = ranges.iter().filter(|range| range.contains(':')).count();
    if ranges.len() > 2 || (ranges.len() == 2 && sixes != 1) {
        return Err("--service-cluster-ip-range: at most one range of each family".to_owned());
    }
    for (certificate, key) in [
        ("tls-cert-file", "tls-private-key-file"),
        ("etcd-certfile", "etcd-keyfile"),
        ("kubelet-client-certificate", "kubelet-client-key"),
        ("proxy-client-cert-file", "proxy-client-key-file"),
    ] {
        tls::pair(needed(&flags, certificate)?, needed(&flags, key)?)?;
    }
    for file in
        ["client-ca-file", "etcd-cafile", "kubelet-certificate-authority", "requestheader-client-ca-file"]
    {
        tls::authority(needed(&flags, file)?)?;
    }
    if let Some(file) = flags.get("audit-policy-file") {
        let policy = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        if value(&policy, "apiVersion") != Ok("audit.k8s.io/v1") || value(&policy, "kind") != Ok("Policy") {
            return Err(format!("{file}: no Policy of audit.k8s.io/v1"));
        }
    }
    tls::signing(
        needed(&flags, "service-account-signing-key-file")?,
        needed(&flags, "service-account-key-file")?,
    )?;
    if flags.get("tls-min-version").copied() != Some("VersionTLS13") {
        return Err("--tls-min-version: this one serves TLS 1.3".to_owned());
    }
    Ok(Server {
        port: needed(&flags, "secure-port")?.to_owned(),
        authority: needed(&flags, "client-ca-file")?.to_owned(),
        certificate: needed(&flags, "tls-cert-file")?.to_owned(),
        key: needed(&flags, "tls-private-key-file")?.to_owned(),
        suites: needed(&flags, "tls-cipher-suites")?.to_owned(),
    })
}

/// A file of kubelet's configuration.
fn configuration(path: impl AsRef<Path>) -> Result<String, String> {
    let place = path.as_ref().display();
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{place}: {error}"))?;
    let is_one = value(&text, "apiVersion") == Ok("kubelet.config.k8s.io/v1beta1")
        && value(&text, "kind") == Ok("KubeletConfiguration");
    if is_one { Ok(text) } else { Err(format!("{place}: no KubeletConfiguration")) }
}

/// The value of the first `key` in a file of YAML whose keys are alone on their lines.
fn value<'t>(text: &'t str, key: &str) -> Result<&'t str, String> {
    let mut lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    let found = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    found.map(|value| value.trim().trim_matches('"')).ok_or_else(|| format!("no `{key}:`"))
}

/// The same of a list on one line.
fn list<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let inner = value(text, key).unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    inner.split(',').map(|item| item.trim().trim_matches('"')).filter(|item| !item.is_empty()).collect()
}
