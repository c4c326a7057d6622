//! Greedy k-center selection.

use rayon::prelude::*;

use crate::simd::Simd;
use crate::{Error, Matrix, Monitor, Result, check, task};

/// Marks a row that is picked already.
const PICKED: f64 = -1.0;

/// `n_samples` row numbers in pick order: `start`, then always the row farthest from all picks.
///
/// Distances are [`Simd::squared_distance`]; of equally far rows the lowest comes first, and no
/// row comes twice.
pub fn greedy(
    features: Matrix<'_>,
    n_samples: usize,
    start: usize,
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
) -> Result<Vec<usize>> {
    let rows = features.rows();
    if rows == 0 || features.cols() == 0 {
        return Err(Error::Argument(format!(
            "features must have at least one row and one column, got shape ({rows}, {})",
            features.cols()
        )));
    }
    if n_samples == 0 || n_samples > rows {
        return Err(Error::Argument(format!(
            "n_samples must be between 1 and the number of rows, {rows}, got {n_samples}"
        )));
    }
    if start >= rows {
        return Err(Error::Argument(format!(
            "start must be below the number of rows, {rows}, got {start}"
        )));
    }
    let simd = Simd::from_env()?;
    task::run(n_threads, monitor, n_samples, |progress| {
        check::finite("features", features)?;
        let mut nearest = vec![f64::INFINITY; rows];
        let mut picks = vec![start];
        nearest[start] = PICKED;
        while picks.len() < n_samples {
            progress.check()?;
            let last = features.row(picks[picks.len() - 1]);
            let best = nearest
                .par_iter_mut()
                .enumerate()
                .with_min_len(512)
                .map(|(i, value)| {
                    if *value > 0.0 {
                        *value = value.min(simd.squared_distance(features.row(i), last));
                    }
                    (*value, i)
                })
                .reduce(|| (PICKED, usize::MAX), |a, b| if precedes(b, a) { b } else { a });
            nearest[best.1] = PICKED;
            picks.push(best.1);
            progress.add(1);
        }
        Ok(picks)
    })
}

/// The order of picking: the larger distance, then the lower row.
fn precedes(a: (f64, usize), b: (f64, usize)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)
}
