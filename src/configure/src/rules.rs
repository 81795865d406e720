//! The rules that values are held to, each a closed name so that documentation and schema can be made from it.
//!
//! A rule looks at one non-empty value alone; what several settings must be together is asked in [`crate::settings`].
//! An empty value always means "not set". Nothing here holds or returns the value.

mod net;

pub use net::{Endpoint, HostPort, is_cidr, is_hostname, parse_endpoint, parse_host_port};

/// A rule for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// One line of text: no line break, no control character but the tab.
    Line,
    /// An identifier: letters, digits, `.`, `_`, `-`; at most 253.
    Name,
    /// `true` or `false`.
    Bool,
    /// 1 to 65535, digits only.
    Port,
    /// A whole number from the first to the last, digits only.
    Number(u32, u32),
    /// A host name as DNS has it.
    Hostname,
    /// A host name or an IP address.
    Host,
    /// `host:port` or `[v6]:port`.
    HostPort,
    /// `https://…` or `http://…` with a host.
    Url,
    /// `https://host`, with port and path or without: what signs tokens, as OpenID Connect Discovery has it.
    Issuer,
    /// A URL, or a bare host name with an optional port and path.
    Endpoint,
    /// One or several `https://host:port`, separated by commas.
    UrlList,
    /// One CIDR, or one of each family, separated by a comma.
    CidrPair,
    /// One to three IP addresses separated by commas, as many as a resolver asks.
    AddressList,
    /// Names separated by commas; blanks do not count.
    NameList,
    /// Algorithms of JSON Web Signature that the API server knows, separated by commas; blanks do not count.
    SigningAlgs,
    /// The name of a claim in a token.
    Claim,
    /// Lines of `authorized_keys`.
    SshKeys,
    /// Base64 of PEM certificates.
    Certificates,
    /// An absolute path without `..`.
    Path,
    /// `local`, `aws`, `google` or `proxmox`.
    Provider,
    /// Twelve digits.
    AwsAccount,
    /// An IPv4 address.
    Ipv4,
    /// A global IPv6 address.
    Ipv6,
}

impl Rule {
    /// What the rule wants, for a fault's text.
    #[must_use]
    pub fn wanted(self) -> String {
        match self {
            Self::Number(low, high) => format!("wanted a whole number from {low} to {high}"),
            other => other.fixed().to_owned(),
        }
    }

    fn fixed(self) -> &'static str {
        match self {
            Self::Line => "wanted one line of text without control characters",
            Self::Name => "wanted letters, digits, `.`, `_` and `-`, at most 253",
            Self::Bool => "wanted `true` or `false`",
            Self::Port => "wanted a port from 1 to 65535",
            Self::Number(..) => "wanted a whole number",
            Self::Hostname => "wanted a host name: letters, digits, `-` and `.`, no port",
            Self::Host => "wanted a host name or an IP address",
            Self::HostPort => "wanted `host:port` or `[v6]:port`",
            Self::Url => {
                "wanted `https://host` or `http://host`, in small letters, without user and password"
            }
            Self::Issuer => "wanted `https://host`, without user, password, query and fragment",
            Self::Endpoint => "wanted a URL or a host name, without user and password",
            Self::UrlList => "wanted `https://host:port`, several separated by commas",
            Self::CidrPair => "wanted a CIDR, or an IPv4 and an IPv6 one separated by a comma",
            Self::AddressList => "wanted one to three IP addresses separated by commas",
            Self::NameList => "wanted names separated by commas on one line",
            Self::SigningAlgs => "wanted algorithms separated by commas: RS, ES or PS with 256, 384 or 512",
            Self::Claim => "wanted letters, digits and `-._:/@`, at most 253",
            Self::SshKeys => "wanted lines of authorized_keys without control characters",
            Self::Certificates => "wanted base64 of PEM certificates",
            Self::Path => "wanted an absolute path without quotes and without `.` and `..` parts",
            Self::Provider => "wanted `local`, `aws`, `google` or `proxmox`",
            Self::AwsAccount => "wanted twelve digits",
            Self::Ipv4 => "wanted an IPv4 address",
            Self::Ipv6 => "wanted a global IPv6 address",
        }
    }

    /// The longest value in bytes.
    #[must_use]
    pub fn limit(self) -> usize {
        match self {
            // many keys, and chains of certificates, are longer than any other value
            Self::SshKeys | Self::Certificates => 32 * 1024,
            _ => crate::envfile::VALUE_LIMIT,
        }
    }

    /// Whether the non-empty `value` keeps the rule.
    #[must_use]
    pub fn holds(self, value: &str) -> bool {
        match self {
            Self::Line => value.chars().all(|character| character == '\t' || !character.is_control()),
            Self::Name => is_name(value),
            Self::Bool => matches!(value, "true" | "false"),
            Self::Port => number(value).is_some_and(|port| (1..=65_535).contains(&port)),
            Self::Number(low, high) => number(value).is_some_and(|number| (low..=high).contains(&number)),
            Self::Hostname => is_hostname(value),
            Self::Host => is_hostname(value) || value.parse::<std::net::IpAddr>().is_ok(),
            Self::HostPort => parse_host_port(value).is_some(),
            Self::Url => parse_endpoint(value, false).is_some_and(|endpoint| endpoint.tls.is_some()),
            Self::Issuer => parse_endpoint(value, false)
                .is_some_and(|endpoint| endpoint.tls == Some(true) && !endpoint.path.contains(['?', '#'])),
            Self::Endpoint => parse_endpoint(value, true).is_some(),
            Self::UrlList => value.split(',').all(|one| {
                one.starts_with("https://")
                    && parse_endpoint(one, false).is_some_and(|endpoint| endpoint.port.is_some())
            }),
            Self::CidrPair => is_cidr_pair(value),
            Self::AddressList => {
                value.split(',').count() <= 3 && value.split(',').all(|one| one.parse().is_ok_and(is_server))
            }
            Self::SigningAlgs => value.split(',').all(|one| is_signing_alg(one.trim_matches(' '))),
            Self::Claim => {
                value.len() <= 253
                    && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/@".contains(&byte))
            }
            Self::NameList => value.chars().all(|character| {
                character.is_ascii_alphanumeric()
                    || matches!(character, ',' | ' ' | '\t' | '-' | '_' | '.' | '@' | ':')
            }),
            Self::SshKeys => {
                value.chars().all(|character| matches!(character, '\n' | '\t') || !character.is_control())
            }
            Self::Certificates => crate::base64::certificates(value).is_some(),
            Self::Path => is_path(value),
            Self::Provider => crate::names::Provider::of(value).is_some(),
            Self::AwsAccount => value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Ipv4 => value.parse::<std::net::Ipv4Addr>().is_ok(),
            Self::Ipv6 => value.parse::<std::net::Ipv6Addr>().is_ok_and(|address| {
                // fe80::/10 is of a link, and no address of a node
                address.segments()[0] & 0xffc0 != 0xfe80 && !address.is_unspecified()
            }),
        }
    }
}

/// A number of digits only: no sign, no blanks, and no leading zero that somebody reads as octal.
fn number(value: &str) -> Option<u32> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit()) && (value == "0" || !value.starts_with('0'));
    if plain { value.parse().ok() } else { None }
}

fn is_name(value: &str) -> bool {
    value.len() <= 253
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !matches!(value, "." | "..")
}

fn is_path(value: &str) -> bool {
    value.starts_with('/')
        && value.len() <= 1024
        && value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\'))
        && value.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."))
}

/// An address that a pod can ask: neither its own, nor everybody's, nor nobody's.
fn is_server(address: std::net::IpAddr) -> bool {
    !address.is_loopback() && !address.is_multicast() && !address.is_unspecified()
}

/// Of RFC 7518 3.1 what kube-apiserver takes (its `AllValidSigningAlgorithms`).
fn is_signing_alg(name: &str) -> bool {
    name.split_at_checked(2).is_some_and(|(kind, bits)| {
        ["RS", "ES", "PS"].contains(&kind) && ["256", "384", "512"].contains(&bits)
    })
}

fn is_cidr_pair(value: &str) -> bool {
    let parts: Vec<&str> = value.split(',').collect();
    let v6: Vec<bool> = parts.iter().map(|part| part.contains(':')).collect();
    parts.len() <= 2 && parts.iter().all(|part| is_cidr(part)) && (v6.len() < 2 || v6.first() != v6.last())
}

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn a_rule_takes_what_it_says_and_nothing_else() {
        let cases: [(Rule, &[&str], &[&str]); 18] = [
            (
                Rule::Port,
                &["1", "6443", "65535"],
                &["0", "65536", "+6443", "-1", "64a3", "6443 ", "06443", "6443#;s#x#y#"],
            ),
            (Rule::Bool, &["true", "false"], &["TRUE", "yes", "1", "on"]),
            (
                Rule::Hostname,
                &["localhost", "api.demo.example.com", "a-b"],
                &["r:5000", "r\"x", "r x", "r_1", "a..b", "-a", "..", "a/b"],
            ),
            (
                Rule::HostPort,
                &["127.0.0.1:8992", "[::1]:8992", "a.b:1"],
                &["127.0.0.1:", "[::1]", "::1:80", "$(x):8992", "a", ":1"],
            ),
            (
                Rule::Url,
                &["https://a", "http://otel:4318", "https://[::1]:4318/v1?x=y"],
                &["HTTP://a", "http://", "http://:1", "https:///x", "a:4318", "https://u:p@h/"],
            ),
            (
                Rule::Endpoint,
                &["s3.us-east-1.amazonaws.com", "HTTP://m", "http://10.0.2.2:9000"],
                &["a b", "x@y", "ftp://a"],
            ),
            (
                Rule::CidrPair,
                &["100.64.0.0/10,fd64::/48", "10.0.0.0/8"],
                &["10.0.0.0/33", "10.0.0.0", "10.0.0.0/8,11.0.0.0/8", "a/8"],
            ),
            (Rule::Number(8, 128), &["64"], &["/64", "7", "129"]),
            (Rule::UrlList, &["https://e1:2378,https://e2:2378"], &["http://e1:1", "https://e1", ""]),
            (Rule::AwsAccount, &["123456789012"], &["12345678901", "a23456789012"]),
            (Rule::Path, &["/opt/crt/mine.pem"], &["opt", "/a/../b", "/a b", "/", "/a\"b", "/a'b", "/a\\b"]),
            (
                Rule::Issuer,
                &["https://o", "https://o:6443", "https://[::1]:1/realms/a%20b/"],
                &["http://o", "o", "https://o/?a=b", "https://o#a", "https://u:p@o", "HTTPS://o"],
            ),
            (
                Rule::AddressList,
                &["10.96.0.10", "198.19.255.254,fdc6::ffff", "10.0.0.1,10.0.0.2,10.0.0.3"],
                &[
                    "a",
                    "10.0.0.1,",
                    "10.0.0.1, 10.0.0.2",
                    "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4",
                    "127.0.0.53",
                    "::",
                    "ff02::1",
                ],
            ),
            (
                Rule::SigningAlgs,
                &["RS256", "ES384,PS512", " RS256 , RS512 "],
                &["HS256", "none", "rs256", "RS256,", "RS2560", "RS"],
            ),
            (
                Rule::Claim,
                &["email", "sub", "https://example.com/groups", "cognito:groups"],
                &["a b", "a\"b", "a,b", "ü"],
            ),
            (Rule::Ipv6, &["2001:db8::1", "fd00::1"], &["fe80::1", "::", "10.0.0.1"]),
            (Rule::Name, &["i-0a.b_c"], &["a b", "a\n", "..", "a/b"]),
            (Rule::SshKeys, &["ssh-ed25519 A x\n# c"], &["a\u{1b}[2J"]),
        ];
        for (rule, good, bad) in cases {
            for value in good {
                assert!(rule.holds(value), "{rule:?} takes {value:?}");
            }
            for value in bad {
                assert!(!rule.holds(value), "{rule:?} refuses {value:?}");
            }
        }
    }
}
