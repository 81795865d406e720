//! What ext4 cannot hold is refused, by name.

use super::{EPOCH, file, marked, options, path, tree};
use crate::ext4::{Options, ext4};
use tree::refusal::Class;
use tree::{Meta, Node, Tree};

fn refused(tree: &Tree, options: &Options) -> String {
    let refusal = ext4(tree, options).unwrap_err();
    assert_eq!(refusal.class, Class::Archive);
    refusal.to_string()
}

fn one(meta: Meta, node: Node) -> Tree {
    tree([("/x".to_owned(), meta, node)])
}

fn with(name: &str, len: usize) -> Tree {
    one(Meta { xattrs: [(name.to_owned(), vec![1; len])].into(), ..Meta::root(0o644, EPOCH) }, file(0))
}

#[test]
fn entries_that_do_not_fit_are_named() {
    let meta = || Meta::root(0o644, EPOCH);
    for (tree, expected) in [
        (one(meta(), Node::Symlink(String::new())), "1 to 4095 bytes, found 0"),
        (one(meta(), Node::Symlink("t".repeat(4096))), "1 to 4095 bytes, found 4096"),
        (one(meta(), Node::Character { major: 4096, minor: 0 }), "found 4096:0"),
        (one(meta(), Node::Block { major: 1, minor: 1 << 20 }), "found 1:1048576"),
        (one(Meta::root(0, (3 << 32) - (1 << 31)), file(0)), "a time from 1901 to 2310"),
        (one(Meta::root(0, -(1 << 31) - 1), file(0)), "a time from 1901 to 2310"),
        (with("user.a", 5000), "more than the inode and one block"),
        (with("unknown.a", 1), "`unknown.a` is of no namespace"),
        (with("user.", 1), "`user.` is of no namespace"),
        (with("system.posix_acl_access", 5), "no access control list"),
        (one(meta(), marked((16 << 40) - 4095)), "less than 16 TiB"),
    ] {
        let said = refused(&tree, &options());
        assert!(said.contains(expected) && said.contains("`/x`"), "{said}");
    }
}

#[test]
fn a_file_has_at_most_65000_names() {
    let names = |count: usize| {
        let links =
            (1..count).map(|nth| (format!("/l{nth}"), Meta::root(0o644, EPOCH), Node::Hardlink(path("/a"))));
        tree(links.chain([("/a".to_owned(), Meta::root(0o644, EPOCH), file(1))]))
    };
    assert!(ext4(&names(65_000), &options()).is_ok());
    assert!(refused(&names(65_001), &options()).contains("found 65001"));
}

#[test]
fn what_is_asked_for_must_be_possible() {
    let tree = one(Meta::root(0o644, EPOCH), file(0));
    let long = Options { label: "l".repeat(17), ..options() };
    assert!(refused(&tree, &long).contains("at most 16 bytes, found 17"));
    for (reserve, least) in [(u64::MAX, 0), (0, u64::MAX), (16 << 40, 0)] {
        let large = Options { reserve, least, ..options() };
        assert!(refused(&tree, &large).contains("16 TiB"), "{reserve} {least}");
    }
    let taken = super::tree([("/lost+found".to_owned(), Meta::root(0o644, EPOCH), file(0))]);
    assert!(refused(&taken, &options()).contains("must be a directory"));
    assert!(refused(&Tree::default(), &options()).contains("no directory above"));
}
