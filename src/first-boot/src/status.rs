//! `cloud-init status`: how far this boot is.

use crate::root::Root;
use crate::state::{self, Stage};
use crate::{clock, console};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line, or some more with `--long`.
    Tabular,
    /// One document.
    Json,
    /// The same, as YAML.
    Yaml,
}

/// What is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// `not started`, `running`, `done`, `error` or `disabled`.
    pub word: &'static str,
    /// The same with `degraded` before it, where something was left out, or where a failure does not end it.
    pub extended: String,
    /// What is described: the source, or why there is none.
    pub detail: String,
    /// What failed.
    pub errors: Vec<Value>,
    /// What was left out.
    pub recoverable: Map<String, Value>,
    /// What `status.json` has.
    pub stages: Map<String, Value>,
    /// When something was said last.
    pub updated: Option<f64>,
}

impl Status {
    /// What is known now.
    #[must_use]
    pub fn read(root: &Root) -> Self {
        let stages = state::status(root).unwrap_or_default();
        let of = |stage: Stage, key: &str| stages.get(stage.name()).and_then(|one| one.get(key));
        let mut errors = Vec::new();
        let mut recoverable: Map<String, Value> = Map::new();
        let mut updated: Option<f64> = None;
        for stage in Stage::ALL {
            errors.extend(of(stage, "errors").and_then(Value::as_array).into_iter().flatten().cloned());
            for (level, said) in
                of(stage, "recoverable_errors").and_then(Value::as_object).into_iter().flatten()
            {
                let list = recoverable.entry(level.clone()).or_insert_with(|| json!([]));
                if let (Some(list), Some(said)) = (list.as_array_mut(), said.as_array()) {
                    list.extend(said.iter().cloned());
                }
            }
            for time in ["start", "finished"].iter().filter_map(|key| of(stage, key)?.as_f64()) {
                updated = Some(updated.map_or(time, |last| last.max(time)));
            }
        }
        let is_done = root.has("/run/cloud-init/result.json");
        let word = match (state::is_disabled(root), is_done, errors.is_empty(), stages.is_empty()) {
            (true, ..) => "disabled",
            (_, true, true, _) => "done",
            (_, true, false, _) => "error",
            (_, false, _, true) => "not started",
            (_, false, _, false) => "running",
        };
        let extended = match (word, errors.is_empty(), recoverable.is_empty()) {
            ("done", _, false) => "degraded done".to_owned(),
            ("error", ..) => "error - done".to_owned(),
            ("running", false, _) => "error - running".to_owned(),
            ("running", _, false) => "degraded running".to_owned(),
            _ => word.to_owned(),
        };
        let datasource = stages.get("datasource").and_then(Value::as_str).unwrap_or_default();
        let detail = match word {
            "disabled" => "Cloud-init disabled: no data source was found on this machine".to_owned(),
            "not started" => "Cloud-init has not started".to_owned(),
            _ => datasource.to_owned(),
        };
        Self { word, extended, detail, errors, recoverable, stages, updated }
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self.word, "running" | "not started")
    }

    /// The exit status: 1 where something failed, 2 where something was left out.
    #[must_use]
    pub fn code(&self) -> u8 {
        match (self.errors.is_empty(), self.recoverable.is_empty()) {
            (false, _) => 1,
            (true, false) => 2,
            (true, true) => 0,
        }
    }

    fn boot_code(&self) -> &'static str {
        match self.word {
            "disabled" => "disabled-by-generator",
            "not started" => "unknown",
            _ => "enabled-by-generator",
        }
    }

    fn last_update(&self) -> String {
        let time = self.updated.and_then(|time| Duration::try_from_secs_f64(time).ok());
        time.map(clock::mail_time).unwrap_or_default()
    }

    /// As `--format json` prints it.
    #[must_use]
    pub fn json(&self) -> Value {
        let source = self.detail.strip_prefix("DataSource").unwrap_or_default();
        let source = source.split([' ', '[']).next().unwrap_or_default().to_ascii_lowercase();
        let mut map = Map::new();
        for stage in Stage::ALL {
            if let Some(one) = self.stages.get(stage.name()) {
                map.insert(stage.name().to_owned(), one.clone());
            }
        }
        let members = json!({
            "boot_status_code": self.boot_code(),
            "datasource": source,
            "detail": self.detail,
            "errors": self.errors,
            "extended_status": self.extended,
            "last_update": self.last_update(),
            "recoverable_errors": self.recoverable,
            "stage": self.stages.get("stage").cloned().unwrap_or_default(),
            "status": self.word,
        });
        map.extend(members.as_object().cloned().unwrap_or_default());
        Value::Object(map)
    }

    /// As it is printed.
    #[must_use]
    pub fn text(&self, format: Format, long: bool) -> String {
        let document = || serde_json::to_string_pretty(&self.json()).unwrap_or_default();
        match (format, long) {
            (Format::Json, _) => format!("{}\n", document()),
            // JSON is YAML
            (Format::Yaml, _) => format!("---\n{}\n...\n", document()),
            (Format::Tabular, false) => format!("status: {}\n", self.word),
            (Format::Tabular, true) => {
                let list = match self.errors.is_empty() {
                    true => " []".to_owned(),
                    false => self
                        .errors
                        .iter()
                        .map(|error| format!("\n\t- {}", error.as_str().unwrap_or_default()))
                        .collect(),
                };
                let mut text = format!(
                    "status: {}\nextended_status: {}\nboot_status_code: {}\n",
                    self.word,
                    self.extended,
                    self.boot_code()
                );
                let updated = self.last_update();
                if !updated.is_empty() {
                    text.push_str(&format!("last_update: {updated}\n"));
                }
                text.push_str(&format!("detail: {}\nerrors:{list}\n", self.detail));
                if self.recoverable.is_empty() {
                    text.push_str("recoverable_errors: {}\n");
                } else {
                    text.push_str("recoverable_errors:\n");
                    for (level, said) in &self.recoverable {
                        text.push_str(&format!("{level}:\n"));
                        for one in said.as_array().into_iter().flatten().filter_map(Value::as_str) {
                            text.push_str(&format!("\t- {one}\n"));
                        }
                    }
                }
                text
            }
        }
    }
}

/// Prints the status, with `wait` when nothing more will come; gives the exit status.
#[must_use]
pub fn print(root: &Root, format: Format, long: bool, wait: bool) -> u8 {
    let mut status = Status::read(root);
    let mut dots = false;
    while wait && !status.is_final() {
        if format == Format::Tabular {
            console::say(".");
            dots = true;
        }
        std::thread::sleep(Duration::from_millis(250));
        status = Status::read(root);
    }
    if dots {
        console::say("\n");
    }
    console::say(&status.text(format, long));
    status.code()
}
