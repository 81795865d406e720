//! Network configuration, versions 1 and 2, as files of systemd-networkd.
//!
//! `read` makes one value of either version, `Config::files` its files. They go to `/etc/systemd/network`, and stay
//! when the source is gone; what the image has there under other names counts for all other cards.

mod one;
mod render;

pub use render::PREFIX;
mod two;

use crate::report::Fault;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// How many links there may be.
const MOST_LINKS: usize = 256;

/// A whole configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Its links, in their order.
    pub links: Vec<Link>,
    /// What is not supported: one clause each.
    pub faults: Vec<Fault>,
}

/// One link.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Link {
    /// Its name in the configuration.
    pub id: String,
    /// Which card it is.
    pub matches: Match,
    /// The name that the card gets.
    pub set_name: Option<String>,
    /// What it is, where it is no card.
    pub made: Option<Made>,
    /// Whether it asks for IPv4 addresses.
    pub dhcp4: bool,
    /// Whether it asks for IPv6 addresses.
    pub dhcp6: bool,
    /// Whether it listens to routers; networkd's default where nothing is said.
    pub accept_ra: Option<bool>,
    /// Addresses with their prefixes.
    pub addresses: Vec<String>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Servers of DNS.
    pub dns: Vec<String>,
    /// Domains that are searched.
    pub search: Vec<String>,
    /// The largest packet.
    pub mtu: Option<u64>,
    /// The address that the card gets.
    pub mac: Option<String>,
    /// Whether the boot need not wait for it.
    pub optional: bool,
    /// Keys of `[DHCPv4]` and `[DHCPv6]`.
    pub overrides: [Vec<(&'static str, String)>; 2],
    /// VLANs, the bond and the bridge that it is part of.
    pub uplinks: Vec<(&'static str, String)>,
}

/// Which card a link is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// By its permanent address.
    pub mac: Option<String>,
    /// By its name, a pattern.
    pub name: Option<String>,
    /// By its driver, a pattern.
    pub driver: Option<String>,
}

/// A link that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// A VLAN of a number.
    Vlan(u16),
    /// A bond with keys of `[Bond]`.
    Bond(Vec<(&'static str, String)>),
    /// A bridge with keys of `[Bridge]`.
    Bridge(Vec<(&'static str, String)>),
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; everywhere where absent.
    pub to: Option<String>,
    /// By whom.
    pub via: Option<String>,
    /// Its metric.
    pub metric: Option<u64>,
    /// Whether who it goes by is on the link in any case.
    pub on_link: bool,
}

/// A file of systemd-networkd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFile {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Reads a configuration of either version.
///
/// # Errors
///
/// What is wrong with it, with the path of keys.
pub fn read(value: &Value) -> Result<Config, String> {
    let config = match value.get("version").and_then(Value::as_u64) {
        Some(1) => one::read(value)?,
        Some(2) => two::read(value)?,
        _ => return Err("network-config: `version`: expected 1 or 2".to_owned()),
    };
    if config.links.len() > MOST_LINKS {
        return Err(format!("network-config: expected at most {MOST_LINKS} links"));
    }
    for link in &config.links {
        for name in [Some(&link.id), link.set_name.as_ref()].into_iter().flatten() {
            check_name(name)?;
        }
        if let Some(made) = &link.made
            && link.id.len() > 15
        {
            return Err(format!(
                "network-config: `{}`: expected a name of at most 15 bytes for {made:?}",
                link.id
            ));
        }
    }
    Ok(config)
}

impl Config {
    /// Its files.
    #[must_use]
    pub fn files(&self) -> Vec<NetworkFile> {
        self.links.iter().flat_map(render::files).collect()
    }

    /// Cards that get a name: by address.
    #[must_use]
    pub fn renames(&self) -> Vec<(String, String)> {
        let rename =
            |link: &Link| Some((link.matches.mac.clone()?.to_ascii_lowercase(), link.set_name.clone()?));
        self.links.iter().filter_map(rename).collect()
    }
}

/// A name that can be part of a file's, and a line's.
fn check_name(name: &str) -> Result<(), String> {
    let known = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.' | ':' | '@');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(known) {
        return Err(format!("network-config: expected the name of a link, found {name:?}"));
    }
    Ok(())
}

/// `aa:bb:cc:dd:ee:ff` in small letters.
fn mac(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    let octets: Vec<&str> = text.split([':', '-']).collect();
    let known = |octet: &&str| octet.len() == 2 && octet.bytes().all(|byte| byte.is_ascii_hexdigit());
    if ![6, 20].contains(&octets.len()) || !octets.iter().all(known) {
        return Err(format!("network-config: expected a hardware address, found {text:?}"));
    }
    Ok(octets.join(":"))
}

/// An address with or without a prefix.
fn address(text: &str) -> Result<(IpAddr, Option<u8>), String> {
    let wrong = || format!("network-config: expected an IP address, found {text:?}");
    let (ip, prefix) =
        text.trim().split_once('/').map_or((text.trim(), None), |(ip, prefix)| (ip, Some(prefix)));
    let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
    let prefix = prefix.map(|prefix| mask(prefix, ip).ok_or_else(wrong)).transpose()?;
    Ok((ip, prefix))
}

/// `24` or `255.255.255.0` as the length of a prefix.
fn mask(text: &str, ip: IpAddr) -> Option<u8> {
    let most = if ip.is_ipv4() { 32 } else { 128 };
    if let Ok(length) = text.parse::<u8>() {
        return Some(length).filter(|length| *length <= most);
    }
    let bits = match text.parse().ok()? {
        IpAddr::V4(mask) => u128::from(u32::from(mask)) << 96,
        IpAddr::V6(mask) => u128::from(mask),
    };
    let length = bits.leading_ones();
    // ones, then zeros
    let whole = length == 128 || bits << length == 0;
    u8::try_from(length).ok().filter(|length| whole && *length <= most)
}

/// `10.0.0.5/24`, with `netmask` where the address has no prefix, the whole address where there is none either.
fn cidr(text: &str, netmask: Option<&str>) -> Result<String, String> {
    let (ip, prefix) = address(text)?;
    let prefix = match (prefix, netmask) {
        (Some(prefix), _) => prefix,
        (None, Some(netmask)) => mask(netmask, ip)
            .ok_or_else(|| format!("network-config: expected a netmask, found {netmask:?}"))?,
        (None, None) if ip.is_ipv4() => 32,
        (None, None) => 128,
    };
    Ok(format!("{ip}/{prefix}"))
}

/// Whether all addresses are reached by a route to `to`.
fn is_default(to: &str) -> bool {
    matches!(to, "default" | "0.0.0.0/0" | "::/0" | "0.0.0.0" | "::")
}

/// A list of text, or text of one or more words.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => {
            text.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Servers, all of which are addresses.
fn servers(value: &Value) -> Result<Vec<String>, String> {
    words(value).into_iter().map(|word| address(&word).map(|(ip, _)| ip.to_string())).collect()
}

/// Domains, none of which can end a line.
fn domains(value: &Value) -> Result<Vec<String>, String> {
    let known = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.' | '~');
    let word = |word: String| match !word.is_empty() && word.chars().all(known) {
        true => Ok(word),
        false => Err(format!("network-config: expected a domain, found {word:?}")),
    };
    words(value).into_iter().map(word).collect()
}

/// Tells each of `members` that it is part of `name`.
fn join(links: &mut [Link], key: &'static str, name: &str, members: &[String]) -> Result<(), String> {
    for member in members {
        let link = links.iter_mut().find(|link| link.id == *member && member != name);
        let link = link.ok_or_else(|| format!("network-config: `{name}`: unknown link {member:?}"))?;
        link.uplinks.push((key, name.to_owned()));
    }
    Ok(())
}

/// What is said of a key that is not supported.
fn unsupported(path: &str, key: &str) -> Fault {
    Fault::warning(format!("network-config: `{path}.{}` is not supported", key.escape_debug()))
}

/// Says which keys of `map` are not among `known`.
fn unknown(path: &str, map: &Map<String, Value>, known: &[&str], faults: &mut Vec<Fault>) {
    for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
        faults.push(unsupported(path, key));
    }
}

#[cfg(test)]
mod tests;
