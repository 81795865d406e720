//! The lock: every Debian package of one kind and architecture, with the chain that vouches for it.

use crate::digest::Sha256;
use crate::name::{Arch, Kind, Name};
use std::collections::BTreeMap;

/// A resolved set of Debian packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Which kind.
    pub kind: Kind,
    /// Which architecture.
    pub arch: Arch,
    /// The digest of what was asked for (`Request::digest`): tells offline whether recipe and lock agree.
    pub request: Sha256,
    /// The suites that it was resolved over, in the order of `sources.toml`.
    pub suites: Vec<LockedSuite>,
    /// The packages, sorted by name.
    pub packages: Vec<LockedPackage>,
}

/// What vouches for the packages of one suite.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedSuite {
    /// `trixie`, `trixie-updates`, `trixie-security`.
    pub name: String,
    /// The archive that it is in: `debian` or `debian-security`.
    pub archive: String,
    /// The InRelease's `Date`, RFC 3339 UTC.
    pub date: jiff::Timestamp,
    /// The digest of the whole InRelease file.
    pub inrelease: Sha256,
    /// The digest of the Packages file (decompressed) that was read.
    pub packages: Sha256,
    /// The fingerprints of the pinned primary keys that signed it, upper-case hexadecimal.
    pub signed_by: Vec<String>,
}

/// One package of a lock.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// Its name.
    pub name: Name,
    /// Its version, in Debian's form.
    pub version: String,
    /// `amd64`, `arm64` or `all`.
    pub arch: String,
    /// The suite it was found in; one of `Lock::suites`.
    pub suite: String,
    /// Its path below the archive: `pool/main/…`.
    pub file: String,
    /// The size of the .deb in bytes.
    pub size: u64,
    /// The digest of the .deb.
    pub sha256: Sha256,
    /// What asked for it: `essential`, `required`, `recipe`, or the names of packages that depend on it, sorted.
    pub because: Vec<String>,
    /// Its maintainer scripts with their digests (`preinst`, `postinst`, `prerm`, `postrm`, `config`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scripts: BTreeMap<String, Sha256>,
    /// The lines of its `triggers` file, without comments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
    /// The paths that its scripts divert, as far as they say so in plain words (`dpkg-divert … --add PATH`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diverts: Vec<String>,
}

/// What a lock is asked for: from a recipe, with nothing else of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Request {
    /// Which architecture.
    pub arch: Arch,
    /// Packages that the recipe names, sorted; each `name` or `name/suite`.
    pub install: Vec<Name>,
    /// Packages whose Recommends are wanted too, sorted.
    pub recommends_of: Vec<Name>,
    /// Packages that must not be chosen, sorted: an alternative is taken where there is one.
    pub avoid: Vec<Name>,
}
