//! The passes over the images.

use super::bins::Bins;
use super::collect::{Collected, Entry, Range, Totals, collect, sort};
use super::plan::floors;
use super::planes::{Piece, Plane, first_not_finite, pieces};
use super::saturation::{Defect, saturating};
use super::sweep::{Step, Sweep, weight};
use crate::score::{Key, Score};
use crate::simd::Simd;
use crate::task::Progress;
use crate::{Monitor, Result, check, memory, parallel, task};

/// A defect score that the sweep has just passed.
pub(super) struct Passed<K> {
    pub key: K,
    /// The next score below it, if it is known.
    pub next: Option<K>,
    /// FPR and PRO of the scores above it.
    pub before: (f64, f64),
    pub better_f1: bool,
}

/// The images, cut up, and the means to read them.
pub(super) struct Scan<'a, T> {
    pub planes: &'a [Plane<'a, T>],
    pub pieces: Vec<Piece<'a, T>>,
    pixels: u64,
    pub simd: Simd,
    pub progress: &'a Progress,
}

/// Calls `work` on a pool, with what it needs to read the images.
pub(super) fn with_scan<T: Score, R: Send>(
    planes: &[Plane<'_, T>],
    n_threads: Option<usize>,
    monitor: &dyn Monitor,
    work: impl FnOnce(&Scan<'_, T>) -> Result<R> + Send,
) -> Result<R> {
    let pixels: usize = planes.iter().map(|plane| plane.map.len()).sum();
    let simd = Simd::from_env()?;
    let n_threads = if pixels < parallel::WORTH_SHARING { Some(1) } else { n_threads };
    task::run(n_threads, monitor, 1, |progress| {
        work(&Scan { planes, pieces: pieces(planes)?, pixels: pixels as u64, simd, progress })
    })
}

impl<T: Score> Scan<'_, T> {
    /// How many entries to hold at a time, with one histogram per thread.
    fn capacity(&self) -> usize {
        let map_bytes = self.pixels as usize * size_of::<T>();
        let entry =
            2 * size_of::<Entry<T::Key>>() + size_of::<T>() + 8 + 8 * rayon::current_num_threads();
        (map_bytes / entry).max(1 << 16)
    }

    /// Sweeps all defect scores from the top, telling `passed` of each; `None` where a class is
    /// missing.
    pub fn run(
        &self,
        limits: &[f64],
        defects: &[Defect<'_>],
        mut passed: impl FnMut(&Sweep, Passed<T::Key>) -> Result<()>,
    ) -> Result<Option<Sweep>> {
        let mut floors = floors(&self.pieces, self.capacity() / 10 * 9, self.progress)?.into_iter();
        let mut range = Range { floor: T::Key::MIN, ceiling: T::Key::MAX };
        let mut floor = floors.next();
        let mut sweep = None;
        while let Some(wanted) = floor {
            range.floor = wanted;
            let collected = collect(self.planes, range, self.capacity(), self.progress)?;
            let Collected { mut entries, totals: Totals { regions, defect }, .. } = collected;
            sort(&mut entries, self.progress)?;
            let distinct = entries.chunk_by(|a, b| a.key == b.key).map(|same| same[0].key);
            let bins = Bins::new(distinct, self.progress)?;
            let counts = self.count(&bins, range.ceiling)?;
            let normal = self.pixels.saturating_sub(defect);
            if normal == 0 || defect == 0 {
                return Ok(None);
            }
            let sweep = match &mut sweep {
                Some(begun) => begun,
                none => {
                    none.insert(Sweep::new(normal, defect, regions, defects.len() as u64, limits)?)
                }
            };
            let mut saturating = saturating(self.planes, defects, collected.range, self.progress)?;
            sort(&mut saturating, self.progress)?;
            let mut rest_saturating = &saturating[..];
            let count = |bin: usize| counts.iter().map(|one| u64::from(one[bin])).sum::<u64>();
            let mut rest = &entries[..];
            for (i, &key) in bins.keys().iter().enumerate().rev() {
                self.progress.check()?;
                sweep.skip(count(bins.between(i + 1)));
                let before = (sweep.fpr(), sweep.pro());
                let (defect, weight) = passed_at(&mut rest, key);
                let (_, saturating) = passed_at(&mut rest_saturating, key);
                let normal = count(bins.tied(i));
                let better_f1 = sweep.step(Step { normal, defect, weight, saturating });
                let next = (i > 0 && count(bins.between(i)) == 0).then(|| bins.keys()[i - 1]);
                passed(sweep, Passed { key, next, before, better_f1 })?;
            }
            if sweep.passed_too_many() {
                return Err(check::changed("a map"));
            }
            if let Some(&lowest) = bins.keys().first() {
                range.ceiling = lowest;
            }
            if collected.range.floor == wanted {
                floor = floors.next();
            }
        }
        Ok(sweep)
    }

    /// Histograms of the normal pixels, to be added up.
    fn count(&self, bins: &Bins<T::Key>, ceiling: T::Key) -> Result<Vec<Vec<u32>>> {
        struct State {
            counts: Vec<Vec<u32>>,
            pixels: usize,
            finite: bool,
        }
        let make = || {
            let counts = vec![memory::zeros(bins.len())?];
            Ok(State { counts, pixels: 0, finite: true })
        };
        let pieces = &self.pieces;
        let work = |state: &mut State, i: usize| {
            let piece = pieces[i];
            state.pixels += piece.map.len();
            if state.pixels > u32::MAX as usize {
                state.counts.push(memory::zeros(bins.len())?);
                state.pixels = piece.map.len();
            }
            if let Some(counts) = state.counts.last_mut() {
                state.finite &= bins.count(piece, ceiling, counts, self.simd);
            }
            Ok(())
        };
        let states = parallel::for_each(pieces.len(), self.progress, make, work)?;
        if states.iter().any(|state| !state.finite) {
            return Err(first_not_finite(self.planes, self.progress));
        }
        Ok(states.into_iter().flat_map(|state| state.counts).collect())
    }
}

/// Pixels and weight of the last of the sorted entries, which have this key and go.
fn passed_at<K: Key>(rest: &mut &[Entry<K>], key: K) -> (u64, u128) {
    let (mut pixels, mut total) = (0, 0);
    while let Some((entry, lower)) = rest.split_last().filter(|(e, _)| e.key == key) {
        pixels += u64::from(entry.count);
        total += weight(entry.count, entry.area);
        *rest = lower;
    }
    (pixels, total)
}
