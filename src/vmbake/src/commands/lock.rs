//! `lock`: the Debian packages of a kind, resolved and pinned.

use crate::console::{self, size};
use crate::places::{PlaceArgs, StoreArgs};
use crate::progress::{Show, ShowArgs};
use crate::project::{self, Project};
use crate::relock;
use crate::selection::{differences, host};
use bake::lock::{Lock, LockedPackage};
use bake::manifest::Manifest;
use bake::recipe::Recipe;
use bake::sources::MaxAge;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use store::Store;
use tree::name::{Arch, Kind, Name};
use tree::refusal::shown;
use tree::refusal::{Class, Refusal, Stage};
use tree::release::CODENAME;
use tree::scripts::{Scripted, Trust};

/// Resolve the Debian packages of a kind into its lock, or check that the lock is up to date
#[derive(Debug, clap::Args)]
#[command(after_help = tree::joined!(
"Reads InRelease of ", CODENAME, ", ", CODENAME, "-updates and ", CODENAME, "-security, and of the archives that the recipe names, verifies it \
against the keys pinned in manifests/, and resolves what the recipe requires. The lock records for each package its digest, what \
requires it and the digests of its maintainer scripts, so that changes can be reviewed. Scripts are \
interpreted, not run: for one that cannot be followed to its end, vmbake prints the options, and writes no lock. \
Changes in what scripts do since the last lock are shown."))]
pub struct Args {
    /// The kind whose packages to lock [default: all kinds]
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Comma-separated list of architectures [default: this machine's; with --check also those that have a lock]
    #[arg(long, value_name = "amd64|arm64", value_delimiter = ',')]
    arch: Vec<Arch>,
    /// Do not resolve; check, without a network, that the lock matches the recipe
    #[arg(long)]
    check: bool,
    #[arg(long, value_name = "FILE", requires = "kind", help = tree::of_release!(
        "The pinned upstream components; the dependencies of .deb files among them are resolved too [default: manifests/KIND.",
        ".ARCH.json]"
    ))]
    manifest: Option<PathBuf>,
    /// Write the lock to this file; requires --kind and at most one --arch
    #[arg(long, value_name = "FILE", requires = "kind")]
    output: Option<PathBuf>,
    /// With `scripts = "reviewed"` in the recipe: write the maintainer scripts that nobody has reviewed to this directory
    #[arg(long, value_name = "DIR")]
    unreviewed: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// What all commands that make a lock have in common.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// Accept a main suite of Debian, or a third party's archive, that is at most this many days old; may be repeated
    /// [default: manifests/sources.toml]
    #[arg(long, value_name = "[ARCHIVE=]DAYS")]
    max_age: Vec<MaxAge>,
    /// The folder with image-recipes and manifests [default: the nearest one, searching upwards]
    #[arg(long, value_name = "DIR")]
    pub(super) project: Option<PathBuf>,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) places: PlaceArgs,
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// What came of a lock.
#[derive(Debug, Serialize)]
pub struct Report {
    kind: Kind,
    arch: Arch,
    pub(super) path: PathBuf,
    packages: usize,
    bytes: u64,
    /// What the recipe asks and the lock does not answer; empty when they agree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disagreements: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
    /// How many packages have maintainer scripts that were derived, reviewed, accepted; absent with --check.
    #[serde(skip_serializing_if = "Option::is_none")]
    scripts: Option<BTreeMap<Trust, usize>>,
    /// How what scripts do has changed since the last lock, whose packages must be in the store for that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    effects: Vec<Changed>,
}

/// How what the scripts of a package do has changed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Changed {
    package: Name,
    added: Vec<String>,
    removed: Vec<String>,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let project = Project::find_own(args.common.project.as_deref())?;
    let kinds = args.kind.clone().map_or_else(|| project.kinds(), |kind| Ok(vec![kind]))?;
    ensure_usage(
        args.arch.len() < 2 || (args.output.is_none() && args.manifest.is_none()),
        "--output and --manifest are for one architecture",
    )?;
    let mut reports = Vec::new();
    for kind in &kinds {
        for arch in &arches(args, &project, kind) {
            let path = args.output.clone().unwrap_or_else(|| project.lock_path(kind, *arch));
            let one = if args.check { check } else { make };
            reports.push(one(args, &project, kind, *arch, path)?);
        }
    }
    if args.common.show.json {
        console::json(&reports)?;
    } else {
        reports.iter().for_each(print);
    }
    let stale: Vec<&Report> = reports.iter().filter(|report| !report.disagreements.is_empty()).collect();
    if let Some(report) = stale.first() {
        let what = format!("the lock is out of date: {}", report.disagreements.join("; "));
        let refusal = Refusal::new(Class::Usage, project::label(&report.path), Stage::Plan, what);
        return Err(refusal
            .hint(format!("run `vmbake lock --kind {} --arch {}`", report.kind, report.arch))
            .into());
    }
    if reports.is_empty() {
        let folder = project.root.join("image-recipes");
        return Err(
            Refusal::new(Class::Usage, project::label(&folder), Stage::Parse, "no recipe found").into()
        );
    }
    Ok(())
}

/// The architectures that are asked for.
fn arches(args: &Args, project: &Project, kind: &Kind) -> Vec<Arch> {
    match &args.arch[..] {
        [] if args.check => with_locks(project, kind),
        [] => vec![host()],
        asked => asked.to_vec(),
    }
}

/// This machine's architecture, and those that `kind` has a lock for.
pub(super) fn with_locks(project: &Project, kind: &Kind) -> Vec<Arch> {
    let host = host();
    Arch::ALL.into_iter().filter(|arch| *arch == host || project.lock_path(kind, *arch).exists()).collect()
}

fn ensure_usage(holds: bool, what: &'static str) -> tree::refusal::Result<()> {
    if holds { Ok(()) } else { Err(Refusal::new(Class::Usage, "lock", Stage::Parse, what)) }
}

fn check(_: &Args, project: &Project, kind: &Kind, arch: Arch, path: PathBuf) -> anyhow::Result<Report> {
    let request = project.recipe(kind)?.request(arch);
    if !path.exists() {
        let disagreements = vec!["no lock found".to_owned()];
        return Ok(Report {
            kind: kind.clone(),
            arch,
            path,
            packages: 0,
            bytes: 0,
            disagreements,
            changes: Vec::new(),
            scripts: None,
            effects: Vec::new(),
        });
    }
    let lock = project.lock(&path)?;
    let disagreements = differences(&lock, kind, &request);
    Ok(report(&lock, path, disagreements, Vec::new()))
}

fn make(args: &Args, project: &Project, kind: &Kind, arch: Arch, path: PathBuf) -> anyhow::Result<Report> {
    let task = Task {
        project,
        kind,
        arch,
        recipe: &project.recipe(kind)?,
        manifest: match &args.manifest {
            Some(path) => Some(project.manifest(path)?),
            None => project.pinned(kind, arch)?,
        },
        unreviewed: args.unreviewed.as_deref(),
        path,
    };
    let (lock, report) = resolve(task, &args.common)?;
    relock::write(&report.path, &lock)?;
    Ok(report)
}

/// Which lock to make.
pub(super) struct Task<'a> {
    /// The project.
    pub(super) project: &'a Project,
    /// Whose packages.
    pub(super) kind: &'a Kind,
    /// For which machine.
    pub(super) arch: Arch,
    /// What asks for them.
    pub(super) recipe: &'a Recipe,
    /// The pinned components.
    pub(super) manifest: Option<Manifest>,
    /// Where the texts of scripts that nobody has reviewed go.
    pub(super) unreviewed: Option<&'a Path>,
    /// Where the lock belongs.
    pub(super) path: PathBuf,
}

/// Resolves a lock, which is not written yet, and says how it differs from the one before.
pub(super) fn resolve(task: Task<'_>, common: &Common) -> anyhow::Result<(Lock, Report)> {
    let Task { project, kind, arch, recipe, manifest, unreviewed, path } = task;
    let show = common.show.show();
    let previous = relock::previous(project, kind, arch, Some(&path), &show)?;
    let sources = project.sources()?;
    let options = common.places.options(
        project,
        &sources,
        "check the mirrors: the archive's index lists a file that is missing".to_owned(),
    )?;
    let store = common.store.open()?;
    let _rejected = console::Rejected(&store);
    let task = relock::Task {
        kind,
        arch,
        previous: &previous,
        max_age: &common.max_age,
        unreviewed,
        components: &relock::components(recipe, manifest.as_ref()),
    };
    let threads = common.places.threads();
    let relock::Resolved { lock, scripts } =
        relock::resolve(&task, project, recipe, &store, &options, threads, &show)?;
    relock::tell_third_parties(&lock, &sources, &show);
    // of two, the one that is replaced
    let Some(previous) = previous.last() else {
        let changes = inherited(project, recipe, arch)?.map(|base| beyond(&base, &lock)).unwrap_or_default();
        let report = Report { scripts: Some(count(&scripts)), ..report(&lock, path, Vec::new(), changes) };
        return Ok((lock, report));
    };
    let before = before(project, recipe, previous, &store, threads, &show)?;
    let effects = before.map(|before| effects(&before, &scripts)).unwrap_or_default();
    let changes = changes(previous, &lock);
    let report =
        Report { scripts: Some(count(&scripts)), effects, ..report(&lock, path, Vec::new(), changes) };
    Ok((lock, report))
}

/// The lock of the nearest kind that a recipe extends and that has one.
fn inherited(project: &Project, recipe: &Recipe, arch: Arch) -> tree::refusal::Result<Option<Lock>> {
    for kind in recipe.lineage.iter().rev().skip(1) {
        if let Some(lock) = project.locked(kind, arch)? {
            return Ok(Some(lock));
        }
    }
    Ok(None)
}

/// The packages that a first lock has beyond that of the kind below it, and those that it lacks; a line each. Versions do
/// not count: the archive may have moved on since that was made.
fn beyond(base: &Lock, now: &Lock) -> Vec<String> {
    let names =
        |lock: &Lock| lock.packages.iter().map(|package| package.name.clone()).collect::<BTreeSet<_>>();
    let (known, names) = (names(base), names(now));
    let new = now.packages.iter().filter(|package| !known.contains(&package.name)).map(added);
    new.chain(known.difference(&names).map(|name| format!("- {name}"))).collect()
}

fn added(package: &LockedPackage) -> String {
    format!("+ {} {}, {}", package.name, package.version, size(package.size))
}

/// What the scripts of the last lock's packages do; nothing where the store does not have them all, or they cannot be followed.
fn before(
    project: &Project,
    recipe: &Recipe,
    previous: &Lock,
    store: &Store,
    threads: usize,
    show: &Show,
) -> tree::refusal::Result<Option<Vec<Scripted>>> {
    for package in &previous.packages {
        if !store.has(&package.sha256.into(), package.size)? {
            return Ok(None);
        }
    }
    let effects = relock::known_effects(project, recipe)?;
    Ok(relock::scripts(project, recipe, previous, &effects, store, threads, show).ok())
}

/// How many packages have scripts of each trust.
fn count(scripts: &[Scripted]) -> BTreeMap<Trust, usize> {
    let mut counts = BTreeMap::new();
    for one in scripts {
        *counts.entry(one.trust).or_default() += 1;
    }
    counts
}

/// What scripts do now and did not do before, and the other way round, by package; the line of a script does not count.
fn effects(before: &[Scripted], now: &[Scripted]) -> Vec<Changed> {
    let by_name = |scripts: &[Scripted]| -> BTreeMap<Name, Vec<String>> {
        let does = |one: &Scripted| one.effects.iter().map(|done| done.does.clone()).collect();
        scripts.iter().map(|one| (one.package.clone(), does(one))).collect()
    };
    let (before, now) = (by_name(before), by_name(now));
    let mut changed = Vec::new();
    // a package that comes or goes is told by its name
    for (package, now) in &now {
        let Some(before) = before.get(package) else { continue };
        let without = |all: &[String], others: &[String]| -> Vec<String> {
            all.iter().filter(|one| !others.contains(one)).cloned().collect()
        };
        let (added, removed) = (without(now, before), without(before, now));
        if !added.is_empty() || !removed.is_empty() {
            changed.push(Changed { package: package.clone(), added, removed });
        }
    }
    changed
}

fn report(lock: &Lock, path: PathBuf, disagreements: Vec<String>, changes: Vec<String>) -> Report {
    Report {
        kind: lock.kind.clone(),
        arch: lock.arch,
        path,
        packages: lock.packages.len(),
        bytes: lock.packages.iter().map(|package| package.size).sum(),
        disagreements,
        changes,
        scripts: None,
        effects: Vec::new(),
    }
}

/// What is different in `now`: a line a package.
fn changes(before: &Lock, now: &Lock) -> Vec<String> {
    let by_name = |lock: &Lock| -> BTreeMap<Name, LockedPackage> {
        lock.packages.iter().map(|package| (package.name.clone(), package.clone())).collect()
    };
    let (before, now) = (by_name(before), by_name(now));
    let mut lines = Vec::new();
    for (name, package) in &now {
        match before.get(name) {
            None => lines.push(added(package)),
            Some(old) if old.sha256 != package.sha256 => {
                let scripts =
                    if old.scripts == package.scripts { "" } else { "; its maintainer scripts changed" };
                lines.push(format!("  {name} {} -> {}{scripts}", old.version, package.version));
            }
            Some(_) => {}
        }
    }
    lines.extend(before.keys().filter(|name| !now.contains_key(*name)).map(|name| format!("- {name}")));
    lines
}

/// Prints what came of a lock.
pub(super) fn print(report: &Report) {
    let Report { kind, arch, packages, bytes, .. } = report;
    let path = project::label(&report.path);
    console::line(format!("{kind} on {arch}: {packages} packages, {}: {path}", size(*bytes)));
    for change in &report.changes {
        console::line(format!("  {change}"));
    }
    for Changed { package, added, removed } in &report.effects {
        console::line(format!("  the scripts of {package} have other effects:"));
        let lines = removed.iter().map(|line| ('-', line)).chain(added.iter().map(|line| ('+', line)));
        for (sign, line) in lines {
            console::line(format!("    {sign} {}", shown(line)));
        }
    }
    if let Some(counts) = &report.scripts {
        let counts: Vec<String> = counts.iter().map(|(trust, count)| format!("{count} {trust}")).collect();
        console::line(format!("  packages with maintainer scripts: {}", counts.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::fs;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_lock_is_of_the_architecture_that_is_asked_for_or_of_this_machines() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["image-recipes", "manifests"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let project = Project::find(Some(folder.path())).unwrap();
        let kind: Kind = "mine".parse().unwrap();
        let asked = |words: &[&str]| {
            let line = Line::parse_from([&["lock"], words].concat());
            arches(&line.args, &project, &kind)
        };
        assert_eq!(asked(&[]), [host()]);
        assert_eq!(asked(&["--arch", "arm64"]), [Arch::Arm64]);
        assert_eq!(asked(&["--arch", "amd64,arm64"]), [Arch::Amd64, Arch::Arm64]);
        // a check is of all that there is
        assert_eq!(asked(&["--check"]), [host()]);
        for arch in Arch::ALL {
            fs::write(project.lock_path(&kind, arch), "").unwrap();
        }
        assert_eq!(asked(&["--check"]), Arch::ALL);
        assert_eq!(asked(&[]), [host()]);
    }
}
