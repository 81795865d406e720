//! Relations between packages: policy, chapter 7, and `deb-control(5)`.
//!
//! `a (>= 1) | b:any, c` is a list of groups of alternatives. Only what binary packages may say is read: no list of
//! architectures, no build profile, none of the old operators `<` and `>`.

use super::version::{Version, VersionError};
use std::cmp::Ordering;

/// How many relations a field may have; the largest of Debian has about a thousand.
pub const MAX: usize = 20_000;

/// One alternative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The package, real or virtual.
    pub name: &'a str,
    /// `any`, or an architecture.
    pub qualifier: Option<&'a str>,
    /// Which versions.
    pub version: Option<(Operator, Version<'a>)>,
}

/// How versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<<`.
    Before,
    /// `<=`.
    UpTo,
    /// `=`.
    Exactly,
    /// `>=`.
    From,
    /// `>>`.
    After,
}

/// Text that is not a relation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RelationError {
    /// Not of the form.
    #[error("expected `name (>= version)`, found `{0}`")]
    Form(String),
    /// A version that is none.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// More than `MAX`.
    #[error("more than {MAX} relations")]
    Many,
}

/// The groups of a field: each is satisfied by one of its alternatives. An absent field has none.
pub fn groups(field: &str) -> Result<Vec<Vec<Relation<'_>>>, RelationError> {
    let mut count = 0;
    let mut groups = Vec::new();
    for group in field.split(',').filter(|_| !blank(field)) {
        let mut alternatives = Vec::with_capacity(1);
        for text in group.split('|') {
            count += 1;
            if count > MAX {
                return Err(RelationError::Many);
            }
            alternatives.push(relation(text)?);
        }
        groups.push(alternatives);
    }
    Ok(groups)
}

/// The relations of a field without alternatives: Provides, Conflicts, Breaks.
pub fn list<'a>(field: &'a str) -> Result<Vec<Relation<'a>>, RelationError> {
    let groups = groups(field)?;
    let single = |mut group: Vec<Relation<'a>>| match (group.pop(), group.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(RelationError::Form(field.chars().take(80).collect())),
    };
    groups.into_iter().map(single).collect()
}

impl Operator {
    /// Whether `version` is one of those that this operator and `required` allow.
    #[must_use]
    pub fn allows(self, version: Version<'_>, required: Version<'_>) -> bool {
        let order = version.cmp(&required);
        match self {
            Self::Before => order == Ordering::Less,
            Self::UpTo => order != Ordering::Greater,
            Self::Exactly => order == Ordering::Equal,
            Self::From => order != Ordering::Less,
            Self::After => order == Ordering::Greater,
        }
    }

    /// As policy writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "<<",
            Self::UpTo => "<=",
            Self::Exactly => "=",
            Self::From => ">=",
            Self::After => ">>",
        }
    }
}

impl std::fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match self.version {
            Some((operator, version)) => write!(f, " ({} {})", operator.as_str(), version.as_str()),
            None => Ok(()),
        }
    }
}

fn relation(text: &str) -> Result<Relation<'_>, RelationError> {
    let text = text.trim_matches([' ', '\t', '\n']);
    let wrong = || RelationError::Form(text.chars().take(80).collect());
    let (name, version) = match text.split_once('(') {
        Some((name, rest)) => (name.trim_end_matches(' '), Some(rest.strip_suffix(')').ok_or_else(wrong)?)),
        None => (text, None),
    };
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    let plain = |text: &str, also: &[u8]| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
    };
    // capital letters and `_` are forbidden by policy 5.6.7, but virtual names of some toolkits have them
    let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b));
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !named || !starts || !qualifier.is_none_or(|qualifier| plain(qualifier, b"-")) {
        return Err(wrong());
    }
    let version = version.map(|text| constraint(text).ok_or_else(wrong)).transpose()?;
    let version = version.map(|(operator, text)| Version::parse(text).map(|version| (operator, version)));
    Ok(Relation { name, qualifier, version: version.transpose()? })
}

fn constraint(text: &str) -> Option<(Operator, &str)> {
    let text = text.trim_matches(' ');
    [
        ("<<", Operator::Before),
        ("<=", Operator::UpTo),
        (">=", Operator::From),
        (">>", Operator::After),
        ("=", Operator::Exactly),
    ]
    .into_iter()
    .find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?.trim_start_matches(' '))))
}

fn blank(field: &str) -> bool {
    field.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_versions_and_qualifiers_are_read() {
        let field =
            "libc6 (>= 2.38),\n default-mta | mail-transport-agent,python3:any (>= 3.7~), x ( = 1:1-1 )";
        let text: Vec<String> = groups(field)
            .unwrap()
            .iter()
            .map(|group| group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "))
            .collect();
        assert_eq!(
            text,
            ["libc6 (>= 2.38)", "default-mta | mail-transport-agent", "python3:any (>= 3.7~)", "x (= 1:1-1)"]
        );
        assert_eq!(groups("").unwrap(), Vec::<Vec<Relation<'_>>>::new());
    }

    #[test]
    fn what_binary_packages_do_not_say_is_refused() {
        for field in [
            "a,",
            "a,,b",
            "a | ",
            "a [amd64]",
            "a <!nocheck>",
            "a (< 1)",
            "a (> 1)",
            "a (1)",
            "a (>= )",
            "a (>= 1",
            "a b",
            "-a",
            "a:",
            "a:b:c",
            "a (>= 1) x",
            "${misc:Depends}",
        ] {
            assert!(groups(field).is_err(), "{field:?}");
        }
        assert!(list("a | b").is_err());
        let many = vec!["a"; MAX + 1].join(",");
        assert_eq!(groups(&many).unwrap_err(), RelationError::Many);
    }

    #[test]
    fn operators_mean_what_dpkg_means() {
        let (old, new) = (Version::parse("1").unwrap(), Version::parse("2").unwrap());
        for (operator, expected) in [
            (Operator::Before, [true, false, false]),
            (Operator::UpTo, [true, true, false]),
            (Operator::Exactly, [false, true, false]),
            (Operator::From, [false, true, true]),
            (Operator::After, [false, false, true]),
        ] {
            let got = [operator.allows(old, new), operator.allows(new, new), operator.allows(new, old)];
            assert_eq!(got, expected, "{operator:?}");
        }
    }
}
