//! Where Debian and others publish packages, and whose signatures each is believed by: `manifests/sources.toml`.
//!
//! Invariants of a `Sources`: names are given once; each suite's archive and keys are there; each key's file holds
//! the certificate whose fingerprint pins it; every snapshot is an `https:` URL, every mirror an `https:` or `http:` one.
//!
//! The archives `debian` and `debian-security` are Debian's own. Any other is a third party's: it vouches for the packages
//! that a recipe takes from it by name, and for what these need and Debian does not have.

mod parse;
mod snapshots;
#[cfg(test)]
mod tests;

use crate::debian::certificate::{Certificate, CertificateError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use store::beneath;
use tree::refusal::{Class, Refusal, Result, Stage};

pub use parse::parse;
pub use snapshots::Snapshots;

/// How many bytes a `sources.toml` may have.
pub const MAX: usize = 256 << 10;

/// All that is in `sources.toml`, with the certificates that it pins.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The archives by name.
    pub archives: BTreeMap<String, Archive>,
    /// The suites, in the order of the file.
    pub suites: Vec<Suite>,
    /// The certificates by the fingerprints that pin them.
    pub certificates: BTreeMap<String, Certificate>,
    /// Their armoured texts.
    pub texts: BTreeMap<String, String>,
}

/// Suites as an image's own apt can be told of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The root of their archive.
    pub mirror: String,
    /// They.
    pub suites: Vec<Suite>,
    /// The armoured certificates of a third party, by their fingerprints; Debian's are in its own package.
    pub certificates: BTreeMap<String, String>,
}

/// The names of Debian's own archives.
pub const DEBIAN: [&str; 2] = ["debian", "debian-security"];

/// What stands in place of a suite for packages that are files of the project.
pub const LOCAL: &str = "local";

/// Whether the archive of this name is Debian's own, which vouches for every package that it has.
#[must_use]
pub fn is_debian(archive: &str) -> bool {
    DEBIAN.contains(&archive)
}

/// A tree of `dists/` and `pool/`, or a flat one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Archive {
    /// `debian`, `debian-security`, or a third party's.
    pub name: String,
    /// Its root where nothing nearer is named: signatures and digests decide, so `http:` will do.
    pub mirror: String,
    /// Where each of its states is kept, if someone does: the URL to which a time is added.
    pub snapshot: Option<String>,
}

/// How old someone accepts an archive: `200` for Debian's main suite, `vendor=200` for a third party's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxAge {
    /// A suite or archive of a third party; Debian's main suite where there is none.
    pub of: Option<String>,
    /// Days.
    pub days: u32,
}

impl std::str::FromStr for MaxAge {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (of, days) = match text.split_once('=') {
            Some((name, days)) => (Some(name.to_owned()), days),
            None => (None, text),
        };
        let days = days.parse().ok().filter(|days| *days > 0);
        let days =
            days.ok_or("expected a number of days such as `200`, or `ARCHIVE=DAYS` such as `vendor=200`")?;
        Ok(Self { of, days })
    }
}

/// One suite of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// What locks and recipes call it.
    pub name: String,
    /// The name of its archive.
    pub archive: String,
    /// Where it is.
    pub place: Where,
    /// What its Release must say in `Origin`, where that is known.
    pub origin: Option<String>,
    /// What its Release must say in `Codename`, where that is known.
    pub codename: Option<String>,
    /// What its Release may say in `Suite`; anything when it is empty.
    pub suites: Vec<String>,
    /// The components that are read, such as `main`; none of a flat one.
    pub components: Vec<String>,
    /// Whether a package is taken from it only where a recipe names it.
    pub by_name: bool,
    /// How old its Release may be: the only guard against an archive that is kept from changing and has no
    /// Valid-Until.
    pub max_age_days: u32,
    /// Fingerprints of the primary keys that may sign it.
    pub keys: Vec<String>,
}

/// Where the Release of a suite is, and what its indexes are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// In this folder below `dists/`, with an index for each component and architecture.
    Dists(String),
    /// In this folder of the archive (empty: its root), with one index for all: `deb URL ./` of sources.list(5).
    Flat(String),
}

impl Suite {
    /// Whether it is Debian's release itself (`trixie`), not one of the suites next to it (`trixie-security`) or another's.
    #[must_use]
    pub fn is_main(&self) -> bool {
        is_debian(&self.archive) && self.codename.as_ref().is_some_and(|name| !name.contains('-'))
    }

    /// Whether it is of another than Debian.
    #[must_use]
    pub fn is_third_party(&self) -> bool {
        !is_debian(&self.archive)
    }

    /// The path of one of its files below the archive.
    #[must_use]
    pub fn file(&self, path: &str) -> String {
        match &self.place {
            Where::Dists(folder) => format!("dists/{folder}/{path}"),
            Where::Flat(folder) if folder.is_empty() => path.to_owned(),
            Where::Flat(folder) => format!("{folder}/{path}"),
        }
    }

    /// Whether it is flat.
    #[must_use]
    pub fn place_is_flat(&self) -> bool {
        matches!(self.place, Where::Flat(_))
    }

    /// Whether a recipe's `from` means it: by its own name, or by that of a third party's archive.
    #[must_use]
    pub fn is_named(&self, from: &str) -> bool {
        self.name == from || (self.archive == from && self.is_third_party())
    }
}

/// What is wrong with a `sources.toml`.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// More than `MAX`.
    #[error("expected at most {MAX} bytes, found {0}")]
    Large(usize),
    /// Not TOML, or not of this shape: `line 3 column 2: …`.
    #[error("{0}")]
    Form(String),
    /// The same name twice.
    #[error("duplicate {0} `{1}`")]
    Twice(&'static str, String),
    /// A name that nothing has.
    #[error("suite `{suite}` names {sort} `{name}`, which is not defined")]
    Missing {
        /// Whose line it is.
        suite: String,
        /// What it names.
        sort: &'static str,
        /// The name.
        name: String,
    },
    /// A value that cannot be used.
    #[error("`{name}`: {rule}, found `{got}`")]
    Value {
        /// Whose value it is.
        name: String,
        /// What it should be.
        rule: &'static str,
        /// What it is.
        got: String,
    },
    /// A file that is not a certificate.
    #[error("`{file}`: {error}")]
    Certificate {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// A file that holds another certificate.
    #[error("expected certificate {expected} in `{file}`, found {got}")]
    Fingerprint {
        /// The file.
        file: String,
        /// The pin.
        expected: String,
        /// What it holds.
        got: String,
    },
    /// A file that cannot be read.
    #[error("cannot read `{0}`: {1}")]
    Io(String, std::io::Error),
}

/// Reads `sources.toml` of the folder `manifests` and the certificates that it names.
pub fn load(manifests: &Path) -> Result<Sources> {
    let path = manifests.join("sources.toml");
    let shown = path.display().to_string();
    // the folder itself may not be a link out of the project either
    let (root, folder) = match (manifests.parent(), manifests.file_name()) {
        (Some(root), Some(folder)) if root == Path::new("") => (Path::new("."), Path::new(folder)),
        (Some(root), Some(folder)) => (root, Path::new(folder)),
        _ => (manifests, Path::new("")),
    };
    let read = |file: &str| {
        let bytes = beneath::read(root, &folder.join(file), beneath::MAX_TEXT)?;
        String::from_utf8(bytes).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
    };
    let text = read("sources.toml").map_err(|error| Refusal::io(&shown, Stage::Parse, "read", &error))?;
    parse(&text, read).map_err(|error| Refusal::new(Class::Usage, shown, Stage::Parse, error))
}

impl Sources {
    /// These and those of `others`, after them; a name or a key that both have is an error.
    pub fn with(mut self, others: Self) -> Result<Self, SourcesError> {
        for (name, archive) in others.archives {
            if self.archives.insert(name.clone(), archive).is_some() {
                return Err(SourcesError::Twice("archive", name));
            }
        }
        for suite in others.suites {
            if self.suites.iter().any(|known| known.name == suite.name) {
                return Err(SourcesError::Twice("suite", suite.name));
            }
            self.suites.push(suite);
        }
        for (fingerprint, certificate) in others.certificates {
            if self.certificates.insert(fingerprint.clone(), certificate).is_some() {
                return Err(SourcesError::Twice("key", fingerprint));
            }
        }
        self.texts.extend(others.texts);
        Ok(self)
    }

    /// Accepts suites that were made at most so many days ago, whatever `max-age-days` says: those of the third party that is
    /// named, else Debian's main suite. The limits of Debian's other suites stay: they change all the time, and an old one is
    /// kept from changing. False where there is none of that name.
    #[must_use]
    pub fn accept_age(&mut self, age: &MaxAge) -> bool {
        let is_meant = |suite: &&mut Suite| match &age.of {
            None => suite.is_main(),
            Some(name) => suite.is_third_party() && suite.is_named(name),
        };
        let mut found = false;
        for suite in self.suites.iter_mut().filter(is_meant) {
            (suite.max_age_days, found) = (age.days, true);
        }
        found
    }

    /// Where the states of the archives are kept.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        let kept =
            self.archives.values().filter_map(|archive| Some((&archive.name, archive.snapshot.as_ref()?)));
        Snapshots::new(kept)
    }

    /// What a recipe can have written into an image: the archives of third parties, and each suite that is taken from by name.
    #[must_use]
    pub fn published(&self) -> BTreeMap<String, Published> {
        let mut all = BTreeMap::new();
        for suite in self.suites.iter().filter(|suite| suite.by_name) {
            let Some(archive) = self.archives.get(&suite.archive) else { continue };
            let texts =
                self.texts.iter().filter(|(key, _)| suite.is_third_party() && suite.keys.contains(key));
            let names = [Some(&suite.name), Some(&suite.archive).filter(|_| suite.is_third_party())];
            for name in names.into_iter().flatten().collect::<BTreeSet<_>>() {
                let empty = || Published {
                    mirror: archive.mirror.clone(),
                    suites: Vec::new(),
                    certificates: BTreeMap::new(),
                };
                let published = all.entry(name.clone()).or_insert_with(empty);
                published.suites.push(suite.clone());
                published.certificates.extend(texts.clone().map(|(key, text)| (key.clone(), text.clone())));
            }
        }
        all
    }

    /// The certificates that may sign `suite`.
    #[must_use]
    pub fn trusted(&self, suite: &Suite) -> Vec<&Certificate> {
        suite.keys.iter().filter_map(|key| self.certificates.get(key)).collect()
    }
}

/// Whether it can be the root of an archive.
#[must_use]
pub fn is_mirror(url: &str) -> bool {
    is_root(url, &["https://", "http://"])
}

/// Whether a URL has one of the schemes, a host, and nothing that a path cannot be added to.
fn is_root(url: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.contains(['@', ' ', '?', '#']) && !rest.contains(tree::refusal::hides)
    })
}
