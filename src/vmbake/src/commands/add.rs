//! `add`, `remove` and `upgrade`: a recipe's packages and their locks, changed together.
//!
//! ```text
//! recipe ─edit─► new text ─parse─► Recipe ─resolve, for each architecture─► locks ─► all is written, or nothing
//! ```

use super::lock::{self, Common, Report, Task};
use crate::console;
use crate::edit::{self, EditError};
use crate::project::{self, Project};
use crate::relock;
use bake::name::{Arch, Kind, Name};
use bake::recipe::Recipe;
use bake::{Class, Refusal, Stage};
use serde::Serialize;
use std::path::PathBuf;

/// Add Debian packages to a recipe, and lock them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The recipe keeps its comments. Locks are made for this machine's architecture and those that have one; when a package cannot be \
resolved, or its scripts cannot be followed, neither recipe nor lock is changed:
  vmbake add nginx postgresql
  vmbake remove nginx")]
pub struct Args {
    /// The packages, by their names
    #[arg(value_name = "PACKAGE", required = true)]
    packages: Vec<Name>,
    #[command(flatten)]
    target: Target,
}

/// Remove Debian packages from a recipe, and from its locks
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What nothing asks for any more leaves the lock with them. A package that another kind asks for is left out by \
`without = [\"NAME\"]` in [packages].")]
pub struct RemoveArgs {
    /// The packages, by their names
    #[arg(value_name = "PACKAGE", required = true)]
    packages: Vec<Name>,
    #[command(flatten)]
    target: Target,
}

/// Lock the packages as the archive has them now, and show what changes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The same as `vmbake lock`, for each architecture that has a lock. The recipe does not change.")]
pub struct UpgradeArgs {
    #[command(flatten)]
    target: Target,
}

/// Whose packages.
#[derive(Debug, clap::Args)]
struct Target {
    /// Whose packages [default: the project's only kind]
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// For which machines, several with commas between [default: this one, and those that have a lock]
    #[arg(long, value_name = "amd64|arm64", value_delimiter = ',')]
    arch: Vec<Arch>,
    #[command(flatten)]
    common: Common,
}

/// What came of it.
#[derive(Serialize)]
struct Changed {
    kind: Kind,
    /// The recipe.
    recipe: PathBuf,
    /// The packages that it did not ask for before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    added: Vec<Name>,
    /// Those that it no longer asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<Name>,
    locks: Vec<Report>,
}

/// Adds.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let kind = Own::find(&args.target)?;
    let text = kind.text()?;
    let (text, added) = edit::add(&text, &args.packages).map_err(|error| kind.wrong(&error))?;
    if added.is_empty() {
        console::note(format!("{} asks for all of them already", project::label(&kind.path)));
    }
    let locks = kind.change(&args.target, &text)?;
    let Own { kind, path: recipe, .. } = kind;
    tell(&Changed { kind, recipe, added, removed: Vec::new(), locks }, &args.target)
}

/// Removes.
pub fn remove(args: &RemoveArgs) -> anyhow::Result<()> {
    let kind = Own::find(&args.target)?;
    let text = kind.text()?;
    let (text, removed) = edit::remove(&text, &args.packages).map_err(|error| kind.wrong(&error))?;
    if let Some(name) = args.packages.iter().find(|name| !removed.contains(name)) {
        return Err(kind.not_asked(name)?.into());
    }
    let locks = kind.change(&args.target, &text)?;
    let Own { kind, path: recipe, .. } = kind;
    tell(&Changed { kind, recipe, added: Vec::new(), removed, locks }, &args.target)
}

/// Upgrades.
pub fn upgrade(args: &UpgradeArgs) -> anyhow::Result<()> {
    let kind = Own::find(&args.target)?;
    let locks = kind.change(&args.target, &kind.text()?)?;
    let Own { kind, path: recipe, .. } = kind;
    tell(&Changed { kind, recipe, added: Vec::new(), removed: Vec::new(), locks }, &args.target)
}

fn tell(changed: &Changed, target: &Target) -> anyhow::Result<()> {
    if target.common.show.json {
        return console::json(changed);
    }
    for (sign, names) in [('+', &changed.added), ('-', &changed.removed)] {
        for name in names {
            console::line(format!("{sign} {name} in {}", project::label(&changed.recipe)));
        }
    }
    changed.locks.iter().for_each(lock::print);
    Ok(())
}

/// A kind of the project, whose recipe can be changed.
struct Own {
    project: Project,
    kind: Kind,
    /// Its recipe.
    path: PathBuf,
}

impl Own {
    fn find(target: &Target) -> anyhow::Result<Self> {
        let project = Project::find_own(target.common.project.as_deref())?;
        let kind = project.kind(target.kind.as_ref())?;
        let path = project.root.join(format!("image-recipes/{kind}/recipe.toml"));
        if !path.exists() {
            // a built-in kind, or none at all, which is told with what may be meant
            project.recipe(&kind)?;
            let what = "it comes with the program and cannot be changed";
            return Err(Refusal::new(Class::Usage, kind.as_str(), Stage::Parse, what)
                .hint(format!("`vmbake init --kind NAME --extends {kind}` makes a kind of your own"))
                .into());
        }
        Ok(Self { project, kind, path })
    }

    fn text(&self) -> bake::Result<String> {
        self.project.text(&self.path)
    }

    fn wrong(&self, error: &EditError) -> Refusal {
        Refusal::new(Class::Usage, project::label(&self.path), Stage::Parse, error.to_string())
    }

    /// Why `name` cannot be removed, with the way out.
    fn not_asked(&self, name: &Name) -> anyhow::Result<Refusal> {
        let what = format!("it does not ask for `{name}`");
        let refusal = Refusal::new(Class::Usage, project::label(&self.path), Stage::Parse, what);
        let recipe = self.project.recipe(&self.kind)?;
        let lineage = recipe.lineage.iter().map(Kind::as_str).collect::<Vec<_>>().join(" > ");
        let is_inherited = Arch::ALL.iter().any(|arch| recipe.request(*arch).install.contains(name));
        Ok(if is_inherited {
            refusal.hint(format!(
                "a kind below it does ({lineage}): `without = [\"{name}\"]` in [packages] leaves it out"
            ))
        } else {
            refusal.hint("a package that another one depends on is in the image as long as that one is: `vmbake plan --all`")
        })
    }

    /// Makes the locks of a recipe of `text`, then writes both.
    fn change(&self, target: &Target, text: &str) -> anyhow::Result<Vec<Report>> {
        let Self { project, kind, path } = self;
        let recipe: Recipe = project.recipe_of(kind, Some(text))?;
        let arches =
            if target.arch.is_empty() { lock::with_locks(project, kind) } else { target.arch.clone() };
        let mut made = Vec::new();
        for arch in arches {
            let task = Task {
                project,
                kind,
                arch,
                recipe: &recipe,
                manifest: project.pinned(kind, arch)?,
                unreviewed: None,
                path: project.lock_path(kind, arch),
            };
            made.push(lock::resolve(task, &target.common)?);
        }
        relock::write_text(path, text)?;
        for (lock, report) in &made {
            relock::write(&report.path, lock)?;
        }
        Ok(made.into_iter().map(|(_, report)| report).collect())
    }
}
