//! What a plan needs in the store, and where that may be had.

use crate::lock::{LockedPackage, LockedSuite};
use crate::manifest::Pin;
use crate::sources::is_debian;
use tree::digest::Digest;
use tree::name::Name;

/// One thing to have in the store before the tree can be laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The component or package, as messages name it.
    pub name: Name,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it may be had, in the order of trying.
    pub source: Source,
}

/// Where a thing may be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Upstream's URL, or a mirror of artifacts.
    Upstream {
        /// The URL of the pin.
        url: String,
    },
    /// Debian's archive, or a third party's.
    Debian {
        /// `debian`, `debian-security`, or another of `sources.toml`.
        archive: String,
        /// The path below it.
        file: String,
        /// The newest date that the lock has of it, for the snapshot archive.
        date: jiff::Timestamp,
    },
    /// A file of the project.
    Project {
        /// Its path below the project's folder.
        path: String,
    },
    /// A registry of container images, or a mirror of artifacts.
    Registry {
        /// The host, with its port.
        registry: String,
        /// The path of the image there.
        repository: String,
        /// Whether it is an index or a manifest, and not another blob.
        is_manifest: bool,
    },
}

/// A component as a requirement.
#[must_use]
pub fn component_requirement(name: &Name, pin: &Pin) -> Requirement {
    Requirement {
        name: name.clone(),
        version: pin.version.clone(),
        digest: pin.digest.clone(),
        size: pin.size,
        source: Source::Upstream { url: pin.url.clone() },
    }
}

/// Debian packages as requirements, in their order; `suites` are those that they were found in.
#[must_use]
pub fn package_requirements(packages: &[LockedPackage], suites: &[LockedSuite]) -> Vec<Requirement> {
    // Debian's snapshots are of all its archives at one time
    let date = |archive: &str| {
        let is_of = |suite: &&LockedSuite| match is_debian(archive) {
            true => is_debian(&suite.archive),
            false => suite.archive == archive,
        };
        let newest = suites.iter().filter(is_of).map(|suite| suite.date).max();
        newest.unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    };
    let archive = |name: &str| {
        let suite = suites.iter().find(|suite| suite.name == name);
        suite.map_or_else(|| "debian".to_owned(), |suite| suite.archive.clone())
    };
    let of_archive = |package: &LockedPackage| {
        let archive = archive(&package.suite);
        Source::Debian { date: date(&archive), archive, file: package.file.clone() }
    };
    let requirement = |package: &LockedPackage| Requirement {
        name: package.name.clone(),
        version: package.version.clone(),
        digest: package.sha256.into(),
        size: package.size,
        source: match package.is_local() {
            true => Source::Project { path: package.file.clone() },
            false => of_archive(package),
        },
    };
    packages.iter().map(requirement).collect()
}
