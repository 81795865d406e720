//! Ended at every system call: the files are the old set or the new one, and the next run completes it.

use crate::node::{DELIVERY, MUTABLE, Node};
use crate::snapshot::Snapshot;
use crate::strace::{Point, for_each, inject, trace};
use configure::root::Root;
use std::os::unix::process::ExitStatusExt as _;

/// Ends `command` at every system call of it that `chosen` takes, each time in a copy of `node`.
fn check(node: &Node, command: &[&str], chosen: impl Fn(usize, &Point) -> Option<&'static str> + Sync) {
    let undisturbed = node.again();
    undisturbed.succeed(command);
    let (old, new) = (node.snapshot(), undisturbed.snapshot());
    let points: Vec<(Point, &str)> = trace(node, command)
        .into_iter()
        .enumerate()
        .filter_map(|(at, point)| Some((point.clone(), chosen(at, &point)?)))
        .collect();
    for_each(&points, |(point, signal)| {
        let node = node.again();
        let output = inject(&node, command, point, &format!("signal={signal}"));
        let killed = output.status.signal().is_some();
        // a broken pipe is ignored by every program in Rust
        assert!(killed || *signal == "PIPE", "{point:?}: {:?}", output.status);
        let whole = |now: &Snapshot| now.has_only_whole_files(&old, &new);
        let found = if node.mounts { node.snapshot().without_copies() } else { node.snapshot() };
        assert!(whole(&found), "{point:?}: {:?}", found.difference(&old));
        configure::apply::recover(&Root::open(node.path()).unwrap()).unwrap();
        let recovered = node.snapshot();
        assert!(
            recovered.is_one_of(&old, &new),
            "{point:?}: neither the old set nor the new one, but for {:?}",
            recovered.difference(&new)
        );
        // a merge that is complete has no source any more
        if command[0] != "merge" || node.at(DELIVERY).exists() {
            node.succeed(command);
        }
        let end = node.snapshot();
        assert!(end == new, "{point:?}: after the next run {:?}", end.difference(&new));
    });
}

fn merge() -> [String; 4] {
    ["merge".to_owned(), format!("/{DELIVERY}"), format!("/{MUTABLE}"), "--delete".to_owned()]
}

const KILL: fn(usize, &Point) -> Option<&'static str> = |_, _| Some("KILL");

#[test]
fn a_first_boot_that_is_killed_at_any_system_call_leaves_the_old_set_or_the_new_one() {
    check(&Node::fresh(), &["configure"], KILL);
}

#[test]
fn a_second_boot_that_is_killed_at_any_system_call_changes_nothing() {
    check(&Node::booted(), &["configure"], KILL);
}

#[test]
fn a_live_merge_that_is_killed_at_any_system_call_leaves_the_old_settings_or_the_new_ones() {
    let words = merge();
    check(&Node::delivered(), &words.each_ref().map(String::as_str), KILL);
}

#[test]
fn a_live_update_that_is_killed_at_any_system_call_leaves_the_old_set_or_the_new_one() {
    check(&Node::merged(), &["configure"], KILL);
}

#[test]
fn between_mounts_an_update_that_is_killed_leaves_the_old_set_or_the_new_one() {
    let chosen = |_: usize, point: &Point| point.changes_the_disk().then_some("KILL");
    check(&Node::merged().between_mounts(), &["configure"], chosen);
    check(&Node::fresh().between_mounts(), &["configure"], chosen);
}

#[test]
fn a_run_that_rolls_a_killed_one_forward_may_be_killed_as_well() {
    // the first rename into place is behind the commit
    let node = Node::merged();
    let points = trace(&node, &["configure"]);
    let commit = points
        .iter()
        .position(|point| point.line.contains("\"journal.new\", ") && point.call.starts_with("rename"));
    let first =
        &points[commit.unwrap()..].iter().filter(|point| point.call.starts_with("rename")).nth(2).unwrap();
    inject(&node, &["configure"], first, "signal=KILL");
    assert!(node.at("opt/podplane/etc/.staging/journal").exists());
    let words = ["configure"];
    let (half, done) = (node.again(), node.again());
    done.succeed(&words);
    let new = done.snapshot();
    let points: Vec<Point> = trace(&half, &words).into_iter().filter(Point::changes_the_disk).collect();
    for_each(&points, |point| {
        let node = half.again();
        inject(&node, &words, point, "signal=KILL");
        node.succeed(&words);
        let end = node.snapshot();
        assert!(end == new, "{point:?}: {:?}", end.difference(&new));
    });
}

#[test]
fn any_signal_that_ends_a_program_is_as_good_as_the_hardest_one() {
    const SIGNALS: [&str; 4] = ["TERM", "HUP", "XFSZ", "PIPE"];
    let chosen = |at: usize, point: &Point| point.changes_the_disk().then(|| SIGNALS[at % SIGNALS.len()]);
    check(&Node::merged(), &["configure"], chosen);
}
