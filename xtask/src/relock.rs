//! Resolving the Debian packages of a kind: `lock`, and `bake --relock`.

use crate::pipeline;
use crate::progress::Show;
use crate::project::Project;
use crate::review;
use bake::debian::resolve::{self, Limits};
use bake::fetch::{self, Archives};
use bake::lock::{Lock, Request};
use bake::name::{Arch, Kind};
use bake::plan::package_wants;
use bake::recipe::Recipe;
use bake::store::Store;
use bake::{Refusal, Stage};
use std::path::{Path, PathBuf};

/// What to resolve.
pub(crate) struct Task<'a> {
    /// Whose packages.
    pub(crate) kind: &'a Kind,
    /// For which machine.
    pub(crate) arch: Arch,
    /// The lock before: nothing older is accepted.
    pub(crate) previous: Option<&'a Lock>,
    /// How many days old the archive's main suite may be, instead of what `sources.toml` says.
    pub(crate) max_age: Option<u32>,
    /// Where the texts of scripts that nobody has reviewed go.
    pub(crate) unreviewed: Option<&'a Path>,
}

/// Resolves the packages over Debian's archive as it is now, brings them into the store, and notes their scripts, which must
/// all have been reviewed.
pub(crate) fn resolve(
    task: &Task<'_>,
    project: &Project,
    recipe: &Recipe,
    store: &Store,
    options: &fetch::Options,
    threads: usize,
    show: &Show,
) -> bake::Result<Lock> {
    let lock = packages(task, &recipe.request(task.arch), project, store, options, show)?;
    let mut effects = project.effects()?;
    effects.extend(recipe.effects.clone());
    let (lock, unreviewed) = pipeline::with_scripts(lock, &effects, store, threads)?;
    review::check(project, &unreviewed, Stage::Resolve, task.unreviewed)?;
    Ok(lock)
}

/// Resolves what `request` asks for, and brings the packages into the store; nothing is known of their scripts.
pub(crate) fn packages(
    task: &Task<'_>,
    request: &Request,
    project: &Project,
    store: &Store,
    options: &fetch::Options,
    show: &Show,
) -> bake::Result<Lock> {
    let mut sources = bake::sources::load(&project.root.join("manifests"))?;
    if let Some(days) = task.max_age {
        sources.accept_age(days);
    }
    let archive = Archives::new(store, options, show);
    let now = jiff::Timestamp::now();
    let asked = resolve::Task { kind: task.kind, request, now, previous: task.previous };
    let lock = resolve::resolve(&asked, &sources, &archive, &Limits::default())?;
    show.step(&format!("resolved {} packages for {} on {}", lock.packages.len(), task.kind, task.arch));
    let wants = package_wants(&lock.packages, &lock.suites);
    pipeline::fetch(store, &wants, options, show)?;
    Ok(lock)
}

/// Writes a lock that a bake has made for itself beside its artifact, and says where.
pub(crate) fn write_beside(output: &Path, name: &str, lock: &Lock) -> bake::Result<PathBuf> {
    let path = output.join(format!("{name}.lock.toml"));
    write(&path, lock)?;
    Ok(path)
}

/// Writes a lock, whole or not at all.
pub(crate) fn write(path: &Path, lock: &Lock) -> bake::Result<()> {
    let failed =
        |error: std::io::Error| Refusal::io(path.display().to_string(), Stage::Resolve, "write", &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(failed)?;
    std::io::Write::write_all(&mut file, bake::lock::print(lock).as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
