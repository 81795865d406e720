//! One pass over a decompressed tar: into the store as a blob, and into members.

use super::Member;
use crate::archive::tar::{self, Policy, Shape, TarError};
use sha2::Digest as _;
use std::io::{self, Read, Write as _};
use store::{Incoming, Store};
use tree::digest::Sha256;
use tree::refusal::{Refusal, Result};
use tree::{Content, Node, PIECE, Stored};

/// The members of the tar that `stream` is, and the blob of the store that it became, when all of it was good.
pub(super) fn members<R: Read>(
    store: &Store,
    stream: R,
    policy: Policy,
    refuse: impl Fn(TarError) -> Refusal,
) -> Result<(Vec<Member>, Blob)> {
    let mut incoming = store.incoming()?;
    let mut members = read(Tee { stream, copy: &mut incoming }, policy).map_err(refuse)?;
    let (digest, size) = incoming.commit()?;
    for member in &mut members {
        if let Node::File(Content::Stored(stored)) = &mut member.node {
            stored.blob = digest;
        }
    }
    Ok((members, Blob { digest, size }))
}

/// A blob of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blob {
    pub digest: Sha256,
    pub size: u64,
}

/// Hashes a range, whole and by pieces.
pub(super) struct Ranges {
    offset: u64,
    len: u64,
    whole: sha2::Sha256,
    /// The hasher of the current piece with how much it still takes; none for a range of one piece.
    piece: Option<(sha2::Sha256, u64)>,
    pieces: Vec<Sha256>,
}

/// The members, whose blob is not known before the end.
fn read<R: Read>(stream: R, policy: Policy) -> Result<Vec<Member>, TarError> {
    let mut archive = tar::Reader::new(stream, policy, tar::Limits::default());
    let mut members = Vec::new();
    while let Some(entry) = archive.next()? {
        let node = match entry.shape {
            Shape::File { offset, size } => {
                let mut ranges = Ranges::begin(offset, size);
                archive.content(|chunk| {
                    ranges.update(chunk);
                    Ok(())
                })?;
                Node::File(Content::Stored(ranges.finish(NO_BLOB)))
            }
            Shape::Directory => Node::Directory,
            Shape::Symlink(target) => Node::Symlink(target),
            Shape::Hardlink(target) => Node::Hardlink(target),
            Shape::Character { major, minor } => Node::Character { major, minor },
            Shape::Block { major, minor } => Node::Block { major, minor },
            Shape::Fifo => Node::Fifo,
        };
        members.push(Member { path: entry.path, meta: entry.meta, node });
    }
    Ok(members)
}

const NO_BLOB: Sha256 = Sha256([0; 32]);

impl Ranges {
    /// A range of `len` bytes from `offset` of some blob.
    pub(super) fn begin(offset: u64, len: u64) -> Self {
        let piece = (len > PIECE).then(|| (sha2::Sha256::new(), PIECE));
        Self { offset, len, whole: sha2::Sha256::new(), piece, pieces: Vec::new() }
    }

    /// The next bytes of it.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        let Some((hasher, left)) = &mut self.piece else { return };
        while !bytes.is_empty() {
            let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            hasher.update(&bytes[..taken]);
            bytes = &bytes[taken..];
            *left -= taken as u64;
            if *left == 0 {
                self.pieces.push(Sha256(hasher.finalize_reset().into()));
                *left = PIECE;
            }
        }
    }

    /// All its bytes were given: the range, as one of `blob`.
    pub(super) fn finish(mut self, blob: Sha256) -> Stored {
        if let Some((hasher, _)) = self.piece.filter(|(_, left)| *left < PIECE) {
            self.pieces.push(Sha256(hasher.finalize().into()));
        }
        let digest = Sha256(self.whole.finalize().into());
        Stored { blob, offset: self.offset, len: self.len, digest, pieces: self.pieces }
    }
}

/// Copies what is read.
struct Tee<'a, 'b, R> {
    stream: R,
    copy: &'a mut Incoming<'b>,
}

impl<R: Read> Read for Tee<'_, '_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.stream.read(buf)?;
        self.copy.write_all(&buf[..got])?;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_longer_than_a_piece_has_a_digest_for_each() {
        let piece = usize::try_from(PIECE).unwrap();
        for (len, pieces) in [(0, 0), (1, 0), (piece, 0), (piece + 1, 2), (2 * piece, 2), (2 * piece + 5, 3)]
        {
            let bytes: Vec<u8> = (0..len).map(|n| n.to_le_bytes()[1]).collect();
            let mut ranges = Ranges::begin(7, len as u64);
            for chunk in bytes.chunks(1_000_003) {
                ranges.update(chunk);
            }
            let stored = ranges.finish(Sha256::of(b"blob"));
            assert_eq!((stored.offset, stored.len, stored.blob), (7, len as u64, Sha256::of(b"blob")));
            assert_eq!(stored.digest, Sha256::of(&bytes));
            let expected: Vec<_> = bytes.chunks(piece).map(Sha256::of).take(pieces).collect();
            assert_eq!(stored.pieces, expected);
        }
    }
}
