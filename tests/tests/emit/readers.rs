//! GNU tar, zstd and Python's tarfile read what the tree says, and so do our own readers.

use super::{ARTIFACT, Bench, FILES};
use bake::emit::pax::{Shape, header};
use bake::emit::{Line, Type};
use bake::inspect;
use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use tree::Meta;
use tree::digest::Sha256;
use tree::name::ImagePath;
use xshell::{Shell, cmd};

fn lines(bench: &Bench) -> Vec<Line> {
    bench.emit("out").unwrap();
    inspect::open(&bench.path("out").join(ARTIFACT)).unwrap().paths().to_vec()
}

#[test]
fn the_record_says_what_the_tree_says() {
    let bench = Bench::new();
    let lines = lines(&bench);
    assert_eq!(lines.len(), bench.tree.len());
    for ((path, entry), line) in bench.tree.iter().zip(&lines) {
        assert_eq!(Line::of(path, entry, line.at.unwrap_or(0)), *line);
    }
}

#[test]
fn gnu_tar_lays_out_every_field() {
    let bench = Bench::new();
    let lines = lines(&bench);
    let (artifact, to) = (bench.path("out").join(ARTIFACT), bench.path("laid-out"));
    let shell = Shell::new().unwrap();
    std::fs::create_dir(&to).unwrap();
    // devices and owners need root, as CI and the machine of this project have it
    let error = cmd!(shell, "tar --zstd --extract --file {artifact} --directory {to} --numeric-owner --same-owner -p --xattrs --xattrs-include=*")
        .read_stderr()
        .unwrap();
    assert_eq!(error, "");
    for line in &lines {
        let at = to.join(line.path.relative());
        let found = std::fs::symlink_metadata(&at).unwrap();
        let kind = found.file_type();
        let r#type = match () {
            () if kind.is_dir() => Type::Directory,
            () if kind.is_symlink() => Type::Symlink,
            () if kind.is_fifo() => Type::Fifo,
            () if kind.is_char_device() => Type::Character,
            () if kind.is_block_device() => Type::Block,
            () if line.r#type == Type::Hardlink => Type::Hardlink,
            () => Type::File,
        };
        let mode = format!("{:04o}", found.mode() & 0o7777);
        assert_eq!(
            (r#type, mode, found.uid(), found.gid()),
            (line.r#type, line.mode.clone(), line.uid, line.gid),
            "{}",
            line.path
        );
        assert_eq!((found.mtime(), found.mtime_nsec()), (line.mtime, 0), "{}", line.path);
        match line.r#type {
            Type::File => {
                let bytes = std::fs::read(&at).unwrap();
                assert_eq!(
                    (Some(bytes.len() as u64), Some(Sha256::of(&bytes))),
                    (line.size, line.sha256),
                    "{}",
                    line.path
                );
            }
            Type::Symlink => {
                assert_eq!(
                    std::fs::read_link(&at).unwrap().to_str(),
                    line.target.as_deref(),
                    "{}",
                    line.path
                );
            }
            Type::Hardlink => {
                let target = to.join(line.target.as_deref().unwrap().trim_start_matches('/'));
                assert_eq!(std::fs::metadata(target).unwrap().ino(), found.ino(), "{}", line.path);
            }
            Type::Character | Type::Block => {
                let device = (rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
                assert_eq!(Some(device), line.device, "{}", line.path);
            }
            Type::Directory | Type::Fifo => {}
        }
        if !line.xattrs.is_empty() {
            assert_eq!(xattrs(&at), line.xattrs, "{}", line.path);
        }
    }
}

/// The attributes of a file in hexadecimal, without those that the host's security module adds.
fn xattrs(path: &Path) -> BTreeMap<String, String> {
    let mut names = vec![0; 4096];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = String::from_utf8(names[..len].to_vec()).unwrap();
    let read = |name: &str| {
        let mut value = vec![0; 4096];
        let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        (name.to_owned(), value[..len].iter().map(|byte| format!("{byte:02x}")).collect())
    };
    names.split_terminator('\0').filter(|name| *name != "security.selinux").map(read).collect()
}

/// What Python's tarfile reads, as lines of JSON.
const PYTHON: &str = r#"
import hashlib, json, sys, tarfile
tar = tarfile.open(sys.argv[1], "r:")
types = {b"0": "file", b"1": "hardlink", b"2": "symlink", b"3": "character", b"4": "block", b"5": "directory", b"6": "fifo"}
for m in tar:
    line = {"path": m.name[1:] or "/", "type": types[m.type], "mode": "%04o" % m.mode, "uid": m.uid, "gid": m.gid, "mtime": int(m.mtime)}
    if m.isreg():
        line["size"] = m.size
        line["at"] = m.offset_data
        line["sha256"] = "sha256:" + hashlib.sha256(tar.extractfile(m).read()).hexdigest()
    if m.islnk():
        line["target"] = m.linkname[1:]
    if m.issym():
        line["target"] = m.linkname
    if m.ischr() or m.isblk():
        line["device"] = [m.devmajor, m.devminor]
    x = "SCHILY.xattr."
    xattrs = {k[len(x):]: v.encode("utf-8", "surrogateescape").hex() for k, v in m.pax_headers.items() if k.startswith(x)}
    if xattrs:
        line["xattrs"] = xattrs
    assert m.uname == "" and m.gname == ""
    print(json.dumps(line))
"#;

#[test]
fn python_reads_every_field() {
    let bench = Bench::new();
    let expected: Vec<Line> =
        lines(&bench).into_iter().map(|line| Line { origins: [].into(), ..line }).collect();
    let (artifact, tar) = (bench.path("out").join(ARTIFACT), bench.path("plain.tar"));
    let shell = Shell::new().unwrap();
    cmd!(shell, "zstd --quiet --decompress {artifact} -o {tar}").run().unwrap();
    let read = cmd!(shell, "python3 -c {PYTHON} {tar}").quiet().read().unwrap();
    let read: Vec<Line> = read.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (read, expected) in read.iter().zip(&expected) {
        assert_eq!(read, expected);
    }
    assert_eq!(read.len(), expected.len());
}

#[test]
fn an_artifact_without_its_record_is_read_alike() {
    let bench = Bench::new();
    let expected: Vec<Line> =
        lines(&bench).into_iter().map(|line| Line { origins: [].into(), ..line }).collect();
    std::fs::remove_file(bench.path("out").join(FILES)).unwrap();
    let artifact = inspect::open(&bench.path("out").join(ARTIFACT)).unwrap();
    assert!(artifact.record.is_none());
    assert_eq!(artifact.paths(), expected);
    let error = artifact.why(&"/usr/bin/perl".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("no `files.json`"), "{error}");
}

#[test]
fn each_file_is_read_alone_with_and_without_the_index() {
    let bench = Bench::new();
    let lines = lines(&bench);
    let path = bench.path("out").join(ARTIFACT);
    let bare = bench.path("out").join("bare.tar.zst");
    let bytes = std::fs::read(&path).unwrap();
    let index = bytes.windows(4).rposition(|four| four == [0x5e, 0x2a, 0x4d, 0x18]).unwrap();
    std::fs::write(&bare, &bytes[..index]).unwrap();
    std::fs::copy(bench.path("out").join(FILES), bench.path("out").join("bare.files.json")).unwrap();
    let (fast, slow) = (inspect::open(&path).unwrap(), inspect::open(&bare).unwrap());
    for line in lines.iter().filter(|line| line.r#type == Type::File) {
        let mut out = Vec::new();
        fast.read(&line.path, &mut out).unwrap();
        assert_eq!(Some(Sha256::of(&out)), line.sha256, "{}", line.path);
    }
    for path in ["/usr/lib/two-pieces", "/usr/bin/perl5.40", "/etc/empty"] {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        fast.read(&path.parse().unwrap(), &mut one).unwrap();
        slow.read(&path.parse().unwrap(), &mut other).unwrap();
        assert!(one == other, "{path}");
    }
    let error = fast.read(&"/dev/null".parse().unwrap(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("`/dev/null` is not a regular file"), "{error}");
}

#[test]
fn why_names_the_input_and_who_asked() {
    let bench = Bench::new();
    lines(&bench);
    let artifact = inspect::open(&bench.path("out").join(ARTIFACT)).unwrap();
    let why = artifact.why(&"/bin/perl".parse().unwrap()).unwrap();
    assert_eq!(why.line.path.as_str(), "/usr/bin/perl");
    let owner = &why.owners[0];
    assert_eq!(owner.version.as_deref(), Some("1.2-3"));
    assert_eq!(owner.source.as_deref(), Some("trixie pool/main/bash.deb"));
    assert_eq!(owner.digest, Some(Sha256::of(b"bash").into()));
    assert_eq!(owner.asked, ["bash", "recipe"]);
    let shares = artifact.shares();
    let bytes: u64 = artifact.paths().iter().filter_map(|line| line.size).sum();
    assert_eq!((shares.len(), shares[0].owner.as_str(), shares[0].bytes), (1, "package `bash`", bytes));
    assert!(artifact.find(&"/nowhere".parse().unwrap()).is_err());
}

#[test]
fn a_file_of_nine_gigabytes_has_a_size_that_all_read() {
    let place = tempfile::tempdir().unwrap();
    let path: ImagePath = "/big".parse().unwrap();
    let size: u64 = 9 << 30;
    let tar = header(&path, &Meta::root(0o644, 0), Shape::File(size)).unwrap();
    let at = place.path().join("big.tar");
    let end = tar.len() as u64 + size;
    std::fs::write(&at, &tar).unwrap();
    // the rest is a hole: nine gigabytes of zeros and the end of the archive
    std::fs::OpenOptions::new().write(true).open(&at).unwrap().set_len(end + 1024).unwrap();
    let shell = Shell::new().unwrap();
    let listed = cmd!(shell, "tar --numeric-owner -tvf {at}").read().unwrap();
    assert!(listed.contains(" 9663676416 ") && listed.ends_with("./big"), "{listed}");
    let script = "import sys, tarfile; print([(m.name, m.size) for m in tarfile.open(sys.argv[1])])";
    let read = cmd!(shell, "python3 -c {script} {at}").read().unwrap();
    assert_eq!(read, "[('./big', 9663676416)]");
}
