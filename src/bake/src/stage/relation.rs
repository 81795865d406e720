//! Relations between packages, as a `control` file states them: deb-control(5), Debian policy 7.1.
//!
//! `a (>= 1) | b:any, c` is a list of clauses, each a list of alternatives. Printed as dpkg prints them into its
//! `status`: one blank after each comma, `<` and `>` as what they mean. Deliberately absent: restrictions to
//! architectures and build profiles, which are for source packages; they are an error.

use debversion::Version;
use std::fmt;

/// Reads the value of a relation field.
pub(super) fn parse(value: &str) -> Result<Vec<Clause>, RelationError> {
    let wrong = |part: &str| RelationError(part.trim().chars().take(160).collect());
    let mut clauses = Vec::new();
    // policy allows a comma at the end, which older tools leave
    for clause in value.trim().trim_end_matches(',').split(',') {
        let alternatives =
            clause.split('|').map(|text| alternative(text.trim()).ok_or_else(|| wrong(clause)));
        clauses.push(Clause(alternatives.collect::<Result<_, _>>()?));
    }
    Ok(clauses)
}

/// Text that is no relation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no relation between packages")]
pub(super) struct RelationError(String);

/// Alternatives, any of which will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause(pub(super) Vec<Alternative>);

/// A package, with the versions that are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alternative {
    /// Its name.
    pub(super) name: String,
    /// `any`, or an architecture.
    qualifier: Option<String>,
    /// The versions, where not all are meant.
    version: Option<(Operator, String)>,
}

/// How a version is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Earlier,
    AtMost,
    Equal,
    AtLeast,
    Later,
}

impl Alternative {
    /// Whether `version` is among the versions that are meant.
    pub(super) fn admits(&self, version: &str) -> bool {
        let Some((operator, wanted)) = &self.version else { return true };
        let (Ok(version), Ok(wanted)) = (version.parse::<Version>(), wanted.parse::<Version>()) else {
            return false;
        };
        match operator {
            Operator::Earlier => version < wanted,
            Operator::AtMost => version <= wanted,
            Operator::Equal => version == wanted,
            Operator::AtLeast => version >= wanted,
            Operator::Later => version > wanted,
        }
    }

    /// Whether a package that provides this name, as it says in `provided`, will do: a relation with a version needs
    /// a provision with one, policy 7.5.
    pub(super) fn is_provided_by(&self, provided: &Self) -> bool {
        self.name == provided.name
            && match &provided.version {
                None => self.version.is_none(),
                Some((_, version)) => self.admits(version),
            }
    }
}

fn alternative(text: &str) -> Option<Alternative> {
    let (name, version) = match text.split_once('(') {
        None => (text, None),
        Some((name, rest)) => {
            let rest = rest.strip_suffix(')')?.trim();
            let at = rest.find(|c| !"<>=".contains(c))?;
            let operator = match &rest[..at] {
                "<<" => Operator::Earlier,
                "<=" | "<" => Operator::AtMost,
                "=" => Operator::Equal,
                ">=" | ">" => Operator::AtLeast,
                ">>" => Operator::Later,
                _ => return None,
            };
            let version = rest[at..].trim();
            version.parse::<Version>().ok()?;
            (name.trim(), Some((operator, version.to_owned())))
        }
    };
    let (name, qualifier) = match name.split_once(':') {
        None => (name, None),
        Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
    };
    let fits = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
    };
    (fits(name) && qualifier.as_deref().is_none_or(fits)).then(|| Alternative {
        name: name.to_owned(),
        qualifier,
        version,
    })
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        let Some((operator, version)) = &self.version else { return Ok(()) };
        let operator = match operator {
            Operator::Earlier => "<<",
            Operator::AtMost => "<=",
            Operator::Equal => "=",
            Operator::AtLeast => ">=",
            Operator::Later => ">>",
        };
        write!(f, " ({operator} {version})")
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, alternative) in self.0.iter().enumerate() {
            write!(f, "{}{alternative}", if index == 0 { "" } else { " | " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_printed_as_dpkg_does() {
        for (given, wanted) in [
            ("libc6(>=2.38),libfoo|bar:any (<2)", "libc6 (>= 2.38), libfoo | bar:any (<= 2)"),
            ("a (= 1:2-3),\n b (>> 1~rc1)", "a (= 1:2-3), b (>> 1~rc1)"),
            ("a,", "a"),
        ] {
            let printed: Vec<_> = parse(given).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(printed.join(", "), wanted);
        }
        for wrong in ["", "a b", "a (1)", "a (>= )", "a [amd64]", "a,,b", "a <!nocheck>", "a (>= 1", "|a"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn versions_are_compared_in_debians_order() {
        for (relation, version, admits) in [
            ("a", "1", true),
            ("a (<< 1.0)", "1.0~rc1", true),
            ("a (>= 1:0)", "9", false),
            ("a (= 1-1)", "1-1", true),
            ("a (>> 1)", "1", false),
        ] {
            assert_eq!(parse(relation).unwrap()[0].0[0].admits(version), admits, "{relation} {version}");
        }
    }

    #[test]
    fn a_version_is_only_provided_by_a_provision_with_one() {
        let one = |text| parse(text).unwrap()[0].0[0].clone();
        for (wanted, provided, will_do) in [
            ("awk", "awk", true),
            ("awk (>= 1)", "awk", false),
            ("awk (>= 1)", "awk (= 2)", true),
            ("awk", "awk (= 2)", true),
            ("awk", "gawk", false),
        ] {
            assert_eq!(one(wanted).is_provided_by(&one(provided)), will_do, "{wanted} by {provided}");
        }
    }
}
