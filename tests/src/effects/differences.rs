//! In what the two systems may differ: `differences.toml`, and what a recipe or a component says outright.

use super::{Listing, Origins};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;

/// The file.
const FILE: &str = include_str!("differences.toml");

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    difference: Vec<Difference>,
}

/// One reason for a difference.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// A path: `*` stands for anything but `/`, `**` for anything.
    path: String,
    /// Who has it, or both with something else there.
    who: Who,
    /// In which kinds; all when empty.
    #[serde(default)]
    kinds: BTreeSet<String>,
    /// With which packages; with any when empty. One of them is enough.
    #[serde(default)]
    packages: BTreeSet<String>,
    /// How many paths it explains at the most; one without a star.
    #[serde(default = "one")]
    most: usize,
    /// Why.
    why: String,
}

/// Who has a path that differs.
#[derive(serde::Deserialize, serde::Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// The real system only.
    Dpkg,
    /// Our image only.
    Ours,
    /// Both, with something else.
    Both,
}

fn one() -> usize {
    1
}

/// An image that is compared.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Its kind, as `kinds` of a reason names it.
    pub kind: &'a str,
    /// The packages of its lock.
    pub packages: &'a BTreeSet<String>,
    /// The users and groups that its recipe brings.
    pub accounts: &'a BTreeSet<String>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The differences that have no reason.
    pub unexplained: Vec<Unexplained>,
    /// The reasons for this kind and these packages, those that explain nothing among them.
    pub reasons: Vec<Reason>,
}

/// A difference without a reason.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub struct Unexplained {
    /// The path, or the line of a database.
    pub path: String,
    /// What the real system has.
    pub dpkg: Option<String>,
    /// What the image has.
    pub ours: Option<String>,
}

/// A reason, and how much it explains.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
pub struct Reason {
    /// Its pattern.
    pub path: String,
    /// Who has the paths.
    pub who: Who,
    /// Why they differ.
    pub why: String,
    /// Whether it is for some packages only.
    pub special: bool,
    /// How many paths it explains.
    pub paths: usize,
    /// How many were thought of.
    #[serde(skip)]
    pub most: usize,
}

/// The reasons for this kind and these packages, none of which explains anything yet.
fn reasons(subject: &Subject<'_>) -> Result<Vec<Reason>> {
    let known: Vec<Difference> = toml::from_str::<File>(FILE)?.difference;
    ensure!(known.iter().all(|known| known.why.len() > 10), "a difference without a reason");
    let holds = |known: &Difference| {
        (known.kinds.is_empty() || known.kinds.contains(subject.kind))
            && (known.packages.is_empty() || !known.packages.is_disjoint(subject.packages))
    };
    let reason = |known: Difference| Reason {
        path: known.path,
        who: known.who,
        why: known.why,
        special: !known.packages.is_empty(),
        paths: 0,
        most: known.most,
    };
    Ok(known.into_iter().filter(holds).map(reason).collect())
}

impl Verdict {
    /// The same with the reasons of today: what had none may have one now. Nothing where a reason has gone.
    pub fn again(self, subject: &Subject<'_>) -> Result<Option<Self>> {
        let mut again = Self { unexplained: Vec::new(), reasons: reasons(subject)? };
        for old in self.reasons.iter().filter(|old| old.paths > 0) {
            let same = |new: &&mut Reason| new.path == old.path && new.who == old.who;
            let Some(new) = again.reasons.iter_mut().find(same) else { return Ok(None) };
            new.paths += old.paths;
        }
        self.unexplained.into_iter().for_each(|one| again.add(one));
        Ok(Some(again))
    }

    /// Takes up a difference: the first reason for it explains it.
    fn add(&mut self, one: Unexplained) {
        let explains = |reason: &&mut Reason| {
            reason.who == one.who() && matches(reason.path.as_bytes(), one.path.as_bytes())
        };
        match self.reasons.iter_mut().find(explains) {
            Some(reason) => reason.paths += 1,
            None => self.unexplained.push(one),
        }
    }

    /// The differences that have no reason, the reasons that explain nothing and those that explain too much, one line each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut wrong: Vec<String> = self.unexplained.iter().map(Unexplained::line).collect();
        let idle = self.reasons.iter().filter(|reason| reason.paths == 0 && !reason.special);
        wrong.extend(
            idle.map(|idle| format!("{}: {:?} no longer differs ({})", idle.path, idle.who, idle.why)),
        );
        wrong.extend(self.excesses());
        wrong
    }

    /// The reasons that explain more than was thought of, one line each.
    pub fn excesses(&self) -> impl Iterator<Item = String> {
        self.reasons.iter().filter(|reason| reason.paths > reason.most).map(|reason| {
            let Reason { path, paths, most, .. } = reason;
            format!("{path}: explains {paths} paths, at most {most} were thought of")
        })
    }
}

impl Unexplained {
    fn who(&self) -> Who {
        match (&self.dpkg, &self.ours) {
            (Some(_), Some(_)) => Who::Both,
            (Some(_), None) => Who::Dpkg,
            _ => Who::Ours,
        }
    }

    /// What is there and here.
    #[must_use]
    pub fn line(&self) -> String {
        let shown = |what: &Option<String>| what.clone().unwrap_or_else(|| "nothing".to_owned());
        format!("{}\n    dpkg: {}\n    ours: {}", self.path, shown(&self.dpkg), shown(&self.ours))
    }
}

/// Compares the two systems. `origins` says who brings our paths.
pub fn compare(subject: &Subject<'_>, real: &Listing, ours: &Listing, origins: &Origins) -> Result<Verdict> {
    let mut verdict = Verdict { unexplained: Vec::new(), reasons: reasons(subject)? };
    let paths: BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
    for path in paths {
        let (a, b) = (real.get(path), ours.get(path));
        if a == b {
            continue;
        }
        let one = Unexplained { path: path.clone(), dpkg: a.cloned(), ours: b.cloned() };
        let who = one.who();
        if who != Who::Dpkg && origins.get(path).is_some_and(is_ours_by_word) {
            continue;
        }
        if who == Who::Ours && enables_a_unit_of_ours(path, ours, origins) {
            continue;
        }
        let account = path.strip_prefix("/etc/").and_then(|path| path.split_once(':'));
        if who == Who::Ours && account.is_some_and(|(_, name)| subject.accounts.contains(name)) {
            continue;
        }
        verdict.add(one);
    }
    Ok(verdict)
}

/// Whether `path` is the link that enables a unit of the recipe, or a directory of nothing but such links.
fn enables_a_unit_of_ours(path: &str, ours: &Listing, origins: &Origins) -> bool {
    let is_such_a_link = |path: &str| {
        let unit = ours.get(path).and_then(|what| what.strip_prefix("link root:root "));
        path.contains(".wants/") && unit.and_then(|unit| origins.get(unit)).is_some_and(is_ours_by_word)
    };
    if !path.ends_with(".wants") {
        return is_such_a_link(path);
    }
    let below = format!("{path}/");
    let mut links = ours.keys().filter(|other| other.starts_with(&below)).peekable();
    links.peek().is_some() && links.all(|link| is_such_a_link(link))
}

/// Whether a recipe or a component says that the path is as it is; and the directories above those.
fn is_ours_by_word(origins: &Value) -> bool {
    origins.as_array().into_iter().flatten().any(|origin| match origin["from"].as_str() {
        Some("recipe" | "component" | "image") => true,
        Some("made") => matches!(
            origin["step"].as_str(),
            Some("directories" | "configure" | "container images" | "first-boot" | "manifest")
        ),
        _ => false,
    })
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| matches(rest, &text[at..])),
        [b'*', rest @ ..] => {
            let end = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=end).any(|at| matches(rest, &text[at..]))
        }
        [first, rest @ ..] => {
            text.split_first().is_some_and(|(byte, text)| byte == first && matches(rest, text))
        }
        [] => text.is_empty(),
    }
}

#[test]
fn a_star_stays_within_a_name() {
    for (pattern, text, expected) in [
        ("/a/*", "/a/b", true),
        ("/a/*", "/a/b/c", false),
        ("/a/**", "/a/b/c", true),
        ("/a/*.d/x", "/a/b.d/x", true),
        ("/a", "/a/b", false),
        ("/a/**/x-*", "/a/b/c/x-1", true),
    ] {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
    }
}

#[test]
fn a_kept_verdict_gets_the_reasons_of_today_and_is_nothing_where_one_has_gone() {
    let packages = BTreeSet::from(["dpkg".to_owned()]);
    let subject = Subject { kind: "alone", packages: &packages, accounts: &BTreeSet::new() };
    let one = |path: &str| Unexplained { path: path.to_owned(), dpkg: Some("file".to_owned()), ours: None };
    let reason = |path: &str| Reason {
        path: path.to_owned(),
        who: Who::Dpkg,
        why: "as it was".to_owned(),
        special: false,
        paths: 1,
        most: 0,
    };
    let known = Verdict {
        unexplained: vec![one("/etc/fstab"), one("/etc/passwd")],
        reasons: vec![reason("/var/lib/dpkg/arch")],
    };
    let again = known.again(&subject).unwrap().unwrap();
    assert_eq!(again.unexplained.len(), 1);
    assert_eq!(again.reasons.iter().map(|reason| reason.paths).sum::<usize>(), 2);
    let gone = Verdict { unexplained: Vec::new(), reasons: vec![reason("/no/such/line")] };
    assert!(gone.again(&subject).unwrap().is_none());
}
