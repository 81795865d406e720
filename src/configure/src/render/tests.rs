//! What nodes are configured to, file by file.

use crate::node::Node;

/// A control plane with these lines more in its user-data.
fn configured(name: &str, more: &str) -> Node {
    let node = Node::new(name);
    let path = "opt/podplane/etc/user-data.env";
    let text = std::fs::read_to_string(node.0.join(path)).expect("user-data");
    node.write(path, &format!("{text}{more}"));
    node.configure();
    node
}

fn text(node: &Node, path: &str) -> String {
    std::fs::read_to_string(node.0.join(path)).unwrap_or_default()
}

fn variable(node: &Node, name: &str) -> String {
    let start = format!("{name}='");
    let env = text(node, "opt/env/kube-apiserver.env");
    let line = env.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('\''));
    line.unwrap_or_else(|| panic!("{name} in {env}")).to_owned()
}

#[test]
fn flags_of_openid_connect_are_all_there_or_none_is() {
    let without = configured("oidc-none", "OIDC_SIGNING_ALGS=ES256\nOIDC_CA_FILE=/etc/passwd\n");
    assert_eq!(variable(&without, "KUBE_API_OIDC_FLAGS"), "");
    let with = configured("oidc", "OIDC_ISSUER=https://o:8443/a\nOIDC_SIGNING_ALGS='RS256, ES384'\n");
    let flags = "--oidc-issuer-url=https://o:8443/a --oidc-client-id=c --oidc-signing-algs=RS256,ES384 \
                 --oidc-username-claim=email --oidc-username-prefix=- --oidc-groups-claim=groups --oidc-groups-prefix=";
    assert_eq!(variable(&with, "KUBE_API_OIDC_FLAGS"), flags);
    let claims = "OIDC_ISSUER=https://o\nOIDC_CA_FILE=/etc/passwd\nOIDC_USERNAME_CLAIM=sub\nOIDC_GROUPS_CLAIM=cognito:groups\n";
    let flags = variable(&configured("oidc-claims", claims), "KUBE_API_OIDC_FLAGS");
    for flag in ["username-claim=sub", "groups-claim=cognito:groups", "ca-file=/etc/passwd"] {
        assert!(flags.split(' ').any(|word| word == format!("--oidc-{flag}")), "{flag}: {flags}");
    }
}

#[test]
fn with_a_prefix_no_issuer_says_who_is_of_the_cluster_itself() {
    let given = "OIDC_ISSUER=https://o\nOIDC_USERNAME_PREFIX=oidc:\nOIDC_GROUPS_PREFIX=oidc:\n";
    let flags = variable(&configured("oidc-prefix", given), "KUBE_API_OIDC_FLAGS");
    for flag in ["username-prefix=oidc:", "groups-prefix=oidc:"] {
        assert!(flags.split(' ').any(|word| word == format!("--oidc-{flag}")), "{flag}: {flags}");
    }
}

#[test]
fn the_keys_of_service_accounts_are_where_their_issuer_is() {
    for (name, given, wanted) in [
        (
            "jwks",
            "KUBE_SERVICE_ACCOUNT_ISSUER=https://api.demo:6443\n",
            "https://api.demo:6443/openid/v1/jwks",
        ),
        (
            "jwks-slash",
            "KUBE_SERVICE_ACCOUNT_ISSUER=https://api.demo/a/\n",
            "https://api.demo/a/openid/v1/jwks",
        ),
        ("jwks-public", "KUBE_API_PUBLIC_HOSTNAME=api.demo\n", "https://api.demo/openid/v1/jwks"),
        ("jwks-none", "", "https://kube-apiserver.podplane.internal/openid/v1/jwks"),
    ] {
        assert_eq!(variable(&configured(name, given), "KUBE_SERVICE_ACCOUNT_JWKS_URI"), wanted);
    }
}

#[test]
fn the_cluster_s_name_servers_are_kubelet_s_by_a_file_of_their_own() {
    let path = "opt/kubelet/etc/kubelet.conf.d/10-settings.conf";
    let of = |name, given| text(&configured(name, given), path);
    let default = of("dns", "");
    assert!(default.contains("\nclusterDNS: [\"198.19.255.254\", \"fdc6::ffff\"]\n"), "{default}");
    assert!(default.contains("\nkind: KubeletConfiguration\n"), "{default}");
    let given = of("dns-given", "KUBE_CLUSTER_DNS=10.96.0.10\n");
    assert!(given.contains("\nclusterDNS: [\"10.96.0.10\"]\n"), "{given}");
}

#[test]
fn without_a_bucket_a_control_plane_is_configured_and_only_netsy_is_off() {
    let node = Node::new("no-bucket");
    node.write("/opt/podplane/share/defaults/mutable.env", "NETSY_BUCKET=\n");
    node.configure();
    assert_eq!(text(&node, "opt/env/netsy.env") + &text(&node, "opt/netsy/etc/cluster.jsonc"), "");
    for path in ["opt/env/nstance-agent.env", "opt/env/kube-apiserver.env", "opt/podplane/bootstrap.done"] {
        assert!(!text(&node, path).is_empty(), "{path}");
    }
    let mutable =
        text(&node, "opt/podplane/etc/mutable.env").replace("NETSY_BUCKET=''", "NETSY_BUCKET='state'");
    node.write("/opt/podplane/etc/mutable.env", &mutable);
    node.configure();
    assert!(text(&node, "opt/netsy/etc/cluster.jsonc").contains("\"state\""));
    assert!(!text(&node, "opt/env/netsy.env").is_empty());
}

#[test]
fn an_agent_of_any_release_finds_its_variables() {
    let env = text(&configured("agent", ""), "opt/env/nstance-agent.env");
    for line in ["NSTANCE_METRICS_INTERVAL='60s'", "NSTANCE_REPORT_INTERVAL='60s'"] {
        assert!(env.lines().any(|one| one == line), "{line}: {env}");
    }
}

#[test]
fn a_hash_of_its_configuration_is_no_identity_of_an_agent() {
    let node = Node::new("config-hash");
    // a first boot is told; later it is the agent's own affair
    let identity = node.0.join("opt/nstance-agent/identity");
    std::fs::rename(identity.join("nonce.jwt"), identity.join("config.hash")).expect("renamed");
    let root = node.root();
    let image = crate::install::load(&root).expect("an image");
    let inputs = crate::bootstrap::read(&root, &image).expect("inputs");
    let Err(refusal) = crate::commands::configure::bring(&root, &image, &inputs) else {
        panic!("expected a refusal")
    };
    assert!(refusal.to_string().contains("nonce.jwt"), "{refusal}");
}
