//! What is written, read by the letter of `docs/interop/qcow2.txt`.

use super::*;
use std::io::Read as _;
use std::num::NonZeroUsize;
use store::Store;
use store::output::Directory;
use tree::chunk::{Chunk, Part as Piece};
use tree::digest::Sha256;

fn segment(offset: u64, bytes: Vec<u8>) -> Segment<'static> {
    Segment { offset, chunk: Chunk { len: bytes.len() as u64, parts: vec![Piece::Raw(bytes)] } }
}

fn text(len: usize) -> Vec<u8> {
    b"some text that is worth compressing\n".iter().copied().cycle().take(len).collect()
}

fn noise(len: usize) -> Vec<u8> {
    (0_u32..).flat_map(|n| Sha256::of(&n.to_le_bytes()).0).take(len).collect()
}

/// A disk of 1 GiB: what can be compressed, what cannot, zeros among it, a cluster that is not full, and two second-level tables.
fn image() -> Image<'static> {
    let mixed = [text(BLOCK), vec![0; 2 * BLOCK], noise(BLOCK), text(3 * BLOCK + 100)].concat();
    let segments = vec![
        segment(0, text(200_000)),
        segment(3 << 20, noise(130_000)),
        segment((512 << 20) - CLUSTER, [noise(BLOCK), text(BLOCK)].concat()),
        segment(600 << 20, mixed),
    ];
    Image { size: 1 << 30, segments }
}

/// The file, of which the digest that is written elsewhere is right.
fn file(image: &Image<'_>, by: Compression, jobs: usize) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("store")).unwrap();
    let directory = Directory::open(&place.path().join("out")).unwrap();
    let mut part = directory.begin("disk.qcow2").unwrap();
    let how = How { store: &store, jobs: NonZeroUsize::new(jobs).unwrap(), keep: false };
    let mut told = 0;
    let pieces = write(image, Packing { by, level: 3 }, how, &mut part, |bytes| told += bytes).unwrap();
    let total: u64 = image.segments.iter().map(|segment| segment.chunk.len).sum();
    assert_eq!((pieces.count, pieces.kept, told), (image.segments.len(), 0, total));
    let written = directory.publish(vec![part]).unwrap();
    let bytes = std::fs::read(place.path().join("out/disk.qcow2")).unwrap();
    assert_eq!((written[0].sha256, written[0].size), (Sha256::of(&bytes), bytes.len() as u64));
    bytes
}

fn u32_at(file: &[u8], at: usize) -> usize {
    usize::try_from(u32::from_be_bytes(file[at..at + 4].try_into().unwrap())).unwrap()
}

fn u64_at(file: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(file[at..at + 8].try_into().unwrap())
}

fn at(place: u64) -> usize {
    usize::try_from(place).unwrap()
}

/// A reader that counts, for each cluster of the file, how often it is referred to.
struct Reader<'f> {
    file: &'f [u8],
    counts: Vec<u16>,
}

impl Reader<'_> {
    fn count(&mut self, from: u64, to: u64) {
        for cluster in from / CLUSTER..to.div_ceil(CLUSTER) {
            self.counts[at(cluster)] += 1;
        }
    }

    /// The guest's cluster; none where it has no place.
    fn cluster(&mut self, number: u64, first_level: u64) -> Option<Vec<u8>> {
        let second = u64_at(self.file, at(first_level + number / TABLE * 8));
        if second == 0 {
            return None;
        }
        assert_eq!(second & !(((1 << 56) - 1) & !0x1ff), COPIED, "a table of this image alone");
        let entry = u64_at(self.file, at((second & !COPIED) + number % TABLE * 8));
        if entry == 0 {
            return None;
        }
        if entry & COMPRESSED == 0 {
            let from = entry & !COPIED;
            assert_eq!((entry & COPIED, from % CLUSTER), (COPIED, 0), "a whole cluster of its own");
            self.count(from, from + CLUSTER);
            return Some(self.file[at(from)..at(from + CLUSTER)].to_vec());
        }
        assert_eq!(entry & COPIED, 0, "a compressed cluster is never marked");
        let from = entry & ((1 << PLACE_BITS) - 1);
        let further = (entry & !COMPRESSED) >> PLACE_BITS;
        let end = from / 512 * 512 + (further + 1) * 512;
        self.count(from / 512 * 512, end);
        let packed = &self.file[at(from)..at(end).min(self.file.len())];
        let mut out = vec![0; BLOCK];
        if self.file[104] == 1 {
            zstd::stream::read::Decoder::new(packed).unwrap().single_frame().read_exact(&mut out).unwrap();
        } else {
            flate2::read::DeflateDecoder::new(packed).read_exact(&mut out).unwrap();
        }
        Some(out)
    }
}

#[test]
fn each_cluster_is_read_back_and_each_cluster_of_the_file_is_counted_as_often_as_it_is_referred_to() {
    let image = image();
    for by in [Compression::Zstd, Compression::Zlib, Compression::None] {
        let file = file(&image, by, 1);
        assert_eq!(&file[..8], b"QFI\xfb\0\0\0\x03");
        assert_eq!((u32_at(&file, 20), u64_at(&file, 24)), (16, image.size));
        let zstd = u64::from(by == Compression::Zstd);
        assert_eq!((u64_at(&file, 72), u64::from(file[104])), (zstd << 3, zstd), "{by:?}");
        // no backing file, encryption, snapshot or other feature; counts of 16 bits; the header's length
        assert!(file[8..20].iter().chain(&file[32..36]).chain(&file[60..72]).all(|&byte| byte == 0));
        assert!(file[80..96].iter().all(|&byte| byte == 0));
        assert_eq!((u32_at(&file, 96), u32_at(&file, 100)), (4, 112));
        let (entries, first_level) = (u32_at(&file, 36), u64_at(&file, 40));
        assert_eq!(entries, 2);
        let (table, clusters) = (u64_at(&file, 48), u32_at(&file, 56));
        assert_eq!((first_level % CLUSTER, table % CLUSTER), (0, 0));
        let mut reader = Reader { counts: vec![0; file.len().div_ceil(BLOCK)], file: &file };
        reader.count(0, CLUSTER);
        reader.count(first_level, first_level + entries as u64 * 8);
        for number in 0..entries {
            let second = u64_at(&file, at(first_level) + number * 8) & !COPIED;
            reader.count(second, second + CLUSTER);
        }
        reader.count(table, table + clusters as u64 * CLUSTER);
        let blocks: Vec<u64> = (0..clusters * BLOCK / 8).map(|n| u64_at(&file, at(table) + n * 8)).collect();
        let blocks: Vec<u64> = blocks.into_iter().filter(|place| *place != 0).collect();
        blocks.iter().for_each(|place| reader.count(*place, place + CLUSTER));
        let mut guest: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for Segment { offset, chunk } in &image.segments {
            let Piece::Raw(bytes) = &chunk.parts[0] else { panic!("raw") };
            for (number, block) in (offset / CLUSTER..).zip(bytes.chunks(BLOCK)) {
                let mut block = block.to_vec();
                block.resize(BLOCK, 0);
                guest.insert(number, block);
            }
        }
        for number in 0..image.size / CLUSTER {
            let expected = guest.get(&number).filter(|block| block.iter().any(|&byte| byte != 0));
            assert_eq!(reader.cluster(number, first_level).as_ref(), expected, "{by:?}: cluster {number}");
        }
        let counted: Vec<u16> = blocks
            .iter()
            .flat_map(|place| file[at(*place)..].chunks(2).take(BLOCK / 2))
            .map(|count| u16::from_be_bytes(count.try_into().unwrap()))
            .collect();
        let (found, beyond) = counted.split_at(reader.counts.len());
        assert_eq!(found, reader.counts, "{by:?}");
        assert!(beyond.iter().all(|&count| count == 0));
    }
}

#[test]
fn threads_do_not_show_and_what_cannot_be_compressed_is_not_larger() {
    let image = image();
    for by in [Compression::Zstd, Compression::Zlib] {
        let one = file(&image, by, 1);
        assert!(one == file(&image, by, 4));
        let plain = file(&image, Compression::None, 1);
        assert!(one.len() < plain.len(), "{} {}", one.len(), plain.len());
        // four clusters of noise and a half: as they are
        assert!(one.len() > 4 * BLOCK);
    }
}

#[test]
fn an_empty_disk_has_tables_and_no_clusters() {
    let file = file(&Image { size: 1 << 20, segments: Vec::new() }, Compression::Zstd, 1);
    let first_level = u64_at(&file, 40);
    assert_eq!((u32_at(&file, 36), u64_at(&file, at(first_level))), (1, 0));
    // header, first-level table, counts, table of counts
    assert_eq!(file.len(), 4 * BLOCK);
}
