//! The rules that values are held to, each a closed name so that documentation and schema can be made from it.
//!
//! A rule looks at one non-empty value alone; what several settings must be together is asked in [`crate::settings`].
//! An empty value always means "not set". Nothing here holds or returns the value.

mod address;
mod net;
mod node_name;
mod range;
pub(crate) mod ssh;

pub use address::{is_node_v4, is_node_v6};
pub use net::{Endpoint, HostPort, is_hostname, parse_endpoint, parse_host_port};
pub use node_name::is_netsy_name;
pub use range::{Range, ranges};

use crate::cloud;

/// A rule for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// One line of printable ASCII without blanks at its ends.
    Line,
    /// A region of a provider, which becomes a part of host names: as a label of Kubernetes, at most 63.
    Region,
    /// An identifier: letters, digits, `.`, `_`, `-`; at most 253.
    Name,
    /// A node's name: small letters, digits, `-` and `.`, at most 63.
    NodeName,
    /// A cluster's name: small letters, digits and `-`, at most 32.
    ClusterName,
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
    /// The same, of a size that the API server takes for services.
    ServiceRanges,
    /// Names separated by commas; blanks do not count.
    NameList,
    /// Algorithms of JSON Web Signature that the API server knows, separated by commas; blanks do not count.
    SigningAlgs,
    /// The name of a claim in a token.
    Claim,
    /// What stands before the names that a claim has; none that the cluster keeps for itself.
    ClaimPrefix,
    /// Lines of `authorized_keys`.
    SshKeys,
    /// Base64 of PEM certificates.
    Certificates,
    /// An absolute path without `..`.
    Path,
    /// The name of a cloud.
    Provider,
    /// Twelve digits.
    AwsAccount,
    /// An IPv4 address that a node may have.
    Ipv4,
    /// An IPv6 address that a node may have.
    Ipv6,
}

/// What is wrong with a value; it does not hold the value, but for the number and place of a character that cannot be
/// seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The rule that it breaks.
    pub rule: String,
    /// The way out.
    pub hint: Option<&'static str>,
}

impl Broken {
    /// Without a way out.
    #[must_use]
    pub fn new(rule: impl Into<String>) -> Self {
        Self { rule: rule.into(), hint: None }
    }

    /// `rule`, and of `value` the first character that cannot be seen.
    #[must_use]
    pub fn with_unseen(rule: &str, value: &str) -> Self {
        match unseen(value) {
            Some(found) => Self {
                rule: format!("{rule}, found {found}"),
                hint: Some("it came with what the value was copied from: type the value again"),
            },
            None => Self::new(rule),
        }
    }
}

impl Rule {
    /// What the rule wants, for a fault's text.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Number(low, high) => format!("expected a whole number from {low} to {high}"),
            Self::Provider => format!("expected {}", cloud::names("`")),
            other => other.fixed().to_owned(),
        }
    }

    fn fixed(self) -> &'static str {
        match self {
            Self::Line => "expected printable ASCII on one line, without blanks at its ends",
            Self::Region => {
                "expected a region: letters, digits, `.`, `_` and `-`, a letter or digit at both ends, at most 63"
            }
            Self::Name => "expected letters, digits, `.`, `_` and `-`, at most 253",
            Self::NodeName => {
                "expected a node's name: small letters, digits, `-` and `.`, a letter or digit at both ends of each part"
            }
            Self::ClusterName => {
                "expected a name that netsy takes: small letters, digits and single `-` between them, at most 32"
            }
            Self::Bool => "expected `true` or `false`",
            Self::Port => "expected a port from 1 to 65535",
            Self::Number(..) => "expected a whole number",
            Self::Hostname => "expected a host name: letters, digits, `-` and `.`, no port",
            Self::Host => "expected a host name or an IP address",
            Self::HostPort => "expected `host:port` or `[v6]:port`",
            Self::Url => {
                "expected `https://host` or `http://host`, in small letters, without user and password"
            }
            Self::Issuer => "expected `https://host`, without user, password, query and fragment",
            Self::Endpoint => "expected a URL or a host name, without user and password",
            Self::UrlList => "expected `https://host:port`, several separated by commas",
            Self::CidrPair => "expected a CIDR, or an IPv4 and an IPv6 one separated by a comma",
            Self::AddressList => "expected one to three IP addresses separated by commas",
            Self::ServiceRanges => {
                "expected a CIDR, or an IPv4 and an IPv6 one separated by a comma, from /12 to /29 and from /108 to /125"
            }
            Self::NameList => "expected names separated by commas on one line",
            Self::SigningAlgs => "expected algorithms separated by commas: RS, ES or PS with 256, 384 or 512",
            Self::ClaimPrefix => {
                "expected letters, digits and `-._:/@`, at most 253, neither `-` nor a part of `system:` nor starting with it"
            }
            Self::Claim => "expected letters, digits and `-._:/@`, at most 253",
            Self::SshKeys => "expected SSH public keys, one per line, with or without options before them",
            Self::Certificates => "expected base64 of PEM certificates",
            Self::Path => "expected an absolute path without quotes and without `.` and `..` parts",
            Self::Provider => "expected the name of a cloud",
            Self::AwsAccount => "expected twelve digits",
            Self::Ipv4 => {
                "expected an IPv4 address that a node may have: not loopback, link-local, multicast or unspecified"
            }
            Self::Ipv6 => {
                "expected an IPv6 address that a node may have: not loopback, link-local, multicast, unspecified or IPv4's"
            }
        }
    }

    /// The longest value in bytes.
    #[must_use]
    pub fn limit(self) -> usize {
        match self {
            // many keys, and chains of certificates, are longer than any other value
            Self::SshKeys | Self::Certificates => 32 * 1024,
            Self::NodeName => node_name::NODE_NAME,
            Self::ClusterName => node_name::NETSY_NAME,
            _ => crate::envfile::VALUE_LIMIT,
        }
    }

    /// Whether the non-empty `value` keeps the rule.
    #[must_use]
    pub fn holds(self, value: &str) -> bool {
        match self {
            Self::Line => value.bytes().all(is_printable) && value.trim_matches(' ').len() == value.len(),
            Self::Region => is_label(value),
            Self::Name => is_name(value),
            Self::NodeName => node_name::is_node_name(value),
            Self::ClusterName => is_netsy_name(value),
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
            Self::CidrPair => ranges(value).is_some(),
            Self::ServiceRanges => ranges(value).is_some_and(|all| all.iter().all(range::is_for_services)),
            Self::AddressList => {
                value.split(',').count() <= 3 && value.split(',').all(|one| one.parse().is_ok_and(is_server))
            }
            Self::SigningAlgs => value.split(',').all(|one| is_signing_alg(one.trim_matches(' '))),
            Self::Claim => is_claim(value),
            Self::ClaimPrefix => {
                is_claim(value)
                    && value != "-"
                    && !"system:".starts_with(value)
                    && !value.starts_with("system:")
            }
            Self::NameList => value.chars().all(|character| {
                character.is_ascii_alphanumeric()
                    || matches!(character, ',' | ' ' | '\t' | '-' | '_' | '.' | '@' | ':')
            }),
            Self::SshKeys => ssh::check(value).is_ok(),
            Self::Certificates => crate::base64::certificates(value).is_some(),
            Self::Path => is_path(value),
            Self::Provider => cloud::Provider::of(value).is_some(),
            Self::AwsAccount => value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Ipv4 => value.parse().is_ok_and(is_node_v4),
            Self::Ipv6 => value.parse().is_ok_and(is_node_v6),
        }
    }

    /// What is wrong with the non-empty `value`, if anything.
    #[must_use]
    pub fn broken(self, value: &str) -> Option<Broken> {
        if value.len() > self.limit() {
            return Some(Broken::new(format!(
                "expected at most {} bytes, found {}",
                self.limit(),
                value.len()
            )));
        }
        if self == Self::SshKeys {
            let wrong = ssh::check(value).err()?;
            let line = if value.contains('\n') {
                format!(", on line {} of the value", wrong.line)
            } else {
                String::new()
            };
            return Some(Broken { rule: format!("{}{line}", wrong.rule), hint: Some(wrong.hint) });
        }
        if self.holds(value) {
            return None;
        }
        Some(Broken::with_unseen(&self.expected(), value))
    }
}

/// The first character of `value` that is not printable ASCII, by number and place.
#[must_use]
fn unseen(value: &str) -> Option<String> {
    let (at, character) =
        value.chars().enumerate().find(|(_, character)| !u8::try_from(*character).is_ok_and(is_printable))?;
    Some(format!("U+{:04X} at column {} of the value", u32::from(character), at + 1))
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
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

/// What Kubernetes takes as the value of a label: at most 63 letters, digits, `.`, `_`, `-`, with a letter or digit at both
/// ends (kubernetes.io/docs/concepts/overview/working-with-objects/labels).
#[must_use]
pub fn is_label(value: &str) -> bool {
    let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    value.len() <= 63
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && end(value.as_bytes().first())
        && end(value.as_bytes().last())
}

fn is_claim(value: &str) -> bool {
    value.len() <= 253 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/@".contains(&byte))
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

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn a_rule_takes_what_it_says_and_nothing_else() {
        let cases: [(Rule, &[&str], &[&str]); 25] = [
            (
                Rule::ClaimPrefix,
                &["oidc:", "https://o/", "system-", "s3:"],
                &["system:", "system:masters", "system", "s", "-", "a b", "a,b"],
            ),
            (
                Rule::Region,
                &["us-east-1", "local", "eu-west-9", "cn-north-1", "fsn1", "Dc_1.b"],
                &[
                    "x@evil.example/",
                    "evil.example/",
                    "a#",
                    "a?b",
                    "a:1",
                    "a\\b",
                    "a b",
                    "-a",
                    "a.",
                    "a%2e",
                    "é",
                ],
            ),
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
            (
                Rule::Ipv4,
                &["10.0.0.1"],
                &["127.0.0.1", "169.254.1.2", "224.0.0.1", "0.0.0.0", "::1", "010.0.0.1"],
            ),
            (
                Rule::Ipv6,
                &["2001:db8::1", "fd00::1"],
                &["fe80::1", "::", "::1", "ff02::1", "::ffff:10.0.0.1", "10.0.0.1"],
            ),
            (
                Rule::Line,
                &["us-east-1", "a b", "arn:aws:iam::1:role/x", "~!\"'$"],
                &["a\u{a0}", "a\u{200b}b", "\u{201c}a\u{201d}", "ü", "a\tb", "a\nb", " a", "a "],
            ),
            (Rule::NodeName, &["i-0a", "node.example"], &["rpi_node_1", "VM-Node-01", "a.", "-a"]),
            (Rule::ClusterName, &["prod-1"], &["Prod_1", "a--b", "a.b", "a-"]),
            (
                Rule::ServiceRanges,
                &["198.18.0.0/15,fdc6::/108", "10.96.0.0/12"],
                &["10.0.0.0/8", "fdc6::/96", "10.96.0.0/12,fdc6::/64", "10.96.0.0/30"],
            ),
            (Rule::Name, &["i-0a.b_c"], &["a b", "a\n", "..", "a/b"]),
            (Rule::SshKeys, &[super::ssh::tests::ED25519], &["ssh-ed25519 A x", "a\u{1b}[2J"]),
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
    #[test]
    fn a_character_that_cannot_be_seen_is_told_by_number_and_place() {
        for (rule, value, wanted) in [
            (Rule::Line, "SK\u{a0}", "found U+00A0 at column 3 of the value"),
            (Rule::Line, "eu\u{200b}-1", "found U+200B at column 3 of the value"),
            (Rule::Line, "\u{201c}AK\u{201d}", "found U+201C at column 1 of the value"),
            (Rule::NodeName, "knc\u{2011}1", "found U+2011 at column 4 of the value"),
            (Rule::Port, "6443\u{feff}", "found U+FEFF at column 5 of the value"),
            (Rule::Line, "a\tb", "found U+0009 at column 2 of the value"),
        ] {
            let broken = rule.broken(value).expect("a fault");
            assert!(broken.rule.ends_with(wanted) && broken.hint.is_some(), "{broken:?}");
            assert!(!broken.rule.contains(value));
        }
        assert_eq!(Rule::Port.broken("x").map(|broken| broken.rule), Some(Rule::Port.expected()));
        assert_eq!(Rule::Line.broken("eu-1"), None);
    }
}
