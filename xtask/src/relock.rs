//! Resolving the Debian packages of a kind: `lock`, and `bake --relock`.

use crate::pipeline;
use crate::progress::Show;
use crate::project::Project;
use crate::review;
use bake::debian::release::ReleaseError;
use bake::debian::resolve::{self, Limits};
use bake::fetch::{self, Archives};
use bake::lock::{Lock, Request};
use bake::name::{Arch, Kind};
use bake::plan::package_wants;
use bake::recipe::Recipe;
use bake::sources::{Sources, Suite};
use bake::store::Store;
use bake::{Refusal, Stage};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    let (lock, unreviewed) = pipeline::with_scripts(lock, &effects, store, threads, show)?;
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
    let mut sources = project.sources()?;
    if let Some(days) = task.max_age {
        sources.accept_age(days);
    }
    let archive = Archives::new(store, options, show);
    let now = jiff::Timestamp::now();
    let asked = resolve::Task { kind: task.kind, request, now, previous: task.previous };
    let what = format!("resolving the packages of {} on {}", task.kind, task.arch);
    let lock = show
        .during(&what, Duration::ZERO, |_| resolve::resolve(&asked, &sources, &archive, &Limits::default()))
        .map_err(|refusal| with_age_hint(refusal, &sources, now))?;
    show.step(&format!("resolved {} packages for {} on {}", lock.packages.len(), task.kind, task.arch));
    let wants = package_wants(&lock.packages, &lock.suites);
    pipeline::fetch(store, &wants, options, show)?;
    Ok(lock)
}

/// A refusal of a suite that is too old, with the way out.
fn with_age_hint(refusal: Refusal, sources: &Sources, now: jiff::Timestamp) -> Refusal {
    let days = match refusal.cause.downcast_ref::<ReleaseError>() {
        Some(ReleaseError::Aged { got, .. }) => now.duration_since(*got).as_hours().div_euclid(24) + 1,
        Some(ReleaseError::Ended(_)) => 0,
        _ => return refusal,
    };
    let is_of = |suite: &&Suite| refusal.artifact == format!("{} InRelease", suite.name);
    let is_main = sources.suites.iter().find(is_of).is_some_and(Suite::is_main);
    let hint = if days > 0 && is_main {
        format!(
            "if Debian has made no newer one since, `--max-age {days}` accepts it; else the mirror is out of date, \
             `--debian-mirror` names another"
        )
    } else {
        "the mirror is out of date, or this machine's clock is wrong: `--debian-mirror` and \
         `--debian-security-mirror` name others (`--max-age` is for the main suite only)"
            .to_owned()
    };
    refusal.hint(hint)
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

#[cfg(test)]
mod tests {
    use super::*;
    use bake::Class;

    #[test]
    fn the_refusal_of_a_suite_that_is_too_old_says_how_to_accept_it_where_it_can_be_accepted() {
        let sources = bake::sources::load(&crate::tools::root().join("manifests")).unwrap();
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let (got, now) = (at("2026-01-01T12:00:00Z"), at("2026-06-30T11:00:00Z"));
        let hint = |suite: &str, error: ReleaseError| {
            let refusal =
                Refusal::new(Class::Verification, format!("{suite} InRelease"), Stage::Resolve, error);
            with_age_hint(refusal, &sources, now).hint.map(std::borrow::Cow::into_owned).unwrap_or_default()
        };
        // 179 days and 23 hours old: a limit of 180 days takes it
        let aged = || ReleaseError::Aged { got, days: 150 };
        assert!(hint("trixie", aged()).contains("`--max-age 180` accepts it"), "{}", hint("trixie", aged()));
        for (suite, error) in [("trixie-security", aged()), ("trixie-security", ReleaseError::Ended(got))] {
            let hint = hint(suite, error);
            assert!(
                hint.contains("`--debian-security-mirror`") && hint.contains("main suite only"),
                "{hint}"
            );
        }
        assert_eq!(hint("trixie", ReleaseError::Many), "");
    }
}
