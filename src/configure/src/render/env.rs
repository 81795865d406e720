//! Environment files of services.

use crate::keys::Output;
use crate::plan::Plan;

/// Lines to be; every value has been through [`crate::envfile::read`] or is ours, so each has a safe spelling.
#[derive(Default)]
pub struct EnvFile {
    text: String,
}

impl EnvFile {
    /// Adds `key`.
    pub fn put(&mut self, key: &str, value: &str) {
        // a value without a spelling cannot come here; leaving out the line is safer than a line that is misread
        self.text.push_str(&crate::envfile::line(key, value).unwrap_or_default());
    }

    /// Adds pairs.
    pub fn extend<'a>(&mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (key, value) in pairs {
            self.put(key, value);
        }
    }

    /// Plans it as `/opt/env/NAME.env`.
    pub fn plan(self, plan: &mut Plan, name: &str, group: &'static str, output: impl Into<Option<Output>>) {
        let mode = if group == "root" { 0o600 } else { 0o640 };
        plan.file(
            &format!("/opt/env/{name}.env"),
            mode,
            ("root", group),
            self.text.into_bytes(),
            output.into(),
        );
    }
}
