//! The drop-in: a manifest by which released Podplane starts machines from this image, and the small archive that it needs.
//!
//! ```text
//! <name>.qcow2                             os.image; its kernel and initrd, in place, are os.boot
//! <name>.vmconfig.tar.gz                   the one dependency: the names that user-data scripts call, which are in the image
//! vmconfig_<kind>_debian-13_<arch>.json    the manifest, by the name that the CLI asks for
//! ```
//! User-data scripts fetch every dependency of the manifest at each first boot, and fail where there is none. So there is
//! one, of less than a kilobyte: links to the boot-time program, the same that the image has. It names no directory: tar
//! would set their modes.
//!
//! Mirrors have both files below `vmconfig/artifacts/<dependency>/<version>/` or `<dependency>/<version>/`; the version is the
//! date and the beginning of the plan's digest, so that it is another one for each image.

use crate::manifest::{self, Entry, Form, Manifest, Pin, StockImage};
use crate::plan::{Draft, Plan};
use disk::Disk;
use flate2::{Compression, GzBuilder};
use std::io::{self, Write as _};
use store::output::Written;
use store::part::Part;
use tree::Tree;
use tree::digest::Sha256;
use tree::name::{Name, NameError, Role};
use tree::refusal::{Class, Refusal, Remedy, Result, Stage};

/// Where images are published when nobody says where: a name that is never found.
pub const NOWHERE: &str = "https://vmbake.invalid";
/// The dependency that is the image itself, on mirrors.
pub const OS_IMAGE: &str = "os-image";
/// The dependency that is the archive.
pub const VMCONFIG: &str = "vmconfig";

/// The names of a drop-in's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DropIn {
    version: String,
    /// The archive.
    pub(super) archive: String,
    /// The manifest.
    pub(super) manifest: String,
}

impl DropIn {
    /// That of `plan`; none for what is no node of a cluster.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        plan.configure.as_ref().filter(|_| plan.role != Role::None)?;
        let (Draft { kind, os, arch, .. }, name) = (&**plan, plan.name());
        let date = jiff::Timestamp::from_second(plan.epoch).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let digest = plan.digest().hex();
        let only = plan.provider.map_or_else(String::new, |provider| format!(".{provider}"));
        Some(Self {
            version: format!("{}-{}", date.strftime("%Y%m%d"), digest.get(..12).unwrap_or(&digest)),
            archive: format!("{name}.vmconfig.tar.gz"),
            manifest: format!("vmconfig_{kind}_{os}_{arch}{only}.json"),
        })
    }

    /// Writes the archive.
    pub(super) fn write_archive(&self, part: &mut Part<'_>, plan: &Plan) -> Result<()> {
        let written = archive(plan).and_then(|bytes| part.write_all(&bytes));
        written.map_err(|error| part.refusal("write", &error))
    }

    /// Writes the manifest; `image` and `archive` are the files that it is about, `base` is where they are published.
    pub(super) fn write_manifest(
        &self,
        part: &mut Part<'_>,
        about: (&Plan, &Tree, &Disk<'_>),
        files: (&Written, &Written),
        base: &str,
    ) -> Result<()> {
        let text = self.text(about, files, base)?;
        part.write_all(text.as_bytes()).map_err(|error| part.refusal("write", &error))
    }

    /// Refuses where no manifest can say that it is published, before the work of making it.
    pub(super) fn check(&self, about: (&Plan, &Tree, &Disk<'_>), base: &str) -> Result<()> {
        let file = |name: &str| Written { name: name.to_owned(), sha256: Sha256([0; 32]), size: 1 };
        self.text(about, (&file("image.qcow2"), &file(&self.archive)), base).map(drop)
    }

    /// The manifest, which can be read back.
    fn text(
        &self,
        (plan, tree, disk): (&Plan, &Tree, &Disk<'_>),
        files: (&Written, &Written),
        base: &str,
    ) -> Result<String> {
        let manifest = self
            .manifest_of(plan, (tree, disk), files, base)
            .map_err(|error| Refusal::new(Class::Usage, self.manifest.as_str(), Stage::Emit, error))?;
        let text = manifest::print(&manifest);
        manifest::parse(&self.manifest, text.as_bytes())
            .map_err(|refusal| refusal.remedy(Remedy::Publish))?;
        Ok(text)
    }

    fn manifest_of(
        &self,
        plan: &Plan,
        (tree, disk): (&Tree, &Disk<'_>),
        (image, archive): (&Written, &Written),
        base: &str,
    ) -> Result<Manifest, NameError> {
        let (version, base) = (&self.version, base.trim_end_matches('/'));
        let url = |name: &str, file: &str| format!("{base}/vmconfig/artifacts/{name}/{version}/{file}");
        let vmconfig = Pin {
            version: version.clone(),
            url: url(VMCONFIG, &archive.name),
            form: Form::TarGz,
            digest: archive.sha256.into(),
            size: archive.size,
            providers: Vec::new(),
        };
        let stock = StockImage {
            version: version.clone(),
            url: url(OS_IMAGE, &image.name),
            r#type: Form::Qcow2,
            digest: image.sha256.into(),
            size: image.size,
        };
        // a reader that knows no zstd finds no kernel there, and is better told of none: firmware starts the disk then
        let is_read = plan.disk.compression != disk::Compression::Zstd;
        Ok(Manifest {
            version: version.clone(),
            kind: plan.kind.clone(),
            os: plan.os.clone(),
            arch: plan.arch,
            stock: Some(stock),
            boot: is_read.then(|| super::records::boot(tree, disk)).flatten(),
            components: [(VMCONFIG.parse::<Name>()?, Entry::Pinned(vmconfig))].into(),
            images: plan.images.clone(),
        })
    }
}

/// The links to the boot-time program, packed without compression, so that no encoder decides the bytes.
fn archive(plan: &Plan) -> io::Result<Vec<u8>> {
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::none());
    let mut tar = tar::Builder::new(gzip);
    if let Some(configure) = &plan.configure {
        for (link, target) in configure.install.targets() {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_uid(0);
            header.set_gid(0);
            header.set_username("root")?;
            header.set_groupname("root")?;
            header.set_mtime(u64::try_from(plan.epoch).unwrap_or(0));
            header.set_size(0);
            tar.append_link(&mut header, link.relative(), target)?;
        }
    }
    tar.into_inner()?.finish()
}
