//! The bars of a terminal. Each is one line of at most its width: what is fixed takes less than 50 columns, the bar the rest.

use super::Completion;
use crate::console::size;
use bake::fetch::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use tree::refusal::shown;

/// All transfers together: how many are done, and how long the rest takes.
const TOTAL: &str = "{prefix} {wide_bar} {sizes} {eta:>4}";
/// One transfer.
const TRANSFER: &str = "  {msg:24!} {wide_bar} {sizes}";
/// Work that counts things.
const THINGS: &str = "{prefix} {msg:24!} {wide_bar}";
/// Work that counts bytes.
const BYTES: &str = "{msg:24!} {wide_bar} {sizes}";
/// Work that does not know how far it is.
const UNKNOWN: &str = "{spinner} {wide_msg}";

/// The bars of transfers.
#[derive(Default)]
pub(super) struct Bars {
    total: Option<ProgressBar>,
    transfers: BTreeMap<usize, ProgressBar>,
    /// What each transfer has counted, so that one which begins again can be taken back.
    counted: BTreeMap<usize, u64>,
    done: usize,
    of: usize,
}

impl Bars {
    /// One bar a transfer, and one for all.
    pub(super) fn draw(&mut self, all: &MultiProgress, event: &Event<'_>) {
        match *event {
            Event::Begin { count, bytes } => {
                (self.done, self.of) = (0, count);
                self.total = Some(all.add(ProgressBar::new(bytes).with_style(style(TOTAL))));
                self.count_done();
            }
            Event::Start { id, name, version, bytes, at, .. } => {
                let total = self.total.as_ref();
                let bar = self.transfers.entry(id).or_insert_with(|| {
                    let bar = ProgressBar::new(bytes).with_style(style(TRANSFER));
                    total.map_or_else(|| all.add(bar.clone()), |total| all.insert_before(total, bar.clone()))
                });
                bar.set_message(shown(&format!("{name} {version}")).into_owned());
                bar.set_position(at);
                self.count(id, at);
            }
            Event::Bytes { id, n } => {
                let now = self.counted.get(&id).copied().unwrap_or(0) + n;
                if let Some(bar) = self.transfers.get(&id) {
                    bar.set_position(now);
                }
                self.count(id, now);
            }
            Event::Restart { id } => self.count(id, 0),
            Event::Done { id } => {
                if let Some(bar) = self.transfers.remove(&id) {
                    let whole = bar.length().unwrap_or(0);
                    bar.finish_and_clear();
                    self.count(id, whole);
                }
                self.done += 1;
                self.count_done();
            }
            Event::End => {
                for bar in std::mem::take(self).transfers.into_values() {
                    bar.finish_and_clear();
                }
                // the bar for all is cleared with its last owner
                drop(all.clear());
            }
            _ => {}
        }
    }

    /// Brings what `id` has counted for to `now`.
    fn count(&mut self, id: usize, now: u64) {
        let before = self.counted.insert(id, now).unwrap_or(0);
        if let Some(total) = &self.total {
            total.set_position((total.position() + now).saturating_sub(before));
        }
    }

    fn count_done(&self) {
        if let Some(total) = &self.total {
            total.set_prefix(counted(self.done as u64, self.of as u64));
        }
    }
}

/// The bar of one piece of work.
#[derive(Default)]
pub(super) struct Work {
    bar: Option<(ProgressBar, &'static str)>,
}

impl Work {
    /// Draws it: as a bar where it is known how far the work is.
    pub(super) fn draw(&mut self, all: &MultiProgress, label: &str, far: Completion, elapsed: Duration) {
        let template = match far {
            Completion::Unknown => UNKNOWN,
            Completion::Things(..) => THINGS,
            Completion::Bytes(..) => BYTES,
        };
        let (bar, drawn) = self.bar.get_or_insert_with(|| (all.add(ProgressBar::new_spinner()), ""));
        if *drawn != template {
            *drawn = template;
            bar.set_style(style(template));
        }
        match far {
            Completion::Unknown => {
                bar.set_message(format!("{label}: {} s", elapsed.as_secs()));
                bar.tick();
            }
            Completion::Things(done, of) | Completion::Bytes(done, of) => {
                bar.set_length(of);
                bar.set_prefix(counted(done, of));
                bar.set_message(label.to_owned());
                bar.set_position(done);
            }
        }
    }

    pub(super) fn clear(self) {
        if let Some((bar, _)) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `[ 12/223]`.
fn counted(done: u64, of: u64) -> String {
    let width = of.to_string().len();
    format!("[{done:>width$}/{of}]")
}

fn style(template: &str) -> ProgressStyle {
    let sizes = |state: &ProgressState, out: &mut dyn Write| {
        let of = state.len().unwrap_or(0);
        // a terminal that has gone away is no reason to stop
        let _ = write!(out, "{:>7} of {:>7}", size(state.pos()), size(of));
    };
    // a template that does not parse would be a fault of this file; the plain bar is good enough then
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("sizes", sizes)
        .progress_chars("=> ")
}

#[cfg(test)]
pub(super) mod tests {
    use indicatif::{ProgressDrawTarget, TermLike};
    use std::io::Result;
    use std::sync::{Arc, Mutex};

    /// A terminal that remembers the lines that it was given: each comes in one piece, and blanks fill its line.
    #[derive(Debug, Clone)]
    pub(crate) struct Terminal {
        width: u16,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Terminal {
        pub(crate) fn new(width: u16) -> Self {
            Self { width, lines: Arc::default() }
        }

        pub(crate) fn target(&self) -> ProgressDrawTarget {
            ProgressDrawTarget::term_like(Box::new(self.clone()))
        }

        /// Its lines, with those that were drawn over.
        pub(crate) fn lines(&self) -> Vec<String> {
            self.lines.lock().unwrap().clone()
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            self.width
        }
        fn move_cursor_up(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> Result<()> {
            if !text.trim().is_empty() {
                self.lines.lock().unwrap().push(text.to_owned());
            }
            Ok(())
        }
        fn clear_line(&self) -> Result<()> {
            Ok(())
        }
        fn flush(&self) -> Result<()> {
            Ok(())
        }
    }
}
