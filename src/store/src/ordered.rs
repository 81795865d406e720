//! Work on several threads whose results are taken in order, with a bound on how many wait.
//!
//! Rayon's own parallel iterators give no bound on results that wait for an earlier one, and a bake whose memory
//! grows with the image would be the price; so this one thing is done by hand.
//!
//! Invariants: `take` sees 0, 1, 2, … without a gap, on the calling thread; at most `window` numbers are begun and not
//! yet taken; the error that comes back is the one with the lowest number, whatever the threads do.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Does `work` for each number below `count` on `jobs` threads, and hands the results to `take` in order.
pub fn ordered<T: Send, E: Send>(
    count: usize,
    jobs: NonZeroUsize,
    work: impl Fn(usize) -> Result<T, E> + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let jobs = jobs.get().min(count.max(1));
    let desk = Desk { window: jobs + 1, count, state: Mutex::default(), changed: Condvar::new() };
    desk.lock().alive = jobs;
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let _leave = Leave(&desk);
                while let Some(number) = desk.begin() {
                    let result = work(number);
                    desk.put(number, result);
                }
            });
        }
        let mut outcome = Ok(());
        for number in 0..count {
            // none: a worker panicked, which the scope passes on
            let Some(result) = desk.wait_for(number) else { break };
            outcome = result.and_then(|result| take(number, result));
            if outcome.is_err() {
                break;
            }
        }
        desk.stop();
        outcome
    })
}

struct Desk<T, E> {
    window: usize,
    count: usize,
    state: Mutex<State<T, E>>,
    changed: Condvar,
}

struct State<T, E> {
    next: usize,
    taken: usize,
    alive: usize,
    stopped: bool,
    done: BTreeMap<usize, Result<T, E>>,
}

impl<T, E> Default for State<T, E> {
    fn default() -> Self {
        Self { next: 0, taken: 0, alive: 0, stopped: false, done: BTreeMap::new() }
    }
}

/// Counts a worker out, also when it panics.
struct Leave<'a, T, E>(&'a Desk<T, E>);

impl<T, E> Drop for Leave<'_, T, E> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.alive -= 1;
        state.stopped |= std::thread::panicking();
        self.0.changed.notify_all();
    }
}

impl<T, E> Desk<T, E> {
    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.stopped || state.next == self.count {
                return None;
            }
            if state.next < state.taken + self.window {
                state.next += 1;
                return Some(state.next - 1);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, number: usize, result: Result<T, E>) {
        self.lock().done.insert(number, result);
        self.changed.notify_all();
    }

    fn wait_for(&self, number: usize) -> Option<Result<T, E>> {
        let mut state = self.lock();
        loop {
            if let Some(result) = state.done.remove(&number) {
                state.taken = number + 1;
                self.changed.notify_all();
                return Some(result);
            }
            if state.alive == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn jobs(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    #[test]
    fn results_come_in_order_and_few_of_them_wait() {
        for number in [1, 2, 7, 16] {
            let begun = AtomicUsize::new(0);
            let mut seen = Vec::new();
            let work = |n: usize| {
                begun.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_micros((n as u64 * 7919) % 300));
                Ok::<_, ()>(n * n)
            };
            ordered(100, jobs(number), work, |n, result| {
                assert_eq!(result, n * n);
                assert!(begun.load(Ordering::SeqCst) <= n + 1 + number + 1);
                seen.push(n);
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_in_order_is_the_one_that_comes_back() {
        for _ in 0..50 {
            let work = |n: usize| if n % 10 == 7 { Err(n) } else { Ok(n) };
            let mut last = None;
            let outcome = ordered(100, jobs(4), work, |n, _| {
                last = Some(n);
                Ok(())
            });
            assert_eq!((outcome, last), (Err(7), Some(6)));
        }
    }

    #[test]
    fn an_error_of_the_taker_ends_it() {
        let outcome = ordered(1000, jobs(3), Ok::<_, usize>, |n, _| if n == 3 { Err(n) } else { Ok(()) });
        assert_eq!(outcome, Err(3));
        assert_eq!(ordered(0, jobs(3), Ok::<_, usize>, |_, _| Ok(())), Ok(()));
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_of_a_worker_is_passed_on() {
        let work = |n: usize| if n == 5 { panic!("as wanted") } else { Ok::<_, ()>(n) };
        let _ = ordered(100, jobs(2), work, |_, _| Ok(()));
    }
}
