//! Whole numbers modulo an odd one, multiplied as Montgomery has it.

/// 32 bits of a number each, the lowest first; as many as the modulus has.
pub(super) type Number = Vec<u32>;

/// A modulus, with what multiplying needs.
pub(super) struct Modulus {
    limbs: Vec<u32>,
    /// Of the lowest limb, the negative inverse modulo 2^32.
    inverse: u32,
    /// The number that makes another one Montgomery's: the square of 2^32 to the number of limbs.
    square: Number,
}

impl Modulus {
    /// Of the bytes of an odd number above 1, the highest first; none of any other.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let limbs = limbs(bytes, bytes.len().div_ceil(4))?;
        let lowest = *limbs.first()?;
        if lowest % 2 == 0 || (lowest == 1 && limbs.iter().skip(1).all(|limb| *limb == 0)) {
            return None;
        }
        // each round doubles the bits that are right (Newton)
        let inverse = (0..5)
            .fold(1u32, |inverse, _| inverse.wrapping_mul(2u32.wrapping_sub(lowest.wrapping_mul(inverse))));
        let mut modulus = Self { inverse: inverse.wrapping_neg(), square: Vec::new(), limbs };
        let mut square = vec![0; modulus.limbs.len()];
        if let Some(first) = square.first_mut() {
            *first = 1;
        }
        for _ in 0..64 * modulus.limbs.len() {
            square = modulus.add(&square, &square);
        }
        modulus.square = square;
        Some(modulus)
    }

    /// The number of `bytes`, the highest first; none when it is not below the modulus.
    pub(super) fn number(&self, bytes: &[u8]) -> Option<Number> {
        limbs(bytes, self.limbs.len()).filter(|number| is_below(number, &self.limbs))
    }

    /// Montgomery's form of `number`.
    pub(super) fn enter(&self, number: &[u32]) -> Number {
        self.multiply(number, &self.square)
    }

    /// The number that `form` is Montgomery's form of.
    pub(super) fn leave(&self, form: &[u32]) -> Number {
        let mut one = vec![0; self.limbs.len()];
        if let Some(first) = one.first_mut() {
            *first = 1;
        }
        self.multiply(form, &one)
    }

    /// The form of 1.
    pub(super) fn one(&self) -> Number {
        self.leave(&self.square)
    }

    /// The product of two forms.
    pub(super) fn multiply(&self, a: &[u32], b: &[u32]) -> Number {
        let mut sum = vec![0u32; self.limbs.len() + 1];
        let mut over = 0u32;
        for digit in b {
            over += accumulate(&mut sum, a, *digit);
            let lowest = sum.first().copied().unwrap_or_default();
            over += accumulate(&mut sum, &self.limbs, lowest.wrapping_mul(self.inverse));
            // the lowest limb is zero now
            sum.rotate_left(1);
            if let Some(last) = sum.last_mut() {
                *last = over;
            }
            over = 0;
        }
        let top = sum.pop().unwrap_or_default();
        if top != 0 || !is_below(&sum, &self.limbs) {
            subtract(&mut sum, &self.limbs);
        }
        sum
    }

    /// The sum of two numbers below the modulus.
    pub(super) fn add(&self, a: &[u32], b: &[u32]) -> Number {
        let mut carry = 0;
        let mut sum: Number = a
            .iter()
            .zip(b)
            .map(|(a, b)| {
                let limb = u64::from(*a) + u64::from(*b) + carry;
                carry = limb >> 32;
                low(limb)
            })
            .collect();
        if carry != 0 || !is_below(&sum, &self.limbs) {
            subtract(&mut sum, &self.limbs);
        }
        sum
    }

    /// The difference of two numbers below the modulus.
    pub(super) fn minus(&self, a: &[u32], b: &[u32]) -> Number {
        let mut negative = self.limbs.clone();
        subtract(&mut negative, b);
        if is_below(&negative, &self.limbs) { self.add(a, &negative) } else { a.to_vec() }
    }

    /// The form `base` to the power of `exponent`, bytes with the highest first.
    pub(super) fn power(&self, base: &[u32], exponent: &[u8]) -> Number {
        let mut out = self.one();
        for byte in exponent {
            for bit in (0..8).rev() {
                out = self.multiply(&out, &out);
                if byte >> bit & 1 == 1 {
                    out = self.multiply(&out, base);
                }
            }
        }
        out
    }

    /// The inverse of a form, where the modulus is a prime.
    pub(super) fn inverse(&self, form: &[u32]) -> Number {
        let mut exponent = self.limbs.clone();
        let mut two = vec![0; exponent.len()];
        if let Some(first) = two.first_mut() {
            *first = 2;
        }
        subtract(&mut exponent, &two);
        self.power(form, &bytes(&exponent))
    }

    /// The remainder of a number of as many bits.
    pub(super) fn reduce(&self, mut number: Number) -> Number {
        while !is_below(&number, &self.limbs) {
            subtract(&mut number, &self.limbs);
        }
        number
    }

    /// How many limbs its numbers have.
    pub(super) fn len(&self) -> usize {
        self.limbs.len()
    }
}

/// Bytes of a number, the highest first.
pub(super) fn bytes(number: &[u32]) -> Vec<u8> {
    number.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
}

/// The number of `bytes`, the highest first, in `count` limbs; none when it has more.
pub(super) fn limbs(bytes: &[u8], count: usize) -> Option<Number> {
    let mut out = vec![0u32; count];
    for (at, byte) in bytes.iter().rev().enumerate() {
        match out.get_mut(at / 4) {
            Some(limb) => *limb |= u32::from(*byte) << (8 * (at % 4)),
            None if *byte == 0 => {}
            None => return None,
        }
    }
    Some(out)
}

/// Whether every limb is zero.
pub(super) fn is_zero(number: &[u32]) -> bool {
    number.iter().all(|limb| *limb == 0)
}

/// Adds `a` times `digit` to `sum`, which has one limb more; what goes beyond that is returned.
fn accumulate(sum: &mut [u32], a: &[u32], digit: u32) -> u32 {
    let mut carry = 0;
    for (at, slot) in sum.iter_mut().enumerate() {
        let product = a.get(at).map_or(0, |limb| u64::from(*limb) * u64::from(digit));
        let limb = product + u64::from(*slot) + carry;
        (*slot, carry) = (low(limb), limb >> 32);
    }
    low(carry)
}

/// `a` without `b`; modulo what its limbs hold.
fn subtract(a: &mut [u32], b: &[u32]) {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (once, first) = a.overflowing_sub(*b);
        let (twice, second) = once.overflowing_sub(u32::from(borrow));
        (*a, borrow) = (twice, first || second);
    }
}

fn is_below(a: &[u32], b: &[u32]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn low(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Modulus, bytes, limbs};

    #[test]
    fn products_sums_and_powers_are_those_of_plain_arithmetic() {
        for modulus in [3u64, 0xffff_fffb, 0x1_0000_0001, 0xffff_ffff_ffff_ffc5, 0x8000_0000_0000_001d] {
            let ring = Modulus::new(&modulus.to_be_bytes()).expect("odd");
            let number = |value: u64| ring.number(&value.to_be_bytes()).expect("below");
            let value =
                |number: &[u32]| bytes(number).iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            let samples =
                [0, 1, 2, 5, modulus / 3, modulus / 2, modulus - 2, modulus - 1].map(|v| v % modulus);
            for a in samples {
                for b in samples {
                    let wide = |value: u64| u128::from(value);
                    let plain = |value: u128| u64::try_from(value % wide(modulus)).expect("64 bits");
                    let product = ring.multiply(&ring.enter(&number(a)), &ring.enter(&number(b)));
                    assert_eq!(
                        value(&ring.leave(&product)),
                        plain(wide(a) * wide(b)),
                        "{a} * {b} mod {modulus}"
                    );
                    assert_eq!(value(&ring.add(&number(a), &number(b))), plain(wide(a) + wide(b)));
                    let minus = plain(wide(a) + wide(modulus) - wide(b));
                    assert_eq!(value(&ring.minus(&number(a), &number(b))), minus, "{a} - {b} mod {modulus}");
                }
                let five = ring.power(&ring.enter(&number(a)), &[0, 5]);
                let plain = (0..5).fold(1u128, |all, _| all * u128::from(a) % u128::from(modulus));
                assert_eq!(u128::from(value(&ring.leave(&five))), plain);
            }
        }
        assert!(
            Modulus::new(&[]).is_none() && Modulus::new(&[4]).is_none() && Modulus::new(&[0, 1]).is_none()
        );
        assert!(Modulus::new(&[7]).expect("odd").number(&[7]).is_none());
        assert_eq!(limbs(&[0, 1, 2, 3, 4, 5], 2), Some(vec![0x0203_0405, 1]));
        assert_eq!(limbs(&[1, 0, 0, 0, 0], 1), None);
    }
}
