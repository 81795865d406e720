//! Debian packages that are files of the project: `[packages] files`.

use crate::project::Project;
use bake::debian::resolve::LocalPackage;
use bake::unpack;
use std::io::Write as _;
use store::Store;
use store::beneath;
use tree::name::Name;
use tree::refusal::{Class, Refusal, Stage};

/// Reads `files`, paths below the project's folder, into the store, each with its control file.
pub(crate) fn read(
    project: &Project,
    store: &Store,
    files: &[String],
) -> tree::refusal::Result<Vec<LocalPackage>> {
    files.iter().map(|path| one(project, store, path)).collect()
}

fn one(project: &Project, store: &Store, path: &str) -> tree::refusal::Result<LocalPackage> {
    let bytes = project.read(&project.root.join(path), beneath::MAX_FILE)?;
    let mut incoming = store.incoming()?;
    incoming
        .write_all(&bytes)
        .map_err(|error| Refusal::io(path, Stage::Resolve, "write a package to the store", &error))?;
    let (sha256, size) = incoming.commit()?;
    let package = unpack::package(store, &name(path)?, &sha256.into())?;
    let control = package.control.iter().find(|file| file.name == "control");
    let control = control.and_then(|file| String::from_utf8(file.bytes.to_vec()).ok()).ok_or_else(|| {
        Refusal::new(Class::Archive, path, Stage::Resolve, "it has no control file in UTF-8")
    })?;
    Ok(LocalPackage { path: path.to_owned(), control, size, sha256 })
}

/// What messages call it before its control file is read: its file's name up to the version.
fn name(path: &str) -> tree::refusal::Result<Name> {
    let file = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".deb");
    let name = file.split('_').next().unwrap_or(file).to_ascii_lowercase();
    name.parse().map_err(|error| Refusal::new(Class::Usage, path, Stage::Resolve, error))
}
