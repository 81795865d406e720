//! The order of versions: dpkg's `verrevcmp`, deb-version(7).

use std::cmp::Ordering;

/// Which of two upstream versions or revisions is later: runs of other characters and of digits, in turns. Nothing is
/// allocated, and a missing number is zero: `1.` and `1.0` are equal.
#[must_use]
pub fn parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (x, y) = (weight(a.first()), weight(b.first()));
            match x.cmp(&y) {
                // both at a digit or at their end
                Ordering::Equal if x == 0 => break,
                Ordering::Equal => (a, b) = (&a[1..], &b[1..]),
                unequal => return unequal,
            }
        }
        let (x, rest_a) = number(a);
        let (y, rest_b) = number(b);
        match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
            Ordering::Equal => (a, b) = (rest_a, rest_b),
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

/// `~` sorts before the end, which sorts with the digits, before letters, before all else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    }
}

/// The digits at the beginning without leading zeros, and the rest.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let zeros = text.iter().take_while(|&&b| b == b'0').count();
    let digits = text[zeros..].iter().take_while(|b| b.is_ascii_digit()).count();
    text[zeros..].split_at(digits)
}
