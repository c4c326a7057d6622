//! Numbered pieces of work, shared out between the calling thread and a pool.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{Error, Monitor, Result, threads};

/// Work on fewer pixels than this is done before a second thread has woken up.
pub const WORTH_SHARING: usize = 1 << 15;

/// Runs `work(state, item)` for every item in `0..n_items`, on at most `n_threads` threads.
///
/// Each thread has a state of its own, made by `init`; all of them are returned, in no particular
/// order. Items are handed out in ascending order, so of several failing items the lowest one's
/// error is returned, however many threads there are. The calling thread works too, and ticks the
/// monitor (item counts) after each of its items: items should be short.
pub fn for_each<S: Send>(
    n_items: usize,
    n_threads: usize,
    monitor: &dyn Monitor,
    init: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Result<()> + Sync,
) -> Result<Vec<S>> {
    let n_threads = n_threads.min(n_items).max(1);
    if n_threads == 1 {
        let mut state = init();
        for item in 0..n_items {
            work(&mut state, item)?;
            monitor.tick(item + 1, n_items)?;
        }
        return Ok(vec![state]);
    }
    let shared = Shared {
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        states: Mutex::new(Vec::with_capacity(n_threads)),
        failure: Mutex::new(None),
    };
    let drain = |tick: &dyn Fn(usize) -> Result<()>| {
        let mut state = init();
        while let Some(item) = shared.take(n_items) {
            if let Err(error) = work(&mut state, item).and_then(|()| tick(item)) {
                shared.fail(item, error);
            }
        }
        shared.states.lock().unwrap_or_else(PoisonError::into_inner).push(state);
    };
    let pool = threads::pool(Some(n_threads))?;
    pool.in_place_scope(|scope| {
        for _ in 1..n_threads {
            scope.spawn(|_| drain(&|_| Ok(())));
        }
        drain(&|item| monitor.tick(item + 1, n_items));
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
    use crate::Silent;

    #[test]
    fn every_item_is_done_once_for_any_number_of_threads() {
        for n_threads in [1, 2, 5] {
            let states = for_each(100, n_threads, &Silent, Vec::new, |seen, item| {
                seen.push(item);
                Ok(())
            });
            let mut seen = states.expect("nothing fails").concat();
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_lowest_failing_item_is_reported() {
        for n_threads in [1, 2, 4] {
            let outcome = for_each(
                50,
                n_threads,
                &Silent,
                || (),
                |(), item| match item {
                    7.. => Err(Error::Argument(item.to_string())),
                    _ => Ok(()),
                },
            );
            assert_eq!(outcome.err(), Some(Error::Argument("7".into())));
        }
    }

    #[test]
    fn a_monitor_stops_the_work() {
        struct StopAt(usize);
        impl Monitor for StopAt {
            fn tick(&self, done: usize, _total: usize) -> Result<()> {
                if done >= self.0 { Err(Error::Interrupted) } else { Ok(()) }
            }
        }
        for n_threads in [1, 3] {
            let outcome = for_each(
                1_000,
                n_threads,
                &StopAt(3),
                || 0usize,
                |count, _| {
                    *count += 1;
                    std::thread::sleep(std::time::Duration::from_micros(20));
                    Ok(())
                },
            );
            assert_eq!(outcome.err(), Some(Error::Interrupted));
        }
    }
}
