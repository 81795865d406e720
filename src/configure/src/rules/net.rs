//! Hosts, ports, URLs and ranges.

use std::net::Ipv6Addr;

/// A host and a port.
#[derive(Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address, without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

/// Where something is served.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// By its scheme; none without one.
    pub tls: Option<bool>,
    /// A name or an address, without brackets.
    pub host: String,
    /// When it is given.
    pub port: Option<u16>,
    /// From the first `/` on, with the query; may be empty.
    pub path: String,
}

/// RFC 1123 2.1: labels of letters, digits and inner hyphens, each at most 63, together at most 253.
#[must_use]
pub fn is_hostname(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 253
        && value.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// `host:port` or `[v6]:port`.
#[must_use]
pub fn parse_host_port(value: &str) -> Option<HostPort> {
    let (host, port) = value.rsplit_once(':')?;
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(|_| inner)?,
        None if is_hostname(host) => host,
        None => return None,
    };
    Some(HostPort { host: host.to_owned(), port: port_of(port)? })
}

fn port_of(text: &str) -> Option<u16> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok().filter(|port| *port != 0) } else { None }
}

/// A URL of http or https; `lax` also takes a bare host and a scheme in any letters. No user, no password: a secret in
/// an address ends up in logs.
#[must_use]
pub fn parse_endpoint(value: &str, lax: bool) -> Option<Endpoint> {
    if !value.bytes().all(|byte| {
        byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'`' | b'\'' | b'<' | b'>' | b'$')
    }) {
        return None;
    }
    let (tls, rest) = match value.split_once("://") {
        Some(("http", rest)) => (Some(false), rest),
        Some(("https", rest)) => (Some(true), rest),
        Some((scheme, rest)) if lax && scheme.eq_ignore_ascii_case("http") => (Some(false), rest),
        Some((scheme, rest)) if lax && scheme.eq_ignore_ascii_case("https") => (Some(true), rest),
        None if lax => (None, value),
        _ => return None,
    };
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(at)?;
    if authority.contains('@') {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, behind) = inner.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if !authority.starts_with('[') && !is_hostname(host) {
        return None;
    }
    let port = match port {
        Some(text) => Some(port_of(text)?),
        None => None,
    };
    Some(Endpoint { tls, host: host.to_owned(), port, path: path.to_owned() })
}
