//! Thread pools that survive `fork`, and how many threads they have.
//!
//! A forked child has none of its parent's threads. What they held is held for ever there, so a fork
//! waits until no pool is being made, and the child begins without pools.

#[cfg(unix)]
use std::cell::RefCell;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, Result, memory};

/// The most threads that can be asked for.
pub const MOST: usize = 1024;

/// Pools that are kept. Those of other sizes end with the last call that uses them.
const KEPT: usize = 4;

/// Bytes of a thread's stack.
const STACK: usize = 2 << 20;

/// Bytes that a thread may ask for while it starts.
const STARTING: usize = 256 << 10;

/// A pool of threads.
pub struct Pool(ThreadPool);

impl Pool {
    fn new(size: usize) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        // Threads that have started ask for more, and the C library ends the process where that is
        // refused: what all of them need must be there before the first one starts.
        drop(memory::reserved::<u8>(size * (STACK + STARTING))?);
        let (ready, started) = mpsc::channel();
        let on_start = move |_worker| {
            // What is made once per thread.
            drop(crossbeam_epoch::pin());
            // Sending fails only if no one waits any more.
            let _ = ready.send(());
        };
        let threads = ThreadPoolBuilder::new()
            .num_threads(size)
            .stack_size(STACK)
            .thread_name(|i| format!("pyimgano-{i}"))
            .start_handler(on_start)
            .build()?;
        // Before anyone else takes the memory.
        started.iter().take(size).for_each(drop);
        Ok(Self(threads))
    }

    /// Wakes all workers at once, from here: one that another worker wakes may be put on that one's
    /// core and wait there for milliseconds.
    pub fn wake(&self) {
        self.0.spawn_broadcast(|_| {});
    }
}

impl Deref for Pool {
    type Target = ThreadPool;

    fn deref(&self) -> &ThreadPool {
        &self.0
    }
}

/// The pools of this process, the one used last at the end.
struct Pools {
    kept: Vec<Arc<Pool>>,
    /// Whether forks have been told.
    known: bool,
}

static POOLS: Mutex<Pools> = Mutex::new(Pools { kept: Vec::new(), known: false });

fn pools() -> MutexGuard<'static, Pools> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
thread_local! {
    /// The pools, between the two sides of a fork by this thread.
    static HELD: RefCell<Option<MutexGuard<'static, Pools>>> = const { RefCell::new(None) };
}

#[cfg(unix)]
extern "C" fn before_fork() {
    let _ = HELD.try_with(|held| held.replace(Some(pools())));
}

#[cfg(unix)]
extern "C" fn after_fork_in_parent() {
    let _ = HELD.try_with(|held| held.take());
}

#[cfg(unix)]
extern "C" fn after_fork_in_child() {
    let _ = HELD.try_with(|held| {
        if let Some(mut pools) = held.take() {
            // Dropping an inherited pool would signal threads that do not exist here: leave it be.
            std::mem::forget(std::mem::take(&mut pools.kept));
        }
    });
}

impl Pools {
    /// Makes forks wait while pools are made.
    fn announce(&mut self) -> Result<()> {
        #[cfg(unix)]
        if !self.known {
            // SAFETY: the handlers are functions of this library, which is never unloaded, and
            // they do not unwind.
            let refused = unsafe {
                libc::pthread_atfork(
                    Some(before_fork),
                    Some(after_fork_in_parent),
                    Some(after_fork_in_child),
                )
            };
            if refused != 0 {
                return Err(Error::Memory("there is no memory to prepare for forks".into()));
            }
        }
        self.known = true;
        Ok(())
    }
}

/// Makes what all pools share, so that no fork meets it half made. [`pool`] does the same, but then a
/// fork by another thread at that very moment, of the first call, may leave the child stuck.
pub fn prepare() -> Result<()> {
    drop(crossbeam_epoch::pin());
    pools().announce()
}

/// The number of threads to use: `asked`, else `PYIMGANO_NUM_THREADS`, else one per core; from 1 to
/// [`MOST`].
pub fn resolve(asked: Option<usize>) -> Result<usize> {
    if let Some(n) = asked {
        return match n {
            1..=MOST => Ok(n),
            0 => Err(Error::Argument("n_threads must be at least 1, got 0".into())),
            _ => Err(Error::Argument(format!("n_threads must be at most {MOST}, got {n}"))),
        };
    }
    match std::env::var("PYIMGANO_NUM_THREADS") {
        Ok(text) if !text.trim().is_empty() => match text.trim().parse::<usize>() {
            Ok(n @ 1..=MOST) => Ok(n),
            _ => Err(Error::Argument(format!(
                "PYIMGANO_NUM_THREADS must be a whole number from 1 to {MOST}, got {text:?}"
            ))),
        },
        _ => Ok(std::thread::available_parallelism().map_or(1, usize::from).min(MOST)),
    }
}

/// The pool of this process with `resolve(n_threads)` threads.
pub fn pool(n_threads: Option<usize>) -> Result<Arc<Pool>> {
    let size = resolve(n_threads)?;
    let mut pools = pools();
    pools.announce()?;
    let found = pools.kept.iter().position(|pool| pool.current_num_threads() == size);
    let pool = match found {
        Some(at) => pools.kept.remove(at),
        None => Arc::new(Pool::new(size).map_err(|why| {
            Error::Memory(format!(
                "could not start {size} threads ({why}): ask for fewer by n_threads or \
                 PYIMGANO_NUM_THREADS"
            ))
        })?),
    };
    if pools.kept.len() == KEPT {
        pools.kept.remove(0);
    }
    pools.kept.push(Arc::clone(&pool));
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_gives_the_same_pool() {
        let a = pool(Some(2)).expect("two threads");
        let b = pool(Some(2)).expect("two threads");
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(a.current_num_threads(), 2);
    }

    #[test]
    fn no_threads_and_too_many_are_refused() {
        for asked in [0, MOST + 1, 1 << 40, usize::MAX] {
            assert!(matches!(resolve(Some(asked)), Err(Error::Argument(_))), "{asked}");
        }
        assert_eq!(resolve(Some(MOST)), Ok(MOST));
    }

    #[test]
    fn a_pool_that_gives_way_to_others_ends_with_its_last_user() {
        let first = pool(Some(11)).expect("a few threads");
        for size in 12..12 + KEPT {
            pool(Some(size)).expect("a few threads");
        }
        assert_eq!(Arc::strong_count(&first), 1);
        assert_eq!(first.install(|| 7), 7);
    }
}
