//! Kubernetes: what kubelet, the API server, the controllers and kube2iam are started with, and the kubeconfigs' port.

use super::env::EnvFile;
use crate::found::{Found, KUBECONFIGS};
use crate::json::quote;
use crate::keys::Output;
use crate::names::Role;
use crate::plan::Plan;
use crate::refusal::Fault;
use crate::rules::is_label;
use crate::settings::{OidcCa, Settings};

/// Where the issuer's authority is written to.
const OIDC_CA: &str = "/opt/crt/oidc-ca.pem";

/// Plans them.
pub(super) fn render(settings: &Settings, found: &Found, plan: &mut Plan, faults: &mut Vec<Fault>) {
    kubelet(settings, plan);
    kube2iam(settings, plan);
    let oidc_ca = oidc_ca(settings, found, plan, faults);
    if settings.role == Role::ControlPlane {
        api_server(settings, &oidc_ca, plan);
        controller_manager(settings, plan);
    }
    kubeconfigs(settings, found, plan, faults);
}

fn kubelet(settings: &Settings, plan: &mut Plan) {
    let mut env = EnvFile::default();
    for key in [
        "PROVIDER_INSTANCE_TYPE",
        "PROVIDER_REGION",
        "PROVIDER_ZONE",
        "INSTANCE_IPV4",
        "INSTANCE_IPV6",
        "INSTANCE_ID",
        "INSTANCE_PROVIDER_ID",
    ] {
        env.put(key, settings.get(key));
    }
    let addresses = [settings.get("INSTANCE_IPV4"), settings.get("INSTANCE_IPV6")];
    let addresses: Vec<&str> = addresses.into_iter().filter(|address| !address.is_empty()).collect();
    env.put("KUBELET_NODE_IP", &addresses.join(","));
    // systemd splits these into words, so a blank would make two of one
    let id = settings.get("INSTANCE_PROVIDER_ID");
    let plain = !id.is_empty() && !id.contains(char::is_whitespace);
    env.put("KUBELET_PROVIDER_ID_FLAG", &if plain { format!("--provider-id={id}") } else { String::new() });
    let labels: Vec<String> = [
        ("node.kubernetes.io/instance-type", "PROVIDER_INSTANCE_TYPE"),
        ("topology.kubernetes.io/region", "PROVIDER_REGION"),
        ("topology.kubernetes.io/zone", "PROVIDER_ZONE"),
    ]
    .into_iter()
    .filter_map(|(label, key)| match settings.get(key) {
        "" => None,
        value if is_label(value) => Some(format!("{label}={value}")),
        _ => {
            plan.notes
                .push(format!("{key} is no value of a Kubernetes label: the node does without `{label}`"));
            None
        }
    })
    .collect();
    let flag = if labels.is_empty() { String::new() } else { format!("--node-labels={}", labels.join(",")) };
    env.put("KUBELET_NODE_LABELS_FLAG", &flag);
    env.plan(plan, "kubelet", "root", Output::KubeletEnv);
    kubelet_config(settings, plan);
}

/// What of kubelet's configuration is a setting: a file of its own, which kubelet lays over the image's
/// (kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file, `--config-dir`).
fn kubelet_config(settings: &Settings, plan: &mut Plan) {
    let servers: Vec<String> = settings.get("KUBE_CLUSTER_DNS").split(',').map(quote).collect();
    let text = format!(
        "# written by configure\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nclusterDNS: [{}]\n",
        servers.join(", ")
    );
    let (path, own) = (Output::KubeletConfig.path(), ("root", "root"));
    plan.file(path, 0o644, own, text.into_bytes(), Some(Output::KubeletConfig));
}

fn kube2iam(settings: &Settings, plan: &mut Plan) {
    let mut env = EnvFile::default();
    env.extend([
        ("AWS_REGION", settings.get("PROVIDER_REGION")),
        ("INSTANCE_IPV4", settings.get("INSTANCE_IPV4")),
        ("INSTANCE_ID", settings.get("INSTANCE_ID")),
    ]);
    env.plan(plan, "kube2iam", "kube2iam", Output::Kube2iamEnv);
}

/// The file with the issuer's authority, or `""`; on workers too, since pods of the cluster's own may want it.
fn oidc_ca(settings: &Settings, found: &Found, plan: &mut Plan, faults: &mut Vec<Fault>) -> String {
    match &settings.oidc_ca {
        OidcCa::Given(pem) => {
            plan.file(OIDC_CA, 0o640, ("root", "podplane"), pem.clone(), Some(Output::OidcCa));
            return OIDC_CA.to_owned();
        }
        OidcCa::File(path) => {
            if settings.role == Role::ControlPlane && !found.oidc_file {
                let fault = no_oidc_file(path);
                if found.settled {
                    plan.notes.push(fault.to_string());
                } else {
                    faults.push(fault);
                }
            }
            if path != OIDC_CA {
                plan.remove(OIDC_CA, Some(Output::OidcCa));
            }
            return path.clone();
        }
        OidcCa::System => {}
    }
    plan.remove(OIDC_CA, Some(Output::OidcCa));
    String::new()
}

/// `OIDC_CA_FILE` names nothing.
pub(crate) fn no_oidc_file(path: &str) -> Fault {
    Fault::new(path, "expected the file that OIDC_CA_FILE names, found none")
        .hint("give the authority itself as OIDC_CA_CERT, or clear OIDC_CA_FILE")
}

fn api_server(settings: &Settings, oidc_ca: &str, plan: &mut Plan) {
    let mut env = EnvFile::default();
    for key in [
        "KUBE_LOG_LEVEL",
        "KUBE_API_PUBLIC_HOSTNAME",
        "KUBE_API_PORT",
        "KUBE_API_ETCD_SERVERS",
        "KUBE_SERVICE_CLUSTER_IP_RANGE",
        "OIDC_ISSUER",
        "OIDC_SIGNING_ALGS",
        "CLUSTER_ID",
    ] {
        env.put(key, settings.get(key));
    }
    env.put("OIDC_CA_FILE", oidc_ca);
    let issuer = settings.get("OIDC_ISSUER");
    env.put("KUBE_API_OIDC_CLIENT_ID", if issuer.is_empty() { "" } else { settings.get("CLUSTER_ID") });
    env.put("KUBE_API_OIDC_FLAGS", &oidc_flags(settings, oidc_ca));
    let host = settings.get_or("KUBE_API_PUBLIC_HOSTNAME", "kube-apiserver.podplane.internal");
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let public = format!("https://{host}");
    let issuer = settings.get_or("KUBE_SERVICE_ACCOUNT_ISSUER", &public);
    env.put("KUBE_SERVICE_ACCOUNT_ISSUER", issuer);
    // where the issuer is, the keys are: by its own name and port
    let keys = format!("{}/openid/v1/jwks", issuer.trim_end_matches('/'));
    env.put("KUBE_SERVICE_ACCOUNT_JWKS_URI", &keys);
    env.plan(plan, "kube-apiserver", "kube-apiserver", Output::KubeApiserverEnv);
}

/// The server takes all flags about OpenID Connect or none: one that is given, even empty, wants an issuer and a client.
/// systemd splits them into words; no rule of these settings lets a blank or a quote through.
fn oidc_flags(settings: &Settings, oidc_ca: &str) -> String {
    let issuer = settings.get("OIDC_ISSUER");
    if issuer.is_empty() {
        return String::new();
    }
    let algs = settings.get("OIDC_SIGNING_ALGS").replace(' ', "");
    let mut flags = vec![
        format!("--oidc-issuer-url={issuer}"),
        format!("--oidc-client-id={}", settings.get("CLUSTER_ID")),
        format!("--oidc-signing-algs={algs}"),
        format!("--oidc-username-claim={}", settings.get("OIDC_USERNAME_CLAIM")),
        // `-` is none for any claim; an empty one is none for `email` only, and the issuer for all others
        format!("--oidc-username-prefix={}", settings.get_or("OIDC_USERNAME_PREFIX", "-")),
        format!("--oidc-groups-claim={}", settings.get("OIDC_GROUPS_CLAIM")),
        format!("--oidc-groups-prefix={}", settings.get("OIDC_GROUPS_PREFIX")),
    ];
    if !oidc_ca.is_empty() {
        flags.push(format!("--oidc-ca-file={oidc_ca}"));
    }
    flags.join(" ")
}

fn controller_manager(settings: &Settings, plan: &mut Plan) {
    let mut env = EnvFile::default();
    for key in [
        "KUBE_LOG_LEVEL",
        "KUBE_CLUSTER_CIDR",
        "KUBE_NODE_CIDR_MASK_SIZE_IPV4",
        "KUBE_NODE_CIDR_MASK_SIZE_IPV6",
        "KUBE_SERVICE_CLUSTER_IP_RANGE",
    ] {
        env.put(key, settings.get(key));
    }
    let ranges = settings.get("KUBE_CLUSTER_CIDR");
    let flags: Vec<String> = ranges
        .split(',')
        .map(|range| {
            let family = if range.contains(':') { "6" } else { "4" };
            let size = settings.get(&format!("KUBE_NODE_CIDR_MASK_SIZE_IPV{family}"));
            format!("--node-cidr-mask-size-ipv{family}={size}")
        })
        .collect();
    env.put("KUBE_NODE_CIDR_MASK_FLAGS", &flags.join(" "));
    env.plan(plan, "kube-controller-manager", "kube-controller-manager", Output::KubeControllerManagerEnv);
}

fn kubeconfigs(settings: &Settings, found: &Found, plan: &mut Plan, faults: &mut Vec<Fault>) {
    let outputs = [
        Output::KubeletKubeconfig,
        Output::Kube2iamKubeconfig,
        Output::KubeControllerManagerKubeconfig,
        Output::KubeSchedulerKubeconfig,
    ];
    for (path, output) in KUBECONFIGS.into_iter().zip(outputs) {
        let Some(text) = found.files.get(path) else { continue };
        match with_port(text, settings.get("KUBE_API_PORT")) {
            Some(text) => plan.file(path, 0o644, ("root", "root"), text.into_bytes(), Some(output)),
            // its own service's affair: the user of each may change what is in its directory
            None if found.settled => {
                plan.notes
                    .push(format!("{path} has not one line `server: https://HOST:PORT`: it stays as it is"));
            }
            None => faults.push(
                Fault::new(path, "expected one line `server: https://HOST:PORT`")
                    .hint("the image brings it: bake it again"),
            ),
        }
    }
}

/// `text` with `port` in its one line `server: https://HOST…`; the host is the image's.
fn with_port(text: &str, port: &str) -> Option<String> {
    const SERVER: &str = "server: https://";
    let mut lines = 0;
    let mut out = String::with_capacity(text.len() + 8);
    for line in text.lines() {
        match line.split_once(SERVER) {
            Some((before, server)) if before.trim().is_empty() => {
                let host = host(server.trim_end())?;
                lines += 1;
                out.extend([before, SERVER, host, ":", port]);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    (lines == 1).then_some(out)
}

/// The host of `HOST` or `HOST:PORT`, as it is written.
fn host(server: &str) -> Option<&str> {
    let end = crate::rules::parse_endpoint(server, true).filter(|endpoint| endpoint.path.is_empty())?;
    let digits = end.port.map_or(0, |_| server.len() - server.rfind(':').unwrap_or(server.len()));
    server.get(..server.len() - digits)
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn only_the_port_of_the_one_server_changes() {
        for (server, expected) in [
            ("https://localhost:6443", "https://localhost:7443"),
            ("https://localhost", "https://localhost:7443"),
            (
                "https://kube-apiserver.podplane.internal:6443",
                "https://kube-apiserver.podplane.internal:7443",
            ),
            ("https://[fd00::1]:6443", "https://[fd00::1]:7443"),
            ("https://[fd00::1]", "https://[fd00::1]:7443"),
        ] {
            let text = |server| format!("clusters:\n- cluster:\n    server: {server}\nuser: x\n");
            assert_eq!(with_port(&text(server), "7443"), Some(text(expected)));
        }
        for text in
            ["", "server: https://a\nserver: https://b\n", "server: https://a b\n", "server: https://a/x\n"]
        {
            assert_eq!(with_port(text, "7443"), None, "{text:?}");
        }
    }
}
