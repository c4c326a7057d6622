//! Runs a kernel on a pool while the calling thread watches its [`Monitor`].

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::{Error, Monitor, Result, threads};

/// How long a stop request or a progress report may wait.
const EVERY: Duration = Duration::from_millis(25);

/// Work on fewer pixels than this is over before anyone could stop it.
pub(crate) const QUICK: usize = 1 << 20;

/// What the workers of one kernel run share with the thread that called it.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicUsize,
    stop: AtomicBool,
}

impl Progress {
    /// `n` more units of work are finished.
    pub fn add(&self, n: usize) {
        self.done.fetch_add(n, Ordering::Relaxed);
    }

    /// An error once the caller wants the work to stop. Workers ask every few milliseconds.
    pub fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Set when the work ends, even by a panic.
struct Ended<'a>(&'a Mutex<bool>, &'a Condvar);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }
}

/// `work` on a pool of `n_threads` threads; `monitor` hears of `total` units from this thread.
pub fn run<T: Send>(
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
    total: usize,
    work: impl FnOnce(&Progress) -> Result<T> + Send,
) -> Result<T> {
    let pool = threads::pool(n_threads)?;
    pool.wake();
    let progress = Progress::default();
    let (ended, wake) = (Mutex::new(false), Condvar::new());
    let mut outcome = Err(Error::Interrupted);
    let watched = pool.in_place_scope(|scope| {
        let (shared, slot) = (&progress, &mut outcome);
        let signal = Ended(&ended, &wake);
        scope.spawn(move |_| {
            let _signal = signal;
            *slot = work(shared);
        });
        let mut guard = ended.lock().unwrap_or_else(PoisonError::into_inner);
        while !*guard {
            let (next, wait) =
                wake.wait_timeout(guard, EVERY).unwrap_or_else(PoisonError::into_inner);
            guard = next;
            if wait.timed_out() && !*guard {
                drop(guard);
                if let Err(error) = monitor.tick(progress.done.load(Ordering::Relaxed), total) {
                    progress.stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                guard = ended.lock().unwrap_or_else(PoisonError::into_inner);
            }
        }
        Ok(())
    });
    watched?;
    let value = outcome?;
    monitor.tick(total, total)?;
    Ok(value)
}

/// `work` on one thread: this one if it is `quick`, else another, which `monitor` can stop.
pub fn run_alone<T: Send>(
    quick: bool,
    monitor: &dyn Monitor,
    work: impl FnOnce(&Progress) -> Result<T> + Send,
) -> Result<T> {
    if quick { work(&Progress::default()) } else { run(Some(1), monitor, 1, work) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;
    use std::cell::Cell;

    struct StopAt(Cell<usize>);

    impl Monitor for StopAt {
        fn tick(&self, _done: usize, _total: usize) -> Result<()> {
            self.0.set(self.0.get() + 1);
            if self.0.get() > 2 { Err(Error::Argument("stopped".into())) } else { Ok(()) }
        }
    }

    #[test]
    fn the_result_comes_back() {
        assert_eq!(run(Some(2), &Silent, 1, |_| Ok(7)), Ok(7));
    }

    #[test]
    fn the_monitor_stops_the_work_and_its_error_comes_back() {
        let outcome: Result<()> = run(Some(1), &StopAt(Cell::new(0)), 1, |progress| {
            loop {
                progress.check()?;
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        assert_eq!(outcome, Err(Error::Argument("stopped".into())));
    }

    #[test]
    fn a_panic_does_not_hang_the_caller() {
        let outcome =
            std::panic::catch_unwind(|| run::<()>(Some(1), &Silent, 1, |_| panic!("on purpose")));
        assert!(outcome.is_err());
    }
}
