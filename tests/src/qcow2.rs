//! A reader of qcow2 images that knows no zstd, as other programs have it: versions 2 and 3, clusters that are as they are or
//! deflated (QEMU's docs/interop/qcow2.txt).
//!
//! Written apart from the product's own reader, so that both cannot be wrong in one way.

use anyhow::{Context as _, Result, bail, ensure};
use flate2::{Decompress, FlushDecompress, Status};
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The largest first-level table that is read, in entries.
const MOST: usize = 1 << 20;

/// An open image.
#[derive(Debug)]
pub struct Qcow2 {
    file: File,
    /// The size of the disk in bytes.
    pub size: u64,
    cluster_bits: u32,
    first_level: Vec<u64>,
}

impl Qcow2 {
    /// Opens the image at `path`, which must need nothing that this reader does not know.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let mut head = [0; 112];
        file.read_exact_at(&mut head[..72], 0)?;
        ensure!(head[..4] == *b"QFI\xfb", "not a qcow2 image");
        let version = be32(&head, 4)?;
        ensure!(version == 2 || version == 3, "version {version}");
        if version == 3 {
            file.read_exact_at(&mut head, 0)?;
            let (features, length) = (be64(&head, 72)?, be32(&head, 100)?);
            let compression = if length > 104 { head[104] } else { 0 };
            ensure!(
                features == 0 && compression == 0,
                "features {features:#x}, compression type {compression}"
            );
        }
        ensure!(be64(&head, 8)? == 0, "an image behind it");
        ensure!(be32(&head, 32)? == 0, "encryption");
        let cluster_bits = be32(&head, 20)?;
        ensure!((9..=21).contains(&cluster_bits), "clusters of 2^{cluster_bits} bytes");
        let entries = usize::try_from(be32(&head, 36)?)?;
        ensure!(entries <= MOST, "a first-level table of {entries} entries");
        let first_level = table(&file, be64(&head, 40)?, entries)?;
        Ok(Self { size: be64(&head, 24)?, file, cluster_bits, first_level })
    }

    /// Copies `len` bytes from `offset` on to the file `to`; zeros stay holes.
    pub fn copy(&self, offset: u64, len: u64, to: &Path) -> Result<()> {
        let cluster = 1_u64 << self.cluster_bits;
        ensure!(offset.is_multiple_of(cluster) && offset + len <= self.size, "a range that is not read here");
        let mut out = File::create(to)?;
        out.set_len(len)?;
        let mut second = (u64::MAX, Vec::new());
        for at in (0..len).step_by(usize::try_from(cluster)?) {
            let number = (offset + at) / cluster;
            let Some(bytes) = self.cluster(number, &mut second)? else { continue };
            let count = usize::try_from((len - at).min(cluster))?;
            out.seek(SeekFrom::Start(at))?;
            out.write_all(bytes.get(..count).context("a whole cluster")?)?;
        }
        Ok(())
    }

    /// The first `len` bytes of the disk.
    pub fn head(&self, len: u64) -> Result<Vec<u8>> {
        let file = tempfile::NamedTempFile::new()?;
        self.copy(0, len, file.path())?;
        Ok(std::fs::read(file.path())?)
    }

    /// The bytes of a cluster; none where it is zero. `second` is the table that was read last, with its place.
    fn cluster(&self, number: u64, second: &mut (u64, Vec<u64>)) -> Result<Option<Vec<u8>>> {
        let (size, entries) = (1_usize << self.cluster_bits, 1_u64 << (self.cluster_bits - 3));
        let place = self.first_level.get(usize::try_from(number / entries)?).context("beyond the table")?;
        let place = place & 0x00ff_ffff_ffff_fe00;
        if place == 0 {
            return Ok(None);
        }
        if second.0 != place {
            *second = (place, table(&self.file, place, usize::try_from(entries)?)?);
        }
        let entry = second.1.get(usize::try_from(number % entries)?).copied().unwrap_or(0);
        if entry & 1 << 62 == 0 {
            let at = entry & 0x00ff_ffff_ffff_fe00;
            if entry & 1 == 1 || at == 0 {
                return Ok(None);
            }
            let mut bytes = vec![0; size];
            self.file.read_exact_at(&mut bytes, at)?;
            return Ok(Some(bytes));
        }
        let shift = 62 - (self.cluster_bits - 8);
        let at = entry & ((1 << shift) - 1);
        let sectors = ((entry >> shift) & ((1 << (self.cluster_bits - 8)) - 1)) + 1;
        let mut packed = vec![0; usize::try_from(sectors * 512 - at % 512)?];
        let count = self.file.read_at(&mut packed, at)?;
        packed.truncate(count);
        let mut bytes = vec![0; size];
        let mut decoder = Decompress::new(false);
        let status = decoder.decompress(&packed, &mut bytes, FlushDecompress::Finish)?;
        if status != Status::StreamEnd || decoder.total_out() != size as u64 {
            bail!("cluster {number} is not a deflated one");
        }
        Ok(Some(bytes))
    }
}

fn table(file: &File, at: u64, entries: usize) -> Result<Vec<u64>> {
    let mut bytes = vec![0; entries * 8];
    file.read_exact_at(&mut bytes, at)?;
    bytes.chunks(8).map(|entry| be64(entry, 0)).collect()
}

fn be32(bytes: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_be_bytes(bytes.get(at..at + 4).context("four bytes")?.try_into()?))
}

fn be64(bytes: &[u8], at: usize) -> Result<u64> {
    Ok(u64::from_be_bytes(bytes.get(at..at + 8).context("eight bytes")?.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use xshell::{Shell, cmd};

    #[test]
    fn what_qemu_packs_by_zlib_is_read_and_by_zstd_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (shell, raw) = (Shell::new().unwrap(), dir.path().join("raw"));
        let mut bytes = crate::image::noise(700_000, 7);
        bytes.resize(3 << 20, 0);
        std::fs::write(&raw, &bytes).unwrap();
        for kind in ["zlib", "zstd"] {
            let (packed, back) = (dir.path().join(kind), dir.path().join("back"));
            let option = format!("compression_type={kind}");
            cmd!(shell, "qemu-img convert -c -f raw -O qcow2 -o {option} {raw} {packed}")
                .quiet()
                .run()
                .unwrap();
            let read = Qcow2::open(&packed).and_then(|image| image.copy(0, image.size, &back));
            assert_eq!(read.is_ok(), kind == "zlib", "{read:?}");
            if kind == "zlib" {
                assert!(std::fs::read(&back).unwrap() == bytes);
            }
        }
    }
}
