use super::run;
use crate::names::{DONE, MUTABLE, POLICY};
use crate::node::Node;

const SOURCE: &str = "/opt/delivered.env";

/// What became of a delivery, and the live settings after it.
fn merged(node: &Node, delivered: &str) -> (Result<(), String>, String) {
    node.write(SOURCE, delivered);
    let result = run(&node.root(), SOURCE, MUTABLE, false).map_err(|refusal| refusal.to_string());
    (result, std::fs::read_to_string(node.0.join(MUTABLE.trim_start_matches('/'))).expect("live settings"))
}

#[test]
fn a_delivery_of_what_the_policy_fixes_changes_nothing_and_is_told_by_key_and_line() {
    let node = Node::new("merge-policy");
    node.configure();
    node.write(POLICY, "cluster-admin = \"user-data\"\n");
    let (_, before) = merged(&node, "KUBE_LOG_LEVEL=3\n");
    assert!(before.contains("KUBE_LOG_LEVEL='3'"), "{before}");
    let (result, after) = merged(&node, "KUBE_LOG_LEVEL=4\nOIDC_ISSUER=https://s3cr3t\n");
    let told = result.expect_err("a refusal");
    let expected = "error: /opt/delivered.env:2: OIDC_ISSUER: expected no live change, as /opt/podplane/share/policy.toml:1 says";
    assert!(told.starts_with(expected) && !told.contains("s3cr3t"), "{told}");
    assert_eq!(before, after);
}

#[test]
fn nothing_is_delivered_under_a_policy_that_is_in_doubt() {
    let node = Node::new("merge-doubt");
    node.configure();
    node.write(POLICY, "cluster-admin = \"never\"\n");
    let told = merged(&node, "KUBE_LOG_LEVEL=4\n").0.expect_err("a refusal");
    assert!(told.starts_with("error: /opt/podplane/share/policy.toml:1: expected"), "{told}");
}

#[test]
fn damaged_user_data_opens_nothing() {
    let node = Node::new("merge-damaged");
    node.configure();
    node.write(POLICY, "cluster-admin = \"user-data\"\n");
    node.write("/opt/podplane/etc/user-data.env", "'");
    assert!(merged(&node, "OIDC_ISSUER=https://a\n").0.is_err());
}

#[test]
fn before_the_first_run_is_done_it_is_user_data_that_delivers() {
    let node = Node::new("merge-first");
    node.configure();
    std::fs::remove_file(node.0.join(DONE.trim_start_matches('/'))).expect("the marker");
    node.write(POLICY, "cluster-admin = \"user-data\"\n");
    assert_eq!(merged(&node, "OIDC_ISSUER=https://a\n").0, Ok(()));
}
