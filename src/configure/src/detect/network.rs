//! The default route's device and its addresses, and the host's names.

use crate::refusal::Result;
use crate::root::Root;
use crate::rules::{is_node_v4, is_node_v6};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The most bytes of a file below /proc/net: thousands of routes.
const LIMIT: usize = 1024 * 1024;

/// The kernel's tables as text.
#[derive(Default)]
pub(super) struct Routes {
    ipv4: String,
    ipv6: String,
    addresses: String,
    local: String,
}

impl Routes {
    /// Reads them; a kernel without a family has no table of it.
    pub(super) fn read(root: &Root) -> Result<Self> {
        let text = |path| root.read_text(path, LIMIT).map(Option::unwrap_or_default);
        Ok(Self {
            ipv4: text("/proc/net/route")?,
            ipv6: text("/proc/net/ipv6_route")?,
            addresses: text("/proc/net/if_inet6")?,
            local: text("/proc/net/fib_trie")?,
        })
    }

    /// The device of the default route with the lowest metric, of IPv4 before IPv6; in a network that leads nowhere else
    /// the device of the only global address, if it is the only one of its family.
    pub(super) fn device(&self) -> Option<String> {
        let default = default_ipv4(&self.ipv4).map(|(device, _)| device).or_else(|| default_ipv6(&self.ipv6));
        default
            .or_else(|| only(local_ipv4(&self.ipv4, &self.local)).map(|(device, _)| device.to_owned()))
            .or_else(|| only(global_ipv6(&self.addresses)).map(|(device, _)| device.to_owned()))
    }

    /// The address that packets to the default gateway leave `device` with.
    pub(super) fn ipv4(&self, device: &str) -> Option<String> {
        let gateway = default_ipv4(&self.ipv4).filter(|(by, _)| by == device).map(|(_, gateway)| gateway);
        let own = || {
            local_ipv4(&self.ipv4, &self.local)
                .into_iter()
                .find(|(by, _)| *by == device)
                .map(|(_, address)| address)
        };
        gateway.and_then(source).or_else(own).map(|address| address.to_string())
    }

    /// The global address of `device`.
    pub(super) fn ipv6(&self, device: &str) -> Option<String> {
        let own = global_ipv6(&self.addresses).into_iter().filter(|(by, _)| *by == device);
        // the table's order is that of a hash: a choice of our own is the same each time; public before private (fc00::/7)
        let chosen = own.min_by_key(|(_, address)| (address.segments()[0] & 0xfe00 == 0xfc00, *address));
        chosen.map(|(_, address)| address.to_string())
    }
}

/// `/proc/net/route` (proc(5)): numbers are in the machine's byte order. Destination and mask 0, up, not a reject.
fn default_ipv4(table: &str) -> Option<(String, Ipv4Addr)> {
    let mut best: Option<(u32, String, Ipv4Addr)> = None;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [device, destination, gateway, flags, _, _, metric, mask, ..] = fields.as_slice() else {
            continue;
        };
        let (Some(gateway), Some(flags), Ok(metric)) = (hex(gateway), hex(flags), metric.parse()) else {
            continue;
        };
        if hex(destination) == Some(0) && hex(mask) == Some(0) && flags & 0x0201 == 1 {
            let gateway = Ipv4Addr::from(gateway.to_ne_bytes());
            if best.as_ref().is_none_or(|(least, ..)| metric < *least) {
                best = Some((metric, (*device).to_owned(), gateway));
            }
        }
    }
    best.map(|(_, device, gateway)| (device, gateway))
}

/// `/proc/net/ipv6_route`: destination, its length, source, its length, gateway, metric, two counters, flags, device.
fn default_ipv6(table: &str) -> Option<String> {
    let mut best: Option<(u32, &str)> = None;
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, length, _, _, _, metric, _, _, flags, device] = fields.as_slice() else { continue };
        let (Some(metric), Some(flags)) = (hex(metric), hex(flags)) else { continue };
        let usable = *length == "00" && flags & 0x0201 == 1 && *device != "lo";
        if usable && best.is_none_or(|(least, _)| metric < least) {
            best = Some((metric, device));
        }
    }
    best.map(|(_, device)| device.to_owned())
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

/// The kernel's choice of a source address towards `gateway`; connecting a datagram socket sends nothing.
fn source(gateway: Ipv4Addr) -> Option<Ipv4Addr> {
    let target = if gateway.is_unspecified() { Ipv4Addr::new(192, 0, 2, 1) } else { gateway };
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((target, 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(address) => Some(*address.ip()).filter(|address| is_node_v4(*address)),
        SocketAddr::V6(_) => None,
    }
}

/// The one entry of a list of one.
fn only<T>(mut all: Vec<T>) -> Option<T> {
    if all.len() == 1 { all.pop() } else { None }
}

/// The machine's own addresses and the devices in whose networks they are, without loopback and link-local ones: where
/// no socket may be opened, and where there is no default route. `/proc/net/fib_trie` has addresses, `/proc/net/route`
/// networks.
fn local_ipv4<'a>(routes: &'a str, trie: &str) -> Vec<(&'a str, Ipv4Addr)> {
    let networks: Vec<(&str, u32, u32)> = routes
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [by, destination, _, _, _, _, _, mask, ..] = fields.as_slice() else { return None };
            let mask = hex(mask).filter(|mask| *mask != 0)?;
            Some((*by, hex(destination)?, mask))
        })
        .collect();
    let (mut last, mut out) = (None, Vec::new());
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = last
        {
            let bits = u32::from_ne_bytes(address.octets());
            let within = networks.iter().find(|(_, network, mask)| bits & mask == *network);
            if let Some((device, ..)) = within.filter(|_| is_node_v4(address)) {
                out.push((*device, address));
            }
        }
    }
    // the local table and the main one may share a trie, which then is there twice
    out.sort_unstable();
    out.dedup();
    out
}

/// `/proc/net/if_inet6`: address, index, length, scope (00 is global), flags, device.
fn global_ipv6(table: &str) -> Vec<(&str, Ipv6Addr)> {
    // temporary, duplicate, deprecated, tentative (linux/if_addr.h)
    const UNFIT: u32 = 0x01 | 0x08 | 0x20 | 0x40;
    let all = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, _, _, scope, flags, by] = fields.as_slice() else { return None };
        let fit = *scope == "00" && hex(flags).is_some_and(|flags| flags & UNFIT == 0);
        if fit { Some((*by, Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?))) } else { None }
    });
    all.filter(|(_, address)| is_node_v6(*address)).collect()
}

/// The host's name without its domain, once it has one.
pub(super) fn hostname() -> Option<String> {
    own_name(rustix::system::uname().nodename().to_str().ok()?).map(str::to_owned)
}

/// The first part of `name`; none of a host that nobody has named yet: every machine is `localhost`, and the kernel's own
/// word is `(none)`.
fn own_name(name: &str) -> Option<&str> {
    let short = name.split('.').next().unwrap_or_default();
    (crate::rules::is_hostname(short) && !short.eq_ignore_ascii_case("localhost")).then_some(short)
}

/// The host's name with its domain: as `/etc/hosts` has it, or by the search domain.
pub(super) fn fqdn(root: &Root, hostname: &str) -> Result<String> {
    let hosts = root.read_text("/etc/hosts", LIMIT)?.unwrap_or_default();
    if let Some(name) = canonical(&hosts, hostname) {
        return Ok(name);
    }
    let resolv = root.read_text("/etc/resolv.conf", LIMIT)?.unwrap_or_default();
    let domain = search(&resolv).unwrap_or_else(|| "localdomain".to_owned());
    Ok(format!("{hostname}.{domain}"))
}

/// The first name with a dot on a line that has `hostname` (hosts(5)): what `hostname -f` says.
fn canonical(hosts: &str, hostname: &str) -> Option<String> {
    hosts.lines().find_map(|line| {
        let names: Vec<&str> =
            line.split('#').next().unwrap_or_default().split_whitespace().skip(1).collect();
        let has = names.contains(&hostname);
        let first = names.into_iter().find(|name| name.contains('.') && crate::rules::is_hostname(name));
        if has { first.map(str::to_owned) } else { None }
    })
}

/// The first domain of the last `search` or `domain` line (resolv.conf(5)); `.` is not a domain.
fn search(resolv: &str) -> Option<String> {
    let mut last = resolv.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("search" | "domain"))
            .then(|| words.next().unwrap_or_default().trim_end_matches('.'))
    });
    last.next_back().filter(|domain| crate::rules::is_hostname(domain)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Routes, canonical, default_ipv4, default_ipv6, local_ipv4, own_name, search};
    use std::net::Ipv4Addr;

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        ens4\t00000000\t0103000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n\
        ens3\t00000000\t0202000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        ens3\t0002000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";

    const TRIE: &str = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.2.0\n        /24 link UNICAST\n     |-- 10.0.2.15\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";

    #[test]
    fn the_default_route_of_the_lowest_metric_wins() {
        assert_eq!(default_ipv4(ROUTES), Some(("ens3".to_owned(), Ipv4Addr::new(10, 0, 2, 2))));
        assert_eq!(default_ipv4("Iface\n"), None);
        let table = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     ens3\n\
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
        assert_eq!(default_ipv6(table).as_deref(), Some("ens3"));
    }

    #[test]
    fn an_address_of_the_device_is_found_without_a_socket() {
        assert_eq!(local_ipv4(ROUTES, TRIE), [("ens3", Ipv4Addr::new(10, 0, 2, 15))]);
        let routes = Routes { ipv4: ROUTES.to_owned(), local: TRIE.to_owned(), ..Routes::default() };
        assert_eq!(routes.ipv4("ens4"), None);
    }

    #[test]
    fn an_ipv6_address_is_global_and_settled() {
        let addresses = "fe800000000000000000000000000001 02 40 20 80     ens3\n\
            20010db8000000000000000000000016 02 40 00 40     ens3\n\
            20010db8000000000000000000000015 02 40 00 80     ens3\n";
        let routes = Routes { addresses: addresses.to_owned(), ..Routes::default() };
        assert_eq!(routes.ipv6("ens3").as_deref(), Some("2001:db8::15"));
        assert_eq!(routes.ipv6("ens4"), None);
    }

    #[test]
    fn without_a_default_route_the_only_address_counts_and_two_are_a_doubt() {
        let line = |device: &str, network: &str| {
            format!("{device}\t{network}\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n")
        };
        let ipv4 = format!("Iface\n{}", line("ens3", "0002000A"));
        let one = Routes { ipv4: ipv4.clone(), local: TRIE.to_owned(), ..Routes::default() };
        assert_eq!(one.device().as_deref(), Some("ens3"));
        assert_eq!(one.ipv4("ens3").as_deref(), Some("10.0.2.15"));
        let second = "     |-- 10.0.3.15\n        /32 host LOCAL\n";
        let two = Routes {
            ipv4: ipv4 + &line("ens4", "0003000A"),
            local: format!("{TRIE}{second}"),
            ..Routes::default()
        };
        assert_eq!(two.device(), None);
        let link_local = Routes {
            ipv4: format!("Iface\n{}", line("ens3", "00FEA9")),
            local: "     |-- 169.254.0.9\n        /32 host LOCAL\n".to_owned(),
            ..Routes::default()
        };
        assert_eq!(link_local.device(), None);
        let addresses = "00000000000000000000000000000001 01 80 10 80 lo\nfd000000000000000000000000000015 02 40 00 80 ens3\n";
        let v6 = Routes { addresses: addresses.to_owned(), ..Routes::default() };
        assert_eq!(v6.device().as_deref(), Some("ens3"));
        assert_eq!(v6.ipv6("ens3").as_deref(), Some("fd00::15"));
    }

    #[test]
    fn a_host_that_nobody_has_named_yet_has_no_name() {
        for (name, expected) in [
            ("node-a", Some("node-a")),
            ("node-a.example.test", Some("node-a")),
            ("localhost", None),
            ("localhost.localdomain", None),
            ("LOCALHOST", None),
            ("(none)", None),
            ("", None),
            ("localhost-1", Some("localhost-1")),
        ] {
            assert_eq!(own_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn names_come_from_hosts_and_from_the_search_domain() {
        assert_eq!(
            canonical("127.0.1.1 node-1.cluster.internal node-1\n", "node-1").as_deref(),
            Some("node-1.cluster.internal")
        );
        assert_eq!(canonical("127.0.0.1 localhost\n", "node-1"), None);
        assert_eq!(search("search a.b c.d\nsearch x.y.\n").as_deref(), Some("x.y"));
        assert_eq!(search("search .\n"), None);
    }
}
