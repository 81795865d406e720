//! What is measured with: the packages of today, and one of them changed.

use anyhow::{Context as _, Result};
use bake::lock::Lock;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use tree::digest::{Digest, Sha256};
use vmbake::programs::{self, Program};
use vmbake::progress::ShowArgs;
use vmbake::project::Project;
use xshell::{Cmd, Shell, cmd};

/// The kind that is baked: it is made of Debian packages only, so that other programs can make the same.
pub(crate) const KIND: &str = "base";

/// The package that is changed: one that is often updated, neither small nor the largest.
const CHANGED: &str = "systemd";

/// All of it, below one folder.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// The folder.
    pub(crate) work: PathBuf,
    /// This program.
    pub(crate) program: PathBuf,
    /// The packages.
    pub(crate) lock: Lock,
    /// Where the lock is.
    pub(crate) lock_path: PathBuf,
    /// A lock that differs in one package.
    pub(crate) changed_lock: PathBuf,
    /// A mirror that has just that package.
    pub(crate) changed_mirror: PathBuf,
    /// The packages as files of a directory.
    pub(crate) debs: Vec<PathBuf>,
    /// That directory.
    pub(crate) pool: PathBuf,
    /// The boot-time program, built.
    pub(crate) configure: PathBuf,
    /// The initrd's program, built.
    pub(crate) init: PathBuf,
}

/// What the plan compresses with.
#[derive(Debug, Clone)]
pub(crate) struct Choices {
    /// The level of zstd.
    pub(crate) level: i32,
    /// What clusters of qcow2 are compressed with: `zstd`, `zlib` or `none`.
    pub(crate) clusters: String,
}

impl Inputs {
    /// Resolves and fetches the packages, or those of the lock that is named, and lays them out for other programs.
    pub(crate) fn prepare(work: PathBuf, lock: Option<&Path>, shell: &Shell) -> Result<Self> {
        fs::create_dir_all(&work)?;
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let fetched = work.join("fetched");
        let lock_path = work.join("lock.toml");
        let arch = arch();
        if let Some(lock) = lock {
            fs::copy(lock, &lock_path).with_context(|| lock.display().to_string())?;
        } else {
            cmd!(
                shell,
                "{program} lock --kind {KIND} --arch {arch} --store {fetched} --output {lock_path} --quiet"
            )
            .ignore_stdout()
            .run()?;
        }
        // the building of programs is not what is measured
        let project = Project::find(None)?;
        let built = |one| programs::program(&project, one, arch.parse()?, &ShowArgs::default().show());
        let (configure, init) = (built(Program::Configure)?, built(Program::Init)?);
        cmd!(shell, "{program} fetch --kind {KIND} --arch {arch} --lock {lock_path} --configure {configure} --init {init} --store {fetched} --quiet")
            .ignore_stdout()
            .run()?;
        let lock = bake::lock::parse(&fs::read_to_string(&lock_path)?)?;
        let mut inputs = Self {
            program,
            lock,
            lock_path,
            changed_lock: work.join("changed.toml"),
            changed_mirror: work.join("changed"),
            debs: Vec::new(),
            pool: work.join("pool"),
            configure,
            init,
            work,
        };
        let pool = inputs.fresh("pool")?;
        inputs.debs = lay_out(&fetched, &inputs.lock, &pool)?;
        inputs.change(shell)?;
        Ok(inputs)
    }

    /// A new store that has just the packages.
    pub(crate) fn cold_store(&self) -> Result<PathBuf> {
        let store = self.fresh("store")?;
        let mut paths = vec![PathBuf::from("layout")];
        paths.extend(self.lock.packages.iter().map(|package| blob(&package.sha256.into())));
        for path in paths {
            let to = store.join(&path);
            let parent = to.parent().context("a file is in a directory")?;
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            fs::copy(self.work.join("fetched").join(&path), to)
                .with_context(|| path.display().to_string())?;
        }
        Ok(store)
    }

    /// The path of a folder that is not there.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.work.join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        Ok(path)
    }

    /// A bake with `lock`, into `output`.
    pub(crate) fn bake<'a>(&self, shell: &'a Shell, lock: &Path, store: &Path, output: &Path) -> Cmd<'a> {
        let (program, built, arch) = (&self.program, self.built(), arch());
        cmd!(shell, "{program} bake --kind {KIND} --arch {arch} --lock {lock} {built...} --store {store} --output {output} --quiet")
            .quiet()
    }

    /// A bake of the lock that differs in one package, which is fetched from the mirror that has it.
    pub(crate) fn bake_changed<'a>(&self, shell: &'a Shell, store: &Path, output: &Path) -> Cmd<'a> {
        let mirror = &self.changed_mirror;
        let run = self.bake(shell, &self.changed_lock, store, output);
        run.arg("--debian-mirror").arg(mirror).arg("--debian-security-mirror").arg(mirror)
    }

    /// What the plan compresses with, so that others compress as much.
    pub(crate) fn choices(&self, shell: &Shell) -> Result<Choices> {
        let (program, lock, built, arch) = (&self.program, &self.lock_path, self.built(), arch());
        let plan = cmd!(shell, "{program} plan --kind {KIND} --arch {arch} --lock {lock} {built...} --json");
        let plan: serde_json::Value = serde_json::from_str(&plan.quiet().read()?)?;
        let at = |place: &str| plan.pointer(place).with_context(|| format!("no `{place}` in the plan"));
        let level = at("/plan/compression/level")?.as_i64().context("a level is a number")?;
        let clusters = at("/plan/disk/compression")?.as_str().context("a compression has a name")?;
        Ok(Choices { level: i32::try_from(level)?, clusters: clusters.to_owned() })
    }

    /// The options that hand over the built programs.
    pub(crate) fn built(&self) -> [&OsStr; 4] {
        ["--configure".as_ref(), self.configure.as_os_str(), "--init".as_ref(), self.init.as_os_str()]
    }

    /// The names of the packages.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lock.packages.iter().map(|package| package.name.to_string()).collect()
    }

    /// Makes another version of one package, as an update would: every file of it differs.
    fn change(&self, shell: &Shell) -> Result<()> {
        let mut lock = self.lock.clone();
        let package = lock.packages.iter_mut().find(|package| package.name.as_str() == CHANGED);
        let package = package.with_context(|| format!("`{CHANGED}` is not in the lock"))?;
        let (tree, deb) = (self.fresh("changed-tree")?, self.work.join("changed.deb"));
        let from = self.pool.join(format!("{CHANGED}.deb"));
        cmd!(shell, "dpkg-deb --raw-extract {from} {tree}").quiet().run()?;
        let usr = tree.join("usr");
        cmd!(shell, "find {usr} -type f -exec sh -c 'echo \"# changed\" >>\"$1\"' sh '{}' ;")
            .quiet()
            .run()?;
        cmd!(shell, "dpkg-deb --root-owner-group -Zxz --build {tree} {deb}").quiet().ignore_stdout().run()?;
        fs::remove_dir_all(&tree)?;
        let bytes = fs::read(&deb)?;
        (package.sha256, package.size) = (Sha256::of(&bytes), bytes.len() as u64);
        let place = self.fresh("changed")?.join(&package.file);
        fs::create_dir_all(place.parent().context("a file is in a directory")?)?;
        fs::rename(deb, place)?;
        fs::write(&self.changed_lock, bake::lock::print(&lock))?;
        Ok(())
    }
}

/// Copies the packages of `lock` out of a store into a new folder, under their names; where they are, in their order.
pub(crate) fn lay_out(store: &Path, lock: &Lock, pool: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(pool)?;
    let one = |package: &bake::lock::LockedPackage| {
        let deb = pool.join(format!("{}.deb", package.name));
        fs::copy(store.join(blob(&package.sha256.into())), &deb).with_context(|| package.name.to_string())?;
        Ok(deb)
    };
    lock.packages.iter().map(one).collect()
}

/// This machine's architecture, as Debian calls it: other programs can only make images for that.
pub(crate) fn arch() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// Where a store has a blob.
fn blob(digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    Path::new("blobs").join(digest.algorithm()).join(&hex[..2]).join(hex)
}
