//! What can go wrong in a kernel.

use std::fmt;

/// A kernel's refusal. The binding maps each variant to its own Python exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// An argument is out of its range or does not fit the others; the text names it.
    Argument(String),
    /// A value is NaN or infinite; the text names the array and the place.
    NotFinite(String),
    /// The caller's [`Monitor`](crate::Monitor) asked to stop.
    Interrupted,
    /// The operating system has no memory, or no threads, for this.
    Memory(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(text) | Self::NotFinite(text) | Self::Memory(text) => f.write_str(text),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
