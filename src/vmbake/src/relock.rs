//! Resolving the Debian packages of a kind: `lock`, and `bake --relock`.

use crate::progress::Show;
use crate::project::{self, Project};
use crate::review;
use crate::{local, pipeline};
use bake::debian::release::ReleaseError;
use bake::debian::resolve::{self, Given, Limits, LocalPackage};
use bake::effects::Effects;
use bake::fetch::{self, Archives};
use bake::lock::{Lock, LockedPackage, Request};
use bake::manifest::{Entry, Form, Manifest, Pin};
use bake::plan::{package_requirements, third_party_remarks};
use bake::recipe::Recipe;
use bake::sources::{MaxAge, Sources, Suite};
use bake::unpack::Package;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::Store;
use tree::name::{Arch, Kind, Name};
use tree::refusal::shown;
use tree::refusal::{Class, Refusal, Stage};
use tree::scripts::Scripted;

/// What to resolve.
pub struct Task<'a> {
    /// Whose packages.
    pub kind: &'a Kind,
    /// For which machine.
    pub arch: Arch,
    /// The locks before: nothing older is accepted.
    pub previous: &'a [Lock],
    /// How many days old suites may be, instead of what `sources.toml` says.
    pub max_age: &'a [MaxAge],
    /// Where the texts of scripts that nobody has reviewed go.
    pub unreviewed: Option<&'a Path>,
    /// The Debian packages among the components: what they need is resolved, and their scripts must be known, too.
    pub components: &'a [(Name, Pin)],
}

/// The Debian packages among the components that `recipe` places and `manifest` pins, for any cloud: one lock is for all.
pub fn components(recipe: &Recipe, manifest: Option<&Manifest>) -> Vec<(Name, Pin)> {
    let entries = manifest.into_iter().flat_map(|manifest| &manifest.components);
    let pinned = entries.filter_map(|(name, entry)| match entry {
        Entry::Pinned(pin) if pin.form == Form::Deb && recipe.components.contains_key(name) => {
            Some((name.clone(), pin.clone()))
        }
        _ => None,
    });
    pinned.collect()
}

/// The locks that a new one of `kind` must not roll back past: the one that is committed, and the one that is there where
/// the new one is written or that was named. One that does not read protects from nothing, so it stops the command.
pub fn previous(
    project: &Project,
    kind: &Kind,
    arch: Arch,
    named: Option<&Path>,
    show: &Show,
) -> tree::refusal::Result<Vec<Lock>> {
    let committed = project.lock_path(kind, arch);
    let named = named.filter(|named| **named != committed && named.exists());
    let protects = |path: &Path, refusal: Refusal| {
        refusal.hint(format!(
            "it records the state of Debian's archive that must not be rolled back: restore it (`git checkout {0}`), or \
             remove it to accept any state that Debian has signed and that is not too old",
            project::label(path)
        ))
    };
    let mut locks = Vec::new();
    locks.extend(project.locked(kind, arch).map_err(|refusal| protects(&committed, refusal))?);
    if let Some(named) = named {
        locks.push(project.lock(named).map_err(|refusal| protects(named, refusal))?);
    }
    if locks.is_empty() {
        show.note(&format!(
            "note: {kind} on {arch} has no lock yet: any state of Debian's archive that is signed and not too old is accepted"
        ));
    }
    Ok(locks)
}

/// A new lock, and what the maintainer scripts of its packages do in an image.
pub struct Resolved {
    /// The lock.
    pub lock: Lock,
    /// Each package that has scripts.
    pub scripts: Vec<Scripted>,
}

/// Resolves the packages over Debian's archive as it is now, brings them into the store, notes their scripts, and interprets
/// those that nobody has reviewed: one that cannot be followed to its end is refused here, and not first by a bake.
pub fn resolve(
    task: &Task<'_>,
    project: &Project,
    recipe: &Recipe,
    store: &Store,
    options: &fetch::Options,
    threads: usize,
    show: &Show,
) -> tree::refusal::Result<Resolved> {
    let debs = pipeline::debs(task.components, task.arch, store, options, threads, show)?;
    let given =
        debs.iter().map(|(name, package)| given(name, package)).collect::<tree::refusal::Result<Vec<_>>>()?;
    let request = recipe.request(task.arch);
    let files = local::read(project, store, &request.files)?;
    let lock =
        packages(task, &request, &Outside { given: &given, files: &files }, project, store, options, show)?;
    let effects = known_effects(project, recipe)?;
    let (lock, mut unreviewed) = pipeline::with_scripts(lock, &effects, store, threads, show)?;
    for (name, package) in &debs {
        unreviewed.extend(bake::effects::unreviewed(&effects, name, &package.control));
    }
    if recipe.reviewed_only {
        unreviewed.retain(|script| !recipe.accept.contains_key(&script.package));
        let of = unreviewed.iter().map(|script| script.package.clone()).collect();
        let old = match task.previous.last() {
            Some(previous) => pipeline::old_scripts(previous, &of, store, threads, show)?,
            None => review::Old::new(),
        };
        review::check(project, &unreviewed, &old, Stage::Resolve, task.unreviewed)
            .map_err(|refusal| project.located(refusal))?;
    }
    let scripts = scripts(project, recipe, &lock, &effects, store, threads, show)?;
    Ok(Resolved { lock, scripts })
}

/// What is known of maintainer scripts: the project's, and over it the recipe's.
pub fn known_effects(project: &Project, recipe: &Recipe) -> tree::refusal::Result<Effects> {
    let mut effects = project.effects()?;
    effects.extend(recipe.effects.clone());
    Ok(effects)
}

/// What the maintainer scripts of the packages of `lock`, which are in the store, do in an image.
pub fn scripts(
    project: &Project,
    recipe: &Recipe,
    lock: &Lock,
    effects: &Effects,
    store: &Store,
    threads: usize,
    show: &Show,
) -> tree::refusal::Result<Vec<Scripted>> {
    let has_scripts = |package: &LockedPackage| {
        bake::effects::SCRIPTS.iter().any(|script| package.scripts.contains_key(*script))
    };
    if !lock.packages.iter().any(has_scripts) {
        return Ok(Vec::new());
    }
    let plan = bake::plan::packages_only(recipe, lock, effects, &project.sources()?)
        .map_err(|refusal| project.located(refusal))?;
    pipeline::scripts(&plan, project, store, threads, show)
}

/// What the resolver has to know of a component.
fn given(name: &Name, package: &Package) -> tree::refusal::Result<Given> {
    let control = package.control.iter().find(|file| file.name == "control");
    let text = control.and_then(|file| String::from_utf8(file.bytes.to_vec()).ok()).ok_or_else(|| {
        Refusal::new(Class::Archive, name.as_str(), Stage::Resolve, "its control file is not UTF-8")
    })?;
    Ok(Given { name: name.clone(), control: text })
}

/// Packages of the image that are of no archive.
#[derive(Clone, Copy, Default)]
pub struct Outside<'a> {
    /// Components.
    given: &'a [Given],
    /// Files of the project.
    files: &'a [LocalPackage],
}

/// Resolves what `request` asks for and what is `outside` needs, and brings the packages into the store; nothing is known of
/// their scripts.
pub fn packages(
    task: &Task<'_>,
    request: &Request,
    outside: &Outside<'_>,
    project: &Project,
    store: &Store,
    options: &fetch::Options,
    show: &Show,
) -> tree::refusal::Result<Lock> {
    let mut sources = project.sources()?;
    for age in task.max_age {
        if !sources.accept_age(age) {
            let what = format!("`{}` is not a third party's archive", age.of.as_deref().unwrap_or_default());
            return Err(Refusal::new(Class::Usage, "--max-age", Stage::Resolve, what)
                .hint("`--max-age DAYS` is for Debian's main suite, `--max-age ARCHIVE=DAYS` for one of manifests/sources.toml"));
        }
    }
    let archive = Archives::new(store, options, show);
    let now = jiff::Timestamp::now();
    let Outside { given, files } = *outside;
    let asked = resolve::Task { kind: task.kind, request, now, previous: task.previous, given, files };
    let what = format!("resolving the packages of {} on {}", task.kind, task.arch);
    let lock = show
        .during(&what, Duration::ZERO, |_| resolve::resolve(&asked, &sources, &archive, &Limits::default()))
        .map_err(|refusal| with_age_hint(refusal, &sources, now))?;
    show.step(&format!("resolved {} packages for {} on {}", lock.packages.len(), task.kind, task.arch));
    let wants = package_requirements(&lock.packages, &lock.suites);
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
    let of_third_party = sources.suites.iter().find(is_of).filter(|suite| suite.is_third_party());
    let hint = if let Some(suite) = of_third_party {
        format!(
            "archive `{}` is out of date, or this machine's clock is wrong{}",
            suite.archive,
            if days > 0 {
                format!("; pass `--max-age {}={days}` to accept it", suite.archive)
            } else {
                String::new()
            }
        )
    } else if days > 0 && is_main {
        format!(
            "if Debian has published none since, pass `--max-age {days}` to accept it; otherwise the mirror is out of date: \
             pass `--debian-mirror URL` to use another"
        )
    } else {
        "the mirror is out of date, or this machine's clock is wrong: pass others with `--debian-mirror` and \
         `--debian-security-mirror` (`--max-age` is for the main suite only)"
            .to_owned()
    };
    refusal.hint(hint)
}

/// Says which packages are not Debian's, and which archives keep nothing of what they remove.
pub fn tell_third_parties(lock: &Lock, sources: &Sources, show: &Show) {
    for remark in third_party_remarks(lock) {
        show.note(&format!("note: {}", shown(&remark.to_string())));
    }
    let snapshots = sources.snapshots();
    let archives: BTreeSet<&str> = lock.suites.iter().map(|suite| suite.archive.as_str()).collect();
    for archive in archives.into_iter().filter(|archive| !snapshots.has(archive)) {
        show.note(&format!(
            "note: archive {archive} has no snapshot service; what it removes is only in the store"
        ));
    }
}

/// Writes a lock that a bake has made for itself beside its artifact, and says where.
pub fn write_beside(output: &Path, name: &str, lock: &Lock) -> tree::refusal::Result<PathBuf> {
    let path = output.join(format!("{name}.lock.toml"));
    write(&path, lock)?;
    Ok(path)
}

/// Writes a lock, whole or not at all.
pub fn write(path: &Path, lock: &Lock) -> tree::refusal::Result<()> {
    write_text(path, &bake::lock::print(lock))
}

/// Writes a text of the project, whole or not at all.
pub fn write_text(path: &Path, text: &str) -> tree::refusal::Result<()> {
    let failed =
        |error: std::io::Error| Refusal::io(path.display().to_string(), Stage::Resolve, "write", &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // the first lock of a project is the first file of its `manifests`
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_lock_is_compared_with_the_committed_one_wherever_it_is_written() {
        let place = tempfile::tempdir().unwrap();
        for folder in ["image-recipes", "manifests"] {
            std::fs::create_dir(place.path().join(folder)).unwrap();
        }
        let project = Project::find(Some(place.path())).unwrap();
        let (kind, arch) = ("mine".parse().unwrap(), Arch::Amd64);
        let show = crate::progress::ShowArgs { quiet: true, json: false }.show();
        let dates = |named: Option<&Path>| -> Result<Vec<jiff::Timestamp>, String> {
            let locks = previous(&project, &kind, arch, named, &show)
                .map_err(|refusal| format!("{refusal}; {}", refusal.hint.as_deref().unwrap_or_default()))?;
            Ok(locks.iter().map(|lock| lock.suites[0].date).collect())
        };
        let elsewhere = place.path().join("elsewhere.toml");
        assert_eq!(dates(Some(&elsewhere)), Ok(vec![]));
        let committed = project.lock_path(&kind, arch);
        let real = crate::programs::checkout().join(tree::of_release!("manifests/base.", ".amd64.lock.toml"));
        std::fs::copy(&real, &committed).unwrap();
        let date = bake::lock::parse(&std::fs::read_to_string(&real).unwrap()).unwrap().suites[0].date;
        // `lock --output`, whether that is there or not, and `lock` in place
        for named in [Some(elsewhere.as_path()), Some(committed.as_path()), None] {
            assert_eq!(dates(named), Ok(vec![date]), "{named:?}");
        }
        std::fs::copy(&real, &elsewhere).unwrap();
        assert_eq!(dates(Some(&elsewhere)), Ok(vec![date, date]));
        // a lock that does not parse no longer lets every older archive in
        for path in [&committed, &elsewhere] {
            std::fs::write(path, "<<<<<<< ours\n").unwrap();
            let said = dates(Some(&elsewhere)).unwrap_err();
            assert!(said.contains("restore it (`git checkout") && said.contains("or remove it"), "{said}");
            std::fs::copy(&real, path).unwrap();
        }
    }

    #[test]
    fn the_refusal_of_a_suite_that_is_too_old_says_how_to_accept_it_where_it_can_be_accepted() {
        use tree::release::CODENAME;
        let sources = bake::sources::load(&crate::programs::checkout().join("manifests")).unwrap();
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let (got, now) = (at("2026-01-01T12:00:00Z"), at("2026-06-30T11:00:00Z"));
        let hint = |suite: &str, error: ReleaseError| {
            let refusal =
                Refusal::new(Class::Verification, format!("{suite} InRelease"), Stage::Resolve, error);
            with_age_hint(refusal, &sources, now).hint.map(std::borrow::Cow::into_owned).unwrap_or_default()
        };
        // 179 days and 23 hours old: a limit of 180 days takes it
        let aged = || ReleaseError::Aged { got, days: 150 };
        assert!(
            hint(CODENAME, aged()).contains("pass `--max-age 180` to accept it"),
            "{}",
            hint(CODENAME, aged())
        );
        for error in [aged(), ReleaseError::Ended(got)] {
            let hint = hint(tree::joined!(CODENAME, "-security"), error);
            assert!(
                hint.contains("`--debian-security-mirror`") && hint.contains("main suite only"),
                "{hint}"
            );
        }
        assert_eq!(hint(CODENAME, ReleaseError::Many), "");
    }
}
