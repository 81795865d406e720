//! The store against what other processes, other users and failing disks do to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

use bake::Class;
use bake::digest::{Digest, Sha256};
use bake::store::Store;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

fn put(store: &Store, bytes: &[u8]) -> Digest {
    let mut incoming = store.incoming().unwrap();
    incoming.write_all(bytes).unwrap();
    let (digest, size) = incoming.commit().unwrap();
    assert_eq!((digest, size), (Sha256::of(bytes), bytes.len() as u64));
    digest.into()
}

/// Every file and directory below `root` with its mode, sorted.
fn modes(root: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(path) = open.pop() {
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            open.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
        }
        found.push((path, metadata.mode() & 0o7777));
    }
    found.sort();
    found
}

#[test]
fn what_is_committed_is_read_back_and_leaves_no_temporary() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("a/b")).unwrap();
    let big: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = put(&store, &big);
    assert_eq!(put(&store, &big), digest, "a second time is the same");
    assert!(store.has(&digest, big.len() as u64).unwrap());
    assert!(!store.has(&digest, 1).unwrap());
    let mut read = Vec::new();
    store.open_blob(&digest).unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, big);
    assert!(store.verify_blob(&digest).unwrap());
    drop(store.incoming().unwrap());
    assert_eq!(store.root().join("incoming").read_dir().unwrap().count(), 0);
}

#[test]
fn c01_a_flipped_bit_is_found_and_the_blob_set_aside() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let digest = put(&store, b"what was meant");
    std::fs::write(store.blob_path(&digest), b"what was weant").unwrap();
    assert!(!store.verify_blob(&digest).unwrap());
    assert!(!store.has(&digest, 14).unwrap());
    assert_eq!(store.root().join("aside").read_dir().unwrap().count(), 1);
    put(&store, b"what was meant");
    assert!(store.verify_blob(&digest).unwrap());
}

#[test]
fn a_note_that_does_not_check_is_none() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let (key, other) = (Sha256::of(b"key"), Sha256::of(b"other"));
    assert_eq!(store.note("sort-1", &key), None);
    store.put_note("sort-1", &key, b"one").unwrap();
    store.put_note("sort-1", &key, b"two").unwrap();
    assert_eq!(store.note("sort-1", &key).as_deref(), Some(&b"two"[..]));
    let path = |key: &Sha256| store.root().join("notes/sort-1").join(&key.hex()[..2]).join(key.hex());
    std::fs::create_dir_all(path(&other).parent().unwrap()).unwrap();
    std::fs::copy(path(&key), path(&other)).unwrap();
    assert_eq!(store.note("sort-1", &other), None, "a note of one key stands for no other");
    let mut bytes = std::fs::read(path(&key)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path(&key), bytes).unwrap();
    assert_eq!(store.note("sort-1", &key), None);
}

#[test]
fn c04_a_store_that_others_may_write_to_is_refused_naming_the_mode() {
    for mode in [0o777, 0o770, 0o720, 0o702] {
        let place = tempfile::tempdir().unwrap();
        drop(Store::open(place.path()).unwrap());
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let refusal = Store::open(place.path()).unwrap_err();
        assert_eq!(refusal.class, Class::Io);
        assert!(refusal.to_string().contains(&format!("got {mode:04o}")), "{refusal}");
    }
}

#[test]
fn every_mode_is_exact() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("new")).unwrap();
    put(&store, b"x");
    store.put_note("sort-1", &Sha256::of(b"key"), b"one").unwrap();
    for (path, mode) in modes(store.root()) {
        let wanted = match () {
            () if path.is_dir() => 0o700,
            () if path.starts_with(store.root().join("blobs")) => 0o644,
            () => 0o600,
        };
        assert_eq!(mode, wanted, "{path:?} {mode:o}");
    }
}
