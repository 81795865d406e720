//! Inputs that are made once a test run and shared by all tests, which are processes of their own.
//!
//! ```text
//! <base>/store/                what was fetched, and what resolving derived from it; outlives runs
//! <base>/state/                the key of the stores
//! <base>/runs/<run>/vmbake     the program under test, copied: a build next to the tests cannot exchange it
//! <base>/runs/<run>/project/   recipes and manifests
//! <base>/runs/<run>/project.small/   that of `SMALL`
//! <base>/runs/<run>/mirror.<arch>/   stand-ins of upstream's components
//! <base>/runs/<run>/<image>/   lock, store and reference outputs of an image
//! <base>/runs/<run>/<step>.{lock,done,failed}
//! ```
//! The Debian packages are those of today: each run resolves its own locks, from the archive that the machine's apt
//! names. A step that failed is not tried again: the next test says what the first one said.

use crate::outputs::{Outputs, whole};
use crate::run::Run;
use crate::standin::{self, Arch, Layout};
use crate::workspace;
use anyhow::{Context as _, Result, bail, ensure};
use bake::lock::Lock;
use bake::manifest::Entry;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tree::digest::Digest;
use tree::release::OS;
use xshell::{Shell, cmd};

/// What is shared by the tests of this run.
#[derive(Debug)]
pub struct Shared {
    base: PathBuf,
    folder: PathBuf,
    /// Locked shared as long as we live: another run does not clear this one away.
    _in_use: File,
}

/// An image that tests bake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// `base`, `knd`, `knc`.
    pub kind: &'static str,
    /// Its architecture.
    pub arch: Arch,
}

/// The plain container host for x86-64.
pub const BASE: Image = Image { kind: "base", arch: Arch::Amd64 };

/// A system of few packages, without a kernel: for tests that bake many times, and to which it is all the same what is in an
/// image. It is the only kind of a project of its own.
pub const SMALL: Image = Image { kind: "small", arch: Arch::Amd64 };

/// The recipe of that.
const SMALL_RECIPE: &str =
    "[recipe]\nrole = \"none\"\n\n[packages]\ninstall = [\"adduser\", \"htop\", \"openssl\"]\n";

/// Every format of artifacts, as `--format` takes them.
#[must_use]
pub fn all_formats() -> String {
    disk::Format::ALL.map(disk::Format::as_str).join(",")
}

impl Image {
    /// `base.debian-13.amd64`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{OS}.{}", self.kind, self.arch)
    }
}

impl Shared {
    /// What this run shares: the program and the project are there, all else comes when it is asked for.
    pub fn get() -> Result<Self> {
        let base = base()?;
        let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("pid-{}", std::process::id()));
        let folder = base.join("runs").join(run);
        fs::create_dir_all(&folder)?;
        let in_use = File::create(folder.join("in-use"))?;
        in_use.lock_shared()?;
        clear_other_runs(&folder)?;
        let shared = Self { base, folder, _in_use: in_use };
        shared.once("program", || {
            fs::copy(workspace::program()?, shared.program())?;
            Ok(fs::set_permissions(shared.program(), fs::Permissions::from_mode(0o755))?)
        })?;
        shared.once("project", || copy_project(workspace::root(), &shared.project()))?;
        shared.once("project.small", || {
            let recipe = shared.project_of(SMALL).join("image-recipes").join(SMALL.kind);
            fs::create_dir_all(&recipe)?;
            Ok(fs::write(recipe.join("recipe.toml"), SMALL_RECIPE)?)
        })?;
        Ok(shared)
    }

    /// A run of the program's `command`, in the shared copy of the project.
    #[must_use]
    pub fn run(&self, command: &str) -> Run {
        self.run_in(&self.project(), command)
    }

    fn run_in(&self, project: &Path, command: &str) -> Run {
        // the key of stores that are shared is no more the user's own than they are
        Run::new(&self.program(), project, [command]).env("XDG_STATE_HOME", self.base.join("state"))
    }

    /// A run of `command` about `image`: with its lock, stand-ins for its components, and `configure` as it is built.
    pub fn about(&self, command: &str, image: Image) -> Result<Run> {
        let run = self.run_in(&self.project_of(image), command);
        let run = run.args(["--kind", image.kind, "--arch", &image.arch.to_string()]);
        let run = run.option("--lock", self.lock(image)?);
        if image == SMALL {
            return Ok(run);
        }
        Ok(run
            .option("--manifest", self.manifest(image)?)
            .option("--configure", self.configure(image.arch)?)
            .option("--first-boot", self.first_boot(image.arch)?)
            .option("--init", self.init(image.arch)?))
    }

    /// A bake of `image` from a store that has all of its inputs, or from mirrors.
    pub fn bake(&self, image: Image, store: &Path, output: &Path) -> Result<Run> {
        let mirror = self.mirror(image.arch)?;
        let run = self.about("bake", image)?.option("--mirror", mirror);
        Ok(run.option("--store", store).option("--output", output))
    }

    /// The program under test.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.folder.join("vmbake")
    }

    /// A copy of recipes and manifests.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        self.folder.join("project")
    }

    fn project_of(&self, image: Image) -> PathBuf {
        if image == SMALL { self.folder.join("project.small") } else { self.project() }
    }

    /// The recipe of `SMALL`.
    #[must_use]
    pub fn small_recipe(&self) -> PathBuf {
        self.project_of(SMALL).join("image-recipes").join(SMALL.kind).join("recipe.toml")
    }

    /// Another copy of them: not of the checkout, which may be worked on meanwhile.
    pub fn copy_project(&self, to: &Path) -> Result<()> {
        copy_project(&self.project(), to)
    }

    /// Another checkout, from which the programs of an image can be built.
    pub fn copy_checkout(&self, to: &Path) -> Result<()> {
        self.copy_project(to)?;
        let shell = Shell::new()?;
        for part in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo", "src", "xtask", "tests"] {
            let from = workspace::root().join(part);
            cmd!(shell, "cp --recursive {from} {to}").quiet().run()?;
        }
        Ok(())
    }

    /// A mirror of stand-ins.
    pub fn mirror(&self, arch: Arch) -> Result<PathBuf> {
        let step = format!("mirror.{arch}");
        let mirror = self.folder.join(&step);
        self.once(&step, || standin::write_mirror(&mirror, arch, Layout::Older))?;
        Ok(mirror)
    }

    /// The manifest of `image` that pins stand-ins.
    pub fn manifest(&self, image: Image) -> Result<PathBuf> {
        Ok(self.mirror(image.arch)?.join(format!("manifests/{}.json", image.name())))
    }

    /// The lock of `image`, read.
    pub fn locked(&self, image: Image) -> Result<Lock> {
        Ok(bake::lock::parse(&fs::read_to_string(self.lock(image)?)?)?)
    }

    /// The lock of `image`, resolved in this run.
    pub fn lock(&self, image: Image) -> Result<PathBuf> {
        let folder = self.image_folder(image)?;
        let path = folder.join("lock.toml");
        self.once(&format!("lock.{}", image.name()), || {
            let run = self.run_in(&self.project_of(image), "lock");
            let run = run.args(["--kind", image.kind, "--arch", &image.arch.to_string()]);
            let run = run.option("--store", self.store()).option("--output", &path);
            if image == SMALL {
                return run.done().map(drop);
            }
            // what a component of it needs is resolved as well
            let run = run.option("--manifest", self.manifest(image)?);
            run.option("--mirror", self.mirror(image.arch)?).done().map(drop)
        })?;
        Ok(path)
    }

    /// `configure`, built for `arch` as the program builds it.
    pub fn configure(&self, arch: Arch) -> Result<PathBuf> {
        self.built("configure", arch)
    }

    /// `first-boot`, likewise.
    pub fn first_boot(&self, arch: Arch) -> Result<PathBuf> {
        self.built("first-boot", arch)
    }

    /// `init`, likewise.
    pub fn init(&self, arch: Arch) -> Result<PathBuf> {
        self.built("init", arch)
    }

    fn built(&self, program: &str, arch: Arch) -> Result<PathBuf> {
        let path = self.folder.join(format!("{program}.{arch}"));
        self.once(&format!("{program}.{arch}"), || {
            let run = self.run("program").args([program, "--arch", &arch.to_string()]);
            run.option("--output", &path).from_folder(workspace::root()).done().map(drop)
        })?;
        Ok(path)
    }

    /// Makes `store` a store that has the inputs of `image` and nothing that is derived from them.
    pub fn cold_store(&self, image: Image, store: &Path) -> Result<()> {
        let from = self.fetched(image)?;
        let mut copies = vec![PathBuf::from("layout")];
        copies.extend(self.locked(image)?.packages.iter().map(|package| blob(&package.sha256.into())));
        if image != SMALL {
            let manifest = bake::manifest::parse("manifest", &fs::read(self.manifest(image)?)?)?;
            let pins = manifest.components.values().filter_map(|entry| match entry {
                Entry::Pinned(pin) => Some(blob(&pin.digest)),
                Entry::Unpinned { .. } => None,
            });
            // what is only for one cloud has not been fetched
            copies.extend(pins.filter(|path| from.join(path).exists()));
            // so are the parts of container images: those of base are none
            let parts = fs::read_dir(self.mirror(image.arch)?.join("images/blobs/sha256"));
            for part in parts.into_iter().flatten() {
                let name = part?.file_name();
                let digest: Digest = format!("sha256:{}", name.to_string_lossy()).parse()?;
                copies.extend(Some(blob(&digest)).filter(|path| from.join(path).exists()));
            }
        }
        for path in copies {
            let to = store.join(&path);
            let parent = to.parent().context("a file is in a directory")?;
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            fs::copy(from.join(&path), to).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// A store with at least the inputs of `image`.
    fn fetched(&self, image: Image) -> Result<PathBuf> {
        let store = self.store();
        self.once(&format!("inputs.{}", image.name()), || {
            let run = self.about("fetch", image)?.option("--mirror", self.mirror(image.arch)?);
            run.option("--store", &store).done().map(drop)
        })?;
        Ok(store)
    }

    /// The store that all runs fetch into.
    pub fn store(&self) -> PathBuf {
        self.base.join("store")
    }

    /// A store that a bake of `image` has used, with all that it derived; shared, so only for runs that may be warm.
    pub fn warm_store(&self, image: Image) -> Result<PathBuf> {
        self.reference(image)?;
        Ok(self.image_folder(image)?.join("store"))
    }

    /// What a bake of `image` gives: each other bake must give the same.
    pub fn reference(&self, image: Image) -> Result<Outputs> {
        let folder = self.image_folder(image)?;
        let (store, output) = (folder.join("store"), folder.join("dist"));
        self.once(&format!("reference.{}", image.name()), || {
            self.cold_store(image, &store)?;
            self.bake(image, &store, &output)?.done().map(drop)
        })?;
        whole(&output, &image.name())
    }

    /// What a bake of `image` in every format gives.
    pub fn reference_of_all(&self, image: Image) -> Result<Outputs> {
        let (store, output) = (self.warm_store(image)?, self.image_folder(image)?.join("dist.all"));
        self.once(&format!("reference.all.{}", image.name()), || {
            self.bake(image, &store, &output)?.option("--format", all_formats()).done().map(drop)
        })?;
        whole(&output, &image.name())
    }

    /// Where the reference outputs of `image` are.
    pub fn reference_folder(&self, image: Image) -> Result<PathBuf> {
        self.reference(image)?;
        Ok(self.image_folder(image)?.join("dist"))
    }

    /// `image` as a disk in `format` (`raw`, `qcow2`…); only read, as it is shared.
    pub fn disk(&self, image: Image, format: &str) -> Result<PathBuf> {
        let folder = self.image_folder(image)?;
        let (store, output) = (folder.join("store"), folder.join(format!("disk.{format}")));
        self.once(&format!("disk.{}.{format}", image.name()), || {
            if !store.exists() {
                self.cold_store(image, &store)?;
            }
            self.bake(image, &store, &output)?.option("--format", format).done().map(drop)
        })?;
        Ok(output.join(format!("{}.{format}", image.name())))
    }

    /// The Debian packages of `image` as an archive has them: path below the archive's parent
    /// (`debian/pool/main/…`, `debian-security/pool/…`), and the file.
    pub fn pool(&self, image: Image) -> Result<Vec<(String, PathBuf)>> {
        let lock = self.locked(image)?;
        let store = self.fetched(image)?;
        let archive =
            |suite: &str| lock.suites.iter().find(|known| known.name == suite).map(|known| &known.archive);
        lock.packages
            .iter()
            .map(|package| {
                let archive = archive(&package.suite).context("a suite of the lock")?;
                Ok((format!("{archive}/{}", package.file), store.join(blob(&package.sha256.into()))))
            })
            .collect()
    }

    /// A folder of this test's own, in the same file system; removed with the value.
    pub fn scratch(&self) -> Result<tempfile::TempDir> {
        let dir = tempfile::Builder::new().prefix("test-").tempdir_in(&self.folder)?;
        // other users of a test look into it
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        Ok(dir)
    }

    fn image_folder(&self, image: Image) -> Result<PathBuf> {
        let folder = self.folder.join(image.name());
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Does `work` in the first process that comes, while the others wait.
    fn once(&self, step: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let place = |suffix: &str| self.folder.join(format!("{step}.{suffix}"));
        if place("done").exists() {
            return Ok(());
        }
        let lock = File::create(place("lock"))?;
        lock.lock()?;
        if place("done").exists() {
            return Ok(());
        }
        if let Ok(error) = fs::read_to_string(place("failed")) {
            bail!("{step}: {error}");
        }
        if let Err(error) = work() {
            fs::write(place("failed"), format!("{error:#}"))?;
            return Err(error.context(step.to_owned()));
        }
        Ok(fs::write(place("done"), "")?)
    }
}

/// Copies recipes and manifests.
pub fn copy_project(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let shell = Shell::new()?;
    for part in ["image-recipes", "manifests"] {
        let from = from.join(part);
        cmd!(shell, "cp --recursive {from} {to}").quiet().run()?;
    }
    Ok(())
}

/// Where a store has a blob.
#[must_use]
pub fn blob(digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    Path::new("blobs").join(digest.algorithm()).join(&hex[..2]).join(hex)
}

/// Where shared files live: below the target directory, unless another user could not get there.
fn base() -> Result<PathBuf> {
    let usual = workspace::target().join("tmp/e2e");
    fs::create_dir_all(&usual)?;
    let open = |dir: &Path| fs::metadata(dir).is_ok_and(|meta| meta.mode() & 0o001 != 0);
    if usual.ancestors().all(open) {
        return Ok(usual);
    }
    let other = std::env::temp_dir().join("vmbake-tests");
    fs::create_dir_all(&other)?;
    ensure!(other.ancestors().all(open), "another user cannot reach `{}`; set TMPDIR", other.display());
    Ok(other)
}

/// Removes what earlier runs left. A run that has just had its last look may be between two tests: it is left alone.
fn clear_other_runs(own: &Path) -> Result<()> {
    let runs = own.parent().context("a run is in a folder of runs")?;
    for entry in fs::read_dir(runs)? {
        let path = entry?.path();
        let Ok(in_use) = File::open(path.join("in-use")) else { continue };
        let idle = in_use.metadata()?.modified()?.elapsed().unwrap_or_default() > Duration::from_secs(120);
        if path != own && idle && in_use.try_lock().is_ok() {
            // another process may be at it too
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}
