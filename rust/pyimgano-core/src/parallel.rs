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

    #[test]
    fn a_monitor_stops_the_work() {
        struct Stop;
        impl Monitor for Stop {
            fn tick(&self, _done: usize, _total: usize) -> Result<()> {
                Err(Error::Interrupted)
            }
        }
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
