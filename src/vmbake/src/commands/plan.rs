//! `plan`: what a bake will do, its digest, sizes, what is already in the store, and what the image grants. No image is made.

use crate::console::{self, size};
use crate::pipeline;
use crate::places::StoreArgs;
use crate::privileges;
use crate::progress::{Show, ShowArgs};
use crate::remedy;
use crate::selection::{Inputs, Selection};
use bake::images::{self, Resolved};
use bake::plan::{Plan, Requirement, Source};
use serde::Serialize;
use store::Store;
use tree::Tree;
use tree::privilege::Privilege;
use tree::refusal::shown;
use tree::scripts::Scripted;

/// Show what a bake will do, its digest, what is already in the store, and what the image grants; no image is made
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What maintainer scripts do, and what an image grants (set-uid programs, members of groups, sudo, PAM, certificates, cron, …), \
depends on its packages. Both are listed, with their origin, if the store has all packages; run `vmbake fetch` first. The \
record of an image has the same lists.")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    store: StoreArgs,
    /// List every package, component and file
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(skip)]
    inputs: usize,
    name: String,
    digest: tree::digest::Sha256,
    /// Bytes of all inputs.
    input_bytes: u64,
    /// Bytes of those that are not in the store yet.
    missing_bytes: u64,
    missing: Vec<&'a str>,
    /// Packages with maintainer scripts, how far each is trusted, and what they do; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    scripts: Option<Vec<Scripted>>,
    /// What the image grants beyond root:root 0755, and who brings it; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    privileges: Option<Vec<Privilege>>,
    /// Why the two are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    plan: &'a Plan,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let show = args.show.show();
    let (inputs, plan) = args.selection.planned(&show)?;
    let mut requirements = plan.requirements();
    let (images, unknown_images) = images(&args.store, &plan)?;
    requirements.extend(images.iter().flat_map(Resolved::requirements));
    let missing = missing(&args.store, &requirements)?;
    let (tree, unknown) = match laid_out(args, &inputs, &plan, missing.len() + unknown_images.len(), &show) {
        Ok(tree) => (Some(tree), None),
        Err(why) => (None, Some(why)),
    };
    let report = Report {
        // of an image that is not known one thing is missing: what says the rest
        inputs: requirements.len() + unknown_images.len(),
        name: plan.name(),
        digest: plan.digest(),
        input_bytes: requirements.iter().map(|requirement| requirement.size).sum(),
        missing_bytes: missing.iter().map(|requirement| requirement.size).sum(),
        missing: missing
            .iter()
            .map(|requirement| requirement.name.as_str())
            .chain(unknown_images.iter().map(String::as_str))
            .collect(),
        scripts: tree.as_ref().map(|tree| tree.scripts().to_vec()),
        privileges: tree.as_ref().map(|tree| tree.privileges().to_vec()),
        unknown,
        plan: &plan,
    };
    if args.show.json {
        return console::json(&report);
    }
    summary(&report);
    scripts(&report, args.all);
    grants(&report, args.all);
    if args.all {
        everything(&plan, &requirements);
    }
    Ok(())
}

/// The container images whose parts the store knows, and the names of all others.
fn images(store: &StoreArgs, plan: &Plan) -> tree::refusal::Result<(Vec<Resolved>, Vec<String>)> {
    let path = store.path();
    if plan.containers.is_empty() || !path.exists() {
        return Ok((Vec::new(), plan.containers.iter().map(|image| image.image.to_string()).collect()));
    }
    images::in_store(&Store::open_with(&path, &store.options())?, plan)
}

/// What is not in the store; a store that is not there yet has nothing.
fn missing<'a>(
    store: &StoreArgs,
    requirements: &'a [Requirement],
) -> tree::refusal::Result<Vec<&'a Requirement>> {
    let path = store.path();
    if !path.exists() {
        return Ok(requirements.iter().collect());
    }
    let store = Store::open_with(&path, &store.options())?;
    let mut missing = Vec::new();
    for requirement in requirements {
        if !store.has(&requirement.digest, requirement.size)? {
            missing.push(requirement);
        }
    }
    Ok(missing)
}

/// The tree of the image, or why what is in it cannot be said.
fn laid_out(args: &Args, inputs: &Inputs, plan: &Plan, missing: usize, show: &Show) -> Result<Tree, String> {
    if missing > 0 {
        return Err(format!("{missing} inputs are not in the store yet; run `vmbake fetch`"));
    }
    let tree = args.store.open().and_then(|store| {
        pipeline::laid_out(plan, &inputs.project, &store, rayon::current_num_threads(), show)
    });
    tree.map_err(|refusal| match remedy::hint(&refusal) {
        Some(hint) => format!("a bake would fail: {refusal} (hint: {hint})"),
        None => format!("a bake would fail: {refusal}"),
    })
}

fn grants(report: &Report<'_>, all: bool) {
    console::line("");
    match (&report.privileges, &report.unknown) {
        (Some(privileges), _) => {
            console::line("what the image grants beyond root:root 0755, and by whom:");
            for line in privileges::lines(privileges, all) {
                console::line(format!("  {line}"));
            }
        }
        (None, why) => {
            let why = why.as_deref().unwrap_or_default();
            console::line(format!("what the image grants is unknown: {}", shown(why)));
        }
    }
}

/// More effects of one package than so many are counted.
const MOST: usize = 8;

/// Maintainer scripts, which are not run, and what is done instead.
fn scripts(report: &Report<'_>, all: bool) {
    console::line("");
    let Some(scripts) = &report.scripts else {
        console::line("what maintainer scripts do is unknown; see below");
        return;
    };
    console::line("maintainer scripts (interpreted, not run), and what they do in the image:");
    for Scripted { package, trust, scripts, effects } in scripts {
        console::line(format!("  {:<32} {trust:<9} {}", package.as_str(), scripts.join(" ")));
        let most = if all { effects.len() } else { MOST };
        for done in effects.iter().take(most) {
            console::line(format!("  {:<32}   {}", "", shown(&done.to_string())));
        }
        if effects.len() > most {
            console::line(format!("  {:<32}   and {} more, which --all lists", "", effects.len() - most));
        }
    }
}

fn summary(report: &Report<'_>) {
    let plan = report.plan;
    let lineage: Vec<&str> = plan.lineage.iter().map(tree::name::Kind::as_str).collect();
    console::line(format!("image       {}", report.name));
    console::line(format!("plan        {}", report.digest));
    console::line(format!("kind        {} ({})", plan.kind, lineage.join(" > ")));
    let epoch = bake::time::show(plan.epoch);
    console::line(format!("time        {epoch}, of every file that would be newer"));
    for suite in &plan.suites {
        let signed = suite.signed_by.join(", ");
        let root = suite.mirror.as_ref().map_or_else(String::new, |mirror| format!(" of {}", shown(mirror)));
        console::line(format!("suite       {}{root} of {}, signed by {signed}", suite.name, suite.date));
    }
    let bytes: u64 = plan.packages.iter().map(|package| package.size).sum();
    console::line(format!("packages    {}, {}", plan.packages.len(), size(bytes)));
    let bytes: u64 = plan.components.iter().map(|component| component.pin.size).sum();
    console::line(format!("components  {}, {}", plan.components.len(), size(bytes)));
    for component in &plan.components {
        console::line(format!("            {} {}", component.name, component.pin.version));
    }
    for image in &plan.containers {
        console::line(format!("container   {} {}", image.image, image.digest));
    }
    for remark in &plan.remarks {
        console::line(format!("remark      {}", shown(&remark.to_string())));
    }
    if let Some(configure) = &plan.configure {
        console::line(format!("configure   {} {}", configure.digest, size(configure.size)));
    }
    if let Some(program) = &plan.first_boot {
        console::line(format!("first-boot  {} {}", program.digest, size(program.size)));
    }
    if let Some(init) = &plan.init {
        console::line(format!("init        {} {}", init.digest, size(init.size)));
    }
    console::line(format!("files       {} of the recipes", plan.files.len()));
    let missing = report.missing.len();
    let inputs = report.inputs;
    console::line(format!(
        "store       {} of {inputs} inputs are there; {} of {} to fetch",
        inputs - missing,
        size(report.missing_bytes),
        size(report.input_bytes)
    ));
}

fn everything(plan: &Plan, requirements: &[Requirement]) {
    console::line("");
    console::line("inputs:");
    for requirement in requirements {
        let place = match &requirement.source {
            Source::Upstream { url } => url.clone(),
            Source::Debian { archive, file, .. } => format!("{archive}/{file}"),
            Source::Project { path } => format!("file:{path}"),
            Source::Registry { registry, repository, .. } => format!("{registry}/{repository}"),
        };
        console::line(format!(
            "  {:<32} {:<28} {:>10}  {}",
            requirement.name,
            requirement.version,
            size(requirement.size),
            requirement.digest
        ));
        console::line(format!("  {:<32} {place}", ""));
    }
    console::line("");
    console::line("files of the recipes:");
    for file in &plan.files {
        let access = &file.access;
        let what = file.target.as_ref().map_or_else(String::new, |target| format!(" -> {target}"));
        let mode = format!("{:04o} {}:{}", access.mode, access.owner, access.group);
        console::line(format!("  {mode:<28} {}{what}  ({}/{})", file.path, file.kind, file.source));
    }
}
