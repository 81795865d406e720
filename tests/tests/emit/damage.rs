//! What is not what its digest says is found: in the store while emitting, and in an artifact afterwards.

use super::{ARTIFACT, Bench, FILES, RECORD, SUMS, listing, options};
use bake::inspect::{self, Damage, verify};
use std::path::Path;
use store::contents::Corrupt;
use tree::refusal::Class;

/// Changes one bit of a file in place.
fn flip(path: &Path, at: usize, bit: u8) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1 << bit;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_changed_blob_is_set_aside_and_named() {
    let bench = Bench::new();
    // frames that were made before are right without the blob: here none is kept
    let emit = || {
        let prepared = bake::emit::prepare(&bench.tree, &bench.plan, &[disk::Format::TarZst])?;
        prepared.write(&bench.store, &bench.path("out"), options(2, false), |_| {})
    };
    let path = bench.blob_path();
    let size = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
    for at in [0, 4_000_000, size - 1] {
        let good = std::fs::read(&path).unwrap();
        flip(&path, at, 3);
        let error = emit().unwrap_err();
        let cause = error.cause.downcast_ref::<Corrupt>().unwrap();
        assert_eq!((error.class, cause.blob, cause.whole), (Class::Verification, bench.blob, false));
        assert!(error.to_string().starts_with(cause.path.as_str()), "{error}");
        assert!(listing(&bench.path("out")).is_empty() && !path.exists());
        // set aside: now it is missing, which is the same to the caller
        let error = emit().unwrap_err();
        assert!(error.cause.downcast_ref::<Corrupt>().is_some_and(|cause| !cause.whole), "{error}");
        std::fs::write(&path, good).unwrap();
    }
    emit().unwrap();
    assert_eq!(listing(&bench.path("out")).len(), 4);
}

#[test]
fn a_blob_that_is_cut_is_set_aside() {
    let bench = Bench::new();
    std::fs::OpenOptions::new().write(true).open(bench.blob_path()).unwrap().set_len(100).unwrap();
    let error = bench.emit("out").unwrap_err();
    assert!(error.cause.downcast_ref::<Corrupt>().is_some_and(|cause| !cause.whole), "{error}");
}

#[test]
fn a_range_that_the_blob_never_had_is_told_from_a_damaged_blob() {
    let mut bench = Bench::new();
    let path = "/usr/bin/perl".parse().unwrap();
    let mut entry = bench.tree.remove(&path).unwrap();
    if let tree::Node::File(tree::Content::Stored(stored)) = &mut entry.node {
        stored.digest.0[0] ^= 1;
    }
    bench.tree.insert(&path, entry).unwrap();
    let error = bench.emit("out").unwrap_err();
    assert!(
        error.cause.downcast_ref::<Corrupt>().is_some_and(|cause| cause.whole && cause.path == path),
        "{error}"
    );
    assert!(bench.blob_path().exists());
}

#[test]
fn a_changed_frame_is_made_again() {
    let bench = Bench::new();
    bench.emit("first").unwrap();
    let expected = listing(&bench.path("first"));
    let all = walk(&bench.path("store/blobs"));
    let frames: Vec<_> = all.iter().filter(|path| **path != bench.blob_path()).collect();
    let again = bench.emit("again").unwrap();
    assert_eq!(
        (frames.len(), again.frames.unwrap().kept),
        (again.frames.unwrap().count, again.frames.unwrap().count)
    );
    flip(frames[0], 100, 0);
    std::fs::OpenOptions::new().write(true).open(frames[1]).unwrap().set_len(7).unwrap();
    std::fs::remove_file(frames[2]).unwrap();
    let emitted = bench.emit("out").unwrap();
    assert_eq!(emitted.frames.unwrap().count - emitted.frames.unwrap().kept, 3);
    assert_eq!(listing(&bench.path("out")), expected);
    assert_eq!(bench.emit("out").unwrap().frames.unwrap().kept, emitted.frames.unwrap().count);
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_changed_bit_is_found_with_its_file_and_entry() {
    let bench = Bench::new();
    let emitted = bench.emit("out").unwrap();
    let output = bench.path("out");
    let artifact = output.join(ARTIFACT);
    let verified = verify(&artifact).unwrap();
    assert_eq!((verified.paths, verified.bytes), (bench.tree.len(), emitted.frames.unwrap().tar));
    let good = std::fs::read(&artifact).unwrap();
    let index = good.len() - (emitted.frames.unwrap().count * 8 + 17);
    // the size of a window
    let window = 5;
    let places = (0..24).map(|nth| nth * good.len() / 24).chain([1, window, good.len() - 1]);
    for at in places {
        flip(&artifact, at, 2);
        let error = verify(&artifact).unwrap_err();
        let damage = error.cause.downcast_ref::<Damage>().unwrap();
        assert_eq!(error.class, Class::Verification);
        assert!(error.artifact.ends_with(ARTIFACT), "{error}");
        // one that is too small may hinder an entry, or be large enough all the same
        assert!(at == window || damage.entry.is_some() == (at < index), "{at}: {error}");
        std::fs::write(&artifact, &good).unwrap();
    }
    for name in [FILES, RECORD] {
        flip(&output.join(name), 200, 0);
        let error = verify(&artifact).unwrap_err();
        assert!(error.artifact.ends_with(name) && error.class == Class::Verification, "{error}");
        flip(&output.join(name), 200, 0);
    }
    flip(&output.join(SUMS), 3, 0);
    assert!(verify(&artifact).is_err());
    flip(&output.join(SUMS), 3, 0);
    verify(&artifact).unwrap();
}

#[test]
fn an_entry_that_was_replaced_with_all_its_sums_is_found() {
    let mut bench = Bench::new();
    bench.emit("out").unwrap();
    let output = bench.path("out");
    let artifact = output.join(ARTIFACT);
    // another artifact under the first one's record, with a list of sums that says it is right
    let path: tree::name::ImagePath = "/usr/share/doc/150".parse().unwrap();
    bench.tree.change_meta(|at, meta| {
        if *at == path {
            meta.mode = 0o4755;
        }
    });
    bench.emit("other").unwrap();
    std::fs::copy(bench.path("other").join(ARTIFACT), &artifact).unwrap();
    let sums = std::fs::read_to_string(output.join(SUMS)).unwrap();
    let lines = sums.lines().map(|line| match line.ends_with(ARTIFACT) {
        true => format!("{}  {ARTIFACT}\n", listing(&output)[ARTIFACT].hex()),
        false => format!("{line}\n"),
    });
    let sums: String = lines.collect();
    std::fs::write(output.join(SUMS), sums).unwrap();
    let error = verify(&artifact).unwrap_err();
    let expected = Damage { entry: Some(path), what: "its header differs from the record".into() };
    assert_eq!(error.cause.downcast_ref::<Damage>(), Some(&expected));
}

#[test]
fn a_content_that_was_replaced_with_all_its_sums_is_found() {
    use tree::{Content, Node};
    let mut bench = Bench::new();
    bench.emit("out").unwrap();
    let (output, artifact) = (bench.path("out"), bench.path("out").join(ARTIFACT));
    // the same header, the same length, other bytes
    let found = bench.tree.iter().find_map(|(path, entry)| match &entry.node {
        Node::File(Content::Inline(bytes)) if !bytes.is_empty() => Some((path.clone(), bytes.to_vec())),
        _ => None,
    });
    let (path, mut bytes) = found.unwrap();
    let mut entry = bench.tree.remove(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    entry.node = Node::File(Content::Inline(bytes.into()));
    bench.tree.insert(&path, entry).unwrap();
    bench.emit("other").unwrap();
    let good = listing(&output)[ARTIFACT];
    std::fs::copy(bench.path("other").join(ARTIFACT), &artifact).unwrap();
    let bad = listing(&output)[ARTIFACT];
    assert_ne!(good, bad);
    let sums = std::fs::read_to_string(output.join(SUMS)).unwrap();
    std::fs::write(output.join(SUMS), sums.replace(&good.hex(), &bad.hex())).unwrap();
    let error = verify(&artifact).unwrap_err();
    let expected = Damage { entry: Some(path), what: "its content differs from the record".into() };
    assert_eq!(error.cause.downcast_ref::<Damage>(), Some(&expected));
}

#[test]
fn hostile_artifacts_are_refused_and_not_unpacked() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.tar.zst");
    let mut foreign = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    foreign.append_data(&mut header, "../../etc/passwd", std::io::empty()).unwrap_err();
    foreign.append_data(&mut header, "etc/passwd", std::io::empty()).unwrap();
    let bomb = vec![0x41; 64 << 20];
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("no zstd", b"hello".to_vec()),
        ("a tar of another program", zstd::encode_all(&*foreign.into_inner().unwrap(), 3).unwrap()),
        ("a bomb", zstd::encode_all(&*bomb, 3).unwrap()),
        ("a tar without an end", zstd::encode_all(&[0; 512][..], 3).unwrap()),
        ("trailing data", zstd::encode_all(&[0; 2048][..], 3).unwrap()),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = inspect::open(&path).unwrap_err();
        assert_eq!(error.class, Class::Archive, "{what}: {error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(inspect::open(&path).unwrap_err().class, Class::Io);
    std::fs::create_dir(&path).unwrap();
    assert!(inspect::open(&path).unwrap_err().to_string().contains("not a regular file"));
}
