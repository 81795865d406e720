//! The store by itself, without a bake: what goes in, what comes out, and what somebody else has done to it.

use super::*;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::SystemTime;

/// How something is spoilt, in words and in deed.
type Way = (&'static str, fn(&Path));

struct Place {
    _directory: tempfile::TempDir,
    root: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("store");
        Self { root, _directory: directory }
    }

    fn open(&self) -> Store {
        self.open_as(7)
    }

    fn open_as(&self, key: u8) -> Store {
        Store::open_with(&self.root, &Options { key: Some(Key::new([key; 32])), ..short() }).unwrap()
    }

    /// All files below the root but locks and the layout, with their bytes.
    fn files(&self) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        let mut open = vec![self.root.clone()];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let (path, meta) = (entry.as_ref().unwrap().path(), entry.unwrap().metadata().unwrap());
                if meta.is_dir() {
                    open.push(path);
                } else if !["layout", "in-use.lock"].contains(&path.file_name().unwrap().to_str().unwrap()) {
                    found.push((path.strip_prefix(&self.root).unwrap().display().to_string(), meta.len()));
                }
            }
        }
        found.sort();
        found
    }
}

fn short() -> Options {
    Options { lock_timeout: Duration::from_millis(50), ..Options::default() }
}

fn add(store: &Store, bytes: &[u8]) -> Digest {
    let mut incoming = store.incoming().unwrap();
    incoming.write_all(bytes).unwrap();
    let (digest, size) = incoming.commit().unwrap();
    assert_eq!((digest, size), (Sha256::of(bytes), bytes.len() as u64));
    digest.into()
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_blob_is_under_its_digest_once_and_read_whole() {
    let place = Place::new();
    let store = place.open();
    let bytes: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = add(&store, &bytes);
    assert_eq!(add(&store, &bytes), digest);
    let hex = digest.hex();
    let name = format!("blobs/sha256/{}/{hex}", &hex[..2]);
    assert_eq!(place.files(), [(name, bytes.len() as u64)]);
    assert!(store.has(&digest, bytes.len() as u64).unwrap());
    assert!(!store.has(&digest, bytes.len() as u64 - 1).unwrap());
    assert_eq!(store.read_blob(&digest, bytes.len() as u64).unwrap().unwrap(), bytes);
    assert!(store.verify_blob(&digest).unwrap());
    // what is not committed is not there
    let mut dropped = store.incoming().unwrap();
    dropped.write_all(b"never whole").unwrap();
    drop(dropped);
    assert_eq!(place.files().len(), 1);
    let other: Digest = Sha256::of(b"never whole").into();
    assert!(!store.verify_blob(&other).unwrap() && store.read_blob(&other, 11).unwrap().is_none());
    assert!(store.open_blob(&other).unwrap_err().to_string().contains("it is not in the store"));
    assert_eq!(store.rejected(), [""; 0]);
}

#[test]
fn modes_do_not_depend_on_anything_and_a_store_of_others_is_refused() {
    let place = Place::new();
    let store = place.open();
    let digest = add(&store, b"x");
    store.put_note("unpacked-2", &Sha256::of(b"input"), b"note").unwrap();
    assert_eq!(mode(&store.blob_path(&digest)), 0o644);
    for (path, expected) in [("", 0o700), ("blobs/sha256", 0o700), ("layout", 0o600), ("in-use.lock", 0o600)]
    {
        assert_eq!(mode(&place.root.join(path)), expected, "{path}");
    }
    drop(store);
    for (path, bits) in [("", 0o777), ("notes", 0o720), ("blobs", 0o702)] {
        let path = place.root.join(path);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits)).unwrap();
        assert_eq!(Store::open(&place.root).unwrap_err().class, Class::Io, "{}", path.display());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        Store::open(&place.root).unwrap();
    }
    let elsewhere = place.root.with_file_name("elsewhere");
    std::fs::rename(place.root.join("blobs"), &elsewhere).unwrap();
    symlink(&elsewhere, place.root.join("blobs")).unwrap();
    assert_eq!(Store::open(&place.root).unwrap_err().class, Class::Io);
}

#[test]
fn another_layout_and_a_directory_of_something_else_are_left_alone() {
    let place = Place::new();
    std::fs::create_dir(&place.root).unwrap();
    std::fs::write(place.root.join("thesis.tex"), "").unwrap();
    let refusal = Store::open(&place.root).unwrap_err();
    assert!(refusal.to_string().contains("is no store: it has no `layout`, but `thesis.tex`"), "{refusal}");
    assert_eq!(std::fs::read_dir(&place.root).unwrap().count(), 1);
    std::fs::remove_file(place.root.join("thesis.tex")).unwrap();
    drop(Store::open(&place.root).unwrap());
    std::fs::write(place.root.join("layout"), "vmbake store 9\n").unwrap();
    let refusal = Store::open(&place.root).unwrap_err();
    assert!(refusal.to_string().contains("the layout is another"), "{refusal}");
}

#[test]
fn what_is_not_what_its_name_says_is_set_aside_and_is_not_there_any_more() {
    let bad: [Way; 5] = [
        ("another byte", |path| std::fs::write(path, b"abd").unwrap()),
        ("cut", |path| std::fs::write(path, b"ab").unwrap()),
        ("longer", |path| std::fs::write(path, b"abcd").unwrap()),
        ("empty", |path| std::fs::write(path, b"").unwrap()),
        ("other file", |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::write(path, b"xyz").unwrap();
        }),
    ];
    for (what, change) in bad {
        for read in [true, false] {
            let place = Place::new();
            let store = place.open();
            let digest = add(&store, b"abc");
            let path = store.blob_path(&digest);
            change(&path);
            if read {
                assert_eq!(store.read_blob(&digest, 3).unwrap(), None, "{what}");
            } else {
                assert!(!store.verify_blob(&digest).unwrap(), "{what}");
            }
            assert!(!path.exists(), "{what}");
            let name = format!("sha256-{}-{}", &digest.hex()[..2], digest.hex());
            assert!(place.root.join("aside").join(&name).exists(), "{what}: {:?}", place.files());
            assert_eq!(store.rejected(), [format!("blobs/sha256/{}/{}", &digest.hex()[..2], digest.hex())]);
            // and it can be brought in again
            assert_eq!(add(&store, b"abc"), digest);
            assert!(store.verify_blob(&digest).unwrap());
        }
    }
}

#[test]
fn links_fifos_and_second_names_are_no_blobs_and_block_nothing() {
    let odd: [Way; 4] = [
        ("link", |path| symlink("/etc/hostname", path).unwrap()),
        ("fifo", |path| {
            let (fifo, mode) = (rustix::fs::FileType::Fifo, 0o644.into());
            rustix::fs::mknodat(rustix::fs::CWD, path, fifo, mode, 0).unwrap();
        }),
        ("directory", |path| std::fs::create_dir(path).unwrap()),
        ("second name", |path| {
            std::fs::write(path.with_extension("1"), b"abc").unwrap();
            std::fs::hard_link(path.with_extension("1"), path).unwrap();
        }),
    ];
    for (what, make) in odd {
        let place = Place::new();
        let store = place.open();
        let digest = add(&store, b"abc");
        let path = store.blob_path(&digest);
        std::fs::remove_file(&path).unwrap();
        make(&path);
        let refusal = store.open_blob(&digest).expect_err(what);
        assert!(refusal.to_string().contains("not a plain file"), "{what}: {refusal}");
    }
}

#[test]
fn a_note_is_believed_only_with_its_key_kind_input_and_all_of_its_bytes() {
    let place = Place::new();
    let (store, input) = (place.open(), Sha256::of(b"input"));
    assert!(store.keeps_notes());
    store.put_note("frame-2", &input, b"a statement").unwrap();
    assert_eq!(store.note("frame-2", &input).unwrap(), b"a statement");
    store.put_note("frame-2", &input, b"another").unwrap();
    assert_eq!(store.note("frame-2", &input).unwrap(), b"another");
    assert_eq!(store.note("modules-2", &input), None);
    assert_eq!(store.note("frame-2", &Sha256::of(b"other")), None);
    assert_eq!(place.open_as(8).note("frame-2", &input), None, "of another key");
    let path = store.note_path(store.options.key.as_ref().unwrap(), "frame-2", &input);
    let good = std::fs::read(&path).unwrap();
    assert_eq!(good.len(), TAG + 7);
    let changes: Vec<Vec<u8>> = (0..good.len())
        .map(|at| {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            bad
        })
        .chain([vec![], good[..TAG].to_vec(), good[..good.len() - 1].to_vec(), [&good[..], b"+"].concat()])
        .collect();
    for bad in changes {
        std::fs::write(&path, &bad).unwrap();
        assert_eq!(store.note("frame-2", &input), None, "{bad:?}");
        assert!(!path.exists(), "it is set aside");
    }
    // an authentic one at another place says nothing there
    store.put_note("frame-2", &input, b"another").unwrap();
    let other = store.note_path(store.options.key.as_ref().unwrap(), "frame-2", &Sha256::of(b"other"));
    std::fs::create_dir_all(other.parent().unwrap()).unwrap();
    std::fs::copy(&path, &other).unwrap();
    assert_eq!(store.note("frame-2", &Sha256::of(b"other")), None);
    assert_eq!(store.note("frame-2", &input).unwrap(), b"another");
}

#[test]
fn without_a_key_nothing_is_noted_and_no_note_is_used() {
    let place = Place::new();
    let input = Sha256::of(b"input");
    place.open().put_note("frame-2", &input, b"statement").unwrap();
    let keyless = Store::open(&place.root).unwrap();
    assert!(!keyless.keeps_notes());
    assert_eq!(keyless.note("frame-2", &input), None);
    keyless.put_note("frame-2", &Sha256::of(b"more"), b"statement").unwrap();
    assert_eq!(place.files().len(), 1);
}

#[test]
fn one_transfers_and_the_part_is_a_blob_only_with_its_digest() {
    let place = Place::new();
    let store = place.open();
    let digest: Digest = Sha256::of(b"right").into();
    let Begun::Ours(mut transfer) = store.begin(&digest).unwrap() else { panic!("nobody else is at it") };
    let Begun::Theirs(holder) = store.begin(&digest).unwrap() else { panic!("one at a time") };
    assert_eq!(holder.pids, [std::process::id()]);
    assert_eq!(holder.refusal("x").class, Class::Lock);
    // of another digest, beside it
    assert!(matches!(store.begin(&Sha256::of(b"other").into()).unwrap(), Begun::Ours(_)));
    transfer.file().write_all(b"wrong").unwrap();
    assert_eq!(transfer.finish().unwrap(), Err(Digest::from(Sha256::of(b"wrong"))));
    assert_eq!(transfer.file().metadata().unwrap().len(), 0, "the wrong bytes are gone");
    transfer.file().rewind().unwrap();
    transfer.file().write_all(b"rig").unwrap();
    drop(transfer);
    // what was cut off goes on
    let Begun::Ours(mut transfer) = store.begin(&digest).unwrap() else { panic!("it was let go") };
    assert_eq!(transfer.file().metadata().unwrap().len(), 3);
    transfer.file().seek(std::io::SeekFrom::End(0)).unwrap();
    transfer.file().write_all(b"ht").unwrap();
    assert_eq!(transfer.finish().unwrap(), Ok(()));
    assert_eq!(store.dirty.lock().unwrap().len(), 3, "its directories, up to blobs");
    drop(transfer);
    store.settle().unwrap();
    assert!(store.dirty.lock().unwrap().is_empty());
    assert_eq!(mode(&store.blob_path(&digest)), 0o644);
    assert!(store.verify_blob(&digest).unwrap());
    assert_eq!(place.files().len(), 1, "{:?}", place.files());
    // none is left of one that is given up
    let other: Digest = Sha256::of(b"other").into();
    let Begun::Ours(mut transfer) = store.begin(&other).unwrap() else { panic!("nobody is at it") };
    transfer.file().write_all(b"oth").unwrap();
    transfer.discard();
    assert_eq!(place.files().len(), 1, "{:?}", place.files());
}

#[test]
fn a_part_that_is_no_plain_file_is_replaced() {
    let place = Place::new();
    let store = place.open();
    let digest: Digest = Sha256::of(b"right").into();
    let victim = place.root.with_file_name("victim");
    std::fs::write(&victim, "kept").unwrap();
    symlink(&victim, place.root.join(format!("incoming/{}.part", file_stem(&digest)))).unwrap();
    let Begun::Ours(mut transfer) = store.begin(&digest).unwrap() else { panic!("nobody is at it") };
    transfer.file().write_all(b"right").unwrap();
    assert_eq!(transfer.finish().unwrap(), Ok(()));
    assert_eq!(std::fs::read(&victim).unwrap(), b"kept");
}

#[test]
fn a_clean_up_takes_what_is_old_and_only_when_nobody_is_in_the_store() {
    let place = Place::new();
    let mut store = place.open();
    let (old, used) = (add(&store, b"old"), add(&store, b"used"));
    store.put_note("frame-2", &Sha256::of(b"input"), b"statement").unwrap();
    let day = |n: u64| SystemTime::now() - Duration::from_secs(86_400 * n);
    for (path, _) in place.files() {
        File::options().write(true).open(place.root.join(path)).unwrap().set_modified(day(9)).unwrap();
    }
    // its use is what counts
    drop(store.open_blob(&used).unwrap());
    let other = place.open();
    let refusal = store.gc(day(5)).unwrap_err();
    assert_eq!(refusal.class, Class::Lock);
    assert!(refusal.to_string().contains("has the store open"), "{refusal}");
    drop(other);
    let swept = store.gc(day(5)).unwrap();
    assert_eq!((swept.files, swept.kept), (2, 1));
    assert!(!store.has(&old, 3).unwrap() && store.has(&used, 4).unwrap());
    // and it is in use again
    assert_eq!(place.open().gc(day(5)).unwrap_err().class, Class::Lock);
}

#[test]
fn all_blobs_and_notes_are_checked_and_those_of_other_keys_left_alone() {
    let place = Place::new();
    let mut store = place.open();
    let (good, bad) = (add(&store, b"good"), add(&store, b"bad"));
    std::fs::write(store.blob_path(&bad), b"worse").unwrap();
    for input in [b"1", b"2"] {
        store.put_note("frame-2", &Sha256::of(input), b"statement").unwrap();
    }
    let forged = store.note_path(store.options.key.as_ref().unwrap(), "frame-2", &Sha256::of(b"2"));
    std::fs::write(&forged, b"forged").unwrap();
    place.open_as(8).put_note("frame-2", &Sha256::of(b"1"), b"statement").unwrap();
    let checked = store.verify_all().unwrap();
    assert_eq!((checked.good, checked.bytes, checked.notes, checked.foreign), (1, 4, 1, 1));
    assert_eq!(checked.set_aside, store.rejected());
    assert_eq!(checked.set_aside.len(), 2, "{:?}", checked.set_aside);
    assert!(store.has(&good, 4).unwrap() && !store.blob_path(&bad).exists() && !forged.exists());
    assert_eq!(store.verify_all().unwrap().set_aside, [""; 0]);
}

#[test]
fn what_killed_runs_have_left_is_swept_when_a_store_is_opened_and_parts_stay() {
    let place = Place::new();
    drop(place.open());
    let incoming = place.root.join("incoming");
    for name in ["tmp-1-0", "sha256-ab.lock", "sha256-ab.part"] {
        std::fs::write(incoming.join(name), "x").unwrap();
    }
    let held = File::open(incoming.join("tmp-1-0")).unwrap();
    assert!(lock::try_take(&held, lock::How::NonBlockingLockExclusive).unwrap());
    drop(place.open());
    let left: Vec<String> = place.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["incoming/sha256-ab.part", "incoming/tmp-1-0"], "what is locked is somebody's");
    drop(held);
    drop(place.open());
    assert_eq!(place.files().len(), 1);
    assert_eq!(std::fs::metadata(incoming.join("sha256-ab.part")).unwrap().size(), 1);
}

#[test]
fn a_digest_is_remembered_as_what_it_came_in_with_until_it_is_forgotten() {
    let place = Place::new();
    let mut store = place.open();
    let digest = add(&store, b"tool");
    let identity = |version: &str| Identity {
        name: "tool".parse().unwrap(),
        version: version.to_owned(),
        url: format!("https://example.org/tool-{version}"),
    };
    assert_eq!(store.identity(&digest), None);
    store.put_identity(&digest, &identity("1")).unwrap();
    assert_eq!(store.identity(&digest), Some(identity("1")));
    std::fs::rename(store.blob_path(&digest), place.root.with_file_name("kept")).unwrap();
    assert_eq!(store.identity(&digest), None, "of no blob nothing is known");
    std::fs::rename(place.root.with_file_name("kept"), store.blob_path(&digest)).unwrap();
    assert!(store.forget(&digest).unwrap());
    assert_eq!((store.identity(&digest), store.has(&digest, 4).unwrap()), (None, false));
    assert!(!store.forget(&digest).unwrap());
}
