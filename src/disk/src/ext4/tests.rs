//! The real tools as judges: `e2fsck` finds nothing to mend, and `debugfs` reads back what the tree says.

use super::{Options, ext4};
use crate::{ALIGN, Image};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use tree::chunk::{Part, Range};
use tree::digest::Sha256;
use tree::name::ImagePath;
use tree::{Content, Entry, Meta, Node, Origin, PIECE, Stored, Tree};

mod copies;
mod entries;
mod hashed;
mod large;
mod limits;
mod property;
mod sizes;

const EPOCH: i64 = 1_790_000_000;

fn options() -> Options {
    Options {
        uuid: *b"\x12\x34\x56\x78\x9a\xbc\x8e\xf0\x81\x23\x45\x67\x89\xab\xcd\xef",
        hash_seed: *b"\x01\x02\x03\x04\x05\x06\x87\x08\x89\x10\x11\x12\x13\x14\x15\x16",
        label: "root".to_owned(),
        epoch: EPOCH,
        reserve: 8 << 20,
        least: 0,
        grown: 128 << 30,
    }
}

fn origin() -> Origin {
    Origin::Made { step: "test".to_owned() }
}

fn path(text: &str) -> ImagePath {
    text.parse().unwrap()
}

fn tree(entries: impl IntoIterator<Item = (String, Meta, Node)>) -> Tree {
    let mut tree = Tree::new(origin(), EPOCH);
    for (at, meta, node) in entries {
        let at = path(&at);
        tree.make_parents(&at, &origin(), EPOCH);
        tree.insert(&at, Entry { meta, node, origins: [origin()].into() }).unwrap();
    }
    tree.finish().unwrap()
}

fn file(len: usize) -> Node {
    let bytes: Vec<u8> = (0..len).map(|at| (at * 31 + len + at / 251).to_le_bytes()[0]).collect();
    Node::File(Content::Inline(Arc::from(bytes)))
}

/// A file of any length whose pieces each begin with their number, and are zero behind it.
fn marked(len: u64) -> Node {
    let digest = Sha256::of(&len.to_le_bytes());
    let pieces = if len > PIECE {
        (0..len.div_ceil(PIECE)).map(|nth| Sha256::of(&nth.to_le_bytes())).collect()
    } else {
        Vec::new()
    };
    Node::File(Content::Stored(Stored { blob: digest, offset: 0, len, digest, pieces }))
}

/// A file system on disk.
struct Volume {
    dir: tempfile::TempDir,
    path: PathBuf,
    file: File,
}

impl Volume {
    fn of(tree: &Tree, options: &Options) -> Self {
        let image = ext4(tree, options).unwrap();
        keeps_its_promises(&image);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
        file.set_len(image.size).unwrap();
        for segment in &image.segments {
            let mut at = segment.offset;
            for part in &segment.chunk.parts {
                at += match part {
                    Part::Raw(bytes) => {
                        file.write_all_at(bytes, at).unwrap();
                        bytes.len() as u64
                    }
                    Part::Range(range) => {
                        file.write_all_at(&bytes(range), at).unwrap();
                        range.len
                    }
                };
            }
        }
        Self { dir, path, file }
    }

    /// Demands that `e2fsck` finds nothing at all.
    fn is_clean(&self) {
        let out = Command::new("/sbin/e2fsck").args(["-f", "-n"]).arg(&self.path).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        let known =
            |line: &str| line.starts_with("Pass ") || line.starts_with("root: ") && line.contains(" files (");
        let strange: Vec<&str> = text.lines().filter(|line| !known(line)).collect();
        assert!(
            out.status.success() && strange.is_empty(),
            "{text}\n{}",
            String::from_utf8_lossy(&out.stderr)
        );
        // it says nothing of the copies, which it would restore
        assert_eq!(copies::faults(&self.file), Vec::<String>::new());
    }

    /// The answers of `debugfs`, one for each command.
    fn debugfs(&self, commands: &[String]) -> Vec<String> {
        let script = self.dir.path().join("script");
        std::fs::write(&script, commands.join("\n")).unwrap();
        let out = Command::new("/sbin/debugfs").arg("-f").arg(&script).arg(&self.path).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        // each command is repeated before its answer
        let text = String::from_utf8(out.stdout).unwrap();
        let mut rest = text.as_str();
        let mut answers = Vec::new();
        for (nth, command) in commands.iter().enumerate() {
            rest = rest
                .strip_prefix(&format!("debugfs: {command}\n"))
                .unwrap_or_else(|| panic!("{command}: {rest}"));
            let end = commands.get(nth + 1).map_or(rest.len(), |next| {
                rest.find(&format!("debugfs: {next}\n")).unwrap_or_else(|| panic!("no answer to {next}"))
            });
            answers.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        answers
    }

    fn dumpe2fs(&self) -> String {
        let out = Command::new("/sbin/dumpe2fs").arg(&self.path).output().unwrap();
        assert!(out.status.success());
        String::from_utf8(out.stdout).unwrap()
    }
}

/// What a part has as bytes, as far as it is not zero.
fn bytes(range: &Range<'_>) -> Vec<u8> {
    let from = usize::try_from(range.offset).unwrap();
    match range.content {
        Content::Inline(bytes) => bytes[from..from + usize::try_from(range.len).unwrap()].to_vec(),
        Content::Stored(_) => (range.offset / PIECE).to_le_bytes().to_vec(),
    }
}

/// What every writer relies on.
fn keeps_its_promises(image: &Image<'_>) {
    assert!(image.size.is_multiple_of(1 << 20));
    let mut free = 0;
    for segment in &image.segments {
        let len: u64 = segment
            .chunk
            .parts
            .iter()
            .map(|part| match part {
                Part::Raw(bytes) => bytes.len() as u64,
                Part::Range(range) => range.len,
            })
            .sum();
        assert_eq!(len, segment.chunk.len);
        assert!(segment.offset.is_multiple_of(ALIGN) && segment.offset >= free, "{}", segment.offset);
        assert!((1..=PIECE + 4096).contains(&len), "{len}");
        free = (segment.offset + len).next_multiple_of(ALIGN);
    }
    assert!(image.segments.last().is_none_or(|last| last.offset + last.chunk.len <= image.size));
}

/// Demands that `debugfs` says of each entry what the tree says.
fn reads_back(tree: &Tree, volume: &Volume) {
    let dump = |nth: usize| volume.dir.path().join(format!("content{nth}"));
    let attribute = |nth: usize, name: &str| volume.dir.path().join(format!("attribute{nth}{name}"));
    let mut commands = Vec::new();
    for (nth, (path, entry)) in tree.iter().enumerate() {
        commands.push(format!("stat \"{path}\""));
        if let Node::File(Content::Inline(_)) = &entry.node {
            commands.push(format!("dump \"{path}\" {}", dump(nth).display()));
        }
        if long_link(&entry.node).is_some() {
            commands.push(format!("cat \"{path}\""));
        }
        for name in entry.meta.xattrs.keys() {
            commands.push(format!("ea_get -f {} \"{path}\" {name}", attribute(nth, name).display()));
        }
    }
    let answers = volume.debugfs(&commands);
    let mut answers = commands
        .iter()
        .zip(answers)
        .filter(|(command, _)| !command.starts_with("dump ") && !command.starts_with("ea_get "))
        .map(|pair| pair.1);
    let mut links = std::collections::BTreeMap::<&ImagePath, u32>::new();
    for (path, entry) in tree.iter() {
        match &entry.node {
            Node::File(_) => *links.entry(path).or_default() += 1,
            Node::Hardlink(target) => *links.entry(target).or_default() += 1,
            _ => {}
        }
    }
    for (nth, (path, entry)) in tree.iter().enumerate() {
        let said = answers.next().unwrap();
        let file = match &entry.node {
            Node::Hardlink(target) => target,
            _ => path,
        };
        for expected in facts(entry, links.get(file).copied()) {
            let found = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(found.contains(&expected), "{path}: expected `{expected}`, found:\n{said}");
        }
        if let Node::File(Content::Inline(bytes)) = &entry.node {
            assert!(std::fs::read(dump(nth)).unwrap() == **bytes, "{path}");
        }
        if let Some(target) = long_link(&entry.node) {
            assert_eq!(answers.next().unwrap(), target, "{path}");
        }
        for (name, value) in &entry.meta.xattrs {
            assert_eq!(&std::fs::read(attribute(nth, name)).unwrap(), value, "{path} {name}");
        }
    }
}

/// The target of a link that has a block; `stat` shows those of the others.
fn long_link(node: &Node) -> Option<&str> {
    match node {
        Node::Symlink(target) if target.len() >= 60 => Some(target),
        _ => None,
    }
}

/// What `stat` of `debugfs` says of an entry, blanks made one.
fn facts(entry: &Entry, links: Option<u32>) -> Vec<String> {
    let meta = &entry.meta;
    let (kind, size) = match &entry.node {
        Node::Directory => ("directory", None),
        Node::File(content) => ("regular", Some(content.len())),
        Node::Hardlink(_) => ("regular", None),
        Node::Symlink(target) => ("symlink", Some(target.len() as u64)),
        Node::Character { .. } => ("character special", Some(0)),
        Node::Block { .. } => ("block special", Some(0)),
        Node::Fifo => ("FIFO", Some(0)),
    };
    let mut facts = vec![
        format!("Type: {kind} Mode: 0{:03o}", meta.mode),
        format!("User: {} Group: {} ", meta.uid.cast_signed(), meta.gid.cast_signed()),
    ];
    facts.extend(size.map(|size| format!("Size: {size} ")));
    facts.extend(links.map(|links| format!("Links: {links} ")));
    let low = u32::try_from(meta.mtime.rem_euclid(1 << 32)).unwrap();
    let extra = (meta.mtime - i64::from(low.cast_signed())) >> 32;
    facts
        .extend(["atime", "mtime", "ctime", "crtime"].map(|name| format!("{name}: 0x{low:08x}:{extra:08x}")));
    match &entry.node {
        Node::Symlink(target) if target.len() < 60 => facts.push(format!("Fast link dest: \"{target}\"")),
        Node::Character { major, minor } | Node::Block { major, minor } => {
            facts.push(format!("Device major/minor number: {major:02}:{minor:02} "));
        }
        _ => {}
    }
    facts
}
