//! Directories with an index, long names, deep paths, files over 4 GiB.

use super::{EPOCH, Volume, file, marked, options, reads_back, tree};
use crate::ext4::Options;
use std::os::unix::fs::FileExt as _;
use tree::{Meta, Node, PIECE, Tree};

fn meta() -> Meta {
    Meta::root(0o644, EPOCH)
}

fn crowd(count: usize, name: impl Fn(usize) -> String) -> Tree {
    tree((0..count).map(|nth| (format!("/crowd/{}", name(nth)), meta(), Node::Fifo)))
}

/// What `debugfs` says of the index of a directory.
fn index_of(volume: &Volume, directory: &str) -> String {
    volume.debugfs(&[format!("htree_dump {directory}")]).remove(0)
}

#[test]
fn a_directory_gets_an_index_when_it_outgrows_a_block() {
    // 4084 bytes: `.` and `..` and 338 names of twelve bytes each
    for (count, indexed) in [(337, false), (338, false), (339, true), (340, true), (700, true), (3000, true)]
    {
        let tree = crowd(count, |nth| format!("{nth:04}"));
        let volume = Volume::of(&tree, &options());
        volume.is_clean();
        reads_back(&tree, &volume);
        let said = index_of(&volume, "/crowd");
        assert_eq!(said.contains("Indirect levels: 0"), indexed, "{count}: {said}");
    }
}

#[test]
fn names_of_255_bytes_and_of_no_ascii_are_found() {
    let tree = crowd(500, |nth| format!("{}{nth:03}", "ü".repeat(126)));
    let volume = Volume::of(&tree, &options());
    volume.is_clean();
    reads_back(&tree, &volume);
}

#[test]
fn a_hundred_thousand_names_have_an_index_of_two_levels() {
    let tree = crowd(100_000, |nth| format!("{}-{nth:06}", "long-name".repeat(10)));
    let volume = Volume::of(&tree, &Options { reserve: 0, ..options() });
    volume.is_clean();
    let said = index_of(&volume, "/crowd");
    assert!(said.contains("Indirect levels: 1"));
    assert!(said.contains(&format!("{}-099999", "long-name".repeat(10))));
}

#[test]
fn a_path_of_four_thousand_bytes_is_reached() {
    let deep = "/d".repeat(1000) + "/" + &"n".repeat(255);
    let tree = tree([(deep, meta(), file(9))]);
    let volume = Volume::of(&tree, &options());
    volume.is_clean();
    reads_back(&tree, &volume);
}

#[test]
fn a_directory_of_seventy_thousand_directories_has_one_link() {
    let tree = tree((0..70_000).map(|nth| (format!("/crowd/{nth}"), meta(), Node::Directory)));
    let volume = Volume::of(&tree, &options());
    volume.is_clean();
    let said = volume.debugfs(&["stat /crowd".to_owned()]).remove(0);
    assert!(said.contains("Links: 1 "), "{said}");
}

/// Demands that each piece of the marked file `/big` stands where its extents say.
fn has_its_pieces(volume: &Volume, len: u64) {
    let pieces = len.div_ceil(PIECE);
    let commands: Vec<String> = (0..pieces).map(|nth| format!("bmap /big {}", nth * PIECE / 4096)).collect();
    for (nth, said) in (0..).zip(volume.debugfs(&commands)) {
        let block: u64 = said.trim().parse().unwrap();
        let mut mark = [0; 8];
        volume.file.read_exact_at(&mut mark, block * 4096).unwrap();
        assert_eq!(u64::from_le_bytes(mark), nth);
    }
}

#[test]
fn a_file_over_4_gib_has_each_piece_in_its_place() {
    let len = (5 << 30) + 12_345;
    let tree = tree([
        ("/a".to_owned(), meta(), file(100)),
        ("/big".to_owned(), meta(), marked(len)),
        ("/z".to_owned(), meta(), file(100)),
    ]);
    let volume = Volume::of(&tree, &options());
    volume.is_clean();
    reads_back(&tree, &volume);
    has_its_pieces(&volume, len);
}

#[test]
fn a_file_of_190_gib_has_extents_of_three_levels() {
    let len = 190 << 30;
    let tree = tree([("/big".to_owned(), meta(), marked(len))]);
    let volume = Volume::of(&tree, &options());
    volume.is_clean();
    has_its_pieces(&volume, len);
    let said = volume.debugfs(&["dump_extents -n /big".to_owned()]).remove(0);
    assert!(said.contains(" 0/ 2 ") && said.contains(" 1/ 2 "), "{said}");
}
