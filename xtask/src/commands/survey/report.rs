//! What a survey has found: a line of JSON for each package, and what they come to together.

use super::compared::Compared;
use anyhow::Context as _;
use debian::run::{Outcome, Package};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tree::release::CODENAME;
use vmbake::console;

/// A script that was not followed to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stop {
    package: String,
    script: String,
    line: u32,
    words: String,
    reason: String,
}

/// What was found of one package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PackageReport {
    pub(super) package: String,
    /// How many packages were interpreted with it.
    pub(super) packages: usize,
    /// How many scripts ended.
    finished: usize,
    stopped: Vec<Stop>,
    /// Its own scripts.
    pub(super) scripts: Vec<String>,
    steps: u64,
    seconds: f64,
    /// Why there was nothing to interpret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl PackageReport {
    pub(super) fn unresolved(name: &str, error: &anyhow::Error) -> Self {
        Self {
            package: name.to_owned(),
            packages: 0,
            finished: 0,
            stopped: Vec::new(),
            scripts: Vec::new(),
            steps: 0,
            seconds: 0.0,
            failed: Some(format!("{error:#}")),
        }
    }

    pub(super) fn of(
        name: &str,
        packages: &[Package],
        outcome: &Outcome<'_>,
        steps: u64,
        seconds: f64,
    ) -> Self {
        let stop = |stopped: &debian::run::Stopped| {
            let failure = &stopped.failure;
            Stop {
                package: failure.origin.package.clone(),
                script: failure.origin.script.clone(),
                line: failure.origin.line,
                words: failure.words.clone(),
                reason: failure.reason.to_string(),
            }
        };
        let own = packages.iter().find(|package| package.name == name);
        let is_script = |script: &&str| own.is_some_and(|own| own.script(script).is_some());
        Self {
            package: name.to_owned(),
            packages: packages.len(),
            finished: outcome.finished,
            stopped: outcome.stopped.iter().map(stop).collect(),
            scripts: ["preinst", "config", "postinst"]
                .into_iter()
                .filter(is_script)
                .map(str::to_owned)
                .collect(),
            steps: steps - outcome.steps,
            seconds,
            failed: None,
        }
    }

    /// Whether its scripts were followed to their end, or where not and why.
    pub(super) fn followed(&self) -> String {
        let stop = self.stopped.iter().find(|stop| stop.package == self.package).or(self.stopped.first());
        match (stop, &self.failed) {
            (None, None) => "yes".to_owned(),
            (None, Some(why)) => format!("not resolved: {why}"),
            (Some(Stop { package, script, line, words, reason }), _) => {
                let what = if *package == self.package { "no" } else { "its own; not" };
                let words: String = words.chars().take(60).collect();
                format!("{what}: {package} {script}:{line}: {words}: {reason}")
            }
        }
    }

    /// The names of its scripts.
    pub(super) fn scripts_or_none(&self) -> String {
        if self.scripts.is_empty() { "none".to_owned() } else { self.scripts.join(" ") }
    }

    /// Whether all scripts of all packages were followed to their end.
    pub(super) fn is_whole(&self) -> bool {
        self.failed.is_none() && self.stopped.is_empty()
    }

    /// Whether all of its own scripts were.
    pub(super) fn is_good(&self) -> bool {
        self.failed.is_none() && !self.stopped.iter().any(|stop| stop.package == self.package)
    }
}

/// A text as a cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '`'], " ")
}

/// The results, each written at once.
pub(super) struct Results(Mutex<(BTreeMap<String, PackageReport>, std::fs::File)>);

impl Results {
    /// Those of the file at `path`, or none.
    pub(super) fn open(path: &Path, again: bool) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut known = BTreeMap::new();
        if !again && path.exists() {
            let text = std::fs::read_to_string(path)?;
            // a line that was cut is one that was not written
            for one in text.lines().filter_map(|line| serde_json::from_str::<PackageReport>(line).ok()) {
                known.insert(one.package.clone(), one);
            }
        }
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(!again).write(true).truncate(again);
        let file = options.open(path).with_context(|| format!("write {}", path.display()))?;
        Ok(Self(Mutex::new((known, file))))
    }

    fn lock(&self) -> MutexGuard<'_, (BTreeMap<String, PackageReport>, std::fs::File)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.lock().0.contains_key(name)
    }

    /// What was found of these packages, in their order.
    pub(super) fn of(&self, names: &[String]) -> Vec<PackageReport> {
        let inner = self.lock();
        names.iter().filter_map(|name| inner.0.get(name).cloned()).collect()
    }

    pub(super) fn add(&self, one: PackageReport) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&one)?;
        line.push(b'\n');
        let mut inner = self.lock();
        inner.1.write_all(&line)?;
        inner.0.insert(one.package.clone(), one);
        Ok(())
    }

    /// The results of these packages, which are those of `list`, in Markdown. Of a long list those alone that were not followed.
    pub(super) fn table(&self, names: &[String], list: &str, date: &str) -> String {
        /// A table of more rows than this is read by nobody.
        const MOST: usize = 200;
        let inner = self.lock();
        let all: Vec<&PackageReport> = names.iter().filter_map(|name| inner.0.get(name)).collect();
        let (whole, good) = (count(&all, PackageReport::is_whole), count(&all, PackageReport::is_good));
        let mut text = format!(
            "# Packages whose maintainer scripts are followed\n\n{date}, the packages of `{list}`, each resolved alone with what it needs \
             (and with systemd), over {CODENAME} as it was that day; no effects, no answers.\n\n\
             - {} packages; of {good} all of their own scripts are followed to their end, of {whole} also those of all that they need.\n\
             - Each stop is a refusal with the way out; nothing is guessed and nothing left out.\n\n",
            all.len()
        );
        let shown: Vec<&&PackageReport> =
            all.iter().filter(|one| all.len() <= MOST || !one.is_whole()).collect();
        if shown.len() < all.len() {
            text.push_str("Those that are not followed to the end:\n\n");
        }
        text.push_str("| package | scripts | with | steps | followed |\n|---|---|---|---|---|\n");
        for one in shown {
            let scripts = one.scripts_or_none();
            let _ = writeln!(
                text,
                "| {} | {scripts} | {} | {} | {} |",
                one.package,
                one.packages,
                one.steps,
                cell(&one.followed())
            );
        }
        text
    }

    /// What the results of these packages come to.
    pub(super) fn summary(&self, names: &[String]) -> Summary {
        let inner = self.lock();
        let all: Vec<&PackageReport> = names.iter().filter_map(|name| inner.0.get(name)).collect();
        let mut reasons: BTreeMap<(String, String, u32, String, String), usize> = BTreeMap::new();
        for stop in all.iter().flat_map(|one| &one.stopped) {
            let Stop { package, script, line, words, reason } = stop.clone();
            *reasons.entry((package, script, line, words, reason)).or_default() += 1;
        }
        let mut stops: Vec<Counted> = reasons
            .into_iter()
            .map(|((package, script, line, words, reason), times)| Counted {
                times,
                stop: Stop { package, script, line, words, reason },
            })
            .collect();
        stops.sort_by_key(|counted| std::cmp::Reverse(counted.times));
        let named = |holds: fn(&PackageReport) -> bool| {
            all.iter().filter(|one| !holds(one)).map(|one| one.package.clone()).collect::<Vec<_>>()
        };
        Summary {
            packages: all.len(),
            whole: all.iter().filter(|one| one.is_whole()).count(),
            good: all.iter().filter(|one| one.is_good()).count(),
            not_whole: named(PackageReport::is_whole),
            not_good: named(PackageReport::is_good),
            failed: all.iter().filter_map(|one| Some((one.package.clone(), one.failed.clone()?))).collect(),
            stops,
            seconds: all.iter().map(|one| one.seconds).sum(),
            compared: None,
        }
    }
}

/// How many are as `holds` says.
fn count(all: &[&PackageReport], holds: fn(&PackageReport) -> bool) -> usize {
    all.iter().filter(|one| holds(one)).count()
}

#[derive(Debug, Serialize)]
struct Counted {
    times: usize,
    #[serde(flatten)]
    stop: Stop,
}

/// What results come to.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// How many packages were surveyed.
    packages: usize,
    /// Of how many all scripts, also of what they need, were followed to their end.
    whole: usize,
    /// Of how many their own scripts were.
    good: usize,
    not_whole: Vec<String>,
    not_good: Vec<String>,
    /// Those that could not be interpreted at all.
    failed: BTreeMap<String, String>,
    /// Where scripts stopped, the most frequent first.
    stops: Vec<Counted>,
    seconds: f64,
    /// What comparisons have found, where packages were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Vec<Compared>>,
}

impl Summary {
    /// With comparisons.
    pub(super) fn with(self, compared: Vec<Compared>) -> Self {
        Self { compared: Some(compared), ..self }
    }

    /// Prints it.
    pub(super) fn print(&self) {
        for Counted { times, stop } in &self.stops {
            let Stop { package, script, line, words, reason } = stop;
            console::line(format!("{times:5}  {package} {script}:{line}: `{words}`: {reason}"));
        }
        for (name, why) in &self.failed {
            console::line(format!("failed  {name}: {why}"));
        }
        console::line(format!("own scripts stop: {}", self.not_good.join(" ")));
        console::line(format!("any script stops: {}", self.not_whole.join(" ")));
        console::line(format!(
            "{} packages: the scripts of {} and of all that they need are followed to their end; their own of {}; {:.1} s",
            self.packages, self.whole, self.good, self.seconds
        ));
        for one in self.compared.iter().flatten().filter(|one| !one.is_equal()) {
            console::line(one.line());
            let differing = one.found.iter().flat_map(|found| &found.unexplained);
            differing.for_each(|differing| console::line(format!("    {}", differing.path)));
        }
        if let Some(compared) = &self.compared {
            let equal = compared.iter().filter(|one| one.is_equal()).count();
            console::line(format!(
                "{} images: {equal} differ from a real system in nothing but what is listed",
                compared.len()
            ));
        }
    }
}

/// A package whose scripts are followed.
#[cfg(test)]
pub(super) fn example(name: &str) -> PackageReport {
    PackageReport { failed: None, ..PackageReport::unresolved(name, &anyhow::anyhow!("x")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_the_shape_of_its_schema() {
        use super::super::compared::{Sort, example};
        let folder = tempfile::tempdir().unwrap();
        let results = Results::open(&folder.path().join("results.jsonl"), false).unwrap();
        results.add(one("a", &[("x", "perl")])).unwrap();
        let schema = ::tests::schema::Schema::load("survey").unwrap();
        let check = |summary: &Summary| schema.check(&serde_json::to_string(summary).unwrap()).unwrap();
        let summary = results.summary(&["a".to_owned()]);
        check(&summary);
        let mut failed = example(Sort::Set, "b", &[], &[]);
        (failed.found, failed.failed) = (None, Some("no".to_owned()));
        check(&summary.with(vec![example(Sort::Alone, "a", &["/x"], &[("why", true)]), failed]));
    }

    fn one(name: &str, stopped: &[(&str, &str)]) -> PackageReport {
        let mut one = PackageReport::unresolved(name, &anyhow::anyhow!("x"));
        one.failed = None;
        let stop = |(package, reason): &(&str, &str)| Stop {
            package: (*package).to_owned(),
            script: "postinst".to_owned(),
            line: 3,
            words: "words".to_owned(),
            reason: (*reason).to_owned(),
        };
        one.stopped = stopped.iter().map(stop).collect();
        one
    }

    #[test]
    fn results_are_kept_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/results.jsonl");
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        {
            let results = Results::open(&path, false).unwrap();
            results.add(one("a", &[])).unwrap();
            results.add(one("b", &[("x", "perl")])).unwrap();
            results.add(one("c", &[("c", "perl"), ("x", "perl")])).unwrap();
        }
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"package\":\"d").unwrap();
        let results = Results::open(&path, false).unwrap();
        assert!(results.has("c") && !results.has("d"));
        let summary = results.summary(&names);
        assert_eq!((summary.packages, summary.whole, summary.good), (3, 1, 2));
        assert_eq!(
            (summary.not_whole, summary.not_good),
            (vec!["b".to_owned(), "c".to_owned()], vec!["c".to_owned()])
        );
        assert_eq!((summary.stops[0].times, &summary.stops[0].stop.package[..]), (2, "x"));
        assert!(!Results::open(&path, true).unwrap().has("a"));
    }
}
