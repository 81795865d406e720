//! A small tree as a tar and as its frames, without a plan.

use super::frames::{self, How};
use super::layout;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use store::contents::{Contents, Corrupt};
use store::{Key, Options, Store};
use tree::chunk::{Chunk, Part as Piece};
use tree::digest::Sha256;
use tree::name::ImagePath;
use tree::refusal::Class;
use tree::{Content, Entry, Meta, Node, Origin, PIECE, Stored, Tree};

struct Bench {
    tree: Tree,
    store: Store,
    large: Vec<u8>,
    stored: Stored,
    _place: tempfile::TempDir,
}

fn path(text: &str) -> ImagePath {
    text.parse().unwrap()
}

/// Bytes that cannot be compressed: xorshift, of the same seed the same.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}

/// A tree with every type, many small files, and one of three pieces that is a part of a blob.
fn bench() -> Bench {
    let place = tempfile::tempdir().unwrap();
    let options = Options { key: Some(Key::new([7; 32])), ..Options::default() };
    let store = Store::open_with(&place.path().join("store"), &options).unwrap();
    let piece = usize::try_from(PIECE).unwrap();
    let large = noise(1, 2 * piece + 1000);
    let mut incoming = store.incoming().unwrap();
    incoming.write_all(b"before").unwrap();
    incoming.write_all(&large).unwrap();
    incoming.write_all(b"behind").unwrap();
    let stored = Stored {
        blob: incoming.commit().unwrap().0,
        offset: 6,
        len: large.len() as u64,
        digest: Sha256::of(&large),
        pieces: large.chunks(piece).map(Sha256::of).collect(),
    };
    let origin = Origin::Made { step: "test".to_owned() };
    let mut tree = Tree::new(origin.clone(), 5);
    let mut add = |at: &str, node: Node| {
        let mode = if node == Node::Directory { 0o755 } else { 0o640 };
        let meta = Meta { uid: 3, gid: 4, ..Meta::root(mode, 9) };
        tree.insert(&path(at), Entry { meta, node, origins: [origin.clone()].into() }).unwrap();
    };
    add("/a", Node::Directory);
    for n in 0..40_u32 {
        add(&format!("/a/{n}"), Node::File(Content::Inline(noise(n, 170_000).into())));
    }
    add("/b", Node::File(Content::Inline(b"b".as_slice().into())));
    add("/c", Node::Hardlink(path("/b")));
    add("/l", Node::Symlink("b".to_owned()));
    add("/large", Node::File(Content::Stored(stored.clone())));
    add("/p", Node::Fifo);
    add("/z", Node::File(Content::Inline(b"".as_slice().into())));
    Bench { tree: tree.finish().unwrap(), store, large, stored, _place: place }
}

/// The tar before it is compressed.
fn tar(bench: &Bench) -> Vec<u8> {
    let layout = layout::layout(&bench.tree).unwrap();
    let contents = store::contents::Contents::of(&bench.store);
    let (mut out, mut chunk) = (Vec::new(), Vec::new());
    for one in &layout.chunks {
        contents.read(one, &mut chunk).unwrap();
        out.extend_from_slice(&chunk);
    }
    assert_eq!(layout.len, out.len() as u64);
    out
}

/// All bytes of the artifact, with what came of it.
fn artifact(bench: &Bench, jobs: usize, keep: bool) -> (Vec<u8>, frames::Frames) {
    let layout = layout::layout(&bench.tree).unwrap();
    let how = How { level: 3, jobs: NonZeroUsize::new(jobs).unwrap(), keep };
    let (mut out, mut seen) = (Vec::new(), 0);
    let frames = frames::write(&layout, &bench.store, how, |bytes, stands_for| {
        out.extend_from_slice(bytes);
        seen += stands_for;
        Ok(())
    })
    .unwrap();
    assert_eq!((seen, frames.tar, frames.count), (layout.len, layout.len, layout.chunks.len()));
    (out, frames)
}

#[test]
fn a_tar_has_each_entry_of_the_tree_in_order() {
    let bench = bench();
    let tar = tar(&bench);
    let mut archive = ::tar::Archive::new(&tar[..]);
    let mut paths = bench.tree.iter();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (at, expected) = paths.next().unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        assert_eq!(
            format!("./{}", at.relative()),
            if name == "./" { name } else { name.trim_end_matches('/').to_owned() }
        );
        let header = entry.header();
        assert_eq!(header.mode().unwrap(), u32::from(expected.meta.mode), "{at}");
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        assert_eq!(owner, (u64::from(expected.meta.uid), u64::from(expected.meta.gid)), "{at}");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        match &expected.node {
            Node::File(Content::Inline(content)) => assert_eq!(bytes, **content, "{at}"),
            Node::File(Content::Stored(_)) => assert!(bytes == bench.large, "{at}"),
            _ => assert!(bytes.is_empty(), "{at}"),
        }
    }
    assert_eq!(paths.next(), None);
    // `at` of the layout is where each content begins
    let layout = layout::layout(&bench.tree).unwrap();
    for ((at, entry), begin) in bench.tree.iter().zip(&layout.at) {
        if let Node::File(content) = &entry.node {
            let begin = usize::try_from(*begin).unwrap();
            let bytes = &tar[begin..begin + usize::try_from(content.len()).unwrap()];
            assert_eq!(Sha256::of(bytes), content.digest(), "{at}");
        }
    }
}

#[test]
fn frames_are_the_tar_whatever_threads_and_store_have_done() {
    let bench = bench();
    let (bytes, frames) = artifact(&bench, 1, true);
    assert!(zstd::decode_all(&bytes[..]).unwrap() == tar(&bench));
    assert!(frames.count > 4 && frames.kept == 0, "{frames:?}");
    // from the store, without it, and on several threads
    for (jobs, keep, kept) in [(1, true, frames.count), (1, false, 0), (4, true, frames.count), (4, false, 0)]
    {
        let (again, found) = artifact(&bench, jobs, keep);
        assert!(again == bytes, "{jobs} {keep}");
        assert_eq!(found.kept, kept, "{jobs} {keep}");
    }
}

#[test]
fn each_piece_of_a_large_file_is_a_chunk_of_its_own() {
    let bench = bench();
    let layout = layout::layout(&bench.tree).unwrap();
    let ranges = |chunk: &Chunk<'_>| {
        let parts = chunk.parts.iter();
        parts.filter(|part| matches!(part, Piece::Range(range) if range.path.as_str() == "/large")).count()
    };
    assert_eq!(layout.chunks.iter().filter(|chunk| ranges(chunk) == 1).count(), 3);
    assert!(layout.chunks.iter().all(|chunk| ranges(chunk) <= 1 && chunk.len > 0));
    assert_eq!(layout.chunks.iter().map(|chunk| chunk.len).sum::<u64>(), layout.len);
    // digests of pieces that do not fit the length are no digests of it
    let mut stored = bench.stored.clone();
    stored.pieces.pop();
    let refusal = tree::chunk::ranges(&path("/large"), &Content::Stored(stored)).unwrap_err();
    assert!(refusal.to_string().contains("the digests of 3 pieces"), "{refusal}");
}

/// Where the store has files of this folder, with their bytes.
fn files(store: &Store, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![store.root().join(below)];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let at = entry.unwrap().path();
            if at.is_dir() {
                open.push(at);
            } else {
                let bytes = std::fs::read(&at).unwrap();
                found.insert(at, bytes);
            }
        }
    }
    found
}

#[test]
fn a_kept_frame_or_its_note_that_was_changed_is_made_again() {
    let bench = bench();
    let (bytes, frames) = artifact(&bench, 1, true);
    let notes = files(&bench.store, "notes/frame-2");
    assert_eq!(notes.len(), frames.count);
    let own = bench.store.blob_path(&bench.stored.blob.into());
    for (at, good) in
        notes.iter().take(1).chain(files(&bench.store, "blobs").iter().filter(|(at, _)| **at != own))
    {
        let mut bad = good.clone();
        let last = bad.len() - 1;
        bad[last] ^= 1;
        std::fs::write(at, bad).unwrap();
        let (again, found) = artifact(&bench, 1, true);
        assert!(again == bytes, "{}", at.display());
        assert_eq!(found.kept, frames.count - 1, "{}", at.display());
    }
}

#[test]
fn a_content_that_is_not_that_of_the_tree_does_not_leave() {
    let read = |bench: &Bench| {
        let layout = layout::layout(&bench.tree).unwrap();
        let contents = Contents::of(&bench.store);
        let mut out = Vec::new();
        layout.chunks.iter().try_for_each(|chunk| contents.read(chunk, &mut out))
    };
    let corrupt = |bench: &Bench| {
        let refusal = read(bench).unwrap_err();
        assert_eq!(refusal.class, Class::Verification, "{refusal}");
        refusal.cause.downcast_ref::<Corrupt>().unwrap().clone()
    };
    let good = bench();
    read(&good).unwrap();
    // a byte of the blob, at its begin, its end, and where it is cut
    let piece = usize::try_from(PIECE).unwrap();
    for at in [6, 6 + piece, 6 + good.large.len() - 1] {
        let bench = bench();
        let blob = bench.store.blob_path(&bench.stored.blob.into());
        let mut bytes = std::fs::read(&blob).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&blob, &bytes).unwrap();
        let expected = Corrupt { path: path("/large"), blob: bench.stored.blob, whole: false };
        assert_eq!(corrupt(&bench), expected, "{at}");
        assert!(!blob.exists(), "it is set aside");
        assert_eq!(corrupt(&bench), expected, "and a blob that is gone is as one that is damaged");
    }
    let cut = bench();
    let blob = cut.store.blob_path(&cut.stored.blob.into());
    std::fs::File::options().write(true).open(&blob).unwrap().set_len(100).unwrap();
    assert!(!corrupt(&cut).whole);
    // a note that says something else of a blob that is whole
    let mut other = bench();
    let stored = Stored { offset: 7, ..other.stored.clone() };
    let meta = Meta::root(0o644, 0);
    let origins = other.tree.get(&path("/large")).unwrap().origins.clone();
    let mut tree = Tree::new(origins.first().unwrap().clone(), 5);
    tree.insert(&path("/large"), Entry { meta, node: Node::File(Content::Stored(stored)), origins }).unwrap();
    other.tree = tree.finish().unwrap();
    assert!(corrupt(&other).whole);
}

#[test]
fn what_a_line_of_the_list_says_makes_the_header_again() {
    let bench = bench();
    let layout = layout::layout(&bench.tree).unwrap();
    for ((at, entry), begin) in bench.tree.iter().zip(&layout.at) {
        let line = super::Line::of(at, entry, *begin);
        let header = super::pax::header(at, &entry.meta, super::pax::Shape::from(&entry.node)).unwrap();
        assert_eq!(line.header().unwrap(), header, "{at}");
        let read: super::Line = serde_json::from_str(&serde_json::to_string(&line).unwrap()).unwrap();
        assert_eq!(read, line);
        // what no entry can be has no header
        let odd = super::Line { size: if line.size.is_some() { None } else { Some(1) }, ..line };
        assert_eq!(odd.header(), None, "{at}");
    }
}
