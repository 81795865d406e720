use super::*;
use crate::archive::fixture::{ar, gz};
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use store::{Key, Options};

struct Fixture {
    store: Store,
    _directory: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { key: Some(Key::new([7; 32])), ..Options::default() };
    let store = Store::open_with(&directory.path().join("store"), &options).unwrap();
    Fixture { store, _directory: directory }
}

impl Fixture {
    fn add(&self, bytes: &[u8]) -> Digest {
        let mut incoming = self.store.incoming().unwrap();
        incoming.write_all(bytes).unwrap();
        incoming.commit().unwrap().0.into()
    }

    /// All blobs and what is in `incoming`, to see that a refusal leaves nothing.
    fn contents(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut open = vec![self.store.root().to_owned()];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { names.push(path.display().to_string()) }
            }
        }
        names.sort();
        names
    }

    fn bytes(&self, member: &Member) -> Vec<u8> {
        let Node::File(Content::Stored(stored)) = &member.node else { panic!("{member:?}") };
        let mut window = window::Window::new(self.store.open_blob(&stored.blob.into()).unwrap(), stored);
        let mut bytes = Vec::new();
        window.read_to_end(&mut bytes).unwrap();
        assert_eq!(tree::digest::Sha256::of(&bytes), stored.digest);
        bytes
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A tar of files and directories (those end in a slash), each with its mode and content.
fn tar(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (path, mode, bytes) in files {
        let mut header = ::tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
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

fn deb(control: &[(&str, u32, &[u8])], data: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&tar(data)).unwrap();
    let (control, data) = (gz(&tar(control)), xz.finish().unwrap());
    ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar.xz", &data)])
}

const CONTROL: [(&str, u32, &[u8]); 3] =
    [("./", 0o755, b""), ("./control", 0o644, b"Package: x\n"), ("./postinst", 0o755, b"#!")];

/// An ELF header and program headers of these types; `PT_INTERP` is given a path.
fn elf(machine: u16, kind: u16, segments: &[u32]) -> Vec<u8> {
    let mut out = vec![0; 64];
    out[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    let count = u16::try_from(segments.len()).unwrap();
    for (at, value) in [(16, kind), (18, machine), (52, 64), (54, 56), (56, count), (58, 64)] {
        out[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    (out[20], out[32]) = (1, 64);
    let end = (64 + 56 * segments.len()) as u64;
    for segment in segments {
        let mut header = [0; 56];
        header[..4].copy_from_slice(&segment.to_le_bytes());
        header[8..16].copy_from_slice(&end.to_le_bytes());
        header[32..40].copy_from_slice(&16_u64.to_le_bytes());
        out.extend_from_slice(&header);
    }
    // a path, and read as a dynamic section: DT_NEEDED
    out.extend_from_slice(if segments.contains(&3) {
        b"/lib/ld-linux.s\0"
    } else {
        b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0"
    });
    out
}

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERP: u32 = 3;
const AMD64: u16 = 62;
const ARM64: u16 = 183;

#[test]
fn a_package_is_unpacked_once() {
    let fixture = fixture();
    let data: [(&str, u32, &[u8]); 3] =
        [("./", 0o755, b""), ("./usr/", 0o755, b""), ("./usr/x", 0o644, b"content")];
    let digest = fixture.add(&deb(&CONTROL, &data));
    let package = super::package(&fixture.store, &name("x"), &digest).unwrap();
    let files: Vec<_> = package.control.iter().map(|f| (f.name.as_str(), f.mode, &*f.bytes)).collect();
    assert_eq!(files, [("control", 0o644, &b"Package: x\n"[..]), ("postinst", 0o755, b"#!")]);
    let paths: Vec<_> = package.members.iter().map(|m| m.path.as_str()).collect();
    assert_eq!(paths, ["/", "/usr", "/usr/x"]);
    assert_eq!(fixture.bytes(&package.members[2]), b"content");
    // the input is not looked at again while the note is good and its blob is there
    std::fs::remove_file(fixture.store.blob_path(&digest)).unwrap();
    assert_eq!(super::package(&fixture.store, &name("x"), &digest).unwrap(), package);
    let Node::File(Content::Stored(stored)) = &package.members[2].node else { panic!() };
    std::fs::remove_file(fixture.store.blob_path(&stored.blob.into())).unwrap();
    assert!(super::package(&fixture.store, &name("x"), &digest).is_err());
}

#[test]
fn an_upstream_archive_is_held_to_another_policy_than_a_package() {
    let fixture = fixture();
    let digest = fixture.add(&gz(&tar(&[("bin/", 0o755, b""), ("bin/x", 0o755, b"1")])));
    let members = tar_gz(&fixture.store, &name("x"), &digest).unwrap();
    assert_eq!(members[1].path.as_str(), "/bin/x");
    let digest = fixture.add(&gz(&tar(&[("x", 0o4755, b"1")])));
    let refusal = tar_gz(&fixture.store, &name("x"), &digest).unwrap_err();
    assert_eq!(refusal.class, Class::Archive);
    let text = "x: unpack: `/x` has the setuid, setgid or sticky bit (mode 4755), which is not allowed here";
    assert_eq!(refusal.to_string(), text);
}

#[test]
fn a_refused_archive_leaves_nothing_in_the_store() {
    let fixture = fixture();
    // after what may come out of any archive
    let zeros = vec![0; 80 << 20];
    let bomb = fixture.add(&deb(&CONTROL, &[("./zeros", 0o644, &zeros)]));
    let twice = fixture.add(&deb(&CONTROL, &[("./a", 0o644, &zeros[..100_000]), ("./a", 0o644, b"")]));
    let before = fixture.contents();
    for (digest, what) in [(bomb, "expands too much"), (twice, "duplicate path")] {
        let refusal = super::package(&fixture.store, &name("x"), &digest).unwrap_err();
        assert_eq!(refusal.class, Class::Archive);
        assert!(refusal.to_string().contains(what), "{refusal}");
        assert_eq!(fixture.contents(), before);
    }
}

#[test]
fn a_package_without_a_plain_control_file_is_refused() {
    let fixture = fixture();
    for control in [
        &[][..],
        &[("./postinst", 0o755, &b""[..])],
        &[("./control", 0o644, b""), ("./sub/", 0o755, b"")],
        &[("./control", 0o644, b""), ("./sub/file", 0o644, b"")],
        &[("./control", 0o644, b""), ("./.hidden", 0o644, b"")],
        &[("./control", 0o644, b""), ("./a b", 0o644, b"")],
    ] {
        let digest = fixture.add(&deb(control, &[]));
        assert_eq!(
            super::package(&fixture.store, &name("x"), &digest).unwrap_err().class,
            Class::Archive,
            "{control:?}"
        );
    }
    let digest = fixture.add(b"<html>not a package</html>");
    let refusal = super::package(&fixture.store, &name("x"), &digest).unwrap_err();
    assert!(refusal.to_string().contains("not a Debian 2.0 package"), "{refusal}");
}

#[test]
fn directories_that_nobody_may_enter_are_only_data() {
    let fixture = fixture();
    let data: [(&str, u32, &[u8]); 2] = [("./secret/", 0, b""), ("./secret/x", 0, b"1")];
    let digest = fixture.add(&deb(&CONTROL, &data));
    let package = super::package(&fixture.store, &name("x"), &digest).unwrap();
    assert_eq!(package.members[0].meta.mode, 0);
    assert_eq!(fixture.bytes(&package.members[1]), b"1");
    assert!(fixture.contents().iter().all(|path| !path.contains("/incoming/") || path.ends_with(".lock")));
}

#[test]
fn a_binary_is_for_its_machine_and_static_where_promised() {
    let fixture = fixture();
    let cases = [
        (elf(AMD64, 2, &[LOAD]), true, None),
        (elf(AMD64, 3, &[LOAD]), true, None),
        (elf(AMD64, 3, &[LOAD, INTERP]), false, None),
        (
            elf(AMD64, 3, &[LOAD, INTERP]),
            true,
            Some("expected a static executable, found a dynamic one (loader `/lib/ld-linux.s`)"),
        ),
        (
            elf(AMD64, 3, &[LOAD, DYNAMIC]),
            true,
            Some("expected a static executable, found a dynamic one (needs libraries)"),
        ),
        (elf(ARM64, 2, &[LOAD]), true, Some("expected machine x86-64, found aarch64")),
        (elf(40, 2, &[LOAD]), true, Some("expected machine x86-64, found arm")),
        (elf(AMD64, 1, &[]), false, Some("expected an ELF executable")),
        (elf(AMD64, 2, &[]), false, Some("no loadable segment")),
        (elf(AMD64, 2, &[LOAD])[..80].to_vec(), false, Some("not an ELF program")),
        (b"#!/bin/sh\n".to_vec(), false, Some("not an ELF program")),
        (b"<html>".to_vec(), false, Some("not an ELF program")),
        (Vec::new(), false, Some("not an ELF program")),
    ];
    for (bytes, must_be_static, expected) in cases {
        let digest = fixture.add(&bytes);
        let got = binary(&fixture.store, &name("x"), &digest, Arch::Amd64, must_be_static)
            .map_err(|e| e.to_string());
        match (got, expected) {
            (Ok(member), None) => assert_eq!(fixture.bytes(&member), bytes),
            (Err(error), Some(text)) => assert!(error.contains(text), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_binary_pinned_by_sha512_is_found_by_its_sha256() {
    let fixture = fixture();
    let bytes = elf(ARM64, 2, &[LOAD]);
    let digest = format!("sha512:{}", "0".repeat(128)).parse::<Digest>().unwrap();
    let mut hasher = digest.hasher();
    hasher.update(&bytes);
    let digest = hasher.finish();
    let path = fixture.store.blob_path(&digest);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    for _ in 0..2 {
        let member = binary(&fixture.store, &name("kubelet"), &digest, Arch::Arm64, true).unwrap();
        assert_eq!((member.path.as_str(), member.meta.mode), ("/kubelet", 0o755));
        assert_eq!(fixture.bytes(&member), bytes);
    }
}

#[test]
fn the_first_refusal_in_the_given_order_is_reported_whatever_the_number_of_threads() {
    let fixture = fixture();
    let good: Vec<_> = (0..20_u8).map(|n| gz(&tar(&[("f", 0o644, &vec![n; 1000])]))).collect();
    let digests: Vec<Digest> = good.iter().map(|bytes| fixture.add(bytes)).collect();
    let bad: Vec<Digest> = ["/a", "/b"].map(|path| fixture.add(&gz(&tar(&[(path, 0o644, b"")])))).into();
    let names: Vec<Name> = (0..20).map(|n| name(&format!("n{n}"))).collect();
    let inputs = |bad_at: &[usize]| -> Vec<(Digest, u64)> {
        let at = |n: usize| bad_at.iter().position(|&bad| bad == n);
        (0..20)
            .map(|n| (at(n).map_or(&digests[n], |which| &bad[which]).clone(), (n * 7 % 5) as u64))
            .collect()
    };
    for jobs in [1, 2, 8] {
        let jobs = NonZeroUsize::new(jobs).unwrap();
        for bad_at in [&[][..], &[3, 4], &[13, 6], &[19, 0]] {
            let chosen = inputs(bad_at);
            let inputs: Vec<_> = chosen
                .iter()
                .zip(&names)
                .map(|((digest, size), name)| Input {
                    name,
                    digest,
                    size: *size,
                    form: crate::manifest::Form::TarGz,
                    arch: Arch::Amd64,
                    must_be_static: true,
                })
                .collect();
            let done = Mutex::new(0);
            let result = all(&fixture.store, &inputs, jobs, &|_| *done.lock().unwrap() += 1);
            match bad_at.iter().min() {
                None => {
                    assert_eq!(result.unwrap().len(), 20);
                    assert_eq!(*done.lock().unwrap(), 20);
                }
                Some(first) => assert_eq!(result.unwrap_err().artifact, format!("n{first}")),
            }
        }
    }
}
