//! Damaged nodes and deaf readers: refused whole, with a line that says why, and no panic.

use crate::node::{DELIVERY, DETECTED, MUTABLE, Node};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// Runs in a copy of `node` that `damage` was done to; it must be refused for `wanted`, and change nothing.
fn refused(node: &Node, expected: &str, damage: impl FnOnce(&Node)) {
    let node = node.again();
    damage(&node);
    let old = node.snapshot();
    let output = node.run(&["configure"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains(expected) && !said.contains("s3cr3t"), "expected `{expected}` in: {said}");
    let now = node.snapshot();
    assert!(now == old, "{:?}", now.difference(&old));
}

#[test]
fn facts_that_are_gone_cut_or_empty_though_the_first_run_is_done_are_refused() {
    let node = Node::booted();
    refused(&node, "expected the file, found none", |node| fs::remove_file(node.at(DETECTED)).unwrap());
    refused(&node, "expected the file, found none", |node| fs::remove_file(node.at(MUTABLE)).unwrap());
    refused(&node, "VMCONFIG_KIND: expected the whole file", |node| {
        fs::write(node.at(DETECTED), "").unwrap();
    });
    let text = fs::read_to_string(node.at(DETECTED)).unwrap();
    for cut in 1..text.len() - 1 {
        let mut part = text.clone();
        part.truncate(cut);
        refused(&node, "error: /opt/podplane/etc/detected.env", |node| {
            fs::write(node.at(DETECTED), part).unwrap();
        });
    }
}

#[test]
fn live_settings_never_grow_beyond_what_can_be_read_again() {
    let node = Node::booted();
    let keys =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a@b\n".repeat(362);
    let merge = ["merge", &format!("/{DELIVERY}"), &format!("/{MUTABLE}"), "--delete"];
    node.write(DELIVERY, &format!("SSH_AUTHORIZED_KEYS='{keys}'\nSSH_AUTHORIZED_KEY='{keys}'\n"), 0o600);
    node.succeed(&merge);
    let more = "a".repeat(4096);
    node.write(DELIVERY, &format!("NETSY_KEY_PREFIX={more}\nREGISTRY_ASSUME_ROLE={more}\n"), 0o600);
    let old = node.snapshot();
    let output = node.run(&merge);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("at most 64 KiB") && node.snapshot() == old, "{said}");
    node.succeed(&["configure"]);
}

#[test]
fn live_settings_never_have_more_lines_than_can_be_read_again() {
    let node = Node::booted();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a@b";
    let delivery = |blank: usize| {
        format!("TELEMETRY_S3_BUCKET=logs\nSSH_AUTHORIZED_KEYS='{key}{}'\n", "\n".repeat(blank))
    };
    let merge = ["merge", &format!("/{DELIVERY}"), &format!("/{MUTABLE}"), "--delete"];
    for command in [&merge[..], &["receive"]] {
        node.write(DELIVERY, &delivery(5000), 0o600);
        let output = node.run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(8), "{said}");
        assert!(said.contains("at most 64 KiB and 4096 lines"), "{said}");
        node.succeed(&["configure"]);
    }
    node.write(DELIVERY, &delivery(3000), 0o600);
    node.succeed(&["receive"]);
    node.succeed(&["configure"]);
}

#[test]
fn an_account_that_is_missing_is_named_and_nothing_is_written() {
    let node = Node::fresh();
    for (file, name, expected) in [
        ("etc/group", "zot:", "group `zot` not found"),
        ("etc/passwd", "nstance-agent:", "user `nstance-agent` not found"),
    ] {
        refused(&node, expected, |node| {
            let text = fs::read_to_string(node.at(file)).unwrap();
            let kept: String = text.split_inclusive('\n').filter(|line| !line.starts_with(name)).collect();
            fs::write(node.at(file), kept).unwrap();
        });
    }
}

#[test]
fn nobody_who_listens_is_no_reason_to_stop() {
    let node = Node::fresh();
    let usual = node.again();
    usual.succeed(&["configure"]);
    let usual = usual.snapshot();
    for script in [
        "exec \"$@\" >&- 2>&-",
        "exec \"$@\" <&- >&- 2>&-",
        "exec \"$@\" >/dev/full 2>/dev/full",
        "\"$@\" | true; exit 0",
        "mkfifo \"$3/run/pipe\" && { : <\"$3/run/pipe\" & \"$@\" >\"$3/run/pipe\" 2>&1; code=$?; rm \"$3/run/pipe\"; exit $code; }",
    ] {
        let node = node.again();
        let output = node.run_in_shell(script, &["configure"]);
        assert!(output.status.success(), "{script}: {output:?}");
        let now = node.snapshot();
        assert!(now == usual, "{script}: {:?}", now.difference(&usual));
    }
    // a refusal keeps its code though nobody can read why
    let broken = node.again();
    fs::remove_file(broken.at("opt/podplane/etc/user-data.env")).unwrap();
    for script in ["exec \"$@\" >&- 2>&-", "exec \"$@\" >/dev/full 2>/dev/full"] {
        assert_eq!(broken.run_in_shell(script, &["configure"]).status.code(), Some(8), "{script}");
    }
}

#[test]
fn directories_that_drifted_are_mended_wherever_they_are() {
    let node = Node::booted();
    let whole = node.snapshot();
    for path in ["var/lib/kubelet", "var/log/containers", "var/lib/fluent-bit", "opt/key", "opt/zot/storage"]
    {
        fs::set_permissions(node.at(path), fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::remove_dir(node.at("var/log/pods")).unwrap();
    if crate::node::is_root() {
        std::os::unix::fs::chown(node.at("var/lib/kubelet"), Some(0), Some(0)).unwrap();
    }
    assert!(node.snapshot() != whole);
    node.succeed(&["configure"]);
    let now = node.snapshot();
    assert!(now == whole, "{:?}", now.difference(&whole));
}
