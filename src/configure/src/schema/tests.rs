use super::pattern::{Form, of};
use super::{both, mutable, user_data};
use crate::delivery;
use crate::json::{Json, read};
use crate::keys::KEYS;
use crate::layers::Layer;
use crate::names::Role;
use crate::rules::Rule;
use regex::Regex;

/// Rules whose pattern is exactly the rule.
const EXACT: [Rule; 14] = [
    Rule::Line,
    Rule::Region,
    Rule::Name,
    Rule::Bool,
    Rule::Port,
    Rule::Number(8, 32),
    Rule::Number(0, 10),
    Rule::Hostname,
    Rule::NameList,
    Rule::SigningAlgs,
    Rule::Claim,
    Rule::Path,
    Rule::Provider,
    Rule::AwsAccount,
];
/// Rules whose pattern takes more.
const WIDER: [Rule; 16] = [
    Rule::ClaimPrefix,
    Rule::NodeName,
    Rule::ClusterName,
    Rule::SshKeys,
    Rule::ServiceRanges,
    Rule::Ipv4,
    Rule::Host,
    Rule::HostPort,
    Rule::Url,
    Rule::Issuer,
    Rule::AddressList,
    Rule::Endpoint,
    Rule::UrlList,
    Rule::CidrPair,
    Rule::Certificates,
    Rule::Ipv6,
];
/// Values of every kind, good for one rule and bad for others.
const VALUES: &[&str] = &[
    "a",
    "a b",
    "a\tb",
    "a\nb",
    "a\u{1b}[2J",
    "a\u{9f}",
    "ü",
    "x_1",
    ".",
    "..",
    "...",
    ".a",
    "..a",
    "a..b",
    "-a",
    "a-",
    "a--b",
    " a",
    "a ",
    "a\u{a0}",
    "A",
    "true",
    "false",
    "TRUE",
    "0",
    "1",
    "7",
    "8",
    "10",
    "11",
    "24",
    "32",
    "33",
    "06",
    "+8",
    "6443",
    "65535",
    "65536",
    "99999",
    "localhost",
    "api.demo.example.com",
    "a/b",
    "system:",
    "x@evil.example/",
    "10.0.0.1",
    "256.0.0.1",
    "1.2.3",
    "01.2.3.4",
    "::1",
    "2001:db8::1",
    "fe80::1",
    "127.0.0.1:8992",
    "[::1]:8992",
    "host:1",
    "host:",
    "[::1]",
    "https://a",
    "http://otel:4318/v1?x=y",
    "https://[::1]:4318",
    "http://",
    "https://u:p@h/",
    "HTTPS://A/b",
    "ftp://a",
    "s3.us-east-1.amazonaws.com",
    "https://e1:2378",
    "https://e1:2378,https://e2:2378/x",
    "http://e1:1",
    "100.64.0.0/10,fd64::/48",
    "10.0.0.0/8",
    "10.0.0.0/33",
    "/64",
    "ssh, cron@x:1",
    "ssh-ed25519 AAAA me@x\nssh-rsa BBBB",
    crate::rules::ssh::tests::ED25519,
    "/opt/crt/mine.pem",
    "/opt/a\"b",
    "/opt/a]b^_`{|}~",
    "RS256",
    "ES384 , PS512",
    "HS256",
    "198.19.255.254,fdc6::ffff",
    "https://o:6443/realms/a%20b",
    "https://o/?a=b",
    "cognito:groups",
    "/a/../b",
    "/a/./b",
    "/a/.b/..c/...",
    "/a//b",
    "/a b",
    "/",
    "azure",
    "123456789012",
    "12345678901",
    "from=\"10.0.0.1\" ssh-ed25519 A",
    "us-east-1",
    "a'b",
    "a$b",
    "a\\b",
    "$(touch /pwned)",
];

fn pattern(rule: Rule, form: Form) -> Regex {
    Regex::new(&of(rule, form)).expect("a regular expression")
}

#[test]
fn every_rule_of_the_table_is_in_one_of_the_lists() {
    for key in KEYS {
        let like = |rule: &Rule| std::mem::discriminant(rule) == std::mem::discriminant(&key.rule);
        assert!(EXACT.iter().chain(&WIDER).any(like), "{:?}", key.rule);
    }
}

#[test]
fn a_pattern_takes_what_its_rule_takes() {
    let long = ["a".repeat(253), "a".repeat(63), "a".repeat(64)];
    let clouds = crate::cloud::Provider::ALL.iter().map(|provider| provider.as_str());
    for value in VALUES.iter().copied().chain(clouds).chain(long.iter().map(String::as_str)) {
        for rule in EXACT.into_iter().chain(WIDER) {
            let (says, holds) = (pattern(rule, Form::File).is_match(value), rule.holds(value));
            assert!(says || !holds, "{rule:?} takes {value:?}, its pattern does not");
            assert!(
                !says || holds || WIDER.contains(&rule),
                "{rule:?} refuses {value:?}, its pattern does not"
            );
        }
    }
}

#[test]
fn a_pattern_of_a_delivery_takes_what_a_delivery_takes() {
    for key in KEYS.iter().filter(|key| key.is_live()) {
        let pattern = pattern(key.rule, Form::Delivery);
        for value in VALUES {
            let text = format!("{}=\"{value}\"\n", key.name);
            let taken = delivery::parse(text.as_bytes(), "x", Role::ControlPlane, &Layer::default());
            // as it was read: a delivery has a form of its own for quotes and lines
            for (_, value, _) in taken.unwrap_or_default().settings {
                assert!(pattern.is_match(&value), "a delivery takes {value:?} for {}", key.name);
            }
        }
    }
}

#[test]
fn an_empty_value_is_not_set_and_every_default_is_taken() {
    for key in KEYS {
        for form in [Form::File, Form::Delivery] {
            assert!(pattern(key.rule, form).is_match(""), "{}", key.name);
            assert!(pattern(key.rule, form).is_match(key.default), "{}", key.name);
        }
    }
}

#[test]
fn the_schema_has_every_setting_where_it_may_be_given() {
    let names = |schema: &Json| match schema.get("properties") {
        Some(Json::Map(map)) => map.keys().cloned().collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    assert_eq!(names(&user_data()), KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
    let live: Vec<_> = KEYS.iter().filter(|key| key.is_live()).map(|key| key.name).collect();
    assert_eq!(names(&mutable()), live);
    let written = crate::json::text(&both());
    assert_eq!(read(written.as_bytes()).ok(), Some(both()));
}

#[test]
fn names_that_programs_run_code_by_are_refused_by_the_schema_too() {
    let schema = user_data();
    let of = |json: Option<&Json>| json.and_then(|json| json.get("pattern")?.text().map(str::to_owned));
    let names = schema.get("propertyNames").expect("names");
    let (is, not) = (of(Some(names)).expect("a pattern"), of(names.get("not")).expect("a pattern"));
    let (is, not) = (Regex::new(&is).expect("one"), Regex::new(&not).expect("one"));
    for name in [
        "PATH",
        "LD_PRELOAD",
        "BASH_ENV",
        "BASH_FUNC_x",
        "ENVIRONMENT",
        "CLUSTER_ID",
        "PATHS",
        "_x",
        "GODEBUG",
    ] {
        assert_eq!(not.is_match(name), crate::keys::is_dangerous(name), "{name}");
        assert!(is.is_match(name), "{name}");
    }
    assert!(!is.is_match("1A") && !is.is_match("a-b"));
}
