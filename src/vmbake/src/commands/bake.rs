//! `bake`: from pinned inputs to artifacts.

use crate::console::{self, size};
use crate::pipeline::{self, jobs};
use crate::places::{PlaceArgs, StoreArgs};
use crate::privileges;
use crate::progress::{Show, ShowArgs};
use crate::project::Project;
use crate::relock;
use crate::selection::{Inputs, Selection};
use anyhow::Context as _;
use bake::emit::{self, Emitted};
use bake::fetch::{self, Fetched};
use bake::lock::Lock;
use bake::plan::{Plan, Remark};
use bake::sources::MaxAge;
use disk::Format;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use store::Store;
use store::contents::Corrupt;
use tree::digest::Sha256;
use tree::privilege::Privilege;
use tree::refusal::shown;

/// Bake an image: fetch what is pinned, lay it out, and write the artifacts
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A bake uses exactly what manifest and lock pin. Debian replaces packages in its archive: when a pinned one is gone \
and no snapshot archive can be reached, either commit a new lock (`vmbake lock --kind KIND`), or let this bake \
resolve its own with --relock; that lock is written next to the artifact.")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    places: PlaceArgs,
    /// The directory for the artifacts
    #[arg(long, short, value_name = "DIR", default_value = "dist")]
    output: PathBuf,
    #[arg(long = "format", help = FORMATS.as_str(), value_name = "FORMAT,…", value_delimiter = ',', default_value = Format::TarZst.as_str())]
    formats: Vec<Format>,
    /// Where the image will be published, for the URLs in the manifest that is written next to a node's qcow2
    #[arg(long, value_name = "URL", default_value = emit::NOWHERE)]
    published_at: String,
    /// Resolve the Debian packages for this bake: when a pinned one is no longer available, or always
    #[arg(long, value_name = "WHEN", num_args = 0..=1, default_missing_value = "if-needed")]
    relock: Option<When>,
    /// With --relock, accept a main suite of Debian, or a third party's archive, that is at most this many days old; may be repeated
    /// [default: manifests/sources.toml]
    #[arg(long, value_name = "[ARCHIVE=]DAYS", requires = "relock")]
    max_age: Vec<MaxAge>,
    #[command(flatten)]
    show: ShowArgs,
}

static FORMATS: LazyLock<String> = LazyLock::new(|| {
    format!("Comma-separated list of formats: {}", Format::ALL.map(Format::as_str).join(", "))
});

/// When to resolve the packages again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    /// If no lock matches the recipe, or a locked package is no longer available.
    IfNeeded,
    /// Always.
    Always,
}

#[derive(Serialize)]
struct Report {
    name: String,
    plan: Sha256,
    paths: usize,
    /// What was decided about the inputs beyond taking them as they are pinned.
    remarks: Vec<Remark>,
    /// What the image grants beyond root:root 0755, and who brings it.
    privileges: Vec<Privilege>,
    /// The lock that was made for this bake.
    lock: Option<PathBuf>,
    files: Vec<Made>,
    /// What was wrong in the store, and was not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    set_aside: Vec<String>,
    seconds: f64,
}

#[derive(Serialize)]
struct Made {
    path: PathBuf,
    size: u64,
    sha256: Sha256,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let show = args.show.show();
    let output = std::path::absolute(&args.output).context("the output directory")?;
    Project::find(args.selection.project.as_deref())?.check_output(&output)?;
    emit::check_output(&output)?;
    // the only other program that is ever started runs first: cargo, for the boot-time program
    let inputs = args.selection.inputs(args.relock.is_none(), &show)?;
    let options = args.places.options(&inputs.project, &inputs.sources, args.selection.way_out(&inputs))?;
    let store = args.store.open()?;
    let _rejected = console::Rejected(&store);
    let (plan, fetched, fresh) = planned(args, &inputs, &store, &options, &show)?;
    for remark in &plan.remarks {
        let text = shown(&remark.to_string()).into_owned();
        if remark.is_warning() {
            show.warn(&text);
        } else {
            show.note(&format!("note: {text}"));
        }
    }
    let Laid { paths, privileges, emitted } =
        made(args, &plan, &inputs.project, &store, &fetched, &output, &show)?;
    let third_parties = plan.packages.iter().filter(|package| package.is_third_party(&plan.suites));
    for line in privileges::summary(&privileges, &third_parties.map(|package| &package.name).collect()) {
        show.note(&format!("note: {line}"));
    }
    let lock = fresh.map(|lock| relock::write_beside(&output, &plan.name(), &lock)).transpose()?;
    let files = emitted.files.into_iter();
    let files = files
        .map(|file| Made { path: args.output.join(file.name), size: file.size, sha256: file.sha256 })
        .collect();
    let (name, digest, remarks) = (plan.name(), plan.digest(), plan.remarks.clone());
    let (set_aside, seconds) = (store.rejected(), show.seconds());
    let report = Report { name, plan: digest, paths, remarks, privileges, lock, files, set_aside, seconds };
    if args.show.json {
        return console::json(&report);
    }
    print(&report, &show);
    Ok(())
}

/// The plan with all that it requires in the store, and the lock where one was made for it.
fn planned(
    args: &Args,
    inputs: &Inputs,
    store: &Store,
    options: &fetch::Options,
    show: &Show,
) -> anyhow::Result<(Plan, Fetched, Option<Lock>)> {
    let committed = match args.relock {
        Some(When::Always) => None,
        Some(When::IfNeeded) => args.selection.lock(inputs).ok(),
        None => Some(args.selection.lock(inputs)?),
    };
    if let Some(lock) = committed {
        let plan = args.selection.plan(inputs, &lock)?;
        match pipeline::fetch_all(&plan, store, options, show) {
            Ok(fetched) => return Ok((plan, fetched, None)),
            Err(refusal) if args.relock.is_some() && fetch::is_gone(&refusal) => {
                show.step(&format!("{refusal}; resolving the packages again"));
            }
            Err(refusal) => return Err(refusal.into()),
        }
    }
    let Selection { arch, lock: named, .. } = &args.selection;
    let kind = &inputs.kind;
    let previous = relock::previous(&inputs.project, kind, *arch, named.as_deref(), show)?;
    let task = relock::Task {
        kind,
        arch: *arch,
        previous: &previous,
        max_age: &args.max_age,
        unreviewed: None,
        components: &relock::components(&inputs.recipe, Some(&inputs.manifest)),
    };
    let relock::Resolved { lock, .. } =
        relock::resolve(&task, &inputs.project, &inputs.recipe, store, options, args.places.threads(), show)?;
    let plan = args.selection.plan(inputs, &lock)?;
    let fetched = pipeline::fetch_all(&plan, store, options, show)?;
    Ok((plan, fetched, Some(lock)))
}

/// What was laid out and written.
struct Laid {
    paths: usize,
    privileges: Vec<Privilege>,
    emitted: Emitted,
}

/// Lays out the tree and writes the artifacts. What the store had derived and is found wrong is derived again, once.
fn made(
    args: &Args,
    plan: &Plan,
    project: &Project,
    store: &Store,
    fetched: &Fetched,
    output: &std::path::Path,
    show: &Show,
) -> anyhow::Result<Laid> {
    let threads = args.places.threads();
    let attempt = || {
        let tree = pipeline::tree(plan, project, store, fetched, threads, show)?;
        let prepared = emit::prepare(&tree, plan, &args.formats)?;
        let needs = prepared.needs();
        let kept = if store.keeps_notes() { needs.store } else { 0 };
        let what = format!(
            "writing at most {} to `{}`, and {} to the store for the next bake",
            size(needs.outputs),
            args.output.display(),
            size(kept)
        );
        let options = emit::Options { jobs: jobs(threads), keep_frames: true, published: &args.published_at };
        let emitted = show.labelled("writing", &what, Duration::ZERO, |meter| {
            prepared.write(store, output, options, |at| meter.at_bytes(at.done, at.total))
        })?;
        Ok(Laid { paths: tree.len(), privileges: tree.privileges().to_vec(), emitted })
    };
    let first: tree::refusal::Result<_> = attempt();
    let laid = match first {
        Err(refusal) if refusal.cause.downcast_ref::<Corrupt>().is_some() => {
            show.step(&format!("{refusal}; unpacking again what is damaged"));
            pipeline::recheck(plan, store, threads, show)?;
            attempt()?
        }
        other => other?,
    };
    let emitted = &laid.emitted;
    let tar = emitted.frames.iter().map(|frames| (frames.count, frames.kept));
    let all = tar.chain(emitted.disks.values().map(|pieces| (pieces.count, pieces.kept)));
    let (count, kept) = all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    show.step(&format!("wrote {count} pieces, {kept} of them from the store"));
    Ok(laid)
}

fn print(report: &Report, show: &Show) {
    for file in &report.files {
        console::line(format!("{}  {:>8}  {}", file.sha256.hex(), size(file.size), file.path.display()));
    }
    if let Some(lock) = &report.lock {
        show.note(&format!("the packages were resolved for this bake: {}", lock.display()));
    }
    show.note(&format!(
        "{}: {} paths, plan {}, {:.1} s",
        report.name, report.paths, report.plan, report.seconds
    ));
}
