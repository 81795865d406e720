//! The hash of a name in an indexed directory: half MD4 over bytes without sign.
//!
//! Half MD4 is MD4's three rounds with eight instead of sixteen steps each, over 32 bytes at a time. The names'
//! bytes are taken without sign, and the superblock says so: the sign of C's `char` depends on the machine.
//! Source: the kernel's `Documentation/filesystems/ext4/directory.rst`; RFC 1320 for MD4.

/// The largest hash is the end of a directory for `readdir`, so that no name may have it.
const END: u32 = 0x7fff_ffff << 1;

/// MD4's start, used when the seed is zero.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The hash of `name`; its lowest bit is zero.
pub(super) fn half_md4(name: &[u8], seed: &[u8; 16]) -> u32 {
    let mut state = START;
    if seed.iter().any(|&byte| byte != 0) {
        let (words, _) = seed.as_chunks::<4>();
        for (word, bytes) in state.iter_mut().zip(words) {
            *word = u32::from_le_bytes(*bytes);
        }
    }
    let mut rest = name;
    while !rest.is_empty() {
        transform(&mut state, words(rest));
        rest = rest.get(32..).unwrap_or_default();
    }
    let hash = state[1] & !1;
    if hash == END { END - 2 } else { hash }
}

/// The first 32 bytes of `rest` as words, filled up with its length.
fn words(rest: &[u8]) -> [u32; 8] {
    let len = rest.len().to_le_bytes()[0];
    let filler = u32::from_le_bytes([len; 4]);
    let mut words = [filler; 8];
    for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
        *word = bytes.iter().fold(filler, |word, &byte| (word << 8).wrapping_add(byte.into()));
    }
    words
}

fn transform(state: &mut [u32; 4], words: [u32; 8]) {
    fn choose(x: u32, y: u32, z: u32) -> u32 {
        z ^ (x & (y ^ z))
    }
    fn majority(x: u32, y: u32, z: u32) -> u32 {
        (x & y).wrapping_add((x ^ y) & z)
    }
    fn parity(x: u32, y: u32, z: u32) -> u32 {
        x ^ y ^ z
    }
    type Round = (fn(u32, u32, u32) -> u32, u32, [usize; 8], [u32; 4]);
    const ROUNDS: [Round; 3] = [
        (choose, 0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
        (majority, 0x5a82_7999, [1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13]),
        (parity, 0x6ed9_eba1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, constant, order, shifts) in ROUNDS {
        for (step, word) in order.into_iter().enumerate() {
            let sum = a.wrapping_add(mix(b, c, d)).wrapping_add(words[word]).wrapping_add(constant);
            (a, b, c, d) = (d, sum.rotate_left(shifts[step % 4]), b, c);
        }
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(more);
    }
}
