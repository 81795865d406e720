//! Google's form of a disk: a tar archive with the one file `disk.raw`, compressed by gzip.
//!
//! ```text
//! gzip   header │ deflate: archive's header │ a segment │ … │ an empty last block │ CRC-32 │ length
//! tar    header of type `S` with the places of four runs │ those of 21 more in each block │ the runs, one behind the other
//! ```
//! Google asks for `tar --format=oldgnu --sparse`: GNU tar's own old way to leave out zeros (its manual, "Old GNU
//! Format"). It is one stream, made in parallel: each segment is compressed by itself and ends at a whole byte (as RFC
//! 1951's empty stored blocks allow), and checksums of pieces are joined. Google wants whole GiB, which all disks are.

mod read;

use super::codec::{Codec, any};
use super::deflate::{self, Form, deflate};
use super::segments::{self, Encoding, How, Pieces};
use super::{Image, Segment};
use std::io::Write as _;
use store::part::Part;
use tree::refusal::{Class, Refusal, Result, Stage};

const BLOCK: u64 = 512;
/// Runs in the header, and in each block behind it.
const RUNS: (usize, usize) = (4, 21);
/// No time, which gzip takes for none, no flags, no known system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// A last block of deflate with nothing in it.
const END: [u8; 2] = [3, 0];

/// The format.
pub(crate) static CODEC: Codec = Codec {
    keeps: true,
    check: any,
    write: |disk, how, part, done| write(&disk.image, disk.spec.epoch, how, part, done),
    open: read::open,
};

/// Writes `image`; `done` is told of each byte of the image that is written.
pub(crate) fn write(
    image: &Image<'_>,
    epoch: i64,
    how: How<'_>,
    part: &mut Part<'_>,
    mut done: impl FnMut(u64),
) -> Result<Pieces> {
    let version = format!("vmbake gce 1 {}\n", deflate::VERSION).into_bytes();
    let encoding = Encoding { sort: "gce-2", version, encode: &encode };
    let io = |error: std::io::Error| Refusal::new(Class::Io, "gzip", Stage::Emit, error);
    let mut stream = Stream { sum: 0, len: 0 };
    put(part, &HEAD)?;
    let head = header(image, epoch);
    let packed = encode(&head).map_err(io)?;
    put(part, stream.joined(&packed, head.len() as u64)?)?;
    let pieces = segments::encoded(image, how, &encoding, |segment, encoded, so_far| {
        part.expected = so_far.expected(part.size() + encoded.len() as u64);
        put(part, stream.joined(&encoded, whole(segment))?)?;
        done(segment.chunk.len);
        Ok(())
    })?;
    let end = vec![0; 2 * 512];
    let packed = encode(&end).map_err(io)?;
    put(part, stream.joined(&packed, end.len() as u64)?)?;
    put(part, &END)?;
    put(part, &stream.sum.to_le_bytes())?;
    // modulo 2^32, as RFC 1952 has it
    put(part, &u32::try_from(stream.len & 0xffff_ffff).unwrap_or(0).to_le_bytes())?;
    Ok(pieces)
}

/// A piece of the archive, filled up to whole blocks: its checksum, then what it compresses to.
fn encode(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut filled;
    let bytes = if (bytes.len() as u64).is_multiple_of(BLOCK) {
        bytes
    } else {
        filled = bytes.to_vec();
        filled.resize(bytes.len().next_multiple_of(512), 0);
        &filled
    };
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    let packed = deflate(bytes, Form::Joined, deflate::bound(bytes.len()))?;
    let packed = packed.ok_or_else(|| std::io::Error::other("it grew more than it can"))?;
    Ok([&sum.sum().to_le_bytes()[..], &packed].concat())
}

/// Bytes of a segment in the archive.
fn whole(segment: &Segment<'_>) -> u64 {
    segment.chunk.len.next_multiple_of(BLOCK)
}

fn put(part: &mut Part<'_>, bytes: &[u8]) -> Result<()> {
    part.write_all(bytes).map_err(|error| part.refusal("write", &error))
}

/// The checksum and the length of what was compressed so far.
struct Stream {
    sum: u32,
    len: u64,
}

impl Stream {
    /// Adds a piece that `encode` made of `len` bytes; what of it goes into the stream.
    fn joined<'e>(&mut self, encoded: &'e [u8], len: u64) -> Result<&'e [u8]> {
        let Some((sum, packed)) = encoded.split_first_chunk::<4>() else {
            return Err(Refusal::new(
                Class::Archive,
                "gce",
                Stage::Emit,
                "a kept segment is of another form",
            ));
        };
        self.sum = times(power(len * 8), self.sum) ^ u32::from_le_bytes(*sum);
        self.len += len;
        Ok(packed)
    }
}

/// The product of two polynomials modulo that of CRC-32, the lowest power in the highest bit.
fn times(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        if a & 1 << bit != 0 {
            product ^= b;
        }
        b = b >> 1 ^ if b & 1 == 1 { 0xedb8_8320 } else { 0 };
    }
    product
}

/// The polynomial x to the power `bits`: what a checksum is multiplied by when so many zeros are added.
fn power(mut bits: u64) -> u32 {
    let (mut power, mut square) = (1 << 31, 1 << 30);
    while bits > 0 {
        if bits & 1 == 1 {
            power = times(power, square);
        }
        square = times(square, square);
        bits >>= 1;
    }
    power
}

/// The header of `disk.raw`, with the blocks that go on with its runs.
fn header(image: &Image<'_>, epoch: i64) -> Vec<u8> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for segment in &image.segments {
        match runs.last_mut() {
            Some((at, len)) if *at + *len == segment.offset => *len += whole(segment),
            _ => runs.push((segment.offset, whole(segment))),
        }
    }
    let stored: u64 = runs.iter().map(|(_, len)| len).sum();
    // a run of nothing at the end says how long the file is for readers that do not look at its size
    if runs.last().is_none_or(|(at, len)| at + len < image.size) {
        runs.push((image.size, 0));
    }
    let (first, rest) = runs.split_at(runs.len().min(RUNS.0));
    let mut out = b"disk.raw".to_vec();
    out.resize(100, 0);
    out.extend(b"0000644\x000000000\x000000000\0");
    out.extend(number(stored));
    out.extend(number(u64::try_from(epoch).unwrap_or(0)));
    out.extend(b"        S");
    out.resize(257, 0);
    out.extend(b"ustar  \0");
    out.resize(386, 0);
    out.extend(places(first, RUNS.0));
    out.push(u8::from(!rest.is_empty()));
    out.extend(number(image.size));
    out.resize(512, 0);
    let sum: u32 = out.iter().map(|&byte| u32::from(byte)).sum();
    out[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let blocks: Vec<_> = rest.chunks(RUNS.1).collect();
    for (nth, runs) in blocks.iter().enumerate() {
        out.extend(places(runs, RUNS.1));
        out.push(u8::from(nth + 1 < blocks.len()));
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out
}

/// Runs in a block that has room for `room` of them.
fn places(runs: &[(u64, u64)], room: usize) -> Vec<u8> {
    let mut out: Vec<u8> = runs.iter().flat_map(|&(at, len)| [number(at), number(len)].concat()).collect();
    out.resize(room * 24, 0);
    out
}

/// Eleven octal digits, or, where these do not do, the number itself behind a set bit, as GNU tar writes it.
fn number(value: u64) -> [u8; 12] {
    let mut out = [0; 12];
    if value >> 33 == 0 {
        out[..11].copy_from_slice(format!("{value:011o}").as_bytes());
    } else {
        out[0] = 0x80;
        out[4..].copy_from_slice(&value.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_pieces_join_to_that_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()[0]).collect();
        for cut in [0, 512, 4096, 65_536, 99_840] {
            let mut stream = Stream { sum: 0, len: 0 };
            for part in [&bytes[..cut], &bytes[cut..99_840]] {
                stream.joined(&encode(part).unwrap(), part.len() as u64).unwrap();
            }
            let mut whole = flate2::Crc::new();
            whole.update(&bytes[..99_840]);
            assert_eq!((stream.sum, stream.len), (whole.sum(), 99_840), "{cut}");
        }
    }

    #[test]
    fn numbers_are_octal_as_long_as_they_can_be() {
        assert_eq!(&number(8), b"00000000010\0");
        assert_eq!(&number((1 << 33) - 1), b"77777777777\0");
        assert_eq!(number(1 << 33), [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    }
}
