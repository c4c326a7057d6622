//! Every distance in float64: for values that float32 arithmetic cannot hold.

use rayon::prelude::*;

use super::bank::Bank;
use super::query_batch::QueryBatch;
use super::topk::{Found, TopK};
use crate::Result;

/// Answers all queries of the batch.
pub(super) fn answer(
    bank: &Bank,
    batch: &QueryBatch<'_>,
    distances: &mut [f32],
    indices: &mut [i64],
) -> Result<()> {
    distances.par_chunks_mut(batch.k).zip(indices.par_chunks_mut(batch.k)).enumerate().try_for_each(
        |(q, (distances, indices))| {
            let query = batch.queries.row(q);
            let mut top = TopK::new(batch.k, bank.rows.len(), f64::INFINITY)?;
            for first in (0..bank.rows.len()).step_by(1024) {
                batch.progress.check()?;
                for place in first..bank.rows.len().min(first + 1024) {
                    if batch.eligible(bank, q, place) {
                        let squared = batch.simd.squared_distance(query, bank.values(place));
                        top.put(Found { squared, row: bank.rows[place] as usize });
                    }
                }
            }
            top.write(distances, indices);
            batch.progress.add(1);
            Ok(())
        },
    )
}
