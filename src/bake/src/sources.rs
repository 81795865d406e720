//! Where Debian publishes, and whose signatures it is believed by: `manifests/sources.toml`.
//!
//! Invariants of a `Sources`: names are given once; each suite's archive and keys are there; each key's file holds
//! the certificate whose fingerprint pins it; every snapshot is an `https:` URL, every mirror an `https:` or `http:` one.

use crate::beneath;
use crate::debian::certificate::{Certificate, CertificateError};
use crate::refusal::{Class, Refusal, Result, Stage};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;

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
}

/// A tree of `dists/` and `pool/`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Archive {
    /// `debian`, `debian-security`.
    pub name: String,
    /// Its root where nothing nearer is named: signatures and digests decide, so `http:` will do.
    pub mirror: String,
    /// Where each of its states is kept: the URL to which a time is added.
    pub snapshot: String,
}

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

/// One suite of an archive.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Suite {
    /// Its folder below `dists/`.
    pub name: String,
    /// The name of its archive.
    pub archive: String,
    /// What its Release must say in `Codename`.
    pub codename: String,
    /// What its Release may say in `Suite`.
    pub suites: Vec<String>,
    /// The component that is read: `main`.
    pub component: String,
    /// How old its Release may be: the only guard against an archive that is kept from changing and has no
    /// Valid-Until.
    pub max_age_days: u32,
    /// Fingerprints of the primary keys that may sign it.
    pub keys: Vec<String>,
}

impl Suite {
    /// Whether it is the release itself (`trixie`), not one of the suites beside it (`trixie-security`).
    #[must_use]
    pub fn is_main(&self) -> bool {
        !self.codename.contains('-')
    }
}

/// A pinned certificate.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    fingerprint: String,
    file: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    archive: Vec<Archive>,
    suite: Vec<Suite>,
    key: Vec<Key>,
}

/// What is wrong with a `sources.toml`.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// More than `MAX`.
    #[error("{0} bytes, expected at most {MAX}")]
    Large(usize),
    /// Not TOML, or not of this shape: `line 3 column 2: …`.
    #[error("{0}")]
    Form(String),
    /// The same name twice.
    #[error("{0} `{1}` given twice")]
    Twice(&'static str, String),
    /// A name that nothing has.
    #[error("suite `{suite}` names {sort} `{name}`, which is not there")]
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
    /// A file that is no certificate.
    #[error("`{file}`: {error}")]
    Certificate {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// A file that holds another certificate.
    #[error("`{file}` holds the certificate {got}, expected {expected}")]
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

/// Reads the text of a `sources.toml`; `read` gives the files that it names.
pub fn parse(text: &str, read: impl Fn(&str) -> std::io::Result<String>) -> Result<Sources, SourcesError> {
    if text.len() > MAX {
        return Err(SourcesError::Large(text.len()));
    }
    let raw: Raw =
        toml::from_str(text).map_err(|error| SourcesError::Form(crate::refusal::toml(text, &error)))?;
    let mut sources =
        Sources { archives: BTreeMap::new(), suites: Vec::new(), certificates: BTreeMap::new() };
    for archive in raw.archive {
        const SNAPSHOT: &str = "expected a snapshot that begins with https://";
        const MIRROR: &str = "expected a mirror that begins with http:// or https://";
        check(&archive.name, SNAPSHOT, &archive.snapshot, |url| is_root(url, &["https://"]))?;
        check(&archive.name, MIRROR, &archive.mirror, |url| is_root(url, &["https://", "http://"]))?;
        if let Some(before) = sources.archives.insert(archive.name.clone(), archive) {
            return Err(SourcesError::Twice("archive", before.name));
        }
    }
    for key in raw.key {
        let certificate = certificate(&key, &read)?;
        if sources.certificates.insert(key.fingerprint.clone(), certificate).is_some() {
            return Err(SourcesError::Twice("key", key.fingerprint));
        }
    }
    for suite in raw.suite {
        add(&mut sources, suite)?;
    }
    Ok(sources)
}

impl Sources {
    /// Accepts a main suite that was made at most so many days ago, whatever `max-age-days` says. The limits of the
    /// other suites stay: they change all the time, and an old one is kept from changing.
    pub fn accept_age(&mut self, days: u32) {
        for suite in self.suites.iter_mut().filter(|suite| suite.is_main()) {
            suite.max_age_days = days;
        }
    }

    /// Where the states of the archives are kept.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(self.archives.values().map(|archive| (&archive.name, &archive.snapshot)))
    }

    /// The certificates that may sign `suite`.
    #[must_use]
    pub fn trusted(&self, suite: &Suite) -> Vec<&Certificate> {
        suite.keys.iter().filter_map(|key| self.certificates.get(key)).collect()
    }
}

/// Whether a URL has one of the schemes, a host, and nothing that a path cannot be added to.
fn is_root(url: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', ' ', '?', '#']))
}

fn add(sources: &mut Sources, suite: Suite) -> Result<(), SourcesError> {
    let part = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    const RULE: &str = "expected a-z, 0-9 and -";
    check(&suite.name, RULE, &suite.name, part)?;
    check(&suite.name, RULE, &suite.component, part)?;
    for (rule, empty) in [
        ("expected at least one of keys", suite.keys.is_empty()),
        ("expected at least one of suites", suite.suites.is_empty()),
        ("expected max-age-days of 1 to 400", !(1..=400).contains(&suite.max_age_days)),
    ] {
        check(&suite.name, rule, "", |_| !empty)?;
    }
    let missing =
        |sort, name: &String| SourcesError::Missing { suite: suite.name.clone(), sort, name: name.clone() };
    if !sources.archives.contains_key(&suite.archive) {
        return Err(missing("archive", &suite.archive));
    }
    if let Some(key) = suite.keys.iter().find(|key| !sources.certificates.contains_key(*key)) {
        return Err(missing("key", key));
    }
    if sources.suites.iter().any(|one| one.name == suite.name) {
        return Err(SourcesError::Twice("suite", suite.name));
    }
    sources.suites.push(suite);
    Ok(())
}

fn certificate(
    key: &Key,
    read: impl Fn(&str) -> std::io::Result<String>,
) -> Result<Certificate, SourcesError> {
    check(&key.fingerprint, "expected a file below trust/ that ends in .asc", &key.file, |file| {
        file.starts_with("trust/") && file.ends_with(".asc") && !file.contains("..")
    })?;
    let text = read(&key.file).map_err(|error| SourcesError::Io(key.file.clone(), error))?;
    let certificate = Certificate::parse(&text)
        .map_err(|error| SourcesError::Certificate { file: key.file.clone(), error })?;
    if certificate.fingerprint() != key.fingerprint {
        let (file, expected) = (key.file.clone(), key.fingerprint.clone());
        return Err(SourcesError::Fingerprint { file, expected, got: certificate.fingerprint().to_owned() });
    }
    Ok(certificate)
}

fn check(
    name: &str,
    rule: &'static str,
    value: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<(), SourcesError> {
    if fits(value) {
        return Ok(());
    }
    Err(SourcesError::Value { name: name.to_owned(), rule, got: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests"))
    }

    /// `sources.toml` as it is committed, with `change` made to its text.
    fn changed(change: impl Fn(&str) -> String) -> Result<Sources, String> {
        let text = std::fs::read_to_string(manifests().join("sources.toml")).unwrap();
        let new = change(&text);
        assert_ne!(new, text, "the case changes nothing");
        parse(&new, |file| std::fs::read_to_string(manifests().join(file))).map_err(|error| error.to_string())
    }

    #[test]
    fn the_keys_of_debian_13_are_pinned() {
        let sources = load(manifests()).unwrap();
        let keys: Vec<(&str, Vec<&str>)> = sources
            .suites
            .iter()
            .map(|suite| {
                (suite.name.as_str(), sources.trusted(suite).iter().map(|one| one.fingerprint()).collect())
            })
            .collect();
        // as published on https://ftp-master.debian.org/keys.html
        let archive = "04B54C3CDCA79751B16BC6B5225629DF75B188BD";
        let security = "5E04A1E3223A19A20706E20F9904613D4CCE68C6";
        let release = "41587F7DB8C774BCCF131416762F67A0B2C39DE4";
        assert_eq!(
            keys,
            [
                ("trixie", vec![archive, release]),
                ("trixie-updates", vec![archive]),
                ("trixie-security", vec![security])
            ]
        );
    }

    #[test]
    fn the_age_that_is_accepted_is_that_of_the_main_suite() {
        let mut sources = load(manifests()).unwrap();
        sources.accept_age(300);
        let ages: Vec<u32> = sources.suites.iter().map(|suite| suite.max_age_days).collect();
        assert_eq!(ages, [300, 10, 10]);
    }

    #[test]
    fn a_snapshot_is_of_a_time_when_all_of_the_lock_was_taken_up() {
        let snapshots = load(manifests()).unwrap().snapshots();
        let date = "2026-09-12T20:00:00Z".parse().unwrap();
        let url = snapshots.url("debian-security", date, "pool/x.deb");
        assert_eq!(
            url.unwrap(),
            "https://snapshot.debian.org/archive/debian-security/20260913T080000Z/pool/x.deb"
        );
        assert_eq!(snapshots.url("other", date, "pool/x.deb"), None);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let key = "04B54C3CDCA79751B16BC6B5225629DF75B188BD";
        let cases: [(&str, &str, &str); 10] = [
            ("name = \"debian-security\"", "name = \"debian\"", "archive `debian` given twice"),
            ("name = \"trixie-updates\"", "name = \"trixie\"", "suite `trixie` given twice"),
            ("archive = \"debian-security\"", "archive = \"x\"", "names archive `x`, which is not there"),
            ("keys = [\"5E04", "keys = [\"6E04", "names key `6E04A1E3223A19A20706E20F9904613D4CCE68C6`"),
            (
                "snapshot = \"https://",
                "snapshot = \"http://",
                "expected a snapshot that begins with https://",
            ),
            (
                "mirror = \"http://",
                "mirror = \"ftp://",
                "expected a mirror that begins with http:// or https://",
            ),
            ("max-age-days = 150", "max-age-days = 0", "expected max-age-days of 1 to 400"),
            ("trust/debian-archive-trixie-stable.asc", "/etc/passwd", "expected a file below trust/"),
            ("trixie-automatic.asc", "trixie-stable.asc", "holds the certificate 41587F7D"),
            ("codename =", "code-name =", "unknown field `code-name`"),
        ];
        for (from, to, expected) in cases {
            let error = changed(|text| text.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(expected), "{from} -> {to}: {error}");
        }
        let error = changed(|text| text.replacen(key, "", 1)).unwrap_err();
        assert!(error.contains("names key ``"), "{error}");
    }
}
