//! The lock: every Debian package of one kind and architecture, with the chain that vouches for it.
//!
//! `manifests/<kind>.debian-13.<arch>.lock.toml`, made by `debian::resolve` and committed. Whether it still agrees
//! with its recipe is answered offline (`check`).

mod scripts;
mod text;

pub use scripts::{Scripts, scripts_of};
pub use text::{LockError, MAX, MAX_PACKAGES, parse, print};

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
    /// What asked for it: `essential`, `required`, `recipe`, or the names of packages and of components that depend on it,
    /// sorted.
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
    /// Packages that the recipe names, sorted; each a package of its own name, not a virtual one.
    pub install: Vec<Name>,
    /// Packages whose Recommends are wanted too, sorted.
    pub recommends_of: Vec<Name>,
    /// Packages that must not be chosen, sorted: an alternative is taken where there is one.
    pub avoid: Vec<Name>,
}

/// One way in which a lock and a request differ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// It is for another machine.
    #[error("the lock is for {got}, expected {expected}")]
    Arch {
        /// The request's.
        expected: Arch,
        /// The lock's.
        got: Arch,
    },
    /// The recipe asks for a package that the lock does not have.
    #[error("package `{0}` is asked for and not locked")]
    Missing(Name),
    /// The lock has a package for the recipe, which does not ask for it any more.
    #[error("package `{0}` is locked for the recipe, which does not ask for it")]
    Extra(Name),
    /// The lock has a package that the recipe avoids.
    #[error("package `{0}` is locked, and to be avoided")]
    Avoided(Name),
    /// What is asked for has changed in a way that the packages do not show.
    #[error("the lists of packages to recommend or to avoid have changed")]
    Lists,
}

/// How `lock` differs from what `request` asks for; empty when they agree. Neither network nor clock is needed.
#[must_use]
pub fn check(lock: &Lock, request: &Request) -> Vec<Difference> {
    if lock.arch != request.arch {
        return vec![Difference::Arch { expected: request.arch, got: lock.arch }];
    }
    let locked = |name: &Name| lock.packages.binary_search_by(|package| package.name.cmp(name)).is_ok();
    let for_recipe = |package: &&LockedPackage| package.because.iter().any(|reason| reason == "recipe");
    let missing = request.install.iter().filter(|name| !locked(name)).cloned().map(Difference::Missing);
    let extra = lock.packages.iter().filter(for_recipe).map(|package| &package.name);
    let extra = extra.filter(|name| !request.install.contains(name)).cloned().map(Difference::Extra);
    let avoided = request.avoid.iter().filter(|name| locked(name)).cloned().map(Difference::Avoided);
    let mut differences: Vec<Difference> = missing.chain(extra).chain(avoided).collect();
    if differences.is_empty() && lock.request != request.digest() {
        differences.push(Difference::Lists);
    }
    differences
}

impl Request {
    /// A digest of all that is asked for, whatever the order it is asked in.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        let mut text = format!("arch {}\n", self.arch);
        let lists =
            [("install", &self.install), ("recommends-of", &self.recommends_of), ("avoid", &self.avoid)];
        for (list, names) in lists {
            for name in names.iter().collect::<std::collections::BTreeSet<_>>() {
                text.push_str(&format!("{list} {name}\n"));
            }
        }
        Sha256::of(text.as_bytes())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn names(list: &[&str]) -> Vec<Name> {
        list.iter().map(|name| name.parse().unwrap()).collect()
    }

    pub(crate) fn request() -> Request {
        let (install, recommends_of) = (names(&["curl", "sudo"]), names(&["sudo"]));
        Request { arch: Arch::Amd64, install, recommends_of, avoid: names(&["nano"]) }
    }

    pub(crate) fn package(name: &str, because: &[&str]) -> LockedPackage {
        LockedPackage {
            name: name.parse().unwrap(),
            version: "1:2.3-4+deb13u1".to_owned(),
            arch: "amd64".to_owned(),
            suite: "trixie".to_owned(),
            file: format!("pool/main/x/{name}_2.3-4+deb13u1_amd64.deb"),
            size: 1234,
            sha256: Sha256::of(name.as_bytes()),
            because: because.iter().map(|&reason| reason.to_owned()).collect(),
            scripts: BTreeMap::new(),
            triggers: vec![],
            diverts: vec![],
        }
    }

    pub(crate) fn lock() -> Lock {
        let mut curl = package("curl", &["recipe"]);
        curl.scripts.insert("postinst".to_owned(), Sha256::of(b"postinst"));
        curl.triggers = vec!["interest-noawait /usr/share/\"x\"".to_owned()];
        curl.diverts = vec!["/bin/sh".to_owned()];
        let trixie = LockedSuite {
            name: "trixie".to_owned(),
            archive: "debian".to_owned(),
            date: "2026-09-12T07:55:41Z".parse().unwrap(),
            inrelease: Sha256::of(b"inrelease"),
            packages: Sha256::of(b"packages"),
            signed_by: vec!["04B54C3CDCA79751B16BC6B5225629DF75B188BD".to_owned()],
        };
        Lock {
            kind: "base".parse().unwrap(),
            arch: Arch::Amd64,
            request: request().digest(),
            suites: vec![trixie],
            packages: vec![curl, package("libc6", &["curl", "sudo"]), package("sudo", &["recipe"])],
        }
    }

    #[test]
    fn a_lock_agrees_with_its_own_request_only() {
        assert_eq!(check(&lock(), &request()), []);
        let mut asked = request();
        asked.install = names(&["curl", "wget"]);
        asked.avoid = names(&["libc6"]);
        let said: Vec<String> = check(&lock(), &asked).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "package `wget` is asked for and not locked",
                "package `sudo` is locked for the recipe, which does not ask for it",
                "package `libc6` is locked, and to be avoided"
            ]
        );
        let other = Request { recommends_of: vec![], ..request() };
        assert_eq!(check(&lock(), &other), [Difference::Lists]);
        let other = Request { arch: Arch::Arm64, ..request() };
        assert!(matches!(check(&lock(), &other)[..], [Difference::Arch { .. }]));
    }

    #[test]
    fn a_request_is_the_same_in_any_order() {
        let turned = Request { install: names(&["sudo", "curl"]), ..request() };
        assert_eq!(turned.digest(), request().digest());
        let moved = Request { install: names(&["curl"]), avoid: names(&["nano", "sudo"]), ..request() };
        assert_ne!(moved.digest(), request().digest());
    }
}
