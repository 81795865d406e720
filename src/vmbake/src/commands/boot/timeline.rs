//! Where the time of a boot went: firmware, loader, kernel, initrd, and every unit.
//!
//! The guest's own clocks tell: systemd's monotonic timestamps (org.freedesktop.systemd1(5)), which count from the
//! start of the kernel, those that systemd-boot leaves in EFI variables for the time before, and the kernel's log for the
//! moment at which it runs the initrd's program.

use anyhow::{Context as _, Result};
use machine::Running;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use tree::refusal::{Class, Refusal, Stage};

/// Units that took less than this are left out of tables and drawings, unless they are milestones.
const SHORTEST: f64 = 0.05;
/// Milestones that are units.
const TARGETS: [(&str, &str); 8] = [
    ("local-fs", "local-fs.target"),
    ("sysinit", "sysinit.target"),
    ("basic", "basic.target"),
    ("network", "network.target"),
    ("network-online", "network-online.target"),
    ("configured", "podplane-configure.service"),
    ("containerd", "containerd.service"),
    ("multi-user", "multi-user.target"),
];
/// Asks for all of it at once; `@` lines separate the parts.
const QUESTION: &str = "echo @manager
systemctl show -p FirmwareTimestampMonotonic -p LoaderTimestampMonotonic -p UserspaceTimestampMonotonic \
-p FinishTimestampMonotonic
echo @kernel
dmesg | grep -m1 -E 'Run /.* as init process'
echo @units
systemctl show --all '*' -p Id -p ActiveState -p Result -p ExecMainStatus -p InactiveExitTimestampMonotonic \
-p ActiveEnterTimestampMonotonic -p ActiveExitTimestampMonotonic -p InactiveEnterTimestampMonotonic";

/// Where the time went. Times are seconds from the start of the kernel.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// Seconds that the firmware took before anything, by its own account; none for a direct start.
    pub firmware: Option<f64>,
    /// Seconds that the boot loader took.
    pub loader: Option<f64>,
    /// When the kernel ran the initrd's program, or the root's where there is no initrd.
    pub init: Option<f64>,
    /// When systemd of the root file system began.
    pub userspace: f64,
    /// When it had nothing left to start.
    pub finished: f64,
    /// Seconds from power on to `finished` by this machine's clock.
    pub power_on: f64,
    /// Named points: what budgets are about.
    pub milestones: BTreeMap<String, f64>,
    /// Every unit that was started, in that order.
    pub units: Vec<Span>,
    /// Units that failed.
    pub failed: Vec<String>,
    #[serde(skip)]
    refused: bool,
}

/// A unit's part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    /// Its name.
    pub unit: String,
    /// When its start began.
    pub began: f64,
    /// When it was there, or had done its work.
    pub ready: f64,
}

impl Timeline {
    /// Asks a machine that has booted, `power_on` seconds after it was switched on. None where it does not answer: it went
    /// off, or is too busy.
    pub fn take(running: &mut Running, power_on: f64, deadline: Instant) -> Result<Option<Self>> {
        let Ok(answer) = running.run(QUESTION, deadline) else { return Ok(None) };
        Self::parse(&answer.done()?, power_on).context("the times that the guest's systemd reports").map(Some)
    }

    pub(super) fn parse(text: &str, power_on: f64) -> Result<Self> {
        let part = |name: &str| {
            let from = text.split_once(&format!("@{name}\n")).map_or("", |(_, rest)| rest);
            from.split("\n@").next().unwrap_or_default()
        };
        let manager = properties(part("manager"));
        let time = |key: &str| seconds(&manager, key);
        // both are counted backwards from the start of the kernel
        let (firmware, loader) = (time("FirmwareTimestampMonotonic"), time("LoaderTimestampMonotonic"));
        let userspace = time("UserspaceTimestampMonotonic").context("the start of user space is missing")?;
        let finished = time("FinishTimestampMonotonic").context("the end of the boot is missing")?;
        let mut timeline = Self {
            firmware: firmware.map(|firmware| firmware - loader.unwrap_or_default()),
            loader,
            init: kernel_time(part("kernel")),
            userspace,
            finished,
            power_on,
            ..Self::default()
        };
        for block in part("units").split("\n\n") {
            timeline.unit(&properties(block));
        }
        timeline
            .units
            .sort_by(|one, other| one.began.total_cmp(&other.began).then_with(|| one.unit.cmp(&other.unit)));
        timeline.milestones();
        Ok(timeline)
    }

    fn unit(&mut self, unit: &BTreeMap<&str, &str>) {
        let Some(name) = unit.get("Id") else { return };
        if unit.get("ActiveState") == Some(&"failed") {
            self.failed.push((*name).to_owned());
            // the exit code of a refusal: 8
            self.refused |= *name == "podplane-configure.service" && unit.get("ExecMainStatus") == Some(&"8");
        }
        let time = |key: &str| seconds(unit, key);
        let Some(began) = time("InactiveExitTimestampMonotonic") else { return };
        // a oneshot that does not remain is never active: it is done when it is inactive again
        let ready = [time("ActiveEnterTimestampMonotonic"), time("InactiveEnterTimestampMonotonic")];
        let ready = ready.into_iter().flatten().filter(|ready| *ready >= began).reduce(f64::min);
        self.units.push(Span { unit: (*name).to_owned(), began, ready: ready.unwrap_or(began) });
    }

    fn milestones(&mut self) {
        let (init, userspace, finished) = (self.init, self.userspace, self.finished);
        let fixed = [("init", init), ("userspace", Some(userspace)), ("finished", Some(finished))];
        let found = |unit: &str| self.units.iter().find(|span| span.unit == unit).map(|span| span.ready);
        let targets = TARGETS.iter().map(|(name, unit)| (*name, found(unit)));
        let all = fixed.into_iter().chain(targets);
        self.milestones = all.filter_map(|(name, time)| Some((name.to_owned(), time?))).collect();
    }

    /// Whether the boot-time program refused its input.
    pub fn input_was_refused(&self) -> bool {
        self.refused
    }

    /// The units that a person wants to see: those that took time, and milestones.
    pub fn notable(&self) -> impl Iterator<Item = &Span> {
        let milestone = |unit: &str| TARGETS.iter().any(|(_, target)| *target == unit);
        let hidden = [".device", ".slice", ".scope", ".automount", ".swap"];
        self.units.iter().filter(move |span| {
            let hidden = hidden.iter().any(|suffix| span.unit.ends_with(suffix));
            milestone(&span.unit) || (!hidden && span.ready - span.began >= SHORTEST)
        })
    }

    /// The phases before user space and user space itself: name, begin, end. The kernel starts at 0.
    pub fn phases(&self) -> Vec<(&'static str, f64, f64)> {
        let before = self.firmware.unwrap_or_default() + self.loader.unwrap_or_default();
        let mut phases = Vec::new();
        if let Some(firmware) = self.firmware {
            phases.push(("firmware", -before, firmware - before));
        }
        if let Some(loader) = self.loader {
            phases.push(("loader", -loader, 0.0));
        }
        match self.init {
            Some(init) if init < self.userspace => {
                phases.extend([("kernel", 0.0, init), ("initrd", init, self.userspace)]);
            }
            _ => phases.push(("kernel", 0.0, self.userspace)),
        }
        phases.push(("user space", self.userspace, self.finished));
        phases
    }

    /// The table, line by line: seconds at which it began, and that it took.
    pub fn table(&self) -> Vec<String> {
        let mut lines = vec!["   began    took".to_owned()];
        let line = |name: &str, began: f64, end: f64| format!("{began:>8.2} {:>7.2}  {name}", end - began);
        lines.extend(self.phases().iter().map(|(name, began, end)| line(name, *began, *end)));
        lines.extend(self.notable().map(|span| line(&format!("  {}", span.unit), span.began, span.ready)));
        lines.extend(self.failed.iter().map(|unit| format!("  failed         {unit}")));
        lines
    }
}

/// `KEY=VALUE` lines.
fn properties(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

/// A time in seconds of one in microseconds; 0 is what has not been.
fn seconds(properties: &BTreeMap<&str, &str>, key: &str) -> Option<f64> {
    let micros: f64 = properties.get(key)?.parse().ok()?;
    (micros > 0.0).then_some(micros / 1e6)
}

/// The time of a line of the kernel's log: `[    1.234567] …`.
fn kernel_time(line: &str) -> Option<f64> {
    line.trim().strip_prefix('[')?.split(']').next()?.trim().parse().ok()
}

/// How late milestones may be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// How much slower than written the machine may be.
    #[serde(default = "one")]
    factor: f64,
    /// Milliseconds from the start of the kernel, by milestone.
    milestones: BTreeMap<String, u32>,
}

fn one() -> f64 {
    1.0
}

impl Budget {
    /// Reads one: `{"factor": 1.5, "milestones": {"multi-user": 20000}}`.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("`{}`", path.display()))?;
        let wrong = |what: String| Refusal::new(Class::Usage, path.display().to_string(), Stage::Parse, what);
        let budget: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if budget.factor.is_finite() && budget.factor > 0.0 {
            Ok(budget)
        } else {
            Err(wrong(format!("`factor`: expected a positive number, found {}", budget.factor)).into())
        }
    }

    /// The milestones that came later, or never.
    pub fn exceeded(&self, timeline: &Timeline) -> Vec<String> {
        let late = |(name, milliseconds): (&String, &u32)| {
            let most = f64::from(*milliseconds) / 1000.0 * self.factor;
            match timeline.milestones.get(name) {
                Some(time) if *time <= most => None,
                Some(time) => Some(format!("expected {name} after at most {most:.2} s, took {time:.2} s")),
                None => Some(format!("expected {name} within {most:.2} s, but it was never reached")),
            }
        };
        self.milestones.iter().filter_map(late).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const TEXT: &str = "@manager
FirmwareTimestampMonotonic=5000000
LoaderTimestampMonotonic=1000000
UserspaceTimestampMonotonic=3000000
FinishTimestampMonotonic=9000000
@kernel
[    2.500000] Run /init as init process
@units
Id=containerd.service
ActiveState=active
Result=success
ExecMainStatus=0
InactiveExitTimestampMonotonic=6000000
ActiveEnterTimestampMonotonic=7500000
ActiveExitTimestampMonotonic=0
InactiveEnterTimestampMonotonic=0

Id=once.service
ActiveState=inactive
InactiveExitTimestampMonotonic=4000000
ActiveEnterTimestampMonotonic=0
InactiveEnterTimestampMonotonic=4500000

Id=never.service
ActiveState=inactive
InactiveExitTimestampMonotonic=0

Id=podplane-configure.service
ActiveState=failed
ExecMainStatus=8
InactiveExitTimestampMonotonic=5000000
ActiveEnterTimestampMonotonic=0
InactiveEnterTimestampMonotonic=5200000

Id=multi-user.target
ActiveState=active
InactiveExitTimestampMonotonic=8000000
ActiveEnterTimestampMonotonic=8000000
";

    #[test]
    fn times_are_those_that_systemd_tells() {
        let timeline = Timeline::parse(TEXT, 15.0).unwrap();
        let phases = timeline.phases();
        assert_eq!(
            phases,
            [
                ("firmware", -5.0, -1.0),
                ("loader", -1.0, 0.0),
                ("kernel", 0.0, 2.5),
                ("initrd", 2.5, 3.0),
                ("user space", 3.0, 9.0),
            ]
        );
        let names: Vec<&str> = timeline.notable().map(|span| span.unit.as_str()).collect();
        assert_eq!(
            names,
            ["once.service", "podplane-configure.service", "containerd.service", "multi-user.target"]
        );
        assert_eq!(timeline.milestones["containerd"], 7.5);
        assert_eq!(timeline.milestones["multi-user"], 8.0);
        assert!(timeline.input_was_refused());
        assert_eq!(timeline.failed, ["podplane-configure.service"]);
        assert!(
            timeline.table().contains(&"    6.00    1.50    containerd.service".to_owned()),
            "{:?}",
            timeline.table()
        );
        assert!(Timeline::parse("@manager\n@units\n", 1.0).is_err());
    }

    #[test]
    fn a_milestone_that_is_late_or_missing_is_over_budget() {
        let timeline = Timeline::parse(TEXT, 15.0).unwrap();
        let budget = |text: &str| serde_json::from_str::<Budget>(text).unwrap().exceeded(&timeline);
        assert!(budget(r#"{"milestones": {"multi-user": 8000, "finished": 9000}}"#).is_empty());
        assert_eq!(
            budget(r#"{"milestones": {"multi-user": 7000}}"#),
            ["expected multi-user after at most 7.00 s, took 8.00 s"]
        );
        assert!(budget(r#"{"factor": 1.2, "milestones": {"multi-user": 7000}}"#).is_empty());
        assert_eq!(budget(r#"{"milestones": {"network": 1}}"#).len(), 1);
        assert!(serde_json::from_str::<Budget>(r#"{"milestone": {}}"#).is_err());
    }
}
