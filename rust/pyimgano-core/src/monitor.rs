//! How a long kernel reports progress and learns that it should stop.

use crate::Result;

/// Called by a kernel from the thread that called it, never from a worker, several times a second.
pub trait Monitor {
    /// `done` of `total` units of work are finished. An error stops the kernel, which returns it.
    fn tick(&self, done: usize, total: usize) -> Result<()>;
}

/// A monitor that never stops anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn tick(&self, _done: usize, _total: usize) -> Result<()> {
        Ok(())
    }
}
