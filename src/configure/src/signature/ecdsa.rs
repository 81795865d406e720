//! ECDSA (FIPS 186-5 6.4.2) on P-256, P-384 and P-521 (SP 800-186 3.2.1).
//!
//! Points are projective, and there is one formula for all sums, also of a point with itself and with none (Renes, Costello
//! and Batina 2016, for curves with a = −3): no case can be forgotten.

use super::number::{Modulus, Number, bytes, is_zero};
use crate::der::{INTEGER, sequence};

/// X, Y, Z, in Montgomery's form; Z is zero for none.
type Point = [Number; 3];

struct Curve {
    /// Of the coordinates.
    field: Modulus,
    /// Of multiples of the base point.
    order: Modulus,
    b: Number,
    base: Point,
    /// Of a coordinate.
    bytes: usize,
    /// Of the order.
    bits: usize,
}

/// Prime, order, b, x and y of the base point, in hexadecimal.
type Constants = [&'static str; 5];

#[rustfmt::skip]
const P256: Constants = [
    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
];
#[rustfmt::skip]
const P384: Constants = [
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
    "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
];
#[rustfmt::skip]
const P521: Constants = [
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
    "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
    "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
];

/// Whether `signature` (RFC 3279 2.2.3) is of a digest by the key `point` (SEC 1 2.3.4, not compressed) of the curve with
/// that object identifier.
pub(super) fn is_good(curve: &[u8], point: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    check(curve, point, digest, signature).unwrap_or(false)
}

fn check(curve: &[u8], point: &[u8], digest: &[u8], signature: &[u8]) -> Option<bool> {
    // RFC 5480 2.1.1.1
    let curve = match curve {
        b"\x2a\x86\x48\xce\x3d\x03\x01\x07" => Curve::new(P256, 256),
        b"\x2b\x81\x04\x00\x22" => Curve::new(P384, 384),
        b"\x2b\x81\x04\x00\x23" => Curve::new(P521, 521),
        _ => None,
    }?;
    let key = curve.point(point)?;
    let order = &curve.order;
    let mut pair = sequence(signature)?;
    let (r, s) = (order.number(pair.value(INTEGER)?)?, order.number(pair.value(INTEGER)?)?);
    if !pair.is_empty() || is_zero(&r) || is_zero(&s) {
        return None;
    }
    let inverse = order.inverse(&order.enter(&s));
    let digest = curve.scalar(digest)?;
    let scaled = |number: &[u32]| bytes(&order.leave(&order.multiply(&order.enter(number), &inverse)));
    let sum = curve.add(&curve.times(&curve.base, &scaled(&digest)), &curve.times(&key, &scaled(&r)));
    let [x, _, z] = &sum;
    if is_zero(z) {
        return None;
    }
    let field = &curve.field;
    let x = field.leave(&field.multiply(x, &field.inverse(z)));
    Some(order.reduce(x) == r)
}

impl Curve {
    fn new(constants: Constants, bits: usize) -> Option<Self> {
        let [prime, order, b, x, y] = constants.map(hexadecimal);
        let (field, order) = (Modulus::new(&prime)?, Modulus::new(&order)?);
        let form = |number: &[u8]| field.number(number).map(|number| field.enter(&number));
        let (b, base) = (form(&b)?, [form(&x)?, form(&y)?, field.one()]);
        Some(Self { b, base, bytes: prime.len(), bits, field, order })
    }

    /// The point of `encoded`, which must be on the curve.
    fn point(&self, encoded: &[u8]) -> Option<Point> {
        let (form, rest) = encoded.split_first()?;
        if *form != 4 || rest.len() != 2 * self.bytes {
            return None;
        }
        let (x, y) = rest.split_at(self.bytes);
        let field = &self.field;
        let [x, y] = [field.enter(&field.number(x)?), field.enter(&field.number(y)?)];
        // y² = x³ − 3x + b
        let cube = field.multiply(&field.multiply(&x, &x), &x);
        let right = field.add(&field.minus(&cube, &self.thrice(&x)), &self.b);
        (field.multiply(&y, &y) == right).then(|| [x, y, field.one()])
    }

    /// The leftmost bits of a digest, as many as the order has.
    fn scalar(&self, digest: &[u8]) -> Option<Number> {
        let whole = digest.get(..digest.len().min(self.bits.div_ceil(8)))?;
        // digests are of whole bytes, and so are the orders that are shorter than one
        let number = super::number::limbs(whole, self.order.len())?;
        Some(self.order.reduce(number))
    }

    fn thrice(&self, number: &[u32]) -> Number {
        self.field.add(&self.field.add(number, number), number)
    }

    fn times(&self, point: &Point, scalar: &[u8]) -> Point {
        let mut out = [vec![0; self.field.len()], self.field.one(), vec![0; self.field.len()]];
        for byte in scalar {
            for bit in (0..8).rev() {
                out = self.add(&out, &out);
                if byte >> bit & 1 == 1 {
                    out = self.add(&out, point);
                }
            }
        }
        out
    }

    fn add(&self, p: &Point, q: &Point) -> Point {
        let field = &self.field;
        let times = |a: &[u32], b: &[u32]| field.multiply(a, b);
        let plus = |a: &[u32], b: &[u32]| field.add(a, b);
        let minus = |a: &[u32], b: &[u32]| field.minus(a, b);
        let ([x1, y1, z1], [x2, y2, z2]) = (p, q);
        let (xx, yy, zz) = (times(x1, x2), times(y1, y2), times(z1, z2));
        let xy = minus(&times(&plus(x1, y1), &plus(x2, y2)), &plus(&xx, &yy));
        let yz = minus(&times(&plus(y1, z1), &plus(y2, z2)), &plus(&yy, &zz));
        let xz = minus(&times(&plus(x1, z1), &plus(x2, z2)), &plus(&xx, &zz));
        let inner = self.thrice(&minus(&xz, &times(&self.b, &zz)));
        let (less, more) = (minus(&yy, &inner), plus(&yy, &inner));
        let zz3 = self.thrice(&zz);
        let outer = self.thrice(&minus(&minus(&times(&self.b, &xz), &zz3), &xx));
        let rest = minus(&self.thrice(&xx), &zz3);
        [
            minus(&times(&xy, &more), &times(&yz, &outer)),
            plus(&times(&more, &less), &times(&rest, &outer)),
            plus(&times(&yz, &less), &times(&xy, &rest)),
        ]
    }
}

fn hexadecimal(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| pair.iter().filter_map(digit).fold(0u8, |byte, digit| byte << 4 | digit);
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::{Curve, P256, P384, P521};
    use crate::signature::number::{bytes, is_zero};

    #[test]
    fn the_base_point_is_on_its_curve_and_its_order_is_the_order() {
        for (constants, bits) in [(P256, 256), (P384, 384), (P521, 521)] {
            let curve = Curve::new(constants, bits).expect("a curve");
            let [x, y, _] = &curve.base;
            let coordinate = |form: &[u32]| {
                let all = bytes(&curve.field.leave(form));
                all[all.len() - curve.bytes..].to_vec()
            };
            let encoded = [&[4][..], &coordinate(x), &coordinate(y)].concat();
            assert!(curve.point(&encoded).is_some_and(|point| point == curve.base), "{bits}");
            let mut other = encoded.clone();
            other[5] ^= 1;
            assert!(curve.point(&other).is_none(), "{bits}");
            let order = super::hexadecimal(constants[1]);
            assert!(is_zero(&curve.times(&curve.base, &order)[2]), "{bits}");
            assert!(!is_zero(&curve.times(&curve.base, &order[..order.len() - 1])[2]), "{bits}");
            // one more than the order is the point itself
            let more = curve.add(&curve.times(&curve.base, &order), &curve.base);
            let x = curve.field.multiply(&more[0], &curve.field.inverse(&more[2]));
            assert!(x == curve.base[0], "{bits}");
        }
    }
}
