//! Which image is meant: the arguments that `plan`, `fetch` and `bake` share, and the plan that follows from them.

use crate::programs::{self, Program};
use crate::progress::Show;
use crate::project::{self, Project};
use bake::lock::{Lock, Request};
use bake::manifest::Manifest;
use bake::plan::{Choices, Label, Plan};
use bake::recipe::Recipe;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use tree::name::{Arch, Kind, Name, Provider};
use tree::of_release;
use tree::refusal::{Class, Refusal, Stage};

/// Which image.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Selection {
    /// The kind of image: base, knd, knc, or a folder of your own in image-recipes [default: the project's only kind]
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// The architecture to bake for; any host bakes for either [default: this machine's]
    #[arg(long, value_name = "amd64|arm64", default_value_t = host(), hide_default_value = true)]
    pub(crate) arch: Arch,
    /// Bake for this cloud only, and add its components
    #[arg(long, value_name = Provider::CHOICES)]
    pub(crate) provider: Option<Provider>,
    #[arg(long, value_name = "NAME", help = of_release!("The base name of the artifacts [default: KIND.", ".ARCH]"))]
    pub(crate) name: Option<Name>,
    /// Append this to the base name after a dot, such as a version
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<Name>,
    #[arg(long, value_name = "FILE", help = of_release!("The pinned upstream components [default: manifests/KIND.", ".ARCH.json]"))]
    pub(crate) manifest: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = of_release!("The locked Debian packages [default: manifests/KIND.", ".ARCH.lock.toml]"))]
    pub(crate) lock: Option<PathBuf>,
    /// The boot-time program [default: the one that comes with vmbake; in a clone, built from source]
    #[arg(long, value_name = "FILE")]
    pub(crate) configure: Option<PathBuf>,
    /// The program that has cloud-init's place [default: the one that comes with vmbake; in a clone, built from source]
    #[arg(long, value_name = "FILE")]
    pub(crate) first_boot: Option<PathBuf>,
    /// The initrd's program [default: the one that comes with vmbake; in a clone, built from source]
    #[arg(long, value_name = "FILE")]
    pub(crate) init: Option<PathBuf>,
    /// The folder with image-recipes and manifests [default: the nearest one, searching upwards]
    #[arg(long, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,
}

/// What a plan is made of, read.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    /// Where it was read.
    pub(crate) project: Project,
    /// What the image is for.
    pub(crate) kind: Kind,
    /// The recipe.
    pub(crate) recipe: Recipe,
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// The policy.
    pub(crate) policy: bake::policy::Policy,
    /// The boot-time program, where the recipe places it.
    pub(crate) configure: Option<Arc<[u8]>>,
    /// What gives an instance its identity, where the recipe has it instead of cloud-init.
    pub(crate) first_boot: Option<Arc<[u8]>>,
    /// The initrd's program, where the recipe has one.
    pub(crate) init: Option<Arc<[u8]>>,
    /// What is known of packages' maintainer scripts.
    pub(crate) effects: bake::effects::Effects,
    /// Debian's archives, suites and keys.
    pub(crate) sources: bake::sources::Sources,
}

impl Selection {
    /// Reads recipe, manifest and policy, and builds the programs that have a place. With `is_locked` there must be a
    /// lock, and a plan of all that: building may take minutes, so what is wrong is told before.
    pub(crate) fn inputs(&self, is_locked: bool, show: &Show) -> anyhow::Result<Inputs> {
        let project = Project::find(self.project.as_deref())?;
        let kind = project.kind(self.kind.as_ref())?;
        let recipe = project.recipe(&kind)?;
        let manifest = self.read_manifest(&project, &kind)?;
        let policy = project.policy()?;
        let effects = project.effects()?;
        let sources = project.sources()?;
        let (configure, init) = (recipe.configure.is_some(), recipe.initrd.is_some());
        let first_boot = recipe.first_boot == bake::recipe::FirstBoot::Native;
        let unbuilt = |is_placed: bool| is_placed.then(|| Arc::from([]));
        let (no_configure, no_first_boot, no_init) = (unbuilt(configure), unbuilt(first_boot), unbuilt(init));
        let mut inputs = Inputs {
            project,
            kind,
            recipe,
            manifest,
            policy,
            configure: no_configure,
            first_boot: no_first_boot,
            init: no_init,
            effects,
            sources,
        };
        if is_locked {
            self.plan(&inputs, &self.lock(&inputs)?)?;
        }
        let program = |is_placed: bool, program, built: &Option<PathBuf>| {
            let bytes = || programs::bytes(&inputs.project, program, self.arch, built.as_deref(), show);
            is_placed.then(bytes).transpose()
        };
        let configure = program(configure, Program::Configure, &self.configure)?;
        let first_boot = program(first_boot, Program::FirstBoot, &self.first_boot)?;
        let init = program(init, Program::Init, &self.init)?;
        (inputs.configure, inputs.first_boot, inputs.init) = (configure, first_boot, init);
        Ok(inputs)
    }

    /// What a plan is made of, and the plan with the lock, which must be there.
    pub(crate) fn planned(&self, show: &Show) -> anyhow::Result<(Inputs, Plan)> {
        let inputs = self.inputs(true, show)?;
        let plan = self.plan(&inputs, &self.lock(&inputs)?)?;
        Ok((inputs, plan))
    }

    /// Its manifest, which must be there.
    fn read_manifest(&self, project: &Project, kind: &Kind) -> tree::refusal::Result<Manifest> {
        if let Some(path) = &self.manifest {
            return project.manifest(path);
        }
        if let Some(manifest) = project.pinned(kind, self.arch)? {
            return Ok(manifest);
        }
        if project.recipe(kind)?.components.is_empty() {
            // packages and files alone: there is nothing to pin
            return Ok(Manifest::empty(kind.clone(), self.arch));
        }
        let path = project.manifest_path(kind, self.arch);
        let what = "no manifest for this kind and architecture";
        Err(Refusal::new(Class::Usage, project::label(&path), Stage::Parse, what).hint(
            "a kind that extends another uses its pins; any other with components requires its own manifest (image-recipes/README.md)",
        ))
    }

    /// Its lock, where there is one.
    pub(crate) fn read_lock(&self, inputs: &Inputs) -> tree::refusal::Result<Option<Lock>> {
        let Inputs { project, kind, .. } = inputs;
        match &self.lock {
            Some(path) if path.exists() => project.lock(path).map(Some),
            Some(_) => Ok(None),
            None => project.locked(kind, self.arch),
        }
    }

    /// How to make its lock again, for hints.
    fn lock_command(&self, inputs: &Inputs) -> String {
        format!("vmbake lock --kind {} --arch {}", inputs.kind, self.arch)
    }

    /// The way out when the archive no longer has a package of the lock.
    pub(crate) fn way_out(&self, inputs: &Inputs) -> String {
        let lock = self.lock_command(inputs);
        format!(
            "the archive has changed: run `{lock}` to resolve what it has now, or `vmbake bake --relock …` for this bake only"
        )
    }

    /// Its lock, which must be there and answer what the recipe asks.
    pub(crate) fn lock(&self, inputs: &Inputs) -> tree::refusal::Result<Lock> {
        let Inputs { project, kind, .. } = inputs;
        let path = self.lock.clone().unwrap_or_else(|| project.lock_path(kind, self.arch));
        let refuse = |what: String| {
            Refusal::new(Class::Usage, project::label(&path), Stage::Plan, what)
                .hint(format!("run `{}`", self.lock_command(inputs)))
        };
        let Some(lock) = self.read_lock(inputs)? else {
            return Err(refuse("no lock of the Debian packages found".to_owned()));
        };
        let differences = differences(&lock, kind, &inputs.recipe.request(self.arch));
        if !differences.is_empty() {
            return Err(refuse(format!("the lock is out of date: {}", differences.join("; "))));
        }
        Ok(lock)
    }

    /// What a bake with `lock` does. SOURCE_DATE_EPOCH is honoured here, and nowhere else.
    pub(crate) fn plan(&self, inputs: &Inputs, lock: &Lock) -> anyhow::Result<Plan> {
        let epoch = std::env::var_os("SOURCE_DATE_EPOCH").map(|text| epoch(&text)).transpose()?;
        let choices = Choices {
            provider: self.provider,
            label: Label { name: self.name.clone(), tag: self.tag.clone() },
            epoch,
            configure: inputs.configure.clone(),
            first_boot: inputs.first_boot.clone(),
            init: inputs.init.clone(),
            effects: inputs.effects.clone(),
            snapshots: inputs.sources.snapshots(),
            published: inputs.sources.published(),
        };
        let plan = bake::plan::plan(&inputs.recipe, &inputs.manifest, lock, &inputs.policy, &choices);
        Ok(plan.map_err(|refusal| inputs.project.located(refusal))?)
    }
}

/// The value of SOURCE_DATE_EPOCH: seconds since 1970, up to the year 2106.
fn epoch(text: &OsStr) -> tree::refusal::Result<i64> {
    let seconds = text.to_str().and_then(|text| text.parse::<u32>().ok());
    seconds.map(i64::from).ok_or_else(|| {
        let what = format!("expected seconds since 1970, at most {}, found `{}`", u32::MAX, text.display());
        Refusal::new(Class::Usage, "SOURCE_DATE_EPOCH", Stage::Plan, what)
            .hint(
                "set `SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)` for the time of the last commit; without the variable \
                 it is that of the lock",
            )
    })
}

/// How a lock differs from what `kind` asks for; empty when they agree.
pub(crate) fn differences(lock: &Lock, kind: &Kind, request: &Request) -> Vec<String> {
    let other =
        (lock.kind != *kind).then(|| format!("expected a lock of kind `{kind}`, found `{}`", lock.kind));
    other.into_iter().chain(bake::lock::check(lock, request).iter().map(ToString::to_string)).collect()
}

/// The machine that this runs on, or amd64 where images cannot be for it.
pub(crate) fn host() -> Arch {
    if cfg!(target_arch = "aarch64") { Arch::Arm64 } else { Arch::Amd64 }
}
