//! How long work shows itself: bars on a terminal, plain lines elsewhere, nothing when quiet.

use crate::console::{self, size};
use bake::fetch::{Event, Progress};
use bake::refusal::shown;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a line says how far work is, where there is no terminal.
const LINE: Duration = Duration::from_secs(10);
/// How often a terminal is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// Work that takes less needs no line.
pub(crate) const SHORT: Duration = Duration::from_millis(500);

/// How much to show.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct ShowArgs {
    /// Show no progress, only results and errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shows what goes on.
pub(crate) struct Show {
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

#[derive(Default)]
struct Bars {
    total: Option<ProgressBar>,
    transfers: BTreeMap<usize, ProgressBar>,
    /// What each transfer has counted, so that one which begins again can be taken back.
    counted: BTreeMap<usize, u64>,
}

impl ShowArgs {
    /// What shows it: bars where standard error is a terminal.
    pub(crate) fn show(self) -> Show {
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
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Does `work`. A line says what it is once it has taken longer than `after`, and from then on how far it is: what the
    /// meter was told last, or for how long it has gone on.
    pub(crate) fn during<T>(&self, what: &str, after: Duration, work: impl FnOnce(&Meter) -> T) -> T {
        let (meter, end, began) = (Meter::default(), End::default(), Instant::now());
        let far = || match meter.text() {
            text if text.is_empty() => format!("{what}: {} s", began.elapsed().as_secs()),
            text => format!("{what}: {text}"),
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
                        let bar = ProgressBar::new_spinner();
                        watch(&end, after, FRAME, begun, || {
                            if bar.position() == 0 {
                                all.add(bar.clone());
                            }
                            bar.set_message(shown(&far()).to_string());
                            bar.inc(1);
                        });
                        bar.finish_and_clear();
                    });
                }
            }
            let _guard = Guard(&end);
            work(&meter)
        })
    }

    /// A line about what begins or has been done, with the time since the start.
    pub(crate) fn step(&self, text: &str) {
        let line = format!("{:7.2} s  {}", self.seconds(), shown(text));
        match &self.form {
            Form::Quiet => {}
            Form::Lines(_) => console::note(line),
            // a terminal that has gone away is no reason to stop
            Form::Bars(all, _) => drop(all.println(line)),
        }
    }
}

/// How far a piece of work is, in words.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<String>);

impl Meter {
    /// So many things of so many are done.
    pub(crate) fn at(&self, done: usize, of: usize) {
        *held(&self.0) = format!("{done} of {of}");
    }

    /// So many bytes of so many are done.
    pub(crate) fn at_bytes(&self, done: u64, of: u64) {
        *held(&self.0) = format!("{} of {}", size(done), size(of));
    }

    fn text(&self) -> String {
        held(&self.0).clone()
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
                self.step(&format!("{from}: {why}; again in {:.1} s", wait.as_secs_f64()));
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
                self.step(&format!("{name}: another process transfers it ({}); waiting", pids.join(", ")));
            }
            _ => {}
        }
        match &self.form {
            Form::Quiet => {}
            Form::Lines(lines) => plain(self, &mut held(lines), &event),
            Form::Bars(all, bars) => drawn(all, &mut held(bars), &event),
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

/// One bar a transfer, and one for all.
fn drawn(all: &MultiProgress, bars: &mut Bars, event: &Event<'_>) {
    match *event {
        Event::Begin { bytes, .. } => {
            let bar = all.add(ProgressBar::new(bytes));
            bar.set_style(style(
                "{msg:32} {bar:30} {bytes:>10} of {total_bytes:>10} {bytes_per_sec:>12} {eta:>5} left",
            ));
            bar.set_message("all");
            bars.total = Some(bar);
        }
        Event::Start { id, name, version, bytes, at, .. } => {
            let bar = bars.transfers.entry(id).or_insert_with(|| {
                let bar = ProgressBar::new(bytes);
                let bar = bars
                    .total
                    .as_ref()
                    .map_or_else(|| all.add(bar.clone()), |total| all.insert_before(total, bar.clone()));
                bar.set_style(style(
                    "  {msg:30} {bar:30} {bytes:>10} of {total_bytes:>10} {bytes_per_sec:>12}",
                ));
                bar
            });
            bar.set_message(shown(&format!("{name} {version}")).chars().take(30).collect::<String>());
            bar.set_position(at);
            count(bars, id, at);
        }
        Event::Bytes { id, n } => {
            let now = bars.counted.get(&id).copied().unwrap_or(0) + n;
            if let Some(bar) = bars.transfers.get(&id) {
                bar.set_position(now);
            }
            count(bars, id, now);
        }
        Event::Restart { id } => count(bars, id, 0),
        Event::Done { id } => {
            if let Some(bar) = bars.transfers.remove(&id) {
                let whole = bar.length().unwrap_or(0);
                bar.finish_and_clear();
                count(bars, id, whole);
            }
        }
        Event::End => {
            for bar in std::mem::take(bars).transfers.into_values() {
                bar.finish_and_clear();
            }
            // the bar for all is cleared with its last owner
            drop(all.clear());
        }
        _ => {}
    }
}

/// Brings what `id` has counted for to `now`.
fn count(bars: &mut Bars, id: usize, now: u64) {
    let before = bars.counted.insert(id, now).unwrap_or(0);
    if let Some(total) = &bars.total {
        total.set_position((total.position() + now).saturating_sub(before));
    }
}

fn style(template: &str) -> ProgressStyle {
    // a template that does not parse would be a fault of this file; the plain bar is good enough then
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
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
        assert_eq!(meter.text(), "");
        meter.at(3, 223);
        assert_eq!(meter.text(), "3 of 223");
        meter.at_bytes(1_000, 2_000_000);
        assert_eq!(meter.text(), "1.00 kB of 2.00 MB");
    }
}
