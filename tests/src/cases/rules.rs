//! The intended differences from the recorded scripts: one table, by class, each with its reason.
//!
//! A rule says of which cases and which differences it is; it asserts the better behaviour by what it lets through and
//! nothing else. No rule is a list of case names to wave through.

use super::case::{Case, Expect};
use super::compare::Difference;
use super::tree::Tree;

/// What a rule looks at.
struct Seen<'a> {
    case: &'a Case,
    expect: &'a Expect,
    difference: &'a Difference,
    after: &'a Tree,
}

/// An intended difference.
struct Rule {
    name: &'static str,
    reason: &'static str,
    covers: fn(&Seen<'_>) -> bool,
}

/// The first rule that covers `difference`.
pub(super) fn cover(case: &Case, expect: &Expect, difference: &Difference, after: &Tree) -> Option<&'static str> {
    let seen = Seen { case, expect, difference, after };
    RULES.iter().find(|rule| (rule.covers)(&seen)).map(|rule| rule.name)
}

/// Why `name` is better.
pub(super) fn reason(name: &str) -> &'static str {
    RULES.iter().find(|rule| rule.name == name).map_or("", |rule| rule.reason)
}

/// The table.
const RULES: &[Rule] = &[
    Rule {
        name: "flags-of-units",
        reason: "arguments that depend on settings are variables of their own, so that each unit starts with one static line",
        covers: |seen| {
            const KEYS: [&str; 9] = [
                "KUBELET_NODE_IP",
                "KUBELET_PROVIDER_ID_FLAG",
                "KUBELET_NODE_LABELS_FLAG",
                "KUBE_API_OIDC_CLIENT_ID",
                "KUBE_SERVICE_ACCOUNT_ISSUER",
                "KUBE_SERVICE_ACCOUNT_JWKS_URI",
                "KUBE_NODE_CIDR_MASK_FLAGS",
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
            ];
            matches!(seen.difference, Difference::Env { key, wanted: None, .. } if KEYS.contains(&key.as_str()))
        },
    },
    Rule {
        name: "sysctl-is-systemd's",
        reason: "the image's sysctl.d is applied at boot by systemd-sysctl.service, before this program; a live update has no kernel setting",
        covers: |seen| match seen.difference {
            Difference::Calls { wanted, got } => {
                let rest: Vec<_> = wanted.iter().filter(|call| call.first().is_none_or(|name| name != "sysctl")).collect();
                rest.len() < wanted.len() && rest.into_iter().eq(got)
            }
            _ => false,
        },
    },
];
