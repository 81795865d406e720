//! The disk that says no: the old set stays whole, it is said, and the next run mends everything.

use crate::node::{DELIVERY, MUTABLE, Node, start};
use crate::strace::{Point, for_each, inject, trace};
use configure::root::Root;

const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EROFS", "EDQUOT"];

/// A shell that lets no file become longer than a kilobyte: a write is cut there, and the next one fails.
pub(crate) const SHORT: &str = "trap '' XFSZ; ulimit -f 2; exec \"$@\"";

/// Each change of the disk fails with each of `errors`, each time in a copy of `node`.
fn check(node: &Node, command: &[&str], errors: &[&str]) {
    let undisturbed = node.again();
    undisturbed.succeed(command);
    let (old, new) = (node.snapshot(), undisturbed.snapshot());
    let points: Vec<(Point, &str)> = trace(node, command)
        .into_iter()
        .filter(Point::changes_the_disk)
        .flat_map(|point| errors.iter().map(move |&error| (point.clone(), error)))
        .collect();
    assert!(points.iter().any(|(point, _)| point.call == "fsync"), "nothing is made durable");
    for_each(&points, |(point, error)| {
        let node = node.again();
        let output = inject(&node, command, point, &format!("error={error}"));
        let (code, said) = (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());
        let found = node.snapshot();
        assert!(found.has_only_whole_files(&old, &new), "{point:?} {error}: {:?}", found.difference(&old));
        // what is others' may be left as it is when that is said
        let noted =
            point.call.starts_with("fch") && String::from_utf8_lossy(&output.stdout).contains("note: ");
        assert!(code == Some(6) || noted && code == Some(0), "{point:?} {error}: {code:?} {said}");
        assert!(
            noted || said.starts_with("error: /") && said.contains("\nhint: "),
            "{point:?} {error}: {said}"
        );
        assert!(!said.contains("s3cr3t"), "{said}");
        configure::apply::recover(&Root::open(node.path()).unwrap()).unwrap();
        let recovered = node.snapshot();
        assert!(
            recovered.is_one_of(&old, &new),
            "{point:?} {error}: neither the old set nor the new one, but for {:?}",
            recovered.difference(&new)
        );
        if command[0] != "merge" || node.at(DELIVERY).exists() {
            node.succeed(command);
        }
        let end = node.snapshot();
        assert!(end == new, "{point:?} {error}: after the next run {:?}", end.difference(&new));
    });
}

#[test]
fn a_first_boot_whose_disk_refuses_any_change_says_so_and_the_next_one_completes_it() {
    check(&Node::fresh(), &["configure"], &["EIO"]);
}

#[test]
fn a_live_update_whose_disk_refuses_any_change_says_so_and_the_next_one_completes_it() {
    check(&Node::merged(), &["configure"], &ERRORS);
}

#[test]
fn a_merge_whose_disk_refuses_any_change_says_so_and_the_next_one_completes_it() {
    let words = ["merge", &format!("/{DELIVERY}"), &format!("/{MUTABLE}"), "--delete"];
    check(&Node::delivered(), &words, &ERRORS);
}

#[test]
fn what_a_signal_interrupts_is_done_again() {
    let merge = ["merge", &format!("/{DELIVERY}"), &format!("/{MUTABLE}"), "--delete"];
    for (node, command) in [(Node::merged(), &["configure"][..]), (Node::delivered(), &merge)] {
        let undisturbed = node.again();
        undisturbed.succeed(command);
        let new = undisturbed.snapshot();
        let points: Vec<Point> = trace(&node, command)
            .into_iter()
            .filter(|point| point.changes_the_disk() || point.call.starts_with("open"))
            .collect();
        for call in ["openat2", "openat", "fsync", "rename"] {
            assert!(points.iter().any(|point| point.call.starts_with(call)), "no {call}");
        }
        for_each(&points, |point| {
            let node = node.again();
            let output = inject(&node, command, point, "error=EINTR");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{point:?}: {:?} {said}", output.status);
            let now = node.snapshot();
            assert!(now == new, "{point:?}: {:?}", now.difference(&new));
        });
    }
}

#[test]
fn reading_that_fails_changes_nothing() {
    let node = Node::merged();
    let undisturbed = node.again();
    undisturbed.succeed(&["configure"]);
    let (old, new) = (node.snapshot(), undisturbed.snapshot());
    let points = trace(&node, &["configure"]);
    let reading =
        |call: &str| call.starts_with("open") || matches!(call, "read" | "getdents64" | "fstat" | "statx");
    // every third one: which file it is makes no difference
    let points: Vec<Point> = points
        .into_iter()
        .filter(|point| reading(&point.call) && !point.changes_the_disk())
        .enumerate()
        .filter(|(at, _)| at % 3 == 0)
        .map(|(_, point)| point)
        .collect();
    for_each(&points, |point| {
        let node = node.again();
        let output = inject(&node, &["configure"], point, "error=EIO");
        assert!(matches!(output.status.code(), Some(0 | 6 | 8)), "{point:?}: {:?}", output.status);
        configure::apply::recover(&Root::open(node.path()).unwrap()).unwrap();
        let now = node.snapshot();
        assert!(
            now.is_one_of(&old, &new),
            "{point:?}: {:?} {:?}",
            now.difference(&old),
            now.difference(&new)
        );
        assert!(!output.status.success() || now == new, "{point:?}: {:?}", now.difference(&new));
    });
}

/// In a small file system of its own: `fill` is what a shell does to it first, in the folder `$1`.
fn on_a_small_disk(options: &str, fill: &str) -> (i32, String, Vec<String>) {
    let node = Node::merged();
    let old = node.snapshot();
    let room = Node::empty();
    let (disk, from) = (room.path().display().to_string(), node.path().display().to_string());
    let script = format!(
        "set -e; mount -t tmpfs -o mode=755,{options} none {disk}; cp -a {from}/. {disk}; cd {disk}; {fill}\n\
         set +e; \"$1\" --root {disk} configure >/dev/null; code=$?; rm -f {disk}/fill*; cp -a {disk}/. {from}; exit $code"
    );
    let program = crate::node::program();
    let mut words = vec!["unshare", "--mount"];
    if !crate::node::is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    words.extend(["sh", "-c", &script, "sh", &program]);
    let output = start(&words);
    let now = node.snapshot();
    let difference =
        now.difference(&old).into_iter().filter(|path| !now.0[*path].directory).map(str::to_owned).collect();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned(), difference)
}

#[test]
fn a_disk_without_room_without_inodes_or_without_writing_keeps_the_old_set() {
    for (options, fill, expected) in [
        ("size=8m", "dd if=/dev/zero of=fill bs=1k 2>/dev/null || true", "No space left on device"),
        (
            "nr_inodes=400",
            "n=0; while touch fill$n 2>/dev/null; do n=$((n+1)); done",
            "No space left on device",
        ),
        ("size=8m", "mount -o remount,ro .", "Read-only file system"),
    ] {
        let (code, said, difference) = on_a_small_disk(options, fill);
        assert!(code == 6 && said.contains(expected), "{fill}: {code}: {said}");
        assert!(difference.is_empty(), "{fill}: {difference:?}");
    }
}

#[test]
fn writes_that_end_short_keep_the_old_set() {
    for node in [Node::fresh(), Node::merged()] {
        let old = node.snapshot();
        let output = node.run_in_shell(SHORT, &["configure"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(6) && said.contains("File too large"), "{said}");
        let now = node.snapshot();
        assert!(now.has_only_whole_files(&old, &old), "{:?}", now.difference(&old));
        node.succeed(&["configure"]);
    }
}

#[test]
fn a_full_disk_stops_no_boot_for_what_a_services_user_has_changed() {
    let full = Point { call: "mkdirat".to_owned(), nth: 1, line: String::new() };
    for error in ["ENOSPC", "EDQUOT"] {
        let node = Node::booted();
        node.write("opt/nstance-agent/identity/ca.crt", "another", 0o600);
        let output = inject(&node, &["configure"], &full, &format!("error={error}"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("what services' users changed stays"), "{said}");
        // root's own is all or nothing
        node.write("opt/env/kubelet.env", "another", 0o640);
        let output = inject(&node, &["configure"], &full, &format!("error={error}"));
        assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stdout));
        node.succeed(&["configure"]);
    }
}
