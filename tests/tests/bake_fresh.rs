//! The README's commands on machines that are not prepared for them: rustup has no targets and may install nothing by
//! itself, and apt has no configuration, another distribution's, or mirrors behind a proxy.
//!
//! ```text
//! unshare ─► /etc/apt is a folder of ours, this checkout's place has a copy with other mirrors in sources.toml
//!         ─► cargo xtask …   with this machine's cargo and rustup, a rustup home without targets, and an empty store
//!               static.rust-lang.org, Debian's default mirror, its snapshot archive: servers on the loopback
//! ```
//! xtask and its programs have been built in this target directory, over which another is laid, so that little is compiled here:
//! the sources that Debian's archives are taken from are others, and no program of theirs may come in the place of a real one.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use tests::identity::identity;
use tests::run::{Ended, Run};
use tests::rustup::{self, TARGETS};
use tests::server::{Reply, Server};
use tests::shared::{BASE, Shared, blob};
use tests::today::Today;
use tests::workspace;
use xshell::{Shell, cmd};

/// The first command of the README.
const BAKE: [&str; 5] = ["xtask", "bake", "--kind", "base", "--relock"];
/// How many packages only the snapshot archive has.
const GONE: usize = 12;
/// No mirror has this name: only the proxy knows it.
const BEHIND: &str = "http://mirror.example.test";

/// Puts folders where a fresh machine has others, then starts a program.
const PREPARE: &str = "set -e; mount --bind \"$APT\" /etc/apt; \
    mount -t overlay overlay -o \"userxattr,lowerdir=$TARGET,upperdir=$BUILT/upper,workdir=$BUILT/work\" \"$BUILT/whole\"; BUILT=$BUILT/whole; \
    mount --rbind \"$TARGET/tmp\" \"$BUILT/tmp\"; mount --rbind \"$BUILT\" \"$PLACE\"; \
    mount --rbind \"$COPY\" \"$ROOT\"; cd \"$ROOT\"; exec \"$@\"";

/// A machine.
struct Machine {
    folder: PathBuf,
    apt: PathBuf,
    rustup: PathBuf,
    packages: String,
    authority: PathBuf,
}

impl Machine {
    /// A run of cargo in this checkout.
    fn cargo(&self, args: &[&str]) -> Run {
        let under = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", PREPARE, "sh"];
        let run = Run::new(Path::new("cargo"), workspace::root(), args.iter().copied()).under(under);
        let run = run
            .env("ROOT", workspace::root())
            .env("COPY", self.checkout())
            .env("TARGET", workspace::target())
            .env("BUILT", self.built())
            .env("PLACE", self.place())
            .env("APT", &self.apt)
            .env("RUSTUP_AUTO_INSTALL", "0")
            .env("RUSTUP_HOME", &self.rustup)
            .env("RUSTUP_DIST_SERVER", &self.packages)
            .env("SSL_CERT_FILE", &self.authority)
            .env("XDG_CACHE_HOME", self.folder.join("cache"))
            .env("XDG_STATE_HOME", self.folder.join("state"));
        as_built(run)
    }

    fn checkout(&self) -> PathBuf {
        self.folder.join("checkout")
    }

    /// What is built here: what differs from the target directory, and where both are one.
    fn built(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// Where that is mounted: in the copy of the checkout, which is mounted next, or where it is elsewhere.
    fn place(&self) -> PathBuf {
        let target = workspace::target();
        target.strip_prefix(workspace::root()).map_or(target.clone(), |below| self.checkout().join(below))
    }

    /// Makes the first command of the README, with what it must have made.
    fn bake(&self) -> Result<Ended> {
        let made = self.checkout().join(format!("dist/{}.tar.zst", BASE.name()));
        ensure!(!made.exists(), "an earlier run left `{}`", made.display());
        let ended = self.cargo(&BAKE).done()?;
        fs::remove_file(&made).context("the bake ended well without its output")?;
        let stamps: Vec<f64> = ended.stderr.lines().filter_map(stamp).collect();
        let silence = stamps.windows(2).map(|pair| pair[1] - pair[0]).fold(stamps[0], f64::max);
        // a line every ten seconds, on a machine that is busy
        ensure!(silence < 20.0, "{silence} s without a line\n{ended}");
        Ok(ended)
    }

    /// Forgets the packages themselves, not what was derived from them.
    fn forget_packages(&self, today: &Today) -> Result<()> {
        for package in &today.lock.packages {
            fs::remove_file(self.folder.join("cache/vmbake").join(blob(&package.sha256.into())))?;
        }
        Ok(())
    }
}

/// What decides how cargo builds, as it was for the build that is here.
fn as_built(mut run: Run) -> Run {
    let decides = |name: &str| {
        let names = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_INCREMENTAL"];
        names.contains(&name) || name.starts_with("CARGO_BUILD_") || name.starts_with("CARGO_PROFILE_")
    };
    for (name, value) in std::env::vars_os() {
        if let Some(name) = name.to_str().filter(|name| decides(name)) {
            run = run.env(name, value);
        }
    }
    run
}

/// The seconds with which a line of progress begins.
fn stamp(line: &str) -> Option<f64> {
    line.split_once(" s  ")?.0.trim().parse().ok()
}

/// A copy of the checkout with the times of its files, and other places of Debian's archives.
fn copy_checkout(shared: &Shared, to: &Path, mirror: &str, snapshot: &str) -> Result<()> {
    let root = workspace::root();
    let (shell, not) = (Shell::new()?, ["target", "dist", "fuzz", ".git"]);
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let from = entry.path();
        if !not.iter().any(|name| *name == entry.file_name()) {
            cmd!(shell, "cp --archive {from} {to}").quiet().run()?;
        }
    }
    // the scripts of today's packages are taken as reviewed there
    shared.copy_project(to)?;
    let path = to.join("manifests/sources.toml");
    let text = fs::read_to_string(&path)?;
    let line = |line: &str| match line.rsplit_once('/') {
        Some((start, archive)) if start.starts_with("mirror = ") => {
            format!("mirror = \"{mirror}/{archive}\n")
        }
        Some((start, archive)) if start.starts_with("snapshot = ") => {
            format!("snapshot = \"{snapshot}/{archive}\n")
        }
        _ => format!("{line}\n"),
    };
    fs::write(path, text.lines().map(line).collect::<String>())?;
    for folder in ["image-recipes", "manifests"] {
        keep_times(&root.join(folder), &to.join(folder))?;
    }
    if workspace::target().starts_with(root) {
        fs::create_dir(to.join("target"))?;
    }
    Ok(())
}

/// Gives files the times that they have in `from`: every crate is compiled again for a later one of manifests/sources.toml, of which
/// only the number of the release is compiled, and that is the same.
fn keep_times(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let old = from.join(entry.file_name());
        match (fs::symlink_metadata(&old), entry.file_type()?) {
            (Ok(_), kind) if kind.is_dir() => keep_times(&old, &entry.path())?,
            (Ok(meta), kind) if kind.is_file() => {
                fs::File::options().append(true).open(entry.path())?.set_modified(meta.modified()?)?;
            }
            _ => {}
        }
    }
    Ok(fs::File::open(to)?.set_modified(fs::metadata(from)?.modified()?)?)
}

/// A configuration of apt that is committed as a fixture, with `replaced` in its files.
fn apt(fixture: &str, replaced: &[(&str, &str)], to: &Path) -> Result<()> {
    let (shell, from) =
        (Shell::new()?, workspace::root().join("tests/fixtures/apt").join(fixture).join("etc/apt/."));
    fs::create_dir_all(to)?;
    cmd!(shell, "cp --recursive {from} {to}").quiet().run()?;
    for path in cmd!(shell, "find {to} -type f").quiet().read()?.lines() {
        let text = fs::read_to_string(path)?;
        fs::write(path, replaced.iter().fold(text, |text, (old, new)| text.replace(old, new)))?;
    }
    Ok(())
}

/// How many packages a server was asked for.
fn asked(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.path.ends_with(".deb")).count()
}

#[test]
fn the_commands_of_the_readme_work_whatever_apt_and_rustup_are_prepared_for() -> Result<()> {
    let (shared, text) = (Shared::get()?, fs::read_to_string(workspace::root().join("README.md"))?);
    for command in ["cargo xtask test".to_owned(), format!("cargo {}", BAKE.join(" "))] {
        ensure!(text.lines().any(|line| line == command), "the README has no `{command}`");
    }
    // so that programs are built here, if they are not yet
    shared.configure(BASE.arch)?;
    shared.init(BASE.arch)?;
    let scratch = shared.scratch()?;
    let folder = scratch.path();
    let today = Today::resolve(&shared, BASE, &folder.join("archive"))?;
    let (mirror, proxy, published) = (Server::start()?, Server::start()?, Server::start()?);
    let trusted = identity("localhost", false, false)?;
    let snapshot = Server::start_tls(trusted.config)?;
    for (path, bytes) in &today.dists {
        mirror.at(&format!("/{path}"), vec![Reply::File(bytes.clone())]);
        proxy.at(&format!("{BEHIND}/{path}"), vec![Reply::File(bytes.clone())]);
    }
    let sources = bake::sources::load(&workspace::root().join("manifests"))?;
    let date = today.lock.suites.iter().map(|suite| suite.date).max().context("a lock has suites")?;
    for (at, (path, file)) in today.pool.iter().enumerate() {
        let bytes = fs::read(file)?;
        if at < GONE {
            let (archive, rest) = path.split_once('/').context("a path below an archive")?;
            let url =
                sources.snapshots().url(archive, date, rest).context("a URL of the snapshot archive")?;
            let (_, below) = url.split_once("/archive/").context("a path of the snapshot archive")?;
            snapshot.at(&format!("/archive/{below}"), vec![Reply::File(bytes)]);
        } else {
            mirror.at(&format!("/{path}"), vec![Reply::File(bytes.clone())]);
            proxy.at(&format!("{BEHIND}/{path}"), vec![Reply::File(bytes)]);
        }
    }
    let home = rustup::Home::without_targets(&folder.join("rustup"))?;
    let authority = folder.join("authority.pem");
    fs::write(&authority, trusted.authority)?;
    let mut machine = Machine {
        folder: folder.to_owned(),
        apt: folder.join("apt.empty"),
        rustup: home.path.clone(),
        packages: published.url(),
        authority,
    };
    fs::create_dir(&machine.apt)?;
    let at_snapshot = format!("{}/archive", snapshot.url_of("localhost"));
    copy_checkout(&shared, &machine.checkout(), &mirror.url(), &at_snapshot)?;
    for part in ["upper", "work", "whole"] {
        fs::create_dir_all(machine.built().join(part))?;
    }

    // rustup cannot get them: it ends at once, with the way out
    let ended = machine.cargo(&BAKE).end()?;
    ensure!(ended.code == Some(1) && ended.stderr.contains("hint: run `rustup target add "), "{ended}");
    ensure!(!ended.stderr.contains("Compiling"), "{ended}");
    ensure!(mirror.requests().is_empty(), "{:?}", mirror.requests());

    // no configuration of apt: the default mirror, and what it lacks from the snapshot archive
    for (path, bytes) in home.packages {
        published.at(&path, vec![Reply::File(bytes)]);
    }
    let ended = machine.bake()?;
    ensure!(ended.stderr.contains("running `rustup target add"), "{ended}");
    let toolchain = fs::read_dir(home.path.join("toolchains"))?.next().context("a toolchain")??.path();
    for target in TARGETS {
        ensure!(toolchain.join("lib/rustlib").join(target).join("lib").is_dir(), "no {target}\n{ended}");
    }
    let line = format!(" of {} packages come from the snapshot archive", today.lock.packages.len());
    ensure!(ended.stderr.contains(&line), "no `{line}`\n{ended}");
    ensure!(asked(&snapshot) >= GONE && snapshot.peak() <= 2, "{} {}", asked(&snapshot), snapshot.peak());

    // Ubuntu's: the same, and there are no targets to add any longer
    for (path, file) in today.pool.iter().take(GONE) {
        mirror.at(&format!("/{path}"), vec![Reply::File(fs::read(file)?)]);
        proxy.at(&format!("{BEHIND}/{path}"), vec![Reply::File(fs::read(file)?)]);
    }
    machine.forget_packages(&today)?;
    machine.apt = folder.join("apt.ubuntu");
    apt("ubuntu", &[], &machine.apt)?;
    let before = asked(&mirror);
    let ended = machine.bake()?;
    ensure!(!ended.stderr.contains("rustup target add"), "{ended}");
    ensure!(asked(&mirror) - before >= today.lock.packages.len(), "{ended}");

    // mirrors that apt has in a list, and that only its proxy can reach: the default mirror is asked for what they lack
    machine.forget_packages(&today)?;
    machine.apt = folder.join("apt.behind");
    let replaced = [("https://mirror.example.test", BEHIND), ("http://127.0.0.1:18093", &proxy.url())];
    apt("cloud-image", &replaced, &machine.apt)?;
    apt("per-host-proxy", &replaced, &machine.apt)?;
    let before = mirror.requests().len();
    let ended = machine.bake()?;
    ensure!(asked(&proxy) >= today.lock.packages.len(), "{ended}");
    for request in &mirror.requests()[before..] {
        let path = request.path.trim_start_matches('/');
        ensure!(!today.dists.contains_key(path) && !today.pool.contains_key(path), "{request:?}");
    }
    let before = mirror.requests().len();

    // an archive that is older than was asked for, and the way out that the refusal names
    let main = today.lock.suites.iter().find(|suite| suite.name == "trixie").context("the main suite")?;
    let days = jiff::Timestamp::now().duration_since(main.date).as_hours() / 24 + 1;
    let relock = ["xtask", "bake", "--kind", "base", "--relock=always", "--max-age"];
    if days > 1 {
        let refused = machine.cargo(&relock).args(["1"]).end()?;
        let hint = format!("hint: if Debian has published none since, pass `--max-age {days}` to accept it");
        ensure!(refused.code == Some(4) && refused.stderr.contains(&hint), "{refused}");
    }
    machine.cargo(&relock).args([days.to_string()]).done()?;

    // the second command, with a test that asks Debian's archive: here, where apt's is hidden, the default mirror
    machine.apt = folder.join("apt.empty");
    let test = "a_suite_served_for_another_is_refused";
    let ended = machine.cargo(&["xtask", "test", test]).done()?;
    ensure!(ended.stderr.contains("1 test run: 1 passed"), "{ended}");
    ensure!(mirror.requests().len() > before, "{ended}");
    Ok(())
}
