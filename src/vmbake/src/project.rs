//! The project: recipes, manifests, locks, policy and trust roots, read from its folder, or, where that has none, those that
//! come with the program.
//!
//! A project is a folder with `image-recipes/` and, after the first lock, `manifests/`. It is laid over what is built in:
//! the recipe of a kind is the folder's where there is one, else the built-in one, so that `extends = "base"` finds either;
//! a manifest, a lock, the policy and the effects likewise. Archives of `manifests/sources.toml` are added to Debian's own,
//! unless the file has those itself.

mod rootfs;
#[cfg(test)]
mod tests;

use crate::builtin;
use anyhow::Context as _;
use bake::effects::Effects;
use bake::lock::Lock;
use bake::manifest::Manifest;
use bake::policy::Policy;
use bake::recipe::{self, Folder, Recipe};
use bake::sources::{Sources, is_debian};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use store::beneath::{self, Found};
use tree::name::{Arch, Kind};
use tree::refusal::{Class, Refusal, Stage};
use tree::release::OS;

/// A recipe of more levels than this extends itself.
const MOST_LEVELS: usize = 16;

/// The folder that holds `image-recipes` and `manifests`.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its path.
    pub root: PathBuf,
}

impl Project {
    /// The folder that was named, or the nearest one upwards that has recipes. Where there is none, the current directory: it has
    /// the built-in kinds alone.
    pub fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let is_project = |path: &&Path| path.join("image-recipes").is_dir();
        if let Some(root) = named {
            return if is_project(&root) {
                Ok(Self { root: root.to_owned() })
            } else {
                let what = "expected a folder with `image-recipes`";
                let refusal = Refusal::new(Class::Usage, label(root), Stage::Parse, what);
                Err(refusal.hint("run `vmbake init` to create a project in the current directory").into())
            };
        }
        let here = std::env::current_dir().context("the current directory")?;
        Ok(Self { root: here.ancestors().find(is_project).unwrap_or(&here).to_owned() })
    }

    /// The project that someone changes: as [`find`](Self::find), but there must be one.
    pub fn find_own(named: Option<&Path>) -> anyhow::Result<Self> {
        let project = Self::find(named)?;
        if project.root.join("image-recipes").is_dir() {
            return Ok(project);
        }
        let what = "no folder with `image-recipes` in the current directory or any parent";
        Err(Refusal::new(Class::Usage, label(&project.root), Stage::Parse, what)
            .hint("run `vmbake init` to create a project, or pass `--project DIR`")
            .into())
    }

    /// The kind that is meant: the one that was named, else the only one of the project.
    pub fn kind(&self, named: Option<&Kind>) -> anyhow::Result<Kind> {
        if let Some(kind) = named {
            return Ok(kind.clone());
        }
        let own = self.kinds()?;
        if let [only] = &own[..] {
            return Ok(only.clone());
        }
        let known = self.known_kinds()?;
        let what = if own.is_empty() { "no kind is given" } else { "the project has several kinds" };
        Err(Refusal::new(Class::Usage, "--kind", Stage::Parse, what)
            .hint(format!("pass `--kind` with one of {}", known.join(", ")))
            .into())
    }

    /// The recipe of `kind` with all that it extends.
    pub fn recipe(&self, kind: &Kind) -> tree::refusal::Result<Recipe> {
        self.recipe_of(kind, None)
    }

    /// The recipe of `kind` as it would be with `text` in its file.
    pub fn recipe_of(&self, kind: &Kind, text: Option<&str>) -> tree::refusal::Result<Recipe> {
        self.combined(kind, text).map_err(|refusal| self.located(refusal))
    }

    /// `refusal` with the paths of the project's files, which the library names from the project's folder, as they can be
    /// opened from here.
    pub fn located(&self, refusal: Refusal) -> Refusal {
        let prefix = label(&self.root);
        if prefix == "." {
            return refusal;
        }
        let hint = refusal.hint.map(|hint| opened_from(&prefix, &hint).into());
        Refusal { artifact: opened_from(&prefix, &refusal.artifact), hint, ..refusal }
    }

    fn combined(&self, kind: &Kind, text: Option<&str>) -> tree::refusal::Result<Recipe> {
        let mut first = self.folder(kind)?;
        if let Some(text) = text {
            first.recipe = recipe::parse(&format!("image-recipes/{kind}/recipe.toml"), text)?;
        }
        let mut folders = vec![first];
        while let Some(next) = folders.last().and_then(|folder| folder.extends().cloned()) {
            if folders.len() == MOST_LEVELS {
                let what = format!("`{next}` extends itself, or more than {MOST_LEVELS} recipes");
                return Err(Refusal::new(
                    Class::Usage,
                    format!("image-recipes/{kind}/recipe.toml"),
                    Stage::Parse,
                    what,
                ));
            }
            folders.push(self.folder(&next)?);
        }
        folders.reverse();
        recipe::combine(&folders)
    }

    /// The names of all kinds that can be baked here, sorted: the project's and the built-in ones.
    pub fn known_kinds(&self) -> anyhow::Result<Vec<String>> {
        let own = self.kinds()?.into_iter().map(|kind| kind.to_string());
        let all: BTreeSet<String> = own.chain(builtin::kinds().map(str::to_owned)).collect();
        Ok(all.into_iter().collect())
    }

    /// Whether the project has a recipe of `kind` itself, and does not take the built-in one.
    fn has_recipe(&self, kind: &Kind) -> bool {
        self.root.join("image-recipes").join(kind.as_str()).exists()
    }

    /// The kinds that the project has recipes for, sorted.
    pub fn kinds(&self) -> anyhow::Result<Vec<Kind>> {
        let folder = Path::new("image-recipes");
        let found = beneath::list(&self.root, folder).context("image-recipes")?;
        let mut kinds = Vec::new();
        for Found { name, .. } in found.unwrap_or_default() {
            let path = self.root.join(folder).join(&name);
            if path.join("recipe.toml").is_file() {
                kinds.push(name.parse()?);
            }
        }
        kinds.sort_unstable();
        Ok(kinds)
    }

    /// Where the manifest of `kind` and `arch` is.
    pub fn manifest_path(&self, kind: &Kind, arch: Arch) -> PathBuf {
        self.root.join(format!("manifests/{kind}.{OS}.{arch}.json"))
    }

    /// Where the lock of `kind` and `arch` is.
    pub fn lock_path(&self, kind: &Kind, arch: Arch) -> PathBuf {
        self.root.join(format!("manifests/{kind}.{OS}.{arch}.lock.toml"))
    }

    /// What is pinned for `kind` and `arch`, and where that is said. Where the project has no manifest of its own for a kind
    /// of its own, the pins are those of the kind that it extends.
    pub fn pinned(&self, kind: &Kind, arch: Arch) -> tree::refusal::Result<Option<Manifest>> {
        let mut of = kind.clone();
        for _ in 0..MOST_LEVELS {
            let path = self.manifest_path(&of, arch);
            let found = if path.exists() {
                Some(self.manifest(&path)?)
            } else if self.has_recipe(&of) {
                None
            } else {
                let name = format!("manifests/{of}.{OS}.{arch}.json");
                builtin::file(&name).map(|file| bake::manifest::parse(&name, file.bytes)).transpose()?
            };
            if let Some(manifest) = found {
                return Ok(Some(Manifest { kind: kind.clone(), ..manifest }));
            }
            match self.folder(&of)?.extends() {
                Some(next) => of = next.clone(),
                None => break,
            }
        }
        Ok(None)
    }

    /// The lock of `kind` and `arch`, where there is one: the project's, and the built-in one of a built-in kind.
    pub fn locked(&self, kind: &Kind, arch: Arch) -> tree::refusal::Result<Option<Lock>> {
        let path = self.lock_path(kind, arch);
        if path.exists() {
            return self.lock(&path).map(Some);
        }
        if self.has_recipe(kind) {
            return Ok(None);
        }
        let name = format!("manifests/{kind}.{OS}.{arch}.lock.toml");
        let wrong = |error| Refusal::new(Class::Usage, name.clone(), Stage::Parse, error);
        builtin::text(&name).map(|text| bake::lock::parse(text).map_err(wrong)).transpose()
    }

    /// What no image may be made of.
    pub fn policy(&self) -> tree::refusal::Result<Policy> {
        let (name, text) = self.own_or_built_in("manifests/policy.toml")?;
        bake::policy::parse(&name, &text)
    }

    /// What is known of packages' maintainer scripts.
    pub fn effects(&self) -> tree::refusal::Result<Effects> {
        let (name, text) = self.own_or_built_in("manifests/effects.toml")?;
        bake::effects::parse(&name, &text)
    }

    /// Debian's archives, suites and keys, and those that the project adds.
    pub fn sources(&self) -> tree::refusal::Result<Sources> {
        let folder = self.root.join("manifests");
        let own = if self.has("manifests/sources.toml") { Some(bake::sources::load(&folder)?) } else { None };
        if let Some(own) = own.as_ref().filter(|own| own.archives.keys().any(|name| is_debian(name))) {
            return Ok(own.clone());
        }
        let (file, wrong) = ("manifests/sources.toml", "manifests/sources.toml (built in)");
        let read = |name: &str| {
            let text = builtin::text(&format!("manifests/{name}"));
            text.map(str::to_owned).ok_or_else(|| std::io::ErrorKind::NotFound.into())
        };
        let built_in = bake::sources::parse(builtin::text(file).unwrap_or_default(), read)
            .map_err(|error| Refusal::new(Class::Usage, wrong, Stage::Parse, error))?;
        let Some(own) = own else { return Ok(built_in) };
        built_in.with(own).map_err(|error| {
            Refusal::new(Class::Usage, label(&folder.join("sources.toml")), Stage::Parse, error)
        })
    }

    /// A text of the project, else the one that comes with the program, and what messages call it.
    fn own_or_built_in(&self, name: &str) -> tree::refusal::Result<(String, String)> {
        if self.has(name) {
            let path = self.root.join(name);
            return Ok((label(&path), self.text(&path)?));
        }
        Ok((format!("{name} (built in)"), builtin::text(name).unwrap_or_default().to_owned()))
    }

    /// Whether the project has something of this name, whatever it is: a link that leads out of it is refused when it is read.
    fn has(&self, name: &str) -> bool {
        let is_absent = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        self.root.join(name).symlink_metadata().is_ok()
            || !beneath::file(&self.root, Path::new(name)).is_err_and(is_absent)
    }

    fn folder(&self, kind: &Kind) -> tree::refusal::Result<Folder> {
        let name = format!("image-recipes/{kind}/recipe.toml");
        let folder = self.root.join("image-recipes").join(kind.as_str());
        let path = folder.join("recipe.toml");
        if path.is_file() {
            let recipe = recipe::parse(&name, &self.text(&path)?)?;
            return Ok(Folder { kind: kind.clone(), recipe, rootfs: self.rootfs(&folder)? });
        }
        if let Some(text) = builtin::text(&name).filter(|_| !self.has_recipe(kind)) {
            let recipe = recipe::parse(&name, text)?;
            return Ok(Folder { kind: kind.clone(), recipe, rootfs: rootfs::built_in_rootfs(kind)? });
        }
        let known = self.known_kinds().unwrap_or_default();
        let meant = tree::near::nearest(kind.as_str(), known.iter().map(String::as_str));
        let meant = meant.map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
        let what = "unknown kind";
        Err(Refusal::new(Class::Usage, kind.as_str(), Stage::Parse, what).hint(format!(
            "{meant}expected one of {}; run `vmbake init --kind {kind}` to create a new one",
            known.join(", ")
        )))
    }
}

impl Project {
    /// Reads a manifest.
    pub fn manifest(&self, path: &Path) -> tree::refusal::Result<Manifest> {
        bake::manifest::parse(&label(path), &self.read(path, beneath::MAX_TEXT)?)
    }

    /// Reads a lock.
    pub fn lock(&self, path: &Path) -> tree::refusal::Result<Lock> {
        bake::lock::parse(&self.text(path)?).map_err(|error| {
            Refusal::new(Class::Usage, label(path), Stage::Parse, error)
                .hint("run `vmbake lock --kind KIND --arch ARCH` to create it again")
        })
    }

    /// Reads a text.
    pub fn text(&self, path: &Path) -> tree::refusal::Result<String> {
        let wrong = |_| Refusal::new(Class::Usage, label(path), Stage::Parse, "it is not UTF-8");
        String::from_utf8(self.read(path, beneath::MAX_TEXT)?).map_err(wrong)
    }

    /// Reads a file: one of the project without leaving it, any other as it was named.
    pub fn read(&self, path: &Path, limit: u64) -> tree::refusal::Result<Vec<u8>> {
        let bytes = match self.inside(path) {
            Some(below) => beneath::read(&self.root, &below, limit),
            None => beneath::read_named(path, limit),
        };
        bytes.map_err(|error| Refusal::io(label(path), Stage::Parse, "read", &error))
    }

    /// Refuses to write into a folder of the project that a link leads out of it: whoever sends a change to the project
    /// chooses no folder of the machine. One elsewhere is as it was named, and one that is not there yet is made.
    pub fn check_output(&self, folder: &Path) -> tree::refusal::Result<()> {
        let Some(below) = self.inside(folder) else { return Ok(()) };
        for part in below.ancestors().filter(|part| !part.as_os_str().is_empty()) {
            match beneath::directory(&self.root, part) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let refusal = Refusal::io(label(folder), Stage::Emit, "open the directory", &error);
                    return Err(refusal.hint("pass the intended directory with `--output`"));
                }
            }
        }
        Ok(())
    }

    /// The path of a file of the project from its folder; none for a file elsewhere.
    pub fn inside(&self, path: &Path) -> Option<PathBuf> {
        let (path, root) = (std::path::absolute(path).ok()?, std::path::absolute(&self.root).ok()?);
        let below = path.strip_prefix(root).ok()?;
        let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
        is_plain.then(|| below.to_owned())
    }
}

/// `text` with each path of the project's files led by `prefix`.
fn opened_from(prefix: &str, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let begins = before.is_whitespace() || "`\"(".contains(before);
        if begins && ["image-recipes/", "manifests/"].iter().any(|folder| text[at..].starts_with(folder)) {
            out.push_str(prefix);
            out.push('/');
        }
        out.push(c);
        before = c;
    }
    out
}

/// The name of a file in messages: its path from here, where it is below.
pub fn label(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(path);
    if path == Path::new("") { ".".to_owned() } else { path.display().to_string() }
}
