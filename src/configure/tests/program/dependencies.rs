//! What every image gets: how big it is, how much memory it takes, whose code is in it.

use crate::node::{Node, build, cargo};
use std::collections::BTreeSet;

/// One file of at most 1.3 MB, a quarter of it cryptography, that needs no other, for each architecture; the compiler comes with both.
#[test]
fn the_program_is_small_and_static_on_both_architectures() {
    // e_machine and e_type of the ELF specification: EM_X86_64, ET_DYN: at another address each time; EM_AARCH64, ET_EXEC, as
    // the compiler makes no other static program for it
    for (arch, machine, kind) in [("x86_64", 62, 3), ("aarch64", 183, 2)] {
        let bytes = std::fs::read(build(arch)).unwrap();
        assert!(bytes.len() <= 1_300_000, "{arch}: {} bytes", bytes.len());
        assert_eq!(bytes[..5], *b"\x7fELF\x02", "{arch}");
        let number = |at: usize, size: usize| -> usize {
            bytes[at..at + size].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        assert_eq!((number(18, 2), number(16, 2)), (machine, kind), "{arch}");
        // Elf64_Ehdr: e_phoff, e_phentsize, e_phnum; PT_INTERP is 3
        let (start, size, count) = (number(32, 8), number(54, 2), number(56, 2));
        let interpreter = |at: usize| number(start + at * size, 4) == 3;
        assert!(count > 0 && !(0..count).any(interpreter), "{arch}: expected no interpreter");
    }
}

#[test]
fn sixteen_mebibytes_are_enough() {
    for (node, command) in [(Node::fresh(), ["configure"]), (Node::merged(), ["configure"])] {
        // of address space even
        let output = node.run_in_shell("ulimit -v 16384 && exec \"$@\"", &command);
        assert!(output.status.success(), "{output:?}");
    }
}

/// The lists are committed, so that a change of them is seen: `cargo tree` with these words, each line once and in order.
#[test]
fn no_code_of_others_comes_in_unseen() {
    for (arch, list) in [
        ("x86_64", include_str!("../../dependencies/x86_64.txt")),
        ("aarch64", include_str!("../../dependencies/aarch64.txt")),
    ] {
        let target = format!("{arch}-unknown-linux-musl");
        let words = "tree --locked --package configure --edges normal,build --prefix none --format";
        let mut words: Vec<&str> = words.split(' ').collect();
        words.extend(["{p} {f}", "--target", &target]);
        let tree = cargo(&words);
        let (_, others) = tree.split_once('\n').unwrap();
        let lines = others.lines().map(|line| line.trim_end_matches(" (*)").trim_end());
        // a crate of this workspace has its folder behind its version
        let (ours, others): (BTreeSet<&str>, BTreeSet<&str>) = lines.partition(|line| line.contains(" (/"));
        assert_eq!(others, list.lines().collect(), "{target}");
        let ours: Vec<&str> = ours.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(ours, ["provider"], "{target}: what the image's program has in common with the baker");
    }
}
