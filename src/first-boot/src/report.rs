//! What is said of a stage: in the journal, in cloud-init's log, and in `status`.

use crate::clock;
use crate::console;
use crate::root::Root;

/// cloud-init's log, which agents send away.
pub const LOG: &str = "/var/log/cloud-init.log";

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something was done.
    Info,
    /// Something was asked for and left out: `status` is done, with exit status 2.
    Warning,
    /// Something failed: `status` is error, with exit status 1.
    Error,
}

/// Something that is wrong with what a source, user-data or a configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// An error, or a warning where it is left out and all else counts.
    pub level: Level,
    /// One clause.
    pub text: String,
}

impl Fault {
    /// Something that cannot be what was meant.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { level: Level::Error, text: text.into() }
    }

    /// Something that is left out.
    #[must_use]
    pub fn warning(text: impl Into<String>) -> Self {
        Self { level: Level::Warning, text: text.into() }
    }
}

/// What a stage says. It never has a value that may be a secret.
#[derive(Debug)]
pub struct Report<'r> {
    root: &'r Root,
    /// What failed.
    pub errors: Vec<String>,
    /// What was left out.
    pub warnings: Vec<String>,
}

impl<'r> Report<'r> {
    /// Nothing is said yet.
    #[must_use]
    pub fn new(root: &'r Root) -> Self {
        Self { root, errors: Vec::new(), warnings: Vec::new() }
    }

    /// Says one clause.
    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        // a line of the log is one thing that was said, whatever names are in it
        let text: String = text.into().chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
        let name = match level {
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        };
        let line = format!("{} - first-boot[{name}]: {text}\n", clock::log_time(clock::now()));
        // a log that cannot be written is no reason to stop
        let _ = self.root.log(LOG, line.as_bytes());
        if level != Level::Info {
            console::complain(&format!("{}: {text}\n", name.to_ascii_lowercase()));
        }
        match level {
            Level::Info => {}
            Level::Warning => self.warnings.push(text),
            Level::Error => self.errors.push(text),
        }
    }

    /// Says that something was done.
    pub fn info(&mut self, text: impl Into<String>) {
        self.say(Level::Info, text);
    }

    /// Says what was left out.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.say(Level::Warning, text);
    }

    /// Says what is wrong with what was given.
    pub fn faults(&mut self, faults: impl IntoIterator<Item = Fault>) {
        for Fault { level, text } in faults {
            self.say(level, text);
        }
    }

    /// Says what failed.
    pub fn error(&mut self, text: impl Into<String>) {
        self.say(Level::Error, text);
    }

    /// Says what failed, if something did.
    pub fn check<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|what| self.say(Level::Error, what)).ok()
    }
}
