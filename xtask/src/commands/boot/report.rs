//! What is said before a machine starts, and what became of it.

use super::expect::{Met, Watched};
use super::timeline::Timeline;
use crate::console;
use bake::{Class, Refusal, Stage};
use machine::{Accel, Machine, Start};
use serde::Serialize;
use std::path::Path;

/// What became of a boot.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    artifact: String,
    arch: String,
    accelerator: Accel,
    start: &'static str,
    expectations: Vec<Met>,
    /// Seconds from power on until systemd had nothing left to start.
    booted: Option<f64>,
    /// What ended it before its time.
    stopped: Option<&'static str>,
    /// Seconds from power on to power off.
    seconds: f64,
    over_budget: Vec<String>,
    timeline: Option<Timeline>,
}

/// What is going to be started and how to reach it.
pub(crate) fn ahead(machine: &Machine, why: &str, watched: bool) -> Vec<String> {
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
        lines.push("no port of the guest can be reached; `--forward 2222:22` leads to its sshd".to_owned());
    }
    if !watched {
        lines.push("Ctrl-A X cuts the power".to_owned());
    }
    lines
}

fn how(machine: &Machine) -> &'static str {
    match machine.start {
        Start::Firmware(_) => "firmware",
        Start::Direct(..) => "direct kernel",
    }
}

impl Report {
    /// All that is known of a boot.
    pub(crate) fn new(
        artifact: &Path,
        machine: &Machine,
        watched: Watched,
        timeline: Option<Timeline>,
        over_budget: Vec<String>,
        seconds: f64,
    ) -> Self {
        Self {
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
    pub(crate) fn print(&self) {
        for met in &self.expectations {
            console::line(match (met.seconds, &met.got) {
                (Some(seconds), _) => format!("met     {:>7.1} s  {}", seconds, met.expectation),
                (None, Some(got)) => {
                    format!("not met            {}: got `{}`", met.expectation, first_line(got))
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

    /// Whether it was a good one.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        let not_met: Vec<&str> = self
            .expectations
            .iter()
            .filter(|met| met.seconds.is_none())
            .map(|met| met.expectation.as_str())
            .collect();
        if not_met.is_empty() && self.over_budget.is_empty() {
            return Ok(());
        }
        if self.timeline.as_ref().is_some_and(Timeline::input_was_refused) {
            let cause = "the machine refused what it was given at boot";
            return Err(Refusal::new(Class::Input, self.artifact.clone(), Stage::Inspect, cause)
                .hint("`--expect 'run journalctl -u podplane-configure'` shows why; the console has it too")
                .into());
        }
        let why = self.stopped.map(|why| format!(" ({why})")).unwrap_or_default();
        let mut wrong = Vec::new();
        if !not_met.is_empty() {
            wrong.push(format!("not met: {}{why}", not_met.join(", ")));
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
