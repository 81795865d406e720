//! A kind of one's own: `base` with packages that a person asks for by one word each.

use crate::run::Run;
use crate::shared::{Image, Shared, blob};
use crate::standin::Arch;
use anyhow::{Context as _, Result};
use bake::lock::Lock;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tree::release::OS;

/// The kind's name.
const NAME: &str = "servers";

/// What such a kind says beside what it inherits.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Packages that it has.
    pub install: Vec<String>,
    /// Packages of `base` that it leaves out.
    pub without: Vec<String>,
    /// Units that `base` enables of those.
    pub without_units: Vec<String>,
    /// Whether it has the program of this project in the place of cloud-init.
    pub native: bool,
    /// Files that lie in the image as they are, by path.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Wishes {
    /// These packages, and nothing else.
    #[must_use]
    pub fn packages(names: &[&str]) -> Self {
        Self { install: names.iter().map(|name| (*name).to_owned()).collect(), ..Self::default() }
    }

    /// The recipe that says so, but for the files.
    fn recipe(&self) -> String {
        let Self { install, without, without_units, native, files: _ } = self;
        let first_boot = if *native { "native" } else { "cloud-init" };
        format!(
            "[recipe]\nextends = \"base\"\nfirst-boot = \"{first_boot}\"\n\n[packages]\ninstall = {install:?}\nwithout = {without:?}\n\n\
             [units]\nwithout = {without_units:?}\n"
        )
    }
}

/// Adds a kind of this name and recipe to a project, with the manifest of `base` for `arch`.
pub fn add(project: &Path, name: &str, arch: Arch, recipe: &str, manifest: &str) -> Result<()> {
    let folder = project.join("image-recipes").join(name);
    fs::create_dir(&folder)?;
    fs::write(folder.join("recipe.toml"), recipe)?;
    let manifest = manifest.replace("\"base\"", &format!("{name:?}"));
    Ok(fs::write(project.join(format!("manifests/{name}.{OS}.{arch}.json")), manifest)?)
}

/// A project with such a kind, and its lock.
pub struct OwnKind<'s> {
    shared: &'s Shared,
    arch: Arch,
    native: bool,
    /// The project.
    pub project: PathBuf,
    lock: PathBuf,
}

impl<'s> OwnKind<'s> {
    /// A copy of the project below `folder`, with a kind of these wishes for x86-64 that is resolved in this run.
    pub fn new(shared: &'s Shared, folder: &Path, wishes: &Wishes) -> Result<Self> {
        Self::for_arch(shared, folder, Arch::Amd64, wishes)
    }

    /// The same for machines of `arch`.
    pub fn for_arch(shared: &'s Shared, folder: &Path, arch: Arch, wishes: &Wishes) -> Result<Self> {
        let (project, lock) = (folder.join("project"), folder.join("lock.toml"));
        shared.copy_project(&project)?;
        let manifest = shared.manifest(Image { kind: "base", arch })?;
        add(&project, NAME, arch, &wishes.recipe(), &fs::read_to_string(manifest)?)?;
        let recipe = project.join("image-recipes").join(NAME);
        for (path, bytes) in &wishes.files {
            let to = recipe.join("rootfs").join(path.trim_start_matches('/'));
            fs::create_dir_all(to.parent().context("a file is in a directory")?)?;
            fs::write(to, bytes)?;
        }
        let own = Self { shared, arch, native: wishes.native, project, lock };
        own.about("lock").option("--output", &own.lock).done()?;
        Ok(own)
    }

    /// The name of its image.
    #[must_use]
    pub fn image(&self) -> String {
        format!("{NAME}.{OS}.{}", self.arch)
    }

    /// Its lock.
    pub fn locked(&self) -> Result<Lock> {
        Ok(bake::lock::parse(&fs::read_to_string(&self.lock)?)?)
    }

    /// The files of its packages, in the order of the lock, each with its path in the archive.
    pub fn pool(&self) -> Result<Vec<(String, PathBuf)>> {
        let store = self.shared.store();
        let file = |package: &bake::lock::LockedPackage| {
            (package.file.clone(), store.join(blob(&package.sha256.into())))
        };
        Ok(self.locked()?.packages.iter().map(file).collect())
    }

    /// A bake of it into `output`.
    pub fn bake(&self, output: &Path) -> Result<Run> {
        let run = self.about("bake").option("--lock", &self.lock).option("--output", output);
        let run = match self.native {
            true => run.option("--first-boot", self.shared.first_boot(self.arch)?),
            false => run,
        };
        Ok(run.option("--init", self.shared.init(self.arch)?))
    }

    fn about(&self, command: &str) -> Run {
        let run = Run::new(&self.shared.program(), &self.project, [command, "--kind", NAME]);
        run.option("--arch", self.arch.to_string()).option("--store", self.shared.store())
    }
}
