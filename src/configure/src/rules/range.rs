//! Ranges of addresses: of pods and of services, as the API server and the controller manager take them.

use std::net::IpAddr;

/// A range of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: u128,
    /// How many bits all its addresses have in common.
    pub length: u32,
    /// How many bits an address has: 32 or 128.
    pub bits: u32,
}

impl Range {
    /// `address/length`; bits behind the length do not count. IPv4 in IPv6's clothes is neither.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let length = super::number(length)?;
        let (address, bits) = number(address.parse().ok()?)?;
        let rest = bits.checked_sub(length)?;
        // all 128 bits are not a valid shift
        let first = address.checked_shr(rest).and_then(|start| start.checked_shl(rest)).unwrap_or(0);
        Some(Self { first, length, bits })
    }

    /// Whether any address is in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let shift = self.bits - self.length.min(other.length);
        let start = |first: u128| first.checked_shr(shift).unwrap_or(0);
        self.bits == other.bits && start(self.first) == start(other.first)
    }

    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        number(address).is_some_and(|(first, bits)| self.overlaps(&Self { first, length: bits, bits }))
    }
}

fn number(address: IpAddr) -> Option<(u128, u32)> {
    match address {
        IpAddr::V4(address) => Some((u128::from(u32::from(address)), 32)),
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => None,
        IpAddr::V6(address) => Some((u128::from(address), 128)),
    }
}

/// One range, or one of each family, separated by a comma.
#[must_use]
pub fn ranges(text: &str) -> Option<Vec<Range>> {
    let all: Vec<Range> = text.split(',').map(Range::of).collect::<Option<_>>()?;
    let differ = |all: &[Range]| all.first().map(|range| range.bits) != all.last().map(|range| range.bits);
    (all.len() == 1 || all.len() == 2 && differ(&all)).then_some(all)
}

/// Whether the API server takes it for services: eight addresses or more, and at most 20 bits of them in either family.
#[must_use]
pub(super) fn is_for_services(range: &Range) -> bool {
    (3..=20).contains(&(range.bits - range.length))
}

#[cfg(test)]
mod tests {
    use super::{Range, is_for_services, ranges};

    #[test]
    fn a_range_is_an_address_and_a_length_of_its_family() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "::/0", "fd64::/48", "fd64::1/128"] {
            assert!(Range::of(good).is_some(), "{good}");
        }
        for bad in
            ["10.0.0.0", "10.0.0.0/33", "fd64::/129", "::ffff:10.0.0.0/104", "10.0.0.0/08", "a/8", "/8", ""]
        {
            assert!(Range::of(bad).is_none(), "{bad}");
        }
        assert_eq!(Range::of("10.9.9.9/8"), Range::of("10.0.0.0/8"));
        assert!(ranges("fd64::/48,100.64.0.0/10").is_some_and(|all| all.len() == 2));
        for bad in
            ["10.0.0.0/8,11.0.0.0/8", "fd00::/8,fd00::/8", "10.0.0.0/8,", "10.0.0.0/8,fd00::/8,11.0.0.0/8"]
        {
            assert!(ranges(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn ranges_overlap_when_one_is_in_the_other() {
        for (one, other, overlap) in [
            ("198.18.0.0/15", "198.18.0.0/16", true),
            ("198.18.0.0/15", "198.19.255.254/32", true),
            ("198.18.0.0/15", "198.20.0.0/16", false),
            ("0.0.0.0/0", "10.0.0.0/8", true),
            ("::/0", "10.0.0.0/8", false),
            ("fd00::/8", "fd64::/48", true),
            ("fdc6::/108", "fdc6::10:0/108", false),
        ] {
            let of = |text| Range::of(text).expect("a range");
            assert_eq!(of(one).overlaps(&of(other)), overlap, "{one} {other}");
            assert_eq!(of(other).overlaps(&of(one)), overlap, "{other} {one}");
        }
        let pods = Range::of("100.64.0.0/10").expect("a range");
        assert!(pods.contains("100.64.0.1".parse().expect("an address")));
        assert!(!pods.contains("10.0.0.1".parse().expect("an address")));
        assert!(!pods.contains("::1".parse().expect("an address")));
    }

    #[test]
    fn services_have_between_three_and_twenty_bits() {
        for (text, good) in [
            ("10.0.0.0/8", false),
            ("10.0.0.0/11", false),
            ("10.0.0.0/12", true),
            ("10.0.0.0/29", true),
            ("10.0.0.0/30", false),
            ("fd00::/107", false),
            ("fd00::/108", true),
            ("fd00::/125", true),
            ("fd00::/126", false),
        ] {
            assert_eq!(Range::of(text).as_ref().map(is_for_services), Some(good), "{text}");
        }
    }
}
