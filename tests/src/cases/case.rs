//! The recorded form, schema 1.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A case.
#[derive(Debug, Deserialize)]
pub struct Case {
    pub(super) schema: u32,
    pub(super) name: String,
    pub(super) category: String,
    #[serde(default)]
    pub(super) kind: String,
    pub(super) base: String,
    pub(super) scripts: String,
    pub(super) disposition: String,
    #[serde(default)]
    pub(super) setup: Setup,
    pub(super) steps: Vec<Step>,
}

/// The machine around.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Setup {
    pub(super) hostname: Option<String>,
    pub(super) net: Option<Net>,
    pub(super) listen: Vec<String>,
    pub(super) cloud_init: BTreeMap<String, String>,
    pub(super) systemctl_fail: Vec<String>,
    pub(super) extra_roots: Vec<String>,
}

/// Its network.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Net {
    pub(super) dev: String,
    pub(super) addrs: Vec<String>,
    pub(super) routes: Vec<String>,
}

/// One run.
#[derive(Debug, Deserialize)]
pub(super) struct Step {
    #[serde(default)]
    pub(super) setup_only: bool,
    #[serde(default)]
    pub(super) want_exit: i32,
    #[serde(default)]
    pub(super) files: Vec<File>,
    pub(super) run: Vec<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    pub(super) lang: Option<String>,
    /// The user that it is run as; root without it.
    pub(super) uid: Option<u32>,
    pub(super) hold_lock: Option<String>,
    #[serde(default)]
    pub(super) during: Vec<During>,
    #[serde(default)]
    pub(super) edit: Vec<Edit>,
    pub(super) expect: Option<Expect>,
}

/// A replacement of a line in a file of settings.
#[derive(Debug, Deserialize)]
pub(super) struct Edit {
    pub(super) path: String,
    pub(super) find: String,
    pub(super) replace: String,
}

impl Step {
    /// Whether it runs another program than ours.
    pub(super) fn is_tool(&self) -> bool {
        self.run.first().is_none_or(|program| !program.starts_with("/opt/podplane/bin/"))
    }
}

/// Files that appear while it runs.
#[derive(Debug, Deserialize)]
pub(super) struct During {
    pub(super) after_ms: u64,
    pub(super) files: Vec<File>,
}

/// A change of the tree before a run.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) path: String,
    #[serde(rename = "type", default = "plain")]
    pub(super) kind: String,
    pub(super) mode: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) content: Option<String>,
    pub(super) content_base64: Option<String>,
    pub(super) target: Option<String>,
    pub(super) mtime_rel_s: Option<i64>,
    #[serde(default)]
    pub(super) remove: bool,
    pub(super) chmod: Option<String>,
    pub(super) chown: Option<String>,
}

fn plain() -> String {
    "file".to_owned()
}

/// What was recorded.
#[derive(Debug, Deserialize)]
pub(super) struct Expect {
    pub(super) exit_code: i32,
    #[serde(default)]
    pub(super) fatal_names: Vec<String>,
    /// Of our own cases: not a word is said.
    #[serde(default)]
    pub(super) silent: bool,
    #[serde(default)]
    pub(super) changes: Vec<Change>,
    #[serde(default)]
    pub(super) calls: Vec<Vec<String>>,
    #[serde(default)]
    pub(super) accounts: Option<Value>,
}

/// A changed path.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) change: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) target: Option<String>,
    pub(super) content: Option<String>,
    pub(super) content_base64: Option<String>,
    pub(super) content_sha256: Option<String>,
    pub(super) content_same_as: Option<String>,
    pub(super) env: Option<BTreeMap<String, String>>,
    pub(super) parsed: Option<Value>,
}

impl Case {
    /// Reads one.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let mut case: Self = serde_json::from_str(&text).context("expected a recorded case")?;
        ensure!(case.schema == 1, "expected schema 1, found {}", case.schema);
        if case.kind.is_empty() {
            case.kind = "knd".to_owned();
        }
        super::material::swap(&mut case);
        Ok(case)
    }

    /// Whether it is one of ours in the recorded form: no script was run for it.
    pub(super) fn is_own(&self) -> bool {
        self.category == "receive-faults"
    }

    /// `category/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.category, self.name)
    }
}
