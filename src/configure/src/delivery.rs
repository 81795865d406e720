//! A delivered `mutable.env`: the lines that an agent sends, and their merge into the live settings.
//!
//! This is not the shell's form but a stricter one, kept as present senders have it: a line is `KEY=value`, with one
//! pair of quotes around the value or none; nothing is escaped, the last of a key wins, an empty value clears, a key that
//! is not there keeps its value. A value in quotes goes over several lines only for SSH keys. Accepted whole or refused
//! whole: every character is harmless, every rule of [`crate::keys`] kept. A key that is not a setting is passed over and
//! told: an image is older than who sends to it.

use crate::envfile::{NO_MARK, is_key};
use crate::keys::{self, Key};
use crate::layers::Layer;
use crate::names::Role;
use crate::refusal::{Fault, printable};
use crate::rules::{Broken, Rule};

/// The most bytes of a delivery.
pub const LIMIT: usize = 64 * 1024;

/// How much of what should be a key is told, in characters.
const SHOWN: usize = 128;

/// What a delivery sets: key, value, line.
pub type Delivery = Vec<(String, String, u32)>;

/// A delivery as it was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// What it sets.
    pub settings: Delivery,
    /// Keys that are not settings of this image, in the order of their lines.
    pub unknown: Vec<Unknown>,
}

/// A key that is not a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Its name: letters, digits and `_`.
    pub key: String,
    /// Its line.
    pub line: u32,
}

impl Unknown {
    /// What a node says of it.
    #[must_use]
    pub fn note(&self, place: &str) -> String {
        format!("{place}:{}: {} is not a setting of this image, and is passed over", self.line, self.key)
    }

    /// What its author is told.
    #[must_use]
    pub fn fault(&self, place: &str) -> Fault {
        let fault = Fault::new(place, "expected a known setting").line(self.line).key(&self.key);
        match keys::closest(&self.key) {
            Some(meant) => {
                fault.hint(format!("is `{meant}` meant? a node passes over what it does not know"))
            }
            None => fault.hint(
                "a node passes over what it does not know; `configure schema mutable` has all settings",
            ),
        }
    }
}

/// The assignments of `bytes` delivered as `place`, or every fault. `also` are keys that the image's own defaults add.
pub fn parse(bytes: &[u8], place: &str, role: Role, also: &Layer) -> Result<Delivered, Vec<Fault>> {
    let (delivered, faults) = read(bytes, place, role, also);
    if faults.is_empty() { Ok(delivered) } else { Err(faults) }
}

/// The same of what is right, and every fault of the rest.
pub fn read(bytes: &[u8], place: &str, role: Role, also: &Layer) -> (Delivered, Vec<Fault>) {
    let nothing = |rule: &str| (Delivered::default(), vec![Fault::new(place, rule)]);
    if bytes.len() > LIMIT {
        return nothing("expected at most 64 KiB");
    }
    let has_mark = bytes.starts_with(b"\xef\xbb\xbf");
    if bytes.contains(&0) || has_mark {
        let fault = Fault::new(place, "expected text without NUL and byte order mark");
        return (Delivered::default(), vec![Fault { hint: has_mark.then(|| NO_MARK.to_owned()), ..fault }]);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return nothing("expected UTF-8") };
    let (mut out, mut faults) = (Delivered::default(), Vec::new());
    let mut lines = text.split('\n').zip(1u32..);
    while let Some((raw, number)) = lines.next() {
        // the ends of a line do not count, whatever blank it is
        let line = raw.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            faults.push(Fault::new(place, "expected `KEY=value`").line(number));
            continue;
        };
        let mut value = value.to_owned();
        let known = keys::find(key);
        if known.is_none() && is_key(key) && also.get(key).is_none() && !keys::is_dangerous(key) {
            out.unknown.push(Unknown { key: key.to_owned(), line: number });
            continue;
        }
        if known.is_some_and(|key| key.rule == Rule::SshKeys) {
            // an open quote: the value goes on
            while value.starts_with(['\'', '"'])
                && (value.len() == 1 || !value.ends_with(value.chars().next().unwrap_or('\'')))
            {
                let Some((next, _)) = lines.next() else { break };
                value.push('\n');
                value.push_str(next.trim_end_matches([' ', '\t', '\r']));
            }
        }
        match check(key, unquoted(&value), known, role) {
            Ok(value) => out.settings.push((key.to_owned(), value.to_owned(), number)),
            Err(broken) => {
                let shown: String = key.chars().take(SHOWN).collect();
                let fault = Fault::new(place, broken.rule).line(number).key(printable(&shown));
                faults.push(Fault { hint: broken.hint.map(str::to_owned), ..fault });
            }
        }
    }
    (out, faults)
}

/// The value without its one pair of quotes.
fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inner('\'').or_else(|| inner('"')).unwrap_or(value)
}

fn check<'a>(key: &str, value: &'a str, known: Option<&Key>, role: Role) -> Result<&'a str, Broken> {
    if !is_key(key) {
        return Err(Broken::new("expected a key of letters, digits and `_`, not starting with a digit"));
    }
    let rule = match known {
        Some(key) if key.is_live() => key.is_of(role).then_some(key.rule),
        Some(_) => return Err(Broken::new("expected a setting that may change live")),
        None if keys::is_dangerous(key) => {
            return Err(Broken::new("expected no name that programs run code by"));
        }
        None => None,
    };
    let limit = known.map_or(crate::envfile::VALUE_LIMIT, |key| key.rule.limit());
    if value.len() > limit {
        return Err(Broken::new(format!("expected at most {limit} bytes, found {}", value.len())));
    }
    if value.is_empty() {
        return Ok(value);
    }
    // an address that is one may have what addresses have, also where this node does not use it
    let url = known.is_some_and(|key| match key.rule {
        Rule::Url | Rule::Endpoint => Rule::Url.holds(value),
        Rule::Issuer => Rule::Issuer.holds(value),
        _ => false,
    });
    let lines = known.is_some_and(|key| key.rule == Rule::SshKeys);
    // what is not a key is that first
    if let Some(broken) = rule.filter(|_| lines).and_then(|rule| rule.broken(value)) {
        return Err(broken);
    }
    let harmless = |c: char| {
        c.is_ascii_alphanumeric()
            || "- ./_:+=#@,".contains(c)
            || (url && "?&[]%~;".contains(c))
            || (lines && matches!(c, '\n' | '"' | '*' | '?' | '%' | '(' | ')' | '!'))
    };
    if !value.chars().all(harmless) {
        return Err(Broken::with_unseen("expected only letters, digits, blanks and `-./_:+=#@,`", value));
    }
    match rule.and_then(|rule| rule.broken(value)) {
        Some(broken) => Err(broken),
        None => Ok(value),
    }
}

/// The live settings after `delivery`: the image's defaults below the present ones below what was delivered.
#[must_use]
pub fn merge(defaults: &Layer, present: &Layer, delivery: &Delivery) -> Layer {
    let mut out = Layer::default();
    for (key, value, _) in defaults.iter().chain(present.iter()) {
        out.set(key, value);
    }
    for (key, value, _) in delivery {
        out.set(key, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{merge, parse};
    use crate::layers::Layer;
    use crate::names::Role;
    use crate::rules::ssh::tests::ED25519;

    const PLACE: &str = "/recv/mutable.env";

    fn values(text: &str, role: Role) -> Option<Vec<(String, String)>> {
        let delivery = parse(text.as_bytes(), PLACE, role, &Layer::default()).ok()?;
        Some(delivery.settings.into_iter().map(|(key, value, _)| (key, value)).collect())
    }

    #[test]
    fn lines_are_read_as_present_senders_write_them() {
        let cases = [
            ("OIDC_ISSUER=https://o", "OIDC_ISSUER", "https://o"),
            ("  OIDC_ISSUER='https://o'\t\r\n# c\n\n", "OIDC_ISSUER", "https://o"),
            (
                "TELEMETRY_OTLP_ENDPOINT=\"https://o/?a=b&c=d\"",
                "TELEMETRY_OTLP_ENDPOINT",
                "https://o/?a=b&c=d",
            ),
            ("OIDC_ISSUER=https://o/a%20b", "OIDC_ISSUER", "https://o/a%20b"),
            ("KUBE_API_PORT=", "KUBE_API_PORT", ""),
            (
                &format!("SSH_AUTHORIZED_KEYS='{ED25519} a@b\n{ED25519} c'"),
                "SSH_AUTHORIZED_KEYS",
                &format!("{ED25519} a@b\n{ED25519} c"),
            ),
            ("NETSY_SECRET_ACCESS_KEY=a/b+c=", "NETSY_SECRET_ACCESS_KEY", "a/b+c="),
        ];
        for (text, key, value) in cases {
            assert_eq!(
                values(text, Role::ControlPlane),
                Some(vec![(key.to_owned(), value.to_owned())]),
                "{text:?}"
            );
        }
    }

    #[test]
    fn one_fault_refuses_the_whole_and_every_fault_is_told_without_its_value() {
        let text = "KUBE_API_PORT=7443\nLD_PRELOAD=s3cr3t\nTELEMETRY_ENABLED=s3cr3t\nCLUSTER_ID=s3cr3t\nOIDC_ISSUER='`s3cr3t`'\nx\n";
        let faults = parse(text.as_bytes(), PLACE, Role::Worker, &Layer::default()).err().unwrap_or_default();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(told.iter().all(|fault| fault.starts_with(PLACE) && !fault.contains("s3cr3t")), "{told:?}");
        assert_eq!(faults.iter().filter_map(|fault| fault.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_key_that_is_no_setting_is_passed_over_and_told_without_its_value() {
        let text = "KUBE_API_PORT=7443\nKUBE_CLUSTER_DNSS=`s3cr3t`\nNOPE=\n";
        let delivered = parse(text.as_bytes(), PLACE, Role::Worker, &Layer::default()).expect("a delivery");
        assert_eq!(delivered.settings, [("KUBE_API_PORT".to_owned(), "7443".to_owned(), 1)]);
        let notes: Vec<String> = delivered.unknown.iter().map(|one| one.note(PLACE)).collect();
        assert_eq!(notes.len(), 2);
        assert!(notes[0].starts_with("/recv/mutable.env:2: KUBE_CLUSTER_DNSS is not a setting"), "{notes:?}");
        let faults: Vec<_> = delivered.unknown.iter().map(|one| one.fault(PLACE)).collect();
        assert!(
            faults[0].hint.as_ref().is_some_and(|hint| hint.contains("`KUBE_CLUSTER_DNS`")),
            "{faults:?}"
        );
        assert!(!format!("{notes:?}{faults:?}").contains("s3cr3t"));
    }

    #[test]
    fn what_a_shell_would_act_on_is_refused() {
        for value in [
            "$(id)",
            "`id`",
            "a;b",
            "a|b",
            "a&b",
            "a\\b",
            "a\"b",
            "'a' 'b'",
            "{a}",
            "a*",
            "a\u{1b}[2J",
            "\u{e9}",
        ] {
            assert!(values(&format!("OIDC_ISSUER={value}"), Role::Worker).is_none(), "{value:?}");
        }
    }

    #[test]
    fn values_and_files_are_limited() {
        assert!(values(&format!("OIDC_ISSUER={}", "a".repeat(4096)), Role::Worker).is_some());
        assert!(values(&format!("OIDC_ISSUER={}", "a".repeat(4097)), Role::Worker).is_none());
        assert!(values(&"#\n".repeat(40_000), Role::Worker).is_none());
    }

    #[test]
    fn what_is_not_delivered_keeps_its_value_and_the_last_of_a_key_wins() {
        let layer = |pairs: &[(&str, &str)]| {
            Layer::of(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
        };
        let delivery = parse(b"B=1\nB=2\n", PLACE, Role::Worker, &layer(&[("B", "")])).expect("a delivery");
        let merged = merge(
            &layer(&[("A", "default"), ("B", "default")]),
            &layer(&[("A", "present")]),
            &delivery.settings,
        );
        assert_eq!(merged.text().as_deref(), Some("A='present'\nB='2'\n"));
    }
}
