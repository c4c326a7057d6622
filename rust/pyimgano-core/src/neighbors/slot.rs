//! Places for answers.

use super::{Job, Neighbors, pruned};
use crate::{Result, memory};

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
}

/// Where the answers to each tile of queries go; every thread has as many tiles, of equal size.
pub(super) fn slots<'a>(job: &Job<'_>, out: &'a mut Neighbors) -> Result<Vec<Slot<'a>>> {
    let threads = rayon::current_num_threads();
    let each = job.queries.rows().div_ceil(threads).max(1);
    let size = each.div_ceil(each.div_ceil(pruned::TILE));
    let places = out.distances.chunks_mut(size * job.k).zip(out.indices.chunks_mut(size * job.k));
    memory::collected(places.enumerate().map(|(tile, (distances, indices))| Slot {
        first: tile * size,
        count: distances.len() / job.k,
        distances,
        indices,
        bounds: vec![],
        answered: false,
    }))
}
