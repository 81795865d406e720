//! A recipe: how an image is laid out. It knows names, not versions.
//!
//! `image-recipes/<kind>/recipe.toml` with `rootfs/` next to it, and `rootfs.<provider>/` for files that are only for
//! one cloud. A kind extends another; `Recipe` is the result, with what each line came from. `raw` has the shape of
//! one `recipe.toml`, `layers` lays a lineage of them over each other. A later recipe's line replaces an earlier one's
//! for the same path or name.

mod disk;
mod first_boot;
mod layers;
mod raw;
#[cfg(test)]
mod tests;

pub use self::disk::{Disk, Word};
pub use first_boot::FirstBoot;
pub(crate) use first_boot::{PACKAGE as FIRST_BOOT_PACKAGE, UNITS as FIRST_BOOT_UNITS};
pub use layers::{Folder, RootfsFile, combine};
pub(crate) use raw::access;
pub use raw::{Raw, parse};

use crate::sources::LOCAL;
use containers::reference::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tree::digest::Sha256;
use tree::name::{Arch, ImagePath, Kind, Name, Provider, Role};
use tree::privilege::Grant;

/// A whole recipe, with all that it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Which kind.
    pub kind: Kind,
    /// Itself and what it extends, the root first: `base`, `knd`, `knc`.
    pub lineage: Vec<Kind>,
    /// What such a node does.
    pub role: Role,
    /// Debian packages by name: who asks for each, and for which architecture alone.
    pub packages: BTreeMap<Name, RequestedPackage>,
    /// Packages whose Recommends are wanted too.
    pub recommends_of: BTreeMap<Name, Kind>,
    /// Packages that must not be chosen where there is an alternative.
    pub avoid: BTreeMap<Name, Kind>,
    /// Packages that are taken from somewhere alone, and what they may grant.
    pub taken: BTreeMap<Name, PackageSource>,
    /// Archives and suites that the image's own apt is told of, by whose recipe.
    pub sources: BTreeMap<String, Kind>,
    /// Debian packages that are files of the project, by their path below its folder.
    pub local: BTreeMap<String, RequestedPackage>,
    /// Upstream components by their name in the manifest.
    pub components: BTreeMap<Name, Component>,
    /// Container images that are in containerd's store, by name.
    pub images: BTreeMap<Reference, Image>,
    /// Fixed numeric ids of users and groups that packages' sysusers.d files leave open.
    pub ids: BTreeMap<String, u32>,
    /// Groups, in the order of their ids.
    pub groups: BTreeMap<String, Group>,
    /// Users, in the order of their names.
    pub users: BTreeMap<String, User>,
    /// Directories, and owner and mode of those that packages bring.
    pub directories: BTreeMap<ImagePath, Directory>,
    /// Symbolic links.
    pub links: BTreeMap<ImagePath, Link>,
    /// Files copied as they are; for one path at most one for any cloud and one for each.
    pub files: BTreeMap<(ImagePath, Option<Provider>), File>,
    /// Units that are enabled.
    pub enable: BTreeMap<String, Kind>,
    /// Units that a maintainer script enables, and that are not to be.
    pub disable: BTreeMap<String, Kind>,
    /// Units that are masked.
    pub mask: BTreeMap<String, Kind>,
    /// Glob patterns of paths that are left out, in the order of the recipes.
    pub exclude: Vec<String>,
    /// Glob patterns of paths that stay although `exclude` names them.
    pub keep: Vec<String>,
    /// Who wins where two have one path: `package:NAME`, `component:NAME` or `recipe`.
    pub winners: BTreeMap<ImagePath, String>,
    /// What its packages' scripts come to in an image, where that is not known to all recipes.
    pub effects: crate::effects::Effects,
    /// Packages whose maintainer scripts are ignored, each with the reason.
    pub accept: BTreeMap<Name, String>,
    /// Whether each maintainer script must have been reviewed.
    pub reviewed_only: bool,
    /// Answers to questions of debconf, by their names.
    pub debconf: BTreeMap<String, String>,
    /// Where the boot-time program goes, and the names that it also answers to.
    pub configure: Option<Configure>,
    /// What gives an instance its identity.
    pub first_boot: FirstBoot,
    /// The initrd that is made for each kernel.
    pub initrd: Option<Initrd>,
    /// How its disks are laid out.
    pub disk: Disk,
}

/// Who asks for a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedPackage {
    /// Whose recipe says so.
    pub kind: Kind,
    /// Only for this architecture.
    pub arch: Option<Arch>,
}

/// Where a package is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSource {
    /// Whose recipe says so.
    pub kind: Kind,
    /// A suite, the archive of a third party, or `local`.
    pub from: String,
    /// What it may grant, where it is not Debian's; sorted.
    pub privileges: BTreeSet<Grant>,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Whose recipe says so.
    pub kind: Kind,
    /// Its digest, by machine.
    pub digests: BTreeMap<Arch, Sha256>,
    /// The archive or directory of the project that has it; none where it comes from its registry.
    pub from: Option<String>,
}

impl Image {
    /// Its digest for a machine; none where it is for others alone.
    #[must_use]
    pub fn digest(&self, arch: Arch) -> Option<Sha256> {
        self.digests.get(&arch).copied()
    }
}

/// An upstream component: where each of its files goes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Component {
    /// Whose recipe says so.
    pub kind: Kind,
    /// Only for these clouds; all when empty.
    pub providers: Vec<Provider>,
    /// Its files; empty for a .deb, which is unpacked as a package.
    pub files: Vec<Install>,
    /// How many leading parts of its archive's paths do not count, as `tar --strip-components` has it.
    #[serde(skip_serializing_if = "is_zero")]
    pub strip: u8,
    /// Whether its programs must be static.
    pub r#static: bool,
    /// Whether it is left out where the manifest does not pin it.
    pub optional: bool,
    /// Its units in `/etc/systemd/system`: in the image, and enabled, when it is.
    pub units: Vec<String>,
    /// What its package, a .deb, may grant; sorted.
    #[serde(serialize_with = "as_text", skip_serializing_if = "BTreeSet::is_empty")]
    pub privileges: BTreeSet<Grant>,
}

fn as_text<S: serde::Serializer>(grants: &BTreeSet<Grant>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(grants.iter().map(ToString::to_string))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// One file of a component.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Install {
    /// Its path in the archive, or a glob pattern when `to` ends in `/`; for a single binary `.`.
    pub from: String,
    /// Where it goes; a pattern's files go below it.
    pub to: String,
    /// Patterns that `from` must not match.
    pub except: Vec<String>,
    /// Mode, owner, group.
    pub access: Access,
}

/// Mode and owners by name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Access {
    /// 0 to 0o7777.
    pub mode: u16,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Group {
    /// Whose recipe says so.
    pub kind: Kind,
    /// Its id.
    pub gid: u32,
    /// Further members, sorted.
    pub members: Vec<String>,
}

/// A user; always with a group of the same name and id.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct User {
    /// Whose recipe says so.
    pub kind: Kind,
    /// Its id, and that of its group.
    pub uid: u32,
    /// GECOS.
    pub gecos: String,
    /// Home directory.
    pub home: ImagePath,
    /// Shell.
    pub shell: ImagePath,
    /// Further groups, sorted.
    pub groups: Vec<String>,
    /// Lines of its `~/.ssh/authorized_keys`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<String>,
    /// Whether it may do all as root, without a password.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sudo: bool,
}

impl User {
    /// Whether it has a shell, and so a home of its own.
    #[must_use]
    pub fn logs_in(&self) -> bool {
        !["nologin", "false"].contains(&self.shell.file_name())
    }
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Directory {
    /// Whose recipe says so.
    pub kind: Kind,
    /// Mode, owner, group.
    pub access: Access,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Link {
    /// Whose recipe says so.
    pub kind: Kind,
    /// Its target, as written.
    pub target: String,
}

/// A file of a `rootfs` folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Whose recipe it is of.
    pub kind: Kind,
    /// Its path in the recipe's folder: `rootfs/etc/…`.
    pub source: String,
    /// Mode, owner, group; what [`RootfsFile`] says of it unless the recipe says otherwise.
    pub access: Access,
    /// What it holds: bytes read once, or the target of a link.
    pub body: Body,
    /// Only for this cloud.
    pub provider: Option<Provider>,
}

/// What a file of a `rootfs` folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A regular file's bytes.
    Bytes(Arc<[u8]>),
    /// A symbolic link's target.
    Link(String),
}

/// Where the boot-time program goes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Configure {
    /// Its path.
    pub path: ImagePath,
    /// Mode, owner, group.
    pub access: Access,
    /// Links to it.
    pub links: Vec<ImagePath>,
}

impl Configure {
    /// Its links with what each is a link to: the name alone next to it, else the whole path.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&ImagePath, &str)> {
        self.links.iter().map(|link| {
            let beside = link.parent() == self.path.parent();
            (link, if beside { self.path.file_name() } else { self.path.as_str() })
        })
    }
}

/// What is in the initrd beyond what finds the usual disks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Initrd {
    /// Modules that are loaded when a device asks for them.
    pub modules: BTreeSet<String>,
    /// Modules that are loaded in any case.
    pub load: BTreeSet<String>,
}

impl Recipe {
    /// The packages that it asks for on `arch`, sorted.
    pub fn packages_for(&self, arch: Arch) -> impl Iterator<Item = &Name> {
        self.packages
            .iter()
            .filter(move |(_, asked)| asked.arch.is_none_or(|only| only == arch))
            .map(|(name, _)| name)
    }

    /// What its lock is asked for.
    #[must_use]
    pub fn request(&self, arch: Arch) -> crate::lock::Request {
        // what files are for an architecture the lock knows by their paths
        let taken = || self.taken.iter().filter(|(_, taken)| taken.from != LOCAL);
        let install: BTreeSet<&Name> = self.packages_for(arch).chain(taken().map(|(name, _)| name)).collect();
        let is_asked = |(_, asked): &(&String, &RequestedPackage)| asked.arch.is_none_or(|only| only == arch);
        let files = self.local.iter().filter(is_asked).map(|(path, _)| path.clone());
        crate::lock::Request {
            arch,
            install: install.into_iter().cloned().collect(),
            from: taken().map(|(name, taken)| (name.clone(), taken.from.clone())).collect(),
            files: files.collect(),
            recommends_of: self.recommends_of.keys().cloned().collect(),
            avoid: self.avoid.keys().cloned().collect(),
        }
    }
}
