//! Addresses that a node may have: kubelet's `--node-ip` takes no other (its `validateNodeIP`), and no other reaches a node.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Neither loopback, link-local, multicast, broadcast nor unspecified, nor of the networks 0 and 240 and above.
#[must_use]
pub fn is_node_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    !(address.is_loopback() || address.is_link_local() || matches!(first, 0 | 224..))
}

/// Neither loopback, link-local, multicast nor unspecified, nor an IPv4 address in IPv6's clothes.
#[must_use]
pub fn is_node_v6(address: Ipv6Addr) -> bool {
    let link_local = address.segments()[0] & 0xffc0 == 0xfe80;
    // ::/96 holds ::, ::1 and the abandoned IPv4-compatible addresses
    let ipv4 = address.to_ipv4().is_some();
    !(address.is_multicast() || link_local || ipv4)
}

#[cfg(test)]
mod tests {
    use super::{is_node_v4, is_node_v6};

    #[test]
    fn no_node_has_an_address_that_others_cannot_reach() {
        for (address, good) in [
            ("10.0.2.15", true),
            ("100.64.0.1", true),
            ("192.0.2.1", true),
            ("223.255.255.254", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("127.0.0.1", false),
            ("127.255.0.1", false),
            ("169.254.1.2", false),
            ("224.0.0.1", false),
            ("239.1.1.1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
        ] {
            assert_eq!(is_node_v4(address.parse().expect("an address")), good, "{address}");
        }
        for (address, good) in [
            ("2001:db8::5", true),
            ("fd00::1", true),
            ("64:ff9b::a00:1", true),
            ("::", false),
            ("::1", false),
            ("::10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("fe80::1", false),
            ("febf::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_node_v6(address.parse().expect("an address")), good, "{address}");
        }
    }
}
