//! A tree of Debian 13 with systemd in it, and that systemd's own judgement of units.
//!
//! ```text
//! <target>/tmp/trixie/lock
//! <target>/tmp/trixie/apt/       lists and packages, apt's own; it outlives runs and is refreshed by each
//! <target>/tmp/trixie/tree.<n>/  the packages unpacked, n a digest of their names; never changed after
//! <target>/tmp/trixie/current   which run the newest tree is of
//! <target>/tmp/trixie/test-*/    a test's own copy, by hard links
//! ```
//! Packages come from the archive that this machine's apt names, else from Debian's own, and are verified by apt with the machine's keyring,
//! whatever release the machine itself is. systemd-analyze of the tree runs through the tree's own loader with
//! `--root`, so that neither root nor systemd is needed here.

use crate::workspace;
use anyhow::{Context as _, Result, ensure};
use bake::fetch::{Place, Proxy, apt};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;
use tree::name::Arch;
use tree::release::CODENAME;
use xshell::{Shell, cmd};

/// Packages whose dependencies are taken too: what runs.
const WHOLE: [&str; 4] = ["systemd", "udev", "util-linux", "dash"];
/// Packages of which only the units and the programs that these name are looked at.
const ALONE: [&str; 11] = [
    "base-files",
    "cloud-init",
    "containerd",
    "coreutils",
    "dbus",
    "nftables",
    "openssh-client",
    "openssh-server",
    "procps",
    "systemd-resolved",
    "systemd-timesyncd",
];
const SUITES: [&str; 3] =
    [CODENAME, tree::joined!(CODENAME, "-updates"), tree::joined!(CODENAME, "-security")];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A copy of the tree that a test may change.
#[derive(Debug)]
pub struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    /// The tree, made when it is not there yet.
    pub fn new() -> Result<Self> {
        let base = workspace::target().join("tmp/trixie");
        fs::create_dir_all(&base)?;
        let lock = File::create(base.join("lock"))?;
        lock.lock()?;
        let pristine = pristine(&base)?;
        let dir = tempfile::Builder::new().prefix("test-").tempdir_in(&base)?;
        let (shell, to) = (Shell::new()?, dir.path());
        cmd!(shell, "cp --archive --link {pristine}/. {to}").quiet().run()?;
        Ok(Self { dir })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Puts a file at `path`, an absolute one of the tree.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.free(path)?;
        Ok(fs::write(path, bytes)?)
    }

    /// Puts a link at `path`.
    pub fn link(&self, path: &str, target: &str) -> Result<()> {
        Ok(std::os::unix::fs::symlink(target, self.free(path)?)?)
    }

    /// Puts a program at `path` that nothing runs.
    pub fn program(&self, path: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(path, b"\x7fELF")?;
        Ok(fs::set_permissions(self.place(path), fs::Permissions::from_mode(0o755))?)
    }

    /// Runs the tree's own systemd-analyze about the tree.
    pub fn analyze(&self, verb: &str, args: &[&str]) -> Result<Output> {
        let root = format!("--root={}", self.path().display());
        self.run("systemd-analyze", &[&[verb, "--no-pager"], args, &[&root]].concat())
    }

    /// Has the tree's own udevadm look at one file of rules.
    pub fn verify_rules(&self, path: &str) -> Result<Output> {
        self.run("udevadm", &["verify", "--no-summary", &self.place(path).display().to_string()])
    }

    /// Runs a program of the tree.
    fn run(&self, program: &str, args: &[&str]) -> Result<Output> {
        let (triplet, loader) = match std::env::consts::ARCH {
            "aarch64" => ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
            _ => ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
        };
        let libraries = self.place(&format!("/usr/lib/{triplet}"));
        let mut path = libraries.clone().into_os_string();
        path.push(":");
        path.push(libraries.join("systemd"));
        let (shell, loader) = (Shell::new()?, libraries.join(loader));
        let file = self.place(&format!("/usr/bin/{program}"));
        let call = cmd!(shell, "{loader} --library-path {path} --argv0 {program} {file} {args...}");
        Ok(call.env_clear().quiet().ignore_status().output()?)
    }

    fn place(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// The place of `path` with nothing there: what was there is shared with other copies.
    fn free(&self, path: &str) -> Result<PathBuf> {
        let place = self.place(path);
        fs::create_dir_all(place.parent().context("a path has a directory")?)?;
        if place.symlink_metadata().is_ok() {
            fs::remove_file(&place)?;
        }
        Ok(place)
    }
}

/// The packages as they are in this run, unpacked: the first test of a run asks the archive.
fn pristine(base: &Path) -> Result<PathBuf> {
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("pid-{}", std::process::id()));
    let current = base.join("current");
    if let Some((of, tree)) = fs::read_to_string(&current).unwrap_or_default().split_once('\n')
        && of == run
    {
        return Ok(base.join(tree));
    }
    let tree = unpacked(base)?;
    let name = tree.file_name().and_then(|name| name.to_str()).context("a tree has a name")?;
    fs::write(current, format!("{run}\n{name}"))?;
    Ok(tree)
}

fn unpacked(base: &Path) -> Result<PathBuf> {
    let packages = packages(&base.join("apt"))?;
    let names: Vec<String> = packages.iter().map(|path| path.display().to_string()).collect();
    let digest: String =
        Sha256::digest(names.join("\n")).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tree = base.join(format!("tree.{digest}"));
    if tree.is_dir() {
        return Ok(tree);
    }
    // an older one is useless any longer; copies of it have their own links
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("tree.") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    let making = tempfile::Builder::new().prefix("making-").tempdir_in(base)?;
    let (shell, to) = (Shell::new()?, making.path());
    for package in packages {
        cmd!(shell, "dpkg-deb --extract {package} {to}").quiet().run()?;
    }
    ensure!(to.join("usr/bin/systemd-analyze").is_file(), "Debian's systemd has no systemd-analyze any more");
    fs::rename(making.keep(), &tree)?;
    Ok(tree)
}

/// apt of its own below `dir`, for packages of Debian 13 for `arch`, with its lists up to date: `apt-get` and `apt-cache`
/// of the shell work in it.
pub fn apt(dir: &Path, arch: Arch) -> Result<Shell> {
    apt_of(dir, arch, &sources()?)
}

/// The same for the packages of another suite of Debian's archive; a mirror of it may be behind, which a suite that changes daily does
/// not forgive for long.
pub fn apt_of_suite(dir: &Path, arch: Arch, suite: &str) -> Result<Shell> {
    let options = format!("signed-by={KEYRING} check-valid-until=no");
    apt_of(dir, arch, &format!("deb [{options}] {} {suite} main\n", archive("debian")?))
}

fn apt_of(dir: &Path, arch: Arch, sources: &str) -> Result<Shell> {
    for part in [
        "etc/sources.list.d",
        "etc/preferences.d",
        "lists/partial",
        "archives/partial",
        "empty/partial",
        "dpkg",
    ] {
        fs::create_dir_all(dir.join(part))?;
    }
    fs::write(dir.join("dpkg/status"), "")?;
    fs::write(dir.join("etc/sources.list"), sources)?;
    let config = dir.join("apt.conf");
    fs::write(&config, settings(dir, arch)?)?;
    let shell = Shell::new()?;
    shell.set_var("APT_CONFIG", &config);
    shell.set_var("LC_ALL", "C");
    cmd!(shell, "apt-get --quiet --quiet update").quiet().run().context("apt-get update")?;
    Ok(shell)
}

/// The packages `names` alone, without what they depend on, in apt's folder `dir`; their paths in the order of `names`.
pub fn download(shell: &Shell, dir: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let archives = dir.join("archives");
    // apt does not list what lies in the folder that it is in
    shell.change_dir(dir.join("empty"));
    let listed = cmd!(shell, "apt-get --quiet --quiet --print-uris download {names...}").quiet().read()?;
    shell.change_dir(&archives);
    cmd!(shell, "apt-get --quiet --quiet download {names...}").quiet().ignore_stdout().run()?;
    // 'URI' NAME SIZE DIGEST, in no order that is promised
    let files: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    let file = |name: &&str| {
        let file = files.iter().find(|file| file.split('_').next() == Some(*name));
        Ok(archives.join(file.with_context(|| format!("apt did not download `{name}`"))?))
    };
    names.iter().map(file).collect()
}

/// The packages `names` with all that they depend on, in apt's folder `dir`; their paths, sorted.
pub fn download_whole(shell: &Shell, dir: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let archives = dir.join("archives");
    // apt does not list what it has already: asked with an empty cache, it lists all
    let empty = format!("Dir::Cache::archives={}", dir.join("empty").display());
    let install = ["--yes", "--no-install-recommends", "install"];
    let listed = cmd!(shell, "apt-get --quiet --quiet -o {empty} --print-uris {install...} {names...}");
    let listed = listed.quiet().read()?;
    let get = cmd!(shell, "apt-get --quiet --quiet --download-only {install...} {names...}");
    get.quiet().ignore_stdout().run()?;
    // 'URI' NAME SIZE DIGEST
    let mut paths: Vec<PathBuf> =
        listed.lines().filter_map(|line| line.split(' ').nth(1)).map(|name| archives.join(name)).collect();
    paths.sort();
    Ok(paths)
}

/// Downloads the packages with apt; their paths, sorted.
fn packages(dir: &Path) -> Result<Vec<PathBuf>> {
    let shell = apt(dir, host())?;
    let archives = dir.join("archives");
    // apt does not list what it has already: asked with an empty cache, it lists all
    let empty = format!("Dir::Cache::archives={}", dir.join("empty").display());
    let whole = cmd!(
        shell,
        "apt-get --quiet --quiet -o {empty} --print-uris --yes --no-install-recommends install {WHOLE...}"
    )
    .quiet()
    .read()?;
    let alone = cmd!(shell, "apt-get --quiet --quiet --print-uris download {ALONE...}").quiet().read()?;
    // 'URI' NAME SIZE DIGEST
    let mut names: Vec<&str> =
        whole.lines().chain(alone.lines()).filter_map(|line| line.split(' ').nth(1)).collect();
    names.sort_unstable();
    names.dedup();
    cmd!(shell, "apt-get --quiet --quiet --download-only --yes --no-install-recommends install {WHOLE...}")
        .quiet()
        .ignore_stdout()
        .run()?;
    shell.change_dir(&archives);
    cmd!(shell, "apt-get --quiet --quiet download {ALONE...}").quiet().ignore_stdout().run()?;
    let paths: Vec<PathBuf> = names.iter().map(|name| archives.join(name)).collect();
    for path in &paths {
        ensure!(path.is_file(), "apt did not download `{}`", path.display());
    }
    Ok(paths)
}

/// Debian 13 in the archives that this machine's own apt names, or the one that `sources.toml` names.
fn sources() -> Result<String> {
    let [debian, security] = ["debian", "debian-security"].map(archive);
    let (debian, security) = (debian?, security?);
    let line = |suite: &str| {
        let root = if suite.ends_with("-security") { &security } else { &debian };
        format!("deb [signed-by={KEYRING}] {root} {suite} main\n")
    };
    Ok(SUITES.iter().map(|suite| line(suite)).collect())
}

/// The root of one of Debian's archives, as apt is told it: as this machine's own apt names it, else as `sources.toml`
/// does.
pub fn archive(name: &str) -> Result<String> {
    let apt = apt::read(Path::new("/"), Proxy::Environment);
    let roots = if name == "debian" { apt.debian } else { apt.debian_security };
    match roots.into_iter().next() {
        Some(Place::Url(url)) => Ok(url.to_string()),
        Some(Place::Directory(path)) => Ok(format!("file:{}", path.display())),
        None => {
            let sources = bake::sources::load(&workspace::root().join("manifests"))?;
            Ok(sources.archives.get(name).with_context(|| format!("no archive `{name}`"))?.mirror.clone())
        }
    }
}

/// This machine's architecture, or that of most.
#[must_use]
pub fn host() -> Arch {
    if std::env::consts::ARCH == "aarch64" { Arch::Arm64 } else { Arch::Amd64 }
}

/// apt's settings: all that it keeps is below `dir`, proxies and the like are the machine's.
fn settings(dir: &Path, arch: Arch) -> Result<String> {
    let dir = dir.to_str().context("a path that apt can be told")?;
    Ok(format!(
        "Dir::Etc \"{dir}/etc\";\nDir::Etc::parts \"/etc/apt/apt.conf.d\";\nDir::State \"{dir}\";\n\
         Dir::State::status \"{dir}/dpkg/status\";\nDir::Cache \"{dir}\";\nDir::Cache::archives \"{dir}/archives\";\n\
         APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};\nAcquire::Languages \"none\";\n\
         APT::Sandbox::User \"root\";\nBinary::apt-get::APT::Keep-Downloaded-Packages \"true\";\n"
    ))
}
