//! Paul Hsieh's SuperFastHash: the order of `modules.symbols` is that of a hash table of kmod's, which uses it.
//!
//! <http://www.azillionmonkeys.com/qed/hash.html>; numbers wrap around, halves of words are little endian.

/// The bucket of `key` in a table of `buckets`, a power of two; `key` is ASCII, so that signed bytes make no difference.
pub(super) fn bucket(key: &str, buckets: u32) -> u32 {
    hash(key.as_bytes()) & (buckets - 1)
}

fn hash(key: &[u8]) -> u32 {
    let half = |bytes: &[u8]| match bytes {
        [low, high, ..] => u32::from(u16::from_le_bytes([*low, *high])),
        _ => 0,
    };
    // keys are bounded: their length is a small number
    let mut hash = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let words = key.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        hash = hash.wrapping_add(half(word));
        hash = (hash << 16) ^ ((half(&word[2..]) << 11) ^ hash);
        hash = hash.wrapping_add(hash >> 11);
    }
    match rest {
        [_, _, last] => {
            hash = hash.wrapping_add(half(rest));
            hash ^= hash << 16;
            hash ^= u32::from(*last) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [_, _] => {
            hash = hash.wrapping_add(half(rest));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [last] => {
            hash = hash.wrapping_add(u32::from(*last));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}
