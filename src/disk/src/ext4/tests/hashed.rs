//! Names of one hash on both sides of a leaf's end: the index says that the hash goes on, or the second is not found.

use super::{EPOCH, Volume, file, options, reads_back, tree};
use crate::ext4::directory::{Place, directory};
use crate::ext4::hash::half_md4;
use crate::ext4::inodes::Child;
use std::collections::BTreeMap;
use tree::Meta;

/// Entries of 260 bytes: fifteen fill a leaf.
const LEN: usize = 252;
const LEAF: usize = 15;

fn name(nth: u32) -> String {
    format!("{nth:0>LEN$}")
}

/// Names of which two have one hash, which are the last of the first leaf and the first of the second one.
fn names() -> (Vec<String>, u32) {
    let seed = options().hash_seed;
    let mut known = BTreeMap::<u32, u32>::new();
    // about one pair is expected of 65 thousand names, and the first hundred below it are as many as it takes
    for nth in 0..400_000 {
        let hash = half_md4(name(nth).as_bytes(), &seed);
        let Some(twin) = known.insert(hash, nth) else { continue };
        let below: Vec<u32> = known.range(..hash).map(|(_, &nth)| nth).take(LEAF - 1).collect();
        let above: Vec<u32> = known.range(hash + 1..).map(|(_, &nth)| nth).take(2 * LEAF).collect();
        if below.len() == LEAF - 1 && above.len() == 2 * LEAF {
            let all = below.into_iter().chain([twin, nth]).chain(above);
            return (all.map(name).collect(), hash);
        }
    }
    panic!("no two names of one hash")
}

#[test]
fn a_hash_that_goes_on_in_the_next_leaf_is_marked_in_the_index_and_no_other_is() {
    let (names, hash) = names();
    let children: Vec<Child<'_>> =
        names.iter().zip(12..).map(|(name, number)| Child { name, number, sort: 1 }).collect();
    let place = Place { number: 11, parent: 2, seed: 0, hash_seed: &options().hash_seed };
    let (blocks, indexed) = directory(place, &children, 1).unwrap();
    assert!(indexed);
    let word = |at: usize| u32::from_le_bytes(blocks[at..at + 4].try_into().unwrap());
    // limit and count, the block of the first leaf, then pairs of hash and block
    let count = usize::from(u16::from_le_bytes([blocks[34], blocks[35]]));
    let hashes: Vec<u32> = (1..count).map(|nth| word(32 + 8 * nth)).collect();
    assert_eq!(count, 4);
    assert_eq!(hashes[0], hash | 1, "the second name of the hash is not found without the bit");
    assert!(hashes[1..].iter().all(|hash| hash & 1 == 0), "{hashes:x?}");
}

#[test]
fn names_of_one_hash_on_both_sides_of_a_leafs_end_are_read_back() {
    let tree =
        tree(names().0.into_iter().map(|name| (format!("/d/{name}"), Meta::root(0o644, EPOCH), file(9))));
    let volume = Volume::of(&tree, &options());
    volume.is_clean();
    reads_back(&tree, &volume);
}
