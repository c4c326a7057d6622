//! Every distance in float64: for values that float32 arithmetic cannot hold.

use rayon::prelude::*;

use super::bank::Bank;
use super::query_batch::QueryBatch;
use super::topk::{Found, TopK};
use crate::{Result, SearchStats};

/// Answers all queries of the batch, and tells what that took.
pub(super) fn answer(
    bank: &Bank<'_>,
    batch: &QueryBatch<'_>,
    distances: &mut [f32],
    indices: &mut [i64],
) -> Result<SearchStats> {
    let places = distances.par_chunks_mut(batch.k).zip(indices.par_chunks_mut(batch.k));
    places
        .enumerate()
        .map(|(q, (distances, indices))| {
            let query = batch.queries.row(q);
            let mut stats = SearchStats::default();
            let mut top = TopK::new(batch.k, bank.rows.len(), f64::INFINITY)?;
            for first in (0..bank.rows.len()).step_by(1024) {
                batch.progress.check()?;
                for place in first..bank.rows.len().min(first + 1024) {
                    if batch.eligible(bank, q, place) {
                        let squared = batch.simd.squared_distance(query, bank.values(place));
                        top.put(Found { squared, row: bank.rows[place] as usize });
                        stats.refined += 1;
                    }
                }
            }
            top.write(distances, indices);
            batch.progress.add(1);
            stats.candidates = bank.rows.len() as u64;
            stats.excluded = stats.candidates - stats.refined;
            Ok(stats)
        })
        .try_reduce(SearchStats::default, |a, b| Ok(a + b))
}
