//! The intended differences from the recorded scripts: one table, by class, each with its reason.
//!
//! A rule says of which cases and which differences it is, and so asserts the better behaviour: what it does not let
//! through still fails the case. No rule names a case.

mod receive;
mod table;

use super::case::{Case, Expect, Step};
use super::compare::Difference;
use super::room::Ended;
use super::tree::Tree;

/// What a rule looks at.
pub(super) struct Seen<'a> {
    pub(super) case: &'a Case,
    pub(super) step: &'a Step,
    pub(super) expect: &'a Expect,
    pub(super) difference: &'a Difference,
    pub(super) before: &'a Tree,
    pub(super) after: &'a Tree,
    pub(super) ended: &'a Ended,
}

impl Seen<'_> {
    /// It was refused with this in the refusal, where the scripts went on.
    fn is_refused_for(&self, text: &str) -> bool {
        *self.difference == Difference::Exit { code: 8 } && self.ended.output.contains(text)
    }

    /// A case of which the record itself says that the scripts are wrong or depend on the machine.
    fn is_weakness(&self) -> bool {
        self.case.disposition != "match"
    }

    /// It succeeded where the scripts failed: that, and what every first run writes.
    fn is_success(&self) -> bool {
        let first_run = |path: &str| {
            path.starts_with("/opt/env/")
                || path.starts_with("/opt/nstance-agent/identity/")
                || ["/etc/containerd/config.toml", "/etc/subuid", "/etc/subgid", "/etc/hosts"].contains(&path)
                || ["bootstrap.done", "etc/detected.env", "etc/mutable.env"]
                    .iter()
                    .any(|name| path.strip_prefix("/opt/podplane/") == Some(*name))
        };
        match self.difference {
            Difference::Exit { code } => *code == 0,
            Difference::Extra { path, .. } => {
                self.ended.code == 0 && self.expect.exit_code != 0 && first_run(path)
            }
            _ => false,
        }
    }

    /// The path that differs, in whatever way.
    fn path(&self) -> &str {
        match self.difference {
            Difference::Path { path, .. }
            | Difference::Env { path, .. }
            | Difference::Extra { path, .. }
            | Difference::Rewritten { path } => path,
            _ => "",
        }
    }

    fn given(&self, path: &str) -> bool {
        self.case.steps.iter().flat_map(|step| &step.files).any(|file| file.path == path && !file.remove)
    }
}

/// An intended difference.
struct Rule {
    name: &'static str,
    reason: &'static str,
    covers: fn(&Seen<'_>) -> bool,
}

/// The first rule that covers a difference.
pub(super) fn cover(seen: &Seen<'_>) -> Option<&'static str> {
    rules().find(|rule| (rule.covers)(seen)).map(|rule| rule.name)
}

/// Why `name` is better.
pub(super) fn reason(name: &str) -> &'static str {
    rules().find(|rule| rule.name == name).map_or("", |rule| rule.reason)
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    table::RULES.iter().chain(receive::RULES)
}
