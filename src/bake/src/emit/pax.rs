//! Headers of a tar archive: POSIX.1-2001 `pax`, with as little of it as each entry needs.
//!
//! ```text
//! [ header x ][ records ]  header  content, filled up to 512 bytes   …   two blocks of zeros
//! ```
//! The plain `ustar` header comes first in thought: an entry that fits it gets nothing else, so that the smallest
//! readers (busybox, a boot loader) read it. A `pax` header goes before it only for what does not fit: names that
//! are long or not ASCII, numbers too large for their octal field, extended attributes (`SCHILY.xattr.*`, as GNU
//! tar, bsdtar, Docker and `mke2fs -d` read them).
//!
//! The same entry always gives the same bytes: the records are sorted, the helper header has no time, no process id
//! and no owner, and no user or group is named, only numbered.
//!
//! Names begin with `./`, and those of directories end in `/`, as in Debian's own archives; the root is `./`.
//! Source of the format: POSIX.1-2017, `pax`, "pax Interchange Format" and "ustar Interchange Format".

use std::borrow::Cow;
use std::collections::BTreeMap;
use tree::name::ImagePath;
use tree::{Meta, Node};

/// The unit of a tar archive in bytes.
pub const BLOCK: usize = 512;

/// The largest `pax` header of one entry in bytes; more is no file of an operating system.
const MAX_RECORDS: usize = 256 << 10;

/// What a header says of an entry's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape<'a> {
    /// A directory.
    Directory,
    /// A regular file of this many bytes.
    File(u64),
    /// A symbolic link with its target, as written.
    Symlink(&'a str),
    /// Another name of the file at this path.
    Hardlink(&'a ImagePath),
    /// A character device: major, minor.
    Character(u32, u32),
    /// A block device: major, minor.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// An entry that no tar archive can say in a way that all readers understand alike.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unfit {
    /// `=` or `%` in the name of an attribute: readers disagree on how it is written.
    #[error("`{0}`: attribute `{1}` has a name that tar readers do not agree on")]
    Attribute(ImagePath, String),
    /// More attributes than a file may have.
    #[error("`{0}`: expected at most {MAX_RECORDS} bytes of attributes and names, found {1}")]
    Records(ImagePath, usize),
    /// A device number that has no room in the header.
    #[error("`{0}`: device number {1}:{2} does not fit a tar header")]
    Device(ImagePath, u32, u32),
}

impl<'a> From<&'a Node> for Shape<'a> {
    fn from(node: &'a Node) -> Self {
        match node {
            Node::Directory => Self::Directory,
            Node::File(content) => Self::File(content.len()),
            Node::Symlink(target) => Self::Symlink(target),
            Node::Hardlink(target) => Self::Hardlink(target),
            Node::Character { major, minor } => Self::Character(*major, *minor),
            Node::Block { major, minor } => Self::Block(*major, *minor),
            Node::Fifo => Self::Fifo,
        }
    }
}

/// All header blocks of an entry: what stands in the archive before its content.
pub fn header(path: &ImagePath, meta: &Meta, shape: Shape<'_>) -> Result<Vec<u8>, Unfit> {
    let name = member(path, shape == Shape::Directory);
    let mut records: BTreeMap<String, Cow<'_, [u8]>> = BTreeMap::new();
    let mut block = Ustar::new(type_flag(shape));

    if !(block.name(&name) && name.is_ascii()) {
        records.insert("path".into(), Cow::Owned(name.into_bytes()));
    }
    let target = match shape {
        Shape::Symlink(target) => Cow::Borrowed(target),
        Shape::Hardlink(target) => Cow::Owned(member(target, false)),
        _ => Cow::Borrowed(""),
    };
    if !(block.text(LINK_NAME, &target) && target.is_ascii()) {
        records.insert("linkpath".into(), Cow::Owned(target.into_owned().into_bytes()));
    }
    if let Shape::Character(major, minor) | Shape::Block(major, minor) = shape {
        let fits = block.octal(MAJOR, major.into()) && block.octal(MINOR, minor.into());
        if !fits {
            return Err(Unfit::Device(path.clone(), major, minor));
        }
    }
    block.octal(MODE, meta.mode.into());
    let size = if let Shape::File(len) = shape { len } else { 0 };
    let time = u64::try_from(meta.mtime).unwrap_or(u64::MAX);
    let numbers = [
        (UID, "uid", u64::from(meta.uid), i128::from(meta.uid)),
        (GID, "gid", u64::from(meta.gid), i128::from(meta.gid)),
        (SIZE, "size", size, i128::from(size)),
        (MTIME, "mtime", time, i128::from(meta.mtime)),
    ];
    for (field, keyword, value, exact) in numbers {
        if !block.octal(field, value) {
            records.insert(keyword.into(), Cow::Owned(exact.to_string().into_bytes()));
        }
    }
    // a hard link has the attributes of the file that it is
    if !matches!(shape, Shape::Hardlink(_)) {
        for (name, value) in &meta.xattrs {
            if name.contains(['=', '%']) {
                return Err(Unfit::Attribute(path.clone(), name.clone()));
            }
            records.insert(format!("SCHILY.xattr.{name}"), Cow::Borrowed(value));
        }
    }

    let body: Vec<u8> = records.iter().flat_map(|(keyword, value)| record(keyword, value)).collect();
    if body.len() > MAX_RECORDS {
        return Err(Unfit::Records(path.clone(), body.len()));
    }
    let mut out = Vec::with_capacity(BLOCK);
    if !body.is_empty() {
        let mut helper = Ustar::new(b'x');
        helper.name("././@PaxHeader");
        helper.octal(MODE, 0o644);
        helper.octal(SIZE, body.len() as u64);
        out.extend(helper.finish());
        out.extend(&body);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.extend(block.finish());
    Ok(out)
}

/// How many zero bytes follow a content of `len` bytes.
#[must_use]
pub fn padding(len: u64) -> usize {
    let over = len % BLOCK as u64;
    // less than 512, so it fits
    if over == 0 { 0 } else { BLOCK - usize::try_from(over).unwrap_or(0) }
}

fn member(path: &ImagePath, directory: bool) -> String {
    let relative = path.relative();
    let slash = if directory && !relative.is_empty() { "/" } else { "" };
    format!("./{relative}{slash}")
}

fn type_flag(shape: Shape<'_>) -> u8 {
    match shape {
        Shape::File(_) => b'0',
        Shape::Hardlink(_) => b'1',
        Shape::Symlink(_) => b'2',
        Shape::Character(..) => b'3',
        Shape::Block(..) => b'4',
        Shape::Directory => b'5',
        Shape::Fifo => b'6',
    }
}

/// `<length> <keyword>=<value>\n`, where the length counts itself.
fn record(keyword: &str, value: &[u8]) -> Vec<u8> {
    let rest = keyword.len() + value.len() + 3;
    let mut len = rest + rest.to_string().len();
    // one more digit may make it one longer, never more
    len = rest + len.to_string().len();
    let mut out = format!("{len} {keyword}=").into_bytes();
    out.extend(value);
    out.push(b'\n');
    out
}

type Field = std::ops::Range<usize>;
const NAME: Field = 0..100;
const MODE: Field = 100..108;
const UID: Field = 108..116;
const GID: Field = 116..124;
const SIZE: Field = 124..136;
const MTIME: Field = 136..148;
const CHECKSUM: Field = 148..156;
const TYPE_FLAG: usize = 156;
const LINK_NAME: Field = 157..257;
const MAGIC: Field = 257..265;
const MAJOR: Field = 329..337;
const MINOR: Field = 337..345;
const PREFIX: Field = 345..500;

/// One block of a header.
struct Ustar([u8; BLOCK]);

impl Ustar {
    fn new(type_flag: u8) -> Self {
        let mut block = Self([0; BLOCK]);
        block.0[MAGIC].copy_from_slice(b"ustar\x0000");
        block.0[TYPE_FLAG] = type_flag;
        for number in [MODE, UID, GID, SIZE, MTIME, MAJOR, MINOR] {
            block.octal(number, 0);
        }
        block
    }

    /// Writes as much of `text` as there is room for; false when that is not all.
    fn text(&mut self, field: Field, text: &str) -> bool {
        let len = text.len().min(field.len());
        self.0[field][..len].copy_from_slice(&text.as_bytes()[..len]);
        len == text.len()
    }

    /// The name, divided at a `/` into prefix and name where it is long; false when it does not fit so.
    fn name(&mut self, name: &str) -> bool {
        if name.len() <= NAME.len() {
            return self.text(NAME, name);
        }
        // the leftmost place where the rest is short enough; a directory's own last `/` is no such place
        let from = name.len() - NAME.len() - 1;
        let at = name.as_bytes()[from..name.len() - 1].iter().position(|&byte| byte == b'/');
        match at.map(|at| from + at) {
            Some(at) if at <= PREFIX.len() => {
                self.text(PREFIX, &name[..at]) && self.text(NAME, &name[at + 1..])
            }
            _ => self.text(NAME, name),
        }
    }

    /// Octal digits and a NUL; all zeros and false when `value` has too many digits.
    fn octal(&mut self, field: Field, value: u64) -> bool {
        let digits = field.len() - 1;
        let fits = value >> (3 * digits) == 0;
        let text = format!("{:0digits$o}", if fits { value } else { 0 });
        self.text(field, &text);
        fits
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.0[CHECKSUM].fill(b' ');
        let sum: u32 = self.0.iter().map(|&byte| u32::from(byte)).sum();
        self.text(CHECKSUM, &format!("{sum:06o}\0 "));
        self.0
    }
}

#[cfg(test)]
mod property;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ImagePath {
        text.parse().unwrap()
    }

    fn blocks(at: &str, shape: Shape<'_>) -> usize {
        header(&path(at), &Meta::root(0o644, 0), shape).unwrap().len() / BLOCK
    }

    #[test]
    fn what_fits_the_plain_header_has_no_other() {
        let deep = format!("/{}/{}", "d".repeat(150), "f".repeat(99));
        for (at, shape) in [
            ("/", Shape::Directory),
            ("/usr/bin", Shape::Directory),
            ("/usr/bin/x", Shape::File((1 << 33) - 1)),
            ("/dev/null", Shape::Character(1, 3)),
            (&deep, Shape::File(0)),
        ] {
            assert_eq!(blocks(at, shape), 1, "{at}");
        }
    }

    #[test]
    fn what_does_not_fit_has_records() {
        let long = format!("/{}", "n".repeat(101));
        let target = "t".repeat(101);
        for (at, shape) in [
            (long.as_str(), Shape::File(0)),
            ("/é", Shape::Fifo),
            ("/big", Shape::File(1 << 33)),
            ("/l", Shape::Symlink(&target)),
            ("/l", Shape::Symlink("é")),
        ] {
            assert_eq!(blocks(at, shape), 3, "{at} {shape:?}");
        }
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for len in [1, 80, 90, 91, 92, 93, 94, 95, 990, 991, 992, 993, 9_985, 9_990] {
            let record = record("path", &vec![b'a'; len]);
            let digits: String = record
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .map(|&byte| char::from(byte))
                .collect();
            assert_eq!(digits.parse::<usize>().unwrap(), record.len(), "{len}");
        }
    }

    #[test]
    fn what_readers_disagree_on_is_refused() {
        let mut meta = Meta::root(0o644, 0);
        meta.xattrs.insert("user.a=b".into(), vec![1]);
        assert!(matches!(header(&path("/a"), &meta, Shape::File(0)), Err(Unfit::Attribute(..))));
        meta.xattrs = [("user.a".to_owned(), vec![0; MAX_RECORDS])].into();
        assert!(matches!(header(&path("/a"), &meta, Shape::File(0)), Err(Unfit::Records(..))));
        let device = Shape::Block(1 << 21, 0);
        assert!(matches!(header(&path("/a"), &Meta::root(0, 0), device), Err(Unfit::Device(..))));
    }

    #[test]
    fn the_padding_fills_a_block() {
        for (len, expected) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(len), expected, "{len}");
        }
    }
}
