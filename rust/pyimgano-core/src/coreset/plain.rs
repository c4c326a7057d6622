//! Greedy selection without bounds: one pass over all rows per pick, all in float64.

use rayon::prelude::*;

use super::cover::{PICKED, precedes};
use crate::simd::Simd;
use crate::task::Progress;
use crate::{Matrix, Result, SearchStats, memory};

/// The plain algorithm, and what it took.
pub(super) fn greedy(
    features: Matrix<'_>,
    n_samples: usize,
    start: usize,
    simd: Simd,
    progress: &Progress,
) -> Result<(Vec<usize>, SearchStats)> {
    let mut nearest = memory::filled(features.rows(), f64::INFINITY)?;
    let mut picks = memory::reserved(n_samples)?;
    picks.push(start);
    nearest[start] = PICKED;
    let mut computed = 0;
    while picks.len() < n_samples {
        let last = features.row(picks[picks.len() - 1]);
        let best = nearest
            .par_iter_mut()
            .enumerate()
            .with_min_len(512)
            .map(|(row, value)| {
                progress.check()?;
                let open = *value > 0.0;
                if open {
                    *value = value.min(simd.squared_distance(features.row(row), last));
                }
                Ok(((*value, row as u32), usize::from(open)))
            })
            .try_reduce(
                || ((PICKED, u32::MAX), 0),
                |(a, m), (b, n)| Ok((if precedes(b, a) { b } else { a }, m + n)),
            )?;
        computed += best.1;
        let row = best.0.1 as usize;
        nearest[row] = PICKED;
        picks.push(row);
        progress.add(1);
    }
    Ok((picks, SearchStats::all_refined(computed)))
}

/// Squared distances of `rows` to row `start`, which itself is marked as picked.
pub(super) fn distances(
    features: Matrix<'_>,
    rows: &[u32],
    start: usize,
    simd: Simd,
    progress: &Progress,
) -> Result<Vec<f64>> {
    let first = features.row(start);
    let mut all = memory::filled(rows.len(), PICKED)?;
    all.par_iter_mut().zip(rows).with_min_len(512).try_for_each(|(value, row)| {
        let row = *row as usize;
        progress.check()?;
        if row != start {
            // Never NaN, whatever has become of the features since they were checked: a row that
            // no distance precedes would never be picked.
            *value = simd.squared_distance(features.row(row), first).min(f64::INFINITY);
        }
        Ok(())
    })?;
    Ok(all)
}
