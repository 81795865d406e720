//! Where Debian and others publish packages, and whose signatures each is believed by: `manifests/sources.toml`.
//!
//! Invariants of a `Sources`: names are given once; each suite's archive and keys are there; each key's file holds
//! the certificate whose fingerprint pins it; every snapshot is an `https:` URL, every mirror an `https:` or `http:` one.
//!
//! The archives `debian` and `debian-security` are Debian's own. Any other is a third party's: it vouches for the packages
//! that a recipe takes from it by name, and for what these need and Debian does not have.

use crate::debian::certificate::{Certificate, CertificateError};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use store::beneath;
use tree::refusal::{Class, Refusal, Result, Stage};
use tree::release::{CODENAME, NUMBER};

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

/// A suite as it is written.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawSuite {
    name: String,
    archive: String,
    path: Option<String>,
    origin: Option<String>,
    codename: Option<String>,
    #[serde(default)]
    suites: Vec<String>,
    component: Option<String>,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    by_name: bool,
    max_age_days: u32,
    keys: Vec<String>,
}

/// The release of Debian that images are of: [`tree::release`] has it from the same lines.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    number: String,
    codename: String,
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
    release: Option<Release>,
    archive: Vec<Archive>,
    suite: Vec<RawSuite>,
    key: Vec<Key>,
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

/// Reads the text of a `sources.toml`; `read` gives the files that it names.
pub fn parse(text: &str, read: impl Fn(&str) -> std::io::Result<String>) -> Result<Sources, SourcesError> {
    if text.len() > MAX {
        return Err(SourcesError::Large(text.len()));
    }
    let raw: Raw =
        toml::from_str(text).map_err(|error| SourcesError::Form(tree::refusal::toml(text, &error)))?;
    let mut sources = Sources {
        archives: BTreeMap::new(),
        suites: Vec::new(),
        certificates: BTreeMap::new(),
        texts: BTreeMap::new(),
    };
    if let Some(release) = raw.release {
        const RULE: &str = "expected the release of Debian that this program was built for";
        check("release", RULE, &release.number, |number| number == NUMBER)?;
        check("release", RULE, &release.codename, |codename| codename == CODENAME)?;
    }
    for archive in raw.archive {
        const SNAPSHOT: &str = "expected a snapshot that begins with https://";
        const MIRROR: &str = "expected a mirror that begins with http:// or https://";
        check(&archive.name, NAME, &archive.name, is_name)?;
        if let Some(snapshot) = &archive.snapshot {
            check(&archive.name, SNAPSHOT, snapshot, |url| is_root(url, &["https://"]))?;
        } else if is_debian(&archive.name) {
            check(&archive.name, SNAPSHOT, "", |_| false)?;
        }
        check(&archive.name, MIRROR, &archive.mirror, is_mirror)?;
        if let Some(before) = sources.archives.insert(archive.name.clone(), archive) {
            return Err(SourcesError::Twice("archive", before.name));
        }
    }
    for key in raw.key {
        let (certificate, text) = certificate(&key, &read)?;
        sources.texts.insert(key.fingerprint.clone(), text);
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

const NAME: &str = "expected a-z, 0-9 and -, and not `local`";

fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text != LOCAL && text.bytes().all(plain)
}

/// Whether each part of a path names something below.
fn is_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-._~".contains(&b);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
    text.split('/').all(part)
}

fn add(sources: &mut Sources, raw: RawSuite) -> Result<(), SourcesError> {
    let suite = suite(raw)?;
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
    // `from` of a recipe names one or the other
    check(&suite.name, "expected no name of another archive", &suite.name, |name| {
        name == suite.archive || !sources.archives.contains_key(name)
    })?;
    sources.suites.push(suite);
    Ok(())
}

/// What a suite says, checked.
fn suite(raw: RawSuite) -> Result<Suite, SourcesError> {
    let RawSuite { name, archive, path, origin, codename, suites, component, components, by_name, .. } = raw;
    let RawSuite { max_age_days, keys, .. } = raw;
    let check = |rule: &'static str, value: &str, holds: bool| check(&name, rule, value, |_| holds);
    check(NAME, &name, is_name(&name))?;
    let is_third_party = !is_debian(&archive);
    let place = match path {
        None => Where::Dists(name.clone()),
        Some(path) => {
            let flat = path.strip_suffix('/');
            let inner = flat.unwrap_or(&path);
            let inner = if flat == Some(".") { "" } else { inner };
            const PATH: &str = "expected a path below dists/, or `./` or `path/` of a flat archive";
            check(PATH, &path, is_path(inner) || flat == Some("."))?;
            check("expected a path below dists/", &path, flat.is_none() || is_third_party)?;
            if flat.is_some() { Where::Flat(inner.to_owned()) } else { Where::Dists(inner.to_owned()) }
        }
    };
    let is_flat = matches!(place, Where::Flat(_));
    check("expected component or components, not both", "", component.is_none() || components.is_empty())?;
    let components: Vec<String> = component.into_iter().chain(components).collect();
    for (at, one) in components.iter().enumerate() {
        check("expected components such as main", one, is_path(one))?;
        check("expected each component once", one, !components[..at].contains(one))?;
    }
    check(
        "expected no components of a flat archive",
        &components.join(" "),
        !is_flat || components.is_empty(),
    )?;
    check("expected at least one of components", "", is_flat || !components.is_empty())?;
    check("expected at least one of keys", "", !keys.is_empty())?;
    // Debian says all of it; what others say of themselves varies
    check("expected at least one of suites", "", is_third_party || !suites.is_empty())?;
    check("expected a codename", "", is_third_party || codename.is_some())?;
    let (most, rule) = match is_third_party {
        false => (400, "expected max-age-days of 1 to 400"),
        true => (3650, "expected max-age-days of 1 to 3650"),
    };
    check(rule, &max_age_days.to_string(), (1..=most).contains(&max_age_days))?;
    let by_name = by_name || is_third_party;
    Ok(Suite { name, archive, place, origin, codename, suites, components, by_name, max_age_days, keys })
}

fn certificate(
    key: &Key,
    read: impl Fn(&str) -> std::io::Result<String>,
) -> Result<(Certificate, String), SourcesError> {
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
    Ok((certificate, text))
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
        // one of those that are pinned, for who needs one
        let pinned = text.split("fingerprint = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let new = change(&text).replace("\"KEY\"", &format!("\"{pinned}\""));
        assert_ne!(new, text, "the case changes nothing");
        parse(&new, |file| std::fs::read_to_string(manifests().join(file))).map_err(|error| error.to_string())
    }

    /// That each file holds the certificate whose fingerprint it is pinned by is asked wherever `sources.toml` is read; that
    /// they are Debian's own, by the package `debian-archive-keyring` of an image, in `tests/tests/updates.rs`.
    #[test]
    fn the_suites_are_those_of_the_release_and_trust_its_keys_alone() {
        let sources = load(manifests()).unwrap();
        let names: Vec<&str> = sources.suites.iter().map(|suite| suite.name.as_str()).collect();
        assert_eq!(names, ["", "-updates", "-security"].map(|end| format!("{CODENAME}{end}")));
        let text = std::fs::read_to_string(manifests().join("sources.toml")).unwrap();
        for suite in &sources.suites {
            assert_eq!(suite.codename.as_ref(), Some(&suite.name));
            assert!(!sources.trusted(suite).is_empty(), "{}", suite.name);
            let of_security = suite.archive == "debian-security";
            for key in &suite.keys {
                let file = file_of(&text, key);
                assert!(file.starts_with(&format!("trust/debian-archive-{CODENAME}-")), "{file}");
                assert_eq!(file.contains("-security-"), of_security, "{file} signs {}", suite.name);
            }
        }
    }

    /// The file of the key `fingerprint`.
    fn file_of<'a>(text: &'a str, fingerprint: &str) -> &'a str {
        let (_, rest) = text.split_once(&format!("fingerprint = \"{fingerprint}\"\nfile = \"")).unwrap();
        rest.split('"').next().unwrap()
    }

    #[test]
    fn the_age_that_is_accepted_is_that_of_the_main_suite() {
        let mut sources = load(manifests()).unwrap();
        assert!(sources.accept_age(&"300".parse().unwrap()));
        let ages: Vec<u32> = sources.suites.iter().map(|suite| suite.max_age_days).collect();
        assert_eq!(ages, [300, 10, 10]);
        for wrong in ["", "0", "x", "=", "vendor=", "vendor=0", "-1"] {
            assert!(wrong.parse::<MaxAge>().is_err(), "{wrong}");
        }
        // neither what is not there, nor another suite of Debian's
        for name in ["vendor=9", tree::joined!(CODENAME, "-security=9"), "debian=9"] {
            assert!(!sources.accept_age(&name.parse().unwrap()), "{name}");
        }
        let mut sources = changed(|before| format!("{before}\n{OTHER}")).unwrap();
        assert!(sources.accept_age(&"vendor=901".parse().unwrap()));
        let ages: Vec<u32> = sources.suites.iter().map(|suite| suite.max_age_days).collect();
        assert_eq!(ages, [150, 10, 10, 901]);
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
        let text = std::fs::read_to_string(manifests().join("sources.toml")).unwrap();
        let keys = load(manifests()).unwrap().suites.into_iter().map(|suite| suite.keys);
        let [main, _, security] = <[Vec<String>; 3]>::try_from(keys.collect::<Vec<_>>()).unwrap();
        let (key, other, unknown) = (&main[0], &main[1], format!("X{}", &security[0][1..]));
        let cases: [(&str, &str, &str); 12] = [
            ("name = \"debian-security\"", "name = \"debian\"", "duplicate archive `debian`"),
            (
                tree::joined!("name = \"", CODENAME, "-updates\""),
                tree::joined!("name = \"", CODENAME, "\""),
                tree::joined!("duplicate suite `", CODENAME, "`"),
            ),
            ("archive = \"debian-security\"", "archive = \"x\"", "names archive `x`, which is not defined"),
            (&security[0], &unknown, &format!("names key `{unknown}`")),
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
            ("snapshot = \"https://snapshot.debian.org/archive/debian\"", "", "expected a snapshot"),
            (file_of(&text, other), "/etc/passwd", "expected a file below trust/"),
            (file_of(&text, key), file_of(&text, other), &format!("found {other}")),
            ("number = \"", "number = \"1", "expected the release of Debian that this program was built for"),
            ("codename =", "code-name =", "unknown field `code-name`"),
        ];
        for (from, to, expected) in cases {
            let error = changed(|text| text.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(expected), "{from} -> {to}: {error}");
        }
        let error = changed(|text| text.replacen(key, "", 1)).unwrap_err();
        assert!(error.contains("names key ``"), "{error}");
    }

    const OTHER: &str = "[[archive]]\nname = \"vendor\"\nmirror = \"http://h/apt\"\n\n[[suite]]\nname = \"vendor\"\n\
        archive = \"vendor\"\npath = \"./\"\nmax-age-days = 900\nkeys = [\"KEY\"]\n";

    #[test]
    fn an_archive_of_a_third_party_is_taken_from_by_name_and_may_be_flat() {
        let of = |text: &str| {
            let sources = changed(|before| format!("{before}\n{text}"))?;
            sources.suites.last().cloned().ok_or_else(String::new)
        };
        let suite = of(OTHER).unwrap();
        assert!(suite.by_name && suite.is_third_party() && !suite.is_main());
        assert_eq!(suite.file("Release"), "Release");
        let suite = of(&OTHER.replace("./", "debian/")).unwrap();
        assert_eq!(suite.file("Release"), "debian/Release");
        let dists = OTHER.replace("./\"", "trixie/x\"\ncomponents = [\"main\", \"contrib\"]");
        let suite = of(&dists).unwrap();
        assert_eq!(suite.file("Release"), "dists/trixie/x/Release");
        assert_eq!(suite.components, ["main", "contrib"]);
        let cases = [
            ("./", "../", "expected a path below dists/, or"),
            ("./", "/", "expected a path below dists/, or"),
            ("./", "a/../b", "expected a path below dists/, or"),
            ("./", "trixie", "expected at least one of components"),
            ("./\"", "./\"\ncomponent = \"main\"", "expected no components of a flat archive"),
            ("\"vendor\"\nmirror", "\"local\"\nmirror", "and not `local`"),
            ("\"vendor\"\nmirror", "\"Vendor\"\nmirror", "expected a-z"),
            ("\"vendor\"\narchive", "\"debian\"\narchive", "expected no name of another archive"),
            ("= 900", "= 3651", "expected max-age-days of 1 to 3650"),
            ("archive = \"vendor\"", "archive = \"debian\"", "expected a path below dists/"),
        ];
        for (from, to, expected) in cases {
            let error = of(&OTHER.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(expected), "{from} -> {to}: {error}");
        }
        let error = of(&dists.replace("\"contrib\"", "\"main\"")).unwrap_err();
        assert!(error.contains("expected each component once"), "{error}");
    }

    #[test]
    fn a_suite_of_debian_beside_its_release_can_be_one_that_is_taken_from_by_name() {
        let text = "[[suite]]\nname = \"trixie-backports\"\narchive = \"debian\"\ncodename = \"trixie-backports\"\n\
            suites = [\"stable-backports\"]\ncomponents = [\"main\"]\nby-name = true\nmax-age-days = 10\n\
            keys = [\"04B54C3CDCA79751B16BC6B5225629DF75B188BD\"]\n";
        let sources = changed(|before| format!("{before}\n{text}")).unwrap();
        let by_name: Vec<bool> = sources.suites.iter().map(|suite| suite.by_name).collect();
        assert_eq!(by_name, [false, false, false, true]);
        assert!(sources.suites[3].is_named("trixie-backports") && !sources.suites[3].is_named("debian"));
    }
}
