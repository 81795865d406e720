//! The files of a recipe that are placed as they are: `rootfs`, and `rootfs.<provider>` for one cloud.

use super::{Project, label};
use crate::builtin;
use bake::recipe::{Body, RootfsFile};
use std::path::Path;
use store::beneath::{self, Found};
use tree::name::{ImagePath, Kind, Provider};
use tree::refusal::{Class, Refusal, Stage};

/// None for the files of each cloud, and each cloud, which may have files of its own.
fn providers() -> impl Iterator<Item = Option<Provider>> {
    std::iter::once(None).chain(Provider::ALL.iter().copied().map(Some))
}

/// The folder of a recipe with the files that are placed for `provider`, or for each.
fn rootfs_name(provider: Option<Provider>) -> String {
    provider.map_or_else(|| "rootfs".to_owned(), |provider| format!("rootfs.{provider}"))
}

/// The files that a built-in kind places.
pub(super) fn built_in_rootfs(kind: &Kind) -> tree::refusal::Result<Vec<RootfsFile>> {
    let mut files = Vec::new();
    for provider in providers() {
        let top = rootfs_name(provider);
        let prefix = format!("image-recipes/{kind}/{top}/");
        for (below, file) in builtin::below(&prefix) {
            let path = format!("/{below}");
            let path: ImagePath = path.parse().map_err(|error: tree::name::NameError| {
                Refusal::new(Class::Usage, file.path, Stage::Parse, error)
            })?;
            let (source, executable, body) =
                (format!("{top}{path}"), file.executable, Body::Bytes(file.bytes.into()));
            files.push(RootfsFile { path, source, executable, provider, body });
        }
    }
    Ok(files)
}

impl Project {
    /// The files of `rootfs` and of each `rootfs.<provider>`; each is read once.
    pub(super) fn rootfs(&self, folder: &Path) -> tree::refusal::Result<Vec<RootfsFile>> {
        let mut files = Vec::new();
        let mut left = beneath::MAX_FILES;
        for provider in providers() {
            let name = rootfs_name(provider);
            let mut walk = Walk { project: self, top: &name, provider, files: &mut files, left: &mut left };
            walk.directory(&folder.join(&name), "")?;
        }
        Ok(files)
    }
}

/// A walk through the files of a rootfs.
pub(super) struct Walk<'a> {
    pub(super) project: &'a Project,
    pub(super) top: &'a str,
    pub(super) provider: Option<Provider>,
    pub(super) files: &'a mut Vec<RootfsFile>,
    /// How many more bytes the files may have.
    pub(super) left: &'a mut u64,
}

impl Walk<'_> {
    pub(super) fn directory(&mut self, directory: &Path, below: &str) -> tree::refusal::Result<()> {
        let root = &self.project.root;
        let found = beneath::list(root, directory.strip_prefix(root).unwrap_or(directory))
            .map_err(|error| Refusal::io(label(directory), Stage::Parse, "read", &error))?;
        for Found { name, kind } in found.unwrap_or_default() {
            let file = directory.join(&name);
            let wrong = |what: &str| Refusal::new(Class::Usage, label(&file), Stage::Parse, what.to_owned());
            let below = format!("{below}/{name}");
            let mut is_executable = false;
            let body = match kind {
                beneath::Kind::Directory => {
                    self.directory(&file, &below)?;
                    continue;
                }
                beneath::Kind::File { executable } => {
                    is_executable = executable;
                    let bytes = self.project.read(&file, beneath::MAX_FILE.min(*self.left))?;
                    *self.left -= bytes.len() as u64;
                    Body::Bytes(bytes.into())
                }
                beneath::Kind::Link(target) if target.contains(tree::refusal::hides) => {
                    return Err(wrong("its target has a control or invisible character"));
                }
                beneath::Kind::Link(target) => Body::Link(target),
                beneath::Kind::Other => {
                    return Err(wrong("expected a file or symbolic link in a rootfs"));
                }
            };
            let path: ImagePath =
                below.parse().map_err(|error: tree::name::NameError| wrong(&error.to_string()))?;
            let (source, provider) = (format!("{}{below}", self.top), self.provider);
            self.files.push(RootfsFile { path, source, executable: is_executable, provider, body });
        }
        Ok(())
    }
}
