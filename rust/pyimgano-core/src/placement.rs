//! On which cores the workers of a pool run, where `PYIMGANO_PIN_THREADS=1` asks for it.
//!
//! Linux may wake both of two workers on one core while the caller still holds the other, and let
//! them take turns for milliseconds. With the variable set, a pool with a worker for each core of the
//! process gives each worker a core of its own; smaller and larger ones are left to the system.
//!
//! Linux 6.18, two cores, searches of 784 x 384 in 16,384 rows: on a quiet machine 3.2 ms in place of
//! 6.5 ms after a pause of 0.3 s; on one that other work kept busy 8 ms in place of 14. Back to back it
//! brings nothing there. What it costs: a pinned worker waits for its core while others are idle, so
//! that two processes that pin on the same cores disturb each other. Not measured on more than two
//! cores.

use libc::{CPU_EQUAL, CPU_ISSET, CPU_SET, CPU_SETSIZE, cpu_set_t, pid_t};

/// A set of cores.
#[derive(Clone, Copy)]
pub(crate) struct Cores(cpu_set_t);

impl PartialEq for Cores {
    fn eq(&self, other: &Self) -> bool {
        // SAFETY: both are valid sets.
        unsafe { CPU_EQUAL(&self.0, &other.0) }
    }
}

/// The calling thread's number.
pub(crate) fn thread_id() -> pid_t {
    // SAFETY: gettid has no preconditions and cannot fail.
    unsafe { libc::gettid() }
}

fn allow(thread: pid_t, cores: &cpu_set_t) {
    // SAFETY: cores is a valid set of that size. A thread that is gone, or a set that is refused, is
    // an error that changes nothing: the worker wakes where it did before.
    unsafe { libc::sched_setaffinity(thread, size_of::<cpu_set_t>(), cores) };
}

fn empty() -> cpu_set_t {
    // SAFETY: a cpu_set_t is an array of integers, for which zeros are valid.
    unsafe { std::mem::zeroed() }
}

impl Cores {
    /// The cores that the calling thread may use; None if there are more than fit a set.
    pub fn allowed() -> Option<Self> {
        let mut set = empty();
        // SAFETY: set is writable and of that size; 0 is the calling thread.
        let failed = unsafe { libc::sched_getaffinity(0, size_of::<cpu_set_t>(), &mut set) };
        (failed == 0).then_some(Self(set))
    }

    fn numbers(&self) -> impl Iterator<Item = usize> {
        // SAFETY: the number is below the size of the set.
        (0..CPU_SETSIZE as usize).filter(|core| unsafe { CPU_ISSET(*core, &self.0) })
    }

    /// Gives each thread a core of its own if there are just as many, else all threads all cores.
    pub fn share_out(&self, threads: &[pid_t]) {
        if self.numbers().count() != threads.len() {
            threads.iter().for_each(|thread| allow(*thread, &self.0));
            return;
        }
        for (thread, core) in threads.iter().zip(self.numbers()) {
            let mut one = empty();
            // SAFETY: the core's number is below the size of the set.
            unsafe { CPU_SET(core, &mut one) };
            allow(*thread, &one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cores of a thread that has been given its part of `cores` as one of `count`, the last.
    fn after(cores: Cores, count: usize) -> Vec<usize> {
        let thread = std::thread::spawn(move || {
            cores.share_out(&vec![thread_id(); count]);
            Cores::allowed().map(|own| own.numbers().collect())
        });
        thread.join().expect("no panic").expect("a small machine")
    }

    #[test]
    fn as_many_threads_as_cores_have_one_each_and_others_have_all() {
        let cores = Cores::allowed().expect("a small machine");
        let numbers: Vec<usize> = cores.numbers().collect();
        let count = numbers.len();
        assert_eq!(after(cores, count), numbers[count - 1..]);
        assert_eq!(after(cores, count + 1), numbers);
        assert!(Cores::allowed() == Some(cores), "this thread is left alone");
    }
}
