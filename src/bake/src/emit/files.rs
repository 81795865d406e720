//! `<name>.files.json`: each path of an artifact with all that `stat` says of it, its digest, and who put it there.
//!
//! ```json
//! {"head":{"format":2,"artifacts":["base.debian-13.amd64.tar.zst"],"plan":"sha256:…",…},
//! "packages":[
//! {"name":"adduser","version":"3.152","suite":"trixie","sha256":"sha256:…","because":["recipe"],…}
//! ],
//! "components":[
//! ],
//! "images":[
//! {"format":1,"image":"registry.k8s.io/pause:3.10","digest":"sha256:…","kind":"knd"}
//! ],
//! "paths":[
//! {"path":"/usr/bin/x","type":"file","mode":"0755","uid":0,"gid":0,"mtime":…,"size":5,"sha256":"sha256:…","at":1024,"origins":[…]}
//! ]}
//! ```
//! One line a path, in the order of the archive. It answers `why` far from the machine of the bake, so the packages
//! with what asked for them and the components with their pins stand in it, too. Together with the contents it says
//! every bit of the tar: `inspect::verify` makes each header from its line again and compares. What was
//! decided about the inputs is in `<name>.record.json`.

use super::pax::Shape;
use crate::lock::{LockedPackage, LockedSuite};
use crate::manifest::Form;
use crate::plan::{Plan, PlannedImage};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use tree::digest::{Digest, Sha256};
use tree::name::{Arch, ImagePath, Kind, Name, Provider};
use tree::{Entry, Meta, Node, Origin};

/// The version of this form.
pub const FORMAT: u32 = 2;

/// The whole file, read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// What it is about.
    pub head: Head,
    /// The Debian packages, with what asked for each.
    pub packages: Vec<LockedPackage>,
    /// The upstream components.
    pub components: Vec<Component>,
    /// The container images; there is no such list where there are none.
    #[serde(default)]
    pub images: Vec<PlannedImage>,
    /// The paths, in the order of the archive.
    pub paths: Vec<Line>,
}

/// What a file list is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Head {
    /// `FORMAT`.
    pub format: u32,
    /// The file names of the artifacts that hold these paths.
    pub artifacts: Vec<String>,
    /// The digest of the plan.
    pub plan: Sha256,
    /// Which kind.
    pub kind: Kind,
    /// Itself and what it extends, the root first.
    pub lineage: Vec<Kind>,
    /// `debian-13`.
    pub os: String,
    /// Which architecture.
    pub arch: Arch,
    /// For one cloud, or for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// The time that no file is newer than, seconds since 1970.
    pub epoch: i64,
    /// The suites that vouch for the packages.
    pub suites: Vec<LockedSuite>,
    /// The digest of the boot-time program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configure: Option<Sha256>,
}

/// An upstream component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Component {
    /// Its name.
    pub name: Name,
    /// Upstream's version.
    pub version: String,
    /// Where upstream publishes it.
    pub url: String,
    /// What it is.
    pub r#type: Form,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whose recipe asks for it.
    pub kind: Kind,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Line {
    /// The path.
    pub path: ImagePath,
    /// Its type.
    pub r#type: Type,
    /// Permission bits, octal, four digits.
    pub mode: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// For a file: its length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// For a file: its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// For a file: where its first byte stands in the tar stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// For a link: its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// For a device: major and minor number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<(u32, u32)>,
    /// Extended attributes, their values in hexadecimal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// Who put it there; empty where the artifact alone was read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub origins: BTreeSet<Origin>,
}

/// The types of paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// Another name of a file.
    Hardlink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
}

impl Line {
    /// The line of an entry whose content stands at `at`.
    #[must_use]
    pub fn of(path: &ImagePath, entry: &Entry, at: u64) -> Self {
        let mut line = Self {
            path: path.clone(),
            r#type: Type::File,
            mode: format!("{:04o}", entry.meta.mode),
            uid: entry.meta.uid,
            gid: entry.meta.gid,
            mtime: entry.meta.mtime,
            size: None,
            sha256: None,
            at: None,
            target: None,
            device: None,
            xattrs: entry
                .meta
                .xattrs
                .iter()
                .map(|(name, value)| (name.clone(), base16ct::lower::encode_string(value)))
                .collect(),
            origins: entry.origins.clone(),
        };
        line.r#type = match &entry.node {
            Node::Directory => Type::Directory,
            Node::Fifo => Type::Fifo,
            Node::File(content) => {
                (line.size, line.sha256, line.at) = (Some(content.len()), Some(content.digest()), Some(at));
                Type::File
            }
            Node::Symlink(target) => {
                line.target = Some(target.clone());
                Type::Symlink
            }
            Node::Hardlink(target) => {
                line.target = Some(target.to_string());
                Type::Hardlink
            }
            Node::Character { major, minor } => {
                line.device = Some((*major, *minor));
                Type::Character
            }
            Node::Block { major, minor } => {
                line.device = Some((*major, *minor));
                Type::Block
            }
        };
        line
    }

    /// The header blocks that it has in the archive; none where the line says what no entry can be.
    #[must_use]
    pub fn header(&self) -> Option<Vec<u8>> {
        let hardlink: Option<ImagePath> = self.target.as_ref().and_then(|target| target.parse().ok());
        let shape = match (self.r#type, self.size, &self.target, self.device) {
            (Type::Directory, None, None, None) => Shape::Directory,
            (Type::Fifo, None, None, None) => Shape::Fifo,
            (Type::File, Some(size), None, None) => Shape::File(size),
            (Type::Symlink, None, Some(target), None) => Shape::Symlink(target),
            (Type::Hardlink, None, Some(_), None) => Shape::Hardlink(hardlink.as_ref()?),
            (Type::Character, None, None, Some((major, minor))) => Shape::Character(major, minor),
            (Type::Block, None, None, Some((major, minor))) => Shape::Block(major, minor),
            _ => return None,
        };
        let xattr = |(name, value): (&String, &String)| {
            Some((name.clone(), base16ct::lower::decode_vec(value).ok()?))
        };
        let meta = Meta {
            mode: u16::from_str_radix(&self.mode, 8).ok()?,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            xattrs: self.xattrs.iter().map(xattr).collect::<Option<_>>()?,
        };
        super::pax::header(&self.path, &meta, shape).ok()
    }
}

impl Head {
    fn of(plan: &Plan, artifacts: &[String]) -> Self {
        Self {
            format: FORMAT,
            artifacts: artifacts.to_vec(),
            plan: plan.digest(),
            kind: plan.kind.clone(),
            lineage: plan.lineage.clone(),
            os: plan.os.clone(),
            arch: plan.arch,
            provider: plan.provider,
            epoch: plan.epoch,
            suites: plan.suites.clone(),
            configure: plan.configure.as_ref().map(|configure| configure.digest),
        }
    }
}

/// Writes the file, line by line.
pub(super) fn print(
    out: &mut impl Write,
    plan: &Plan,
    artifacts: &[String],
    paths: impl Iterator<Item = Line>,
) -> io::Result<()> {
    let components = plan.components.iter().map(|component| Component {
        name: component.name.clone(),
        version: component.pin.version.clone(),
        url: component.pin.url.clone(),
        r#type: component.pin.form,
        digest: component.pin.digest.clone(),
        size: component.pin.size,
        kind: component.install.kind.clone(),
    });
    out.write_all(b"{\"head\":")?;
    serde_json::to_writer(&mut *out, &Head::of(plan, artifacts))?;
    list(out, "packages", plan.packages.iter())?;
    list(out, "components", components)?;
    if !plan.containers.is_empty() {
        list(out, "images", plan.containers.iter())?;
    }
    list(out, "paths", paths)?;
    out.write_all(b"}\n")
}

fn list(out: &mut impl Write, name: &str, items: impl Iterator<Item = impl Serialize>) -> io::Result<()> {
    write!(out, ",\n\"{name}\":[")?;
    for (nth, item) in items.enumerate() {
        out.write_all(if nth == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &item)?;
    }
    out.write_all(b"\n]")
}

/// Reads the file.
pub fn parse(bytes: &[u8]) -> Result<Files, serde_json::Error> {
    let files: Files = tree::refusal::record(bytes)?;
    if files.head.format != FORMAT {
        let wrong = format!("format: expected {FORMAT}, found {}", files.head.format);
        return Err(serde::de::Error::custom(wrong));
    }
    Ok(files)
}
