//! Boots as medians, and the goal that they are held to.

use super::{Boot, CREDENTIALS, PEER, POINTS, VOLUME};
use crate::commands::bench::disk::Size;
use crate::commands::bench::table::{self, Ratio};
use anyhow::{Context as _, Result};
use machine::Accel;
use serde::Serialize;
use std::collections::BTreeMap;
use vmbake::console;

/// All figures.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) accelerator: Accel,
    pub(super) why: &'static str,
    pub(super) memory_mib: u32,
    pub(super) cpus: u8,
    pub(super) runs: u32,
    /// `+` for packages that only the peer has.
    pub(super) peer_packages: Vec<String>,
    pub(super) sizes: Vec<Size>,
    pub(super) boots: Vec<Entry>,
    pub(super) ratios: Vec<Ratio>,
}

/// The boots of one machine.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) what: &'static str,
    /// Seconds from the start of the kernel: the median, the shortest and the longest.
    pub(super) seconds: BTreeMap<&'static str, [f64; 3]>,
    /// What was read of its disk until it was up, in MiB: the median.
    pub(super) read_mib: f64,
    /// How many processes, threads and the kernel's own among them, were made until then: the median.
    pub(super) forks: f64,
    /// Units that failed in any boot.
    pub(super) failed: Vec<String>,
}

impl Report {
    /// Prints it for people.
    pub(super) fn print(&self) {
        let Report { accelerator, why, memory_mib, cpus, runs, .. } = self;
        console::line(format!("{accelerator:?} ({why}), {memory_mib} MiB, {cpus} processors, {runs} rounds"));
        console::line(format!("packages of the peer: ours, {}", self.peer_packages.join(" ")));
        self.sizes.iter().for_each(|size| console::line(size.print()));
        let head: String = POINTS.iter().map(|point| format!(" {point:>20}")).collect();
        console::line(format!("\n{:<22}{head}", "s since the kernel began"));
        for entry in &self.boots {
            let points = POINTS.iter().map(|point| match entry.seconds.get(point) {
                Some([median, least, most]) => {
                    format!(" {:>20}", format!("{median:.1} ({least:.1}–{most:.1})"))
                }
                None => format!(" {:>20}", "-"),
            });
            console::line(format!("{:<22}{}", entry.what, points.collect::<String>()));
            let (read, forks) = (entry.read_mib, entry.forks);
            console::line(format!("{:<22} read {read:.0} MiB, {forks:.0} processes", ""));
            if !entry.failed.is_empty() {
                console::line(format!("{:<22} failed: {}", "", entry.failed.join(" ")));
            }
        }
        console::line(format!("\n{}", table::print_ratios(&self.ratios)));
    }
}

impl Entry {
    /// Of all its boots.
    pub(super) fn of(what: &'static str, boots: &[Boot]) -> Self {
        let seconds = POINTS.iter().filter_map(|point| {
            let mut all: Vec<f64> = boots.iter().filter_map(|boot| boot.points.get(point).copied()).collect();
            all.sort_unstable_by(f64::total_cmp);
            Some((*point, [table::median(&all), *all.first()?, *all.last()?]))
        });
        let seconds = seconds.collect();
        let mut failed: Vec<String> = boots.iter().flat_map(|boot| boot.failed.clone()).collect();
        failed.sort_unstable();
        failed.dedup();
        let median = |of: fn(&Boot) -> f64| {
            let mut all: Vec<f64> = boots.iter().map(of).collect();
            all.sort_unstable_by(f64::total_cmp);
            table::median(&all)
        };
        Self {
            what,
            seconds,
            read_mib: median(|boot| boot.read_mib),
            forks: median(|boot| boot.forks),
            failed,
        }
    }
}

/// The ratios that there is a goal for, and those that say where the time goes.
pub(super) fn ratios(boots: &[Entry]) -> Result<Vec<Ratio>> {
    let median = |what: &str, point: &str| {
        let entry = boots.iter().find(|entry| entry.what == what);
        let median = entry.and_then(|entry| entry.seconds.get(point)).map(|[median, ..]| *median);
        median.with_context(|| format!("`{point}` of `{what}` was not measured"))
    };
    let ratio = |point: &str, what: &str| Ok::<_, anyhow::Error>(median(PEER, point)? / median(what, point)?);
    let read = |what: &str| {
        let entry = boots.iter().find(|entry| entry.what == what);
        entry.map(|entry| entry.read_mib).with_context(|| format!("`{what}` was not measured"))
    };
    Ok(vec![
        Ratio::at_least("peer / ours by credentials: configured", ratio("configured", CREDENTIALS)?, 3.0),
        Ratio::at_least("peer / ours by a volume: configured", ratio("configured", VOLUME)?, 3.0),
        Ratio::at_least("peer / ours by a volume: read of the disk", read(PEER)? / read(VOLUME)?, 3.0),
        Ratio::only("peer / ours by credentials: multi-user", ratio("multi-user", CREDENTIALS)?),
        Ratio::at_least("peer / ours by a volume: multi-user", ratio("multi-user", VOLUME)?, 3.0),
        Ratio::only("peer / ours by credentials: user space", ratio("user space", CREDENTIALS)?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goal_is_about_the_medians() {
        let boot = |seconds| Boot {
            points: POINTS.iter().map(|point| (*point, seconds)).collect(),
            failed: Vec::new(),
            read_mib: seconds,
            forks: 1.0,
        };
        let boots = [
            Entry::of(CREDENTIALS, &[boot(30.0), boot(10.0), boot(9.0)]),
            Entry::of(PEER, &[boot(29.0), boot(31.0)]),
            Entry::of(VOLUME, &[boot(20.0)]),
        ];
        let ratios = ratios(&boots).unwrap();
        assert_eq!((ratios[0].value, ratios[0].reached), (3.0, Some(true)));
        assert_eq!(ratios[1].value, 1.5);
    }

    #[test]
    fn the_figures_have_the_shape_of_their_schema() {
        let boot = |failed: &[&str]| Boot {
            points: POINTS.iter().map(|point| (*point, 1.0)).collect(),
            failed: failed.iter().map(|unit| (*unit).to_owned()).collect(),
            read_mib: 1.0,
            forks: 1.0,
        };
        let machines = [CREDENTIALS, PEER, VOLUME];
        let boots: Vec<Entry> =
            machines.map(|what| Entry::of(what, &[boot(&[]), boot(&["x.service"])])).into_iter().collect();
        let report = Report {
            accelerator: Accel::Tcg,
            why: "as asked",
            memory_mib: 2048,
            cpus: 1,
            runs: 2,
            peer_packages: vec!["+initramfs-tools".to_owned()],
            sizes: vec![Size::of("a disk", std::path::Path::new("/dev/null")).unwrap()],
            ratios: ratios(&boots).unwrap(),
            boots,
        };
        let text = serde_json::to_string(&report).unwrap();
        ::tests::schema::Schema::load("bench-boot").unwrap().check(&text).unwrap();
    }
}
