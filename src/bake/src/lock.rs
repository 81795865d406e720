//! The lock: every Debian package of one kind and architecture, with the chain that vouches for it.
//!
//! `manifests/<kind>.debian-13.<arch>.lock.toml`, made by `debian::resolve` and committed. Whether it still agrees
//! with its recipe is answered offline (`check`).

mod scripts;
mod text;

pub use scripts::{Scripts, scripts_of};
pub use text::{LockError, MAX, MAX_PACKAGES, parse, print};

use std::collections::BTreeMap;
use tree::digest::Sha256;
use tree::name::{Arch, Kind, Name};

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
    /// The archive that it is in: `debian`, `debian-security`, or a third party's.
    pub archive: String,
    /// Of a third party's archive: its root as `sources.toml` had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// The InRelease's `Date`, RFC 3339 UTC.
    pub date: jiff::Timestamp,
    /// The digest of the whole InRelease file, or of the Release file where `signature` is there.
    pub inrelease: Sha256,
    /// The digest of Release.gpg, where there was no InRelease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Sha256>,
    /// The digest of the Packages file (decompressed) that was read; of several, of one after the other.
    pub packages: Sha256,
    /// Where several components were read: the digest of the Packages files of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, Sha256>,
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
    /// The suite it was found in, one of `Lock::suites`, or `local` for a file of the project.
    pub suite: String,
    /// Its path below the archive: `pool/main/…`, or below the project's folder.
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

impl LockedPackage {
    /// Whether it is a file of the project.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.suite == crate::sources::LOCAL
    }

    /// Whether someone else than Debian vouches for it: the archive of a third party, one of `suites`, or, for a file of the
    /// project, nobody but the lock.
    #[must_use]
    pub fn is_third_party(&self, suites: &[LockedSuite]) -> bool {
        let suite = suites.iter().find(|suite| suite.name == self.suite);
        !suite.is_some_and(|suite| crate::sources::is_debian(&suite.archive))
    }
}

/// What a lock is asked for: from a recipe, with nothing else of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Request {
    /// Which architecture.
    pub arch: Arch,
    /// Packages that the recipe names, sorted; each a package of its own name, not a virtual one.
    pub install: Vec<Name>,
    /// Packages that are taken from a suite or a third party's archive alone, with its name; all of them are in `install`, too.
    pub from: BTreeMap<Name, String>,
    /// Packages that are files of the project, by their paths below its folder, sorted.
    pub files: Vec<String>,
    /// Packages whose Recommends are wanted too, sorted.
    pub recommends_of: Vec<Name>,
    /// Packages that must not be chosen, sorted: an alternative is taken where there is one.
    pub avoid: Vec<Name>,
}

/// One way in which a lock and a request differ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// It is for another machine.
    #[error("expected a lock for {expected}, found one for {got}")]
    Arch {
        /// The request's.
        expected: Arch,
        /// The lock's.
        got: Arch,
    },
    /// The recipe asks for a package that the lock does not have.
    #[error("package `{0}` is required by the recipe, but not locked")]
    Missing(Name),
    /// The lock has a package for the recipe, which does not ask for it any longer.
    #[error("package `{0}` is locked, but no longer required by the recipe")]
    Extra(Name),
    /// The lock has a package that the recipe avoids.
    #[error("package `{0}` is locked, but is to be avoided")]
    Avoided(Name),
    /// The lock has a package of somewhere else.
    #[error("expected package `{name}` from `{expected}`, but it is locked from `{got}`")]
    From {
        /// Its name.
        name: Name,
        /// The request's suite or archive.
        expected: String,
        /// The lock's suite.
        got: String,
    },
    /// The recipe asks for a file that the lock does not have.
    #[error("`{0}` is required by the recipe, but not locked")]
    NoFile(String),
    /// The lock has a file that the recipe does not ask for any longer.
    #[error("`{0}` is locked, but no longer required by the recipe")]
    ExtraFile(String),
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
    let for_recipe = |package: &&LockedPackage| {
        !package.is_local() && package.because.iter().any(|reason| reason == "recipe")
    };
    let missing = request.install.iter().filter(|name| !locked(name)).cloned().map(Difference::Missing);
    let extra = lock.packages.iter().filter(for_recipe).map(|package| &package.name);
    let extra = extra.filter(|name| !request.install.contains(name)).cloned().map(Difference::Extra);
    let avoided = request.avoid.iter().filter(|name| locked(name)).cloned().map(Difference::Avoided);
    let mut differences: Vec<Difference> = missing.chain(extra).chain(avoided).collect();
    let elsewhere = lock.packages.iter().filter_map(|package| {
        let from = request.from.get(&package.name)?;
        let suite = lock.suites.iter().find(|suite| suite.name == package.suite);
        let is_it = package.suite == *from || suite.is_some_and(|suite| suite.archive == *from);
        let (name, expected, got) = (package.name.clone(), from.clone(), package.suite.clone());
        (!is_it).then_some(Difference::From { name, expected, got })
    });
    differences.extend(elsewhere);
    let files = || lock.packages.iter().filter(|package| package.is_local()).map(|package| &package.file);
    let absent = request.files.iter().filter(|file| !files().any(|known| known == *file));
    differences.extend(absent.cloned().map(Difference::NoFile));
    let more = files().filter(|file| !request.files.contains(file));
    differences.extend(more.cloned().map(Difference::ExtraFile));
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
        for (name, from) in &self.from {
            text.push_str(&format!("from {from} {name}\n"));
        }
        for file in &self.files {
            text.push_str(&format!("file {file}\n"));
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
        let avoid = names(&["nano"]);
        Request { arch: Arch::Amd64, install, recommends_of, avoid, from: BTreeMap::new(), files: vec![] }
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
            mirror: None,
            date: "2026-09-12T07:55:41Z".parse().unwrap(),
            inrelease: Sha256::of(b"inrelease"),
            signature: None,
            packages: Sha256::of(b"packages"),
            components: BTreeMap::new(),
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
                "package `wget` is required by the recipe, but not locked",
                "package `sudo` is locked, but no longer required by the recipe",
                "package `libc6` is locked, but is to be avoided"
            ]
        );
        let other = Request { recommends_of: vec![], ..request() };
        assert_eq!(check(&lock(), &other), [Difference::Lists]);
        let other = Request { arch: Arch::Arm64, ..request() };
        assert!(matches!(check(&lock(), &other)[..], [Difference::Arch { .. }]));
    }

    #[test]
    fn a_lock_agrees_about_where_packages_are_from() {
        let mut lock = lock();
        let (mut asked, name) = (request(), "curl".parse::<Name>().unwrap());
        let said = |lock: &Lock, asked: &Request| {
            check(lock, asked).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        asked.from.insert(name, "vendor".to_owned());
        assert_eq!(
            said(&lock, &asked),
            ["expected package `curl` from `vendor`, but it is locked from `trixie`"]
        );
        let vendor =
            LockedSuite { name: "x".to_owned(), archive: "vendor".to_owned(), ..lock.suites[0].clone() };
        lock.suites.push(vendor);
        lock.packages[0].suite = "x".to_owned();
        lock.request = asked.digest();
        assert_eq!(check(&lock, &asked), []);
        assert!(
            lock.packages[0].is_third_party(&lock.suites) && !lock.packages[1].is_third_party(&lock.suites)
        );
        // without the name, it is what is asked for no more
        assert_eq!(check(&lock, &request()), [Difference::Lists]);
        asked.files = vec!["debs/a.deb".to_owned()];
        assert_eq!(said(&lock, &asked), ["`debs/a.deb` is required by the recipe, but not locked"]);
        lock.packages[2] = LockedPackage {
            suite: "local".to_owned(),
            file: "debs/b.deb".to_owned(),
            ..package("zz", &["recipe"])
        };
        let known = [
            "package `sudo` is required by the recipe, but not locked",
            "`debs/a.deb` is required by the recipe, but not locked",
            "`debs/b.deb` is locked, but no longer required by the recipe",
        ];
        assert_eq!(said(&lock, &asked), known);
        assert!(lock.packages[2].is_third_party(&lock.suites));
    }

    #[test]
    fn a_request_is_the_same_in_any_order() {
        let turned = Request { install: names(&["sudo", "curl"]), ..request() };
        assert_eq!(turned.digest(), request().digest());
        let moved = Request { install: names(&["curl"]), avoid: names(&["nano", "sudo"]), ..request() };
        assert_ne!(moved.digest(), request().digest());
    }
}
