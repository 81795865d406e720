//! `cargo xtask bench configure`: what a boot and a live update cost, beside the scripts that did it before.
//!
//! On the disk of the target directory, as waiting for it is most of a change. The scripts' figures are those of their
//! runs on two cores; ours are of this machine, now.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and fails by panicking")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/program/node.rs"]
mod node;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/program/snapshot.rs"]
mod snapshot;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/program/strace.rs"]
mod strace;

use node::{DELIVERY, MUTABLE, Node, start};
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 21;

/// What is measured: name, the state before, the command lines, the scripts' wall time, programs and system calls.
type Row = (&'static str, fn() -> Node, &'static [&'static [&'static str]], &'static str);

fn one_key() -> Node {
    let node = Node::booted();
    node.write(DELIVERY, "KUBE_API_PORT=7443\n", 0o640);
    node
}

fn main() {
    let (from, to) = (format!("/{DELIVERY}"), format!("/{MUTABLE}"));
    let (from, to): (&'static str, &'static str) = (from.leak(), to.leak());
    let update: &'static [&'static [&'static str]] =
        vec![&*vec!["merge", from, to, "--delete"].leak(), &["configure"]].leak();
    let rows: [Row; 3] = [
        ("first boot", Node::fresh, &[&["configure"]], "540 ms"),
        ("nothing changed", Node::booted, &[&["configure"]], "388 ms, 346 programs, 61278 calls"),
        ("one key changed live", one_key, update, "427 ms, 361 programs, 68976 calls"),
    ];
    println!("{:22} {:>10} {:>9} {:>8}   the scripts", "median of 21", "wall", "programs", "calls");
    for (name, state, commands, scripts) in rows {
        let node = state();
        let wall = wall(&node, commands);
        let (programs, calls) = calls(&node, commands);
        println!("{name:22} {:>7.1} ms {programs:>9} {calls:>8}   {scripts}", wall.as_secs_f64() * 1e3);
    }
    println!("{:22} {:>7} KB", "the program", std::fs::metadata(node::program()).unwrap().len() / 1000);
}

/// The median, on the disk.
fn wall(node: &Node, commands: &[&[&str]]) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let disk = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
            snapshot::copy(node.path(), disk.path());
            let (program, root) = (node::program(), disk.path().display().to_string());
            // what the copy left for the disk to do is not what is measured
            rustix::fs::sync();
            let begin = Instant::now();
            for command in commands {
                let mut words = vec![program.as_str(), "--root", &root];
                words.extend(*command);
                let output = start(&words);
                assert!(output.status.success(), "{output:?}");
            }
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

/// Programs that were started by ours, and system calls.
fn calls(node: &Node, commands: &[&[&str]]) -> (usize, usize) {
    let node = node.again();
    let (mut programs, mut calls) = (0, 0);
    for command in commands {
        let points = strace::trace(&node, command);
        programs += points
            .iter()
            .filter(|point| ["clone", "clone3", "fork", "vfork"].contains(&&*point.call))
            .count();
        calls += points.len();
        node.succeed(command);
    }
    (programs, calls)
}
