//! One image of the survey: a kind of some packages is locked, baked and compared with a real system of the same lock.
//!
//! Alone, a package has next to it what makes a system that is managed as images are: systemd, and a kernel, as scripts ask
//! for its release. In a set, all its packages are laid over `base`.

use super::differences::{self, Subject, Unexplained, Verdict};
use super::{Listing, lay_out, listing, real, without_excludes};
use crate::own_kind;
use crate::run::Run;
use crate::shared::{blob, copy_project};
use crate::standin::Arch;
use anyhow::{Context as _, Result, ensure};
use bake::lock::Lock;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tree::release::OS;

/// Files up to this size are kept when they differ.
const KEPT: u64 = 1 << 20;

/// What makes an initrd in the running system, which `base` avoids: the bake makes its own.
const AVOIDED: [&str; 2] = ["initramfs-tools", "dracut"];

/// What is asked for, and with what.
#[derive(Debug)]
pub struct Task {
    /// `alone` or `set`, which is the kind's name too.
    pub kind: String,
    /// The packages.
    pub packages: Vec<String>,
    /// The packages of `base` that are not there, as they conflict with one of them, and the units that it then cannot
    /// enable.
    pub without: Vec<String>,
    /// The program under test.
    pub program: PathBuf,
    /// The project.
    pub project: PathBuf,
    /// The store.
    pub store: PathBuf,
    /// The program of an initrd, built.
    pub init: PathBuf,
    /// Words for `lock`, beside its own.
    pub lock_words: Vec<OsString>,
    /// A folder of this task's own, which is removed.
    pub scratch: PathBuf,
    /// Where the files are put that differ without a reason.
    pub differing: PathBuf,
}

/// What was found.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub struct Surveyed {
    /// The packages of the lock.
    pub packages: BTreeSet<String>,
    /// The differences that have no reason.
    pub unexplained: Vec<Unexplained>,
    /// The reasons that explain something.
    pub reasons: Vec<differences::Reason>,
    /// How long the real system took to make, in seconds.
    pub real_seconds: f64,
    /// How long the bake took.
    pub bake_seconds: f64,
}

impl Surveyed {
    fn of(
        verdict: Verdict,
        packages: BTreeSet<String>,
        real_seconds: f64,
        bake_seconds: f64,
    ) -> Result<Self> {
        let excesses: Vec<String> = verdict.excesses().collect();
        ensure!(excesses.is_empty(), "{}", excesses.join("\n"));
        let Verdict { unexplained, mut reasons } = verdict;
        reasons.retain(|reason| reason.paths > 0);
        Ok(Self { packages, unexplained, reasons, real_seconds, bake_seconds })
    }

    /// What was found of a kind before, with the reasons of today; nothing where it must be found again.
    pub fn again(self, kind: &str) -> Result<Option<Self>> {
        let Self { packages, unexplained, reasons, real_seconds, bake_seconds } = self;
        let subject = Subject { kind, packages: &packages, accounts: &BTreeSet::new() };
        let verdict = Verdict { unexplained, reasons }.again(&subject)?;
        verdict.map(|verdict| Self::of(verdict, packages, real_seconds, bake_seconds)).transpose()
    }
}

impl Task {
    /// Does it.
    pub fn run(&self) -> Result<Surveyed> {
        for folder in [&self.scratch, &self.differing] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        fs::create_dir_all(&self.scratch)?;
        let surveyed = self.compared();
        fs::remove_dir_all(&self.scratch)?;
        surveyed
    }

    fn compared(&self) -> Result<Surveyed> {
        let project = self.own_project()?;
        let path = self.scratch.join("lock.toml");
        let lock = self.about("lock", &project).option("--output", &path);
        lock.args(self.lock_words.iter().cloned()).done()?;
        let lock = bake::lock::parse(&fs::read_to_string(&path)?)?;
        let began = Instant::now();
        let real = real::system(Arch::Amd64, &self.pool(&lock), &lock, &self.scratch.join("real"))?;
        let real_seconds = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let bake = |output: &Path| {
            let run = self.about("bake", &project).option("--lock", &path).option("--output", output);
            Ok(run.option("--init", &self.init))
        };
        let name = format!("{}.{OS}.amd64", self.kind);
        let (ours, origins) = lay_out(&self.scratch.join("ours"), &name, &bake)?;
        let bake_seconds = began.elapsed().as_secs_f64();
        let packages: BTreeSet<String> =
            lock.packages.iter().map(|package| package.name.to_string()).collect();
        let accounts = self.accounts()?;
        let subject = Subject { kind: &self.kind, packages: &packages, accounts: &accounts };
        let (there, here): (Listing, Listing) = (listing::of(&real)?, listing::of(&ours)?);
        let verdict = differences::compare(&subject, &there, &here, &origins)?;
        self.keep(&verdict, &real, &ours)?;
        Surveyed::of(verdict, packages, real_seconds, bake_seconds)
    }

    /// A copy of the project with the kind, in which nothing is left out.
    fn own_project(&self) -> Result<PathBuf> {
        let project = self.scratch.join("project");
        copy_project(&self.project, &project)?;
        without_excludes(&project)?;
        let base = project.join("image-recipes/base/recipe.toml");
        let mut text = fs::read_to_string(&base)?;
        let avoid = |names: &[&str]| format!("avoid = {names:?}\n");
        text = text.replace(&avoid(&AVOIDED), &avoid(&self.avoided()));
        fs::write(&base, &text)?;
        let manifest = fs::read_to_string(project.join(tree::of_release!("manifests/base.", ".amd64.json")))?;
        let recipe: toml::Table = toml::from_str(&text)?;
        let there = recipe["packages"]["install"].as_array().context("packages of base")?;
        let is_there = |name: &&String| there.iter().any(|there| there.as_str() == Some(name.as_str()));
        own_kind::add(&project, &self.kind, Arch::Amd64, &self.recipe(is_there), &manifest)?;
        Ok(project)
    }

    /// What of [`AVOIDED`] is not asked for.
    fn avoided(&self) -> Vec<&'static str> {
        AVOIDED.into_iter().filter(|avoided| !self.packages.iter().any(|name| name == avoided)).collect()
    }

    /// The recipe. What `base` asks for, which `is_there` knows, it does not ask for again.
    fn recipe(&self, is_there: impl Fn(&&String) -> bool) -> String {
        let list = |names: &mut dyn Iterator<Item = &String>| {
            names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
        };
        if self.kind == "alone" {
            let install = list(&mut self.packages.iter());
            // of two kernels, that which dpkg happens to configure last would be the one to start
            let is_kernel = self.packages.iter().any(|name| name.starts_with("linux-image-"));
            let kernel = if is_kernel { "" } else { "\"linux-image-cloud-amd64\"" };
            return format!(
                "[recipe]\nrole = \"none\"\n\n[packages]\ninstall = [\"systemd\", {install}]\n\
                 install-amd64 = [{kernel}]\navoid = {:?}\n\n[initrd]\n",
                self.avoided()
            );
        }
        let install = list(&mut self.packages.iter().filter(|name| !is_there(name)));
        let without = list(&mut self.without.iter().filter(|word| !word.contains('.')));
        let units = list(&mut self.without.iter().filter(|word| word.contains('.')));
        format!(
            "[recipe]\nextends = \"base\"\n\n[packages]\ninstall = [{install}]\nwithout = [{without}]\n\n\
             [units]\nwithout = [{units}]\n"
        )
    }

    /// What the recipe makes without a package.
    fn accounts(&self) -> Result<BTreeSet<String>> {
        if self.kind == "alone" {
            return Ok(BTreeSet::new());
        }
        let base = crate::recipes::recipe("base")?;
        Ok(base.users.keys().chain(base.groups.keys()).cloned().collect())
    }

    fn pool(&self, lock: &Lock) -> Vec<(String, PathBuf)> {
        let file = |package: &bake::lock::LockedPackage| {
            (package.file.clone(), self.store.join(blob(&package.sha256.into())))
        };
        lock.packages.iter().map(file).collect()
    }

    fn about(&self, command: &str, project: &Path) -> Run {
        let words = [command, "--kind", &self.kind, "--arch", "amd64", "--quiet"];
        Run::new(&self.program, project, words).option("--store", &self.store)
    }

    /// Keeps the files that differ, of both systems, for whoever wants to know why.
    fn keep(&self, verdict: &Verdict, real: &Path, ours: &Path) -> Result<()> {
        for path in verdict.unexplained.iter().map(|one| one.path.trim_start_matches('/')) {
            for (side, root) in [("dpkg", real), ("ours", ours)] {
                let from = root.join(path);
                let Ok(meta) = from.symlink_metadata() else { continue };
                if !meta.is_file() || meta.len() > KEPT {
                    continue;
                }
                let to = self.differing.join(side).join(path);
                fs::create_dir_all(to.parent().context("a file is in a directory")?)?;
                fs::copy(&from, &to)?;
            }
        }
        Ok(())
    }
}
