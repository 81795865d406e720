//! The floor: what decompression, digests and compression of the same bytes cost with the plain libraries, on all
//! cores, without reading a tar archive, checking anything, or writing an image.

pub(crate) mod writing;

use anyhow::{Context as _, Result, bail};
use rayon::prelude::*;
use sha2::Digest as _;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes that are compressed at once, so that the last big package does not leave a core idle.
const CHUNK: usize = 8 << 20;

/// The bytes that went in and came out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Volume {
    /// Bytes of the packages.
    pub(crate) packed: u64,
    /// Bytes of what is in them.
    pub(crate) unpacked: u64,
}

/// Reads, hashes and decompresses every package, hashes what comes out, and compresses it with zstd at `level`.
pub(crate) fn whole(debs: &[PathBuf], level: i32) -> Result<Volume> {
    over(debs, |deb| {
        let bytes = fs::read(deb)?;
        let _ = sha2::Sha256::digest(&bytes);
        let tar = decompressed(deb, &bytes)?;
        tar.par_chunks(CHUNK).try_for_each(|chunk| -> Result<()> {
            let _ = sha2::Sha256::digest(chunk);
            zstd::bulk::compress(chunk, level)?;
            Ok(())
        })?;
        Ok(Volume { packed: bytes.len() as u64, unpacked: tar.len() as u64 })
    })
}

/// Reads, hashes and decompresses every package, and hashes what comes out: what a disk image needs before it is written.
pub(crate) fn unpacked(debs: &[PathBuf]) -> Result<Volume> {
    over(debs, |deb| {
        let bytes = fs::read(deb)?;
        let _ = sha2::Sha256::digest(&bytes);
        let tar = decompressed(deb, &bytes)?;
        tar.par_chunks(CHUNK).for_each(|chunk| {
            let _ = sha2::Sha256::digest(chunk);
        });
        Ok(Volume { packed: bytes.len() as u64, unpacked: tar.len() as u64 })
    })
}

/// Reads and hashes every package.
pub(crate) fn digests(debs: &[PathBuf]) -> Result<Volume> {
    over(debs, |deb| {
        let bytes = fs::read(deb)?;
        let _ = sha2::Sha256::digest(&bytes);
        Ok(Volume { packed: bytes.len() as u64, unpacked: 0 })
    })
}

/// Reads and decompresses every package.
pub(crate) fn decompression(debs: &[PathBuf]) -> Result<Volume> {
    over(debs, |deb| {
        let bytes = fs::read(deb)?;
        let unpacked = io::copy(&mut decoder(deb, &bytes)?, &mut io::sink())?;
        Ok(Volume { packed: bytes.len() as u64, unpacked })
    })
}

/// Does `work` for each package on all cores, the biggest first.
fn over(debs: &[PathBuf], work: impl Fn(&Path) -> Result<Volume> + Sync) -> Result<Volume> {
    let mut debs: Vec<(u64, &PathBuf)> =
        debs.iter().map(|deb| Ok((fs::metadata(deb)?.len(), deb))).collect::<Result<_>>()?;
    debs.sort_unstable_by(|one, other| other.cmp(one));
    let each = debs
        .into_par_iter()
        .with_max_len(1)
        .map(|(_, deb)| work(deb).with_context(|| deb.display().to_string()));
    each.try_reduce(Volume::default, |one, other| {
        Ok(Volume { packed: one.packed + other.packed, unpacked: one.unpacked + other.unpacked })
    })
}

fn decompressed(deb: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() * 4);
    decoder(deb, bytes)?.read_to_end(&mut out)?;
    Ok(out)
}

/// A reader of the data archive. Headers of ar(5) are 60 bytes: the name first, the size at 48; members begin at even places.
fn decoder<'a>(deb: &Path, bytes: &'a [u8]) -> Result<Box<dyn Read + 'a>> {
    let mut at = 8;
    while let Some(header) = bytes.get(at..at + 60) {
        let size: usize = std::str::from_utf8(&header[48..58])?.trim().parse()?;
        let body = bytes.get(at + 60..at + 60 + size).context("a cut package")?;
        match std::str::from_utf8(&header[..16])?.trim() {
            "data.tar.xz" => return Ok(Box::new(liblzma::read::XzDecoder::new(body))),
            "data.tar.zst" => return Ok(Box::new(zstd::Decoder::new(body)?)),
            "data.tar.gz" => return Ok(Box::new(flate2::read::GzDecoder::new(body))),
            "data.tar" => return Ok(Box::new(body)),
            _ => at += 60 + size + size % 2,
        }
    }
    bail!("no data archive in `{}`", deb.display())
}
