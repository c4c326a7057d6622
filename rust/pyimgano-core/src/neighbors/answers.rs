//! Places for answers.

use super::query_batch::QueryBatch;
use crate::{Result, SearchStats, memory};

/// Distances and row numbers, `k` for each query, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    /// Euclidean distances; infinity where there is no further eligible row.
    pub distances: Vec<f32>,
    /// Row numbers in the bank; -1 where there is no further eligible row.
    pub indices: Vec<i64>,
}

/// Consecutive queries and where their answers go.
pub(super) struct Slot<'a> {
    pub first: usize,
    pub count: usize,
    pub distances: &'a mut [f32],
    pub indices: &'a mut [i64],
    /// Squared distances that the k-th neighbours do not exceed, if known.
    pub bounds: Vec<f64>,
    /// Whether the answers are there.
    pub answered: bool,
    /// What the answers took.
    pub stats: SearchStats,
}

/// Queries of each tile, `most` at the most: every thread has as many tiles, of equal size.
pub(super) fn tile_size(queries: usize, most: usize) -> usize {
    let each = queries.div_ceil(rayon::current_num_threads()).max(1);
    each.div_ceil(each.div_ceil(most))
}

/// Where the answers to each tile of queries go; every thread has as many tiles, of equal size,
/// `most` queries at the most.
pub(super) fn slots<'a>(
    batch: &QueryBatch<'_>,
    most: usize,
    out: &'a mut Neighbors,
) -> Result<Vec<Slot<'a>>> {
    let size = tile_size(batch.queries.rows(), most);
    let places =
        out.distances.chunks_mut(size * batch.k).zip(out.indices.chunks_mut(size * batch.k));
    memory::collected(places.enumerate().map(|(tile, (distances, indices))| Slot {
        first: tile * size,
        count: distances.len() / batch.k,
        distances,
        indices,
        bounds: vec![],
        answered: false,
        stats: SearchStats::default(),
    }))
}
