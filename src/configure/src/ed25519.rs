//! Ed25519 (RFC 8032): the public key of a private key, whose file holds the seed alone (5.1.5), and whether a signature is
//! good (5.1.7).
//!
//! Field elements are sixteen limbs of 16 bits, as in TweetNaCl, whose public domain code this follows. No branch and no
//! index depends on the secret. Deliberately absent: signing.

use crate::sha512::sha512;

/// A number modulo 2^255 − 19, in limbs of 16 bits that may be out of range between operations.
type Field = [i64; 16];
/// A point of the curve in extended coordinates X, Y, Z, T.
type Point = [Field; 4];

const ONE: Field = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Twice the curve's d.
#[rustfmt::skip]
const D2: Field = [
    0xf159, 0x26b2, 0x9b94, 0xebd6, 0xb156, 0x8283, 0x149a, 0x00e0,
    0xd130, 0xeef3, 0x80f2, 0x198e, 0xfce7, 0x56df, 0xd9dc, 0x2406,
];
/// The base point.
#[rustfmt::skip]
const X: Field = [
    0xd51a, 0x8f25, 0x2d60, 0xc956, 0xa7b2, 0x9525, 0xc760, 0x692c,
    0xdc5c, 0xfdd6, 0xe231, 0xc0a4, 0x53fe, 0xcd6e, 0x36d3, 0x2169,
];
#[rustfmt::skip]
const Y: Field = [
    0x6658, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666,
    0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666,
];

/// The public key that belongs to `seed`.
#[must_use]
pub fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    let digest = sha512(&[seed]);
    let mut scalar = [0u8; 32];
    scalar.copy_from_slice(&digest[..32]);
    scalar[0] &= 0xf8;
    scalar[31] = scalar[31] & 0x7f | 0x40;
    packed(&times([X, Y, ONE, multiply(&X, &Y)], &scalar))
}

/// Whether `signature` is of `message` by the key `public`.
#[must_use]
pub fn is_good(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Some((r, s)) = signature.split_at_checked(32) else { return false };
    // one signature has one spelling
    if s.len() != 32 || !s.iter().rev().lt(ORDER.iter().rev()) {
        return false;
    }
    let Some([x, y, z, t]) = unpacked(public) else { return false };
    let minus_key = [minus(&[0; 16], &x), y, z, minus(&[0; 16], &t)];
    let digest = sha512(&[r, public, message]);
    let base = times([X, Y, ONE, multiply(&X, &Y)], s);
    packed(&add(&base, &times(minus_key, &digest))) == r
}

/// The order of the base point, the lowest byte first.
#[rustfmt::skip]
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The point so many times; the lowest byte first.
fn times(mut base: Point, scalar: &[u8]) -> Point {
    let mut sum: Point = [[0; 16], ONE, ONE, [0; 16]];
    // a ladder: the same steps for every bit
    for byte in scalar.iter().rev() {
        for shift in (0..8).rev() {
            let bit = i64::from(byte >> shift & 1);
            swap(&mut sum, &mut base, bit);
            base = add(&base, &sum);
            sum = add(&sum, &sum);
            swap(&mut sum, &mut base, bit);
        }
    }
    sum
}

/// A point in bytes: y, and in the highest bit whether x is odd.
fn packed([x, y, z, _]: &Point) -> [u8; 32] {
    let inverse = invert(z);
    let (x, mut out) = (pack(&multiply(x, &inverse)), pack(&multiply(y, &inverse)));
    out[31] ^= (x[0] & 1) << 7;
    out
}

/// The point of bytes (RFC 8032 5.1.3); none where the curve has none.
fn unpacked(bytes: &[u8; 32]) -> Option<Point> {
    let y: Field = std::array::from_fn(|at| {
        let high = if at == 15 { bytes[31] & 0x7f } else { bytes[2 * at + 1] };
        i64::from(bytes[2 * at]) | i64::from(high) << 8
    });
    let (square, two) = (multiply(&y, &y), plus(&ONE, &ONE));
    // x² = (y² − 1) / (dy² + 1)
    let below = plus(&multiply(&D2, &square), &two);
    let wanted = multiply(&multiply(&minus(&square, &ONE), &two), &invert(&below));
    let is_root = |x: &Field| pack(&multiply(x, x)) == pack(&wanted);
    // to the power of 2^252 − 2 it is a root, or one but for the root of −1, which is 2 to the power of 2^253 − 5
    let mut x = ones(&wanted, 251, 0);
    if !is_root(&x) {
        x = multiply(&x, &ones(&two, 252, 2));
    }
    if !is_root(&x) {
        return None;
    }
    if pack(&x)[0] & 1 != bytes[31] >> 7 {
        x = minus(&[0; 16], &x);
    }
    Some([x, y, ONE, multiply(&x, &y)])
}

/// To the power of a number of one bit more than `bits`, all of them 1 but that at `zero`.
fn ones(field: &Field, bits: usize, zero: usize) -> Field {
    let mut out = *field;
    for at in (0..bits).rev() {
        out = multiply(&out, &out);
        if at != zero {
            out = multiply(&out, field);
        }
    }
    out
}

fn add(p: &Point, q: &Point) -> Point {
    let a = multiply(&minus(&p[1], &p[0]), &minus(&q[1], &q[0]));
    let b = multiply(&plus(&p[0], &p[1]), &plus(&q[0], &q[1]));
    let c = multiply(&multiply(&p[3], &q[3]), &D2);
    let d = multiply(&p[2], &q[2]);
    let d = plus(&d, &d);
    let (e, f, g, h) = (minus(&b, &a), minus(&d, &c), plus(&d, &c), plus(&b, &a));
    [multiply(&e, &f), multiply(&h, &g), multiply(&g, &f), multiply(&e, &h)]
}

/// Swaps both when `bit` is 1, by the same steps when it is 0.
fn swap(p: &mut Point, q: &mut Point, bit: i64) {
    for (p, q) in p.iter_mut().zip(q) {
        select(p, q, bit);
    }
}

fn select(p: &mut Field, q: &mut Field, bit: i64) {
    let mask = !(bit - 1);
    for (p, q) in p.iter_mut().zip(q) {
        let difference = mask & (*p ^ *q);
        *p ^= difference;
        *q ^= difference;
    }
}

fn plus(a: &Field, b: &Field) -> Field {
    std::array::from_fn(|at| a[at] + b[at])
}

fn minus(a: &Field, b: &Field) -> Field {
    std::array::from_fn(|at| a[at] - b[at])
}

fn multiply(a: &Field, b: &Field) -> Field {
    let mut product = [0i64; 31];
    for (at, a) in a.iter().enumerate() {
        for (slot, b) in product[at..].iter_mut().zip(b) {
            *slot += a * b;
        }
    }
    // 2^256 is 38
    let mut out: Field = std::array::from_fn(|at| product[at] + 38 * product.get(at + 16).unwrap_or(&0));
    carry(&mut out);
    carry(&mut out);
    out
}

fn carry(field: &mut Field) {
    for at in 0..16 {
        field[at] += 1 << 16;
        let over = field[at] >> 16;
        field[at] -= over << 16;
        if at < 15 {
            field[at + 1] += over - 1;
        } else {
            field[0] += 38 * (over - 1);
        }
    }
}

/// To the power of 2^255 − 21.
fn invert(field: &Field) -> Field {
    let mut out = *field;
    for at in (0..=253).rev() {
        out = multiply(&out, &out);
        if at != 2 && at != 4 {
            out = multiply(&out, field);
        }
    }
    out
}

/// Its one smallest form in bytes, the lowest first.
fn pack(field: &Field) -> [u8; 32] {
    let mut least = *field;
    for _ in 0..3 {
        carry(&mut least);
    }
    for _ in 0..2 {
        let mut less = [0i64; 16];
        let mut borrow = 0;
        for at in 0..16 {
            let prime = [0xffed, 0xffff, 0x7fff][usize::from(at > 0) + usize::from(at == 15)];
            let digit = least[at] - prime - borrow;
            borrow = digit >> 16 & 1;
            less[at] = if at < 15 { digit & 0xffff } else { digit };
        }
        select(&mut least, &mut less, 1 - borrow);
    }
    let mut out = [0; 32];
    for (bytes, limb) in out.chunks_exact_mut(2).zip(least) {
        bytes.copy_from_slice(&limb.to_le_bytes()[..2]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{is_good, public_key};

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        let key = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let halves = [
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ];
        let signature = halves.map(bytes).concat();
        assert!(is_good(&key, &[0x72], &signature));
        assert!(!is_good(&key, &[0x73], &signature) && !is_good(&key, &[], &signature));
        for at in 0..signature.len() {
            let mut other = signature.clone();
            other[at] ^= 1;
            assert!(!is_good(&key, &[0x72], &other), "{at}");
        }
        assert!(!is_good(&key, &[0x72], &signature[..63]) && !is_good(&key, &[0x72], &[]));
        // the same number, spelt with the order added
        let mut carry = 0;
        let more: Vec<u8> = signature[32..]
            .iter()
            .zip(super::ORDER)
            .map(|(a, b)| {
                carry += u16::from(*a) + u16::from(b);
                let [low, high] = carry.to_le_bytes();
                carry = u16::from(high);
                low
            })
            .collect();
        assert!(!is_good(&key, &[0x72], &[&signature[..32], &more].concat()));
    }

    fn bytes(text: &str) -> [u8; 32] {
        std::array::from_fn(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).expect("hexadecimal"))
    }

    #[test]
    fn keys_are_those_of_rfc_8032() {
        for (seed, key) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            ),
        ] {
            assert_eq!(public_key(&bytes(seed)), bytes(key));
        }
    }
}
