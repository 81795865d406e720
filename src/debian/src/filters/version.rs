//! The order of versions in file names, as `sort -V` and `ls -v` of GNU have it.

use std::cmp::Ordering;

/// Compares two names.
pub(crate) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    // nothing, `.` and `..` come first, in this order, then what starts with a dot
    let class = |name: &[u8]| match name {
        [] => 0,
        b"." => 1,
        b".." => 2,
        [b'.', ..] => 3,
        _ => 4,
    };
    let (class_one, class_other) = (class(one), class(other));
    if class_one != class_other {
        return class_one.cmp(&class_other);
    }
    let (stem_one, stem_other) = (stem(one), stem(other));
    // suffixes count only where the rest is the same
    revision(&one[..stem_one], &other[..stem_other]).then_with(|| revision(one, other))
}

/// Where the suffix starts: `(\.[A-Za-z~][A-Za-z0-9~]*)*$`.
fn stem(name: &[u8]) -> usize {
    let mut at = 0;
    let mut stem = 0;
    while at < name.len() {
        at += 1;
        stem = at;
        while at + 1 < name.len()
            && name[at] == b'.'
            && (name[at + 1].is_ascii_alphabetic() || name[at + 1] == b'~')
        {
            at += 2;
            while at < name.len() && (name[at].is_ascii_alphanumeric() || name[at] == b'~') {
                at += 1;
            }
        }
    }
    stem
}

/// The rank of what is not a digit: `~` before the end, the end before letters, letters before the rest.
fn rank(byte: Option<&u8>) -> i32 {
    match byte {
        None => -1,
        Some(digit) if digit.is_ascii_digit() => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(b'~') => -2,
        Some(other) => i32::from(*other) + 256,
    }
}

fn revision(one: &[u8], other: &[u8]) -> Ordering {
    let (mut i, mut j) = (0, 0);
    while i < one.len() || j < other.len() {
        while one.get(i).is_some_and(|byte| !byte.is_ascii_digit())
            || other.get(j).is_some_and(|byte| !byte.is_ascii_digit())
        {
            let order = rank(one.get(i)).cmp(&rank(other.get(j)));
            if order != Ordering::Equal {
                return order;
            }
            i += 1;
            j += 1;
        }
        while one.get(i) == Some(&b'0') {
            i += 1;
        }
        while other.get(j) == Some(&b'0') {
            j += 1;
        }
        let mut first = Ordering::Equal;
        while let (Some(a), Some(b)) = (one.get(i), other.get(j))
            && a.is_ascii_digit()
            && b.is_ascii_digit()
        {
            first = first.then_with(|| a.cmp(b));
            i += 1;
            j += 1;
        }
        if one.get(i).is_some_and(u8::is_ascii_digit) {
            return Ordering::Greater;
        }
        if other.get(j).is_some_and(u8::is_ascii_digit) {
            return Ordering::Less;
        }
        if first != Ordering::Equal {
            return first;
        }
    }
    Ordering::Equal
}
