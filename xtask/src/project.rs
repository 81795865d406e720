//! The project's own files: recipes, manifests, locks, policy and trust roots, read from its folder.

use anyhow::Context as _;
use bake::effects::Effects;
use bake::lock::Lock;
use bake::manifest::Manifest;
use bake::name::{Arch, ImagePath, Kind, Provider};
use bake::policy::Policy;
use bake::recipe::{self, Body, Folder, Recipe, RootfsFile};
use bake::sources::Sources;
use bake::{Class, Refusal, Stage};
use std::path::{Path, PathBuf};

/// A recipe of more levels than this extends itself.
const MOST_LEVELS: usize = 16;

/// The folder that holds `image-recipes` and `manifests`.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// Its path.
    pub(crate) root: PathBuf,
}

impl Project {
    /// The folder that was named, or the nearest one upwards that has recipes, or the one cargo runs us from.
    pub(crate) fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let is_project =
            |path: &&Path| path.join("image-recipes").is_dir() && path.join("manifests").is_dir();
        if let Some(root) = named {
            anyhow::ensure!(is_project(&root), "`{}` has no `image-recipes` and `manifests`", root.display());
            return Ok(Self { root: root.to_owned() });
        }
        let here = std::env::current_dir().context("the current directory")?;
        let cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let found =
            here.ancestors().find(is_project).or_else(|| cargo.as_deref()?.ancestors().find(is_project));
        let root = found.context(
            "no folder with `image-recipes` and `manifests` here or above; name one with --project",
        )?;
        Ok(Self { root: root.to_owned() })
    }

    /// The recipe of `kind` with all that it extends.
    pub(crate) fn recipe(&self, kind: &Kind) -> bake::Result<Recipe> {
        let mut folders = vec![self.folder(kind)?];
        while let Some(next) = folders.last().and_then(|folder| folder.extends().cloned()) {
            if folders.len() == MOST_LEVELS {
                let what = format!("`{next}` extends itself, or more than {MOST_LEVELS} recipes");
                return Err(Refusal::new(Class::Usage, format!("{kind}/recipe.toml"), Stage::Parse, what));
            }
            folders.push(self.folder(&next)?);
        }
        folders.reverse();
        recipe::combine(&folders)
    }

    /// The kinds that there are recipes for, sorted.
    pub(crate) fn kinds(&self) -> anyhow::Result<Vec<Kind>> {
        let mut kinds = Vec::new();
        for entry in std::fs::read_dir(self.root.join("image-recipes"))? {
            let entry = entry?;
            if entry.path().join("recipe.toml").is_file() {
                kinds.push(entry.file_name().to_string_lossy().parse()?);
            }
        }
        kinds.sort_unstable();
        Ok(kinds)
    }

    /// Where the manifest of `kind` and `arch` is.
    pub(crate) fn manifest_path(&self, kind: &Kind, arch: Arch) -> PathBuf {
        self.root.join(format!("manifests/{kind}.debian-13.{arch}.json"))
    }

    /// Where the lock of `kind` and `arch` is.
    pub(crate) fn lock_path(&self, kind: &Kind, arch: Arch) -> PathBuf {
        self.root.join(format!("manifests/{kind}.debian-13.{arch}.lock.toml"))
    }

    /// What no image may be made of.
    pub(crate) fn policy(&self) -> bake::Result<Policy> {
        let path = self.root.join("manifests/policy.toml");
        bake::policy::parse(&label(&path), &text(&path)?)
    }

    /// What is known of packages' maintainer scripts; nothing where there is no such file.
    pub(crate) fn effects(&self) -> bake::Result<Effects> {
        let path = self.root.join("manifests/effects.toml");
        if path.exists() { bake::effects::parse(&label(&path), &text(&path)?) } else { Ok(Effects::new()) }
    }

    /// Debian's archives, suites and keys.
    pub(crate) fn sources(&self) -> bake::Result<Sources> {
        bake::sources::load(&self.root.join("manifests"))
    }

    fn folder(&self, kind: &Kind) -> bake::Result<Folder> {
        let folder = self.root.join("image-recipes").join(kind.as_str());
        let path = folder.join("recipe.toml");
        if !path.is_file() {
            let known = self.kinds().unwrap_or_default();
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            return Err(Refusal::new(
                Class::Usage,
                kind.as_str(),
                Stage::Parse,
                "there is no recipe of this kind",
            )
            .hint(format!(
                "the kinds here are {}; a new one is a folder in image-recipes",
                known.join(", ")
            )));
        }
        let recipe = recipe::parse(&format!("{kind}/recipe.toml"), &text(&path)?)?;
        Ok(Folder { kind: kind.clone(), recipe, rootfs: rootfs(&folder)? })
    }
}

/// Reads a manifest.
pub(crate) fn manifest(path: &Path) -> bake::Result<Manifest> {
    bake::manifest::parse(&label(path), &read(path)?)
}

/// Reads a lock.
pub(crate) fn lock(path: &Path) -> bake::Result<Lock> {
    bake::lock::parse(&text(path)?).map_err(|error| {
        Refusal::new(Class::Usage, label(path), Stage::Parse, error).hint("`cargo xtask lock` makes it anew")
    })
}

/// Reads a text file.
pub(crate) fn text(path: &Path) -> bake::Result<String> {
    let wrong = |_| Refusal::new(Class::Usage, label(path), Stage::Parse, "it is not UTF-8");
    String::from_utf8(read(path)?).map_err(wrong)
}

/// The name of a file in messages: its path from here, where it is below.
pub(crate) fn label(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> bake::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Refusal::io(label(path), Stage::Parse, "read", &error))
}

/// The files of `rootfs` and of each `rootfs.<provider>`; each is read once.
fn rootfs(folder: &Path) -> bake::Result<Vec<RootfsFile>> {
    let providers = [Provider::Local, Provider::Aws, Provider::Google, Provider::Proxmox];
    let mut files = Vec::new();
    for provider in [None].into_iter().chain(providers.map(Some)) {
        let name = provider.map_or_else(|| "rootfs".to_owned(), |provider| format!("rootfs.{provider}"));
        let top = folder.join(&name);
        if top.is_dir() {
            walk(&top, &name, "", provider, &mut files)?;
        }
    }
    Ok(files)
}

fn walk(
    directory: &Path,
    top: &str,
    below: &str,
    provider: Option<Provider>,
    files: &mut Vec<RootfsFile>,
) -> bake::Result<()> {
    let failed = |error: &std::io::Error| Refusal::io(label(directory), Stage::Parse, "read", error);
    for entry in std::fs::read_dir(directory).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        let file = entry.path();
        let wrong = |what: &str| Refusal::new(Class::Usage, label(&file), Stage::Parse, what.to_owned());
        let name = entry.file_name().into_string().map_err(|_| wrong("its name is not UTF-8"))?;
        let below = format!("{below}/{name}");
        let executable = {
            use std::os::unix::fs::PermissionsExt as _;
            let meta = entry.metadata().map_err(|error| failed(&error))?;
            meta.is_file() && meta.permissions().mode() & 0o100 != 0
        };
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        if kind.is_dir() {
            walk(&file, top, &below, provider, files)?;
            continue;
        }
        let body = if kind.is_symlink() {
            let target = std::fs::read_link(&file).map_err(|error| failed(&error))?;
            Body::Link(target.into_os_string().into_string().map_err(|_| wrong("its target is not UTF-8"))?)
        } else if kind.is_file() {
            Body::Bytes(read(&file)?.into())
        } else {
            return Err(wrong("only files and symbolic links have a place in a rootfs"));
        };
        let path: ImagePath =
            below.parse().map_err(|error: bake::name::NameError| wrong(&error.to_string()))?;
        files.push(RootfsFile { path, source: format!("{top}{below}"), executable, provider, body });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn m07_what_is_swapped_after_it_was_read_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("manifests/x.json", "");
        write("image-recipes/mine/recipe.toml", "[recipe]\n");
        write("image-recipes/mine/rootfs/etc/motd", "as reviewed");
        let project = Project::find(Some(folder.path())).unwrap();
        let recipe = project.recipe(&"mine".parse().unwrap()).unwrap();
        write("image-recipes/mine/rootfs/etc/motd", "swapped while the bake runs");
        write("image-recipes/mine/recipe.toml", "[recipe]\n[packages]\ninstall = [\"netcat\"]\n");
        // what a plan takes its digests from, and what the tree gets, are these very bytes
        let file = &recipe.files[&("/etc/motd".parse().unwrap(), None)];
        assert_eq!(file.body, Body::Bytes(b"as reviewed".as_slice().into()));
        assert!(recipe.packages.is_empty());
    }

    #[test]
    fn g02_what_is_no_file_and_no_link_has_no_place_in_a_rootfs() {
        let folder = tempfile::tempdir().unwrap();
        let rootfs = folder.path().join("image-recipes/mine/rootfs");
        fs::create_dir_all(&rootfs).unwrap();
        fs::create_dir_all(folder.path().join("manifests")).unwrap();
        fs::write(folder.path().join("image-recipes/mine/recipe.toml"), "[recipe]\n").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(rootfs.join("socket")).unwrap();
        let refusal =
            Project::find(Some(folder.path())).unwrap().recipe(&"mine".parse().unwrap()).unwrap_err();
        assert!(refusal.to_string().contains("only files and symbolic links"), "{refusal}");
    }
}
