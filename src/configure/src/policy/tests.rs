use super::{Policy, check, parse};
use crate::delivery::Delivery;
use crate::layers::{Layer, Layers};

const PLACE: &str = "/opt/nstance-agent/recv/mutable.env";

fn policy(text: &str) -> Policy {
    parse(text.as_bytes(), "policy.toml").expect("a policy")
}

fn layer(pairs: &[(&str, &str)]) -> Layer {
    Layer::of(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
}

fn delivery(pairs: &[(&str, &str)]) -> Delivery {
    pairs.iter().zip(1..).map(|((key, value), line)| ((*key).to_owned(), (*value).to_owned(), line)).collect()
}

fn told(policy: &Policy, present: &Layers, delivered: &[(&str, &str)]) -> Vec<String> {
    check(policy, present, &delivery(delivered), PLACE).iter().map(ToString::to_string).collect()
}

const STRICT: &str = "# strict\nroot = \"user-data\"\ncluster-admin=\"user-data\" # who people are\n\nendpoints = \"user-data\"\n";

#[test]
fn what_hands_out_root_or_the_cluster_is_refused_under_a_strict_policy_by_key_and_policy_line() {
    let delivered = [
        ("KUBE_LOG_LEVEL", "9"),
        ("SSH_AUTHORIZED_KEYS", "ssh-ed25519 s3cr3t"),
        ("SSH_AUTHORIZED_KEY", "ssh-ed25519 s3cr3t"),
        ("OIDC_ISSUER", "https://s3cr3t"),
        ("OIDC_CA_CERT", "s3cr3t"),
        ("OIDC_CUSTOM_CA", "s3cr3t"),
        ("OIDC_CA_FILE", "/s3cr3t"),
        ("KUBE_API_ETCD_SERVERS", "https://s3cr3t:1"),
        ("KUBE_API_INTERNAL_LB_HOSTNAME", "s3cr3t"),
        ("NSTANCE_SERVER_AGENT_ADDR", "s3cr3t:1"),
    ];
    let told = told(&policy(STRICT), &Layers::default(), &delivered);
    assert_eq!(told.len(), delivered.len() - 1, "{told:?}");
    for (key, line, because) in [
        ("SSH_AUTHORIZED_KEYS", 2, "2 says `root"),
        ("OIDC_ISSUER", 4, "3 says `cluster-admin"),
        ("KUBE_API_ETCD_SERVERS", 8, "5 says `endpoints"),
    ] {
        let expected = format!(
            "{PLACE}:{line}: {key}: expected no live change, as /opt/podplane/share/policy.toml:{because} = \"user-data\"`"
        );
        assert!(told.contains(&expected), "{expected}: {told:?}");
    }
    assert!(told.iter().all(|fault| !fault.contains("s3cr3t")), "{told:?}");
}

#[test]
fn without_a_policy_everything_live_may_change() {
    assert!(told(&Policy::default(), &Layers::default(), &[("OIDC_ISSUER", "https://a")]).is_empty());
}

#[test]
fn a_delivery_may_repeat_what_the_node_has_and_not_clear_it() {
    let policy = policy(STRICT);
    let mut present = Layers { user_data: layer(&[("OIDC_ISSUER", "https://a")]), ..Layers::default() };
    assert!(told(&policy, &present, &[("OIDC_ISSUER", "https://a"), ("KUBE_API_PORT", "6443")]).is_empty());
    assert!(
        told(&policy, &present, &[("OIDC_ISSUER", "https://b"), ("OIDC_ISSUER", "https://a")]).is_empty()
    );
    assert_eq!(
        told(&policy, &present, &[("OIDC_ISSUER", "https://a"), ("OIDC_ISSUER", "https://b")]).len(),
        1
    );
    present.mutable = layer(&[("OIDC_ISSUER", "https://b"), ("SSH_AUTHORIZED_KEYS", "k")]);
    let clearing = told(&policy, &present, &[("OIDC_ISSUER", ""), ("SSH_AUTHORIZED_KEYS", "")]);
    assert_eq!(clearing.len(), 2, "{clearing:?}");
}

#[test]
fn a_setting_s_own_line_counts_before_its_class_and_under_each_of_its_names() {
    let open = policy("root = \"user-data\"\nSSH_AUTHORIZED_KEYS = \"live\"\n");
    assert!(told(&open, &Layers::default(), &[("SSH_AUTHORIZED_KEY", "k")]).is_empty());
    let shut = policy("OIDC_CA_CERT = \"user-data\"\nOIDC_CUSTOM_CA = \"live\"\n");
    assert_eq!(told(&shut, &Layers::default(), &[("OIDC_CUSTOM_CA", "k")]).len(), 1);
    assert_eq!(told(&shut, &Layers::default(), &[("OIDC_CA_FILE", "/k")]).len(), 1);
    assert!(told(&shut, &Layers::default(), &[("OIDC_ISSUER", "https://k")]).is_empty());
}

#[test]
fn a_policy_that_leaves_a_doubt_is_refused_with_every_line() {
    for text in [
        "root",
        "root = live",
        "root = 'live'",
        "root = \"lively\"",
        "root = \"live\" x",
        "= \"live\"",
        "[root]",
        "INSTANCE_ID = \"live\"",
        "root = \"live\"\nroot = \"live\"",
        "\u{1b}[2J = \"live\"",
        "root = \"user-data",
    ] {
        let faults = parse(text.as_bytes(), "policy.toml").expect_err(text);
        assert!(faults.iter().all(|fault| !fault.to_string().contains('\u{1b}')), "{text}");
    }
    assert!(parse(b"\xff", "policy.toml").is_err());
    assert!(parse("#\n".repeat(40_000).as_bytes(), "policy.toml").is_err());
    let both = parse(b"nope = \"live\"\nroot = \"no\"\n", "policy.toml").expect_err("two faults");
    assert_eq!(both.iter().map(|fault| fault.line).collect::<Vec<_>>(), [Some(1), Some(2)]);
}
