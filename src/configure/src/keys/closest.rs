//! Which setting somebody may have meant by a name that is none.

use super::KEYS;

/// The setting whose name is most like `name`, if any is: at most a quarter of the letters are other, missing, added or
/// exchanged with their neighbour. Of several the first.
#[must_use]
pub fn closest(name: &str) -> Option<&'static str> {
    let name: Vec<u8> = name.bytes().take(128).map(|byte| byte.to_ascii_uppercase()).collect();
    let most = name.len().div_ceil(4).min(4);
    let distances = KEYS.iter().map(|key| (distance(&name, key.name.as_bytes()), key.name));
    distances
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters are other, missing, added or exchanged (optimal string alignment).
fn distance(one: &[u8], other: &[u8]) -> usize {
    // rows of the table: of the letter before the last, of the last, of this one
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut above: Option<u8> = None;
    for (row, &a) in one.iter().enumerate() {
        let mut now = vec![row + 1];
        let mut left: Option<u8> = None;
        for (column, &b) in other.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut least = at(&last, column) + usize::from(a != b);
            least = least.min(at(&last, column + 1) + 1).min(at(&now, column) + 1);
            if above == Some(b) && left == Some(a) {
                least = least.min(at(&before, column - 1) + 1);
            }
            now.push(least);
            left = Some(b);
        }
        above = Some(a);
        before = std::mem::replace(&mut last, now);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{closest, distance};

    #[test]
    fn a_name_with_a_slip_is_known_again_and_another_name_is_none() {
        for (name, expected) in [
            ("KUBE_CLUSTER_DNSS", Some("KUBE_CLUSTER_DNS")),
            ("NETSY_BUKCET", Some("NETSY_BUCKET")),
            ("NETSYBUCKET", Some("NETSY_BUCKET")),
            ("netsy_bucket", Some("NETSY_BUCKET")),
            ("OIDC_ISSUER_URL", Some("OIDC_ISSUER")),
            ("INSTANCE_IPV5", Some("INSTANCE_IPV4")),
            ("NOPE", None),
            ("HTTPS_PROXY", None),
            ("", None),
        ] {
            assert_eq!(closest(name), expected, "{name}");
        }
        for (one, other, expected) in
            [("", "", 0), ("abc", "", 3), ("abc", "acb", 1), ("abc", "xbc", 1), ("ab", "cab", 1)]
        {
            assert_eq!(distance(one.as_bytes(), other.as_bytes()), expected, "{one} {other}");
        }
    }
}
