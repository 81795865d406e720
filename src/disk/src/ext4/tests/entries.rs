//! Every type of entry, with every sort of owner, mode, time and attribute.

use super::{EPOCH, Volume, file, options, path, reads_back, tree};
use tree::{Meta, Node, Tree};

fn plain(at: &str, node: Node) -> (String, Meta, Node) {
    (at.to_owned(), Meta::root(0o644, EPOCH), node)
}

fn with(name: &str, value: Vec<u8>) -> Meta {
    Meta { xattrs: [(name.to_owned(), value)].into(), ..Meta::root(0o755, EPOCH) }
}

/// A list as programs see it: version 2, and eight bytes an entry. What is nobody by name has id 0 for `debugfs`.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut out = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(permissions.to_le_bytes());
        out.extend(id.to_le_bytes());
    }
    out
}

fn hold(tree: &Tree) {
    let volume = Volume::of(tree, &options());
    volume.is_clean();
    reads_back(tree, &volume);
}

#[test]
fn an_empty_tree_is_a_clean_file_system() {
    let tree = tree([]);
    let volume = Volume::of(&tree, &options());
    volume.is_clean();
    reads_back(&tree, &volume);
    let said = volume.debugfs(&["stat /lost+found".to_owned()]).remove(0);
    assert!(
        said.contains("Inode: 11 ") && said.contains("Mode:  0700") && said.contains("Size: 16384"),
        "{said}"
    );
}

#[test]
fn files_of_all_lengths_are_read_back() {
    let lengths =
        [0, 1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20, (8 << 20) - 1, 8 << 20, (8 << 20) + 1];
    hold(&tree(lengths.map(|len| plain(&format!("/dir/{len}"), file(len)))));
}

#[test]
fn links_devices_and_pipes_are_read_back() {
    let mut entries = vec![
        plain("/fifo", Node::Fifo),
        plain("/null", Node::Character { major: 1, minor: 3 }),
        plain("/large-minor", Node::Block { major: 8, minor: 256 }),
        plain("/largest", Node::Character { major: 4095, minor: (1 << 20) - 1 }),
        plain("/file", file(10)),
        plain("/z/other", Node::Hardlink(path("/file"))),
        plain("/z/third", Node::Hardlink(path("/file"))),
    ];
    for len in [1, 59, 60, 61, 4095] {
        entries.push(plain(&format!("/link{len}"), Node::Symlink("t".repeat(len))));
    }
    hold(&tree(entries));
}

#[test]
fn owners_modes_and_times_are_read_back() {
    let metas = [
        Meta { uid: u32::MAX - 1, gid: 65_536, ..Meta::root(0o7777, EPOCH) },
        Meta { uid: 65_535, gid: 1000, ..Meta::root(0, -1) },
        Meta::root(0o644, i64::from(i32::MIN)),
        Meta::root(0o644, i64::from(i32::MAX) + 1),
        Meta::root(0o644, 1 << 32),
        Meta::root(0o644, (3 << 32) - (1 << 31) - 1),
    ];
    hold(&tree(metas.into_iter().enumerate().map(|(nth, meta)| (format!("/{nth}"), meta, file(nth)))));
}

#[test]
fn attributes_are_read_back_from_the_inode_and_the_block() {
    let capability =
        b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    let mut many = Meta::root(0o600, EPOCH);
    for nth in 0..40_usize {
        many.xattrs.insert(format!("user.{}{nth}", "n".repeat(nth % 7)), vec![nth.to_le_bytes()[0]; nth]);
        many.xattrs.insert(format!("trusted.t{nth}"), vec![0; 3]);
    }
    many.xattrs.insert("security.capability".to_owned(), capability.clone());
    hold(&tree([
        ("/capable".to_owned(), with("security.capability", capability), file(5000)),
        ("/empty".to_owned(), with("user.empty", Vec::new()), file(0)),
        ("/large".to_owned(), with("user.large", vec![7; 4000]), Node::Directory),
        ("/edge".to_owned(), with("user.e", vec![8; 68]), file(1)),
        ("/over".to_owned(), with("user.e", vec![8; 69]), file(1)),
        ("/many".to_owned(), many, file(1)),
        ("/link".to_owned(), with("trusted.l", vec![9; 100]), Node::Symlink("x".to_owned())),
        ("/fifo".to_owned(), with("security.f", vec![9; 100]), Node::Fifo),
    ]));
}

#[test]
fn what_overlayfs_hides_files_by_is_read_back() {
    hold(&tree([
        ("/gone".to_owned(), Meta::root(0, EPOCH), Node::Character { major: 0, minor: 0 }),
        ("/opaque".to_owned(), with("trusted.overlay.opaque", b"y".to_vec()), Node::Directory),
    ]));
}

#[test]
fn access_control_lists_are_read_back() {
    let list = acl(&[(1, 7, 0), (2, 6, 1000), (4, 5, 0), (8, 4, 70_000), (0x10, 7, 0), (0x20, 0, 0)]);
    let mut meta = with("system.posix_acl_access", list.clone());
    meta.xattrs.insert("system.posix_acl_default".to_owned(), list);
    hold(&tree([("/dir".to_owned(), meta, Node::Directory)]));
}

#[test]
fn a_lost_and_found_of_the_tree_is_the_file_systems() {
    let meta = Meta { uid: 7, ..Meta::root(0o750, 5) };
    let tree = tree([("/lost+found".to_owned(), meta, Node::Directory), plain("/lost+found/x", file(3))]);
    hold(&tree);
}
