//! What became of maintainer scripts in an image: whose they are, how far they are trusted, and what each does.
//!
//! `stage` finds it out while it lays out a tree. `plan` prints it, and it stands in the record of the image.

use crate::name::Name;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the effects of a package's scripts came into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The scripts were interpreted.
    Derived,
    /// A person has read them and written down what they do.
    Reviewed,
    /// The recipe chooses to ignore them.
    Accepted,
}

/// A package with maintainer scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scripted {
    /// The package.
    pub package: Name,
    /// How its effects came into the image.
    pub trust: Trust,
    /// Its scripts that run when it is installed: `preinst`, `config`, `postinst`.
    pub scripts: Vec<String>,
    /// What they do, in the order of doing.
    pub effects: Vec<Done>,
}

/// One thing that scripts do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Done {
    /// Where it is said: `postinst:17`, or the path and line of a program of the image that the script runs. Absent where a
    /// person has written it down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<String>,
    /// What it is, in a few words: `link /etc/x to y`.
    pub does: String,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Derived => "derived",
            Self::Reviewed => "reviewed",
            Self::Accepted => "accepted",
        })
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{}  ({at})", self.does),
            None => f.write_str(&self.does),
        }
    }
}
