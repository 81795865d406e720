//! Any tree becomes a clean file system that says what the tree says.

use super::{Volume, file, options, origin, path, reads_back};
use crate::ext4::Options;
use proptest::prelude::*;
use tree::name::ImagePath;
use tree::{Entry, Meta, Node, Tree};

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        4 => (0..40_000_usize).prop_map(file),
        1 => Just(file(9_000_000)),
        2 => Just(Node::Directory),
        2 => "[a-z/]{1,200}".prop_map(Node::Symlink),
        1 => (0..4096_u32, 0..1_048_576_u32).prop_map(|(major, minor)| Node::Character { major, minor }),
        1 => (0..256_u32, 0..256_u32).prop_map(|(major, minor)| Node::Block { major, minor }),
        1 => Just(Node::Fifo),
        1 => "[ab]{1,2}".prop_map(|name| Node::Hardlink(path(&format!("/{name}")))),
    ]
}

fn meta() -> impl Strategy<Value = Meta> {
    let name = prop_oneof!["user\\.[a-c]{1,3}", "trusted\\.[a-z]{1,30}", "security\\.[a-z]{1,9}"];
    let xattrs = proptest::collection::btree_map(name, proptest::collection::vec(any::<u8>(), 0..120), 0..5);
    (0..0o10000_u16, any::<u32>(), any::<u32>(), -(1_i64 << 31)..(3_i64 << 32) - (1 << 31), xattrs)
        .prop_map(|(mode, uid, gid, mtime, xattrs)| Meta { mode, uid, gid, mtime, xattrs })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_held(
        entries in proptest::collection::vec(("(/[ab]{1,2}){1,4}|/[ab]/[c-z]{1,250}", meta(), node()), 0..60),
        reserve in 0..200_000_000_u64,
    ) {
        let mut tree = Tree::new(origin(), 0);
        for (at, meta, node) in entries {
            let at = path(&at);
            // what clashes with what is there, or lies below what is no directory, is left out
            let above = std::iter::successors(at.parent(), ImagePath::parent);
            let fits = above.into_iter().all(|path| tree.get(&path).is_none_or(|entry| entry.node == Node::Directory));
            let names = match &node {
                Node::Hardlink(target) => matches!(tree.get(target), Some(Entry { node: Node::File(_), .. })),
                _ => true,
            };
            if fits && names && tree.get(&at).is_none() {
                tree.make_parents(&at, &origin(), 0);
                tree.insert(&at, Entry { meta, node, origins: [origin()].into() }).unwrap();
            }
        }
        let tree = tree.finish().unwrap();
        let volume = Volume::of(&tree, &Options { reserve, ..options() });
        volume.is_clean();
        reads_back(&tree, &volume);
    }
}
