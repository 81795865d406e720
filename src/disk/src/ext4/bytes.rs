//! Little-endian fields of fixed-size structures, and the narrowing of numbers into them.

/// Writes `bytes` at `at`.
pub(super) fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    out[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Writes 16 bits at `at`.
pub(super) fn put16(out: &mut [u8], at: usize, value: u16) {
    put(out, at, &value.to_le_bytes());
}

/// Writes 32 bits at `at`.
pub(super) fn put32(out: &mut [u8], at: usize, value: u32) {
    put(out, at, &value.to_le_bytes());
}

/// The low 16 bits.
pub(super) const fn low16(value: u64) -> u16 {
    let [a, b, ..] = value.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// The bits from 16 to 31.
pub(super) const fn high16(value: u32) -> u16 {
    let [_, _, c, d] = value.to_le_bytes();
    u16::from_le_bytes([c, d])
}

/// The low 32 bits.
pub(super) const fn low32(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The high 32 bits.
pub(super) const fn high32(value: u64) -> u32 {
    low32(value >> 32)
}

/// A number as an index: what does not fit is beyond the end of everything.
pub(super) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
