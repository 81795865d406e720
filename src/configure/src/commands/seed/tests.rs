use super::*;
use crate::node::Node;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const GIVEN: &str = "CLUSTER_ID=seeded\n";
const TOKEN: &str = "eyJh.eyJz.c2ln\n";
const CA: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
const CREDENTIALS: &str = "/run/credentials/podplane-seed.service";
const NONCE: &str = "/opt/nstance-agent/identity/nonce.jwt";

/// A node that nobody has told anything.
fn unseeded(name: &str) -> Node {
    let node = Node::new(&format!("seed-{name}"));
    for path in [USER_DATA, NONCE] {
        fs::remove_file(node.0.join(path.trim_start_matches('/'))).unwrap();
    }
    node
}

fn text(node: &Node, path: &str) -> Option<String> {
    fs::read_to_string(node.0.join(path.trim_start_matches('/'))).ok()
}

fn volume(node: &Node, name: &str, content: &str) {
    node.write(&format!("{VOLUME}/{name}"), content);
}

fn faults(node: &Node) -> String {
    run(&node.root(), Some(CREDENTIALS)).unwrap_err().to_string()
}

#[test]
fn a_volume_or_credentials_tell_a_new_node_who_it_is() {
    for from in ["volume", "credentials"] {
        let node = unseeded(from);
        for (credential, file, content) in
            [("user-data", "user-data.env", GIVEN), ("nonce", "nonce.jwt", TOKEN), ("ca", "ca.crt", CA)]
        {
            match from {
                "volume" => volume(&node, file, content),
                _ => node.write(&format!("{CREDENTIALS}/podplane.{credential}"), content),
            }
        }
        run(&node.root(), Some(CREDENTIALS)).unwrap();
        for (path, expected) in
            [(USER_DATA, GIVEN), (NONCE, TOKEN), ("/opt/nstance-agent/identity/ca.crt", CA)]
        {
            assert_eq!(text(&node, path).as_deref(), Some(expected), "{from} {path}");
            let mode = fs::metadata(node.0.join(&path[1..])).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600, "{from} {path}");
        }
    }
}

#[test]
fn credentials_win_and_nothing_of_the_volume_is_mixed_in() {
    let node = unseeded("both");
    node.write(&format!("{CREDENTIALS}/podplane.user-data"), GIVEN);
    volume(&node, "user-data.env", "CLUSTER_ID=volume\n");
    volume(&node, "nonce.jwt", TOKEN);
    run(&node.root(), Some(CREDENTIALS)).unwrap();
    assert_eq!((text(&node, USER_DATA).as_deref(), text(&node, NONCE)), (Some(GIVEN), None));
}

#[test]
fn what_a_first_boot_has_used_is_never_changed() {
    let node = Node::new("seed-used");
    let (old, nonce) = (text(&node, USER_DATA), text(&node, NONCE));
    volume(&node, "user-data.env", GIVEN);
    volume(&node, "nonce.jwt", TOKEN);
    run(&node.root(), None).unwrap();
    assert_eq!((text(&node, USER_DATA), text(&node, NONCE)), (old, nonce));
    // configured once, and its user-data is gone: damaged, not new
    fs::remove_file(node.0.join(&USER_DATA[1..])).unwrap();
    node.write(DONE, "completed_at=1970-01-01T00:00:00Z\n");
    assert!(faults(&node).contains("this node was configured once"));
    assert_eq!(text(&node, USER_DATA), None);
}

#[test]
fn a_node_without_a_seed_is_no_failure_and_gets_nothing() {
    let node = unseeded("none");
    run(&node.root(), None).unwrap();
    // cloud-init's own volume
    volume(&node, "meta-data", "instance-id: i\n");
    run(&node.root(), Some(CREDENTIALS)).unwrap();
    assert_eq!((text(&node, USER_DATA), text(&node, NONCE)), (None, None));
}

#[test]
fn a_seed_with_a_fault_is_refused_whole_with_every_fault() {
    let node = unseeded("faults");
    for (name, content) in
        [("user-data.env", "CLUSTER_ID='open\n"), ("nonce.jwt", "s3cr3t\n"), ("ca.crt", "s3cr3t")]
    {
        volume(&node, name, content);
    }
    let said = faults(&node);
    for name in ["user-data.env", "nonce.jwt", "ca.crt"] {
        assert!(said.contains(&format!("{VOLUME}/{name}")), "{name}: {said}");
    }
    assert!(!said.contains("s3cr3t"), "{said}");
    volume(&node, "user-data.env", GIVEN);
    volume(&node, "ca.crt", &CA.replace("CERTIFICATE", "PRIVATE KEY"));
    volume(&node, "nonce.jwt", &"a".repeat(FILE_LIMIT + 1));
    assert!(faults(&node).contains("expected at most"));
    volume(&node, "nonce.jwt", TOKEN);
    assert!(faults(&node).contains("expected certificates only"));
    assert_eq!((text(&node, USER_DATA), text(&node, NONCE)), (None, None));
}
