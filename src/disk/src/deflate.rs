//! Deflate (RFC 1951), bare and as zlib (RFC 1950) wraps it.

use flate2::{Compress, Compression, FlushCompress, Status};
use std::io;

/// The level of all outputs.
const LEVEL: u32 = 6;

/// Stands for the encoder in the keys of what is kept: the test below fails when its bytes change, and then this must.
pub(crate) const VERSION: &str = "zlib-rs 1";

/// How `bytes` are compressed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// A zlib stream.
    Zlib,
    /// Bare, with a window of 2 to this many bytes.
    Bare(u8),
    /// Bare, and ending at a whole byte but not at an end: what comes next goes on with the same stream.
    Joined,
}

/// `bytes`, compressed; none where that takes more than `most` bytes.
pub(crate) fn deflate(bytes: &[u8], form: Form, most: usize) -> io::Result<Option<Vec<u8>>> {
    let level = Compression::new(LEVEL);
    let (mut encoder, flush) = match form {
        Form::Zlib => (Compress::new(level, true), FlushCompress::Finish),
        Form::Bare(window) => (Compress::new_with_window_bits(level, false, window), FlushCompress::Finish),
        Form::Joined => (Compress::new(level, false), FlushCompress::Sync),
    };
    // one byte more than may be: a stream that fills it all was not ended
    let mut out = Vec::with_capacity(most + 1);
    let status = encoder.compress_vec(bytes, &mut out, flush)?;
    let whole = match flush {
        FlushCompress::Finish => status == Status::StreamEnd,
        _ => encoder.total_in() == bytes.len() as u64 && out.len() <= most,
    };
    Ok(whole.then_some(out))
}

/// More than `len` bytes ever take: nine bits a byte in the fixed code, which is what an encoder may use where it finds
/// nothing to compress.
pub(crate) fn bound(len: usize) -> usize {
    len + len / 8 + 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use tree::digest::Sha256;

    fn sample() -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        (0..200_000).map(|_| u8::try_from(next() % 20).unwrap()).collect()
    }

    #[test]
    fn the_encoder_gives_the_bytes_that_its_version_stands_for() {
        let whole =
            |form| Sha256::of(&deflate(&sample(), form, 200_000).unwrap().unwrap()).hex()[..16].to_owned();
        let found = [whole(Form::Zlib), whole(Form::Bare(12)), whole(Form::Joined)];
        assert_eq!(
            found,
            ["3789faf969b44a65", "5922399765375595", "b44c99e584db7223"],
            "raise VERSION with these"
        );
    }

    #[test]
    fn what_is_compressed_is_read_and_what_grows_is_none() {
        let packed = deflate(&sample(), Form::Zlib, 200_000).unwrap().unwrap();
        let mut back = Vec::new();
        flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, sample());
        let parts = [
            deflate(&sample(), Form::Joined, bound(200_000)).unwrap().unwrap(),
            deflate(b"end", Form::Bare(12), 99).unwrap().unwrap(),
        ]
        .concat();
        let mut back = Vec::new();
        flate2::read::DeflateDecoder::new(&parts[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, [sample(), b"end".to_vec()].concat());
        for form in [Form::Zlib, Form::Bare(12), Form::Joined] {
            assert_eq!(deflate(&sample(), form, 1000).unwrap(), None);
            let noise: Vec<u8> = (0..5_000_u32).flat_map(|n| Sha256::of(&n.to_le_bytes()).0).collect();
            assert!(deflate(&noise, form, bound(noise.len())).unwrap().is_some());
        }
    }
}
