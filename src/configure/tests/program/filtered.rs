//! What a unit's `SystemCallFilter=` refuses is not called: a refused call is an error that no test without systemd sees.

use crate::node::{MUTABLE, Node};
use crate::strace::trace;

/// The calls of `@chown`, which `@privileged` includes (systemd.exec(5), `systemd-analyze syscall-filter`).
const CHOWN: [&str; 7] = ["chown", "chown32", "fchown", "fchown32", "fchownat", "lchown", "lchown32"];

#[test]
fn the_refresh_of_hosts_calls_nothing_that_its_unit_filters() {
    let unit = "etc/systemd/system/hosts-refresh.service";
    let node = Node::booted();
    let text = std::fs::read_to_string(node.at(unit)).unwrap();
    assert!(text.contains("\nSystemCallFilter=~@privileged"), "it may call chown now");
    node.write(MUTABLE, "KUBE_API_INTERNAL_LB_HOSTNAME='10.1.2.9'\n", 0o600);
    let calls: Vec<String> = trace(&node, &["hosts"]).into_iter().map(|point| point.call).collect();
    assert!(calls.iter().any(|call| call.starts_with("rename")), "it changes nothing: {calls:?}");
    assert!(!calls.iter().any(|call| CHOWN.contains(&call.as_str())), "{calls:?}");
    // files of others are given to them: the check sees that
    let fresh = trace(&Node::fresh(), &["configure"]);
    assert!(fresh.iter().any(|point| CHOWN.contains(&point.call.as_str())));
    node.succeed(&["hosts"]);
    let hosts = std::fs::read_to_string(node.at("etc/hosts")).unwrap();
    assert!(hosts.contains("10.1.2.9 kube-apiserver.podplane.internal"), "{hosts}");
}
