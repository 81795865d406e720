//! A segment as blocks of 64 KiB, each compressed by itself: what qcow2 calls a cluster and VMDK a grain.
//!
//! ```text
//! number of blocks │ for each: 0 where it is all zero, else its length; the top bit where it is not compressed
//! compressed blocks, one behind the other │ the others, likewise
//! ```
//! Numbers are little endian, of 32 bits. It is a form of the store's, and is not in any output.

use super::ALIGN;
use std::io;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64 << 10;
const PLAIN: u32 = 1 << 31;
static ZEROS: [u8; BLOCK] = [0; BLOCK];
const _: () = assert!(BLOCK as u64 == ALIGN);

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block<'b> {
    /// It is all zero.
    Zero,
    /// Compressed.
    Packed(&'b [u8]),
    /// As it is: it cannot be compressed.
    Plain(&'b [u8]),
}

/// `bytes` as blocks, the last one filled up with zeros. `pack` gives none for a block that is to stay as it is.
pub(crate) fn encode(
    bytes: &[u8],
    mut pack: impl FnMut(&[u8]) -> io::Result<Option<Vec<u8>>>,
) -> io::Result<Vec<u8>> {
    let count = bytes.len().div_ceil(BLOCK);
    let (mut lengths, mut packed, mut plain) = (Vec::with_capacity(count), Vec::new(), Vec::new());
    let mut filled = Vec::new();
    for block in bytes.chunks(BLOCK) {
        let block = if block.len() == BLOCK {
            block
        } else {
            filled.extend_from_slice(block);
            filled.resize(BLOCK, 0);
            &filled
        };
        let length = if *block == ZEROS {
            0
        } else if let Some(smaller) = pack(block)? {
            packed.extend_from_slice(&smaller);
            narrow(smaller.len())?
        } else {
            plain.extend_from_slice(block);
            narrow(BLOCK)? | PLAIN
        };
        lengths.push(length);
    }
    let mut out = Vec::with_capacity(4 + 4 * count + packed.len() + plain.len());
    out.extend(narrow(count)?.to_le_bytes());
    out.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
    out.extend(packed);
    out.extend(plain);
    Ok(out)
}

/// The blocks of a segment in their order; none where `bytes` are of another form.
pub(crate) fn parse(bytes: &[u8]) -> Option<Vec<Block<'_>>> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (lengths, rest) = rest.split_at_checked(count.checked_mul(4)?)?;
    let lengths = lengths.as_chunks::<4>().0.iter().map(|&length| u32::from_le_bytes(length));
    let packed: u64 = lengths.clone().filter(|length| length & PLAIN == 0).map(u64::from).sum();
    let (mut packed, mut plain) = rest.split_at_checked(usize::try_from(packed).ok()?)?;
    let mut blocks = Vec::with_capacity(count);
    for length in lengths {
        let (from, whole) =
            if length & PLAIN == 0 { (&mut packed, length) } else { (&mut plain, length & !PLAIN) };
        let (block, rest) = from.split_at_checked(usize::try_from(whole).ok()?)?;
        *from = rest;
        blocks.push(match length {
            0 => Block::Zero,
            _ if length & PLAIN == 0 => Block::Packed(block),
            _ if block.len() == BLOCK => Block::Plain(block),
            _ => return None,
        });
    }
    (packed.is_empty() && plain.is_empty()).then_some(blocks)
}

fn narrow(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_in_their_order_and_the_last_is_filled_up() {
        let segment = [vec![1; BLOCK], vec![0; BLOCK], vec![2; BLOCK], vec![3; 10]].concat();
        let encoded =
            encode(&segment, |block| Ok((block[0] != 2).then(|| vec![block[0], block[BLOCK - 1]]))).unwrap();
        let plain = [2; BLOCK];
        let expected = [Block::Packed(&[1, 1]), Block::Zero, Block::Plain(&plain), Block::Packed(&[3, 0])];
        assert_eq!(parse(&encoded).unwrap(), expected);
        for len in 0..encoded.len() {
            assert_eq!(parse(&encoded[..len]), None, "{len}");
        }
        assert_eq!(parse(&[&encoded[..], &[0]].concat()), None);
    }
}
