//! What writing a disk image costs with the plain libraries: a copy of its data, or its clusters compressed and written
//! one after the other, on all cores, without any table, check or digest.

use anyhow::{Context as _, Result, bail};
use rayon::prelude::*;
use rustix::fs::{SeekFrom, seek};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that one thread takes at once.
const PIECE: u64 = 8 << 20;
/// Bytes that are compressed by themselves: a cluster of qcow2.
const CLUSTER: usize = 64 << 10;

/// How clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// With zstd at this level.
    Zstd(i32),
    /// With zlib at its usual level.
    Zlib,
}

/// Copies what is in the sparse file `from` to the same places of `to`, and waits for the disk where that is wanted; how
/// many bytes that were.
pub(crate) fn copied(from: &Path, to: &Path, durable: bool) -> Result<u64> {
    let (from, to) = (open(from)?, create(to)?);
    to.set_len(from.metadata()?.len())?;
    let bytes = over(&from, |at, bytes| Ok(to.write_all_at(&bytes, at)?))?;
    if durable {
        to.sync_all()?;
    }
    Ok(bytes)
}

/// Compresses each cluster of what is in the sparse file `from` that is not all zero, and writes all to `to`; how many
/// bytes went in.
pub(crate) fn compressed(from: &Path, to: &Path, packing: Packing) -> Result<u64> {
    let (from, to, end) = (open(from)?, create(to)?, AtomicU64::new(0));
    over(&from, |_, bytes| {
        let mut encoder = match packing {
            Packing::Zstd(level) => Some(zstd::bulk::Compressor::new(level)?),
            Packing::Zlib => None,
        };
        let mut packed = Vec::with_capacity(bytes.len());
        for cluster in bytes.chunks(CLUSTER).filter(|cluster| cluster.iter().any(|byte| *byte != 0)) {
            match &mut encoder {
                Some(encoder) => packed.extend(encoder.compress(cluster)?),
                None => {
                    let mut encoder =
                        flate2::write::DeflateEncoder::new(packed, flate2::Compression::default());
                    encoder.write_all(cluster)?;
                    packed = encoder.finish()?;
                }
            }
        }
        let at = end.fetch_add(packed.len() as u64, Ordering::Relaxed);
        Ok(to.write_all_at(&packed, at)?)
    })
}

/// Hashes a whole file, holes too, as whoever checks it must; on one core, for there is no other way.
pub(crate) fn digest(path: &Path) -> Result<()> {
    let (mut file, mut hasher, mut buffer) =
        (open(path)?, <sha2::Sha256 as sha2::Digest>::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => sha2::Digest::update(&mut hasher, buffer.get(..length).unwrap_or_default()),
        }
    }
    let _ = sha2::Digest::finalize(hasher);
    Ok(())
}

/// Does `work` for each piece of a sparse file that is not a hole: its place and its bytes. How many bytes there are.
fn over(from: &File, work: impl Fn(u64, Vec<u8>) -> Result<()> + Sync) -> Result<u64> {
    let pieces = pieces(from)?;
    pieces.par_iter().with_max_len(1).try_for_each(|piece| {
        let mut bytes = vec![0; usize::try_from(piece.end - piece.start)?];
        from.read_exact_at(&mut bytes, piece.start)?;
        work(piece.start, bytes)
    })?;
    Ok(pieces.iter().map(|piece| piece.end - piece.start).sum())
}

/// Where there is data (lseek(2), `SEEK_DATA`), cut into pieces.
fn pieces(file: &File) -> Result<Vec<Range<u64>>> {
    let (mut pieces, mut at) = (Vec::new(), 0);
    loop {
        let begin = match seek(file, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            // nothing after `at`
            Err(rustix::io::Errno::NXIO) => return Ok(pieces),
            Err(error) => bail!("cannot tell where data is: {error}"),
        };
        at = seek(file, SeekFrom::Hole(begin)).context("cannot tell where a hole is")?;
        let mut from = begin;
        while from < at {
            // pieces end at multiples of their size, so that clusters are those of the disk
            let to = at.min((from / PIECE + 1) * PIECE);
            pieces.push(from..to);
            from = to;
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| path.display().to_string())
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// 24 MiB with data at 1 MiB and at the end.
    fn sparse(path: &Path) -> Vec<u8> {
        let mut bytes = vec![0; 24 << 20];
        for (number, line) in bytes[1 << 20..12 << 20].chunks_mut(16).enumerate() {
            line.copy_from_slice(format!("{number:>15}h").as_bytes());
        }
        bytes[(24 << 20) - 7..].copy_from_slice(b"the end");
        let file = create(path).unwrap();
        file.set_len(24 << 20).unwrap();
        file.write_all_at(&bytes[1 << 20..12 << 20], 1 << 20).unwrap();
        file.write_all_at(b"the end", (24 << 20) - 7).unwrap();
        bytes
    }

    #[test]
    fn a_copy_is_of_all_data_and_of_no_hole() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let bytes = sparse(&from);
        let copied = copied(&from, &to, true).unwrap();
        assert!((11 << 20..12 << 20).contains(&copied), "{copied}");
        assert!(fs::read(to).unwrap() == bytes);
    }

    #[test]
    fn what_is_compressed_is_every_cluster_with_something_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        sparse(&from);
        for packing in [Packing::Zstd(3), Packing::Zlib] {
            let data = compressed(&from, &to, packing).unwrap();
            let len = fs::metadata(&to).unwrap().len();
            assert!(len > 0 && len < data, "{packing:?}: {len} of {data}");
        }
        // frames of zstd one after the other are a stream
        compressed(&from, &to, Packing::Zstd(3)).unwrap();
        let back = zstd::decode_all(File::open(&to).unwrap()).unwrap();
        assert_eq!(back.iter().filter(|byte| **byte == b'h').count(), {
            let bytes = fs::read(&from).unwrap();
            bytes.iter().filter(|byte| **byte == b'h').count()
        });
    }
}
