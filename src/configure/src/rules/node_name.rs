//! Names of nodes and clusters, as what they are given to takes them.

/// A node's name: labels of small letters, digits and inner hyphens with dots between (RFC 1123, as Kubernetes has it). It
/// is also the value of the label `kubernetes.io/hostname`, and so at most 63 long.
#[must_use]
pub(super) fn is_node_name(value: &str) -> bool {
    value.len() <= NODE_NAME && value.split('.').all(is_label)
}

/// A name that netsy takes for a cluster and for each of its members: `^[a-z0-9]([a-z0-9-]*[a-z0-9])?$` without `--`, at most
/// 32.
#[must_use]
pub fn is_netsy_name(value: &str) -> bool {
    value.len() <= NETSY_NAME && is_label(value) && !value.contains("--")
}

/// The longest name of a node.
pub(super) const NODE_NAME: usize = 63;
/// The longest name in netsy.
pub(super) const NETSY_NAME: usize = 32;

fn is_label(value: &str) -> bool {
    !value.is_empty()
        && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !value.starts_with('-')
        && !value.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::{is_netsy_name, is_node_name};

    #[test]
    fn names_are_small_letters_digits_and_inner_hyphens() {
        let (long, longer) = ("a".repeat(63), "a".repeat(64));
        for (name, node, netsy) in [
            ("knc-1", true, true),
            ("1", true, true),
            ("i-0123456789abcdef0", true, true),
            ("a--b", true, false),
            ("node.example", true, false),
            (&long[..32], true, true),
            (&long[..33], true, false),
            (&long, true, false),
            (&longer, false, false),
            ("rpi_node_1", false, false),
            ("VM-Node-01", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("a..b", false, false),
            (".a", false, false),
            ("a-.b", false, false),
            ("", false, false),
            ("a b", false, false),
            ("a\u{200b}b", false, false),
        ] {
            assert_eq!((is_node_name(name), is_netsy_name(name)), (node, netsy), "{name:?}");
        }
    }
}
