//! The store against what other processes, other users and failing disks do to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

use bake::Class;
use bake::digest::{Digest, Sha256};
use bake::store::{Options, Sharing, Store};
use rustix::fs::{FileType, Mode};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

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
fn c04_a_store_of_another_user_is_refused_and_one_of_a_group_is_not() {
    let place = tempfile::tempdir().unwrap();
    // root gives a directory away; another user finds that `/` is not its own
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(place.path(), Some(1500), None).unwrap();
    }
    let refusal = Store::open(if root { place.path() } else { Path::new("/") }).unwrap_err();
    assert_eq!(refusal.class, Class::Io);
    assert!(refusal.to_string().contains("belongs to another user"), "{refusal}");
    assert_eq!(place.path().read_dir().unwrap().count(), 0);

    let shared = tempfile::tempdir().unwrap();
    std::fs::set_permissions(shared.path(), std::fs::Permissions::from_mode(0o770)).unwrap();
    let options = Options { sharing: Sharing::Group, ..Options::default() };
    let store = Store::open_with(shared.path(), &options).unwrap();
    put(&store, b"for all of us");
    assert_eq!(store.root().join("blobs").metadata().unwrap().mode() & 0o7777, 0o770);
}

#[test]
fn c03_a_blob_that_is_no_plain_file_is_refused_at_once() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, b"what was meant").unwrap();
    let mode = Mode::from_raw_mode(0o600);
    type Make<'a> = &'a dyn Fn(&Path);
    let sorts: [(&str, Make<'_>); 5] = [
        ("a symbolic link", &|path| std::os::unix::fs::symlink(&victim, path).unwrap()),
        ("a file with 2 names", &|path| std::fs::hard_link(&victim, path).unwrap()),
        ("a FIFO", &|path| rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0).unwrap()),
        ("a directory", &|path| std::fs::create_dir(path).unwrap()),
        ("a socket", &|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
    ];
    for (sort, make) in sorts {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let digest = put(&store, b"what was meant");
        std::fs::remove_file(store.blob_path(&digest)).unwrap();
        make(&store.blob_path(&digest));
        let begun = Instant::now();
        let refusals = [
            store.has(&digest, 14).unwrap_err(),
            store.open_blob(&digest).unwrap_err(),
            store.verify_blob(&digest).unwrap_err(),
        ];
        assert!(begun.elapsed() < Duration::from_secs(2), "{sort}");
        for refusal in refusals {
            assert!(
                refusal.to_string().contains(&format!("not a plain file but {sort}")),
                "{sort}: {refusal}"
            );
            assert_eq!(refusal.class, Class::Io, "{sort}");
        }
    }
    assert_eq!(std::fs::read(&victim).unwrap(), b"what was meant");
}

#[test]
fn c06_a_directory_with_another_layout_or_none_is_refused_and_left_as_it_is() {
    for (name, text, wanted) in [
        ("layout", "vmbake store 7\n", "wanted `vmbake store 1`, got `vmbake store 7`"),
        ("diary", "x", "is no store"),
    ] {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(name), text).unwrap();
        let refusal = Store::open(place.path()).unwrap_err();
        assert!(refusal.to_string().contains(wanted), "{refusal}");
        assert_eq!(place.path().read_dir().unwrap().count(), 1);
    }
    // what a run left that was killed while it made a store is gone on with
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("blobs")).unwrap();
    std::fs::set_permissions(place.path().join("blobs"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(place.path().join("in-use.lock"), "").unwrap();
    put(&Store::open(place.path()).unwrap(), b"x");
}

#[test]
fn c06_only_what_a_killed_run_has_left_is_swept() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let incoming = place.path().join("incoming");
    let live = Digest::from(Sha256::of(b"live"));
    let held = store.begin(&live).unwrap();
    for name in ["tmp-1-0", "sha256-00.lock", "sha256-00.part", "notes.txt"] {
        std::fs::write(incoming.join(name), b"left").unwrap();
    }
    drop(Store::open(place.path()).unwrap());
    let mut left: Vec<_> = incoming.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    let hex = live.hex();
    let wanted =
        ["notes.txt", "sha256-00.part", &format!("sha256-{hex}.lock"), &format!("sha256-{hex}.part")];
    assert_eq!(left, wanted, "a part may be gone on with, and what is nobody's is left alone");
    drop(held);
}

#[test]
fn gc_keeps_what_was_used_since() {
    let place = tempfile::tempdir().unwrap();
    let mut store = Store::open(place.path()).unwrap();
    let (used, unused) = (put(&store, b"used"), put(&store, b"unused"));
    store.put_note("sort-1", &Sha256::of(b"key"), b"one").unwrap();
    std::fs::write(place.path().join("incoming/sha256-00.part"), b"left").unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for (path, _) in modes(place.path()) {
        if path.is_file() {
            File::open(path).unwrap().set_modified(long_ago).unwrap();
        }
    }
    drop(store.open_blob(&used).unwrap());
    let swept = store.gc(long_ago + Duration::from_secs(1)).unwrap();
    assert_eq!((swept.files, swept.kept), (3, 1));
    assert!(store.has(&used, 4).unwrap() && !store.has(&unused, 6).unwrap());
    assert_eq!(store.note("sort-1", &Sha256::of(b"key")), None);
    assert_eq!(store.gc(SystemTime::UNIX_EPOCH).unwrap().files, 0, "and the store stays in use afterwards");
}

#[test]
fn verify_all_sets_aside_what_is_not_what_its_name_says() {
    let place = tempfile::tempdir().unwrap();
    let mut store = Store::open(place.path()).unwrap();
    let (good, bad) = (put(&store, b"good"), put(&store, b"bad"));
    std::fs::write(store.blob_path(&bad), b"dab").unwrap();
    std::fs::write(place.path().join("blobs/stray"), b"?").unwrap();
    let checked = store.verify_all().unwrap();
    let hex = bad.hex();
    assert_eq!((checked.good, checked.bytes), (1, 4));
    assert_eq!(checked.set_aside, [format!("blobs/sha256/{}/{hex}", &hex[..2]), "blobs/stray".to_owned()]);
    assert!(store.has(&good, 4).unwrap() && !store.has(&bad, 3).unwrap());
    assert_eq!(store.verify_all().unwrap().set_aside, [""; 0]);
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
