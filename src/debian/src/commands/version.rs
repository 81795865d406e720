//! Versions of packages, compared as `dpkg --compare-versions` does: text that is not a version is compared, too.

use crate::version::parts;
use std::cmp::Ordering;

/// Which of two versions is later.
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (split(a.trim_ascii()), split(b.trim_ascii()));
    a.0.cmp(&b.0).then_with(|| parts(a.1, b.1)).then_with(|| parts(a.2, b.2))
}

/// Epoch, upstream version and revision.
fn split(version: &[u8]) -> (u64, &[u8], &[u8]) {
    let (epoch, rest) = match version.iter().position(|b| *b == b':') {
        Some(at) => (version.get(..at).unwrap_or_default(), version.get(at + 1..).unwrap_or_default()),
        None => (&b""[..], version),
    };
    let epoch: u64 = std::str::from_utf8(epoch).ok().and_then(|e| e.trim().parse().ok()).unwrap_or(0);
    let (upstream, revision) = match rest.iter().rposition(|b| *b == b'-') {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
        None => (rest, &b""[..]),
    };
    (epoch, upstream, revision)
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
