//! Sizes at which the shape of a file system changes, and growing.

use super::{EPOCH, Volume, file, marked, options, reads_back, tree};
use crate::ext4::{Options, ext4};
use std::process::Command;
use tree::{Meta, Tree};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn small() -> Tree {
    tree([("/etc/hostname".to_owned(), Meta::root(0o644, EPOCH), file(12))])
}

/// The number behind `field:` in what `dumpe2fs` says.
fn number(said: &str, field: &str) -> u64 {
    let line = said.lines().find(|line| line.starts_with(&format!("{field}:"))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn all_sizes_are_clean_and_have_what_is_wanted() {
    // one group; just over one; a last group that is nearly empty; a second set of 16; descriptors of two blocks
    let sizes = [
        0,
        100 * MIB,
        128 * MIB,
        129 * MIB,
        130 * MIB,
        200 * MIB,
        256 * MIB + MIB,
        2 * GIB,
        2 * GIB + MIB,
        2 * GIB + 3 * MIB,
        6 * GIB + 200 * MIB,
        8 * GIB,
        8 * GIB + 5 * MIB,
        40 * GIB,
    ];
    for least in sizes {
        let volume = Volume::of(&small(), &Options { least, ..options() });
        volume.is_clean();
        reads_back(&small(), &volume);
        let size = volume.file.metadata().unwrap().len();
        assert!((least..least.max(80 * MIB) + 8 * MIB).contains(&size), "{least}: {size}");
        assert!(number(&volume.dumpe2fs(), "Free blocks") * 4096 >= options().reserve, "{least}");
    }
}

#[test]
fn the_reserve_is_free() {
    for reserve in [0, 1, 64 * MIB, 256 * MIB, 3 * GIB] {
        let tree = tree(
            (0..30)
                .map(|nth| (format!("/data/{nth}"), Meta::root(0o644, EPOCH), marked(nth * 1_300_000 + 1))),
        );
        let volume = Volume::of(&tree, &Options { reserve, ..options() });
        volume.is_clean();
        let free = number(&volume.dumpe2fs(), "Free blocks") * 4096;
        assert!((reserve..reserve + 20 * MIB).contains(&free), "{reserve}: {free}");
    }
}

#[test]
fn contents_go_around_the_copies_of_the_superblock() {
    let tree =
        tree((0..120).map(|nth| (format!("/data/{nth}"), Meta::root(0o644, EPOCH), marked(nth * 777_777))));
    let volume = Volume::of(&tree, &Options { grown: 16 << 40, ..options() });
    volume.is_clean();
    reads_back(&tree, &volume);
}

#[test]
fn it_says_what_mke2fs_says() {
    let volume = Volume::of(&small(), &Options { least: 10 * GIB, grown: 10 << 40, ..options() });
    let ours = volume.dumpe2fs();
    let peer = volume.dir.path().join("peer");
    std::fs::File::create_new(&peer).unwrap().set_len(10 * GIB).unwrap();
    let uuid = "12345678-9abc-8ef0-8123-456789abcdef";
    let made = Command::new("/sbin/mke2fs")
        .args([
            "-q",
            "-t",
            "ext4",
            "-m",
            "1",
            "-L",
            "root",
            "-U",
            uuid,
            "-E",
            "hash_seed=01020304-0506-8708-8910-111213141516",
        ])
        .args(["-O", "^orphan_file,^metadata_csum_seed", "-b", "4096", "-I", "256", "-i", "16384"])
        .arg(&peer)
        .status()
        .unwrap();
    assert!(made.success());
    let said = Command::new("/sbin/dumpe2fs").arg(&peer).output().unwrap();
    let theirs = String::from_utf8(said.stdout).unwrap();
    for field in [
        "Filesystem volume name",
        "Filesystem UUID",
        "Filesystem features",
        "Default mount options",
        "Filesystem state",
        "Errors behavior",
        "Inode count",
        "Block count",
        "Overhead clusters",
        "Block size",
        "Group descriptor size",
        "Reserved GDT blocks",
        "Blocks per group",
        "Inodes per group",
        "Flex block group size",
        "First inode",
        "Inode size",
        "Required extra isize",
        "Desired extra isize",
        "Journal inode",
        "Default directory hash",
        "Directory Hash Seed",
        "Journal backup",
        "Checksum type",
        "Total journal size",
        "Journal sequence",
        "Maximum mount count",
    ] {
        let of =
            |said: &str| said.lines().find(|line| line.starts_with(&format!("{field}:"))).map(str::to_owned);
        assert_eq!(of(&ours), of(&theirs), "{field}");
        assert!(of(&ours).is_some(), "{field}");
    }
}

#[test]
fn it_grows_and_shrinks_with_resize2fs() {
    let tree =
        tree((0..40).map(|nth| (format!("/data/{nth}"), Meta::root(0o644, EPOCH), file(nth * 100_000))));
    let volume = Volume::of(&tree, &Options { least: GIB, ..options() });
    for size in ["1500M", "20G", "130G", "1G"] {
        let out = Command::new("/sbin/resize2fs").arg("-f").arg(&volume.path).arg(size).output().unwrap();
        assert!(out.status.success(), "{size}: {}", String::from_utf8_lossy(&out.stderr));
        volume.is_clean();
        reads_back(&tree, &volume);
    }
}

#[test]
fn the_same_tree_is_the_same_image() {
    let tree = tree((0..500).map(|nth| (format!("/data/{nth}"), Meta::root(0o644, EPOCH), file(nth * 100))));
    let debug = |options: &Options| format!("{:?}", ext4(&tree, options).unwrap());
    assert!(debug(&options()) == debug(&options()));
    assert!(debug(&options()) != debug(&Options { hash_seed: [7; 16], ..options() }));
}

#[test]
fn a_new_file_leaves_the_segments_of_others_as_they_are() {
    let entries = |more: bool| {
        let old = (0..400).map(|nth| (format!("/data/{nth:03}"), Meta::root(0o644, EPOCH), file(nth * 300)));
        let new = more.then(|| ("/data/000a".to_owned(), Meta::root(0o644, EPOCH), file(99_999)));
        tree(old.chain(new))
    };
    let keys = |tree: &Tree| -> std::collections::BTreeSet<_> {
        ext4(tree, &options())
            .unwrap()
            .segments
            .iter()
            .map(|segment| format!("{:?}", segment.chunk))
            .collect()
    };
    let (before, after) = (keys(&entries(false)), keys(&entries(true)));
    let contents = before.intersection(&after).count();
    assert!(contents * 2 > before.len(), "{contents} of {}", before.len());
}
