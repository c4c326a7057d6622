//! The algorithms of pyimgano, without Python: exact, fast, and the same everywhere.
//!
//! - [`coreset`]: greedy k-center selection of rows.
//! - [`neighbors`]: nearest neighbours, with groups that do not count for each other; the nearest row
//!   of each group.
//! - [`components`]: connected components of a mask, their statistics, and a filter for score maps.
//! - [`convolution`]: networks of convolutions on images.
//! - [`layer_maps`]: maps of several layers averaged, brought to one grid and joined.
//! - [`curves`]: AUROC, average precision, best F1 and AUPRO of score maps against masks.
//! - [`jpeg`]: whether a JPEG's data is whole, bit by bit.
//!
//! Every function takes plain slices or views, reports bad input as an [`Error`], returns the same
//! result for any number of threads and any instruction set, and can be stopped through a
//! [`Monitor`]. Each module begins with its algorithm in numbered sentences and an example.
//!
//! Work is shared out among `n_threads` threads; `None` means `PYIMGANO_NUM_THREADS`, or one per core.
//! `PYIMGANO_SIMD` (`portable`, `avx2`, `avx512`) forces an instruction set, for tests.

#![warn(missing_docs)]

mod ball_tree;
mod bounds;
mod check;
pub mod components;
pub mod convolution;
pub mod coreset;
pub mod curves;
pub mod error;
pub mod jpeg;
pub mod layer_maps;
pub mod matrix;
pub mod memory;
pub mod monitor;
pub mod neighbors;
mod parallel;
mod principal_axes;
mod projection;
mod score;
pub mod simd;
mod stats;
pub mod task;
pub mod threads;

pub use error::{Error, Result};
pub use matrix::Matrix;
pub use monitor::{Monitor, Silent};
pub use stats::SearchStats;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
