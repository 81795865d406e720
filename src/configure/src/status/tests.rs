use super::{Status, json, look, text};
use crate::json::Json;
use crate::node::Node;
use crate::receive::record::RECORD;

fn looked(node: &Node) -> Status {
    look(&node.root()).expect("a status")
}

fn told(status: &Status, expected: &str) -> bool {
    text(status).lines().any(|line| line.contains(expected))
}

#[test]
fn before_the_first_run_it_says_so() {
    let node = Node::new("before");
    let status = looked(&node);
    assert_eq!((status.completed_at.as_deref(), status.faults.as_slice()), (None, &[][..]));
    assert!(told(&status, "first run   not done yet"), "{}", text(&status));
    assert!(told(&status, "netsy                    waits for /opt/env/netsy.env"), "{}", text(&status));
}

#[test]
fn what_the_first_run_will_stumble_over_is_told_before_it() {
    let node = Node::new("stumble");
    std::fs::remove_file(node.0.join("etc/containerd/config.toml")).expect("the image's file");
    let places: Vec<_> = looked(&node).faults.into_iter().map(|fault| fault.place).collect();
    assert_eq!(places, ["/etc/containerd/config.toml"]);
}

#[test]
fn a_configured_node_differs_in_nothing_and_its_services_wait_for_a_delivery() {
    let node = Node::new("after");
    node.configure();
    let status = looked(&node);
    assert!(status.faults.is_empty() && status.differs.is_empty(), "{}", text(&status));
    assert!(status.completed_at.is_some() && status.changed.is_some());
    let waiting = |unit: &str| {
        let of = status.services.iter().find(|waiting| waiting.service.unit() == unit);
        of.map(|of| (of.on, of.missing.first().copied())).expect(unit)
    };
    assert_eq!(waiting("netsy"), (Some(true), Some("/opt/crt/ca.crt")));
    assert_eq!(waiting("containerd"), (Some(true), None));
    assert_eq!(waiting("zot").0, Some(false));
    assert_eq!(status.origins.get("CLUSTER_ID"), Some(&("/opt/podplane/etc/user-data.env", 2)));
    assert!(status.origins.get("NETSY_BUCKET").is_some_and(|(place, _)| place.ends_with("mutable.env")));
    assert!(!text(&status).contains("s3cr3t") && !crate::json::text(&json(&status)).contains("s3cr3t"));
}

#[test]
fn what_waits_for_a_setting_says_for_which() {
    let node = Node::new("waits");
    node.write("/opt/podplane/share/defaults/mutable.env", "REGISTRY_BUCKET=b\n");
    node.configure();
    node.write(RECORD, "UNKNOWN=NEWER,NEWEST\n");
    let status = looked(&node);
    for expected in [
        "netsy                    waits for NETSY_BUCKET",
        "zot                      waits for REGISTRY_HOSTNAME",
        "NEWEST is not a setting of this image",
        "note        NETSY_BUCKET is not given",
    ] {
        assert!(told(&status, expected), "{expected}: {}", text(&status));
    }
    let json = json(&status);
    let netsy =
        json.get("services").and_then(|services| services.get("netsy")?.get("waits_for")).expect("netsy");
    assert_eq!(netsy.list().first(), Some(&Json::Text("NETSY_BUCKET".to_owned())));
    let unknown = json.get("delivery").and_then(|delivery| delivery.get("unknown")).expect("a list");
    assert_eq!(unknown.list().len(), 2);
}

#[test]
fn what_somebody_changed_and_what_a_setting_would_change_differs() {
    let node = Node::new("differs");
    node.configure();
    node.write("/opt/env/kubelet.env", "INSTANCE_ID=other\n");
    let mutable = std::fs::read_to_string(node.0.join("opt/podplane/etc/mutable.env")).expect("settings");
    node.write("/opt/podplane/etc/mutable.env", &mutable.replace("6443", "7443"));
    let differs: Vec<_> = looked(&node).differs.into_iter().collect();
    assert_eq!(differs, ["/opt/env/kube-apiserver.env", "/opt/env/kubelet.env"]);
    node.configure();
    assert!(looked(&node).differs.is_empty());
}

#[test]
fn faults_are_part_of_the_answer_and_what_is_known_is_told_all_the_same() {
    let node = Node::new("faults");
    node.configure();
    node.write("/opt/podplane/etc/mutable.env", "NETSY_BUCKET=b\nKUBE_API_PORT=s3cr3t\n");
    node.write("/opt/podplane/share/policy.toml", "root = \"live\"\nnope = \"live\"\n");
    let status = looked(&node);
    let places: Vec<_> = status.faults.iter().map(|fault| (fault.place.as_str(), fault.line)).collect();
    let expected = [("/opt/podplane/share/policy.toml", Some(2)), ("/opt/podplane/etc/mutable.env", Some(2))];
    assert_eq!(places, expected);
    assert!(status.services.iter().all(|waiting| waiting.on.is_none()) && !status.services.is_empty());
    assert!(!crate::json::text(&json(&status)).contains("s3cr3t"));
}

#[test]
fn the_policy_and_the_last_delivery_are_told() {
    let node = Node::new("told");
    node.configure();
    node.write(
        "/opt/podplane/share/policy.toml",
        "# strict\ncluster-admin = \"user-data\"\nroot = \"live\"\n",
    );
    node.write(
        RECORD,
        "AT=2026-11-22T15:00:00Z\nGENERATION=42\nWHY='a\x1bb'\nRESTART=zot,kubelet\nFAILED=netsy\n",
    );
    let status = looked(&node);
    assert_eq!(status.fixed, [("cluster-admin", 2)]);
    for expected in
        ["`cluster-admin`", "generation 42", "a\\u{1b}b", "restart kubelet", "-u netsy", "T15:00:00Z"]
    {
        assert!(told(&status, expected), "{expected}: {}", text(&status));
    }
    let json = json(&status);
    let delivery = json.get("delivery").expect("a delivery");
    assert_eq!(delivery.get("failed").map(Json::list), Some(&[Json::Text("netsy".to_owned())][..]));
    assert_eq!(crate::json::read(crate::json::text(&json).as_bytes()), Ok(json));
}

#[test]
fn looking_changes_nothing_and_sees_a_run_under_way_or_cut_short() {
    let node = Node::new("looking");
    node.configure();
    std::fs::create_dir(node.0.join("opt/podplane/etc/.staging")).expect("what a crash left");
    let status = looked(&node);
    assert!(status.interrupted && !status.busy);
    assert!(node.0.join("opt/podplane/etc/.staging").exists());
    let lock = crate::commands::lock::take(&node.root()).expect("the lock");
    let status = looked(&node);
    assert!(status.busy && !status.interrupted, "{}", text(&status));
    drop(lock);
    assert!(!looked(&node).busy);
}
