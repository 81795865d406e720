//! How long work shows itself: bars on a terminal, plain lines elsewhere, only warnings when quiet.

mod bars;

use crate::console::{self, size};
use bake::fetch::{Event, Progress};
use bars::{Bars, Work};
use indicatif::{MultiProgress, ProgressDrawTarget};
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tree::refusal::shown;

/// How often a line says how far work is, where there is no terminal.
const LINE: Duration = Duration::from_secs(10);
/// How often a terminal is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// Work that takes less needs no line.
pub const SHORT: Duration = Duration::from_millis(500);

/// How much to show.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct ShowArgs {
    /// Do not show progress, only results, warnings and errors
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Shows what goes on.
pub struct Show {
    form: Form,
    began: Instant,
}

enum Form {
    Quiet,
    Lines(Mutex<Lines>),
    Bars(MultiProgress, Mutex<Bars>),
}

#[derive(Default)]
struct Lines {
    names: BTreeMap<usize, (String, u64)>,
    done: usize,
    of: usize,
}

impl ShowArgs {
    /// What shows it: bars where standard error is a terminal.
    pub fn show(self) -> Show {
        let form = match (self.quiet, std::io::stderr().is_terminal()) {
            (true, _) => Form::Quiet,
            (false, false) => Form::Lines(Mutex::default()),
            (false, true) => {
                Form::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), Mutex::default())
            }
        };
        Show { form, began: Instant::now() }
    }
}

impl Show {
    /// Seconds since it began.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Does `work`. A line says what it is once it has taken longer than `after`, and from then on how far it is: what the
    /// meter was told last, or for how long it has gone on.
    pub fn during<T>(&self, what: &str, after: Duration, work: impl FnOnce(&Meter) -> T) -> T {
        self.labelled(what, what, after, work)
    }

    /// Does `work` as [`Show::during`] does, with another name for it beside its bar, where there is little room.
    pub fn labelled<T>(&self, label: &str, what: &str, after: Duration, work: impl FnOnce(&Meter) -> T) -> T {
        let (meter, end, began) = (Meter::default(), End::default(), Instant::now());
        let far = || match meter.far() {
            Completion::Unknown => format!("{what}: {} s", began.elapsed().as_secs()),
            far => format!("{what}: {far}"),
        };
        let begun = || self.step(what);
        std::thread::scope(|scope| {
            match &self.form {
                Form::Quiet => {}
                Form::Lines(_) => {
                    scope.spawn(|| watch(&end, after, LINE, begun, || self.step(&far())));
                }
                Form::Bars(all, _) => {
                    scope.spawn(|| {
                        let mut bar = Work::default();
                        watch(&end, after, FRAME, begun, || {
                            bar.draw(all, &shown(label), meter.far(), began.elapsed());
                        });
                        bar.clear();
                    });
                }
            }
            let _guard = Guard(&end);
            work(&meter)
        })
    }

    /// A line about what begins or has been done, with the time since the start.
    pub fn step(&self, text: &str) {
        self.note(&format!("{:7.2} s  {}", self.seconds(), shown(text)));
    }

    /// A warning, which is told to whoever has asked for quiet as well.
    pub fn warn(&self, text: &str) {
        let line = format!("warning: {text}");
        if matches!(self.form, Form::Quiet) {
            console::note(line);
        } else {
            self.note(&line);
        }
    }

    /// A line next to the result, where the caller has not asked for quiet.
    pub fn note(&self, line: &str) {
        match &self.form {
            Form::Quiet => {}
            Form::Lines(_) => console::note(line),
            // a terminal that has gone away is no reason to stop
            Form::Bars(all, _) => drop(all.println(line)),
        }
    }
}

/// How far a piece of work is.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Completion>);

/// So much of so much.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Completion {
    #[default]
    Unknown,
    Things(u64, u64),
    Bytes(u64, u64),
}

impl Meter {
    /// So many things of so many are done.
    pub fn at(&self, done: usize, of: usize) {
        *held(&self.0) = Completion::Things(done as u64, of as u64);
    }

    /// So many bytes of so many are done.
    pub fn at_bytes(&self, done: u64, of: u64) {
        *held(&self.0) = Completion::Bytes(done, of);
    }

    fn far(&self) -> Completion {
        *held(&self.0)
    }
}

impl std::fmt::Display for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Unknown => Ok(()),
            Self::Things(done, of) => write!(f, "{done} of {of}"),
            Self::Bytes(done, of) => write!(f, "{} of {}", size(done), size(of)),
        }
    }
}

/// Says that a piece of work has ended, also where it panics.
#[derive(Default)]
struct End {
    over: Mutex<bool>,
    told: Condvar,
}

impl End {
    /// Waits so long for the end; whether it has come.
    fn within(&self, time: Duration) -> bool {
        let waited = self.told.wait_timeout_while(held(&self.over), time, |over| !*over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

struct Guard<'a>(&'a End);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        *held(&self.0.over) = true;
        self.0.told.notify_all();
    }
}

/// Calls `begun` once when the work has taken longer than `after`, and `goes_on` again and again from then on.
fn watch(end: &End, after: Duration, every: Duration, begun: impl FnOnce(), mut goes_on: impl FnMut()) {
    if end.within(after) {
        return;
    }
    begun();
    while !end.within(every) {
        goes_on();
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress for Show {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Cached { count, bytes } if count > 0 => {
                self.step(&format!("{count} inputs are in the store ({})", size(bytes)));
            }
            Event::Begin { count, bytes } => self.step(&format!("fetching {count} inputs ({})", size(bytes))),
            Event::Retry { from, why, wait, .. } => {
                self.step(&format!("{from}: {why}; retrying in {:.1} s", wait.as_secs_f64()));
            }
            // a mirror directory that lacks a file, or has the other layout, is no news
            Event::NextPlace { why: "not there", .. } => {}
            Event::NextPlace { name, left, why, next, .. } => {
                self.step(&format!("{name}: {left}: {why}; trying {next}"));
            }
            Event::Index { from, .. } => self.step(&format!("reading {from}")),
            Event::Snapshot { count, of } => self.step(&format!(
                "{count} of {of} packages come from the snapshot archive, which is slow: two at a time"
            )),
            Event::Waiting { name, pids, .. } => {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                self.step(&format!(
                    "{name}: another process is transferring it ({}); waiting",
                    pids.join(", ")
                ));
            }
            _ => {}
        }
        match &self.form {
            Form::Quiet => {}
            Form::Lines(lines) => plain(self, &mut held(lines), &event),
            Form::Bars(all, bars) => held(bars).draw(all, &event),
        }
    }
}

/// One line for each finished transfer.
fn plain(show: &Show, lines: &mut Lines, event: &Event<'_>) {
    match *event {
        Event::Begin { count, .. } => *lines = Lines { of: count, ..Lines::default() },
        Event::Start { id, name, version, bytes, .. } => {
            lines.names.insert(id, (format!("{name} {version}"), bytes));
        }
        Event::Done { id } => {
            lines.done += 1;
            if let Some((name, bytes)) = lines.names.remove(&id) {
                show.step(&format!("[{}/{}] {name} ({})", lines.done, lines.of, size(bytes)));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const MS: Duration = Duration::from_millis(1);

    /// How often work of so many milliseconds says that it has begun, and that it goes on.
    fn said(work: u32) -> (usize, usize) {
        let (end, begun, goes_on) = (End::default(), Cell::new(0), Cell::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _guard = Guard(&end);
                std::thread::sleep(MS * work);
            });
            let count = |cell: &Cell<usize>| cell.set(cell.get() + 1);
            watch(&end, 100 * MS, 50 * MS, || count(&begun), || count(&goes_on));
        });
        (begun.get(), goes_on.get())
    }

    #[test]
    fn short_work_says_nothing_and_long_work_says_that_it_goes_on() {
        assert_eq!(said(0), (0, 0));
        let (begun, goes_on) = said(1000);
        assert!(begun == 1 && (2..=18).contains(&goes_on), "{begun} {goes_on}");
    }

    #[test]
    fn a_meter_says_how_far_it_was_told() {
        let meter = Meter::default();
        assert_eq!(meter.far().to_string(), "");
        meter.at(3, 223);
        assert_eq!(meter.far().to_string(), "3 of 223");
        meter.at_bytes(1_000, 2_000_000);
        assert_eq!(meter.far().to_string(), "1.00 kB of 2.00 MB");
    }

    #[test]
    fn bars_of_transfers_and_of_work_fit_the_terminal_and_are_counted() {
        for width in [60, 80, 200] {
            let terminal = bars::tests::Terminal::new(width);
            let all = MultiProgress::with_draw_target(terminal.target());
            let show = Show { form: Form::Bars(all, Mutex::default()), began: Instant::now() };
            show.event(Event::Begin { count: 223, bytes: 150_000_000 });
            let version = "140.0.7339.185-1~deb13u1+a-very-long-version";
            for id in 0..3 {
                let name = "linux-image-6.12.48+deb13-cloud-amd64";
                show.event(Event::Start { id, name, version, bytes: 80_000_000, at: 0, from: "somewhere" });
                show.event(Event::Bytes { id, n: 40_000_000 });
                std::thread::sleep(60 * MS);
            }
            show.event(Event::Done { id: 0 });
            std::thread::sleep(60 * MS);
            show.event(Event::Bytes { id: 1, n: 1 });
            show.event(Event::End);
            let label = "unpacking a great many inputs whose name is long";
            for bytes in [false, true] {
                show.labelled(label, "begun", Duration::ZERO, |meter| {
                    for done in 1..=3 {
                        if bytes {
                            meter.at_bytes(done * 1_000_000, 3_000_000);
                        } else {
                            meter.at(usize::try_from(done).unwrap(), 223);
                        }
                        std::thread::sleep(150 * MS);
                    }
                });
            }
            let lines = terminal.lines();
            for line in lines.iter().filter(|line| !line.contains("begun")) {
                assert!(line.chars().count() <= width.into(), "{width}: `{line}`");
            }
            let has = |parts: &[&str]| lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
            assert!(has(&["[  0/223]", " of  150 MB", "="]), "{lines:#?}");
            assert!(has(&["[  1/223]", "="]), "{lines:#?}");
            assert!(has(&["linux-image-6.12", "40.0 MB of 80.0 MB"]), "{lines:#?}");
            assert!(has(&["[  2/223]", "unpacking a great"]), "{lines:#?}");
            assert!(has(&["unpacking a great", "2.00 MB of 3.00 MB", "="]), "{lines:#?}");
        }
    }

    #[test]
    fn quiet_says_nothing() {
        let show = ShowArgs { quiet: true, json: false }.show();
        assert!(matches!(show.form, Form::Quiet));
    }
}
