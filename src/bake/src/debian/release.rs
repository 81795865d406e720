//! The Release file of a suite: <https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files>.
//!
//! Read from a text whose signature has been verified, and still strictly: a signature says who wrote it, not that it
//! is of this suite, of today, or without a second meaning.

use crate::deb822::{self, Deb822Error};
use crate::sources::{Suite, Where};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tree::digest::Sha256;

/// How many files a Release may list; that of trixie lists about 1,100.
pub const MAX_FILES: usize = 50_000;

/// What is used of a Release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `trixie`; Debian's have one.
    pub codename: Option<String>,
    /// `stable`; Debian's have one.
    pub suite: Option<String>,
    /// `Debian`.
    pub origin: Option<String>,
    /// When it was made.
    pub date: Timestamp,
    /// When it ends, if it does.
    pub valid_until: Option<Timestamp>,
    /// The architectures of its indexes.
    pub architectures: Vec<String>,
    /// Whether indexes are also found by their digest.
    pub by_hash: bool,
    /// Whether packages for all architectures have an index of their own.
    pub all_apart: bool,
    /// Whether apt takes a package from it only where someone asks for that: `NotAutomatic`.
    pub not_automatic: bool,
    /// Its files by their path below the suite.
    files: BTreeMap<String, Listed>,
}

/// A file that a Release lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// Why a Release is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReleaseError {
    /// Not one paragraph.
    #[error(transparent)]
    Form(#[from] Deb822Error),
    /// A field that must be there.
    #[error("it has no field `{0}`")]
    Missing(&'static str),
    /// Only digests that are not enough.
    #[error("it has no SHA256 list, only weaker ones")]
    Weak,
    /// A date in another form than `Sat, 12 Sep 2026 07:55:41 UTC`.
    #[error("`{field}` is not a valid date: `{got}`")]
    Date {
        /// Which field.
        field: &'static str,
        /// What it says.
        got: String,
    },
    /// A line of the list that is none.
    #[error("expected `<64 hex> <size> <path>` in the SHA256 list, found `{0}`")]
    Line(String),
    /// A path that is listed twice.
    #[error("`{0}` is listed twice")]
    Twice(String),
    /// More than `MAX_FILES`.
    #[error("it lists more than {MAX_FILES} files")]
    Many,
    /// A Release of something else.
    #[error("expected {field} {expected}, found {got}")]
    Other {
        /// `origin`, `codename` or `suite`.
        field: &'static str,
        /// What it says.
        got: String,
        /// What `sources.toml` says.
        expected: String,
    },
    /// Its date is to come.
    #[error("its date, {0}, is in the future")]
    Future(Timestamp),
    /// Its time is over.
    #[error("it expired at {0}")]
    Ended(Timestamp),
    /// Older than the one of the lock before.
    #[error("its date, {got}, is earlier than the one accepted before ({accepted})")]
    Older {
        /// Its date.
        got: Timestamp,
        /// The date of the lock.
        accepted: Timestamp,
    },
    /// Older than the limit of `sources.toml`.
    #[error("its date, {got}, is more than {days} days ago")]
    Aged {
        /// Its date.
        got: Timestamp,
        /// The limit.
        days: u32,
    },
    /// A file that it should list.
    #[error("it lists no `{0}`")]
    Unlisted(String),
}

/// Reads the text of a Release.
pub fn parse(text: &str) -> Result<Release, ReleaseError> {
    let fields = deb822::paragraph(text)?;
    let field = |name| fields.get(name).filter(|value| !value.is_empty()).ok_or(ReleaseError::Missing(name));
    let list = match fields.get("SHA256") {
        Some(list) => list,
        None if fields.get("MD5Sum").or(fields.get("SHA1")).is_some() => return Err(ReleaseError::Weak),
        None => return Err(ReleaseError::Missing("SHA256")),
    };
    let optional = |name| fields.get(name).filter(|value| !value.is_empty());
    let yes = |name| optional(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"));
    // a flat archive may say nothing of them
    let architectures: Vec<String> =
        optional("Architectures").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
    let together =
        fields.get("No-Support-for-Architecture-all").is_some_and(|value| value.contains("Packages"));
    Ok(Release {
        all_apart: architectures.iter().any(|arch| arch == "all") && !together,
        codename: optional("Codename").map(str::to_owned),
        suite: optional("Suite").map(str::to_owned),
        origin: optional("Origin").map(str::to_owned),
        date: date("Date", field("Date")?)?,
        valid_until: fields.get("Valid-Until").map(|text| date("Valid-Until", text)).transpose()?,
        architectures,
        by_hash: yes("Acquire-By-Hash"),
        not_automatic: yes("NotAutomatic"),
        files: files(list)?,
    })
}

/// Checks that `release` is of `suite` and of about `now`, and not before `accepted`, the date of the lock before.
pub fn check(
    release: &Release,
    suite: &Suite,
    now: Timestamp,
    accepted: Option<Timestamp>,
) -> Result<(), ReleaseError> {
    let expect = |field, got: &Option<String>, expected: &[&str]| match got.as_deref().unwrap_or("none") {
        got if expected.is_empty() || expected.contains(&got) => Ok(()),
        got => Err(ReleaseError::Other { field, got: got.to_owned(), expected: expected.join(" or ") }),
    };
    expect("origin", &release.origin, &Vec::from_iter(suite.origin.as_deref()))?;
    expect("codename", &release.codename, &Vec::from_iter(suite.codename.as_deref()))?;
    let suites: Vec<&str> = suite.suites.iter().map(String::as_str).collect();
    expect("suite", &release.suite, &suites)?;
    // where nothing else is known, it must be of the folder that it is in, as apt has it
    if let (Where::Dists(folder), None, true) = (&suite.place, &suite.codename, suites.is_empty())
        && ![&release.codename, &release.suite].contains(&&Some(folder.clone()))
    {
        let both = [("codename", &release.codename), ("suite", &release.suite)];
        let (field, got) = both.into_iter().find(|(_, got)| got.is_some()).unwrap_or(both[0]);
        expect(field, got, &[folder])?;
    }
    let got = release.date;
    // differences of instants, and the limits of configuration are small: no overflow
    if got.duration_since(now) > SignedDuration::from_secs(super::policy::SKEW_SECONDS) {
        return Err(ReleaseError::Future(got));
    }
    if let Some(end) = release.valid_until.filter(|&end| end < now) {
        return Err(ReleaseError::Ended(end));
    }
    if let Some(accepted) = accepted.filter(|&accepted| got < accepted) {
        return Err(ReleaseError::Older { got, accepted });
    }
    if now.duration_since(got) > SignedDuration::from_hours(24 * i64::from(suite.max_age_days)) {
        return Err(ReleaseError::Aged { got, days: suite.max_age_days });
    }
    Ok(())
}

impl Release {
    /// The components that have an index for `arch`, in the order of their names.
    pub fn components<'a>(&'a self, arch: &'a str) -> impl Iterator<Item = &'a str> {
        let of = move |path: &'a String| {
            path.strip_suffix("/Packages.xz")?.strip_suffix(arch)?.strip_suffix("/binary-")
        };
        self.files.keys().filter_map(of)
    }

    /// The file at `path` below the suite.
    pub fn file(&self, path: &str) -> Result<Listed, ReleaseError> {
        self.files.get(path).copied().ok_or_else(|| ReleaseError::Unlisted(path.to_owned()))
    }
}

/// RFC 2822 with `UTC` for the zone, as Debian's archive writes it, or with another name of that as others do.
fn date(field: &'static str, text: &str) -> Result<Timestamp, ReleaseError> {
    let wrong = || ReleaseError::Date { field, got: text.chars().take(80).collect() };
    let zones = [" UTC", " GMT", " Z", " +0000"];
    let time = zones.iter().find_map(|zone| text.strip_suffix(zone)).ok_or_else(wrong)?;
    jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S", time)
        .and_then(|parts| parts.to_datetime())
        .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|time| time.timestamp())
        .map_err(|_| wrong())
}

fn files(list: &str) -> Result<BTreeMap<String, Listed>, ReleaseError> {
    let mut files = BTreeMap::new();
    for line in list.lines().filter(|line| !line.is_empty()) {
        let listed = listed(line).ok_or_else(|| ReleaseError::Line(line.chars().take(160).collect()))?;
        if files.len() == MAX_FILES {
            return Err(ReleaseError::Many);
        }
        if files.insert(listed.0.to_owned(), listed.1).is_some() {
            return Err(ReleaseError::Twice(listed.0.to_owned()));
        }
    }
    Ok(files)
}

fn listed(line: &str) -> Option<(&str, Listed)> {
    let mut parts = line.split([' ', '\t']).filter(|part| !part.is_empty());
    let (digest, size, path) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = size.bytes().all(|b| b.is_ascii_digit()) && parts.next().is_none();
    let listed = Listed { sha256: Sha256::from_hex(digest).ok()?, size: size.parse().ok()? };
    plain.then_some((path, listed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Debian\nSuite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n\
        Acquire-By-Hash: yes\nArchitectures: all amd64 arm64\nMD5Sum:\n 3e498904a30e240573dac8ddac594e6f 5 main/x\nSHA256:\n \
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages\n \
        f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec       20 main/binary-amd64/Packages.xz\n";

    fn suite() -> Suite {
        Suite {
            name: "trixie".to_owned(),
            archive: "debian".to_owned(),
            place: Where::Dists("trixie".to_owned()),
            origin: Some("Debian".to_owned()),
            codename: Some("trixie".to_owned()),
            suites: vec!["stable".to_owned(), "oldstable".to_owned()],
            components: vec!["main".to_owned()],
            by_name: false,
            max_age_days: 60,
            keys: vec![],
        }
    }

    /// `text` checked at `now`.
    fn at(text: &str, now: &str, accepted: Option<&str>) -> Result<Release, String> {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let release = parse(text).map_err(|error| error.to_string())?;
        check(&release, &suite(), time(now), accepted.map(time)).map_err(|error| error.to_string())?;
        Ok(release)
    }

    #[test]
    fn a_release_of_its_suite_and_time_is_accepted() {
        let release = at(TEXT, "2026-09-13T00:00:00Z", Some("2026-09-12T07:55:41Z")).unwrap();
        assert_eq!(release.date.to_string(), "2026-09-12T07:55:41Z");
        assert_eq!(release.file("main/binary-amd64/Packages.xz").unwrap().size, 20);
        assert!(release.by_hash);
    }

    #[test]
    fn dates_that_do_not_fit_are_refused() {
        let until = TEXT.replace("Acquire", "Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC\nAcquire");
        let cases = [
            (TEXT, "2026-09-12T07:45:40Z", None, "in the future"),
            (TEXT, "2026-11-11T07:55:42Z", None, "is more than 60 days ago"),
            (
                TEXT,
                "2026-09-13T00:00:00Z",
                Some("2026-09-12T07:55:42Z"),
                "is earlier than the one accepted before",
            ),
            (&until, "2026-09-19T07:55:42Z", None, "it expired at 2026-09-19T07:55:41Z"),
        ];
        for (text, now, accepted, expected) in cases {
            let error = at(text, now, accepted).unwrap_err();
            assert!(error.contains(expected), "{now}: {error}");
        }
        // just inside each limit
        assert!(at(TEXT, "2026-09-12T07:45:41Z", None).is_ok());
        assert!(at(TEXT, "2026-11-11T07:55:41Z", None).is_ok());
        assert!(at(&until, "2026-09-19T07:55:41Z", None).is_ok());
        for date in
            ["Sat, 12 Sep 2026 07:55:41 +0200", "2026-09-12T07:55:41Z", "Sun, 12 Sep 2026 07:55:41 UTC", "x"]
        {
            let error =
                at(&TEXT.replace("Sat, 12 Sep 2026 07:55:41 UTC", date), "2026-09-13T00:00:00Z", None);
            assert!(error.unwrap_err().contains("`Date` is not a valid date"), "{date}");
        }
    }

    #[test]
    fn a_release_of_another_suite_is_refused() {
        for (from, to, expected) in [
            ("Codename: trixie", "Codename: bookworm", "expected codename trixie, found bookworm"),
            (
                "Codename: trixie",
                "Codename: trixie-updates",
                "expected codename trixie, found trixie-updates",
            ),
            (
                "Suite: stable",
                "Suite: stable-updates",
                "expected suite stable or oldstable, found stable-updates",
            ),
            ("Suite: stable\n", "", "expected suite stable or oldstable, found none"),
            ("Codename: trixie\n", "", "expected codename trixie, found none"),
            ("Origin: Debian", "Origin: Debiam", "expected origin Debian, found Debiam"),
        ] {
            assert_eq!(at(&TEXT.replace(from, to), "2026-09-13T00:00:00Z", None).unwrap_err(), expected);
        }
    }

    #[test]
    fn of_a_release_about_which_nothing_is_known_the_folder_is_expected() {
        let vague = Suite { origin: None, codename: None, suites: vec![], ..suite() };
        let now = "2026-09-13T00:00:00Z".parse().unwrap();
        let said = |text: &str, suite: &Suite| {
            check(&parse(text).unwrap(), suite, now, None).map_err(|error| error.to_string())
        };
        assert_eq!(said(TEXT, &vague), Ok(()));
        assert_eq!(
            said(&TEXT.replace("Codename: trixie", "Codename: x").replace("stable", "trixie"), &vague),
            Ok(())
        );
        let other = TEXT.replace("Codename: trixie", "Codename: sid");
        assert_eq!(said(&other, &vague).unwrap_err(), "expected codename trixie, found sid");
        let none = TEXT.replace("Codename: trixie\n", "").replace("Suite: stable\n", "");
        assert_eq!(said(&none, &vague).unwrap_err(), "expected codename trixie, found none");
        // a flat archive is in no folder that has a name
        assert_eq!(said(&none, &Suite { place: Where::Flat(String::new()), ..vague }), Ok(()));
    }

    #[test]
    fn all_names_of_utc_are_read() {
        for zone in ["GMT", "Z", "+0000"] {
            assert_eq!(parse(&TEXT.replace("UTC", zone)).unwrap().date, parse(TEXT).unwrap().date);
        }
    }

    #[test]
    fn a_list_that_is_in_doubt_is_refused() {
        let line = TEXT.lines().last().unwrap();
        for (text, expected) in [
            (format!("{TEXT}{line}\n"), "`main/binary-amd64/Packages.xz` is listed twice"),
            (TEXT.replace("SHA256:\n", "SHA1:\n"), "it has no SHA256 list, only weaker ones"),
            (TEXT.replace(" 20 ", " 2x "), "in the SHA256 list, found"),
            (TEXT.replace(" 20 ", " +20 "), "in the SHA256 list, found"),
            (TEXT.replace(" 20 ", " 99999999999999999999 "), "in the SHA256 list, found"),
            (TEXT.replace(" 20 ", " "), "in the SHA256 list, found"),
            (TEXT.replace(" f61f", " f61"), "in the SHA256 list, found"),
            (TEXT.replace("Packages.xz", "Packages.xz more"), "in the SHA256 list, found"),
            (TEXT.replace("Date:", "Dates:"), "it has no field `Date`"),
            (format!("{TEXT}\nSuite: stable\n"), "expected one paragraph"),
            (format!("{TEXT}sha256:\n"), "duplicate field `sha256`"),
        ] {
            let error = at(&text, "2026-09-13T00:00:00Z", None).unwrap_err();
            assert!(error.contains(expected), "{error}, expected {expected}");
        }
        let error = parse(TEXT).unwrap().file("main/binary-arm64/Packages.xz").unwrap_err();
        assert_eq!(error.to_string(), "it lists no `main/binary-arm64/Packages.xz`");
    }
}
