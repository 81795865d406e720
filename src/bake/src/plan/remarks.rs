//! What was decided about the inputs of an image beyond taking them as they are pinned. Each remark is printed by `plan`
//! and `bake` and stands in the record of the image.

use crate::policy::Overridden;
use serde::Serialize;
use std::fmt;
use tree::name::Name;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "remark", rename_all = "kebab-case")]
pub enum Remark {
    /// The policy refuses this version, and an override lets it through.
    Overridden {
        /// The component or package.
        name: Name,
        /// The version.
        version: String,
        /// Why the policy refuses it.
        refused: String,
        /// Why the override lets it through.
        reason: String,
        /// Who approved that.
        approved_by: String,
    },
    /// A Debian package that the manifest pins is taken from the lock, which has that version or a newer one.
    FromLock {
        /// The package.
        name: Name,
        /// The version in the manifest.
        pinned: String,
        /// The version in the lock.
        locked: String,
    },
    /// The maintainer scripts of a package are ignored, as the recipe chooses.
    Accepted {
        /// The package.
        name: Name,
        /// The recipe's reason.
        reason: String,
    },
    /// A component comes by `http:` or from a file.
    Plain {
        /// The component.
        name: Name,
        /// Where from.
        url: String,
    },
    /// A package is of an archive that is not Debian's.
    ThirdParty {
        /// The package.
        name: Name,
        /// Its version.
        version: String,
        /// The archive.
        archive: String,
        /// Its root.
        url: String,
        /// The fingerprints of the keys that vouch for it.
        signed_by: Vec<String>,
        /// Who asked for it: `recipe`, which names it, or packages of the same archive, as Debian has none of its name.
        because: Vec<String>,
    },
    /// A package is a file of the project.
    Local {
        /// The package.
        name: Name,
        /// Its version.
        version: String,
        /// The file.
        path: String,
    },
    /// An optional component is not in the image.
    LeftOut {
        /// The component.
        name: Name,
        /// The version that the manifest declares without a pin, where it does.
        declared: Option<String>,
    },
}

impl Remark {
    /// Whether it is told to whoever has asked for results alone, too: what the policy refuses never enters silently, and no
    /// script is ignored silently.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::Overridden { .. } | Self::Accepted { .. })
    }

    /// That of an override.
    pub(super) fn overridden(name: &Name, version: &str, overridden: Overridden<'_>) -> Self {
        let Overridden { refused, line } = overridden;
        Self::Overridden {
            name: name.clone(),
            version: version.to_owned(),
            refused,
            reason: line.reason.clone(),
            approved_by: line.approved_by.clone(),
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overridden { name, version, refused, reason, approved_by } => write!(
                f,
                "{name} {version}: allowed by an override in manifests/policy.toml ({reason}; approved by \
                 {approved_by}), which sets aside: {refused}"
            ),
            Self::FromLock { name, pinned, locked } => {
                write!(f, "{name} {pinned}: taken from the lock, which has {locked}")
            }
            Self::Accepted { name, reason } => {
                write!(f, "{name}: its maintainer scripts are ignored, by [accept] of the recipe ({reason})")
            }
            Self::Plain { name, url } => {
                write!(f, "{name}: from {url}; only its digest vouches for it")
            }
            Self::ThirdParty { name, version, archive, url, signed_by, because } => {
                let keys = signed_by.join(", ");
                write!(f, "{name} {version}: from archive {archive} ({url}), signed by {keys}; ")?;
                match because.iter().any(|reason| reason == "recipe") {
                    true => f.write_str("the recipe takes it from there"),
                    false => write!(f, "{} needs it, and Debian does not have it", because.join(", ")),
                }
            }
            Self::Local { name, version, path } => {
                write!(f, "{name} {version}: from {path} of the project; only its digest vouches for it")
            }
            Self::LeftOut { name, declared: None } => {
                write!(f, "{name}: left out, as the manifest does not have it")
            }
            Self::LeftOut { name, declared: Some(version) } => {
                write!(f, "{name}: left out, as the manifest declares {version} without url, digest and size")
            }
        }
    }
}
