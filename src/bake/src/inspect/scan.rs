//! The archive of an artifact read without its record.
//!
//! Only what `emit` writes is understood, and this is checked the strict way: a header is read into a line, the line is
//! made into a header again, and both must be the same to the bit. So there is one meaning to each archive or none.

use crate::emit::pax::{BLOCK, padding};
use crate::emit::{Line, Type};
use sha2::Digest as _;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use tree::digest::Sha256;
use tree::name::ImagePath;

/// The most paths that are listed.
const MAX_PATHS: usize = 200_000;
/// The most bytes of records before one header.
const MAX_RECORDS: u64 = 256 << 10;

/// An archive that is not of the form that `emit` writes.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// A header that this program does not write.
    #[error("the header at byte {0} of the archive is not one that vmbake writes")]
    Header(u64),
    /// A path that is not after the one before.
    #[error("`{0}` is out of order")]
    Order(ImagePath),
    /// Too many.
    #[error("more than {MAX_PATHS} paths")]
    Paths,
    /// Trailing data.
    #[error("trailing data after the end of the archive")]
    Trailing,
    /// It cannot be read or decompressed.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
}

/// Lists a tar stream.
pub(super) fn scan(mut tar: impl Read) -> Result<Vec<Line>, ScanError> {
    let mut lines: Vec<Line> = Vec::new();
    let mut at = 0;
    while let Some((header, mut line)) = line(&mut tar, at)? {
        if line.header().as_ref() != Some(&header) {
            return Err(ScanError::Header(at));
        }
        if lines.last().is_some_and(|before| before.path >= line.path) {
            return Err(ScanError::Order(line.path));
        }
        if lines.len() == MAX_PATHS {
            return Err(ScanError::Paths);
        }
        at += header.len() as u64;
        if let Some(size) = line.size {
            line.at = Some(at);
            line.sha256 = Some(content(&mut tar, size)?);
            let fill = padding(size);
            let mut rest = [0; BLOCK];
            tar.read_exact(&mut rest[..fill])?;
            at = at.saturating_add(size).saturating_add(fill as u64);
        }
        lines.push(line);
    }
    Ok(lines)
}

fn content(tar: &mut impl Read, size: u64) -> Result<Sha256, ScanError> {
    let mut hasher = sha2::Sha256::new();
    let mut limited = tar.take(size);
    let mut buffer = vec![0; 64 << 10];
    let mut seen = 0;
    loop {
        match limited.read(&mut buffer)? {
            0 if seen == size => return Ok(Sha256(hasher.finalize().into())),
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            count => {
                hasher.update(&buffer[..count]);
                seen += count as u64;
            }
        }
    }
}

/// The next header with what it says; none at the end.
fn line(tar: &mut impl Read, at: u64) -> Result<Option<(Vec<u8>, Line)>, ScanError> {
    let wrong = || ScanError::Header(at);
    let mut header = vec![0; BLOCK];
    tar.read_exact(&mut header)?;
    if header.iter().all(|&byte| byte == 0) {
        let mut rest = Vec::new();
        tar.take(2 * BLOCK as u64).read_to_end(&mut rest)?;
        return if rest == [0; BLOCK] { Ok(None) } else { Err(ScanError::Trailing) };
    }
    let mut records = BTreeMap::new();
    if header[156] == b'x' {
        let len = octal(&header[124..136]).filter(|&len| len <= MAX_RECORDS).ok_or_else(wrong)?;
        let mut body = vec![0; usize::try_from(len).map_err(|_| wrong())? + padding(len)];
        tar.read_exact(&mut body)?;
        records = self::records(&body[..usize::try_from(len).map_err(|_| wrong())?]).ok_or_else(wrong)?;
        header.extend(body);
        let start = header.len();
        header.resize(start + BLOCK, 0);
        tar.read_exact(&mut header[start..])?;
    }
    let line = read(&header[header.len() - BLOCK..], &records).ok_or_else(wrong)?;
    Ok(Some((header, line)))
}

/// What a header and its records say, as far as they can be said in a line at all.
fn read(block: &[u8], records: &BTreeMap<String, Vec<u8>>) -> Option<Line> {
    let text = |keyword: &str, plain: String| match records.get(keyword) {
        Some(value) => String::from_utf8(value.clone()).ok(),
        None => Some(plain),
    };
    let number = |keyword: &str, field: &[u8]| match records.get(keyword) {
        Some(value) => std::str::from_utf8(value).ok()?.parse::<i128>().ok(),
        None => octal(field).map(i128::from),
    };
    let (prefix, short) = (field(&block[345..500]), field(&block[..100]));
    let name = text("path", if prefix.is_empty() { short } else { format!("{prefix}/{short}") })?;
    let target = text("linkpath", field(&block[157..257]))?;
    let device =
        || Some((octal(&block[329..337])?.try_into().ok()?, octal(&block[337..345])?.try_into().ok()?));
    let (r#type, target, device) = match block[156] {
        b'0' => (Type::File, None, None),
        b'1' => (Type::Hardlink, Some(absolute(&target)?), None),
        b'2' => (Type::Symlink, Some(target), None),
        b'3' => (Type::Character, None, Some(device()?)),
        b'4' => (Type::Block, None, Some(device()?)),
        b'5' => (Type::Directory, None, None),
        b'6' => (Type::Fifo, None, None),
        _ => return None,
    };
    let size = u64::try_from(number("size", &block[124..136])?).ok()?;
    let xattr = |(keyword, value): (&String, &Vec<u8>)| {
        Some((keyword.strip_prefix("SCHILY.xattr.")?.to_owned(), base16ct::lower::encode_string(value)))
    };
    Some(Line {
        path: absolute(&name)?.parse().ok()?,
        r#type,
        mode: format!("{:04o}", octal(&block[100..108])?),
        uid: number("uid", &block[108..116])?.try_into().ok()?,
        gid: number("gid", &block[116..124])?.try_into().ok()?,
        mtime: number("mtime", &block[136..148])?.try_into().ok()?,
        size: (r#type == Type::File).then_some(size),
        sha256: None,
        at: None,
        target,
        device,
        xattrs: records.iter().filter_map(xattr).collect(),
        origins: BTreeSet::new(),
    })
}

/// `./usr/bin/` as `/usr/bin`.
fn absolute(member: &str) -> Option<String> {
    let path = member.strip_prefix('.')?;
    Some(if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path }.to_owned())
}

fn records(mut body: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut records = BTreeMap::new();
    while !body.is_empty() {
        let space = body.iter().take(8).position(|&byte| byte == b' ')?;
        let len: usize = std::str::from_utf8(&body[..space]).ok()?.parse().ok()?;
        let record = body.get(space + 1..len)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let keyword = std::str::from_utf8(&record[..equals]).ok()?.to_owned();
        records.insert(keyword, record[equals + 1..].to_vec());
        body = &body[len..];
    }
    Some(records)
}

fn field(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    // a name that was cut in a character is in the records as a whole
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(field.strip_suffix(b"\0")?).ok()?, 8).ok()
}
