//! The algorithms of pyimgano, without Python.
//!
//! Every function takes plain slices or views, reports bad input as an [`Error`], returns the same
//! result for any number of threads and any instruction set, and can be stopped through a
//! [`Monitor`].

mod axes;
mod blocks;
mod bounds;
mod check;
pub mod components;
pub mod coreset;
pub mod curves;
mod embed;
pub mod error;
pub mod jpeg;
pub mod matrix;
pub mod memory;
pub mod monitor;
pub mod neighbors;
mod parallel;
#[cfg(target_os = "linux")]
mod placement;
pub mod simd;
pub mod task;
pub mod threads;

pub use error::{Error, Result};
pub use matrix::Matrix;
pub use monitor::{Monitor, Silent};
