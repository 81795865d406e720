//! The writer and the reader agree, and the reader takes nothing that is damaged.

use super::read::{count, number_at};
use super::write::put;
use super::*;
use proptest::prelude::*;

fn sample(keys: usize) -> Bucket {
    let mut names = Bucket::default();
    for index in 0..keys {
        let mut image = Bucket { sequence: index as u64, ..Bucket::default() };
        image.put("createdat", [1; 15]);
        let mut target = Bucket::default();
        target.put("digest", format!("sha256:{index:064x}"));
        image.put_bucket("target", target);
        image.put_bucket("labels", Bucket::default());
        names.put_bucket(format!("example.org/image:{index:05}"), image);
    }
    let mut objects = within("images", names);
    objects.put("other", "x");
    let mut version = within("k8s.io", objects);
    version.put("version", [6]);
    within("v1", version)
}

/// A bucket with another one in it.
fn within(key: &str, bucket: Bucket) -> Bucket {
    let mut outer = Bucket::default();
    outer.put_bucket(key, bucket);
    outer
}

/// A bucket with one value.
fn with(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Bucket {
    let mut bucket = Bucket::default();
    bucket.put(key, value);
    bucket
}

/// All pages: flags, and the numbers of elements and of overflow pages.
fn pages(bytes: &[u8]) -> Vec<(u16, usize, u32)> {
    let mut pages = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let page = &bytes[at..];
        let overflow = u32::from_le_bytes(number_at(page, 12).unwrap());
        pages.push((u16::from_le_bytes(number_at(page, 8).unwrap()), count(page), overflow));
        at += PAGE * (1 + usize::try_from(overflow).unwrap());
    }
    pages
}

#[test]
fn what_was_written_is_read_again() {
    for keys in [0, 1, 2, 10, 100, 5000] {
        let root = sample(keys);
        let bytes = write(&root).unwrap();
        assert_eq!(read(&bytes), Ok(root), "{keys}");
    }
}

#[test]
fn an_empty_database_is_four_pages_with_fnv_sums() {
    let bytes = write(&Bucket::default()).unwrap();
    assert_eq!(pages(&bytes), [(META_FLAG, 0, 0), (META_FLAG, 0, 0), (FREELIST, 0, 0), (LEAF, 0, 0)]);
    assert_eq!(bytes[16..20], [0xed, 0xda, 0x0c, 0xed]);
    // the test vectors of draft-eastlake-fnv
    assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
}

#[test]
fn a_small_flat_bucket_is_within_its_parent_and_others_have_pages() {
    for (value, more) in [(1024 - 16 - 16 - 1, 0), (1024 - 16 - 16, 1)] {
        let root = within("b", with("k", vec![7; value]));
        assert_eq!(pages(&write(&root).unwrap()).len(), 4 + more, "{value}");
    }
    let root = within("b", within("c", Bucket::default()));
    assert_eq!(pages(&write(&root).unwrap()).len(), 5, "a bucket with a bucket is never inline");
}

#[test]
fn no_page_is_fuller_than_it_may_be_and_no_branch_has_one_page_below_it() {
    for keys in (1..400).chain([5000]) {
        let mut root = Bucket::default();
        for index in 0..keys {
            root.put(format!("{index:05}"), vec![0; 200 + index % 100]);
        }
        let pages = pages(&write(&root).unwrap());
        let branches: Vec<_> = pages.iter().filter(|(flags, ..)| *flags == BRANCH).collect();
        assert!(branches.iter().all(|(_, count, _)| *count >= 2), "{keys}: {branches:?}");
        assert!(pages.iter().all(|(_, _, overflow)| *overflow == 0), "{keys}");
    }
}

#[test]
fn a_value_larger_than_a_page_goes_on_in_overflow_pages() {
    let mut root = Bucket::default();
    root.put("large", vec![5; 3 * PAGE]);
    root.put("small", "x");
    let bytes = write(&root).unwrap();
    assert_eq!(pages(&bytes)[3..], [(LEAF, 1, 3), (LEAF, 1, 0), (BRANCH, 2, 0)]);
    assert_eq!(read(&bytes), Ok(root));
}

#[test]
fn a_key_that_has_no_place_is_rejected() {
    for length in [0, MOST_KEY + 1] {
        let root = within("b", with(vec![b'k'; length], ""));
        assert!(matches!(write(&root), Err(BoltError::Size { what: "a key", .. })), "{length}");
    }
}

#[test]
fn one_of_two_meta_pages_may_be_damaged() {
    let root = sample(3);
    let good = write(&root).unwrap();
    for meta in [0, PAGE] {
        let mut bytes = good.clone();
        bytes[meta + 40] ^= 1;
        assert_eq!(read(&bytes).as_ref(), Ok(&root));
        bytes[PAGE - meta + 40] ^= 1;
        assert!(matches!(read(&bytes), Err(BoltError::Meta(_))));
    }
}

#[test]
fn what_is_cut_or_leads_astray_is_rejected() {
    let good = write(&sample(200)).unwrap();
    for cut in (0..good.len()).step_by(511) {
        assert!(read(&good[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn a_page_in_two_places_or_in_itself_is_rejected() {
    let mut root = Bucket::default();
    for name in ["a", "b"] {
        root.put_bucket(name, with("k", vec![0; 2000]));
    }
    let bytes = write(&root).unwrap();
    // the leaf of the root is the last page; the values of its two elements begin with the numbers of their pages
    let leaf = bytes.len() - PAGE;
    let values: Vec<usize> = (0..2).map(|index| leaf + 16 + 32 + index * 17 + 1).collect();
    assert_eq!([bytes[values[0]], bytes[values[1]]], [3, 4]);
    for (at, to) in [(values[0], 4), (values[0], 5), (values[1], 3), (values[1], 2), (values[0], 200)] {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        assert!(matches!(read(&bytes), Err(BoltError::Page { .. })), "{to}");
    }
}

#[test]
fn elements_that_share_their_bytes_do_not_multiply() {
    // all elements of the root's leaf are one value of 3,000 bytes
    let mut root = Bucket::default();
    root.put("a", vec![7; 3000]);
    for name in 'b'..='t' {
        root.put(name.to_string(), "");
    }
    let mut bytes = write(&root).unwrap();
    let leaf = bytes.len() - PAGE;
    let first = leaf + PAGE_HEADER + ELEMENT * root.entries.len();
    // each key is one byte longer than the last one, so that their order is right
    for index in 1..root.entries.len() {
        let element = leaf + PAGE_HEADER + ELEMENT * index;
        let at = u32::try_from(first - element).unwrap();
        put(&mut bytes, element + 4, &at.to_le_bytes());
        put(&mut bytes, element + 8, &(u32::try_from(index + 1).unwrap()).to_le_bytes());
        put(&mut bytes, element + 12, &2900_u32.to_le_bytes());
    }
    assert_eq!(read(&bytes), Err(BoltError::Page { page: 3, what: "its elements overlap" }));
}

fn bucket() -> impl Strategy<Value = Bucket> {
    let key = proptest::collection::vec(any::<u8>(), 1..40);
    let value = proptest::collection::vec(any::<u8>(), 0..600).prop_map(Value::Bytes);
    let leaf = proptest::collection::btree_map(key.clone(), value.clone(), 0..30);
    let leaf = (any::<u64>(), leaf).prop_map(|(sequence, entries)| Bucket { sequence, entries });
    leaf.prop_recursive(4, 200, 12, move |inner| {
        let either = prop_oneof![value.clone(), inner.prop_map(Value::Bucket)];
        let entries = proptest::collection::btree_map(key.clone(), either, 0..12);
        (any::<u64>(), entries).prop_map(|(sequence, entries)| Bucket { sequence, entries })
    })
}

proptest! {
    #[test]
    fn any_buckets_are_read_as_they_were_written(root in bucket()) {
        let bytes = write(&root).unwrap();
        prop_assert_eq!(read(&bytes), Ok(root));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(at in 0_usize..40_000, bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
        let mut database = write(&sample(60)).unwrap();
        let at = at % (database.len() - bytes.len());
        database[at..at + bytes.len()].copy_from_slice(&bytes);
        let _ = read(&database);
    }
}
