//! How often and after which waits a place is tried again.

use super::Deadlines;
use super::fault::Fault;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Pause between two looks at whether a wait is still wanted.
const PAUSE: Duration = Duration::from_millis(50);
/// A place that asks for a longer wait is left for the next one, where there is one.
const LONG: Duration = Duration::from_secs(30);
/// How often a place that throttles is tried in all.
const PATIENT: u32 = 7;
/// No wait of ours is longer; what a place asks for may be.
const LONGEST: Duration = Duration::from_secs(240);

/// Counts the tries at one place.
#[derive(Debug, Default)]
pub(super) struct Tries {
    count: u32,
    patient: bool,
}

impl Tries {
    /// At a place that throttles: more tries, minutes between them.
    pub(super) fn patient() -> Self {
        Self { count: 0, patient: true }
    }

    /// The place is not throttling: there is no way to it.
    pub(super) fn lose_patience(&mut self) {
        self.patient = false;
    }

    /// How long to wait before the next try, when the fault deserves one; `last` where no other place is left. No jitter:
    /// the same faults, the same waits.
    pub(super) fn next(&mut self, fault: &Fault, deadlines: &Deadlines, last: bool) -> Option<Duration> {
        self.count += 1;
        let patient = self.patient && fault.is_throttling();
        let (tries, first) =
            if patient { (PATIENT, deadlines.patience) } else { (fault.tries(), deadlines.backoff) };
        let after = fault.retry_after().unwrap_or_default();
        if self.count >= tries || (after > LONG && !last) {
            return None;
        }
        let wait = first.saturating_mul(1 << (self.count - 1).min(8));
        Some(wait.min(LONGEST).max(after))
    }
}

/// Waits, unless there is no time for it or nobody wants it any longer.
pub(super) fn pause(wait: Duration, until: Instant, stop: &AtomicBool) -> Result<(), Fault> {
    let end = Instant::now() + wait;
    if end >= until {
        return Err(Fault::Late);
    }
    while Instant::now() < end {
        if stop.load(Ordering::Relaxed) {
            return Err(Fault::Stopped);
        }
        std::thread::sleep(PAUSE.min(end.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, after: Option<u64>) -> Fault {
        Fault::Status { status, after: after.map(Duration::from_secs) }
    }

    /// The waits until a place is given up, in seconds.
    fn waits(mut tries: Tries, fault: &Fault, last: bool) -> Vec<f64> {
        let deadlines = Deadlines::default();
        std::iter::from_fn(|| tries.next(fault, &deadlines, last)).map(|wait| wait.as_secs_f64()).collect()
    }

    #[test]
    fn a_place_that_throttles_is_given_minutes_and_others_seconds() {
        let throttled = status(429, None);
        assert_eq!(waits(Tries::patient(), &throttled, true), [15.0, 30.0, 60.0, 120.0, 240.0, 240.0]);
        assert_eq!(waits(Tries::default(), &throttled, true), [0.5, 1.0, 2.0]);
        assert_eq!(waits(Tries::patient(), &Fault::Missing(404), true), [0.0; 0]);
        let mut impatient = Tries::patient();
        impatient.lose_patience();
        assert_eq!(waits(impatient, &Fault::Connect(String::new()), true), [0.5]);
    }

    #[test]
    fn what_a_place_asks_for_is_waited_for_and_long_only_where_no_other_place_is_left() {
        assert_eq!(waits(Tries::default(), &status(503, Some(20)), false), [20.0; 3]);
        assert_eq!(waits(Tries::default(), &status(503, Some(600)), true), [600.0; 3]);
        assert_eq!(waits(Tries::default(), &status(503, Some(600)), false), [0.0; 0]);
        // and never less than our own
        assert_eq!(waits(Tries::patient(), &status(429, Some(20)), true)[..3], [20.0, 30.0, 60.0]);
    }
}
