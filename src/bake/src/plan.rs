//! The plan: everything decided, nothing done.
//!
//! It has no host, clock, user or environment in it: the same manifest, lock, recipe and `configure` give the same
//! plan, its digest names the image, and `bake` executes just this value. While it is decided it is a [`Draft`].

mod apt_sources;
mod components;
mod disk;
mod first_boot;
mod images;
mod remarks;
mod requirements;
mod resolved;
#[cfg(test)]
mod tests;
mod third_party;
mod units;

use crate::effects::{self, Effects};
use crate::lock::{Lock, LockedPackage, LockedSuite};
use crate::manifest::{ContainerImage, Manifest, Pin};
use crate::policy::Policy;
use crate::recipe::{self, Recipe};
use crate::sources::{Published, Snapshots, Sources, is_debian};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tree::digest::Sha256;
use tree::name::{Arch, ImagePath, Kind, Name, Provider, Role};
use tree::privilege::Grant;
use tree::refusal::{Class, Refusal, Result, Stage};

pub use self::disk::Disk;
pub use self::first_boot::PlannedFirstBoot;
pub use images::PlannedImage;
pub use remarks::Remark;
pub use requirements::{Requirement, Source, component_requirement, package_requirements};
pub use resolved::resolved;
pub use third_party::remarks as third_party_remarks;

/// The version of the plan's shape and of how it is executed. A change that changes bytes raises it.
const FORMAT: u32 = 5;
/// The zstd level of the tar.
const LEVEL: i32 = 3;
/// The zstd level of an initrd: most of it is compressed already, and the rest takes milliseconds at this one.
const INITRD_LEVEL: i32 = 12;

/// What a bake will do, as long as it may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// The version of this shape, and of how it is executed: a change of bytes is a change of this number.
    pub format: u32,
    /// Which kind.
    pub kind: Kind,
    /// Itself and what it extends, the root first.
    pub lineage: Vec<Kind>,
    /// What such a node does.
    pub role: Role,
    /// `debian-13`.
    pub os: String,
    /// The manifest's own version.
    pub version: String,
    /// Which architecture.
    pub arch: Arch,
    /// For one cloud, or for any.
    pub provider: Option<Provider>,
    /// What it is called beyond that.
    #[serde(skip_serializing_if = "Label::is_none")]
    pub label: Label,
    /// The time of every file that would be newer, seconds since 1970: the lock's newest date, or SOURCE_DATE_EPOCH.
    pub epoch: i64,
    /// The suites that vouch for the packages.
    pub suites: Vec<LockedSuite>,
    /// Where the states of the suites' archives are kept.
    pub snapshots: Snapshots,
    /// Debian packages, sorted by name.
    pub packages: Vec<LockedPackage>,
    /// What packages that are not Debian's may grant, by package.
    #[serde(serialize_with = "third_party::as_text", skip_serializing_if = "BTreeMap::is_empty")]
    pub allowed: BTreeMap<Name, BTreeSet<Grant>>,
    /// Upstream components, sorted by name.
    pub components: Vec<PlannedComponent>,
    /// What was decided about packages and components beyond taking them as they are pinned.
    pub remarks: Vec<Remark>,
    /// Container images that belong to the image.
    pub images: Vec<ContainerImage>,
    /// Container images that are in containerd's store when a machine starts: those, and what the recipe adds; by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<PlannedImage>,
    /// The boot-time program.
    pub configure: Option<PlannedConfigure>,
    /// What gives an instance its identity, where it is not cloud-init.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_boot: Option<PlannedFirstBoot>,
    /// The program of the initrd.
    pub init: Option<PlannedInit>,
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
    /// Units that a maintainer script enables, and that are not to be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub disable: BTreeMap<String, Kind>,
    /// Units that are masked.
    pub mask: BTreeMap<String, Kind>,
    /// Paths that are left out.
    pub exclude: Vec<String>,
    /// Paths that stay although `exclude` names them.
    pub keep: Vec<String>,
    /// Who wins where two have one path.
    pub winners: BTreeMap<ImagePath, String>,
    /// What a person has found the maintainer scripts of packages to do, by package. All others are interpreted.
    pub effects: Effects,
    /// Packages whose maintainer scripts are ignored, each with the recipe's reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub accept: BTreeMap<Name, String>,
    /// Whether each maintainer script must have been reviewed by a person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reviewed_only: bool,
    /// Answers to questions of debconf, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub debconf: BTreeMap<String, String>,
    /// How the tar is compressed.
    pub compression: Compression,
    /// How the disk is laid out.
    pub disk: Disk,
}

/// What a bake will do: a draft that is sealed. What is in it can be read and not changed, so that its digest is that of
/// what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    draft: Draft,
    digest: Sha256,
}

/// What an image is called where that is not just what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Label {
    /// In the place of kind, system and architecture.
    pub name: Option<Name>,
    /// After all else: a version.
    pub tag: Option<Name>,
}

impl Label {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
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

/// The program that finds the root file system, and which modules are next to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedInit {
    /// Modules beyond the usual ones, each loaded when a device asks for it.
    pub modules: Vec<String>,
    /// Modules that are loaded in any case.
    pub load: Vec<String>,
    /// The zstd level of the initrd.
    pub level: i32,
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

/// What decides a plan, beside manifest, lock and recipe.
#[derive(Debug, Clone)]
pub struct Choices {
    /// For one cloud, or for any.
    pub provider: Option<Provider>,
    /// What the image is called beyond what it is.
    pub label: Label,
    /// The time of every file that would be newer; the lock's newest date when there is none.
    pub epoch: Option<i64>,
    /// The boot-time program; needed where the recipe has a place for it.
    pub configure: Option<Arc<[u8]>>,
    /// What gives an instance its identity; needed where the recipe has it in the place of cloud-init.
    pub first_boot: Option<Arc<[u8]>>,
    /// The program of the initrd; needed where the recipe has one.
    pub init: Option<Arc<[u8]>>,
    /// What is known of packages' maintainer scripts; a recipe's own entry for a package is taken instead.
    pub effects: Effects,
    /// Where the states of archives are kept.
    pub snapshots: Snapshots,
    /// The archives of third parties that are known, and suites that are taken from by name.
    pub published: BTreeMap<String, Published>,
}

/// Decides what a bake does.
pub fn plan(
    recipe: &Recipe,
    manifest: &Manifest,
    lock: &Lock,
    policy: &Policy,
    choices: &Choices,
) -> Result<Plan> {
    agree(recipe, manifest, lock)?;
    let is_known = |suite: &LockedSuite| match is_debian(&suite.archive) {
        true => choices.snapshots.has(&suite.archive),
        // it may keep no past states
        false => choices.published.contains_key(&suite.archive),
    };
    if let Some(suite) = lock.suites.iter().find(|suite| !is_known(suite)) {
        let what = format!(
            "suite `{}` is of archive `{}`, which sources.toml does not have",
            suite.name, suite.archive
        );
        return Err(refuse("lock", what));
    }
    let newest = lock.suites.iter().map(|suite| suite.date).max();
    let newest = newest.ok_or_else(|| refuse("lock", "it names no suite".to_owned()))?;
    let mut remarks = Vec::new();
    for LockedPackage { name, version, sha256, .. } in &lock.packages {
        let overridden = policy.check(name, version, &(*sha256).into(), false)?;
        remarks.extend(overridden.map(|line| Remark::overridden(name, version, line)));
    }
    remarks.extend(third_party::remarks(lock));
    let (components, of_components) = components::chosen(recipe, manifest, lock, policy, choices.provider)?;
    remarks.extend(of_components);
    let accepted =
        |(name, reason): (&Name, &String)| Remark::Accepted { name: name.clone(), reason: reason.clone() };
    remarks.extend(recipe.accept.iter().map(accepted));
    let units = units::of(recipe, &components);
    let (containers, of_images) = images::planned(recipe, manifest, lock.arch, policy)?;
    remarks.extend(of_images);
    Ok(Draft {
        format: FORMAT,
        kind: recipe.kind.clone(),
        lineage: recipe.lineage.clone(),
        role: recipe.role,
        os: manifest.os.clone(),
        version: manifest.version.clone(),
        arch: lock.arch,
        provider: choices.provider,
        label: choices.label.clone(),
        epoch: choices.epoch.unwrap_or(newest.as_second()),
        suites: lock.suites.clone(),
        snapshots: choices.snapshots.only(&lock.suites.iter().map(|suite| suite.archive.as_str()).collect()),
        packages: lock.packages.clone(),
        allowed: third_party::allowed(recipe, lock)?,
        components,
        remarks,
        images: manifest.images.clone(),
        containers,
        configure: configure(recipe, choices)?,
        first_boot: first_boot::first_boot(recipe, lock, choices)?,
        init: init(recipe, choices)?,
        ids: recipe.ids.clone(),
        groups: recipe.groups.clone(),
        users: recipe.users.clone(),
        directories: recipe.directories.clone(),
        links: recipe.links.clone(),
        files: files(recipe, choices, &units.absent)?,
        enable: units.enable,
        disable: recipe.disable.clone(),
        mask: recipe.mask.clone(),
        exclude: recipe.exclude.clone(),
        keep: recipe.keep.clone(),
        winners: recipe.winners.clone(),
        effects: effects(recipe, lock, choices),
        accept: recipe.accept.clone(),
        reviewed_only: recipe.reviewed_only,
        debconf: recipe.debconf.clone(),
        compression: Compression { level: LEVEL },
        disk: disk(recipe, manifest),
    }
    .seal())
}

/// A plan of just the Debian packages of `lock`, for what their maintainer scripts do in an image of `recipe`: without components,
/// and whatever else a manifest or another program decides.
pub fn packages_only(recipe: &Recipe, lock: &Lock, effects: &Effects, sources: &Sources) -> Result<Plan> {
    let mut recipe = recipe.clone();
    recipe.components.clear();
    recipe.images.clear();
    // what is for a component is not known here
    recipe.accept.retain(|name, _| lock.packages.iter().any(|package| package.name == *name));
    (recipe.configure, recipe.initrd) = (None, None);
    if recipe.first_boot == recipe::FirstBoot::Native {
        // its units come with its program
        recipe.first_boot = recipe::FirstBoot::CloudInit;
        recipe.enable.retain(|unit, _| !recipe::FIRST_BOOT_UNITS.contains(&unit.as_str()));
    }
    let manifest = Manifest {
        version: String::new(),
        kind: recipe.kind.clone(),
        os: String::new(),
        arch: lock.arch,
        stock: None,
        boot: None,
        components: BTreeMap::new(),
        images: Vec::new(),
    };
    let choices = Choices {
        provider: None,
        label: Label::default(),
        epoch: None,
        configure: None,
        first_boot: None,
        init: None,
        effects: effects.clone(),
        snapshots: sources.snapshots(),
        published: sources.published(),
    };
    plan(&recipe, &manifest, lock, &Policy::default(), &choices)
}

impl Draft {
    /// The plan that this is: nothing more is decided.
    #[must_use]
    pub fn seal(self) -> Plan {
        // a plan has no map with keys that are no text and no number that is no JSON: this cannot fail
        let digest = Sha256::of(&serde_json::to_vec(&self).unwrap_or_default());
        Plan { draft: self, digest }
    }
}

impl std::ops::Deref for Plan {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}

impl Serialize for Plan {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.draft.serialize(serializer)
    }
}

impl Plan {
    /// What it says, to be changed and sealed anew.
    #[must_use]
    pub fn into_draft(self) -> Draft {
        self.draft
    }

    /// The name of the image: `knc.debian-13.amd64`, with the cloud after it where it is for just one, or the name that it
    /// was given; and the tag after that.
    #[must_use]
    pub fn name(&self) -> String {
        let Draft { kind, os, arch, label, .. } = &self.draft;
        let mut name = match (&label.name, self.provider) {
            (Some(name), _) => name.to_string(),
            (None, None) => format!("{kind}.{os}.{arch}"),
            (None, Some(provider)) => format!("{kind}.{os}.{arch}.{provider}"),
        };
        if let Some(tag) = &label.tag {
            name = format!("{name}.{tag}");
        }
        name
    }

    /// The digest of all that is decided; it names the image.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// What its disk is laid out by.
    #[must_use]
    pub fn disk_spec(&self) -> ::disk::Spec {
        let Disk { partitions, size, cmdline, compression } = &self.disk;
        ::disk::Spec {
            seed: self.digest(),
            name: self.name(),
            kind: self.kind.clone(),
            arch: self.arch,
            epoch: self.epoch,
            partitions: partitions.clone(),
            size: *size,
            cmdline: cmdline.clone(),
            compression: *compression,
            level: self.compression.level,
        }
    }

    /// What must be in the store: packages, then components, each by name.
    #[must_use]
    pub fn requirements(&self) -> Vec<Requirement> {
        let packages = package_requirements(&self.packages, &self.suites);
        let components =
            self.components.iter().map(|component| component_requirement(&component.name, &component.pin));
        packages.into_iter().chain(components).collect()
    }
}

fn refuse(artifact: &str, what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Refusal {
    Refusal::new(Class::Usage, artifact, Stage::Plan, what)
}

/// Manifest, lock and recipe must be of one kind and architecture, and the lock must answer what the recipe asks.
fn agree(recipe: &Recipe, manifest: &Manifest, lock: &Lock) -> Result<()> {
    for (what, got) in [("manifest", &manifest.kind), ("lock", &lock.kind)] {
        if *got != recipe.kind {
            return Err(refuse(what, format!("expected kind `{}`, found `{got}`", recipe.kind)));
        }
    }
    if manifest.arch != lock.arch {
        return Err(refuse(
            "manifest",
            format!("expected architecture `{}`, found `{}`", lock.arch, manifest.arch),
        ));
    }
    Ok(())
}

/// The disk. What a manifest says of how its machines are started without firmware is for a program that reads kernel and
/// initrd out of qcow2 images, and knows no zstd; a recipe may say otherwise.
fn disk(recipe: &Recipe, manifest: &Manifest) -> Disk {
    let mut disk = Disk::of(&recipe.disk, manifest.arch);
    if manifest.boot.is_some() && recipe.disk.compression.is_none() {
        disk.compression = ::disk::Compression::Zlib;
    }
    disk
}

/// The effects of the packages that are in the image, those of its components by their own name.
fn effects(recipe: &Recipe, lock: &Lock, choices: &Choices) -> Effects {
    let packages = lock.packages.iter().map(|package| effects::key(&package.name));
    let names: BTreeSet<Name> = packages.chain(recipe.components.keys().cloned()).collect();
    let mut all = choices.effects.clone();
    all.retain(|name, _| names.contains(name));
    // what a recipe declares it means, also for a component whose package has another name
    all.extend(recipe.effects.clone());
    all
}

fn configure(recipe: &Recipe, choices: &Choices) -> Result<Option<PlannedConfigure>> {
    match (&recipe.configure, &choices.configure) {
        (None, _) => Ok(None),
        (Some(_), None) => {
            Err(refuse("configure", "the recipe installs it, but it was not built".to_owned()))
        }
        (Some(install), Some(bytes)) => Ok(Some(PlannedConfigure {
            install: install.clone(),
            digest: Sha256::of(bytes),
            size: bytes.len() as u64,
            bytes: Arc::clone(bytes),
        })),
    }
}

fn init(recipe: &Recipe, choices: &Choices) -> Result<Option<PlannedInit>> {
    match (&recipe.initrd, &choices.init) {
        (None, _) => Ok(None),
        (Some(_), None) => {
            Err(refuse("init", "the recipe has an initrd, but its program was not built".to_owned()))
        }
        (Some(initrd), Some(bytes)) => Ok(Some(PlannedInit {
            modules: initrd.modules.iter().cloned().collect(),
            load: initrd.load.iter().cloned().collect(),
            level: INITRD_LEVEL,
            digest: Sha256::of(bytes),
            size: bytes.len() as u64,
            bytes: Arc::clone(bytes),
        })),
    }
}

/// The recipes' files for the provider without those of `absent` units; one that is for just this cloud replaces one for
/// any. They replace what the recipe has written for apt.
fn files(recipe: &Recipe, choices: &Choices, absent: &BTreeSet<ImagePath>) -> Result<Vec<PlannedFile>> {
    let provider = choices.provider;
    let mut chosen: BTreeMap<&ImagePath, &recipe::File> = BTreeMap::new();
    for ((path, of), file) in &recipe.files {
        // the map has `None` before any cloud for the same path
        if (of.is_none() || *of == provider) && !absent.contains(path) {
            chosen.insert(path, file);
        }
    }
    let planned = |(path, file): (&ImagePath, &recipe::File)| {
        let (digest, target) = match &file.body {
            recipe::Body::Bytes(bytes) => (Some(Sha256::of(bytes)), None),
            recipe::Body::Link(target) => (None, Some(target.clone())),
        };
        let recipe::File { kind, source, access, body, .. } = file.clone();
        PlannedFile { path: path.clone(), kind, source, access, digest, target, body }
    };
    let mut files: BTreeMap<ImagePath, PlannedFile> = BTreeMap::new();
    let written = apt_sources::files(recipe, &choices.published)?;
    for file in written.into_iter().chain(chosen.into_iter().map(planned)) {
        files.insert(file.path.clone(), file);
    }
    Ok(files.into_values().collect())
}
