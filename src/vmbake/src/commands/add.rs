//! `add`, `remove` and `upgrade`: a recipe's packages and their locks, changed together.
//!
//! ```text
//! recipe ─edit─► new text ─parse─► Recipe ─resolve, for each architecture─► locks ─► all is written, or nothing
//! ```
//! A component is pinned in the kind's own manifest besides, which has the pins of the kind that it extends as well.

mod component;

use super::lock::{self, Common, Report, Task};
use crate::console;
use crate::edit::{self, EditError};
use crate::project::{self, Project};
use crate::relock;
use crate::selection::host;
use bake::fetch;
use bake::manifest::{Entry, Manifest};
use bake::recipe::Recipe;
use component::{PROGRAMS, Source};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use store::Store;
use tree::digest::{Digest, Sha256};
use tree::name::{Arch, Kind, Name};
use tree::refusal::{Class, Refusal, Stage};

/// Add Debian packages, or a program from an address, to a recipe, and lock them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The recipe keeps its comments. Locks are made for this machine's architecture and those that have one; if a package cannot be \
resolved, or its scripts cannot be followed, neither recipe nor lock is changed:
  vmbake add nginx postgresql
  vmbake remove nginx
A component is fetched once and pinned by its digest. Of a .tar.gz, what is executable is installed in /usr/local/bin; \
edit [components.NAME] of the recipe to change that:
  vmbake add --component https://example.org/tool-1.2.3-linux-amd64.tar.gz --digest sha256:…
  vmbake add --component parts/agent_2.0_amd64.deb
Then `vmbake pin NAME VERSION` raises its version.")]
pub struct Args {
    /// The names of the packages
    #[arg(value_name = "PACKAGE", required_unless_present = "component")]
    packages: Vec<Name>,
    /// A program, a .tar.gz with programs, or a .deb: a URL, or a file of the project
    #[arg(long, value_name = "URL")]
    component: Option<String>,
    /// The component's name [default: taken from its file name]
    #[arg(long, value_name = "NAME", requires = "component")]
    name: Option<Name>,
    /// The component's version [default: taken from its URL]
    #[arg(long, value_name = "VERSION", requires = "component")]
    version: Option<String>,
    /// The digest that the component's publisher states; any other is rejected
    #[arg(long, value_name = "sha256:…|sha512:…", requires = "component")]
    digest: Option<Digest>,
    /// The directory in the image for the component's programs
    #[arg(long, value_name = "DIR", requires = "component", default_value = PROGRAMS)]
    to: String,
    #[command(flatten)]
    target: Target,
}

/// Remove Debian packages or components from a recipe, and from its locks
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Packages that nothing requires any longer are removed from the lock too. To leave out a package that another kind requires, put \
`without = [\"NAME\"]` into [packages].")]
pub struct RemoveArgs {
    /// The names of the packages and components
    #[arg(value_name = "PACKAGE", required = true)]
    packages: Vec<Name>,
    #[command(flatten)]
    target: Target,
}

/// Lock the newest packages of the archive, and show what changes
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
    /// The kind whose packages to change [default: the project's only kind]
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Comma-separated list of architectures [default: this machine's, and those that have a lock]
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
    /// The component that is pinned now.
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Pinned>,
    locks: Vec<Report>,
}

/// A component that was pinned.
#[derive(Serialize)]
struct Pinned {
    name: Name,
    version: String,
    url: String,
    digest: Digest,
    size: u64,
    /// Where the image has it; empty for a Debian package.
    files: Vec<String>,
    /// The manifest that pins it.
    manifest: PathBuf,
}

/// Adds.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let kind = Own::find(&args.target)?;
    let text = kind.text()?;
    let (mut text, added) = edit::add(&text, &args.packages).map_err(|error| kind.wrong(&error))?;
    if added.is_empty() && args.component.is_none() {
        console::note(format!("{} already has all of them", project::label(&kind.path)));
    }
    let (mut manifests, mut component) = (Manifests::new(), None);
    if let Some(url) = &args.component {
        let (pinned, new) = kind.pin(args, url, &text, &mut manifests)?;
        (text, component) = (new, Some(pinned));
    }
    let locks = kind.change(&args.target, &text, &manifests)?;
    let Own { kind, path: recipe, .. } = kind;
    tell(&Changed { kind, recipe, added, removed: Vec::new(), component, locks }, &args.target)
}

/// Removes.
pub fn remove(args: &RemoveArgs) -> anyhow::Result<()> {
    let kind = Own::find(&args.target)?;
    let text = kind.text()?;
    let (mut text, mut removed) = edit::remove(&text, &args.packages).map_err(|error| kind.wrong(&error))?;
    let mut manifests = Manifests::new();
    for name in &args.packages {
        let (new, found) = edit::remove_component(&text, name).map_err(|error| kind.wrong(&error))?;
        if found {
            text = new;
            kind.unpin(name, &mut manifests)?;
            removed.push(name.clone());
        }
    }
    if let Some(name) = args.packages.iter().find(|name| !removed.contains(name)) {
        return Err(kind.not_asked(name)?.into());
    }
    let locks = kind.change(&args.target, &text, &manifests)?;
    let Own { kind, path: recipe, .. } = kind;
    tell(&Changed { kind, recipe, added: Vec::new(), removed, component: None, locks }, &args.target)
}

/// Upgrades.
pub fn upgrade(args: &UpgradeArgs) -> anyhow::Result<()> {
    let kind = Own::find(&args.target)?;
    let locks = kind.change(&args.target, &kind.text()?, &Manifests::new())?;
    let Own { kind, path: recipe, .. } = kind;
    tell(
        &Changed { kind, recipe, added: Vec::new(), removed: Vec::new(), component: None, locks },
        &args.target,
    )
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
    if let Some(Pinned { name, version, url, digest, size, files, manifest }) = &changed.component {
        console::line(format!(
            "+ {name} {version} in {}: {}",
            project::label(manifest),
            console::size(*size)
        ));
        console::line(format!("  {url}"));
        console::line(format!("  {digest}"));
        files.iter().for_each(|file| console::line(format!("  {file}")));
    }
    changed.locks.iter().for_each(lock::print);
    Ok(())
}

/// The manifests that change, by architecture.
type Manifests = BTreeMap<Arch, Manifest>;

/// The digest to pin: that of the publisher, where one was given and the file, which is `found` in the store, has it.
fn vouched(args: &Args, source: &Source, found: &Digest, store: &Store) -> anyhow::Result<Digest> {
    let Some(expected) = &args.digest else { return Ok(found.clone()) };
    if expected == found {
        return Ok(found.clone());
    }
    let mut file = store.verified(found)?;
    let (mut hasher, mut bytes) = (expected.hasher(), vec![0; 128 << 10]);
    loop {
        let failed = |error: std::io::Error| Refusal::io(source.name.as_str(), Stage::Fetch, "read", &error);
        match file.read(&mut bytes).map_err(failed)? {
            0 => break,
            len => hasher.update(bytes.get(..len).unwrap_or_default()),
        }
    }
    let real = hasher.finish();
    if real == *expected {
        return Ok(real);
    }
    let what = format!("expected digest {expected}, found {real}");
    Err(Refusal::new(Class::Verification, source.url.as_str(), Stage::Fetch, what)
        .hint("the file is not what its publisher vouches for; nothing was changed")
        .into())
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
            let what = "a built-in kind cannot be changed";
            return Err(Refusal::new(Class::Usage, kind.as_str(), Stage::Parse, what)
                .hint(format!("run `vmbake init --kind NAME --extends {kind}` to create a kind of your own"))
                .into());
        }
        Ok(Self { project, kind, path })
    }

    fn text(&self) -> tree::refusal::Result<String> {
        self.project.text(&self.path)
    }

    fn wrong(&self, error: &EditError) -> Refusal {
        Refusal::new(Class::Usage, project::label(&self.path), Stage::Parse, error.to_string())
    }

    /// Why `name` cannot be removed, with the way out.
    fn not_asked(&self, name: &Name) -> anyhow::Result<Refusal> {
        let what = format!("it does not have `{name}`");
        let refusal = Refusal::new(Class::Usage, project::label(&self.path), Stage::Parse, what);
        let recipe = self.project.recipe(&self.kind)?;
        let lineage = recipe.lineage.iter().map(Kind::as_str).collect::<Vec<_>>().join(" > ");
        let is_inherited = Arch::ALL.iter().any(|arch| recipe.request(*arch).install.contains(name));
        Ok(if is_inherited {
            refusal.hint(format!(
                "a kind that it extends has it ({lineage}); to leave it out, add `without = [\"{name}\"]` to [packages]"
            ))
        } else {
            refusal.hint(
                "a package stays in the image as long as another one depends on it; see `vmbake plan --all`",
            )
        })
    }

    /// Fetches a component and pins it: what was pinned, and the recipe's text with it.
    fn pin(
        &self,
        args: &Args,
        url: &str,
        text: &str,
        manifests: &mut Manifests,
    ) -> anyhow::Result<(Pinned, String)> {
        let Self { project, kind, .. } = self;
        let source = Source::of(&project.root, url, args.name.as_ref(), args.version.as_deref())?;
        let arch = match args.target.arch[..] {
            [] => host(),
            [arch] => arch,
            _ => {
                let what = "a URL is for one architecture, but `--arch` names several";
                return Err(Refusal::new(Class::Usage, url, Stage::Parse, what)
                    .hint("add it once for each, with its own URL")
                    .into());
            }
        };
        let common = &args.target.common;
        let show = common.show.show();
        let relock = "pass `--mirror URL|DIR` with a mirror that has it".to_owned();
        let options = common.places.options(project, &project.sources()?, relock)?;
        let store = common.store.open()?;
        let named = (&source.name, source.version.as_str(), source.url.as_str());
        let path = project.manifest_path(kind, arch);
        let pinned = project.pinned(kind, arch)?;
        let mut manifest = pinned.unwrap_or_else(|| Manifest::empty(kind.clone(), arch));
        let mut set = |pin| {
            manifest.components.insert(source.name.clone(), Entry::Pinned(pin));
            bake::manifest::parse(&project::label(&path), bake::manifest::print(&manifest).as_bytes())
        };
        // what no manifest can have is told before anything is fetched
        set(source.pin(arch, Sha256([0; 32]).into(), 1)?)?;
        let (found, size) = fetch::unpinned(&store, named, &options, &show)?;
        let digest = vouched(args, &source, &found, &store)?;
        let pin = source.pin(arch, digest.clone(), size)?;
        let to = format!("{}/", args.to.trim_end_matches('/'));
        let installed = source.files(&store, &found, &to)?;
        let manifest = set(pin)?;
        manifests.insert(arch, manifest);
        let (text, is_new) = edit::add_component(text, &source.name, installed.strip, &installed.files)
            .map_err(|error| self.wrong(&error))?;
        if !is_new {
            show.note(&format!(
                "[components.{}] of {} is not changed",
                source.name,
                project::label(&self.path)
            ));
        }
        if args.digest.is_none() {
            show.note("nothing vouches for it: compare the digest with the one that its publisher signs");
        }
        let Source { name, version, url, .. } = source;
        let files = installed.files.into_iter().map(|(_, to)| to).collect();
        Ok((Pinned { name, version, url, digest, size, files, manifest: path }, text))
    }

    /// Takes a component out of the manifests of the kind.
    fn unpin(&self, name: &Name, manifests: &mut Manifests) -> anyhow::Result<()> {
        for arch in Arch::ALL {
            let path = self.project.manifest_path(&self.kind, arch);
            if !manifests.contains_key(&arch) && path.exists() {
                manifests.insert(arch, self.project.manifest(&path)?);
            }
            if let Some(manifest) = manifests.get_mut(&arch) {
                manifest.components.remove(name);
            }
        }
        Ok(())
    }

    /// Makes the locks of a recipe of `text` and of what `manifests` pin, then writes all.
    fn change(&self, target: &Target, text: &str, manifests: &Manifests) -> anyhow::Result<Vec<Report>> {
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
                manifest: match manifests.get(&arch) {
                    Some(manifest) => Some(manifest.clone()),
                    None => project.pinned(kind, arch)?,
                },
                unreviewed: None,
                path: project.lock_path(kind, arch),
            };
            made.push(lock::resolve(task, &target.common)?);
        }
        for (arch, manifest) in manifests {
            relock::write_text(&project.manifest_path(kind, *arch), &bake::manifest::print(manifest))?;
        }
        relock::write_text(path, text)?;
        for (lock, report) in &made {
            relock::write(&report.path, lock)?;
        }
        Ok(made.into_iter().map(|(_, report)| report).collect())
    }
}
