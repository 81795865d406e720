//! The policy: versions below which, and inputs with which, no image is made.
//!
//! `manifests/policy.toml`: `[floor.<component>]` sets the lowest version of an upstream component, `[[deny]]` names
//! an input by digest or by name and version, and an `[[override]]` lets one exact version through, with its reason
//! and who approved it: a line that is reviewed like code. Debian's own packages have no floors: Debian fixes a
//! version without changing its upstream number.

use crate::debian::version::Version;
use serde::Deserialize;
use std::collections::BTreeMap;
use tree::digest::Digest;
use tree::name::Name;
use tree::refusal::{Class, Refusal, Result, Stage};

/// A whole policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The lowest version of each component.
    pub floor: BTreeMap<Name, Floor>,
    /// Inputs that are never taken.
    pub deny: Vec<Deny>,
    /// Versions that are taken although a floor or a denial names them.
    pub r#override: Vec<Override>,
}

/// A lowest version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// The version, in the order of Debian's versions, which is that of plain dotted numbers.
    pub version: String,
    /// Why: the fault that is fixed in it.
    pub reason: String,
}

/// An input that is never taken; by its digest, or by name and version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// The component or package.
    pub name: Name,
    /// This version.
    pub version: Option<String>,
    /// These bytes.
    pub digest: Option<Digest>,
    /// Why.
    pub reason: String,
}

/// A version that is taken all the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Override {
    /// The component or package.
    pub name: Name,
    /// Just this version.
    pub version: String,
    /// Why.
    pub reason: String,
    /// Who looked at it.
    pub approved_by: String,
}

/// Reads a policy; `artifact` names it in messages.
pub fn parse(artifact: &str, text: &str) -> Result<Policy> {
    let wrong = |what: String| Refusal::new(Class::Usage, artifact, Stage::Parse, what);
    let policy: Policy = toml::from_str(text).map_err(|error| Refusal::toml(artifact, text, &error))?;
    for deny in &policy.deny {
        if deny.version.is_none() && deny.digest.is_none() {
            return Err(wrong(format!("deny: `{}` requires a version or a digest", deny.name)));
        }
    }
    for (name, floor) in &policy.floor {
        if version(&ordered(&floor.version)).is_none() {
            return Err(wrong(format!("floor: `{}` of `{name}` is not a version", floor.version)));
        }
    }
    Ok(policy)
}

/// A version that the policy refuses and a reviewed line lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overridden<'p> {
    /// Why it is refused without that line.
    pub refused: String,
    /// The line.
    pub line: &'p Override,
}

impl Policy {
    /// Refuses the input `name` of this version and digest where the policy does; `floors` is false for Debian's
    /// packages. Where only an override lets it through, says so: whoever asks has to tell it on.
    pub fn check(
        &self,
        name: &Name,
        found: &str,
        digest: &Digest,
        floors: bool,
    ) -> Result<Option<Overridden<'_>>> {
        let Some(refused) = self.refuses(name, found, digest, floors) else { return Ok(None) };
        match self.r#override.iter().find(|line| line.name == *name && line.version == found) {
            Some(line) => Ok(Some(Overridden { refused, line })),
            None => Err(Refusal::new(Class::Usage, name.as_str(), Stage::Plan, refused)
                .hint("pin another version, or add a reviewed [[override]] to manifests/policy.toml")),
        }
    }

    /// Why it is refused, overrides aside.
    fn refuses(&self, name: &Name, found: &str, digest: &Digest, floors: bool) -> Option<String> {
        for deny in self.deny.iter().filter(|deny| deny.name == *name) {
            let by_version = deny.version.as_deref().is_some_and(|denied| is_same(denied, found));
            if by_version || deny.digest.as_ref() == Some(digest) {
                return Some(format!("version `{found}` is on the deny list: {}", deny.reason));
            }
        }
        let floor = self.floor.get(name).filter(|_| floors)?;
        let (this, least) = (ordered(found), ordered(&floor.version));
        let is_below = version(&this) < version(&least);
        let Floor { version, reason } = floor;
        is_below.then(|| format!("below policy floor, expected {version} or later, found {found}: {reason}"))
    }
}

/// Whether two texts are one version: tags have a `v` before it, and pins with and without are of the same file.
fn is_same(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().trim_start_matches('v').to_owned();
    plain(a) == plain(b)
}

/// A version as Debian would write it, so that they order: `1.4.0-rc.1` comes before `1.4.0`, as Semantic Versioning has it.
fn ordered(text: &str) -> String {
    let text = text.strip_prefix('v').unwrap_or(text);
    match text.split_once('-') {
        Some((number, rest)) if rest.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            format!("{number}~{rest}")
        }
        _ => text.to_owned(),
    }
}

/// A version that orders; none where it is not a version, which is below every floor. A name such as `latest` is none:
/// letters come after digits in Debian's order, so it would be above every floor.
fn version(text: &str) -> Option<Version<'_>> {
    text.starts_with(|c: char| c.is_ascii_digit()).then(|| Version::parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[floor.runc]
version = "1.3.3"
reason = "CVE-2025-31133"
[[deny]]
name = "zot"
version = "2.0.0"
reason = "loses data"
[[override]]
name = "runc"
version = "1.2.8"
reason = "has the fix"
approved-by = "a. reviewer"
"#;

    #[test]
    fn below_the_floor_or_denied_is_refused_and_only_a_reviewed_line_lets_it_through() {
        let policy = parse("policy.toml", TEXT).unwrap();
        let digest = Digest::from(tree::digest::Sha256([7; 32]));
        let check = |name: &str, version: &str, floors| {
            policy.check(&name.parse().unwrap(), version, &digest, floors)
        };
        assert!(
            check("runc", "1.3.2", true)
                .unwrap_err()
                .to_string()
                .contains("below policy floor, expected 1.3.3")
        );
        assert!(check("runc", "latest", true).is_err());
        assert!(check("runc", "not a version", true).is_err());
        for spelled in ["2.0.0", "v2.0.0"] {
            let refused = check("zot", spelled, true).unwrap_err().to_string();
            assert!(refused.contains("deny list: loses data"), "{refused}");
        }
        for before in ["1.3.3-rc.1", "v1.3.3-rc.1", "1.3.3-alpha", "1.3.3~rc1", "v1.3.2"] {
            let refused = check("runc", before, true).expect_err(before).to_string();
            assert!(refused.contains("below policy floor, expected 1.3.3"), "{refused}");
        }
        for (name, version, floors) in [
            ("runc", "1.3.3", true),
            ("runc", "v1.3.3", true),
            ("runc", "1.3.3-1", true),
            ("runc", "1.3.4-rc.1", true),
            ("runc", "1.10.0", true),
            ("runc", "1.2.8", true),
            ("runc", "1.1.15+ds1-2", false),
            ("zot", "2.0.1", true),
        ] {
            assert!(check(name, version, floors).is_ok(), "{name} {version}");
        }
        // what an override lets through is told, with what it overrides; a line that overrides nothing is not
        let told = check("runc", "1.2.8", true).unwrap().unwrap();
        assert!(told.refused.starts_with("below policy floor, expected 1.3.3 or later, found 1.2.8"));
        assert_eq!(
            (told.line.reason.as_str(), told.line.approved_by.as_str()),
            ("has the fix", "a. reviewer")
        );
        assert_eq!(check("runc", "1.2.8", false).unwrap(), None);
    }

    #[test]
    fn a_denied_digest_is_refused_under_any_version_and_another_digest_is_not() {
        for digest in [
            Digest::from(tree::digest::Sha256([7; 32])),
            format!("sha512:{}", "7".repeat(128)).parse().unwrap(),
        ] {
            let text = format!("[[deny]]\nname = \"zot\"\ndigest = \"{digest}\"\nreason = \"swapped\"\n");
            let policy = parse("policy.toml", &text).unwrap();
            let check = |name: &str, digest: &Digest, floors| {
                policy.check(&name.parse().unwrap(), "1", digest, floors)
            };
            for floors in [true, false] {
                let error = check("zot", &digest, floors).unwrap_err().to_string();
                assert!(error.contains("deny list: swapped"), "{error}");
                assert!(check("zot", &tree::digest::Sha256([8; 32]).into(), floors).is_ok());
                assert!(check("runc", &digest, floors).is_ok());
            }
        }
    }

    #[test]
    fn a_denial_of_nothing_is_refused() {
        assert!(parse("policy.toml", "[[deny]]\nname = \"zot\"\nreason = \"x\"\n").is_err());
    }
}
