//! The note of an unpacked input: a compact binary form, since ten thousand members are read at each warm bake.
//!
//! ```text
//! note    = blob(32) blob-size(u64) count(u32) control* count(u32) member*
//! control = text(name) mode(u16) bytes
//! member  = text(path) mode(u16) uid(u32) gid(u32) mtime(i64) count(u32) (text bytes)* node
//! node    = 0 | 1 offset(u64) len(u64) digest(32) count(u32) digest(32)* | 2 text | 3 text
//!         | 4 major(u32) minor(u32) | 5 major(u32) minor(u32) | 6
//! text, bytes = length(u32) and as many bytes; numbers are little-endian
//! ```
//! The store authenticates a note. One that does not decode all the same is useless, and no error: the input is unpacked
//! again. The number in the kind changes with this form and with every policy that decides what an archive means.

use super::members::Blob;
use super::{ControlFile, Member, Package};
use store::Store;
use tree::digest::{Digest, Sha256};
use tree::refusal::Result;
use tree::{Content, Meta, Node, Stored};

const KIND: &str = "unpacked-2";

/// What a note of the input `digest`, unpacked as `form`, is kept under.
pub(super) fn key(form: &str, digest: &Digest) -> Sha256 {
    Sha256::of(format!("{form} {digest}").as_bytes())
}

/// What is noted, while the blob that its members are ranges of is in the store.
pub(super) fn get(store: &Store, key: &Sha256) -> Option<Package> {
    find(store, key).map(|(_, package)| package)
}

/// What is noted, with that blob.
pub(super) fn find(store: &Store, key: &Sha256) -> Option<(Blob, Package)> {
    let (blob, package) = decode(&store.note(KIND, key)?)?;
    let name = blob.digest.into();
    match store.has(&name, blob.size) {
        Ok(there) => there.then_some((blob, package)),
        // no plain file: out of the way of the one that is made now
        Err(_) => {
            store.reject(&store.blob_path(&name));
            None
        }
    }
}

/// Notes `package`, whose members are ranges of `blob`.
pub(super) fn put(store: &Store, key: &Sha256, blob: Blob, package: &Package) -> Result<()> {
    match encode(blob, package) {
        Some(bytes) => store.put_note(KIND, key, &bytes),
        // what does not fit the form is unpacked each time
        None => Ok(()),
    }
}

fn encode(blob: Blob, package: &Package) -> Option<Vec<u8>> {
    let mut out = Writer(Vec::with_capacity(64 + 200 * package.members.len()));
    out.raw(&blob.digest.0);
    out.raw(&blob.size.to_le_bytes());
    out.count(package.control.len())?;
    for file in &package.control {
        out.bytes(file.name.as_bytes())?;
        out.raw(&file.mode.to_le_bytes());
        out.bytes(&file.bytes)?;
    }
    out.count(package.members.len())?;
    for member in &package.members {
        out.bytes(member.path.as_str().as_bytes())?;
        out.meta(&member.meta)?;
        out.node(&member.node, blob.digest)?;
    }
    Some(out.0)
}

fn decode(bytes: &[u8]) -> Option<(Blob, Package)> {
    let mut input = Reader(bytes);
    let blob = Blob { digest: Sha256(input.raw()?), size: u64::from_le_bytes(input.raw()?) };
    // vectors grow as they are filled: a count that is wrong takes no memory
    let mut package = Package { control: Vec::new(), members: Vec::new() };
    for _ in 0..input.count()? {
        let name = input.text()?.to_owned();
        let mode = u16::from_le_bytes(input.raw()?);
        package.control.push(ControlFile { name, mode, bytes: input.bytes()?.into() });
    }
    for _ in 0..input.count()? {
        let path = input.text()?.parse().ok()?;
        package.members.push(Member { path, meta: input.meta()?, node: input.node(blob.digest)? });
    }
    input.0.is_empty().then_some((blob, package))
}

struct Writer(Vec<u8>);

impl Writer {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn count(&mut self, count: usize) -> Option<()> {
        self.raw(&u32::try_from(count).ok()?.to_le_bytes());
        Some(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.count(bytes.len())?;
        self.raw(bytes);
        Some(())
    }

    fn meta(&mut self, meta: &Meta) -> Option<()> {
        self.raw(&meta.mode.to_le_bytes());
        self.raw(&meta.uid.to_le_bytes());
        self.raw(&meta.gid.to_le_bytes());
        self.raw(&meta.mtime.to_le_bytes());
        self.count(meta.xattrs.len())?;
        for (name, value) in &meta.xattrs {
            self.bytes(name.as_bytes())?;
            self.bytes(value)?;
        }
        Some(())
    }

    fn node(&mut self, node: &Node, blob: Sha256) -> Option<()> {
        match node {
            Node::Directory => self.raw(&[0]),
            Node::File(Content::Stored(stored)) if stored.blob == blob => {
                self.raw(&[1]);
                self.raw(&stored.offset.to_le_bytes());
                self.raw(&stored.len.to_le_bytes());
                self.raw(&stored.digest.0);
                self.count(stored.pieces.len())?;
                stored.pieces.iter().for_each(|piece| self.raw(&piece.0));
            }
            Node::File(_) => return None,
            Node::Symlink(target) => {
                self.raw(&[2]);
                self.bytes(target.as_bytes())?;
            }
            Node::Hardlink(target) => {
                self.raw(&[3]);
                self.bytes(target.as_str().as_bytes())?;
            }
            Node::Character { major, minor } | Node::Block { major, minor } => {
                self.raw(&[if matches!(node, Node::Character { .. }) { 4 } else { 5 }]);
                self.raw(&major.to_le_bytes());
                self.raw(&minor.to_le_bytes());
            }
            Node::Fifo => self.raw(&[6]),
        }
        Some(())
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn raw<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.raw()?)).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn meta(&mut self) -> Option<Meta> {
        let mode = u16::from_le_bytes(self.raw()?);
        let (uid, gid) = (u32::from_le_bytes(self.raw()?), u32::from_le_bytes(self.raw()?));
        let mut meta = Meta { uid, gid, ..Meta::root(mode, i64::from_le_bytes(self.raw()?)) };
        for _ in 0..self.count()? {
            meta.xattrs.insert(self.text()?.to_owned(), self.bytes()?.to_vec());
        }
        Some(meta)
    }

    fn node(&mut self, blob: Sha256) -> Option<Node> {
        let [tag] = self.raw()?;
        Some(match tag {
            0 => Node::Directory,
            1 => {
                let (offset, len) = (u64::from_le_bytes(self.raw()?), u64::from_le_bytes(self.raw()?));
                let digest = Sha256(self.raw()?);
                let mut pieces = Vec::new();
                for _ in 0..self.count()? {
                    pieces.push(Sha256(self.raw()?));
                }
                Node::File(Content::Stored(Stored { blob, offset, len, digest, pieces }))
            }
            2 => Node::Symlink(self.text()?.to_owned()),
            3 => Node::Hardlink(self.text()?.parse().ok()?),
            4 => Node::Character {
                major: u32::from_le_bytes(self.raw()?),
                minor: u32::from_le_bytes(self.raw()?),
            },
            5 => {
                Node::Block { major: u32::from_le_bytes(self.raw()?), minor: u32::from_le_bytes(self.raw()?) }
            }
            6 => Node::Fifo,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Blob, Package) {
        let blob = Blob { digest: Sha256::of(b"blob"), size: 77 };
        let stored =
            |pieces| Stored { blob: blob.digest, offset: 512, len: 9, digest: Sha256::of(b"file"), pieces };
        let mut meta = Meta { uid: 6, gid: 12, ..Meta::root(0o4755, 1_700_000_000) };
        let nodes = [
            Node::Directory,
            Node::File(Content::Stored(stored(vec![]))),
            Node::File(Content::Stored(stored(vec![Sha256::of(b"1"), Sha256::of(b"2")]))),
            Node::Symlink("../x".to_owned()),
            Node::Hardlink("/a1".parse().unwrap()),
            Node::Character { major: 1, minor: 3 },
            Node::Block { major: 8, minor: 0 },
            Node::Fifo,
        ];
        let members = nodes.into_iter().enumerate().map(|(n, node)| {
            meta.xattrs.insert(format!("user.{n}"), vec![0; n]);
            Member { path: format!("/a{n}").parse().unwrap(), meta: meta.clone(), node }
        });
        let control =
            vec![ControlFile { name: "control".to_owned(), mode: 0o644, bytes: b"Package: x\n"[..].into() }];
        (blob, Package { control, members: members.collect() })
    }

    #[test]
    fn what_was_noted_is_read_again() {
        let (blob, package) = sample();
        assert_eq!(decode(&encode(blob, &package).unwrap()), Some((blob, package)));
    }

    #[test]
    fn a_note_cut_or_continued_is_no_note() {
        let (blob, package) = sample();
        let bytes = encode(blob, &package).unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(decode(&[&bytes[..], b"x"].concat()), None);
    }
}
