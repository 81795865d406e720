//! A link as files of systemd-networkd: systemd.link(5), systemd.netdev(5), systemd.network(5).

use super::{Config, Link, Made, NetworkFile, address};
use crate::report::Fault;
use crate::yaml;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// What files are called, before the name of the link; before the image's own, `90-fallback.network`.
pub const PREFIX: &str = "10-cloud-init-";

/// Parameters of bonds: of version 1, of version 2, networkd's key, and what is written after a number.
pub(super) const BOND: &[(&str, &str, &str, &str)] = &[
    ("bond-mode", "mode", "Mode", ""),
    ("bond-miimon", "mii-monitor-interval", "MIIMonitorSec", "ms"),
    ("bond-lacp-rate", "lacp-rate", "LACPTransmitRate", ""),
    ("bond-xmit-hash-policy", "transmit-hash-policy", "TransmitHashPolicy", ""),
    ("bond-min-links", "min-links", "MinLinks", ""),
    ("bond-updelay", "up-delay", "UpDelaySec", "ms"),
    ("bond-downdelay", "down-delay", "DownDelaySec", "ms"),
];
/// Parameters of bridges, likewise.
pub(super) const BRIDGE: &[(&str, &str, &str, &str)] = &[
    ("bridge_stp", "stp", "STP", ""),
    ("bridge_fd", "forward-delay", "ForwardDelaySec", ""),
    ("bridge_hello", "hello-time", "HelloTimeSec", ""),
    ("bridge_maxage", "max-age", "MaxAgeSec", ""),
    ("bridge_ageing", "ageing-time", "AgeingTimeSec", ""),
];
/// Modes of bonds by the kernel's numbers.
const MODES: [&str; 7] =
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];

/// Parameters with networkd's keys.
pub(super) fn parameters(
    name: &str,
    given: &Map<String, Value>,
    known: &[(&str, &str, &'static str, &str)],
    faults: &mut Vec<Fault>,
) -> Result<Vec<(&'static str, String)>, String> {
    let mut parameters = Vec::new();
    for (key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        let plain = key.replace('_', "-");
        let found =
            known.iter().find(|(one, two, ..)| [key, &plain].iter().any(|key| key == one || key == two));
        let Some((_, _, networkd, unit)) = found else {
            faults.push(super::unsupported(name, key));
            continue;
        };
        let text = match value {
            Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            other => yaml::text(other).unwrap_or_default(),
        };
        let is_word =
            !text.is_empty() && text.chars().all(|one| one.is_ascii_alphanumeric() || ".+-".contains(one));
        if !is_word {
            return Err(format!("network-config: `{name}.{}`: expected one word", key.escape_debug()));
        }
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let mode = text.parse().ok().and_then(|number: usize| MODES.get(number));
        parameters.push((
            *networkd,
            match (*networkd, mode) {
                ("Mode", Some(mode)) => (*mode).to_owned(),
                _ if is_number => format!("{text}{unit}"),
                _ => text,
            },
        ));
    }
    Ok(parameters)
}

impl Link {
    /// Whether it is only a part of a bond or a bridge.
    pub(super) fn is_part(&self) -> bool {
        self.uplinks.iter().any(|(key, _)| *key != "VLAN")
    }

    /// Whether an address is in one of its networks.
    pub(super) fn reaches(&self, ip: &str) -> bool {
        let Ok((ip, _)) = address(ip) else { return false };
        self.addresses.iter().any(|one| {
            let Ok((own, Some(prefix))) = address(one) else { return false };
            let bits = |ip: std::net::IpAddr| match ip {
                std::net::IpAddr::V4(ip) => u128::from(u32::from(ip)) << 96,
                std::net::IpAddr::V6(ip) => u128::from(ip),
            };
            own.is_ipv4() == ip.is_ipv4() && (bits(own) ^ bits(ip)).leading_zeros() >= u32::from(prefix)
        })
    }
}

/// The files of a link.
pub(super) fn files(link: &Link) -> Vec<NetworkFile> {
    let mut files = Vec::new();
    let file =
        |suffix: &str, text: String| NetworkFile { name: format!("{PREFIX}{}.{suffix}", link.id), text };
    if let (Some(mac), Some(name)) = (&link.matches.mac, &link.set_name) {
        files.push(file("link", format!("[Match]\nPermanentMACAddress={mac}\n\n[Link]\nName={name}\n")));
    }
    if let Some(made) = &link.made {
        files.push(file("netdev", netdev(link, made)));
    }
    files.push(file("network", network(link)));
    files
}

fn section(text: &mut String, name: &str, lines: &[(&str, String)]) {
    if lines.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "[{name}]");
    for (key, value) in lines {
        let _ = writeln!(text, "{key}={value}");
    }
}

fn netdev(link: &Link, made: &Made) -> String {
    let (kind, own) = match made {
        Made::Vlan(id) => ("vlan", ("VLAN", vec![("Id", id.to_string())])),
        Made::Bond(lines) => ("bond", ("Bond", lines.clone())),
        Made::Bridge(lines) => ("bridge", ("Bridge", lines.clone())),
    };
    let mut lines = vec![("Name", link.id.clone()), ("Kind", kind.to_owned())];
    lines.extend(link.mac.iter().map(|mac| ("MACAddress", mac.clone())));
    let mut text = String::new();
    section(&mut text, "NetDev", &lines);
    section(&mut text, own.0, &own.1);
    text
}

fn network(link: &Link) -> String {
    let mut text = String::new();
    let matches = &link.matches;
    let mut lines = Vec::new();
    let name = matches.name.clone().or_else(|| link.made.as_ref().map(|_| link.id.clone()));
    lines.extend(name.map(|name| ("Name", name)));
    // not `MACAddress=`, which a VLAN on the card has, too
    lines.extend(matches.mac.clone().map(|mac| ("PermanentMACAddress", mac)));
    lines.extend(matches.driver.clone().map(|driver| ("Driver", driver)));
    section(&mut text, "Match", &lines);
    let mut lines = Vec::new();
    lines.extend(link.mtu.map(|mtu| ("MTUBytes", mtu.to_string())));
    lines.extend(link.mac.iter().filter(|_| link.made.is_none()).map(|mac| ("MACAddress", mac.clone())));
    lines.extend(link.optional.then(|| ("RequiredForOnline", "no".to_owned())));
    section(&mut text, "Link", &lines);
    let dhcp = match (link.dhcp4, link.dhcp6) {
        (true, true) => "yes",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        (false, false) => "no",
    };
    let mut lines = vec![("DHCP", dhcp.to_owned())];
    lines.extend(link.accept_ra.map(|accept| ("IPv6AcceptRA", if accept { "yes" } else { "no" }.to_owned())));
    lines.extend(link.dns.iter().map(|server| ("DNS", server.clone())));
    if !link.search.is_empty() {
        lines.push(("Domains", link.search.join(" ")));
    }
    lines.extend(link.uplinks.iter().map(|(key, name)| (*key, name.clone())));
    section(&mut text, "Network", &lines);
    for address in &link.addresses {
        section(&mut text, "Address", &[("Address", address.clone())]);
    }
    for route in &link.routes {
        let mut lines = Vec::new();
        lines.extend(route.to.clone().map(|to| ("Destination", to)));
        lines.extend(route.via.clone().map(|via| ("Gateway", via)));
        lines.extend(route.metric.map(|metric| ("Metric", metric.to_string())));
        lines.extend(route.on_link.then(|| ("GatewayOnLink", "yes".to_owned())));
        section(&mut text, "Route", &lines);
    }
    for (name, lines) in ["DHCPv4", "DHCPv6"].into_iter().zip(&link.overrides) {
        section(&mut text, name, lines);
    }
    text
}

impl Config {
    /// Whether there is nothing to set up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}
