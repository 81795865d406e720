//! Versions of packages, compared as Debian's policy says.

use std::cmp::Ordering;

fn order(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        b'0'..=b'9' => 0,
        b if b.is_ascii_alphabetic() => i32::from(b),
        b => i32::from(b) + 256,
    }
}

/// Which of two parts is later: letters before other characters, numbers by value; `ls -v` sorts so too.
pub(crate) fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (x, y) = (a.first().copied(), b.first().copied());
            let ends = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_digit());
            if ends(x) && ends(y) {
                break;
            }
            match x.map_or(0, order).cmp(&y.map_or(0, order)) {
                Ordering::Equal => {}
                other => return other,
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let number = |text: &mut &[u8]| {
            let zeros = text.iter().take_while(|b| **b == b'0').count();
            let rest = text.get(zeros..).unwrap_or_default();
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let (number, rest) = rest.split_at_checked(digits).unwrap_or((rest, b""));
            *text = rest;
            number.to_vec()
        };
        let (x, y) = (number(&mut a), number(&mut b));
        match x.len().cmp(&y.len()).then_with(|| x.cmp(&y)) {
            Ordering::Equal => {}
            other => return other,
        }
    }
    Ordering::Equal
}

/// Which of two versions is later.
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let split = |version: &[u8]| {
        let (epoch, rest) = match version.iter().position(|b| *b == b':') {
            Some(at) => {
                (version.get(..at).unwrap_or_default().to_vec(), version.get(at + 1..).unwrap_or_default())
            }
            None => (Vec::new(), version),
        };
        let epoch: u64 = std::str::from_utf8(&epoch).ok().and_then(|e| e.trim().parse().ok()).unwrap_or(0);
        let at = rest.iter().rposition(|b| *b == b'-');
        let (upstream, revision) = match at {
            Some(at) => {
                (rest.get(..at).unwrap_or_default().to_vec(), rest.get(at + 1..).unwrap_or_default().to_vec())
            }
            None => (rest.to_vec(), Vec::new()),
        };
        (epoch, upstream, revision)
    };
    let (a, b) = (split(a.trim_ascii()), split(b.trim_ascii()));
    a.0.cmp(&b.0).then_with(|| part(&a.1, &b.1)).then_with(|| part(&a.2, &b.2))
}

/// What `dpkg --compare-versions A OP B` says; `None` for an operator that it does not have. An empty version is earlier than
/// any, except for the operators that end in `-nl`.
pub(crate) fn holds(a: &[u8], op: &[u8], b: &[u8]) -> Option<bool> {
    let empty_is_later = op.ends_with(b"-nl");
    let order = match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if empty_is_later {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, true) => {
            if empty_is_later {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, false) => compare(a, b),
    };
    Some(match op {
        b"lt" | b"lt-nl" | b"<<" => order.is_lt(),
        b"le" | b"le-nl" | b"<=" | b"<" => order.is_le(),
        b"eq" | b"=" => order.is_eq(),
        b"ne" => order.is_ne(),
        b"ge" | b"ge-nl" | b">=" | b">" => order.is_ge(),
        b"gt" | b"gt-nl" | b">>" => order.is_gt(),
        _ => return None,
    })
}
