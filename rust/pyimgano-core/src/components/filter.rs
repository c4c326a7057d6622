//! The filter that keeps only components large and high enough.

use std::sync::{Mutex, PoisonError};

use super::label::{Component, Components, Connectivity};
use super::runs::above_bits;
use crate::task::{self, Progress};
use crate::{Error, Monitor, Result, check, memory, parallel};

/// Which components stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keep {
    /// Foreground is every pixel above this.
    pub threshold: f32,
    /// A component needs at least this many pixels,
    pub min_area: usize,
    /// and, where given, a largest score of at least this.
    pub min_score: Option<f32>,
    /// How pixels touch.
    pub connectivity: Connectivity,
}

/// One map to filter and the place of the result, which must be all zero on entry.
pub struct Job<'a> {
    map: &'a [f32],
    out: &'a mut [f32],
    height: usize,
    width: usize,
}

/// Copies the pixels of the components that stay from each map to its output; all other pixels of
/// the outputs are left alone, so that zeroed memory that was never touched stays untouched.
///
/// Extra memory: the runs of one image per thread, see [`Components`].
pub fn filter(
    jobs: Vec<(&[f32], &mut [f32], [usize; 2])>,
    keep: Keep,
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
) -> Result<()> {
    if keep.threshold.is_nan() || keep.min_score.is_some_and(f32::is_nan) {
        return Err(Error::Argument("threshold and min_score must not be NaN".into()));
    }
    let mut slots = memory::reserved(jobs.len())?;
    let mut pixels = 0;
    for (map, out, [height, width]) in jobs {
        check::shape(map.len(), height, width)?;
        check::shape(out.len(), height, width)?;
        pixels += map.len();
        slots.push(Mutex::new(Job { map, out, height, width }));
    }
    let n_threads = if pixels < parallel::WORTH_SHARING { Some(1) } else { n_threads };
    task::run(n_threads, monitor, 1, |progress| {
        parallel::for_each(
            slots.len(),
            progress,
            || Ok(Scratch::default()),
            |scratch, i| {
                let mut job = slots[i].lock().unwrap_or_else(PoisonError::into_inner);
                if filter_one(&mut job, keep, scratch, progress)? {
                    return Ok(());
                }
                let name =
                    if slots.len() == 1 { "anomaly_map".into() } else { format!("maps[{i}]") };
                let Some(at) = job.map.iter().position(|value| !value.is_finite()) else {
                    return Err(check::changed(&name));
                };
                Err(Error::NotFinite(format!(
                    "{name} holds {} at row {}, column {}",
                    job.map[at],
                    at / job.width,
                    at % job.width
                )))
            },
        )
    })?;
    Ok(())
}

#[derive(Default)]
struct Scratch {
    found: Components,
    areas: Vec<u32>,
    maxima: Vec<f32>,
}

/// Filters one map, unless a value of it is not finite: then false.
fn filter_one(
    job: &mut Job<'_>,
    keep: Keep,
    scratch: &mut Scratch,
    progress: &Progress,
) -> Result<bool> {
    let Scratch { found, areas, maxima } = scratch;
    let (map, width) = (job.map, job.width);
    let row_of = |y: usize| &map[y * width..(y + 1) * width];
    let mut finite = true;
    found.find(job.height, width, keep.connectivity, progress, |y, words| {
        finite &= above_bits(row_of(y), keep.threshold, words);
    })?;
    if !finite {
        return Ok(false);
    }
    found.areas(areas)?;
    maxima.clear();
    if keep.min_score.is_some() {
        memory::resize(maxima, areas.len(), f32::NEG_INFINITY)?;
        for Component { number, row, run } in found.iter() {
            progress.check()?;
            let scores = &row_of(row)[run.start as usize..run.end as usize];
            let best = &mut maxima[number as usize];
            *best =
                scores.iter().fold(*best, |best, &score| if score > best { score } else { best });
        }
    }
    for Component { number, row, run } in found.iter() {
        progress.check()?;
        let high = keep.min_score.is_none_or(|least| maxima[number as usize] >= least);
        if high && areas[number as usize] as usize >= keep.min_area {
            let columns = run.start as usize..run.end as usize;
            job.out[row * width..][columns.clone()].copy_from_slice(&row_of(row)[columns]);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    const KEEP: Keep =
        Keep { threshold: 0.5, min_area: 2, min_score: None, connectivity: Connectivity::Four };

    fn filtered(map: &[f32], shape: [usize; 2], keep: Keep) -> Result<Vec<f32>> {
        let mut out = vec![0.0; map.len()];
        filter(vec![(map, &mut out, shape)], keep, Some(1), &Silent)?;
        Ok(out)
    }

    #[test]
    fn small_and_low_components_go() {
        let map = [0.9, 0.8, 0.1, 0.0, 0.4, 0.7, 0.6, 0.6, 0.2];
        // Areas: {0.9, 0.8} and {0.7} are one piece of 4 with 0.6, 0.6 below: 0.8-0.4 no.
        // Row 0: 0.9 0.8 .  Row 1: . . 0.7  Row 2: 0.6 0.6 .
        assert_eq!(
            filtered(&map, [3, 3], KEEP),
            Ok(vec![0.9, 0.8, 0.0, 0.0, 0.0, 0.0, 0.6, 0.6, 0.0])
        );
        let high = Keep { min_score: Some(0.9), ..KEEP };
        assert_eq!(
            filtered(&map, [3, 3], high),
            Ok(vec![0.9, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        );
        let joined = Keep { connectivity: Connectivity::Eight, min_area: 5, ..KEEP };
        assert_eq!(
            filtered(&map, [3, 3], joined),
            Ok(vec![0.9, 0.8, 0.0, 0.0, 0.0, 0.7, 0.6, 0.6, 0.0])
        );
        let none = Keep { threshold: 2.0, ..KEEP };
        assert_eq!(filtered(&map, [3, 3], none), Ok(vec![0.0; 9]));
    }

    #[test]
    fn a_negative_threshold_keeps_negative_scores() {
        let keep = Keep { threshold: -1.0, min_area: 0, ..KEEP };
        assert_eq!(filtered(&[-0.5, -2.0], [1, 2], keep), Ok(vec![-0.5, 0.0]));
    }

    #[test]
    fn bad_values_are_named() {
        let error = filtered(&[0.0, 0.0, 0.0, f32::NAN], [2, 2], KEEP);
        assert_eq!(error, Err(Error::NotFinite("anomaly_map holds NaN at row 1, column 1".into())));
        let keep = Keep { threshold: f32::NAN, ..KEEP };
        assert!(matches!(filtered(&[0.0], [1, 1], keep), Err(Error::Argument(_))));
        assert!(matches!(filtered(&[0.0], [1, 2], KEEP), Err(Error::Argument(_))));
    }
}
