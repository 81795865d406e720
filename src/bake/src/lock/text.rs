//! A lock as text: TOML in a fixed order, a line a fact, so that a change shows as what it is.

use super::{Lock, LockedPackage, LockedSuite};
use crate::debian::index::{is_deb_path, is_pool_path};
use crate::debian::version::Version;
use crate::sources::{LOCAL, is_debian, is_mirror};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tree::digest::Sha256;
use tree::name::{Arch, Kind};

/// How many bytes a lock may have; those of the shipped kinds have about 200 thousand.
pub const MAX: usize = 2 << 20;
/// How many packages a lock may have.
pub const MAX_PACKAGES: usize = 10_000;

/// The version of this form.
const FORMAT: u32 = 1;

/// The lock as text.
#[must_use]
pub fn print(lock: &Lock) -> String {
    let (kind, arch) = (&lock.kind, lock.arch);
    let mut out = format!(
        "# The Debian packages of {kind} for {arch}: made by `vmbake lock --kind {kind} --arch {arch}`.\n\
         # Not for editing: change the recipe and make it again.\n\
         format = {FORMAT}\nkind = \"{kind}\"\narch = \"{arch}\"\nrequest = \"{}\"\n",
        lock.request
    );
    for suite in &lock.suites {
        out.push_str("\n[[suite]]\n");
        line(&mut out, "name", &suite.name);
        line(&mut out, "archive", &suite.archive);
        if let Some(mirror) = &suite.mirror {
            line(&mut out, "mirror", mirror);
        }
        line(&mut out, "date", &suite.date.to_string());
        line(&mut out, "inrelease", &suite.inrelease.to_string());
        if let Some(signature) = &suite.signature {
            line(&mut out, "signature", &signature.to_string());
        }
        line(&mut out, "packages", &suite.packages.to_string());
        for (component, digest) in &suite.components {
            line(&mut out, &format!("components.{}", quoted(component)), &digest.to_string());
        }
        list(&mut out, "signed-by", &suite.signed_by);
    }
    for package in &lock.packages {
        out.push_str("\n[[package]]\n");
        line(&mut out, "name", package.name.as_str());
        line(&mut out, "version", &package.version);
        line(&mut out, "arch", &package.arch);
        line(&mut out, "suite", &package.suite);
        line(&mut out, "file", &package.file);
        // writing to a String cannot fail
        let _ = writeln!(out, "size = {}", package.size);
        line(&mut out, "sha256", &package.sha256.to_string());
        list(&mut out, "because", &package.because);
        for (name, digest) in &package.scripts {
            line(&mut out, &format!("scripts.{name}"), &digest.to_string());
        }
        list(&mut out, "triggers", &package.triggers);
        list(&mut out, "diverts", &package.diverts);
    }
    out
}

/// Reads a lock, and refuses one that `print` would not have written.
pub fn parse(text: &str) -> Result<Lock, LockError> {
    if text.len() > MAX {
        return Err(LockError::Large(text.len()));
    }
    let raw: Raw =
        toml::from_str(text).map_err(|error| LockError::Form(tree::refusal::toml(text, &error)))?;
    if raw.format != FORMAT {
        return Err(LockError::Format(raw.format));
    }
    if raw.package.len() > MAX_PACKAGES {
        return Err(LockError::Many(raw.package.len()));
    }
    let mut suites = BTreeMap::new();
    for suite in &raw.suite {
        if suites.insert(suite.name.as_str(), is_debian(&suite.archive)).is_some() {
            return Err(LockError::Suite(suite.name.clone()));
        }
        if suite.name == LOCAL {
            return Err(value(&suite.name, "name", "expected a suite, which cannot have this name"));
        }
        if !suite.mirror.iter().all(|mirror| is_mirror(mirror)) {
            return Err(value(&suite.name, "mirror", "expected the http: or https: URL of an archive"));
        }
        let hex = |key: &String| {
            matches!(key.len(), 40 | 64)
                && key.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
        };
        if suite.signed_by.is_empty() || !suite.signed_by.iter().all(hex) {
            return Err(value(&suite.name, "signed-by", "expected fingerprints in upper-case hexadecimal"));
        }
    }
    for package in &raw.package {
        checked(package, raw.arch, &suites)?;
    }
    if let Some(pair) = raw.package.windows(2).find(|pair| pair[0].name >= pair[1].name) {
        return Err(LockError::Order(pair[0].name.to_string(), pair[1].name.to_string()));
    }
    Ok(Lock {
        kind: raw.kind,
        arch: raw.arch,
        request: raw.request,
        suites: raw.suite,
        packages: raw.package,
    })
}

/// Why a lock is refused.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// More than `MAX`.
    #[error("expected at most {MAX} bytes, found {0}")]
    Large(usize),
    /// Not TOML, or not of this shape: `line 3 column 2: …`.
    #[error("{0}")]
    Form(String),
    /// Made by another version of this program.
    #[error("expected format {FORMAT}, found {0}")]
    Format(u32),
    /// More than `MAX_PACKAGES`.
    #[error("expected at most {MAX_PACKAGES} packages, found {0}")]
    Many(usize),
    /// The same suite twice.
    #[error("duplicate suite `{0}`")]
    Suite(String),
    /// Packages out of their order, or one twice.
    #[error("package `{1}` after `{0}`: packages are sorted by name, each given once")]
    Order(String, String),
    /// A value that cannot be.
    #[error("`{field}` of `{name}`: {rule}")]
    Value {
        /// Whose value it is.
        name: String,
        /// Its key.
        field: &'static str,
        /// What it should be.
        rule: &'static str,
    },
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: u32,
    kind: Kind,
    arch: Arch,
    request: Sha256,
    #[serde(default)]
    suite: Vec<LockedSuite>,
    #[serde(default)]
    package: Vec<LockedPackage>,
}

/// `suites` are those of the lock, each with whether it is Debian's.
fn checked(package: &LockedPackage, arch: Arch, suites: &BTreeMap<&str, bool>) -> Result<(), LockError> {
    const SCRIPTS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];
    let rules = [
        ("version", "expected a Debian version", Version::parse(&package.version).is_ok()),
        (
            "arch",
            "expected that of the lock, or `all`",
            package.arch == "all" || package.arch == arch.debian(),
        ),
        (
            "suite",
            "expected a suite of the lock",
            package.is_local() || suites.contains_key(package.suite.as_str()),
        ),
        match suites.get(package.suite.as_str()) {
            Some(true) => ("file", "expected a path `pool/….deb`", is_pool_path(&package.file)),
            _ => ("file", "expected a path that ends in `.deb`", is_deb_path(&package.file)),
        },
        (
            "because",
            "expected reasons, sorted, each once",
            !package.because.is_empty() && package.because.is_sorted_by(|a, b| a < b),
        ),
        (
            "scripts",
            "expected names of maintainer scripts",
            package.scripts.keys().all(|name| SCRIPTS.contains(&name.as_str())),
        ),
    ];
    match rules.into_iter().find(|(_, _, holds)| !holds) {
        Some((field, rule, _)) => Err(value(package.name.as_str(), field, rule)),
        None => Ok(()),
    }
}

fn value(name: &str, field: &'static str, rule: &'static str) -> LockError {
    LockError::Value { name: name.to_owned(), field, rule }
}

fn line(out: &mut String, key: &str, text: &str) {
    let _ = writeln!(out, "{key} = {}", quoted(text));
}

/// Nothing when it is empty; one line for one value, else a line for each.
fn list(out: &mut String, key: &str, values: &[String]) {
    match values {
        [] => {}
        [one] => {
            let _ = writeln!(out, "{key} = [{}]", quoted(one));
        }
        many => {
            let _ = writeln!(out, "{key} = [");
            for one in many {
                let _ = writeln!(out, "    {},", quoted(one));
            }
            out.push_str("]\n");
        }
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::lock;
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    const GOLDEN: &str = include_str!("golden.lock.toml");

    #[test]
    fn a_lock_is_printed_in_its_form_and_read_back() {
        assert_eq!(print(&lock()), GOLDEN);
        assert_eq!(parse(GOLDEN).unwrap(), lock());
    }

    #[test]
    fn what_a_third_party_and_a_file_of_the_project_bring_is_printed_and_read_back() {
        let mut lock = lock();
        let mut vendor = lock.suites[0].clone();
        (vendor.name, vendor.archive) = ("vendor".to_owned(), "vendor".to_owned());
        vendor.mirror = Some("https://h/apt".to_owned());
        vendor.signature = Some(Sha256::of(b"signature"));
        vendor.components = [("main", b"a"), ("non-free", b"b")]
            .map(|(name, text)| (name.to_owned(), Sha256::of(text)))
            .into();
        lock.suites.push(vendor);
        let [curl, libc6, _] = &mut lock.packages[..] else { panic!("three packages") };
        (curl.suite, curl.file) = ("vendor".to_owned(), "dists/x/curl.deb".to_owned());
        (libc6.suite, libc6.file) = ("local".to_owned(), "debs/libc6.deb".to_owned());
        assert_eq!(parse(&print(&lock)).unwrap(), lock);
        for (from, to, expected) in [
            ("dists/x/curl.deb", "../curl.deb", "expected a path that ends in `.deb`"),
            ("debs/libc6.deb", "/debs/libc6.deb", "expected a path that ends in `.deb`"),
            ("https://h/apt", "https://u:p@h/apt", "expected the http: or https: URL of an archive"),
            ("https://h/apt", "https://h/\\u001B[2J", "expected the http: or https: URL of an archive"),
            ("name = \"vendor\"", "name = \"local\"", "expected a suite, which cannot have this name"),
        ] {
            let error = parse(&print(&lock).replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_lock_of_hostile_size_is_refused_at_once() {
        let head = GOLDEN.split_once("\n[[package]]").unwrap().0;
        let packages: String = (0..100_000).map(|n| format!("[[package]]\nname=\"{n:06}\"\n")).collect();
        let cases = [
            ("10 MB", "x".repeat(10 << 20), "expected at most"),
            ("100k entries", format!("{head}\n{packages}"), "expected at most"),
            ("100k short entries", format!("{head}\n{}", "[[package]]\n".repeat(100_000)), "missing field"),
            (
                "100k inline entries",
                format!("package = [{}]\n{head}", "{},".repeat(100_000)),
                "missing field",
            ),
            ("depth 10,000", format!("x = {}{}\n{GOLDEN}", "[".repeat(10_000), "]".repeat(10_000)), ""),
            ("dotted 10,000", format!("{}x = 1\n{GOLDEN}", "a.".repeat(10_000)), ""),
        ];
        for (case, text, expected) in cases {
            let start = Instant::now();
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{case}: {error}");
            assert!(start.elapsed() < Duration::from_secs(1), "{case}: {:?}", start.elapsed());
        }
    }

    #[test]
    fn more_packages_than_the_limit_are_refused() {
        let mut many = lock();
        let one = many.packages[1].clone();
        many.packages = (0..=MAX_PACKAGES)
            .map(|n| LockedPackage {
                name: format!("p{n:06}").parse().unwrap(),
                file: "pool/p.deb".to_owned(),
                version: "1".to_owned(),
                because: vec!["recipe".to_owned()],
                ..one.clone()
            })
            .collect();
        // the text stays under `MAX` without what print says for people
        let error = parse(&print(&many).replace("    ", "")).unwrap_err().to_string();
        assert!(error.contains("expected at most"), "{error}");
    }

    #[test]
    fn what_print_would_not_write_is_refused() {
        let twice = GOLDEN.rfind("\n[[package]]").map(|at| format!("{GOLDEN}{}", &GOLDEN[at..])).unwrap();
        let suite = GOLDEN.replacen("[[suite]]", "[[suite]]\nnote = 1", 1);
        let cases = [
            (twice, "package `sudo` after `sudo`"),
            (GOLDEN.replace("\"curl\"\nversion", "\"zurl\"\nversion"), "package `libc6` after `zurl`"),
            (suite, "unknown field `note`"),
            (format!("extra = 1\n{GOLDEN}"), "unknown field `extra`"),
            (format!("kind = \"base\"\n{GOLDEN}"), "key given twice"),
            (GOLDEN.replace("format = 1", "format = 2"), "expected format 1, found 2"),
            (GOLDEN.replace("sha256 = \"sha256:", "sha256 = \"md5:"), "digest must be sha256"),
            (GOLDEN.replace("file = \"pool/", "file = \"../pool/"), "expected a path `pool/….deb`"),
            (GOLDEN.replace("size = 1234", "size = -1"), "invalid value"),
            (GOLDEN.replace("suite = \"trixie\"", "suite = \"sid\""), "expected a suite of the lock"),
            (GOLDEN.replace("1:2.3-4", "1:2.3 4"), "expected a Debian version"),
            (
                GOLDEN.replace("arch = \"amd64\"\nsuite", "arch = \"arm64\"\nsuite"),
                "expected that of the lock",
            ),
            (GOLDEN.replace("04B54C3C", "04b54c3c"), "expected fingerprints"),
            (GOLDEN.replace("\"recipe\"", "\"recipe\", \"recipe\""), "expected reasons, sorted"),
            (GOLDEN.replace("scripts.postinst", "scripts.evil"), "expected names of maintainer scripts"),
            (GOLDEN.replace("name = \"curl\"", "name = \"../curl\""), "is no name"),
        ];
        for (text, expected) in cases {
            assert_ne!(text, GOLDEN, "{expected}: the case changes nothing");
            let error = parse(&text).unwrap_err().to_string();
            assert!(!error.contains('\n'), "one line: {error}");
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_quoting(text in any::<String>()) {
            let read: toml::Table = toml::from_str(&format!("x = {}", quoted(&text))).unwrap();
            prop_assert_eq!(read["x"].as_str(), Some(text.as_str()));
        }

        #[test]
        fn a_changed_lock_is_read_or_refused_without_a_panic(at in 0..GOLDEN.len(), byte in 0_u8..128) {
            let mut bytes = GOLDEN.as_bytes().to_vec();
            bytes[at] = byte;
            if let Some(lock) = String::from_utf8(bytes).ok().and_then(|text| parse(&text).ok()) {
                prop_assert_eq!(parse(&print(&lock)).unwrap(), lock);
            }
        }
    }
}
