//! The file system of an image as a value: sorted path → entry.
//!
//! Nothing is laid out on disk. Owners, modes and device nodes are data, so no privilege is needed to
//! have them; contents are inline or ranges of blobs in the store, so a tree of gigabytes is a few
//! megabytes of memory. Every output format is a function of a `Tree`.
//!
//! Invariants, held by `insert` and checked by `finish`:
//! - every entry but the root has its parent directory in the tree;
//! - `/bin`, `/sbin`, `/lib` and `/lib64`, where they are there, are links into `/usr`, and no entry lies below one
//!   of them: a path is brought to its merged form before it goes in (`merged`), so that `/bin/x` and `/usr/bin/x`
//!   are one;
//! - a hard link names a regular file that comes before it in the order of paths: of all names of a file the
//!   lowest is the file;
//! - two owners of one path are an error, unless both bring a directory: then the first says mode and owner.
//!
//! Not supported, on purpose: a file on the host's disk as content (what goes in is in the store, or small).
//!
//! Beside it are the words that it is made of, which all the crates above share: names and paths that are checked
//! ([`name`]), digests ([`digest`]), and the one shape in which every stage says no ([`refusal`]). Nothing here reads or
//! writes a file.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make files to read"))]

use crate::digest::Sha256;
use crate::name::{ImagePath, Kind, Name};
use crate::privilege::Privilege;
use crate::scripts::Scripted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod build;
pub mod chunk;
pub mod digest;
pub mod name;
pub mod near;
pub mod privilege;
pub mod refusal;
pub mod release;
pub mod scripts;

pub use build::place;

/// Files larger than this many bytes carry a digest per piece, so that pieces can be read, checked and
/// compressed apart from each other.
pub const PIECE: u64 = 8 << 20;

/// The directories that are links into `/usr` on a merged system, in the order of their names.
pub const ALIASES: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// A whole file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<ImagePath, Entry>,
    /// What it grants beyond root:root 0755, and who brings that.
    privileges: Vec<Privilege>,
    /// What became of the maintainer scripts of its packages.
    scripts: Vec<Scripted>,
}

/// One name in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Mode, owner, time, extended attributes. A hard link repeats those of its target.
    pub meta: Meta,
    /// What it is.
    pub node: Node,
    /// Who put it there; more than one only for a directory.
    pub origins: BTreeSet<Origin>,
}

/// What `stat` says of an entry, but for its type and size.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Meta {
    /// Permission bits with setuid, setgid and sticky: 0 to 0o7777.
    pub mode: u16,
    /// Owner, as a number.
    pub uid: u32,
    /// Group, as a number.
    pub gid: u32,
    /// Seconds since 1970-01-01 UTC.
    pub mtime: i64,
    /// Extended attributes by their full name (`security.capability`).
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// The types of entries.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Node {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link with its target, as written.
    Symlink(String),
    /// Another name of the regular file at this path.
    Hardlink(ImagePath),
    /// A character device.
    Character {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// The bytes of a regular file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Content {
    /// Held in memory: files that the bake itself writes.
    Inline(Arc<[u8]>),
    /// A range of a blob in the store.
    Stored(Stored),
}

/// A range of a blob in the store, with the digest of just that range.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stored {
    /// The blob's name.
    pub blob: Sha256,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// The digest of the range.
    pub digest: Sha256,
    /// For a range longer than `PIECE`: the digest of each `PIECE` bytes of it, the last may be shorter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Sha256>,
}

/// Who put an entry into a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum Origin {
    /// A Debian package of the lock.
    Package {
        /// Its name.
        name: Name,
    },
    /// A pinned upstream component.
    Component {
        /// Its name.
        name: Name,
    },
    /// A recipe: a file of its `rootfs`, or a line of its `recipe.toml`.
    Recipe {
        /// The kind whose recipe it is.
        kind: Kind,
        /// The file in the recipe's folder: `rootfs/etc/…` or `recipe.toml`.
        file: String,
    },
    /// A maintainer script that was interpreted, at a line of it.
    Script {
        /// The package whose script it is.
        package: Name,
        /// Whether that is a component, and not one of Debian's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        component: bool,
        /// `preinst`, `config` or `postinst`, or the path of a program of the image that it runs.
        script: String,
        /// The line, from 1; 0 for what is not of a line.
        line: u32,
    },
    /// A container image.
    Image {
        /// Its name: `registry.k8s.io/pause:3.10`.
        name: String,
    },
    /// The bake itself, from all of the above.
    Made {
        /// What made it: `dpkg database`, `accounts`, `units`, …
        step: String,
    },
}

/// Why an entry cannot go into a tree.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TreeError {
    /// Two owners of one path.
    #[error("`{path}` comes from {first} and from {second}")]
    Clash {
        /// The path, merged.
        path: ImagePath,
        /// Who has it.
        first: String,
        /// Who wants it.
        second: String,
    },
    /// A path whose parent is no directory.
    #[error("`{path}` lies below `{parent}`, which is no directory (both from {origin})")]
    Parent {
        /// The path.
        path: ImagePath,
        /// The parent.
        parent: ImagePath,
        /// Who wants it.
        origin: String,
    },
    /// What would be `/bin`, `/sbin`, `/lib` or `/lib64` is neither a directory nor a link into `/usr`.
    #[error(
        "`{path}` must be a link to `usr{path}` on a merged system, and is something else (from {origin})"
    )]
    Alias {
        /// The path.
        path: ImagePath,
        /// Who wants it.
        origin: String,
    },
    /// A hard link to what is no regular file.
    #[error("`{path}` is a hard link to `{target}`, which is no regular file of the tree")]
    Hardlink {
        /// The link.
        path: ImagePath,
        /// Its target.
        target: ImagePath,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Package { name } => write!(f, "package `{name}`"),
            Self::Component { name } => write!(f, "component `{name}`"),
            Self::Recipe { kind, file } => write!(f, "recipe `{kind}/{file}`"),
            Self::Script { package, script, line: 0, .. } => write!(f, "the {script} of package `{package}`"),
            Self::Script { package, script, line, .. } => {
                write!(f, "the {script} of package `{package}`, line {line}")
            }
            Self::Image { name } => write!(f, "container image `{name}`"),
            Self::Made { step } => write!(f, "vmbake ({step})"),
        }
    }
}

impl Origin {
    /// Whoever vouches for it: for a script the package or component that has the script, else itself.
    #[must_use]
    pub fn bringer(&self) -> Self {
        match self {
            Self::Script { package, component: true, .. } => Self::Component { name: package.clone() },
            Self::Script { package, .. } => Self::Package { name: package.clone() },
            other => other.clone(),
        }
    }
}

impl Entry {
    /// Whether `owner`, or what it vouches for, put it there, perhaps among others.
    #[must_use]
    pub fn is_of(&self, owner: &Origin) -> bool {
        let owner = owner.bringer();
        self.origins.iter().any(|origin| origin.bringer() == owner)
    }

    /// Whether nobody but `owner`, and what it vouches for, put it there.
    #[must_use]
    pub fn is_only_of(&self, owner: &Origin) -> bool {
        let owner = owner.bringer();
        self.origins.iter().all(|origin| origin.bringer() == owner)
    }
}

impl Meta {
    /// Root's, with this mode and time and nothing else.
    #[must_use]
    pub fn root(mode: u16, mtime: i64) -> Self {
        Self { mode, uid: 0, gid: 0, mtime, xattrs: BTreeMap::new() }
    }
}

impl Content {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Stored(stored) => stored.len,
        }
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The digest of its bytes.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        match self {
            Self::Inline(bytes) => Sha256::of(bytes),
            Self::Stored(stored) => stored.digest,
        }
    }
}

/// `path` as it is on a merged system: below `/usr` where its first part is one of `ALIASES` and it is
/// not that link itself.
#[must_use]
pub fn merged(path: &ImagePath) -> ImagePath {
    let relative = path.relative();
    match relative.split_once('/') {
        Some((first, _)) if ALIASES.contains(&first) => {
            // cannot fail but for the length limit, in which case the path stays as it is and is refused later
            format!("/usr{path}").parse().unwrap_or_else(|_| path.clone())
        }
        _ => path.clone(),
    }
}

impl Tree {
    /// A tree with just its root directory, 0755 root:root.
    #[must_use]
    pub fn new(origin: Origin, mtime: i64) -> Self {
        let root = Entry { meta: Meta::root(0o755, mtime), node: Node::Directory, origins: [origin].into() };
        Self { entries: [(ImagePath::root(), root)].into(), privileges: Vec::new(), scripts: Vec::new() }
    }

    /// What it grants beyond root:root 0755, sorted by owner, as staging has found it.
    #[must_use]
    pub fn privileges(&self) -> &[Privilege] {
        &self.privileges
    }

    /// Says what it grants.
    pub fn set_privileges(&mut self, privileges: Vec<Privilege>) {
        self.privileges = privileges;
    }

    /// What became of the maintainer scripts of its packages, sorted by package.
    #[must_use]
    pub fn scripts(&self) -> &[Scripted] {
        &self.scripts
    }

    /// Says what became of them.
    pub fn set_scripts(&mut self, scripts: Vec<Scripted>) {
        self.scripts = scripts;
    }

    /// The entry at `path`, brought to its merged form.
    #[must_use]
    pub fn get(&self, path: &ImagePath) -> Option<&Entry> {
        self.entries.get(&merged(path))
    }

    /// The entry at `path`, brought to its merged form, with that form.
    #[must_use]
    pub fn get_key_value(&self, path: &ImagePath) -> Option<(&ImagePath, &Entry)> {
        self.entries.get_key_value(&merged(path))
    }

    /// The entries at and below `path`, which is merged, in the order of their paths.
    pub fn within(&self, path: &ImagePath) -> impl Iterator<Item = (&ImagePath, &Entry)> {
        // names like `a-b` sort between `a` and `a/b`, so that what is below is found with a filter
        self.entries
            .range(path.clone()..)
            .take_while(move |(known, _)| known.as_str().starts_with(path.as_str()))
            .filter(move |(known, _)| known.is_within(path))
    }

    /// All entries in the order of their paths: each directory before what it holds.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ImagePath, &Entry)> + Clone {
        self.entries.iter()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry, not even a root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
