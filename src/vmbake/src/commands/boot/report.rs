//! What is said before a machine starts, and what became of it.

use super::expect::{Met, Reached, Watched};
use super::timeline::Timeline;
use crate::console;
use machine::{Accel, Machine, Start};
use serde::Serialize;
use std::path::Path;
use tree::refusal::{Class, Refusal, Stage};

/// What became of a boot.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    artifact: String,
    arch: String,
    accelerator: Accel,
    start: &'static str,
    expectations: Vec<Met>,
    /// Seconds from power on until systemd had nothing left to start.
    booted: Option<f64>,
    /// What ended it before its time.
    stopped: Option<&'static str>,
    /// Why it was started a second time, under TCG.
    again: Option<&'static str>,
    /// How far it got.
    reached: Reached,
    /// The last lines of the console, where an expectation was not met.
    console: Vec<String>,
    /// Seconds from power on to power off.
    seconds: f64,
    over_budget: Vec<String>,
    timeline: Option<Timeline>,
    /// Whether there is no timeline, and one was asked for.
    #[serde(skip)]
    lacks_times: bool,
}

/// What a watched machine leaves.
pub(super) struct Ended {
    /// What became of the expectations.
    pub(super) watched: Watched,
    /// Where the time went.
    pub(super) timeline: Option<Timeline>,
    /// Whether a boot without that is not good: a timeline or a budget was asked for.
    pub(super) needs_times: bool,
    /// Seconds from power on to power off.
    pub(super) seconds: f64,
    /// All that was said on the console.
    pub(super) console: String,
}

/// How many lines of the console are shown of a boot that was not good.
const LAST: usize = 15;

/// The last lines of a console as plain text: what moves the cursor or sets colours is left out.
fn last_lines(console: &str) -> Vec<String> {
    let lines: Vec<String> = console.lines().map(plain).filter(|line| !line.is_empty()).collect();
    lines.get(lines.len().saturating_sub(LAST)..).unwrap_or_default().to_vec()
}

fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            // ECMA-48: a control sequence ends with a byte from @ to ~, any other escape with its second byte
            '\u{1b}' => {
                if chars.next() == Some('[') {
                    chars.by_ref().find(|char| ('@'..='~').contains(char));
                }
            }
            char if char.is_control() => {}
            char => out.push(char),
        }
    }
    out.trim_end().to_owned()
}

/// What is going to be started and how to reach it.
pub(super) fn ahead(machine: &Machine, why: &str, watched: bool) -> Vec<String> {
    let accel = match machine.accel {
        Accel::Kvm => "KVM",
        Accel::Tcg => "TCG",
    };
    let (arch, memory) = (machine.arch, machine.memory);
    let start = how(machine);
    let mut lines = vec![format!("{arch} machine, {memory} MiB, by {start}, {accel} ({why})")];
    for forward in machine.network.iter().flatten() {
        let (here, guest) = (forward.here, forward.guest);
        lines.push(match guest {
            22 => format!("ssh:        ssh -p {here} USER@127.0.0.1"),
            6443 | 443 => format!("port {guest}: https://127.0.0.1:{here}"),
            _ => format!("port {guest}: 127.0.0.1:{here}"),
        });
    }
    if machine.network.as_ref().is_some_and(Vec::is_empty) && !watched {
        lines
            .push("no port of the guest is forwarded; pass `--forward 2222:22` to reach its sshd".to_owned());
    }
    if !watched {
        lines.push("Ctrl-A X cuts the power".to_owned());
    }
    lines
}

fn how(machine: &Machine) -> &'static str {
    match machine.start {
        Start::Firmware(_) => "firmware",
        Start::Bios => "BIOS",
        Start::Direct(..) => "direct kernel",
    }
}

impl Report {
    /// All that is known of a boot.
    pub(super) fn new(
        artifact: &Path,
        machine: &Machine,
        Ended { watched, timeline, needs_times, seconds, console }: Ended,
        over_budget: Vec<String>,
        again: Option<&'static str>,
    ) -> Self {
        let lacks_times = needs_times && timeline.is_none();
        let all = watched.met.iter().all(|met| met.seconds.is_some()) && !lacks_times;
        Self {
            lacks_times,
            again,
            reached: watched.reached,
            console: if all { Vec::new() } else { last_lines(&console) },
            artifact: artifact.display().to_string(),
            arch: machine.arch.to_string(),
            accelerator: machine.accel,
            start: how(machine),
            expectations: watched.met,
            booted: watched.booted,
            stopped: watched.stopped,
            seconds,
            over_budget,
            timeline,
        }
    }

    /// Prints it for people.
    pub(super) fn print(&self) {
        for met in &self.expectations {
            console::line(match (met.seconds, &met.got) {
                (Some(seconds), _) => format!("met     {:>7.1} s  {}", seconds, met.expectation),
                (None, Some(got)) => {
                    format!("not met            {}: found `{}`", met.expectation, first_line(got))
                }
                (None, None) => format!("not met            {}", met.expectation),
            });
        }
        if let Some(timeline) = &self.timeline {
            timeline.table().iter().for_each(console::line);
        }
        for over in &self.over_budget {
            console::line(format!("over budget: {over}"));
        }
        if let Some(booted) = self.booted {
            console::note(format!("booted after {booted:.1} s"));
        }
    }

    /// Says how a boot ended that was not good, next to the result.
    pub(super) fn tell_end(&self) {
        if !self.console.is_empty() || self.stopped.is_some() {
            let why = self.stopped.unwrap_or("an expectation can no longer be met");
            console::note(format!("stopped after {:.0} s: {why}", self.seconds));
            console::note(format!("it reached {}", self.reached.words()));
        }
        if !self.console.is_empty() {
            console::note(format!("the last {} lines of its console:", self.console.len()));
            self.console.iter().for_each(|line| console::note(format!("  {line}")));
        }
    }

    /// Whether it was a good one.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        let not_met: Vec<&str> = self
            .expectations
            .iter()
            .filter(|met| met.seconds.is_none())
            .map(|met| met.expectation.as_str())
            .collect();
        if not_met.is_empty() && self.over_budget.is_empty() && !self.lacks_times {
            return Ok(());
        }
        if self.timeline.as_ref().is_some_and(Timeline::input_was_refused) {
            let cause = "the machine rejected its boot-time input";
            return Err(Refusal::new(Class::Input, self.artifact.clone(), Stage::Inspect, cause)
                .hint("`--expect 'run journalctl -u podplane-configure'` shows why; so does the console")
                .into());
        }
        let why = self.stopped.map(|why| format!(" ({why})")).unwrap_or_default();
        let mut wrong = Vec::new();
        if !not_met.is_empty() {
            wrong.push(format!("not met: {}{why}", not_met.join(", ")));
        }
        if self.lacks_times {
            wrong.push(format!("the times of this boot are unknown{why}"));
        }
        if !self.over_budget.is_empty() {
            wrong.push(format!("over budget: {}", self.over_budget.join(", ")));
        }
        anyhow::bail!("`{}`: {}", self.artifact, wrong.join("; "))
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_console_are_plain_text() {
        let console = "\u{1b}[2J\u{1b}[01;01H\r\nBdsDxe: loading\r\n\r\n[\u{1b}[0;32m  OK  \u{1b}[0m] Started\u{7}.\r\n\u{1b}7x";
        assert_eq!(last_lines(console), ["BdsDxe: loading", "[  OK  ] Started.", "x"]);
        let many: String = (0..100).map(|number| format!("{number}\n")).collect();
        let last = last_lines(&many);
        assert_eq!((last.len(), last.first().map(String::as_str)), (LAST, Some("85")));
    }

    #[test]
    fn a_boot_whose_times_were_asked_for_and_are_not_known_is_not_good() {
        let report = |needs_times, stopped, met: Option<f64>| {
            let met = Met { expectation: "console x".to_owned(), seconds: met, got: None };
            let watched =
                Watched { met: vec![met], booted: None, stopped, broken: false, reached: Reached::Kernel };
            let console = "Linux version 6".to_owned();
            let ended = Ended { watched, timeline: None, needs_times, seconds: 9.0, console };
            let kernel = machine::Kernel { kernel: "kernel".into(), initrd: None, cmdline: String::new() };
            let machine = Machine {
                arch: tree::name::Arch::Amd64,
                accel: Accel::Tcg,
                memory: 128,
                cpus: 1,
                start: Start::Direct(kernel, None),
                disks: Vec::new(),
                network: None,
                credentials: std::collections::BTreeMap::new(),
                shell: true,
                restarts: true,
            };
            Report::new(Path::new("a.raw"), &machine, ended, Vec::new(), None)
        };
        let over = Some("the time limit was reached");
        let said = |report: &Report| report.verdict().map_err(|error| error.to_string());
        assert_eq!(said(&report(false, over, Some(1.0))), Ok(()));
        let lacks = report(true, over, Some(1.0));
        let why = "`a.raw`: the times of this boot are unknown (the time limit was reached)";
        assert_eq!(said(&lacks), Err(why.to_owned()));
        assert_eq!(lacks.console, ["Linux version 6"]);
        assert!(
            said(&report(false, over, None))
                .unwrap_err()
                .contains("not met: console x (the time limit was reached)")
        );
    }
}
