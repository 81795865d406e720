//! Debian 13's cloud kernel, and what staging makes of it: the indexes of its modules and its initrd.
//!
//! ```text
//! <target>/tmp/kernel/<arch>/apt/       apt's own; outlives runs
//! <target>/tmp/kernel/<arch>/run        which run the rest is of
//! <target>/tmp/kernel/<arch>/tree/      the kernel's package, unpacked by dpkg-deb
//! <target>/tmp/kernel/<arch>/store/     where staging unpacks to
//! <target>/tmp/kernel/<arch>/made/      every file that staging made, below its path
//! ```
//! Made once a run for each architecture, by the first test that asks.

use crate::shared::Shared;
use crate::{image, standin, trixie, workspace};
use anyhow::{Context as _, Result, ensure};
use bake::deb822;
use bake::lock::LockedPackage;
use bake::plan::{Draft, PlannedInit};
use bake::stage::{Inputs, stage};
use bake::unpack;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use store::Store;
use tree::digest::{Digest, Sha256};
use tree::name::Arch;
use tree::{Content, Node, Origin, Stored, Tree};
use xshell::{Shell, cmd};

/// The smallest set that can be staged: accounts, the links at the top of the tree, and the kernel.
const BASE: [&str; 2] = ["base-files", "base-passwd"];

/// A kernel and what was made for it.
#[derive(Debug)]
pub struct Kernel {
    /// Its architecture.
    pub arch: Arch,
    /// `6.12.117+deb13-cloud-amd64`.
    pub version: String,
    folder: PathBuf,
}

impl Kernel {
    /// The kernel of today.
    pub fn get(arch: Arch) -> Result<Self> {
        let folder = workspace::target().join("tmp/kernel").join(arch.to_string());
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("pid-{}", std::process::id()));
        let mark = folder.join("run");
        let known = fs::read_to_string(&mark).unwrap_or_default();
        if let Some((of, version)) = known.split_once('\n')
            && of == run
        {
            return Ok(Self { arch, version: version.to_owned(), folder });
        }
        let version = make(&folder, arch)?;
        fs::write(mark, format!("{run}\n{version}"))?;
        Ok(Self { arch, version, folder })
    }

    /// The kernel itself.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.folder.join(format!("tree/boot/vmlinuz-{}", self.version))
    }

    /// The initrd that was made for it.
    #[must_use]
    pub fn initrd(&self) -> PathBuf {
        self.made().join(format!("boot/initrd.img-{}", self.version))
    }

    /// The folder of its modules in the package, below a root in which nothing is made.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        self.folder.join(format!("tree/usr/lib/modules/{}", self.version))
    }

    /// The root below which all is that staging made.
    #[must_use]
    pub fn made(&self) -> PathBuf {
        self.folder.join("made")
    }

    /// Stages it again in the same store, with the same program.
    pub fn stage_again(&self) -> Result<Tree> {
        let store = crate::keyed::open(&self.folder.join("store"))?;
        let debs = fs::read_to_string(self.folder.join("debs"))?;
        let debs: Vec<PathBuf> = debs.lines().map(PathBuf::from).collect();
        let init = Shared::get()?.init(standin_arch(self.arch))?;
        staged(&store, &debs, self.arch, &fs::read(init)?)
    }

    /// The package unpacked into `to`, by hard links, in the form of a merged system.
    pub fn copy_tree(&self, to: &Path) -> Result<()> {
        let (shell, from) = (Shell::new()?, self.folder.join("tree"));
        cmd!(shell, "cp --archive --link {from}/. {to}").quiet().run()?;
        Ok(std::os::unix::fs::symlink("usr/lib", to.join("lib"))?)
    }
}

/// Fetches, unpacks and stages it; its version.
fn make(folder: &Path, arch: Arch) -> Result<String> {
    let apt = folder.join("apt");
    let shell = trixie::apt(&apt, arch)?;
    let newest = format!("linux-image-cloud-{arch}");
    let depends = cmd!(shell, "apt-cache depends {newest}").quiet().read()?;
    let name = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    let version = name.context("the kernel's package depends on no kernel")?.to_owned();
    let names = [BASE.to_vec(), vec![concat(&version)]].concat();
    let debs = trixie::download(&shell, &apt, &names)?;
    for part in ["tree", "made", "store"] {
        let path = folder.join(part);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
    }
    let listed: Vec<String> = debs.iter().map(|deb| deb.display().to_string()).collect();
    fs::write(folder.join("debs"), listed.join("\n"))?;
    let (kernel, tree) = (debs.last().context("a package")?, folder.join("tree"));
    cmd!(shell, "dpkg-deb --extract {kernel} {tree}").quiet().run()?;
    let store = crate::keyed::open(&folder.join("store"))?;
    let init = Shared::get()?.init(standin_arch(arch))?;
    let tree = staged(&store, &debs, arch, &fs::read(init)?)?;
    write_made(&tree, &folder.join("made"))?;
    Ok(version)
}

/// `linux-image-VERSION`, for as long as the tests run.
fn concat(version: &str) -> &'static str {
    Box::leak(format!("linux-image-{version}").into_boxed_str())
}

fn standin_arch(arch: Arch) -> standin::Arch {
    match arch {
        Arch::Amd64 => standin::Arch::Amd64,
        Arch::Arm64 => standin::Arch::Arm64,
    }
}

/// The tree of these packages with an otherwise empty recipe that has an initrd.
pub fn staged(store: &Store, debs: &[PathBuf], arch: Arch, init: &[u8]) -> Result<Tree> {
    let (mut packages, mut locked) = (BTreeMap::new(), Vec::new());
    for path in debs {
        let bytes = fs::read(path)?;
        let mut incoming = store.incoming()?;
        incoming.write_all(&bytes)?;
        let (digest, size) = incoming.commit()?;
        let package = unpack::package(store, &"package".parse()?, &Digest::Sha256(digest))?;
        let text = package.control.iter().find(|file| file.name == "control").context("no control file")?;
        let control = deb822::paragraph(std::str::from_utf8(&text.bytes)?)?;
        let control: BTreeMap<String, String> =
            control.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        locked.push(LockedPackage {
            name: control["Package"].parse()?,
            version: control["Version"].clone(),
            arch: control["Architecture"].clone(),
            suite: "trixie".to_owned(),
            file: String::new(),
            size,
            sha256: digest,
            because: Vec::new(),
            scripts: BTreeMap::new(),
            triggers: Vec::new(),
            diverts: Vec::new(),
        });
        packages.insert(control["Package"].parse()?, package);
    }
    locked.sort_by(|a, b| a.name.cmp(&b.name));
    let init = PlannedInit {
        modules: Vec::new(),
        load: Vec::new(),
        level: 12,
        digest: Sha256::of(init),
        size: init.len() as u64,
        bytes: init.into(),
    };
    let effects = image::without_effects(&packages);
    let sample = image::plan()?.into_draft();
    let draft = Draft { arch, packages: locked, components: Vec::new(), init: Some(init), effects, ..sample };
    let plan = draft.seal();
    let read = |stored: &Stored| read(store, stored);
    Ok(stage(
        &plan,
        &Inputs {
            packages,
            components: BTreeMap::new(),
            images: Vec::new(),
            read: &read,
            memory: store,
            told: &|_, _| {},
        },
    )?)
}

fn read(store: &Store, stored: &Stored) -> tree::refusal::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(stored.len).unwrap_or(usize::MAX)];
    let file = store.open_blob(&Digest::Sha256(stored.blob))?;
    file.read_exact_at(&mut bytes, stored.offset).map_err(|error| {
        tree::refusal::Refusal::io(stored.blob.to_string(), tree::refusal::Stage::Stage, "read", &error)
    })?;
    Ok(bytes)
}

/// Writes the files and links that staging made itself to where they are below `root`.
fn write_made(tree: &Tree, root: &Path) -> Result<()> {
    let mut count = 0;
    for (path, entry) in tree.iter() {
        if !entry.origins.iter().any(|origin| matches!(origin, Origin::Made { .. })) {
            continue;
        }
        let place = root.join(path.relative());
        fs::create_dir_all(place.parent().context("a path has a parent")?)?;
        match &entry.node {
            Node::File(Content::Inline(bytes)) => fs::write(&place, bytes)?,
            Node::Symlink(target) => std::os::unix::fs::symlink(target, &place)?,
            _ => continue,
        }
        count += 1;
    }
    ensure!(count > 10, "staging made only {count} files");
    Ok(())
}
