//! Where the states of archives are kept, and how one of them is named.

use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Where the states of archives are kept, by the archive's name: what a plan and a fetch need of `Sources`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Snapshots(BTreeMap<String, String>);

/// How long after the date of a lock the archive is looked at, in hours. The snapshot archive takes Debian's up four
/// times a day, somewhat after it was published, so that all that the lock names is in it by then. Nothing of it is gone
/// yet: Debian keeps what was replaced for a day and a half at least.
const TAKEN_UP: i64 = 12;

impl Snapshots {
    /// Archives by name, each with the URL to which a time is added.
    pub fn new<N: Into<String>, U: Into<String>>(archives: impl IntoIterator<Item = (N, U)>) -> Self {
        Self(archives.into_iter().map(|(name, url)| (name.into(), url.into())).collect())
    }

    /// Those of `archives` alone.
    #[must_use]
    pub fn only(&self, archives: &BTreeSet<&str>) -> Self {
        let kept = self.0.iter().filter(|(name, _)| archives.contains(name.as_str()));
        Self(kept.map(|(name, url)| (name.clone(), url.clone())).collect())
    }

    /// Whether the states of `archive` are kept somewhere.
    #[must_use]
    pub fn has(&self, archive: &str) -> bool {
        self.0.contains_key(archive)
    }

    /// The URL of a file below the root of `archive` that a lock of `date` names; none for an archive that is not known.
    #[must_use]
    pub fn url(&self, archive: &str, date: Timestamp, file: &str) -> Option<String> {
        let root = self.0.get(archive)?.trim_end_matches('/');
        let time = date.checked_add(SignedDuration::from_hours(TAKEN_UP)).unwrap_or(date);
        Some(format!("{root}/{}/{file}", time.strftime("%Y%m%dT%H%M%SZ")))
    }
}
