//! Whether an artifact is what its bake wrote, to the bit.
//!
//! `SHA256SUMS` answers for each file as a whole. Where the artifact is not right, its record says where: each header is
//! made again from its line and compared, each content is hashed, and the first entry that differs is named. Of a disk
//! each extent is hashed, and what is in none must be zero. This is done also where the digest of the whole is right, so that the record, too, is known to be true.

use super::{beside, decoder, plain, record, shown};
use crate::emit::pax::{BLOCK, padding};
use crate::emit::{Files, Line};
use disk::record::{Record, parse as parse_disk};
use disk::{Codec, Format};
use sha2::Digest as _;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use store::sums;
use tree::digest::Sha256;
use tree::name::ImagePath;
use tree::refusal::{Class, Refusal, Result, Stage};

/// An artifact that is what it should be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// The digest of the artifact.
    pub sha256: Sha256,
    /// The digest of the plan that it was made from.
    pub plan: Sha256,
    /// How many paths were compared.
    pub paths: usize,
    /// The length of its tar stream, or the size of its disk, in bytes.
    pub bytes: u64,
}

/// What is wrong with an artifact, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The first path that is not as recorded; none where the damage is in none.
    pub entry: Option<ImagePath>,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.entry {
            Some(path) => write!(f, "damaged at `{path}`: {}", self.what),
            None => write!(f, "damaged: {}", self.what),
        }
    }
}

impl std::error::Error for Damage {}

/// Compares the artifact at `path` and the records next to it with `SHA256SUMS`, and each of its entries with its record.
///
/// # Errors
/// `Verification` with the cause [`Damage`], naming the file and, for the artifact, the entry; `Io` where a file is
/// missing or cannot be read.
pub fn verify(path: &Path) -> Result<Verified> {
    let list = path.with_file_name(sums::NAME);
    let mut text = String::new();
    plain(&list)?
        .take(sums::MAX)
        .read_to_string(&mut text)
        .map_err(|error| Refusal::io(shown(&list), Stage::Inspect, "read", &error))?;
    let listed = sums::parse(&text)
        .map_err(|error| Refusal::new(Class::Archive, shown(&list), Stage::Inspect, error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let format = Format::of_name(&name).map_or(Format::TarZst, |(_, format)| format);
    let records: &[&str] = if format.is_disk() {
        &["files.json", "disk.json", "record.json"]
    } else {
        &["files.json", "record.json"]
    };
    for end in records {
        let beside = beside(path, end);
        let (found, expected) = (digest(&beside)?, expected(&listed, &beside)?);
        if found != expected {
            let damage = Damage { entry: None, what: format!("expected {expected}, found {found}") };
            return Err(Refusal::new(Class::Verification, shown(&beside), Stage::Inspect, damage));
        }
    }
    let files = record(&beside(path, "files.json"))?.ok_or_else(|| {
        Refusal::new(Class::Io, shown(path), Stage::Inspect, "there is no `files.json` next to it")
    })?;
    let expected = expected(&listed, path)?;
    let (found, compared) = if let Some(codec) = format.codec() {
        (digest(path)?, disk(path, codec, &files)?)
    } else {
        let mut whole = Hashed { inner: plain(path)?, hasher: sha2::Sha256::new() };
        let compared = compare(&mut whole, &files);
        io::copy(&mut whole, &mut io::sink())
            .map_err(|error| Refusal::io(shown(path), Stage::Inspect, "read", &error))?;
        (Sha256(whole.hasher.finalize().into()), compared)
    };
    let refuse = |damage| Err(Refusal::new(Class::Verification, shown(path), Stage::Inspect, damage));
    match compared {
        Err(damage) => refuse(damage),
        Ok(_) if found != expected => {
            let what = format!(
                "expected {expected}, found {found}; all its entries are intact, so the damage is in what holds them: an index, a head, a table of the format"
            );
            refuse(Damage { entry: None, what })
        }
        Ok(bytes) => Ok(Verified { sha256: found, plan: files.head.plan, paths: files.paths.len(), bytes }),
    }
}

/// Compares a disk with its record, and that with the list of files; its size.
fn disk(path: &Path, codec: &Codec, files: &Files) -> Result<Result<u64, Damage>> {
    let record = disk_record(&beside(path, "disk.json"))?;
    let damaged = |entry, what: &str| Ok(Err(Damage { entry, what: what.to_owned() }));
    if record.head.plan != files.head.plan {
        return damaged(None, "its records are from different plans");
    }
    for extent in &record.extents {
        let Some(path) = &extent.path else { continue };
        let line = files.paths.binary_search_by(|line| line.path.cmp(path)).ok().map(|at| &files.paths[at]);
        let whole = extent.from == 0 && line.is_some_and(|line| line.size == Some(extent.len));
        if line.is_none_or(|line| whole && line.sha256 != Some(extent.sha256)) {
            return damaged(Some(path.clone()), "its records differ");
        }
    }
    let mut runs = match codec.open(plain(path)?) {
        Ok(runs) => runs,
        Err(error) => return damaged(None, &error.to_string()),
    };
    Ok(super::compare::compare(&mut *runs, &record).map(|()| record.head.size))
}

/// The record of a disk.
pub(super) fn disk_record(path: &Path) -> Result<Record> {
    let mut bytes = Vec::new();
    let read = plain(path)?.take(super::MAX_FILES).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::io(shown(path), Stage::Inspect, "read", &error))?;
    parse_disk(&bytes)
        .map_err(|error| Refusal::new(Class::Archive, shown(path), Stage::Inspect, error.to_string()))
}

fn expected(listed: &sums::Sums, path: &Path) -> Result<Sha256> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    listed.get(&*name).copied().ok_or_else(|| {
        Refusal::new(
            Class::Verification,
            shown(path),
            Stage::Inspect,
            "it is not listed in the `SHA256SUMS` next to it",
        )
    })
}

fn digest(path: &Path) -> Result<Sha256> {
    let mut hashed = Hashed { inner: plain(path)?, hasher: sha2::Sha256::new() };
    io::copy(&mut hashed, &mut io::sink())
        .map_err(|error| Refusal::io(shown(path), Stage::Inspect, "read", &error))?;
    Ok(Sha256(hashed.hasher.finalize().into()))
}

/// Compares the compressed archive with its record; the length of the tar stream.
fn compare(packed: &mut impl Read, files: &Files) -> Result<u64, Damage> {
    let outside = |what: String| Damage { entry: None, what };
    let mut tar = decoder(packed).map_err(|error| outside(error.to_string()))?;
    let mut len: u64 = 0;
    for line in &files.paths {
        len = len.saturating_add(
            entry(&mut tar, line).map_err(|what| Damage { entry: Some(line.path.clone()), what })?,
        );
    }
    let mut end = Vec::new();
    let read = (&mut tar).take(3 * BLOCK as u64).read_to_end(&mut end);
    read.map_err(|error| outside(format!("after its last entry: {error}")))?;
    if end != [0; 2 * BLOCK] {
        return Err(outside("trailing data after its last entry".into()));
    }
    Ok(len.saturating_add(end.len() as u64))
}

/// Compares one entry; its length in the stream.
fn entry(tar: &mut impl Read, line: &Line) -> Result<u64, String> {
    let reason = |error: io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => "the archive ends here".to_owned(),
        _ => format!("cannot be decompressed: {error}"),
    };
    let expected = line.header().ok_or("the record describes an impossible entry")?;
    let mut header = vec![0; expected.len()];
    tar.read_exact(&mut header).map_err(reason)?;
    if header != expected {
        return Err("its header differs from the record".into());
    }
    let Some(size) = line.size else { return Ok(header.len() as u64) };
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut left = size;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        tar.read_exact(&mut buffer[..part]).map_err(reason)?;
        hasher.update(&buffer[..part]);
        left -= part as u64;
    }
    if Some(Sha256(hasher.finalize().into())) != line.sha256 {
        return Err("its content differs from the record".into());
    }
    let mut fill = vec![0; padding(size)];
    tar.read_exact(&mut fill).map_err(reason)?;
    if fill.iter().any(|&byte| byte != 0) {
        return Err("the padding of its last block is not zero".into());
    }
    Ok((header.len() + fill.len()) as u64 + size)
}

/// Hashes what is read through it.
struct Hashed<R> {
    inner: R,
    hasher: sha2::Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.hasher.update(&buf[..count]);
        Ok(count)
    }
}
