//! A whole node in a folder, with every account being whoever runs the test, so that no privilege is needed.

use super::{Status, json, look, text};
use crate::json::Json;
use crate::names::{DETECT_FACTS, RECEIVED};
use crate::root::Root;
use std::fmt::Write as _;
use std::path::PathBuf;

struct Node(PathBuf);

const ACCOUNTS: [&str; 13] = [
    "root",
    "podplane",
    "nstance-agent",
    "fluent-bit",
    "kube2iam",
    "containerd",
    "kubelet",
    "zot",
    "netsy",
    "kube-apiserver",
    "kube-scheduler",
    "kube-controller-manager",
    "systemd-journal",
];
const USER: &str = "PROVIDER_KIND=local\nCLUSTER_ID=c\nINSTANCE_ID=i\nNSTANCE_SERVER_AGENT_ADDR='[::1]:2'\n\
    NSTANCE_SERVER_REGISTRATION_ADDR=127.0.0.1:1\nNETSY_SECRET_ACCESS_KEY=s3cr3t\n";
const FACTS: &str = "VMCONFIG_KIND=knc\nINSTANCE_PROVIDER_ID=id\nINSTANCE_IPV4=10.0.0.1\nINSTANCE_IPV6=\n\
    INSTANCE_NETDEV=e\nINSTANCE_HOSTNAME=h\nINSTANCE_FQDN=h.d\nKUBE_API_ADDRESSES=\n";

impl Node {
    /// An image of a control plane, with user-data.
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("configure-status-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let node = Self(path);
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let (mut passwd, mut group) = (String::new(), String::new());
        for account in ACCOUNTS {
            let _ = writeln!(passwd, "{account}:x:{uid}:{gid}::/:/bin/sh");
            let _ = writeln!(group, "{account}:x:{gid}:");
        }
        let manifest = r#"{"kind": "knc", "images": [{"image": "registry.k8s.io/pause:3.9"}]}"#;
        for (path, content) in [
            ("/etc/passwd", passwd.as_str()),
            ("/etc/group", &group),
            ("/etc/hosts", "127.0.0.1 localhost\n"),
            ("/etc/containerd/config.toml", "version = 3\n"),
            ("/opt/podplane/share/vmconfig-installed.json", manifest),
            ("/opt/podplane/share/defaults/mutable.env", "NETSY_BUCKET=b\nKUBE_API_PORT=6443\n"),
            ("/opt/podplane/etc/user-data.env", USER),
            ("/opt/nstance-agent/identity/nonce.jwt", "nonce"),
            ("/var/lib/dpkg/status", ""),
            ("/var/log/README", ""),
            ("/home/README", ""),
            ("/etc/sudoers.d/README", ""),
            (DETECT_FACTS, FACTS),
        ] {
            node.write(path, content);
        }
        node
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.0.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(path, content).expect("a file");
    }

    fn root(&self) -> Root {
        Root::open(&self.0).expect("a root")
    }

    fn configure(&self) {
        let root = self.root();
        let image = crate::install::load(&root).expect("an image");
        let inputs = crate::bootstrap::read(&root, &image).expect("inputs");
        crate::commands::configure::bring(&root, &image, &inputs).expect("configured");
    }

    fn status(&self) -> Status {
        look(&self.root()).expect("a status")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn told(status: &Status, wanted: &str) -> bool {
    text(status).lines().any(|line| line.contains(wanted))
}

#[test]
fn before_the_first_run_it_says_so() {
    let node = Node::new("before");
    let status = node.status();
    assert_eq!((status.completed_at.as_deref(), status.faults.as_slice()), (None, &[][..]));
    assert!(told(&status, "first run   not done yet"), "{}", text(&status));
    assert!(told(&status, "netsy                    waits for /opt/env/netsy.env"), "{}", text(&status));
}

#[test]
fn a_configured_node_differs_in_nothing_and_its_services_wait_for_a_delivery() {
    let node = Node::new("after");
    node.configure();
    let status = node.status();
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
fn what_somebody_changed_and_what_a_setting_would_change_differs() {
    let node = Node::new("differs");
    node.configure();
    node.write("/opt/env/kubelet.env", "INSTANCE_ID=other\n");
    let mutable = std::fs::read_to_string(node.0.join("opt/podplane/etc/mutable.env")).expect("settings");
    node.write("/opt/podplane/etc/mutable.env", &mutable.replace("6443", "7443"));
    let differs: Vec<_> = node.status().differs.into_iter().collect();
    assert_eq!(differs, ["/opt/env/kube-apiserver.env", "/opt/env/kubelet.env"]);
    node.configure();
    assert!(node.status().differs.is_empty());
}

#[test]
fn faults_are_part_of_the_answer_and_what_is_known_is_told_all_the_same() {
    let node = Node::new("faults");
    node.configure();
    node.write("/opt/podplane/etc/mutable.env", "NETSY_BUCKET=b\nKUBE_API_PORT=s3cr3t\n");
    node.write("/opt/podplane/share/policy.toml", "root = \"live\"\nnope = \"live\"\n");
    let status = node.status();
    let places: Vec<_> = status.faults.iter().map(|fault| (fault.place.as_str(), fault.line)).collect();
    let wanted = [("/opt/podplane/share/policy.toml", Some(2)), ("/opt/podplane/etc/mutable.env", Some(2))];
    assert_eq!(places, wanted);
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
        RECEIVED,
        "AT=2026-11-22T15:00:00Z\nGENERATION=42\nWHY='a\x1bb'\nRESTART=zot,kubelet\nFAILED=netsy\n",
    );
    let status = node.status();
    assert_eq!(status.fixed, [("cluster-admin", 2)]);
    for wanted in
        ["`cluster-admin`", "generation 42", "a\\u{1b}b", "restart kubelet", "-u netsy", "T15:00:00Z"]
    {
        assert!(told(&status, wanted), "{wanted}: {}", text(&status));
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
    let status = node.status();
    assert!(status.interrupted && !status.busy);
    assert!(node.0.join("opt/podplane/etc/.staging").exists());
    let lock = crate::commands::lock::take(&node.root()).expect("the lock");
    let status = node.status();
    assert!(status.busy && !status.interrupted, "{}", text(&status));
    drop(lock);
    assert!(!node.status().busy);
}
