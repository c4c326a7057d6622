//! Greedy k-center selection (a coreset), exact, in batches.
//!
//! Greedy picks the row farthest from all picks, again and again. Done plainly it reads all rows once
//! per pick. In batches it reads them once for many:
//!
//! 1. *Candidates*: the first rows in picking order are taken out of the `cover`.
//! 2. *Batch*: greedy runs among the candidates alone, as long as its pick precedes every row
//!    outside. Rows outside only get closer, so each of these picks is plain greedy's.
//! 3. *Refine*: the picks of the batch are put against all rows in one pass. A lower bound on
//!    prefixes, then one on projections, prunes most pairs of a row and a pick; what is left is
//!    settled by the distance of the rows themselves, in float64.
//! 4. The next batch starts, until there are enough picks. `plain` does without bounds where values
//!    are too large or too small for float32.
//!
//! Source: T. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical
//! Computer Science 38, 1985. Prefixes and lower bounds: `projection` and `bounds`.
//!
//! ```
//! use pyimgano_core::{Matrix, Silent, coreset};
//!
//! let values = [0.0, 0.1, 5.0, 9.0];
//! let features = Matrix::new(&values, 4, 1)?;
//! assert_eq!(coreset::greedy(features, 3, 0, None, &Silent)?, [0, 3, 2]);
//! # Ok::<(), pyimgano_core::Error>(())
//! ```

mod batch;
mod candidates;
mod cover;
mod greedy;
mod plain;
mod refine;

pub use greedy::{greedy, greedy_with_stats};
