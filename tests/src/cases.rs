//! Recorded cases of the boot-time program: inputs, and the end state that the scripts of today's nodes really left.
//!
//! ```text
//! case (JSON, schema 1) ─► base tree ─► room: name spaces of its own ─► each step: files, run, what changed
//!                                                  what changed ─► differences from the record ─► rules ─► verdict
//! ```
//! A case *agrees* when type, mode, owner and meaning of every changed path are the recorded ones (environment files as
//! maps; YAML, JSON and TOML by value), the calls and accounts too. What differs must be covered by a `rules` of
//! intended differences, each with its reason: then the case is *better*. Anything else *fails*. None is skipped.
//!
//! It needs root: chroot, mounts and network name spaces, all of which end with the room.

mod accounts;
mod base;
mod case;
mod compare;
mod material;
mod room;
mod rules;
mod tree;

pub use case::Case;
use compare::Difference;

use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What became of a case.
pub struct Verdict {
    /// `category/name`.
    pub name: String,
    /// The rules that cover its differences, by name, each once.
    pub rules: Vec<&'static str>,
    /// Differences that no rule covers.
    pub failures: Vec<String>,
}

impl Verdict {
    /// Of a case that could not be read, prepared or run: it fails like any other, and the rest goes on.
    fn unprepared(path: &Path, error: &anyhow::Error) -> Self {
        let parts: Vec<_> =
            path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let name = parts.get(parts.len().saturating_sub(2)..).unwrap_or_default().join("/");
        Self { name, rules: Vec::new(), failures: vec![format!("it cannot be prepared: {error:#}")] }
    }
}

/// Where things are.
pub struct Places {
    /// The static program.
    pub program: PathBuf,
    /// The `image-recipes` directory, whose root file systems the base tree is made of.
    pub recipes: PathBuf,
}

/// Every case in `folder` (itself, or one level below) whose name contains one of `filter`, in order.
pub fn run(folder: &Path, filter: &[String], places: &Places) -> Result<Vec<Verdict>> {
    let mut files = Vec::new();
    for path in sorted(folder)? {
        if path.is_dir() {
            files.extend(sorted(&path)?);
        } else {
            files.push(path);
        }
    }
    let expected = |path: &Path| {
        let name = path.to_string_lossy();
        path.extension().is_some_and(|extension| extension == "json")
            && !path.parent().is_some_and(|above| above.ends_with("base"))
            && (filter.is_empty() || filter.iter().any(|part| name.contains(part.as_str())))
    };
    files.retain(|path| expected(path));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = files.get(at) else { return };
                        let verdict =
                            one(path, places).unwrap_or_else(|error| Verdict::unprepared(path, &error));
                        if let Ok(mut done) = done.lock() {
                            done.insert(at, verdict);
                        }
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("a worker ended early")))
    })?;
    Ok(done.into_inner().map_err(|_| anyhow::anyhow!("a worker ended early"))?.into_values().collect())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// One case: its differences, and the rules that cover them.
fn one(path: &Path, places: &Places) -> Result<Verdict> {
    let case = Case::load(path)?;
    let folder = tempfile::Builder::new().prefix("case-").tempdir()?;
    let root = folder.path().join("root");
    base::make(&root, &case, places)?;
    let room = room::Room::open(&root, &case)?;
    let mut verdict = Verdict { name: case.full_name(), rules: Vec::new(), failures: Vec::new() };
    for (at, step) in case.steps.iter().enumerate() {
        tree::apply(&root, &step.files)?;
        tree::edit(&root, &step.edit)?;
        let before = tree::Tree::read(&root, &case)?;
        let ended = room.run(&case, step)?;
        let after = tree::Tree::read(&root, &case)?;
        if step.setup_only {
            let good = ended.code == step.want_exit || step.is_tool();
            anyhow::ensure!(good, "the preparing step {at} ended with {}: {}", ended.code, ended.output);
            continue;
        }
        let Some(expect) = &step.expect else { continue };
        for difference in compare::compare(expect, &before, &after, &ended) {
            let (case, difference) = (&case, &difference);
            let seen =
                rules::Seen { case, step, expect, difference, before: &before, after: &after, ended: &ended };
            match rules::cover(&seen) {
                Some(rule) if verdict.rules.contains(&rule) => {}
                Some(rule) => verdict.rules.push(rule),
                None => verdict.failures.push(format!("step {at}: {difference}")),
            }
        }
        if !verdict.failures.is_empty() {
            verdict.failures.push(format!("it said: {}", ended.output.trim()));
        }
    }
    Ok(verdict)
}

/// A table of `verdicts`, and how many agree, are better and fail.
#[must_use]
pub fn table(verdicts: &[Verdict]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let mut counts = [0usize; 3];
    for verdict in verdicts {
        let (at, word) = match (verdict.failures.is_empty(), verdict.rules.is_empty()) {
            (true, true) => (0, "agrees"),
            (true, false) => (1, "better"),
            (false, _) => (2, "FAILS"),
        };
        if let Some(count) = counts.get_mut(at) {
            *count += 1;
        }
        let _ = writeln!(out, "{word:7} {:60} {}", verdict.name, verdict.rules.join(", "));
        for failure in &verdict.failures {
            let _ = writeln!(out, "          {}", failure.replace('\n', "\n            "));
        }
    }
    let mut used: Vec<&str> = verdicts.iter().flat_map(|verdict| verdict.rules.iter().copied()).collect();
    used.sort_unstable();
    used.dedup();
    for name in used {
        let of = verdicts.iter().filter(|verdict| verdict.rules.contains(&name)).count();
        let _ = writeln!(out, "{name}: {of} cases: {}", rules::reason(name));
    }
    let [agree, better, fail] = counts;
    let _ = writeln!(out, "{} cases: {agree} agree, {better} better, {fail} fail", verdicts.len());
    out
}

/// Users and groups that a run added or changed, against the record.
fn compare_accounts(
    expect: &case::Expect,
    before: &tree::Tree,
    after: &tree::Tree,
    out: &mut Vec<Difference>,
) {
    let got = accounts::changes(&before.accounts, &after.accounts);
    let expected = expect.accounts.clone().unwrap_or_else(|| serde_json::json!({}));
    if got != expected {
        out.push(Difference::Accounts { what: format!("expected {expected}, found {got}") });
    }
}

/// The boot-time program as images get it: the one that VMBAKE_CONFIGURE names, else one that is built now, alone and
/// static, in a target directory of its own.
pub fn program() -> Result<PathBuf> {
    use crate::workspace;
    if let Some(path) = std::env::var_os("VMBAKE_CONFIGURE") {
        return Ok(path.into());
    }
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let folder = workspace::target().join("image");
    let flags: Vec<&str> = include_str!("../../src/configure/rustc-flags.txt").lines().collect();
    let (shell, cargo) = (xshell::Shell::new()?, workspace::cargo());
    shell.change_dir(workspace::root());
    xshell::cmd!(
        shell,
        "{cargo} build --quiet --locked --package configure --profile configure --target {target} --target-dir {folder}"
    )
    .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
    .env_remove("RUSTFLAGS")
    .quiet()
    .run()?;
    Ok(folder.join(target).join("configure/configure"))
}
