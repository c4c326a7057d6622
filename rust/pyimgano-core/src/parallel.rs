//! Numbered pieces of work, shared out between the threads of the current pool.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::task::Progress;
use crate::{Error, Result, memory};

/// Work on fewer pixels than this is done before a second thread has woken up.
pub const WORTH_SHARING: usize = 1 << 15;

/// Runs `work(state, item)` for every item in `0..n_items` on the current pool's threads.
///
/// Each thread has a state of its own, made by `init`; all of them are returned, in no particular
/// order. Items are handed out in ascending order, so of several failing items the lowest one's
/// error is returned, however many threads there are. A stop request is heeded between items.
pub fn for_each<S: Send>(
    n_items: usize,
    progress: &Progress,
    init: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, usize) -> Result<()> + Sync,
) -> Result<Vec<S>> {
    let n_threads = rayon::current_num_threads().min(n_items).max(1);
    let shared = Shared {
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        states: Mutex::new(memory::reserved(n_threads)?),
        failure: Mutex::new(None),
    };
    let drain = || {
        let mut state = match init() {
            Ok(state) => state,
            Err(error) => return shared.fail(0, error),
        };
        while let Some(item) = shared.take(n_items) {
            if let Err(error) = progress.check().and_then(|()| work(&mut state, item)) {
                shared.fail(item, error);
            }
        }
        shared.states.lock().unwrap_or_else(PoisonError::into_inner).push(state);
    };
    rayon::scope(|scope| {
        for _ in 1..n_threads {
            scope.spawn(|_| drain());
        }
        drain();
    });
    match shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(shared.states.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// Runs `work(state, stage, item)` for every item in `0..counts[stage]` of every stage on the current
/// pool's threads; a stage begins when all items of the one before are done.
///
/// Nobody waits for a thread that has not come: this one does what no other takes, so a pool that is
/// busy with something else delays nothing. Threads that have come wait for the next stage without
/// sleeping, for that takes microseconds, and waking up longer. A stop request is heeded between items.
pub fn stages<S: Send>(
    counts: &[usize],
    progress: &Progress,
    init: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, usize, usize) + Sync,
) -> Result<Vec<S>> {
    let most = counts.iter().copied().max().unwrap_or(0);
    let n_threads = rayon::current_num_threads().min(most).max(1);
    let taken: Vec<_> = counts.iter().map(|_| AtomicUsize::new(0)).collect();
    let done: Vec<_> = counts.iter().map(|_| AtomicUsize::new(0)).collect();
    let stop = AtomicBool::new(false);
    let states = Mutex::new(memory::reserved(n_threads)?);
    let failure = Mutex::new(None);
    let fail = |error| {
        stop.store(true, Ordering::Relaxed);
        *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    };
    let drain = || {
        let _guard = StopIfPanicking(&stop);
        let mut state = match init() {
            Ok(state) => state,
            Err(error) => return fail(error),
        };
        for (stage, count) in counts.iter().enumerate() {
            while !stop.load(Ordering::Relaxed) {
                let item = taken[stage].fetch_add(1, Ordering::Relaxed);
                if item >= *count {
                    break;
                }
                match progress.check() {
                    Ok(()) => work(&mut state, stage, item),
                    Err(error) => return fail(error),
                }
                done[stage].fetch_add(1, Ordering::Release);
            }
            let mut waited = 0;
            while done[stage].load(Ordering::Acquire) < *count {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                waited += 1;
                if waited % SPINS == 0 {
                    std::thread::yield_now();
                } else {
                    std::hint::spin_loop();
                }
            }
        }
        states.lock().unwrap_or_else(PoisonError::into_inner).push(state);
    };
    rayon::scope(|scope| {
        for _ in 1..n_threads {
            scope.spawn(|_| drain());
        }
        drain();
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(states.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// Looks at what others have done before a waiting thread lets someone else have its core.
const SPINS: usize = 200;

/// Lets no thread wait for one whose work panicked.
struct StopIfPanicking<'a>(&'a AtomicBool);

impl Drop for StopIfPanicking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// What the threads of one [`for_each`] have in common.
struct Shared<S> {
    next: AtomicUsize,
    stop: AtomicBool,
    states: Mutex<Vec<S>>,
    failure: Mutex<Option<(usize, Error)>>,
}

impl<S> Shared<S> {
    fn take(&self, n_items: usize) -> Option<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let item = self.next.fetch_add(1, Ordering::Relaxed);
        (item < n_items).then_some(item)
    }

    /// Keeps the error of the lowest item: items below a failing one were all taken before it.
    fn fail(&self, item: usize, error: Error) {
        self.stop.store(true, Ordering::Relaxed);
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.as_ref().is_none_or(|(lowest, _)| item < *lowest) {
            *failure = Some((item, error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Monitor, Silent, task};

    #[test]
    fn every_item_is_done_once_for_any_number_of_threads() {
        for n_threads in [1, 2, 5] {
            let states = task::run(Some(n_threads), &Silent, 1, |progress| {
                for_each(
                    100,
                    progress,
                    || Ok(Vec::new()),
                    |seen, item| {
                        seen.push(item);
                        Ok(())
                    },
                )
            });
            let mut seen = states.expect("nothing fails").concat();
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_lowest_failing_item_is_reported() {
        for n_threads in [1, 2, 4] {
            let outcome = task::run(Some(n_threads), &Silent, 1, |progress| {
                for_each(
                    50,
                    progress,
                    || Ok(()),
                    |(), item| match item {
                        7.. => Err(Error::Argument(item.to_string())),
                        _ => Ok(()),
                    },
                )
            });
            assert_eq!(outcome.err(), Some(Error::Argument("7".into())));
        }
    }

    struct Stop;
    impl Monitor for Stop {
        fn tick(&self, _done: usize, _total: usize) -> Result<()> {
            Err(Error::Interrupted)
        }
    }

    #[test]
    fn every_item_of_a_stage_is_done_once_and_after_those_of_the_stages_before() {
        let counts = [3, 0, 17, 1, 5];
        for n_threads in [1, 2, 5] {
            let order = Mutex::new(Vec::new());
            let states = task::run(Some(n_threads), &Silent, 1, |progress| {
                stages(
                    &counts,
                    progress,
                    || Ok(0),
                    |done, stage, item| {
                        *done += 1;
                        order.lock().expect("no panic").push((stage, item));
                    },
                )
            });
            assert_eq!(states.expect("nothing fails").iter().sum::<usize>(), 26);
            let order = order.into_inner().expect("no panic");
            assert!(order.is_sorted_by_key(|(stage, _)| *stage));
            let mut sorted = order;
            sorted.sort_unstable();
            let expected =
                counts.iter().enumerate().flat_map(|(s, count)| (0..*count).map(move |i| (s, i)));
            assert_eq!(sorted, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn stages_end_by_a_stop_request_a_refusal_or_a_panic() {
        for n_threads in [1, 3] {
            let slow = |_: &mut (), _, _| {
                std::thread::sleep(std::time::Duration::from_micros(20));
            };
            let stopped = task::run(Some(n_threads), &Stop, 1, |progress| {
                stages(&[usize::MAX], progress, || Ok(()), slow)
            });
            assert_eq!(stopped.err(), Some(Error::Interrupted));
            let refused = task::run(Some(n_threads), &Silent, 1, |progress| {
                stages(&[9, 9], progress, || Err(Error::Memory("none".into())), slow)
            });
            assert_eq!(refused.err(), Some(Error::Memory("none".into())));
            let panicked = std::panic::catch_unwind(|| {
                task::run(Some(n_threads), &Silent, 1, |progress| {
                    let bad = |_: &mut (), stage, item| assert_ne!((stage, item), (1, 4));
                    stages(&[9, 9, 9], progress, || Ok(()), bad)
                })
            });
            assert!(panicked.is_err());
        }
    }

    #[test]
    fn a_monitor_stops_the_work() {
        for n_threads in [1, 3] {
            let outcome = task::run(Some(n_threads), &Stop, 1, |progress| {
                for_each(
                    usize::MAX,
                    progress,
                    || Ok(()),
                    |(), _| {
                        std::thread::sleep(std::time::Duration::from_micros(20));
                        Ok(())
                    },
                )
            });
            assert_eq!(outcome.err(), Some(Error::Interrupted));
        }
    }
}
