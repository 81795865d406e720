//! A Packages file: what a suite has for one architecture. deb822(5), and the fields of policy 5.3 and of
//! <https://wiki.debian.org/DebianRepository/Format#A.22Packages.22_Indices>.
//!
//! It borrows from the text: 69,000 packages are read in a few tens of milliseconds and take no more memory than
//! their slices. Relations stay text until someone needs them.

use super::version::{Version, VersionError};
use crate::deb822::{self, Deb822Error, Paragraph};
use tree::digest::Sha256;
use tree::name::Arch;

/// How many packages an index may have.
pub const MAX: usize = 400_000;

/// A package of a suite, which the solver may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: Version<'a>,
    /// The index of its suite, in the order of the resolution.
    pub suite: usize,
    /// `amd64`, `arm64` or `all`.
    pub arch: &'a str,
    /// Its path below the archive.
    pub file: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
    /// `Essential: yes`.
    pub essential: bool,
    /// `required`, `important`, `standard`, `optional`, `extra`.
    pub priority: &'a str,
    /// `Multi-Arch: allowed`: it also answers to `name:any`.
    pub any: bool,
    /// Pre-Depends, as written.
    pub pre_depends: &'a str,
    /// Depends, as written.
    pub depends: &'a str,
    /// Recommends, as written.
    pub recommends: &'a str,
    /// Conflicts, as written.
    pub conflicts: &'a str,
    /// Breaks, as written.
    pub breaks: &'a str,
    /// Provides, as written.
    pub provides: &'a str,
}

/// Why an index is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IndexError {
    /// No deb822.
    #[error(transparent)]
    Form(#[from] Deb822Error),
    /// A field that is not there, or not of its form.
    #[error("line {line}: package `{name}` has a missing or invalid `{field}`")]
    Field {
        /// Where its paragraph begins.
        line: usize,
        /// What it says its name is.
        name: String,
        /// Which field.
        field: &'static str,
    },
    /// A version that is none.
    #[error("line {line}: {error}")]
    Version {
        /// Where its paragraph begins.
        line: usize,
        /// What is wrong.
        error: VersionError,
    },
    /// More than `MAX`.
    #[error("more than {MAX} packages")]
    Many,
}

/// Whose index it is, which says what may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Of Debian: one architecture, and packages below `pool/`.
    Pool,
    /// Of a third party: one architecture, and packages anywhere.
    Anywhere,
    /// Of a flat archive: all architectures, and packages anywhere.
    Flat,
}

/// Reads the candidates of `text`, the Packages file of `suite` for `arch`.
pub fn parse(text: &str, suite: usize, arch: Arch) -> Result<Vec<Candidate<'_>>, IndexError> {
    parse_as(text, suite, arch, Layout::Pool)
}

/// `parse`, for an index of this layout.
pub fn parse_as(
    text: &str,
    suite: usize,
    arch: Arch,
    layout: Layout,
) -> Result<Vec<Candidate<'_>>, IndexError> {
    let mut candidates = Vec::with_capacity(text.len() / 800);
    for paragraph in deb822::paragraphs(text) {
        if candidates.len() == MAX {
            return Err(IndexError::Many);
        }
        let paragraph = paragraph?;
        let machine = paragraph.get("Architecture").unwrap_or_default();
        if layout == Layout::Flat && !["", "all", arch.debian()].contains(&machine) {
            continue;
        }
        candidates.push(candidate(&paragraph, suite, arch, layout)?);
    }
    Ok(candidates)
}

fn candidate<'a>(
    paragraph: &Paragraph<'a>,
    suite: usize,
    arch: Arch,
    layout: Layout,
) -> Result<Candidate<'a>, IndexError> {
    let field = |name| paragraph.get(name).unwrap_or_default();
    let wrong = |field| IndexError::Field {
        line: paragraph.line,
        name: paragraph.get("Package").unwrap_or_default().chars().take(80).collect(),
        field,
    };
    let check = |name, fits: bool| if fits { Ok(field(name)) } else { Err(wrong(name)) };
    let name = check("Package", field("Package").parse::<tree::name::Name>().is_ok())?;
    let file = field("Filename");
    let file = match layout {
        Layout::Pool => check("Filename", is_pool_path(file))?,
        Layout::Anywhere | Layout::Flat => {
            let below = file.strip_prefix("./").unwrap_or(file);
            check("Filename", is_deb_path(below))?;
            below
        }
    };
    let sized = field("Size").bytes().all(|b| b.is_ascii_digit());
    Ok(Candidate {
        name,
        version: Version::parse(field("Version"))
            .map_err(|error| IndexError::Version { line: paragraph.line, error })?,
        suite,
        arch: check(
            "Architecture",
            field("Architecture") == "all" || field("Architecture") == arch.debian(),
        )?,
        file,
        size: field("Size").parse().ok().filter(|_| sized).ok_or_else(|| wrong("Size"))?,
        sha256: Sha256::from_hex(field("SHA256")).map_err(|_| wrong("SHA256"))?,
        essential: field("Essential") == "yes",
        priority: field("Priority"),
        any: field("Multi-Arch") == "allowed",
        pre_depends: field("Pre-Depends"),
        depends: field("Depends"),
        recommends: field("Recommends"),
        conflicts: field("Conflicts"),
        breaks: field("Breaks"),
        provides: field("Provides"),
    })
}

/// A path below Debian's archive that stays below it, in any URL and in any directory.
#[must_use]
pub fn is_pool_path(path: &str) -> bool {
    path.starts_with("pool/") && is_deb_path(path)
}

/// A path of a package that stays below where it begins, in any URL and in any directory.
#[must_use]
pub fn is_deb_path(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._~%:".contains(&b))
    };
    path.len() <= 1024 && path.ends_with(".deb") && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "Package: a\nVersion: 1:2-3\nArchitecture: amd64\nMulti-Arch: allowed\nEssential: yes\n\
        Priority: required\nDepends: b (>= 1)\nFilename: pool/main/a/a/a_2-3_amd64.deb\nSize: 12\nSHA256: \
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nDescription: one\n";

    #[test]
    fn an_offer_has_its_fields() {
        let candidates = parse(ONE, 2, Arch::Amd64).unwrap();
        let one = &candidates[0];
        assert_eq!((one.name, one.version.as_str(), one.suite, one.size), ("a", "1:2-3", 2, 12));
        assert_eq!((one.depends, one.provides, one.any, one.essential), ("b (>= 1)", "", true, true));
    }

    #[test]
    fn a_third_partys_packages_are_anywhere_below_its_archive_and_a_flat_index_has_all_architectures() {
        let other = ONE.replace("amd64", "arm64").replace("Package: a", "Package: b");
        let both = format!("{ONE}\n{other}");
        let parsed = |text: &str, layout| {
            let candidates = parse_as(text, 0, Arch::Amd64, layout).map_err(|error| error.to_string())?;
            Ok::<_, String>(
                candidates.iter().map(|one| (one.name.to_owned(), one.file.to_owned())).collect::<Vec<_>>(),
            )
        };
        let one = |file: &str| vec![("a".to_owned(), file.to_owned())];
        assert_eq!(parsed(&both, Layout::Flat), Ok(one("pool/main/a/a/a_2-3_amd64.deb")));
        assert!(parsed(&both, Layout::Anywhere).unwrap_err().contains("`Architecture`"));
        for (file, expected) in [("./a.deb", "a.deb"), ("dists/x/pool/a.deb", "dists/x/pool/a.deb")] {
            let text = ONE.replace("pool/main/a/a/a_2-3_amd64.deb", file);
            assert_eq!(parsed(&text, Layout::Anywhere), Ok(one(expected)));
            assert!(parsed(&text, Layout::Pool).unwrap_err().contains("`Filename`"), "{file}");
        }
        for file in ["../a.deb", "./../a.deb", "/a.deb", "a//b.deb", "././a.deb", "a.rpm", "http://h/a.deb"] {
            let text = ONE.replace("pool/main/a/a/a_2-3_amd64.deb", file);
            assert!(parsed(&text, Layout::Flat).unwrap_err().contains("`Filename`"), "{file}");
        }
    }

    #[test]
    fn a_package_whose_fields_are_in_doubt_refuses_the_index() {
        let cases = [
            ("Package: a", "Package: ../a", "`Package`"),
            ("Version: 1:2-3", "Version: one two", "`one two` is not a valid Debian version"),
            ("Architecture: amd64", "Architecture: arm64", "`Architecture`"),
            ("Size: 12", "Size: +12", "`Size`"),
            ("Size: 12", "Size: 99999999999999999999", "`Size`"),
            ("SHA256: e3b0", "MD5sum: e3b0", "`SHA256`"),
            ("pool/main", "pool/../..", "`Filename`"),
            ("pool/main", "http://x", "`Filename`"),
            ("_amd64.deb", "_amd64.deb?x", "`Filename`"),
            ("Size: 12", "Size: 12\nSize: 13", "duplicate field `Size`"),
        ];
        for (from, to, expected) in cases {
            let error = parse(&ONE.replace(from, to), 0, Arch::Amd64).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }
}
