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

/// Where the answers to each tile of queries go; every thread has as many tiles, of equal size,
/// `most` queries at the most.
pub(super) fn slots<'a>(
    batch: &QueryBatch<'_>,
    most: usize,
    out: &'a mut Neighbors,
) -> Result<Vec<Slot<'a>>> {
    let threads = rayon::current_num_threads();
    let each = batch.queries.rows().div_ceil(threads).max(1);
    let size = each.div_ceil(each.div_ceil(most));
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
