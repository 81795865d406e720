//! The copies of superblock and descriptors, which `e2fsck` restores without a word: each is compared with the first.

use super::{EPOCH, Volume, file, options, tree};
use crate::ext4::Options;
use crate::ext4::checksum::crc32c;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Command;
use tree::Meta;

const GROUP: u64 = 32_768 * 4096;

/// The groups below `count` that have a copy, as the kernel's documentation of `sparse_super` lists them.
fn groups(count: u64) -> Vec<u64> {
    let powers = |base: u64| std::iter::successors(Some(base), move |power| Some(power * base));
    let mut all = vec![1];
    for base in [3, 5, 7] {
        all.extend(powers(base).take_while(|&power| power < count));
    }
    all.retain(|&group| group < count);
    all.sort_unstable();
    all
}

fn read(file: &File, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, at).unwrap();
    bytes
}

fn count(file: &File) -> u64 {
    let first = read(file, 1024, 1024);
    u64::from(u32::from_le_bytes(first[4..8].try_into().unwrap())).div_ceil(32_768)
}

/// What is wrong with the copies of a file system of less than 16 TiB.
pub(super) fn faults(file: &File) -> Vec<String> {
    let first = read(file, 1024, 1024);
    let count = count(file);
    let len = usize::try_from(count * 64).unwrap();
    let descriptors = read(file, 4096, len);
    let mut faults = Vec::new();
    for group in groups(count) {
        let copy = read(file, group * GROUP, 1024);
        let mut expected = first.clone();
        // not known to be clean, and in a group of its own; each is summed as it is
        expected[58..60].fill(0);
        expected[90..92].copy_from_slice(&u16::try_from(group).unwrap().to_le_bytes());
        let sum = crc32c(!0, &expected[..1020]);
        expected[1020..].copy_from_slice(&sum.to_le_bytes());
        if copy != expected {
            let at = copy.iter().zip(&expected).position(|(one, other)| one != other).unwrap();
            faults.push(format!("superblock of group {group} differs at byte {at}"));
        }
        if read(file, group * GROUP + 4096, len) != descriptors {
            faults.push(format!("descriptors of group {group} differ"));
        }
    }
    faults
}

fn volume() -> Volume {
    let tree = tree([("/etc/hostname".to_owned(), Meta::root(0o644, EPOCH), file(12))]);
    Volume::of(&tree, &Options { least: 1300 << 20, ..options() })
}

#[test]
fn every_copy_of_the_superblock_can_be_read_in_place_of_the_first() {
    let volume = volume();
    assert_eq!(faults(&volume.file), Vec::<String>::new());
    let copies = groups(count(&volume.file));
    assert_eq!(copies, [1, 3, 5, 7, 9]);
    for group in copies {
        let at = format!("superblock={}", group * 32_768);
        let out = Command::new("/sbin/dumpe2fs")
            .args(["-h", "-o", &at, "-o", "blocksize=4096"])
            .arg(&volume.path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(
            out.status.success() && said.contains("12345678-9abc-8ef0-8123-456789abcdef"),
            "{group}: {said}"
        );
    }
}

#[test]
fn a_bad_copy_is_found_although_e2fsck_says_nothing() {
    for group in [1, 3, 9] {
        // magic, group number, checksum; a descriptor
        for at in [56, 90, 1020, 4096 + 12] {
            let volume = volume();
            let place = group * GROUP + at;
            let byte = read(&volume.file, place, 1)[0];
            volume.file.write_all_at(&[byte ^ 1], place).unwrap();
            let run = Command::new("/sbin/e2fsck").args(["-f", "-n"]).arg(&volume.path).output().unwrap();
            assert!(run.status.success(), "e2fsck has begun to look at copies: {group} {at}");
            assert_eq!(faults(&volume.file).len(), 1, "{group} {at}");
        }
    }
}
