//! Batch after batch, until there are enough picks.

use super::cover::Cover;
use super::{batch, candidates, plain, refine};
use crate::ball_tree::BallTree;
use crate::principal_axes::Axes;
use crate::projection::Projected;
use crate::simd::Simd;
use crate::task::{self, Progress};
use crate::{Error, Matrix, Monitor, Result, SearchStats, bounds, check, memory};

/// `n_samples` row numbers in pick order: `start`, then always the row farthest from all picks.
///
/// Distances are [`Simd::squared_distance`]; of equally far rows the lowest comes first, and no
/// row comes twice. The features are not copied: extra memory is about 430 bytes per row, 16 where
/// values are so large or small (beyond 1e±12) that float32 bounds are of no use.
pub fn greedy(
    features: Matrix<'_>,
    n_samples: usize,
    start: usize,
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
) -> Result<Vec<usize>> {
    greedy_with_stats(features, n_samples, start, n_threads, monitor).map(|(picks, _)| picks)
}

/// As [`greedy`], and what the lower bounds spared it.
pub fn greedy_with_stats(
    features: Matrix<'_>,
    n_samples: usize,
    start: usize,
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
) -> Result<(Vec<usize>, SearchStats)> {
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
    if u32::try_from(rows).is_err() {
        return Err(Error::Argument(format!(
            "features must have fewer than 2^32 rows, got {rows}"
        )));
    }
    let simd = Simd::from_env()?;
    task::run(n_threads, monitor, n_samples, |progress| {
        let largest = check::finite("features", features, simd, progress)?;
        if n_samples == 1 {
            Ok((vec![start], SearchStats::default()))
        } else if bounds::RANGE.contains(&largest) {
            batched(features, n_samples, start, simd, progress)
        } else {
            plain::greedy(features, n_samples, start, simd, progress)
        }
    })
}

fn batched(
    features: Matrix<'_>,
    n_samples: usize,
    start: usize,
    simd: Simd,
    progress: &Progress,
) -> Result<(Vec<usize>, SearchStats)> {
    let axes = Axes::of(features, simd, progress)?;
    let mut projections = Projected::of(features, &axes, simd, progress)?;
    let blocks = BallTree::of(&projections, progress)?;
    projections.reorder(&blocks.rows, progress)?;
    let stats = SearchStats::all_refined(features.rows() - 1);
    let mut cover = Cover { features, projections, blocks, nearest: vec![], simd, stats };
    cover.nearest = plain::distances(features, &cover.blocks.rows, start, simd, progress)?;
    let mut picks = memory::reserved(n_samples)?;
    picks.push(start);
    let mut size = candidates::FIRST;
    while picks.len() < n_samples {
        let chosen = candidates::farthest(&cover, size)?;
        let made = batch::greedy(&mut cover, &chosen, n_samples - picks.len(), progress)?;
        picks.extend(made.iter().map(|place| cover.blocks.rows[*place as usize] as usize));
        if picks.len() < n_samples {
            refine::refine(&mut cover, &made, progress)?;
        }
        size = candidates::next_size(size, made.len(), features.rows());
    }
    Ok((picks, cover.stats))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As when another thread writes to the rows after they were checked.
    #[test]
    fn rows_that_turned_out_not_to_be_finite_are_picked_in_the_end() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut values: Vec<f32> = (0..90u8).map(f32::from).collect();
            values[20..50].fill(bad);
            let rows = Matrix::new(&values, 90, 1).expect("fits");
            let ends = |outcome: Result<(Vec<usize>, SearchStats)>| {
                let (mut picks, _) = outcome.expect("runs");
                picks.sort_unstable();
                assert_eq!(picks, (0..90).collect::<Vec<_>>());
            };
            for start in [3, 30] {
                let (simd, progress) = (Simd::best(), Progress::default());
                ends(batched(rows, 90, start, simd, &progress));
                ends(plain::greedy(rows, 90, start, simd, &progress));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn batches_equal_plain_greedy(
            n in 1usize..400, d in 1usize..40, levels in 1u32..2000, seed in any::<u64>()
        ) {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 33) as u32
            };
            let values: Vec<f32> = (0..n * d).map(|_| (next() % levels) as f32 * 0.37).collect();
            let rows = Matrix::new(&values, n, d).expect("fits");
            let n_samples = 1 + next() as usize % n;
            let start = next() as usize % n;
            for simd in Simd::all() {
                let progress = Progress::default();
                let plainly = plain::greedy(rows, n_samples, start, simd, &progress);
                let (expected, all) = plainly.expect("runs");
                let (picks, stats) =
                    batched(rows, n_samples, start, simd, &progress).expect("runs");
                prop_assert_eq!(picks, expected);
                prop_assert_eq!((all.candidates, all.pruned()), (all.refined, 0));
                prop_assert_eq!(stats.candidates, stats.pruned() + stats.refined);
                // All rows are candidates of the one batch.
                prop_assert_eq!(stats.candidates as usize, (n - 1) * n_samples);
            }
        }
    }
}
