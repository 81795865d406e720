//! SHA-256 and SHA-384 (FIPS 180-4): what certificates are signed over.
//!
//! The constants are the first 32 bits of SHA-512's own, which `sha512` proves.

use crate::sha512::{self, K, START};

/// The digest of `message`.
#[must_use]
pub fn sha256(message: &[u8]) -> [u8; 32] {
    let mut state = START.map(high);
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    let bits = u64::try_from(message.len()).unwrap_or(u64::MAX).wrapping_mul(8);
    padded.extend(bits.to_be_bytes());
    for block in padded.chunks_exact(64) {
        compress(&mut state, block);
    }
    let mut out = [0; 32];
    for (slot, word) in out.chunks_exact_mut(4).zip(state) {
        slot.copy_from_slice(&word.to_be_bytes());
    }
    out
}

/// The digest of `message`: SHA-512's from another start, without its end.
#[must_use]
pub fn sha384(message: &[u8]) -> [u8; 48] {
    let whole = sha512::from_start(START_384, &[message]);
    let mut out = [0; 48];
    out.copy_from_slice(&whole[..48]);
    out
}

/// The fractions of the square roots of the ninth to the sixteenth prime.
#[rustfmt::skip]
const START_384: [u64; 8] = [
    0xcbbb_9d5d_c105_9ed8, 0x629a_292a_367c_d507, 0x9159_015a_3070_dd17, 0x152f_ecd8_f70e_5939,
    0x6733_2667_ffc0_0b31, 0x8eb4_4a87_6858_1511, 0xdb0c_2e0d_64f9_8fa7, 0x47b5_481d_befa_4fa4,
];

fn compress(state: &mut [u32; 8], block: &[u8]) {
    let mut words = [0u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for round in K.into_iter().take(64).map(high) {
        let [w0, w1, .., w9, _, _, _, _, w14, _] = words;
        let t1 = h
            .wrapping_add(e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25))
            .wrapping_add((e & f) ^ (!e & g))
            .wrapping_add(round)
            .wrapping_add(w0);
        let t2 = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22))
            .wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
        let next = w0
            .wrapping_add(w1.rotate_right(7) ^ w1.rotate_right(18) ^ w1 >> 3)
            .wrapping_add(w9)
            .wrapping_add(w14.rotate_right(17) ^ w14.rotate_right(19) ^ w14 >> 10);
        words.rotate_left(1);
        words[15] = next;
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(add);
    }
}

/// The first half.
fn high(word: u64) -> u32 {
    u32::try_from(word >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{START_384, sha256, sha384};

    fn text(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        for (message, short, long) in [
            (&b""[..], "e3b0c44298fc1c14", "38b060a751ac9638"),
            (b"abc", "ba7816bf8f01cfea", "cb00753f45a35e8b"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8",
                "3391fdddfc8dc739",
            ),
        ] {
            assert!(text(&sha256(message)).starts_with(short), "{message:?}");
            assert!(text(&sha384(message)).starts_with(long), "{message:?}");
        }
        assert!(text(&sha256(&[b'a'; 1000])).starts_with("41edece42d63e8d9"));
    }

    #[test]
    fn the_start_of_sha384_is_the_fractions_of_roots_of_primes() {
        let primes = (2u64..).filter(|n| (2..*n).all(|d| n % d != 0));
        for (prime, constant) in primes.skip(8).zip(START_384) {
            let fraction = (prime as f64).sqrt().fract();
            assert!((fraction - constant as f64 / 2f64.powi(64)).abs() < 1e-13, "{prime}");
        }
    }
}
