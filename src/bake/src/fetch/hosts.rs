//! What one fetch has learned about hosts: which cannot be reached, and how the snapshot archive wants to be treated.

use super::fault::Fault;
use super::places::Location;
use super::tries::pause;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A host that could not be reached for so many files in a row is asked for no other that another place may have.
const UNREACHABLE: u32 = 3;

/// What one fetch has learned.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// For how many files in a row each host could not be reached.
    failed: Mutex<BTreeMap<String, u32>>,
    /// The snapshot archive has answered something.
    answered: AtomicBool,
    /// Nothing is asked of it before this moment.
    held: Mutex<Option<Instant>>,
}

impl Hosts {
    /// Whether it is worth asking the place.
    pub(super) fn may_be_asked(&self, place: &Location) -> bool {
        let count = |host| locked(&self.failed).get(&host).copied().unwrap_or(0);
        place.host().is_none_or(|host| count(host) < UNREACHABLE)
    }

    /// Notes how asking a place for a file has ended.
    pub(super) fn note(&self, place: &Location, fault: Option<&Fault>) {
        let Some(host) = place.host() else { return };
        match fault {
            Some(Fault::Unreachable | Fault::Stopped | Fault::Late) => {}
            Some(fault) if fault.is_unreachable() => *locked(&self.failed).entry(host).or_default() += 1,
            _ => _ = locked(&self.failed).remove(&host),
        }
    }

    /// The snapshot archive has answered.
    pub(super) fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Whether the snapshot archive has answered in this run, at the latest with this fault.
    pub(super) fn has_answered(&self, fault: &Fault) -> bool {
        if matches!(fault, Fault::Status { .. } | Fault::Missing(_)) {
            self.answered();
        }
        self.answered.load(Ordering::Relaxed)
    }

    /// Nothing is asked of the snapshot archive for so long.
    pub(super) fn hold_snapshot(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut held = locked(&self.held);
        *held = Some(held.map_or(until, |held| held.max(until)));
    }

    /// Waits until the snapshot archive may be asked.
    pub(super) fn wait_for_snapshot(&self, until: Instant, stop: &AtomicBool) -> Result<(), Fault> {
        loop {
            let held = *locked(&self.held);
            let wait = held.map_or(Duration::ZERO, |held| held.saturating_duration_since(Instant::now()));
            if wait.is_zero() {
                return Ok(());
            }
            pause(wait, until, stop)?;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
