//! Thread pools that survive `fork`.

use std::ops::Deref;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

#[cfg(target_os = "linux")]
use crate::placement::{self, Cores};
use crate::{Error, Result};

/// A pool of threads.
pub struct Pool {
    threads: ThreadPool,
    /// The workers' numbers in the system; 0 until a worker has started.
    #[cfg(target_os = "linux")]
    ids: Arc<[AtomicI32]>,
    /// The cores that were shared out among them.
    #[cfg(target_os = "linux")]
    cores: Mutex<Option<Cores>>,
}

impl Pool {
    fn new(size: usize) -> std::result::Result<Self, rayon::ThreadPoolBuildError> {
        let builder =
            ThreadPoolBuilder::new().num_threads(size).thread_name(|i| format!("pyimgano-{i}"));
        #[cfg(target_os = "linux")]
        {
            let ids: Arc<[AtomicI32]> = (0..size).map(|_| AtomicI32::new(0)).collect();
            let known = Arc::clone(&ids);
            let builder = builder
                .start_handler(move |i| known[i].store(placement::thread_id(), Ordering::Relaxed));
            Ok(Self { threads: builder.build()?, ids, cores: Mutex::new(None) })
        }
        #[cfg(not(target_os = "linux"))]
        Ok(Self { threads: builder.build()? })
    }

    /// Wakes all workers at once, from here: one that another worker wakes may be put on that one's
    /// core and wait there for milliseconds.
    pub fn wake(&self) {
        #[cfg(target_os = "linux")]
        self.place();
        self.threads.spawn_broadcast(|_| {});
    }
}

#[cfg(target_os = "linux")]
impl Pool {
    /// Shares out the caller's cores among the workers, unless that was done before.
    fn place(&self) {
        let mut shared = self.cores.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cores) = Cores::allowed().filter(|cores| shared.as_ref() != Some(cores)) else {
            return;
        };
        let ids: Vec<i32> = self.ids.iter().map(|id| id.load(Ordering::Relaxed)).collect();
        // 0 would stand for the calling thread.
        if !ids.contains(&0) {
            cores.share_out(&ids);
            *shared = Some(cores);
        }
    }
}

impl Deref for Pool {
    type Target = ThreadPool;

    fn deref(&self) -> &ThreadPool {
        &self.threads
    }
}

/// Pools by size, and the process that made them: after a fork their threads are gone.
struct Pools {
    process: u32,
    by_size: Vec<(usize, Arc<Pool>)>,
}

static POOLS: Mutex<Pools> = Mutex::new(Pools { process: 0, by_size: Vec::new() });

/// The number of threads to use: `asked`, else `PYIMGANO_NUM_THREADS`, else one per core.
pub fn resolve(asked: Option<usize>) -> Result<usize> {
    if let Some(n) = asked {
        return match n {
            0 => Err(Error::Argument("n_threads must be at least 1, got 0".into())),
            n => Ok(n),
        };
    }
    match std::env::var("PYIMGANO_NUM_THREADS") {
        Ok(text) if !text.trim().is_empty() => match text.trim().parse::<usize>() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(Error::Argument(format!(
                "PYIMGANO_NUM_THREADS must be a whole number of at least 1, got {text:?}"
            ))),
        },
        _ => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}

/// The pool of this process with `resolve(n_threads)` threads.
pub fn pool(n_threads: Option<usize>) -> Result<Arc<Pool>> {
    let size = resolve(n_threads)?;
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if pools.process != process {
        // Dropping an inherited pool would signal threads that do not exist here: leave it be.
        std::mem::forget(std::mem::take(&mut pools.by_size));
        pools.process = process;
    }
    if let Some((_, pool)) = pools.by_size.iter().find(|(n, _)| *n == size) {
        return Ok(Arc::clone(pool));
    }
    let pool = Pool::new(size)
        .map(Arc::new)
        .map_err(|e| Error::System(format!("could not start {size} threads: {e}")))?;
    pools.by_size.push((size, Arc::clone(&pool)));
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
    fn no_threads_at_all_is_refused() {
        assert!(matches!(resolve(Some(0)), Err(Error::Argument(_))));
    }
}
