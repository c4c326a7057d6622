//! Every distance in float64: for values that float32 arithmetic cannot hold.

use rayon::prelude::*;

use super::topk::{Found, TopK};
use super::{Bank, Job};
use crate::Result;

/// Answers all queries of the job.
pub(super) fn answer(
    bank: &Bank,
    job: &Job<'_>,
    distances: &mut [f32],
    indices: &mut [i64],
) -> Result<()> {
    distances.par_chunks_mut(job.k).zip(indices.par_chunks_mut(job.k)).enumerate().try_for_each(
        |(q, (distances, indices))| {
            let query = job.queries.row(q);
            let mut top = TopK::new(job.k, bank.rows.len(), f64::INFINITY)?;
            for first in (0..bank.rows.len()).step_by(1024) {
                job.progress.check()?;
                for place in first..bank.rows.len().min(first + 1024) {
                    if job.eligible(bank, q, place) {
                        let squared = job.simd.squared_distance(query, bank.values(place));
                        top.put(Found { squared, row: bank.rows[place] as usize });
                    }
                }
            }
            top.write(distances, indices);
            job.progress.add(1);
            Ok(())
        },
    )
}
