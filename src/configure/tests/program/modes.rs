//! Modes and owners: exact whatever the umask, from the first open, and never narrowed later.

use crate::node::Node;
use crate::strace::trace;

#[test]
fn what_is_created_is_private_from_the_first_open_and_no_name_is_ever_narrowed() {
    let points = trace(&Node::fresh(), &["configure"]);
    let lines = |start: &'static str| {
        points.iter().filter(move |point| point.call.starts_with(start)).map(|point| &point.line)
    };
    let created: Vec<_> = lines("open").filter(|line| line.contains("O_CREAT")).collect();
    assert!(created.len() > 10, "{created:?}");
    for line in created {
        assert!(line.contains("O_EXCL") && line.contains("O_NOFOLLOW") && line.contains(", 0600)"), "{line}");
    }
    for line in lines("mkdir") {
        let own = ["0700", "0750", "0755"].iter().any(|mode| line.contains(&format!(", {mode})")));
        assert!(own && !line.contains("\"storage\", 0755"), "{line}");
    }
    // by descriptor only: a name may be another file by then
    assert_eq!(lines("chmod").chain(lines("fchmodat")).chain(lines("chown")).count(), 0);
}

#[test]
fn no_program_is_started_at_all() {
    for node in [Node::fresh(), Node::merged()] {
        let points = trace(&node, &["configure"]);
        let starts = |call: &str| ["fork", "vfork", "clone", "clone3", "execveat"].contains(&call);
        assert!(!points.iter().any(|point| starts(&point.call)));
    }
}

#[test]
fn the_umask_decides_nothing() {
    let node = Node::fresh();
    let usual = node.again();
    usual.succeed(&["configure"]);
    for umask in ["000", "777"] {
        let node = node.again();
        let output = node.run_in_shell(&format!("umask {umask}; exec \"$@\""), &["configure"]);
        assert!(output.status.success(), "{output:?}");
        let now = node.snapshot();
        assert!(now == usual.snapshot(), "{umask}: {:?}", now.difference(&usual.snapshot()));
    }
}
