//! Exact nearest neighbours, by lower bounds.
//!
//! 1. *Project*: the bank's rows are seen along their principal axes. The first of these are a row's
//!    prefix; distances of prefixes and of projections are lower bounds of the rows' distances.
//! 2. *Ball tree*: rows are split again and again where they spread most, down to blocks of 64 with a
//!    ball around each. Where products of bytes are fast, rows and projections are kept as quantised
//!    rows.
//! 3. *First radius*: of the blocks whose balls are nearest to a query, the rows that look nearest
//!    give the first squared radius, beyond which no neighbour can be.
//! 4. *Prune*: block by block, the ball prunes queries of the batch, then prefixes, projections and
//!    row codes prune pairs whose lower bound is beyond the radius.
//! 5. *Refine*: what is left is settled by the distance of the rows themselves, in float64, and the
//!    radius gets smaller.
//!
//! `pruned` does all that for 64 queries at a time; `dense` scans all of a bank whose distances no
//! prefix can bound; `plain` computes everything in float64. All three give the same answer.
//!
//! Source: S. Omohundro, "Five balltree construction algorithms", ICSI TR-89-063, 1989;
//! lower bounds by orthogonal projection as in C. Faloutsos et al., "Fast subsequence matching in
//! time-series databases", SIGMOD 1994.
//!
//! ```
//! use pyimgano_core::neighbors::KnnIndex;
//! use pyimgano_core::{Matrix, Silent};
//!
//! let bank = [0.0, 0.0, 3.0, 4.0, 6.0, 8.0];
//! let index = KnnIndex::new(Matrix::new(&bank, 3, 2)?, None, None, &Silent)?;
//! let queries = [0.0, 0.0];
//! let found = index.query(Matrix::new(&queries, 1, 2)?, 2, None, None, &Silent)?;
//! assert_eq!((found.distances, found.indices), (vec![0.0, 5.0], vec![0, 1]));
//! # Ok::<(), pyimgano_core::Error>(())
//! ```

mod answers;
mod bank;
mod dense;
mod first_radius;
mod group_index;
mod index;
mod plain;
mod pruned;
mod quantized_queries;
mod quantized_rows;
mod query_batch;
mod structure;
mod tile;
mod topk;

pub use answers::Neighbors;
pub use group_index::GroupIndex;
pub use index::KnnIndex;
