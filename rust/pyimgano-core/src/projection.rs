//! Rows seen along the principal axes: projections and prefixes, whose distances are lower bounds.
//!
//! With orthonormal axes Q and r the distance of x from their span, x ↦ (Q x, r) does not lengthen
//! any distance. What is stored is that map rounded; each row's `slack` bounds how far its stored
//! projection is from the ideal one, so ‖a−b‖ ≥ ‖e(a)−e(b)‖ − slack(a) − slack(b).

use rayon::prelude::*;

use crate::bounds::{U, gamma};
use crate::principal_axes::{AXES, Axes, NARROW, subtract};
use crate::simd::{PANEL, Queries, Simd};
use crate::task::Progress;
use crate::{Matrix, Result, memory};

/// Columns of the prefix: the first axes and the rest's length.
pub(crate) const PREFIX: usize = 33;

/// Columns of the projection: all axes and the rest's length.
pub(crate) const PROJECTION: usize = PANEL;

/// Columns multiplied in one go, so that sums are short and the axes stay in the first cache.
const STRIPE: usize = 128;

/// Rows embedded in one go.
const ROWS: usize = 48;

/// Two projections of each row.
#[derive(Debug, Clone)]
pub(crate) struct Projected {
    /// [`PROJECTION`] values per row: along all axes, then the length of the rest.
    pub long: Vec<f32>,
    /// Per row the length of what the first `PREFIX - 1` axes leave.
    pub rest: Vec<f32>,
    /// Per row the slack of both projections.
    pub slack: Vec<f32>,
}

impl Projected {
    /// Projections of all `rows`, whose centred values must lie in [`RANGE`](crate::bounds::RANGE).
    pub fn of(rows: Matrix<'_>, axes: &Axes, simd: Simd, progress: &Progress) -> Result<Self> {
        let n = rows.rows();
        let (long, rest) = (memory::zeros(n * PROJECTION)?, memory::zeros(n)?);
        let mut all = Self { long, rest, slack: memory::zeros(n)? };
        let errors = Errors::new(axes);
        all.long
            .par_chunks_mut(ROWS * PROJECTION)
            .zip(all.rest.par_chunks_mut(ROWS))
            .zip(all.slack.par_chunks_mut(ROWS))
            .enumerate()
            .try_for_each_init(Scratch::default, |scratch, (chunk, ((long, rest), slack))| {
                progress.check()?;
                let count = rest.len();
                let d = rows.cols();
                let block = &rows.data()[chunk * ROWS * d..][..count * d];
                scratch.project(block, axes, simd, long);
                for i in 0..count {
                    let projections = &mut long[i * PROJECTION..(i + 1) * PROJECTION];
                    (rest[i], slack[i]) = errors.finish(scratch.squares[i], projections);
                }
                Ok(())
            })?;
        Ok(all)
    }

    /// Brings the projections into another order: the one at `places[i]` comes to place `i`.
    ///
    /// `places` holds every place once. Done along the cycles of that permutation, so that no second
    /// copy of the projections is ever held. Stopped midway, it leaves them in no order at all.
    pub fn reorder(&mut self, places: &[u32], progress: &Progress) -> Result<()> {
        let mut done = memory::zeros(places.len())?;
        for first in 0..places.len() {
            if done[first] {
                continue;
            }
            let (long, rest, slack) = (*self.long(first), self.rest[first], self.slack[first]);
            let mut to = first;
            loop {
                progress.check()?;
                done[to] = true;
                let from = places[to] as usize;
                if from == first {
                    break;
                }
                self.long.copy_within(from * PROJECTION..(from + 1) * PROJECTION, to * PROJECTION);
                self.rest[to] = self.rest[from];
                self.slack[to] = self.slack[from];
                to = from;
            }
            self.long[to * PROJECTION..(to + 1) * PROJECTION].copy_from_slice(&long);
            self.rest[to] = rest;
            self.slack[to] = slack;
        }
        Ok(())
    }

    /// The projections at `places`, which may name one more than once.
    pub fn gathered(&self, places: &[u32], progress: &Progress) -> Result<Self> {
        let n = places.len();
        let mut all = Self {
            long: memory::reserved(n * PROJECTION)?,
            rest: memory::reserved(n)?,
            slack: memory::reserved(n)?,
        };
        for place in places.iter().map(|place| *place as usize) {
            progress.check()?;
            all.long.extend_from_slice(self.long(place));
            all.rest.push(self.rest[place]);
            all.slack.push(self.slack[place]);
        }
        Ok(all)
    }

    /// The projection of row `i`.
    pub fn long(&self, i: usize) -> &[f32; PROJECTION] {
        &self.long.as_chunks().0[i]
    }

    /// Writes the prefix of row `i`.
    pub fn short(&self, i: usize, out: &mut [f32]) {
        out[..PREFIX - 1].copy_from_slice(&self.long[i * PROJECTION..][..PREFIX - 1]);
        out[PREFIX - 1] = self.rest[i];
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    stripe: Vec<f32>,
    part: Vec<f32>,
    squares: Vec<f64>,
}

impl Scratch {
    /// Centres `rows`, adds up their squares and multiplies them with the axes.
    fn project(&mut self, rows: &[f32], axes: &Axes, simd: Simd, out: &mut [f32]) {
        let d = axes.centre.len();
        let n = rows.len() / d;
        self.squares.clear();
        self.squares.resize(n, 0.0);
        self.part.resize(n * PANEL, 0.0);
        for first in (0..d).step_by(STRIPE) {
            let dims = STRIPE.min(d - first);
            self.stripe.resize(n * dims, 0.0);
            let centre = &axes.centre[first..first + dims];
            for (i, centred) in self.stripe.chunks_exact_mut(dims).enumerate() {
                let row = &rows[i * d + first..][..dims];
                self.squares[i] += simd.vectorize(
                    #[inline(always)]
                    || {
                        subtract(row, centre, centred);
                        square(centred)
                    },
                );
            }
            let panel = &axes.panel[first * PANEL..(first + dims) * PANEL];
            let queries = Queries { rows: &self.stripe, dims };
            if first == 0 {
                simd.dots(panel, queries, out);
            } else {
                simd.dots(panel, queries, &mut self.part);
                out.iter_mut().zip(&self.part).for_each(|(sum, x)| *sum += x);
            }
        }
    }
}

/// Squared length in float64.
#[inline(always)]
pub(crate) fn square(values: &[f32]) -> f64 {
    let mut sums = [0.0; 16];
    let (chunks, tail) = values.as_chunks::<16>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(tail) {
        *sum += f64::from(*x) * f64::from(*x);
    }
    sums.iter().sum()
}

/// How far projections may be off, relative to the length of the centred row.
struct Errors {
    /// Along the first `PREFIX - 1` axes, and along all.
    along: [f64; 2],
    /// Whether that many axes already span everything.
    complete: [bool; 2],
}

impl Errors {
    fn new(axes: &Axes) -> Self {
        let d = axes.centre.len();
        // Each product with an axis: one rounding for centring, sums over a stripe, stripes added.
        // Axes of few columns are unit vectors, which add no rounding beyond centring.
        let one = if d <= NARROW { U } else { gamma(d.min(STRIPE) + d / STRIPE + 4) };
        let along = |count: usize| {
            (count.min(axes.count) as f64).sqrt() * one * (1.0 + axes.skew) + axes.skew + U
        };
        Self {
            along: [along(PREFIX - 1) * 1.01, along(AXES) * 1.01],
            complete: [d < PREFIX, d <= AXES],
        }
    }

    /// From a row's squared length and its products: writes the projection's last value, returns
    /// the short one's and the slack.
    fn finish(&self, squared: f64, projections: &mut [f32]) -> (f32, f32) {
        let length = squared.sqrt() * (1.0 + 4.0 * U);
        let mut sum = 0.0;
        let mut slack = 0.0f64;
        let mut rest = [0.0f32; 2];
        let mut first = 0;
        for (level, axes) in [PREFIX - 1, AXES].into_iter().enumerate() {
            sum += square(&projections[first..axes]);
            first = axes;
            let error = self.along[level] * length;
            let mut off = error;
            if !self.complete[level] {
                // r² = ‖x‖² − ‖Q x‖²: what is known of each, and then of the root.
                let unsure = 3.0 * U * squared + 2.0 * length * error + error * error;
                let root = (squared - sum).max(0.0).sqrt();
                off += unsure.sqrt().min(unsure / root) + root * U;
                rest[level] = root as f32;
            }
            slack = slack.max(off);
        }
        projections[AXES] = rest[1];
        (rest[0], ((slack * (1.0 + 1e-6) + 1e-30) as f32).next_up())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reordering_follows_the_places() {
        let n = 7;
        let long = (0..n * PROJECTION).map(|i| (i / PROJECTION) as f32).collect();
        let ramp: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let mut all = Projected { long, rest: ramp.clone(), slack: ramp };
        let places = [3, 0, 2, 1, 6, 4, 5]; // a cycle of three twice, and a fixed place
        all.reorder(&places, &Progress::default()).expect("runs");
        for (i, place) in places.iter().enumerate() {
            assert_eq!(all.long(i), &[*place as f32; PROJECTION]);
            assert_eq!((all.rest[i], all.slack[i]), (*place as f32, *place as f32));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// No projection is farther apart than its rows, slack allowed for.
        #[test]
        fn projections_never_lengthen_a_distance(
            n in 2usize..60, d in 1usize..300, rank in 1usize..8, noise in 0i32..10, seed in any::<u64>()
        ) {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            };
            let basis: Vec<f32> = (0..rank * d).map(|_| next()).collect();
            let noise = 10f32.powi(-noise);
            let mut values = vec![];
            for _ in 0..n {
                let weights: Vec<f32> = (0..rank).map(|_| next()).collect();
                for j in 0..d {
                    let low: f32 = (0..rank).map(|r| weights[r] * basis[r * d + j]).sum();
                    values.push(low + noise * next());
                }
            }
            let rows = Matrix::new(&values, n, d).expect("fits");
            for simd in Simd::all() {
                let axes = Axes::of(rows, simd, &Progress::default()).expect("runs");
                let all = Projected::of(rows, &axes, simd, &Progress::default()).expect("runs");
                for a in 0..n {
                    let mut short_a = [0.0; PREFIX];
                    all.short(a, &mut short_a);
                    for b in 0..n {
                        let mut short_b = [0.0; PREFIX];
                        all.short(b, &mut short_b);
                        let real = simd.squared_distance(rows.row(a), rows.row(b)).sqrt();
                        let slack = f64::from(all.slack[a]) + f64::from(all.slack[b]);
                        let short = simd.squared_distance(&short_a, &short_b).sqrt();
                        let long = simd.squared_distance(all.long(a), all.long(b)).sqrt();
                        prop_assert!(short <= real + slack && long <= real + slack);
                        prop_assert!(noise < 0.1 || slack < 0.02 * d as f64);
                    }
                }
            }
        }
    }
}
