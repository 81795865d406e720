//! The plan: everything decided, nothing done.
//!
//! It has no host, clock, user or environment in it: the same manifest, lock, recipe and `configure` give the same
//! plan, its digest names the image, and `bake` executes just this value.

use crate::digest::{Digest, Sha256};
use crate::lock::{LockedPackage, LockedSuite};
use crate::manifest::{Image, Pin};
use crate::name::{Arch, ImagePath, Kind, Name, Provider, Role};
use crate::recipe;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a bake will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The version of this shape, and of how it is executed: a change of bytes is a change of this number.
    pub format: u32,
    /// The manifest's own version.
    pub version: String,
    /// Which kind.
    pub kind: Kind,
    /// Itself and what it extends, the root first.
    pub lineage: Vec<Kind>,
    /// What such a node does.
    pub role: Role,
    /// `debian-13`.
    pub os: String,
    /// Which architecture.
    pub arch: Arch,
    /// For one cloud, or for any.
    pub provider: Option<Provider>,
    /// The time of every file that would be newer, seconds since 1970: the lock's newest date, or SOURCE_DATE_EPOCH.
    pub epoch: i64,
    /// The suites that vouch for the packages.
    pub suites: Vec<LockedSuite>,
    /// Debian packages, sorted by name.
    pub packages: Vec<LockedPackage>,
    /// Upstream components, sorted by name.
    pub components: Vec<PlannedComponent>,
    /// Container images that belong to the image.
    pub images: Vec<Image>,
    /// The boot-time program.
    pub configure: Option<PlannedConfigure>,
    /// Fixed ids that packages' sysusers.d files leave open.
    pub ids: BTreeMap<String, u32>,
    /// Groups.
    pub groups: BTreeMap<String, recipe::Group>,
    /// Users.
    pub users: BTreeMap<String, recipe::User>,
    /// Directories.
    pub directories: BTreeMap<ImagePath, recipe::Directory>,
    /// Symbolic links.
    pub links: BTreeMap<ImagePath, recipe::Link>,
    /// Files of the recipes.
    pub files: Vec<PlannedFile>,
    /// Units that are enabled.
    pub enable: BTreeMap<String, Kind>,
    /// Units that are masked.
    pub mask: BTreeMap<String, Kind>,
    /// Paths that are left out.
    pub exclude: Vec<String>,
    /// Paths that stay although `exclude` names them.
    pub keep: Vec<String>,
    /// Who wins where two have one path.
    pub winners: BTreeMap<ImagePath, String>,
    /// How the tar is compressed.
    pub compression: Compression,
}

/// A component with where its files go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedComponent {
    /// Its name.
    pub name: Name,
    /// The exact input.
    pub pin: Pin,
    /// Where its files go.
    pub install: recipe::Component,
}

/// The boot-time program with where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedConfigure {
    /// Where it goes.
    pub install: recipe::Configure,
    /// Its digest.
    pub digest: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes.
    #[serde(skip)]
    pub bytes: Arc<[u8]>,
}

/// A file of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedFile {
    /// Where it goes.
    pub path: ImagePath,
    /// Whose recipe it is of.
    pub kind: Kind,
    /// Its path in the recipe's folder.
    pub source: String,
    /// Mode, owner, group.
    pub access: recipe::Access,
    /// The digest of its bytes, for a regular file.
    pub digest: Option<Sha256>,
    /// The target, for a link.
    pub target: Option<String>,
    /// Its bytes or target.
    #[serde(skip)]
    pub body: recipe::Body,
}

/// How the tar is compressed; it decides bytes, so it is of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compression {
    /// The zstd level.
    pub level: i32,
}

/// One thing to have in the store before the tree can be laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
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
    /// Debian's archive.
    Debian {
        /// `debian` or `debian-security`.
        archive: String,
        /// The path below it.
        file: String,
        /// The lock's newest date, for the snapshot archive.
        date: jiff::Timestamp,
    },
}
