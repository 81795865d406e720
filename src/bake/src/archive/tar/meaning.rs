//! What a header with its extensions means: an entry, or a refusal.

use super::header::Header;
use super::pax::{self, Pax};
use super::{Owners, Policy, Shape, TarEntry, TarError, owners};
use std::collections::BTreeMap;
use tree::Meta;
use tree::name::ImagePath;

/// The longest extension: paths have at most 4095 bytes, so there is room for a hundred attributes.
pub(super) const MAX_EXTENSION: usize = 64 << 10;

/// What comes before a header and changes it: one PAX header, or a GNU long name and a long link.
#[derive(Debug, Default)]
pub(super) struct Extension {
    pax: Option<Pax>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

/// A header after its extensions were applied.
pub(super) struct Facts {
    header: Header,
    xattrs: BTreeMap<String, Vec<u8>>,
}

/// Whether a header of this kind is only there for the next one.
pub(super) fn is_extension(kind: u8) -> bool {
    matches!(kind, b'x' | b'g' | b'L' | b'K')
}

impl Extension {
    /// Adds the content of a header of this kind.
    pub(super) fn add(&mut self, kind: u8, bytes: Vec<u8>, policy: &Policy) -> Result<(), String> {
        let (twice, mixed) = match kind {
            b'x' => (self.pax.is_some(), self.long_name.is_some() || self.long_link.is_some()),
            b'L' => (self.long_name.is_some(), self.pax.is_some()),
            b'K' => (self.long_link.is_some(), self.pax.is_some()),
            _ => return Err("global extended header".to_owned()),
        };
        if twice {
            return Err(format!("two `{}` headers for one entry", char::from(kind)));
        }
        if mixed {
            return Err("PAX and GNU extensions for one entry".to_owned());
        }
        match kind {
            b'x' if !policy.pax => return Err("PAX header, which dpkg does not accept".to_owned()),
            b'x' => self.pax = Some(pax::parse(&bytes)?),
            b'L' => self.long_name = Some(long(bytes)?),
            _ => self.long_link = Some(long(bytes)?),
        }
        Ok(())
    }

    /// An archive must not end after an extension.
    pub(super) fn must_be_empty(&self) -> Result<(), String> {
        match (&self.pax, &self.long_name, &self.long_link) {
            (None, None, None) => Ok(()),
            _ => Err("extension header without an entry".to_owned()),
        }
    }

    /// The header as the extensions have it.
    pub(super) fn apply(self, mut header: Header) -> Result<Facts, String> {
        let is_link = matches!(header.kind, b'1' | b'2');
        let pax = self.pax.unwrap_or_default();
        if (self.long_link.is_some() || pax.link.is_some()) && !is_link {
            return Err("link target for an entry that is not a link".to_owned());
        }
        // readers differ in which of two sizes they take, so there are never two
        if let Some(size) = pax.size.filter(|&size| size != header.size) {
            return Err(format!("size, expected {size} as in its PAX header, found {}", header.size));
        }
        if let Some(name) = self.long_name.or(pax.path) {
            header.name = name;
        }
        if let Some(link) = self.long_link.or(pax.link) {
            header.link = link;
        }
        header.uid = pax.uid.unwrap_or(header.uid);
        header.gid = pax.gid.unwrap_or(header.gid);
        header.mtime = pax.mtime.unwrap_or(header.mtime);
        header.user = pax.user.unwrap_or(header.user);
        header.group = pax.group.unwrap_or(header.group);
        Ok(Facts { header, xattrs: pax.xattrs })
    }
}

/// The entry that a header means; its content starts at `offset`.
pub(super) fn entry(facts: Facts, policy: &Policy, depth: usize, offset: u64) -> Result<TarEntry, TarError> {
    let Facts { header, xattrs } = facts;
    let is_directory = header.kind == b'5';
    let path = path(&header.name, is_directory, depth)?;
    let forbidden = |what: &str| TarError::Forbidden { path: path.clone(), what: what.to_owned() };
    let shape = match header.kind {
        b'0' => Shape::File { offset, size: header.size },
        b'1' => Shape::Hardlink(self::path(&header.link, false, depth)?),
        b'2' => Shape::Symlink(target(&path, &header.link)?),
        b'5' => Shape::Directory,
        b'3' | b'4' | b'6' if !policy.devices => return Err(forbidden("the type of a device or FIFO")),
        b'3' => Shape::Character { major: header.major, minor: header.minor },
        b'4' => Shape::Block { major: header.major, minor: header.minor },
        b'6' => Shape::Fifo,
        b'S' => return Err(forbidden("a sparse map")),
        kind => return Err(forbidden(&format!("the unknown type `{}`", kind.escape_ascii()))),
    };
    if header.size != 0 && header.kind != b'0' {
        return Err(forbidden("content though it is not a regular file"));
    }
    if !header.link.is_empty() && !matches!(header.kind, b'1' | b'2') {
        return Err(forbidden("a link target though it is not a link"));
    }
    if path == ImagePath::root() && !is_directory {
        return Err(forbidden("the path of the root though it is not a directory"));
    }
    if let Some(name) = xattrs.keys().next().filter(|_| !policy.xattrs) {
        return Err(forbidden(&format!("the extended attribute `{name}`")));
    }
    let meta = Meta {
        mode: mode(&header, policy).map_err(|what| forbidden(&what))?,
        uid: owner(policy, owners::user, header.uid, &header.user)
            .ok_or_else(|| forbidden(&odd("owner", header.uid, &header.user)))?,
        gid: owner(policy, owners::group, header.gid, &header.group)
            .ok_or_else(|| forbidden(&odd("group", header.gid, &header.group)))?,
        mtime: i64::try_from(header.mtime).map_err(|_| forbidden("a time out of range"))?,
        xattrs,
    };
    Ok(TarEntry { path, meta, shape })
}

/// A GNU long name: text, then one NUL.
fn long(mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let nul = bytes.pop();
    if nul != Some(0) || bytes.is_empty() || bytes.contains(&0) {
        return Err("long name that is not NUL-terminated text".to_owned());
    }
    Ok(bytes)
}

/// `./a/b`, `a/b`, with a trailing slash for a directory; `./` is the root.
fn path(name: &[u8], is_directory: bool, depth: usize) -> Result<ImagePath, TarError> {
    let wrong = |what: String| TarError::Path { path: shortened(name), what };
    let text = std::str::from_utf8(name).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    if text == "./" && is_directory {
        return Ok(ImagePath::root());
    }
    let text = text.strip_prefix("./").unwrap_or(text);
    let text = if is_directory { text.strip_suffix('/').unwrap_or(text) } else { text };
    if text.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    if text.starts_with('/') {
        return Err(wrong("it is absolute".to_owned()));
    }
    if text.split('/').count() > depth {
        return Err(wrong(format!("it has more than {depth} parts")));
    }
    format!("/{text}").parse().map_err(|error: tree::name::NameError| wrong(error.to_string()))
}

/// The target of a symbolic link: any text, since nothing is ever written through it.
fn target(path: &ImagePath, link: &[u8]) -> Result<String, TarError> {
    let forbidden = |what: &str| TarError::Forbidden { path: path.clone(), what: what.to_owned() };
    let text = std::str::from_utf8(link).map_err(|_| forbidden("a link target that is not UTF-8"))?;
    if text.is_empty() || text.len() > 4095 || text.contains(tree::refusal::hides) {
        return Err(forbidden("a link target that is empty, too long, or has invisible characters"));
    }
    Ok(text.to_owned())
}

fn mode(header: &Header, policy: &Policy) -> Result<u16, String> {
    let format = match header.kind {
        b'0' | b'1' => 0o100_000,
        b'2' => 0o120_000,
        b'3' => 0o020_000,
        b'4' => 0o060_000,
        b'5' => 0o040_000,
        _ => 0o010_000,
    };
    // some writers leave the type's bits in the mode
    let odd = || format!("the unsupported mode {:o}", header.mode);
    let bits = if header.mode & !0o7777 == format { header.mode & 0o7777 } else { header.mode };
    let bits = u16::try_from(bits).ok().filter(|bits| *bits <= 0o7777).ok_or_else(odd)?;
    if bits & 0o7000 != 0 && !policy.special_bits {
        return Err(format!("the setuid, setgid or sticky bit (mode {bits:04o})"));
    }
    Ok(bits)
}

fn owner(policy: &Policy, known: fn(u64, &[u8]) -> Option<u32>, id: u64, name: &[u8]) -> Option<u32> {
    match policy.owners {
        Owners::Static => known(id, name),
        Owners::Root => Some(0),
        Owners::Any => u32::try_from(id).ok(),
    }
}

fn odd(what: &str, id: u64, name: &[u8]) -> String {
    format!("the unexpected {what} {id} ({})", shortened(name))
}

fn shortened(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(160).collect()
}
