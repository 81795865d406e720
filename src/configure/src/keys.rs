//! The one table of settings: where each may be given, by which rule, its default, and which files it reaches.
//!
//! Everything that is said of settings elsewhere is made from it: checking, the merge of a delivery, the schema, the
//! documentation, and which service restarts ([`Output::services`]). Rows are sorted by name.

mod closest;
mod output;
mod table;

pub use closest::closest;
pub use output::Output;
pub use table::KEYS;

use crate::names::Role;
use crate::rules::Rule;
use crate::services::Service;
use std::collections::BTreeSet;

/// Where a setting may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// Only by user-data, for the life of the instance.
    UserData,
    /// Found out by the first run; user-data's own value wins.
    Detected,
    /// Live, and by user-data as long as the live value is empty.
    Live,
}

/// What a live change of a setting would hand out: such settings can be fixed by the image's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// Root on this node.
    Root,
    /// Who the cluster's API believes to be whom.
    ClusterAdmin,
    /// Whose certificates, and whose tokens of service accounts, the cluster believes; no setting, but delivered files.
    Authorities,
    /// Where the cluster's API, its state, its images and its logs are, where its agent's servers are, and by which account
    /// each is used.
    Endpoints,
}

impl Grant {
    /// All.
    pub const ALL: [Self; 4] = [Self::Root, Self::ClusterAdmin, Self::Authorities, Self::Endpoints];

    /// Its name in `policy.toml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::ClusterAdmin => "cluster-admin",
            Self::Authorities => "authorities",
            Self::Endpoints => "endpoints",
        }
    }
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Where it may be given.
    pub given: Given,
    /// Which role needs it; none for both. Its rule is asked only there.
    pub role: Option<Role>,
    /// What its value must be when it is not empty.
    pub rule: Rule,
    /// What an empty value means.
    pub default: &'static str,
    /// Whether its value must not be shown, not even to root's terminal.
    pub secret: bool,
    /// What a live change would hand out.
    pub grant: Option<Grant>,
    /// Which files it reaches.
    pub outputs: &'static [Output],
    /// What it is for, one sentence.
    pub about: &'static str,
}

impl Key {
    /// Whether a delivery may have it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.given == Given::Live
    }

    /// The services that a change of it restarts, in the order of restarts.
    #[must_use]
    pub fn services(&self) -> BTreeSet<Service> {
        self.outputs.iter().flat_map(|output| output.services()).copied().collect()
    }

    /// Whether a node of `role` asks its rule.
    #[must_use]
    pub fn is_of(&self, role: Role) -> bool {
        self.role.is_none_or(|of| of == role)
    }
}

/// The setting `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.binary_search_by_key(&name, |key| key.name).ok().and_then(|at| KEYS.get(at))
}

/// Names that no file of settings may have: whoever takes such a file for an environment would run other code.
#[must_use]
pub fn is_dangerous(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "PATH",
        "ENV",
        "BASH_ENV",
        "IFS",
        "SHELLOPTS",
        "BASHOPTS",
        "PS4",
        "PROMPT_COMMAND",
        "GCONV_PATH",
        "PYTHONPATH",
        "PERL5LIB",
        "GODEBUG",
    ];
    NAMES.contains(&name)
        || name.starts_with("LD_")
        || name.starts_with("BASH_FUNC_")
        || name.starts_with("GLIBC_TUNABLES")
}

#[cfg(test)]
mod tests {
    use super::{KEYS, Rule, find};

    #[test]
    fn rows_are_sorted_and_found_by_name() {
        assert!(KEYS.is_sorted_by_key(|key| key.name));
        for key in KEYS {
            assert_eq!(find(key.name).map(|found| found.name), Some(key.name));
        }
        assert!(find("NOPE").is_none());
    }

    #[test]
    fn every_default_keeps_its_own_rule() {
        for key in KEYS {
            assert!(key.default.is_empty() || key.rule.holds(key.default), "{}", key.name);
            assert!(key.about.ends_with('.') && !key.about.contains('\n'), "{}", key.name);
        }
    }

    #[test]
    fn what_is_secret_is_one_line_of_text() {
        for key in KEYS.iter().filter(|key| key.name.contains("SECRET")) {
            assert!(key.secret && key.rule == Rule::Line, "{}", key.name);
        }
    }
}
