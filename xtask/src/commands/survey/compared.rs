//! What comparisons have found: a line of JSON for each image.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Sort {
    /// A package with what it needs, systemd and a kernel.
    Alone,
    /// Several over `base`.
    Set,
}

impl Sort {
    /// The name of the kind, which reasons go by.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Set => "set",
        }
    }
}

/// PackageReport image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Compared {
    #[serde(rename = "kind")]
    pub(super) sort: Sort,
    /// The package, or the set.
    pub(super) name: String,
    /// The packages that were asked for.
    pub(super) asked: Vec<String>,
    /// Of the interpreter: what another one made is not what is made now.
    pub(super) version: u32,
    pub(super) found: Option<Found>,
    /// Why nothing was found.
    pub(super) failed: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Found {
    /// The packages of the lock.
    pub(super) packages: Vec<String>,
    /// The differences that have no reason.
    pub(super) unexplained: Vec<Unexplained>,
    /// The reasons that explain something.
    pub(super) reasons: Vec<Reason>,
    /// How long the real system took to make, in seconds.
    pub(super) real_seconds: f64,
    /// How long the bake took.
    pub(super) bake_seconds: f64,
}

/// A path that differs without a reason, and what it is there and here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unexplained {
    pub(super) path: String,
    dpkg: Option<String>,
    ours: Option<String>,
}

/// A reason of `tests/src/effects/differences.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Reason {
    pub(super) path: String,
    who: String,
    pub(super) why: String,
    /// Whether it is for some packages only.
    pub(super) special: bool,
    pub(super) paths: usize,
}

impl Compared {
    /// Whether nothing differs without a reason.
    pub(super) fn is_equal(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.unexplained.is_empty())
    }

    /// `alone nginx: 106 packages, equal`.
    pub(super) fn line(&self) -> String {
        let what = format!("{} {}", self.sort.kind(), self.name);
        match (&self.found, &self.failed) {
            (Some(found), _) => {
                let count = found.unexplained.len();
                let differ = if count == 0 { "equal".to_owned() } else { format!("{count} paths differ") };
                format!("{what}: {} packages, {differ}", found.packages.len())
            }
            (None, failed) => {
                let why = failed.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
                format!("{what}: failed: {why}")
            }
        }
    }
}

/// The results, each written at once.
pub(super) struct Comparisons(Mutex<(Known, std::fs::File)>);

/// The last of each image.
type Known = BTreeMap<(Sort, String), Compared>;

impl Comparisons {
    /// Those of the file at `path`, or none.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
        // of two lines about one image the later counts; one that was cut is one that was not written
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Compared>(line).ok());
        let known = lines.map(|one| ((one.sort, one.name.clone()), one)).collect();
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("write {}", path.display()))?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self(Mutex::new((known, file))))
    }

    fn lock(&self) -> MutexGuard<'_, (Known, std::fs::File)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an image that this interpreter has made of these packages.
    pub(super) fn get(&self, sort: Sort, name: &str, asked: &[String]) -> Option<Compared> {
        let known = self.lock().0.get(&(sort, name.to_owned())).cloned();
        known.filter(|known| known.asked == asked && known.version == debian::VERSION)
    }

    pub(super) fn add(&self, one: Compared) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&one)?;
        line.push(b'\n');
        let mut inner = self.lock();
        inner.1.write_all(&line)?;
        inner.0.insert((one.sort, one.name.clone()), one);
        Ok(())
    }
}

/// Results that tests make tables of.
#[cfg(test)]
pub(super) fn example(sort: Sort, name: &str, unexplained: &[&str], reasons: &[(&str, bool)]) -> Compared {
    let reason = |(why, special): &(&str, bool)| Reason {
        path: "/x".to_owned(),
        who: "dpkg".to_owned(),
        why: (*why).to_owned(),
        special: *special,
        paths: 2,
    };
    let differing =
        |path: &&str| Unexplained { path: (*path).to_owned(), dpkg: Some("file".to_owned()), ours: None };
    let found = Found {
        packages: vec![name.to_owned(), "x".to_owned()],
        unexplained: unexplained.iter().map(differing).collect(),
        reasons: reasons.iter().map(reason).collect(),
        real_seconds: 1.0,
        bake_seconds: 1.0,
    };
    let (name, version) = (name.to_owned(), debian::VERSION);
    Compared { sort, asked: vec![name.clone()], name, version, found: Some(found), failed: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_kept_the_last_one_counts_and_a_line_that_was_cut_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/compared.jsonl");
        {
            let results = Comparisons::open(&path).unwrap();
            results.add(example(Sort::Alone, "a", &["/x"], &[])).unwrap();
            results.add(example(Sort::Alone, "a", &[], &[])).unwrap();
        }
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"kind\":\"al").unwrap();
        {
            let results = Comparisons::open(&path).unwrap();
            results.add(example(Sort::Set, "b", &["/x"], &[])).unwrap();
        }
        let results = Comparisons::open(&path).unwrap();
        let get = |sort, name: &str, asked: &str| results.get(sort, name, &[asked.to_owned()]);
        assert!(get(Sort::Alone, "a", "a").unwrap().is_equal());
        assert!(!get(Sort::Set, "b", "b").unwrap().is_equal());
        assert!(get(Sort::Set, "a", "a").is_none() && get(Sort::Set, "b", "c").is_none());
    }
}
