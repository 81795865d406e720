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
    for (name, given, expected) in [
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
        assert_eq!(variable(&configured(name, given), "KUBE_SERVICE_ACCOUNT_JWKS_URI"), expected);
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

/// A control plane whose image has Podplane's own registry, with these lines in its user-data.
fn with_own_registry(name: &str, more: &str) -> Node {
    let node = Node::new(name);
    let manifest = r#"{"kind": "knc", "images": [{"image": "registry.k8s.io/pause:3.9"}], "dependencies": {"registry": {}}}"#;
    node.write("/opt/podplane/share/vmconfig-installed.json", manifest);
    let path = "opt/podplane/etc/user-data.env";
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.to_owned());
    let given: Vec<Option<String>> = more.lines().map(key).collect();
    let kept: String = text(&node, path)
        .lines()
        .filter(|line| !given.contains(&key(line)))
        .map(|line| format!("{line}\n"))
        .collect();
    node.write(path, &format!("{kept}{more}"));
    node.configure();
    node
}

const ENV: &str = "opt/env/registry.env";
const AWS: &str = "opt/zot/etc/aws.conf";
const HOSTS: &str = "etc/containerd/certs.d/r.demo/hosts.toml";
const NAMES: &str = "opt/env/sandbox-image.env";

#[test]
fn an_image_with_podplane_s_own_registry_has_its_variables_and_no_tls() {
    let on = "REGISTRY_HOSTNAME=r.demo\nREGISTRY_BUCKET=b\nREGISTRY_REGION=q\nREGISTRY_ENDPOINT=store.demo\n\
        AWS_S3_USE_PATH_STYLE=true\nREGISTRY_ACCESS_KEY_ID=k\nREGISTRY_SECRET_ACCESS_KEY=s\n";
    let node = with_own_registry("own", on);
    assert_eq!(
        text(&node, ENV),
        "REGISTRY_LISTEN='127.0.0.1:5000'\nREGISTRY_BUCKET='b'\nREGISTRY_PROVIDER='s3'\nAWS_REGION='q'\n\
         REGISTRY_S3_ENDPOINT='https://store.demo'\nREGISTRY_S3_PATH_STYLE='true'\nAWS_ACCESS_KEY_ID='k'\n\
         AWS_SECRET_ACCESS_KEY='s'\n"
    );
    let hosts =
        "# written by configure\n[host.\"http://127.0.0.1:5000\"]\ncapabilities = [\"pull\", \"resolve\"]\n";
    assert_eq!(text(&node, HOSTS), hosts);
    let pause = "sandbox = \"r.demo/mirror/registry.k8s.io/pause:3.9\"";
    assert!(text(&node, "etc/containerd/config.toml").contains(pause));
    let names = "SANDBOX_IMAGE='registry.k8s.io/pause:3.9'\nSANDBOX_IMAGE_NAME='r.demo/mirror/registry.k8s.io/pause:3.9'\n";
    assert_eq!(text(&node, NAMES), names);
    assert_eq!(text(&node, AWS) + &text(&node, "opt/env/zot.env") + &text(&node, "opt/zot/etc/zot.yml"), "");
    // and nothing is left of it when it is switched off
    let mutable = text(&node, "opt/podplane/etc/mutable.env");
    node.write("/opt/podplane/etc/mutable.env", &format!("{mutable}REGISTRY_ENABLED='false'\n"));
    node.configure();
    assert_eq!(text(&node, ENV) + &text(&node, HOSTS) + &text(&node, NAMES), "");
    assert!(text(&node, "etc/containerd/config.toml").contains("sandbox = \"registry.k8s.io/pause:3.9\""));
}

#[test]
fn podplane_s_own_registry_takes_a_role_by_a_profile() {
    let on = "REGISTRY_HOSTNAME=r.demo\nREGISTRY_BUCKET=b\nPROVIDER_REGION=q\n";
    let aws = format!("{on}PROVIDER_KIND=aws\nAWS_ACCOUNT_ID=123456789012\n");
    let node = with_own_registry("own-aws", &aws);
    let env = text(&node, ENV);
    assert!(
        env.ends_with("AWS_REGION='q'\nAWS_CONFIG_FILE='/opt/zot/etc/aws.conf'\nAWS_PROFILE='registry'\n"),
        "{env}"
    );
    assert_eq!(
        text(&node, AWS),
        "# written by configure\n[profile registry]\nrole_arn = arn:aws:iam::123456789012:role/podplane-c-registry\n\
         role_session_name = i-registry\nregion = q\ncredential_source = Ec2InstanceMetadata\n"
    );
    let keys = "REGISTRY_ASSUME_ROLE=arn:x\nREGISTRY_ACCESS_KEY_ID=k\nREGISTRY_SECRET_ACCESS_KEY=s\n";
    let node = with_own_registry("own-keys", &format!("{on}{keys}"));
    let profile = text(&node, AWS);
    assert!(
        profile.contains("role_arn = arn:x\n") && profile.contains("\nsource_profile = keys\n"),
        "{profile}"
    );
    assert!(
        profile.ends_with("[profile keys]\naws_access_key_id = k\naws_secret_access_key = s\n"),
        "{profile}"
    );
    assert!(!text(&node, ENV).contains("SECRET"), "a key in the environment would count before the role");
    let google = "PROVIDER_KIND=google\nGOOGLE_PROJECT_ID=g\n";
    let node = with_own_registry("own-google", &format!("{on}{google}"));
    let env = "REGISTRY_LISTEN='127.0.0.1:5000'\nREGISTRY_BUCKET='b'\nREGISTRY_PROVIDER='gcs'\n";
    assert_eq!(text(&node, ENV), env);
}

#[test]
fn only_the_registry_that_is_in_the_image_is_started() {
    use crate::commands::restart::commands;
    let on = "REGISTRY_HOSTNAME=r.demo\nREGISTRY_BUCKET=b\n";
    for (node, is, is_not) in [
        (configured("start-zot", on), "zot", "registry"),
        (with_own_registry("start-own", on), "registry", "zot"),
    ] {
        let root = node.root();
        let image = crate::install::load(&root).expect("an image");
        let inputs = crate::bootstrap::read(&root, &image).expect("inputs");
        let settings = crate::settings::check(&inputs.layers, &image, inputs.when);
        let asked = commands(&settings.unwrap_or_else(|faults| panic!("{faults:?}")));
        assert!(asked.contains(&vec!["restart", is]), "{asked:?}");
        assert!(!asked.iter().flatten().any(|word| *word == is_not), "{asked:?}");
    }
}

#[test]
fn the_logs_of_the_registry_cache_are_those_of_the_one_that_is_there() {
    let sent =
        "TELEMETRY_ENABLED=true\nTELEMETRY_OTLP_ENDPOINT=https://o:1\nTELEMETRY_LOG_SERVICES=zot,kubelet\n";
    let pipeline = |node: &Node| text(node, "opt/fluent-bit/etc/fluent-bit.yml");
    let (zot, own) = (configured("logs-zot", sent), with_own_registry("logs-own", sent));
    let unit = |name: &str| format!("_SYSTEMD_UNIT={name}.service");
    assert!(pipeline(&zot).contains(&unit("zot")) && !pipeline(&zot).contains(&unit("registry")));
    assert!(pipeline(&own).contains(&unit("registry")) && !pipeline(&own).contains(&unit("zot")));
}
