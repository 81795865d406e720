//! Reads the text of a `sources.toml` into a checked [`Sources`].

use super::{Archive, LOCAL, MAX, Sources, SourcesError, Suite, Where, is_debian, is_mirror, is_root};
use crate::debian::certificate::Certificate;
use std::collections::BTreeMap;
use tree::release::{CODENAME, NUMBER};

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
