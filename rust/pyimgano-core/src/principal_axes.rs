//! The directions along which a sample of rows spreads most: principal axes, found quickly.
//!
//! They only make the bounds good. That the bounds hold rests on [`Axes::skew`], which is measured.

use rayon::prelude::*;

use crate::simd::{PANEL, Queries, Simd};
use crate::task::Progress;
use crate::{Matrix, Result, memory};

/// Axes kept; one short of a panel, whose last column is left zero.
pub(crate) const AXES: usize = PANEL - 1;

/// Rows of up to this many columns are not turned.
pub(crate) const NARROW: usize = 16;

/// Rows looked at.
const SAMPLE: usize = 2048;

/// Rounds of subspace iteration.
const ROUNDS: usize = 3;

/// A centre and up to [`AXES`] orthonormal axes, widest first.
#[derive(Debug, Clone)]
pub(crate) struct Axes {
    /// Subtracted from every row.
    pub centre: Vec<f32>,
    /// Value `j` of axis `a` at `64 * j + a`.
    pub panel: Vec<f32>,
    /// Bounds the spectral distance of the axes from the nearest orthonormal ones.
    pub skew: f64,
    /// Number of axes that are not zero.
    pub count: usize,
}

impl Axes {
    /// Axes of an evenly spaced sample of `rows`. Runs on the current pool.
    pub fn of(rows: Matrix<'_>, simd: Simd, progress: &Progress) -> Result<Self> {
        let d = rows.cols();
        let centre = centre_of(rows)?;
        let count = d.min(AXES);
        let mut panel = memory::zeros(d * PANEL)?;
        if d <= NARROW {
            // Few columns are their own axes: no rounding at all.
            for j in 0..d {
                panel[j * PANEL + j] = 1.0;
            }
            return Ok(Self { centre, panel, skew: 0.0, count });
        }
        let n = rows.rows().min(SAMPLE);
        let mut sample = memory::zeros(n * d)?;
        for (i, out) in sample.chunks_exact_mut(d).enumerate() {
            progress.check()?;
            subtract(rows.row(i * rows.rows() / n), &centre, out);
        }
        let turned = transposed(&sample, n, d)?;
        let mut axes = first_guess(count, d)?;
        for round in 0..=ROUNDS {
            orthonormalise(&mut axes, progress)?;
            to_panel(&axes, &mut panel);
            let mut seen = memory::zeros(n * PANEL)?;
            products(simd, &panel, &sample, d, &mut seen, progress)?;
            if round == ROUNDS {
                axes = principal(&axes, &seen, progress)?;
                break;
            }
            let mut pulled = memory::zeros(d * PANEL)?;
            products(simd, &seen, &turned, n, &mut pulled, progress)?;
            for (a, axis) in axes.iter_mut().enumerate() {
                for (j, value) in axis.iter_mut().enumerate() {
                    *value = f64::from(pulled[j * PANEL + a]);
                }
            }
        }
        to_panel(&axes, &mut panel);
        let skew = skew(&panel, d, count, progress)?;
        Ok(Self { centre, panel, skew, count })
    }
}

/// `row - centre`.
#[inline(always)]
pub(crate) fn subtract(row: &[f32], centre: &[f32], out: &mut [f32]) {
    for ((out, x), c) in out.iter_mut().zip(row).zip(centre) {
        *out = x - c;
    }
}

/// Dot products of all rows with a panel, on all threads.
fn products(
    simd: Simd,
    panel: &[f32],
    rows: &[f32],
    dims: usize,
    out: &mut [f32],
    progress: &Progress,
) -> Result<()> {
    const ROWS: usize = 60;
    rows.par_chunks(ROWS * dims).zip(out.par_chunks_mut(ROWS * PANEL)).try_for_each(
        |(rows, out)| {
            progress.check()?;
            simd.dots(panel, Queries { rows, dims }, out);
            Ok(())
        },
    )
}

/// The mean of an evenly spaced sample.
pub(crate) fn centre_of(rows: Matrix<'_>) -> Result<Vec<f32>> {
    let n = rows.rows().min(SAMPLE);
    let mut sums = memory::filled(rows.cols(), 0.0f64)?;
    for i in 0..n {
        for (sum, x) in sums.iter_mut().zip(rows.row(i * rows.rows() / n)) {
            *sum += f64::from(*x);
        }
    }
    memory::collected(sums.into_iter().map(|sum| (sum / n as f64) as f32))
}

fn transposed(values: &[f32], rows: usize, cols: usize) -> Result<Vec<f32>> {
    let mut out = memory::zeros(values.len())?;
    for (j, column) in out.chunks_exact_mut(rows).enumerate() {
        for (i, value) in column.iter_mut().enumerate() {
            *value = values[i * cols + j];
        }
    }
    Ok(out)
}

/// Directions with no meaning, always the same (xorshift).
fn first_guess(count: usize, d: usize) -> Result<Vec<Vec<f64>>> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    (0..count).map(|_| memory::collected((0..d).map(|_| next()))).collect()
}

fn to_panel(axes: &[Vec<f64>], panel: &mut [f32]) {
    for (a, axis) in axes.iter().enumerate() {
        for (j, value) in axis.iter().enumerate() {
            panel[j * PANEL + a] = *value as f32;
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, a_tail) = a.as_chunks::<8>();
    let (b_chunks, b_tail) = b.as_chunks::<8>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for j in 0..8 {
            sums[j] += x[j] * y[j];
        }
    }
    sums.iter().sum::<f64>() + a_tail.iter().zip(b_tail).map(|(x, y)| x * y).sum::<f64>()
}

/// Gram-Schmidt; an axis that adds nothing to those before it becomes some unit vector that does.
fn orthonormalise(axes: &mut [Vec<f64>], progress: &Progress) -> Result<()> {
    let mut unit = 0;
    for a in 0..axes.len() {
        let (before, rest) = axes.split_at_mut(a);
        let axis = &mut rest[0];
        loop {
            progress.check()?;
            let old = dot(axis, axis);
            let mut new = old;
            // Once more where most of the axis was taken away: what is left is mostly rounding.
            for _ in 0..3 {
                let length = new;
                for other in before.iter() {
                    let share = dot(axis, other);
                    axis.iter_mut().zip(other).for_each(|(x, y)| *x -= share * y);
                }
                new = dot(axis, axis);
                if new > 0.25 * length {
                    break;
                }
            }
            if new.is_finite() && new > 1e-20 * old && new > 1e-200 {
                let scale = 1.0 / new.sqrt();
                axis.iter_mut().for_each(|x| *x *= scale);
                break;
            }
            // There are at least as many unit vectors as axes, so one of them fits.
            axis.fill(0.0);
            axis[unit] = 1.0;
            unit = (unit + 1) % axis.len();
        }
    }
    Ok(())
}

/// The axes turned so that the sample, seen along them, is uncorrelated; widest first.
fn principal(axes: &[Vec<f64>], seen: &[f32], progress: &Progress) -> Result<Vec<Vec<f64>>> {
    let k = axes.len();
    let mut spread = vec![vec![0.0; k]; k];
    for row in seen.as_chunks::<PANEL>().0 {
        for (a, line) in spread.iter_mut().enumerate() {
            let x = f64::from(row[a]);
            for (sum, y) in line.iter_mut().zip(row) {
                *sum += x * f64::from(*y);
            }
        }
    }
    let turns = eigenvectors(&mut spread);
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|a, b| spread[*b][*b].total_cmp(&spread[*a][*a]).then(a.cmp(b)));
    let mut turned = order
        .into_iter()
        .map(|e| {
            let mut axis = memory::filled(axes[0].len(), 0.0)?;
            for (turn, old) in turns[e].iter().zip(axes) {
                axis.iter_mut().zip(old).for_each(|(x, y)| *x += turn * y);
            }
            Ok(axis)
        })
        .collect::<Result<Vec<Vec<f64>>>>()?;
    orthonormalise(&mut turned, progress)?;
    Ok(turned)
}

/// Jacobi's method: leaves the eigenvalues of a symmetric matrix on its diagonal and returns the
/// eigenvectors as rows.
fn eigenvectors(matrix: &mut [Vec<f64>]) -> Vec<Vec<f64>> {
    let k = matrix.len();
    let mut vectors: Vec<Vec<f64>> =
        (0..k).map(|i| (0..k).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let total: f64 = matrix.iter().map(|line| dot(line, line)).sum();
    for _ in 0..6 {
        let mut off = 0.0;
        for p in 0..k {
            for q in p + 1..k {
                let x = matrix[p][q];
                off += x * x;
                if x * x <= 1e-14 * total / (k * k) as f64 {
                    continue;
                }
                let half = (matrix[q][q] - matrix[p][p]) / (2.0 * x);
                let t = half.signum() / (half.abs() + (half * half + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                turn(matrix, p, q, c, s);
                for line in matrix.iter_mut() {
                    (line[p], line[q]) = (c * line[p] - s * line[q], s * line[p] + c * line[q]);
                }
                turn(&mut vectors, p, q, c, s);
            }
        }
        if off <= 1e-8 * total {
            break;
        }
    }
    vectors
}

/// Turns rows `p` and `q` into each other.
fn turn(rows: &mut [Vec<f64>], p: usize, q: usize, c: f64, s: f64) {
    let (first, rest) = rows.split_at_mut(q);
    for (x, y) in first[p].iter_mut().zip(&mut rest[0]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// ‖P Pᵀ − I‖ in the Frobenius norm, which bounds how far the singular values are from 1.
fn skew(panel: &[f32], d: usize, count: usize, progress: &Progress) -> Result<f64> {
    let axis = |a: usize| memory::collected((0..d).map(|j| f64::from(panel[j * PANEL + a])));
    let axes = (0..count).map(axis).collect::<Result<Vec<Vec<f64>>>>()?;
    let mut sum = 0.0;
    for (a, x) in axes.iter().enumerate() {
        progress.check()?;
        for (b, y) in axes.iter().enumerate().take(a + 1) {
            let off = dot(x, y) - f64::from(u8::from(a == b));
            sum += off * off * if a == b { 1.0 } else { 2.0 };
        }
    }
    Ok(sum.sqrt() * (1.0 + 1e-6) + d as f64 * 1e-15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize, d: usize) -> Vec<f32> {
        // Wide along the sum of the columns, narrow elsewhere.
        (0..n * d)
            .map(|i| {
                let (row, column) = (i / d, i % d);
                let wide = ((row * 37) % 101) as f32 / 10.0;
                wide + ((row * 31 + column * 17 + row * column) % 13) as f32 / 40.0
            })
            .collect()
    }

    fn of(values: &[f32], n: usize, d: usize) -> Axes {
        let rows = Matrix::new(values, n, d).expect("fits");
        Axes::of(rows, Simd::best(), &Progress::default()).expect("runs")
    }

    #[test]
    fn axes_are_orthonormal_and_the_widest_is_first() {
        for (n, d) in [(500, 96), (40, 70), (3, 200), (200, 17), (1, 64), (90, 30)] {
            let values = rows(n, d);
            let axes = of(&values, n, d);
            assert_eq!(axes.count, d.min(AXES));
            assert!(axes.skew < 1e-5, "skew {} for {n} x {d}", axes.skew);
            if n >= 90 {
                let along: f32 = (0..d).map(|j| axes.panel[j * PANEL]).sum();
                assert!((along.abs() - (d as f32).sqrt()).abs() < 0.1, "{along} for {n} x {d}");
            }
        }
    }

    #[test]
    fn identical_rows_and_few_columns_have_axes_too() {
        let values = vec![2.5; 50 * 80];
        let axes = of(&values, 50, 80);
        assert!(axes.skew < 1e-5);
        let axes = of(&values, 1000, 4);
        assert_eq!((axes.count, axes.skew), (4, 0.0));
    }
}
