//! Somebody who can write to the store changes it while a bake is under way: before its stages, between them, and beside
//! them. A bake may end with a refusal; one that ends well has written exactly what it would have written undisturbed.
//!
//! `VMBAKE_SWAPS` says how often it is changed: some hundreds of times in the gate, ten thousand on demand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says no by panicking")]

use bake::emit;
use bake::fetch::{self, Silent};
use bake::manifest::Form;
use bake::plan::{Plan, Requirement, Source};
use bake::unpack::{self, Unpacked};
use disk::Format;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use store::Store;
use tests::image::{EPOCH, noise};
use tests::keyed;
use tree::digest::{Digest, Sha256};
use tree::name::{Arch, Name};
use tree::refusal::Class;
use tree::{Entry, Node, Origin, Tree};

/// What is baked: four inputs, in a mirror that nobody disturbs.
struct Inputs {
    requirements: Vec<Requirement>,
    forms: Vec<Form>,
    mirror: PathBuf,
    plan: Plan,
}

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides.max(1)
    }
}

/// A tar of directories (they end in a slash) and files, each with its mode.
fn tar(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (path, mode, bytes) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_path(path).unwrap();
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(9);
        header.set_size(bytes.len() as u64);
        header.set_entry_type(if path.ends_with('/') {
            ::tar::EntryType::Directory
        } else {
            ::tar::EntryType::Regular
        });
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deb(data: &[(&str, u32, &[u8])]) -> Vec<u8> {
    use std::io::Write as _;
    let control = gz(&tar(&[("control", 0o644, b"Package: x\n")]));
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in
        [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &control), ("data.tar.gz", &gz(&tar(data)))]
    {
        writeln!(out, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, "100644", bytes.len()).unwrap();
        out.extend_from_slice(bytes);
        out.extend(std::iter::repeat_n(b'\n', bytes.len() % 2));
    }
    out
}

/// A static program for x86-64, as far as its headers go.
fn program(len: usize) -> Vec<u8> {
    let mut out = noise(len, 5);
    out[..120].fill(0);
    out[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    for (at, value) in
        [(16, 2_u16), (18, 62), (20, 1), (32, 64), (52, 64), (54, 56), (56, 1), (58, 64), (64, 1)]
    {
        out[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    out
}

fn inputs(place: &Path) -> Inputs {
    let sudo = deb(&[
        ("usr/", 0o755, b""),
        ("usr/bin/", 0o755, b""),
        ("usr/bin/sudo", 0o4755, &noise(400_000, 1)),
        ("usr/sudoers", 0o440, b"root ALL=(ALL) ALL\n"),
    ]);
    let libc = deb(&[("srv/", 0o755, b""), ("srv/libc", 0o644, &noise(700_000, 2))]);
    let archive = gz(&tar(&[("bin/", 0o755, b""), ("bin/tool", 0o755, &noise(300_000, 3))]));
    let kubelet = program(600_000);
    let mut hasher = format!("sha512:{}", "0".repeat(128)).parse::<Digest>().unwrap().hasher();
    hasher.update(&kubelet);
    let all = [
        ("sudo", Form::Deb, Sha256::of(&sudo).into(), sudo),
        ("libc", Form::Deb, Sha256::of(&libc).into(), libc),
        ("archive", Form::TarGz, Sha256::of(&archive).into(), archive),
        ("kubelet", Form::Binary, hasher.finish(), kubelet),
    ];
    let mirror = place.join("mirror");
    let (mut requirements, mut forms) = (Vec::new(), Vec::new());
    for (name, form, digest, bytes) in all {
        let folder = mirror.join(name).join("1");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("file"), &bytes).unwrap();
        let source = Source::Upstream { url: "https://127.0.0.1:9/file".to_owned() };
        let (name, version) = (name.parse().unwrap(), "1".to_owned());
        requirements.push(Requirement { name, version, digest, size: bytes.len() as u64, source });
        forms.push(form);
    }
    Inputs { requirements, forms, mirror, plan: tests::image::plan().unwrap() }
}

/// A bake of `inputs` in the store at `root`; `between` is told before which stage it is.
fn bake(
    inputs: &Inputs,
    root: &Path,
    output: &Path,
    between: &mut dyn FnMut(usize),
) -> tree::refusal::Result<(BTreeMap<String, Sha256>, Vec<String>)> {
    let store = keyed::open(root)?;
    let options = fetch::Options {
        mirrors: vec![inputs.mirror.to_str().unwrap().parse().unwrap()],
        offline: true,
        ..fetch::Options::default()
    };
    between(0);
    fetch::fetch(&store, &inputs.requirements, &options, &Silent)?;
    between(1);
    let jobs = NonZeroUsize::new(2).unwrap();
    let unpacked = unpack::all(&store, &to_unpack(inputs), jobs, &|_| {})?;
    between(2);
    let tree = tree(inputs, &unpacked);
    let options = emit::Options { jobs, keep_frames: true, published: emit::NOWHERE };
    let prepared = emit::prepare(&tree, &inputs.plan, &[Format::TarZst])?;
    let emitted = prepared.write(&store, output, options, |_| {})?;
    let made = emitted.files.iter().map(|file| {
        let read = Sha256::of(&std::fs::read(output.join(&file.name)).unwrap());
        assert_eq!(read, file.sha256, "{}", file.name);
        (file.name.clone(), read)
    });
    Ok((made.collect(), store.rejected()))
}

fn to_unpack(inputs: &Inputs) -> Vec<unpack::Input<'_>> {
    let all = inputs.requirements.iter().zip(&inputs.forms);
    all.map(|(requirement, form)| unpack::Input {
        name: &requirement.name,
        digest: &requirement.digest,
        size: requirement.size,
        form: *form,
        arch: Arch::Amd64,
        must_be_static: true,
    })
    .collect()
}

fn tree(inputs: &Inputs, unpacked: &[Unpacked]) -> Tree {
    let mut tree = Tree::new(Origin::Made { step: "test".into() }, EPOCH);
    for (requirement, unpacked) in inputs.requirements.iter().zip(unpacked) {
        let members = match unpacked {
            Unpacked::Package(package) => &package.members,
            Unpacked::Members(members) => members,
        };
        // the archives' own `/bin` would be a link
        let below =
            |path: &tree::name::ImagePath| format!("/opt/{}{path}", requirement.name).parse().unwrap();
        let origin = Origin::Package { name: Name::clone(&requirement.name) };
        for member in members.iter().filter(|member| member.path.as_str() != "/") {
            let path = below(&member.path);
            tree.make_parents(&path, &origin, EPOCH);
            if member.node != Node::Directory {
                let entry = Entry {
                    meta: member.meta.clone(),
                    node: member.node.clone(),
                    origins: [origin.clone()].into(),
                };
                tree.insert(&path, entry).unwrap();
            }
        }
    }
    tree.finish().unwrap()
}

/// All blobs and notes.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.join("blobs"), root.join("notes")];
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// What an attacker has: what good files of the store are, and bytes of their own.
struct Attacker {
    root: PathBuf,
    dice: Dice,
    /// Files as they are after an undisturbed bake, by their names below the root.
    good: BTreeMap<PathBuf, Vec<u8>>,
    /// Where files are made before they are renamed, in the store's file system.
    side: PathBuf,
    swaps: usize,
}

impl Attacker {
    /// Changes one file, in one of the ways that there are. What is gone meanwhile is not changed.
    fn swap(&mut self) {
        let now = files(&self.root);
        let Some(path) = now.get(self.dice.throw(now.len())).cloned() else { return };
        let Ok(bytes) = std::fs::read(&path) else { return };
        let at = self.dice.throw(bytes.len());
        let done = match self.dice.throw(10) {
            // in place: the open file of a reader changes under it
            0 => OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|file| file.write_all_at(&[bytes.get(at).copied().unwrap_or(0) ^ 4], at as u64)),
            1 => OpenOptions::new().write(true).open(&path).and_then(|file| {
                let len = bytes.len().saturating_sub(at).min(4096);
                file.write_all_at(&vec![0x90; len], at as u64)
            }),
            2 => OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(at as u64)),
            // another file of the name
            3 => {
                let mut bad = bytes.clone();
                bad.iter_mut().skip(at).take(64).for_each(|byte| *byte ^= 1);
                self.put(&path, &bad)
            }
            4 => {
                let other = &now[self.dice.throw(now.len())];
                std::fs::read(other).and_then(|bytes| self.put(&path, &bytes))
            }
            // an archive, a program or a note of the attacker's own in its place
            5 => {
                let bad = deb(&[("usr/", 0o755, b""), ("usr/evil", 0o4755, b"evil")]);
                self.put(&path, &bad)
            }
            6 => {
                let bad = match bytes.get(32..) {
                    Some(note) => {
                        let mut note = note.to_vec();
                        if let Some(byte) = note.get_mut(at) {
                            *byte ^= 0x12;
                        }
                        [&Sha256::of(&note).0[..], &note].concat()
                    }
                    None => Vec::new(),
                };
                self.put(&path, &bad)
            }
            // what was there before, so that what was found wrong comes back
            7 => {
                let names: Vec<&PathBuf> = self.good.keys().collect();
                let name = names[self.dice.throw(names.len())].clone();
                let bytes = self.good[&name].clone();
                self.put(&self.root.join(name), &bytes)
            }
            8 => std::fs::remove_file(&path),
            _ => OpenOptions::new().append(true).open(&path).and_then(|mut file| {
                use std::io::Write as _;
                file.write_all(b"more")
            }),
        };
        self.swaps += usize::from(done.is_ok());
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        std::fs::write(&self.side, bytes)?;
        std::fs::rename(&self.side, path)
    }

    /// Makes the store what it was after an undisturbed bake, sometimes without what was derived.
    fn restore(&mut self) {
        let cold = self.dice.throw(3) == 0;
        for path in files(&self.root) {
            std::fs::remove_file(path).unwrap();
        }
        for (name, bytes) in &self.good {
            if !(cold && name.starts_with("notes")) {
                std::fs::create_dir_all(self.root.join(name).parent().unwrap()).unwrap();
                std::fs::write(self.root.join(name), bytes).unwrap();
            }
        }
    }
}

/// Says at the end of a bake that it has ended, also where it panics.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_store_that_is_changed_at_any_moment_changes_no_byte() {
    let swaps = std::env::var("VMBAKE_SWAPS").map_or(600, |count| count.parse().unwrap());
    let place = tempfile::tempdir().unwrap();
    let (root, output) = (place.path().join("store"), place.path().join("out"));
    let inputs = inputs(place.path());
    let (wanted, wrong) = bake(&inputs, &root, &output, &mut |_| {}).unwrap();
    assert_eq!(wrong, [""; 0]);
    let good: BTreeMap<PathBuf, Vec<u8>> = files(&root)
        .into_iter()
        .map(|path| (path.strip_prefix(&root).unwrap().to_path_buf(), std::fs::read(&path).unwrap()))
        .collect();
    let kinds: BTreeSet<&str> =
        good.keys().filter_map(|name| name.strip_prefix("notes").ok()?.iter().next()?.to_str()).collect();
    assert_eq!(kinds, ["frame-2", "identity-1", "unpacked-2"].into());
    let side = place.path().join("side");
    let mut attacker = Attacker { root: root.clone(), dice: Dice(0x5eed), good, side, swaps: 0 };
    let (mut passed, mut refused, mut found) = (0, 0, 0);
    let mut number = 0;
    while attacker.swaps < swaps {
        number += 1;
        attacker.restore();
        let _ = std::fs::remove_dir_all(&output);
        let when = number % 4;
        let before = attacker.swaps;
        let over = AtomicBool::new(false);
        let result = if when == 3 {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        attacker.swap();
                    }
                });
                let _over = AtEnd(&over);
                bake(&inputs, &root, &output, &mut |_| {})
            })
        } else {
            bake(&inputs, &root, &output, &mut |stage| {
                for _ in 0..if stage == when { 6 } else { 0 } {
                    attacker.swap();
                }
            })
        };
        assert!(attacker.swaps > before || when == 3, "nothing was changed in bake {number}");
        match result {
            Ok((made, wrong)) => {
                assert_eq!(made, wanted, "bake {number}, changed at {when}: wrong bytes");
                passed += 1;
                found += wrong.len();
            }
            Err(refusal) => {
                let expected = [Class::Verification, Class::Io];
                assert!(expected.contains(&refusal.class), "bake {number}, changed at {when}: {refusal}");
                refused += 1;
            }
        }
    }
    println!(
        "{number} bakes, {} swaps: {passed} passed, {refused} were refused, {found} found",
        attacker.swaps
    );
    // before the first stage all can be made good: what was fetched is fetched again, what was derived is derived again
    assert!(
        passed > number / 8 && refused > 0 && found > 0,
        "{passed} passed, {refused} refused, {found} found"
    );
}

#[test]
fn an_input_that_is_swapped_between_fetch_and_unpack_is_refused_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let inputs = inputs(place.path());
    let evil = deb(&[("usr/", 0o755, b""), ("usr/evil", 0o4755, b"evil")]);
    for (number, requirement) in inputs.requirements.iter().enumerate() {
        let root = place.path().join(format!("store-{number}"));
        let store = keyed::open(&root).unwrap();
        let blob = store.blob_path(&requirement.digest);
        let mut swapped = Vec::new();
        let result = bake(&inputs, &root, &place.path().join("out"), &mut |stage| {
            if stage == 1 {
                std::fs::write(&blob, &evil).unwrap();
                swapped = files(&root);
            }
        });
        let refusal = result.unwrap_err();
        assert_eq!(
            (refusal.class, refusal.artifact.as_str()),
            (Class::Verification, requirement.name.as_str())
        );
        assert!(!blob.exists(), "it is set aside");
        assert!(store.note("unpacked-2", &note_key(&inputs, number)).is_none(), "nothing is noted of it");
        // and the next bake is as if nothing had been
        let (made, _) = bake(&inputs, &root, &place.path().join("again"), &mut |_| {}).unwrap();
        let other = place.path().join("other");
        let undisturbed = bake(&inputs, &other, &place.path().join("undisturbed"), &mut |_| {}).unwrap();
        assert_eq!(made, undisturbed.0);
    }
}

/// What the note of an input is kept under.
fn note_key(inputs: &Inputs, number: usize) -> Sha256 {
    let form = match inputs.forms[number] {
        Form::Deb => "deb",
        Form::TarGz => "tar.gz",
        _ => "binary",
    };
    Sha256::of(format!("{form} {}", inputs.requirements[number].digest).as_bytes())
}

#[test]
fn a_blob_that_is_read_whole_is_the_one_that_was_hashed_or_none() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let (digest, bytes) = (Digest::from(Sha256::of(b"Package: x")), b"Package: x");
    for bad in [&b"Package: y"[..], b"Package: ", b"Package: xy", b""] {
        let path = store.blob_path(&digest);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bad).unwrap();
        assert_eq!(store.read_blob(&digest, 10).unwrap(), None);
        assert!(!path.exists());
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(store.read_blob(&digest, 10).unwrap().unwrap(), bytes);
        assert_eq!(store.read_blob(&digest, 9).unwrap(), None, "nor is one of another size it");
    }
    assert!(!store.blob_path(&digest).exists());
}
