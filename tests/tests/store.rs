//! The store against what other processes, other users and failing disks do to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

use rustix::fs::{FileType, Mode};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use store::{Key, Options, Sharing, Store};
use tests::keyed::{self, note_path};
use tree::digest::{Digest, Sha256};
use tree::refusal::Class;

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
fn a_flipped_bit_is_found_and_the_blob_set_aside() {
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

/// A stored note that nobody with the key has made, or not for this place.
type Forge<'a> = (&'a str, &'a dyn Fn(&[u8], u64) -> Vec<u8>);

#[test]
fn of_1000_forged_notes_of_each_kind_none_is_used() {
    const KINDS: [&str; 7] =
        ["unpacked-2", "frame-2", "qcow2-2", "vmdk-2", "gce-2", "modules-2", "identity-1"];
    let place = tempfile::tempdir().unwrap();
    let store = keyed::open(place.path()).unwrap();
    let theirs = Key::new([8; 32]);
    let foreign = tempfile::tempdir().unwrap();
    let options = Options { key: Some(theirs.clone()), ..Options::default() };
    let foreign = Store::open_with(foreign.path(), &options).unwrap();
    let numbered = |n: u64| Sha256::of(&n.to_le_bytes());
    for kind in KINDS {
        let bytes: Vec<u8> = (0..300_u32).flat_map(u32::to_le_bytes).collect();
        for n in 0..20 {
            store.put_note(kind, &numbered(n), &[&bytes[..], &[n.to_le_bytes()[0]]].concat()).unwrap();
        }
        let read = |n: u64| std::fs::read(note_path(place.path(), kind, &numbered(n))).unwrap();
        let kind_before = KINDS[(KINDS.iter().position(|one| *one == kind).unwrap() + 6) % 7];
        store.put_note(kind_before, &numbered(100), &bytes).unwrap();
        let of_another_kind = std::fs::read(note_path(place.path(), kind_before, &numbered(100))).unwrap();
        std::fs::remove_file(note_path(place.path(), kind_before, &numbered(100))).unwrap();
        foreign.put_note(kind, &numbered(0), &bytes).unwrap();
        let hex = numbered(0).hex();
        let of_another_key = foreign.root().join("notes").join(kind).join(theirs.id());
        let of_another_key = std::fs::read(of_another_key.join(&hex[..2]).join(&hex)).unwrap();
        let notes: Vec<Vec<u8>> = (0..20).map(read).collect();
        let at = |good: &[u8], n: u64| usize::try_from(n * 2_654_435_761).unwrap() % good.len();
        let forges: [Forge<'_>; 10] = [
            ("a bit", &|good, n| {
                let mut bad = good.to_vec();
                bad[at(good, n)] ^= 1 << (n % 8);
                bad
            }),
            ("cut", &|good, n| good[..at(good, n)].to_vec()),
            ("continued", &|good, n| [good, &n.to_le_bytes()].concat()),
            ("other bytes with the same tag", &|good, n| [&good[..32], &n.to_le_bytes()].concat()),
            ("of another input", &|_, n| notes[usize::try_from(n % 19 + 1).unwrap()].clone()),
            ("of another kind", &|_, _| of_another_kind.clone()),
            ("of another key", &|_, _| of_another_key.clone()),
            ("a digest for a tag", &|good, n| {
                let bad = [&good[32..], &n.to_le_bytes()].concat();
                [&Sha256::of(&bad).0[..], &bad].concat()
            }),
            // as notes were until they were authenticated
            ("a digest over kind, input and bytes in a line", &|good, n| {
                let bad = [&good[32..], &n.to_le_bytes()].concat();
                let all = [kind.as_bytes(), &[0], &numbered(0).0, &bad].concat();
                [format!("{}\n", Sha256::of(&all).hex()).as_bytes(), &bad].concat()
            }),
            ("a tag of zeros", &|good, n| [&[0; 32], &good[32..], &n.to_le_bytes()].concat()),
        ];
        let path = note_path(place.path(), kind, &numbered(0));
        for n in 0..1000_u64 {
            let (what, forge) = &forges[usize::try_from(n % 10).unwrap()];
            std::fs::write(&path, forge(&notes[0], n / 10)).unwrap();
            assert_eq!(store.note(kind, &numbered(0)), None, "{kind}: {what}, {n}");
            assert!(!path.exists(), "{kind}: {what} is still there");
        }
        std::fs::write(&path, &notes[0]).unwrap();
        assert_eq!(store.note(kind, &numbered(0)).unwrap(), notes[0][32..], "the good one is used");
    }
    assert_eq!(store.rejected().len(), KINDS.len(), "each is reported, by its name");
}

#[test]
fn without_a_key_no_note_is_made_or_used_and_each_key_has_its_own() {
    let place = tempfile::tempdir().unwrap();
    let input = Sha256::of(b"input");
    let without = Store::open(place.path()).unwrap();
    without.put_note("kind-1", &input, b"one").unwrap();
    assert_eq!(place.path().join("notes").read_dir().unwrap().count(), 0);
    let with = |secret| {
        let options = Options { key: Some(Key::new([secret; 32])), ..Options::default() };
        Store::open_with(place.path(), &options).unwrap()
    };
    let (first, second) = (with(1), with(2));
    first.put_note("kind-1", &input, b"one").unwrap();
    assert_eq!((without.note("kind-1", &input), second.note("kind-1", &input)), (None, None));
    second.put_note("kind-1", &input, b"two").unwrap();
    assert_eq!(first.note("kind-1", &input).unwrap(), b"one", "and neither replaces the other's");
    assert_eq!(first.rejected().len() + second.rejected().len(), 0, "and neither is a forged one");
}

#[test]
fn what_is_no_plain_file_is_no_note_and_does_not_stop_the_next_one() {
    let mode = Mode::from_raw_mode(0o600);
    type Make<'a> = &'a dyn Fn(&Path);
    let sorts: [(&str, Make<'_>); 4] = [
        ("a symbolic link", &|path| std::os::unix::fs::symlink("/etc/hostname", path).unwrap()),
        ("a FIFO", &|path| rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0).unwrap()),
        ("a directory", &|path| std::fs::create_dir(path).unwrap()),
        ("a second name", &|path| std::fs::hard_link(path.with_extension("other"), path).unwrap()),
    ];
    for (sort, make) in sorts {
        let place = tempfile::tempdir().unwrap();
        let (store, input) = (keyed::open(place.path()).unwrap(), Sha256::of(b"input"));
        store.put_note("kind-1", &input, b"one").unwrap();
        let path = note_path(place.path(), "kind-1", &input);
        std::fs::rename(&path, path.with_extension("other")).unwrap();
        make(&path);
        assert_eq!(store.note("kind-1", &input), None, "{sort}");
        assert_eq!(store.rejected().len(), 1, "{sort}");
        store.put_note("kind-1", &input, b"two").unwrap();
        assert_eq!(store.note("kind-1", &input).unwrap(), b"two", "{sort}");
    }
}

#[test]
fn a_link_in_the_place_of_a_directory_is_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::set_permissions(elsewhere.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["aside", "blobs", "incoming", "notes"] {
        let place = tempfile::tempdir().unwrap();
        drop(Store::open(place.path()).unwrap());
        std::fs::remove_dir(place.path().join(name)).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), place.path().join(name)).unwrap();
        let refusal = Store::open(place.path()).unwrap_err();
        assert!(refusal.to_string().contains("found a symbolic link"), "{refusal}");
    }
}

#[test]
fn a_store_that_others_may_write_to_is_refused_naming_the_mode() {
    for mode in [0o777, 0o770, 0o720, 0o702] {
        let place = tempfile::tempdir().unwrap();
        drop(Store::open(place.path()).unwrap());
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let refusal = Store::open(place.path()).unwrap_err();
        assert_eq!(refusal.class, Class::Io);
        assert!(refusal.to_string().contains(&format!("found {mode:04o}")), "{refusal}");
    }
}

#[test]
fn a_store_of_another_user_is_refused_and_one_of_a_group_is_not() {
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
fn a_blob_that_is_no_plain_file_is_refused_at_once() {
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
fn a_directory_with_another_layout_or_none_is_refused_and_left_as_it_is() {
    for (name, text, expected) in [
        ("layout", "vmbake store 7\n", "expected `vmbake store 1`, found `vmbake store 7`"),
        ("diary", "x", "is no store"),
    ] {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(name), text).unwrap();
        let refusal = Store::open(place.path()).unwrap_err();
        assert!(refusal.to_string().contains(expected), "{refusal}");
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
fn only_what_a_killed_run_has_left_is_swept() {
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
    let expected =
        ["notes.txt", "sha256-00.part", &format!("sha256-{hex}.lock"), &format!("sha256-{hex}.part")];
    assert_eq!(left, expected, "a part may be gone on with, and what is nobody's is left alone");
    drop(held);
}

#[test]
fn gc_keeps_what_was_used_since() {
    let place = tempfile::tempdir().unwrap();
    let mut store = keyed::open(place.path()).unwrap();
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
    assert_eq!((swept.files, swept.kept, swept.kept_bytes), (3, 1, 4));
    assert!(store.has(&used, 4).unwrap() && !store.has(&unused, 6).unwrap());
    assert_eq!(store.note("sort-1", &Sha256::of(b"key")), None);
    assert_eq!(store.gc(SystemTime::UNIX_EPOCH).unwrap().files, 0, "and the store stays in use afterwards");
}

#[test]
fn a_store_that_is_to_be_small_gives_up_what_was_derived_first_and_of_that_what_is_oldest() {
    let place = tempfile::tempdir().unwrap();
    let mut store = keyed::open(place.path()).unwrap();
    let input = put(&store, &[1; 1000]);
    let derived = [put(&store, &[2; 2000]), put(&store, &[3; 3000])];
    for (at, digest) in derived.iter().enumerate() {
        let Digest::Sha256(name) = digest else { panic!("{digest}") };
        store.put_note("unpacked-2", &Sha256::of(&[u8::try_from(at).unwrap()]), &name.0).unwrap();
    }
    std::fs::write(place.path().join("incoming/sha256-00.part"), [0; 500]).unwrap();
    // the input has not been used for the longest time, and the second derived blob was used last
    let time = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seconds);
    for (digest, seconds) in [(&input, 0), (&derived[0], 1), (&derived[1], 2)] {
        File::open(store.blob_path(digest)).unwrap().set_modified(time(seconds)).unwrap();
    }
    let there = |store: &Store| {
        [(&input, 1000), (&derived[0], 2000), (&derived[1], 3000)]
            .map(|(one, size)| store.has(one, size).unwrap())
    };
    assert_eq!(store.shrink(1 << 20).unwrap().files, 0, "it is small enough");
    let swept = store.shrink(5000).unwrap();
    assert_eq!((there(&store), swept.files, swept.bytes), ([true, false, true], 2, 2500));
    let swept = store.shrink(1500).unwrap();
    assert!(swept.kept_bytes <= 1500);
    assert_eq!(there(&store), [true, false, false]);
    store.shrink(0).unwrap();
    assert_eq!(there(&store), [false; 3]);
}

#[test]
fn verify_all_sets_aside_what_is_not_what_its_name_says() {
    let place = tempfile::tempdir().unwrap();
    let mut store = keyed::open(place.path()).unwrap();
    let (good, bad) = (put(&store, b"good"), put(&store, b"bad"));
    let inputs = [b"a", b"b", b"c"].map(|name| Sha256::of(name));
    for input in &inputs {
        store.put_note("kind-1", input, b"noted").unwrap();
    }
    let note = |input| note_path(place.path(), "kind-1", input);
    let bytes = std::fs::read(note(&inputs[0])).unwrap();
    std::fs::write(note(&inputs[1]), bytes).unwrap();
    std::fs::write(note(&inputs[2]).with_file_name("0"), b"").unwrap();
    std::fs::create_dir_all(place.path().join("notes/kind-0/ab")).unwrap();
    std::fs::write(place.path().join("notes/kind-0/ab/cd"), b"").unwrap();
    std::fs::write(store.blob_path(&bad), b"dab").unwrap();
    std::fs::write(place.path().join("blobs/stray"), b"?").unwrap();
    let checked = store.verify_all().unwrap();
    let hex = bad.hex();
    assert_eq!((checked.good, checked.bytes), (1, 4));
    let below = |path: PathBuf| path.strip_prefix(place.path()).unwrap().to_str().unwrap().to_owned();
    let mut expected = vec![format!("blobs/sha256/{}/{hex}", &hex[..2]), "blobs/stray".to_owned()];
    expected.extend([note(&inputs[1]), note(&inputs[2]).with_file_name("0")].map(below));
    expected.sort();
    assert_eq!((checked.notes, checked.foreign, checked.set_aside), (2, 1, expected));
    assert!(store.has(&good, 4).unwrap() && !store.has(&bad, 3).unwrap());
    assert_eq!(store.verify_all().unwrap().set_aside, [""; 0]);
}

#[test]
fn every_mode_is_exact() {
    let place = tempfile::tempdir().unwrap();
    let store = keyed::open(&place.path().join("new")).unwrap();
    put(&store, b"x");
    store.put_note("sort-1", &Sha256::of(b"key"), b"one").unwrap();
    for (path, mode) in modes(store.root()) {
        let expected = match () {
            () if path.is_dir() => 0o700,
            () if path.starts_with(store.root().join("blobs")) => 0o644,
            () => 0o600,
        };
        assert_eq!(mode, expected, "{path:?} {mode:o}");
    }
}

/// Exchanges two names in a directory, again and again, until it is notified that it is over.
fn exchange(directory: &Path, names: [&str; 2], over: &AtomicBool) {
    let directory = File::open(directory).unwrap();
    while !over.load(Ordering::Relaxed) {
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(&directory, names[0], &directory, names[1], flags).unwrap();
    }
}

#[test]
fn nothing_outside_of_a_shared_store_is_removed_whatever_is_exchanged_meanwhile() {
    let place = tempfile::tempdir().unwrap();
    let (root, victim) = (place.path().join("store"), place.path().join("project"));
    let options = Options { sharing: Sharing::Group, ..Options::default() };
    drop(Store::open_with(&root, &options).unwrap());
    let kept = ["Cargo.lock", "tmp-notes", "thesis.tex", "ab/cdef"];
    for name in kept {
        std::fs::create_dir_all(victim.join(name).parent().unwrap()).unwrap();
        std::fs::write(victim.join(name), "kept").unwrap();
    }
    for name in ["incoming", "blobs", "aside"] {
        std::os::unix::fs::symlink(&victim, root.join("link")).unwrap();
        let over = AtomicBool::new(false);
        let swept = std::thread::scope(|scope| {
            scope.spawn(|| exchange(&root, [name, "link"], &over));
            let mut swept = 0;
            let until = Instant::now() + Duration::from_secs(2);
            while Instant::now() < until {
                // it is refused where it meets the link
                let Ok(mut store) = Store::open_with(&root, &options) else { continue };
                swept += usize::from(store.gc(SystemTime::now() + Duration::from_secs(1000)).is_ok());
            }
            over.store(true, Ordering::Relaxed);
            swept
        });
        for name in kept {
            assert!(victim.join(name).exists(), "`{name}` is gone, after {swept} clean-ups");
        }
        if root.join(name).is_symlink() {
            std::fs::rename(root.join("link"), root.join("kept")).unwrap();
            std::fs::remove_file(root.join(name)).unwrap();
            std::fs::rename(root.join("kept"), root.join(name)).unwrap();
        } else {
            std::fs::remove_file(root.join("link")).unwrap();
        }
    }
}

#[test]
fn what_is_kept_or_set_aside_stays_in_the_store_wherever_its_directories_lead() {
    let place = tempfile::tempdir().unwrap();
    let (root, elsewhere) = (place.path().join("store"), place.path().join("elsewhere"));
    std::fs::create_dir(&elsewhere).unwrap();
    let store = keyed::open(&root).unwrap();
    let input = Sha256::of(b"input");
    store.put_note("kind-1", &input, b"bytes").unwrap();
    let note = note_path(&root, "kind-1", &input);
    let lead = |directory: &Path| {
        std::fs::rename(directory, root.join("moved")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, directory).unwrap();
    };
    let back = |directory: &Path| {
        std::fs::remove_file(directory).unwrap();
        std::fs::rename(root.join("moved"), directory).unwrap();
    };
    let is_empty = || elsewhere.read_dir().unwrap().count() == 0;
    // what someone else has written would be moved to where root runs all that it finds
    lead(&root.join("aside"));
    std::fs::write(&note, "#!/bin/sh").unwrap();
    assert_eq!(store.note("kind-1", &input), None);
    assert!(is_empty(), "it was set aside elsewhere");
    back(&root.join("aside"));
    for directory in [note.parent().unwrap(), &root.join("notes"), &root.join("incoming")] {
        lead(directory);
        let refusal = store.put_note("kind-1", &input, b"bytes").unwrap_err();
        assert!(refusal.to_string().contains("symbolic link"), "{refusal}");
        assert_eq!(store.note("kind-1", &input), None);
        assert!(is_empty(), "a note was made elsewhere");
        back(directory);
    }
    let digest = put(&store, b"blob");
    lead(store.blob_path(&digest).parent().unwrap());
    let mut incoming = store.incoming().unwrap();
    incoming.write_all(b"blob").unwrap();
    assert!(incoming.commit().unwrap_err().to_string().contains("symbolic link"));
    assert!(store.begin(&digest).is_ok(), "a transfer is not hindered before its end");
    assert!(is_empty(), "a blob was made elsewhere");
    back(store.blob_path(&digest).parent().unwrap());
    lead(&root.join("incoming"));
    assert!(store.begin(&digest).unwrap_err().to_string().contains("symbolic link"));
    assert!(is_empty(), "a transfer was begun elsewhere");
}

#[test]
fn a_lock_of_a_transfer_that_is_another_name_of_a_file_elsewhere_is_refused_and_left_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("store")).unwrap();
    let digest: Digest = Sha256::of(b"input").into();
    let victim = place.path().join("victim");
    std::fs::write(&victim, "kept").unwrap();
    let lock = format!("sha256-{}.lock", digest.hex());
    std::fs::hard_link(&victim, store.root().join("incoming").join(lock)).unwrap();
    assert!(store.begin(&digest).unwrap_err().to_string().contains("a file with 2 names"));
    assert_eq!(std::fs::read(&victim).unwrap(), b"kept");
}
