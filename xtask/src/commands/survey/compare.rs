//! Comparing bakes with real systems, each in a process of its own (`tests/src/bin/compare.rs`), several at a time.

use super::Args;
use super::compared::{Compared, Comparisons, Found, Sort};
use super::sets::Set;
use crate::tools;
use anyhow::{Context as _, bail, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tree::name::Arch;
use vmbake::programs::{self, Program};
use vmbake::progress::Show;
use vmbake::project::Project;
use xshell::{Shell, cmd};

/// What a failure says at its end is what matters; mmdebstrap says much.
const MOST_SAID: usize = 4000;

/// What is compared, and with what.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) sort: Sort,
    pub(super) name: String,
    pub(super) packages: Vec<String>,
    without: Vec<String>,
}

impl Task {
    /// A package with nothing but what it needs.
    pub(super) fn alone(name: &str) -> Self {
        Self {
            sort: Sort::Alone,
            name: name.to_owned(),
            packages: vec![name.to_owned()],
            without: Vec::new(),
        }
    }

    /// A set, without the packages whose scripts are not followed.
    pub(super) fn set(set: &Set, is_followed: impl Fn(&str) -> bool) -> Self {
        let packages = set.packages.iter().filter(|name| is_followed(name)).cloned().collect();
        Self { sort: Sort::Set, name: set.name.clone(), packages, without: set.without.clone() }
    }

    /// `alone-nginx`.
    fn label(&self) -> String {
        format!("{}-{}", self.sort.kind(), self.name)
    }
}

/// Says what the comparison needs and is not there, before hours of work.
pub(super) fn demands(arch: Arch) -> anyhow::Result<()> {
    ensure!(
        arch == Arch::Amd64 && crate::commands::cases::here()? == arch,
        "packages are compared with a real system on amd64 only; `--interpret-only` follows their scripts for any machine"
    );
    tools::needs(&[
        ("mmdebstrap", "mmdebstrap"),
        ("dpkg-deb", "dpkg"),
        ("tar", "tar"),
        ("unshare", "util-linux"),
        ("zstd", "zstd"),
    ])?;
    ensure!(
        rustix::process::geteuid().is_root(),
        "real systems are made by root: run this as root, or with `--interpret-only`, which compares with none"
    );
    Ok(())
}

/// Mounts and processes of its own: what mmdebstrap mounts and starts goes with the one that compares, however that ends.
const OWN: [&str; 7] =
    ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// The programs and folders of a run.
pub(super) struct Runner<'a> {
    args: &'a Args,
    project: &'a Path,
    /// The one that compares.
    compare: PathBuf,
    /// This program, as it was when the run began.
    program: PathBuf,
    init: PathBuf,
    scratch: PathBuf,
    differing: PathBuf,
}

/// What is known to be equal, by the reasons of today. All else is compared again: what differed may be fixed, and a reason that
/// explained something may have gone.
pub(super) fn known(
    runner: &Runner<'_>,
    tasks: &[Task],
    results: &Comparisons,
) -> anyhow::Result<Vec<Compared>> {
    let known = tasks.iter().filter_map(|task| results.get(task.sort, &task.name, &task.packages));
    let known: Vec<(Compared, Found)> =
        known.filter_map(|mut one| one.found.take().map(|found| (one, found))).collect();
    let mut lines = String::new();
    for (one, found) in &known {
        lines += &serde_json::to_string(&(one.sort.kind(), found))?;
        lines.push('\n');
    }
    let (shell, compare) = (Shell::new()?, &runner.compare);
    let judged = cmd!(shell, "{compare} again").stdin(&lines).quiet().read()?;
    let found = judged.lines().map(serde_json::from_str::<Option<Found>>);
    let found = found.collect::<Result<Vec<_>, _>>().context("what `compare` has printed")?;
    let again = known.into_iter().zip(found).filter_map(|((one, _), found)| {
        let one = Compared { found, ..one };
        one.is_equal().then_some(one)
    });
    Ok(again.collect())
}

/// Compares all, and keeps each result at once. A failure of one is its result.
pub(super) fn all(
    runner: &Runner<'_>,
    tasks: &[Task],
    results: &Comparisons,
    show: &Show,
) -> anyhow::Result<()> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(0));
    show.during(&format!("comparing {} images", tasks.len()), Duration::ZERO, |meter| {
        let work = || -> anyhow::Result<()> {
            while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let compared = runner.one(task);
                show.step(&compared.line());
                results.add(compared)?;
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                *done += 1;
                meter.at(*done, tasks.len());
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..runner.args.places.threads().min(tasks.len())).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(done) => done,
                Err(_) => bail!("a thread panicked"),
            })
        })
    })
}

impl<'a> Runner<'a> {
    pub(super) fn new(args: &'a Args, project: &'a Project, show: &Show) -> anyhow::Result<Self> {
        let (shell, cargo) = (tools::shell()?, tools::cargo());
        let build = cmd!(shell, "{cargo} build --quiet --release --locked --package tests --bin compare");
        show.during("building what compares", Duration::from_millis(500), |_| build.quiet().run())?;
        let init = programs::program(project, Program::Init, args.arch, show)?;
        let work = std::path::absolute(&args.work)?;
        std::fs::create_dir_all(&work)?;
        // a run is long: what is built meanwhile is not what is compared
        let copy = |from: &Path, name: &str| -> anyhow::Result<PathBuf> {
            let to = work.join(name);
            if to.exists() {
                std::fs::remove_file(&to)?;
            }
            std::fs::copy(from, &to).with_context(|| format!("copy {}", from.display()))?;
            Ok(to)
        };
        let scratch = args.scratch.clone().unwrap_or_else(|| work.join("scratch"));
        Ok(Self {
            args,
            project: &project.root,
            compare: copy(&programs::target().join("release/compare"), "compare")?,
            program: copy(&std::env::current_exe()?, "vmbake")?,
            init: copy(&init, "init")?,
            scratch: std::path::absolute(scratch)?,
            differing: work.join("differing"),
        })
    }

    fn one(&self, task: &Task) -> Compared {
        let (found, failed) = match self.found(task) {
            Ok(found) => (Some(found), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        // where the process was ended, it has left it
        let _ = std::fs::remove_dir_all(self.scratch.join(task.label()));
        let (name, asked) = (task.name.clone(), task.packages.clone());
        Compared { sort: task.sort, name, asked, version: debian::VERSION, found, failed }
    }

    fn found(&self, task: &Task) -> anyhow::Result<Found> {
        let shell = Shell::new()?;
        let (compare, kind, packages) = (&self.compare, task.sort.kind(), &task.packages);
        let mut words: Vec<OsString> = Vec::new();
        let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
        option("--program", (&self.program).into());
        option("--project", std::path::absolute(self.project)?.into());
        option("--store", std::path::absolute(self.args.store.path())?.into());
        option("--init", (&self.init).into());
        option("--scratch", self.scratch.join(task.label()).into());
        option("--differing", self.differing.join(task.label()).into());
        for name in &task.without {
            option("--without", name.into());
        }
        let mut archive = self.args.places.debian_words();
        if let Some(days) = self.args.max_age {
            archive.extend(["--max-age".into(), days.to_string().into()]);
        }
        for word in archive {
            words.push([OsString::from("--lock-word="), word].into_iter().collect());
        }
        let run = cmd!(shell, "unshare {OWN...} {compare} image --kind {kind} {words...} -- {packages...}");
        // what went wrong is wanted, and not where in the program that was found
        let output = run.env_remove("RUST_BACKTRACE").quiet().ignore_status().output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let from = said.char_indices().rev().nth(MOST_SAID).map_or(0, |(at, _)| at);
            bail!("{}", said.get(from..).unwrap_or_default().trim());
        }
        serde_json::from_slice(&output.stdout).context("what `compare` has printed")
    }
}
