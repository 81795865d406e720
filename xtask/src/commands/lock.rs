//! `lock`: the Debian packages of a kind, resolved and pinned.

use crate::console::{self, size};
use crate::places::{PlaceArgs, StoreArgs};
use crate::progress::ShowArgs;
use crate::project::{self, Project};
use crate::relock;
use crate::selection::{differences, host};
use bake::lock::{Lock, LockedPackage};
use bake::name::{Arch, Kind, Name};
use bake::sources::MaxAge;
use bake::{Class, Refusal, Stage};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Resolve the Debian packages of a kind into its lock, or check that the lock is up to date
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads InRelease of trixie, trixie-updates and trixie-security, and of the archives that the recipe names, verifies it \
against the keys pinned in manifests/, and resolves what the recipe asks for. The lock records for each package its digest, what asked for it and the \
digests of its maintainer scripts, so that its difference to the last one can be reviewed. A script that is not in \
manifests/effects.toml is shown, and no lock is written: it has to be read first.")]
pub(crate) struct Args {
    /// Whose packages [default: all kinds]
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// For which machines, several with commas between [default: this one; with --check also those that have a lock]
    #[arg(long, value_name = "amd64|arm64", value_delimiter = ',')]
    arch: Vec<Arch>,
    /// Resolve nothing: tell, without a network, whether recipe and lock still agree
    #[arg(long)]
    check: bool,
    /// The pinned upstream components: what Debian packages among them need is resolved, too [default:
    /// manifests/KIND.debian-13.ARCH.json]
    #[arg(long, value_name = "FILE", requires = "kind")]
    manifest: Option<PathBuf>,
    /// Write the lock there; needs --kind, and one --arch at most
    #[arg(long, value_name = "FILE", requires = "kind")]
    output: Option<PathBuf>,
    /// Write the texts of maintainer scripts that nobody has reviewed there, as they go into manifests/effects
    #[arg(long, value_name = "DIR")]
    unreviewed: Option<PathBuf>,
    /// Accept an archive whose main suite was made at most so many days ago, or that of a third party; may be given several
    /// times [default: manifests/sources.toml]
    #[arg(long, value_name = "[ARCHIVE=]DAYS")]
    max_age: Vec<MaxAge>,
    /// The folder with image-recipes and manifests [default: the nearest one upwards]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Serialize)]
struct Report {
    kind: Kind,
    arch: Arch,
    path: PathBuf,
    packages: usize,
    bytes: u64,
    /// What the recipe asks and the lock does not answer; empty when they agree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disagreements: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
}

/// Runs it.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let project = Project::find(args.project.as_deref())?;
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
    if args.show.json {
        console::json(&reports)?;
    } else {
        reports.iter().for_each(print);
    }
    let stale: Vec<&Report> = reports.iter().filter(|report| !report.disagreements.is_empty()).collect();
    if let Some(report) = stale.first() {
        let what = format!("recipe and lock do not agree: {}", report.disagreements.join("; "));
        let refusal = Refusal::new(Class::Usage, project::label(&report.path), Stage::Plan, what);
        return Err(refusal
            .hint(format!("`cargo xtask lock --kind {} --arch {}` resolves it", report.kind, report.arch))
            .into());
    }
    if reports.is_empty() {
        let folder = project.root.join("image-recipes");
        return Err(
            Refusal::new(Class::Usage, project::label(&folder), Stage::Parse, "there is no recipe").into()
        );
    }
    Ok(())
}

/// The architectures that are asked for.
fn arches(args: &Args, project: &Project, kind: &Kind) -> Vec<Arch> {
    if !args.arch.is_empty() {
        return args.arch.clone();
    }
    let host = host();
    let is_checked = |arch: &Arch| *arch == host || (args.check && project.lock_path(kind, *arch).exists());
    Arch::ALL.into_iter().filter(is_checked).collect()
}

fn ensure_usage(holds: bool, what: &'static str) -> bake::Result<()> {
    if holds { Ok(()) } else { Err(Refusal::new(Class::Usage, "lock", Stage::Parse, what)) }
}

fn check(_: &Args, project: &Project, kind: &Kind, arch: Arch, path: PathBuf) -> anyhow::Result<Report> {
    let request = project.recipe(kind)?.request(arch);
    if !path.exists() {
        let disagreements = vec!["there is no lock".to_owned()];
        return Ok(Report {
            kind: kind.clone(),
            arch,
            path,
            packages: 0,
            bytes: 0,
            disagreements,
            changes: Vec::new(),
        });
    }
    let lock = project.lock(&path)?;
    let disagreements = differences(&lock, kind, &request);
    Ok(report(&lock, path, disagreements, Vec::new()))
}

fn make(args: &Args, project: &Project, kind: &Kind, arch: Arch, path: PathBuf) -> anyhow::Result<Report> {
    let show = args.show.show();
    let recipe = project.recipe(kind)?;
    let previous = relock::previous(project, kind, arch, Some(&path), &show)?;
    let options = args.places.options(
        project,
        &project.sources()?,
        "check the mirrors; the archive's index names a file that it does not have".to_owned(),
    )?;
    let store = args.store.open()?;
    let _rejected = console::Rejected(&store);
    let manifest = args.manifest.clone().unwrap_or_else(|| project.manifest_path(kind, arch));
    let is_there = args.manifest.is_some() || manifest.exists();
    let manifest = is_there.then(|| project.manifest(&manifest)).transpose()?;
    let task = relock::Task {
        kind,
        arch,
        previous: &previous,
        max_age: &args.max_age,
        unreviewed: args.unreviewed.as_deref(),
        components: &relock::components(&recipe, manifest.as_ref()),
    };
    let lock = relock::resolve(&task, project, &recipe, &store, &options, args.places.threads(), &show)?;
    relock::tell_third_parties(&lock, &project.sources()?, &show);
    relock::write(&path, &lock)?;
    // of two, the one that was replaced
    let changes = previous.last().map_or_else(Vec::new, |previous| changes(previous, &lock));
    Ok(report(&lock, path, Vec::new(), changes))
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
            None => lines.push(format!("+ {name} {}", package.version)),
            Some(old) if old.sha256 != package.sha256 => {
                let scripts =
                    if old.scripts == package.scripts { "" } else { "; its maintainer scripts differ" };
                lines.push(format!("  {name} {} -> {}{scripts}", old.version, package.version));
            }
            Some(_) => {}
        }
    }
    lines.extend(before.keys().filter(|name| !now.contains_key(*name)).map(|name| format!("- {name}")));
    lines
}

fn print(report: &Report) {
    let Report { kind, arch, packages, bytes, .. } = report;
    let path = project::label(&report.path);
    console::line(format!("{kind} on {arch}: {packages} packages, {}: {path}", size(*bytes)));
    for change in &report.changes {
        console::line(format!("  {change}"));
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
