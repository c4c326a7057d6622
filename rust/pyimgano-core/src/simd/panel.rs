//! Dot products of 64 rows at a time, for every CPU.
//!
//! A *panel* holds 64 rows turned on their side: value `j` of row `r` is at `64 * j + r`.

/// Rows in a panel.
pub const PANEL: usize = 64;

/// Rows of `dims` values, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    /// All values.
    pub rows: &'a [f32],
    /// Values per row.
    pub dims: usize,
}

impl<'a> Queries<'a> {
    pub(super) fn len(self) -> usize {
        self.rows.len().checked_div(self.dims).unwrap_or(0)
    }

    pub(super) fn row(self, i: usize) -> &'a [f32] {
        &self.rows[i * self.dims..(i + 1) * self.dims]
    }
}

/// Rows that the portable loops keep in registers.
const STRIP: usize = 16;

/// `bias` plus the dot products of one query with `STRIP` rows of a panel, from row `first`.
#[inline]
fn strip(panel: &[f32], bias: &[f32; PANEL], query: &[f32], first: usize) -> [f32; STRIP] {
    let mut sums = [0.0; STRIP];
    sums.copy_from_slice(&bias[first..first + STRIP]);
    for (column, x) in panel.as_chunks::<PANEL>().0.iter().zip(query) {
        for (sum, y) in sums.iter_mut().zip(&column[first..first + STRIP]) {
            *sum += x * y;
        }
    }
    sums
}

pub(super) fn dots(panel: &[f32], query: &[f32], out: &mut [f32; PANEL]) {
    for first in (0..PANEL).step_by(STRIP) {
        out[first..first + STRIP].copy_from_slice(&strip(panel, &[0.0; PANEL], query, first));
    }
}

pub(super) fn reach(panel: &[f32], bias: &[f32; PANEL], query: &[f32], threshold: f32) -> u64 {
    let mut mask = 0;
    for first in (0..PANEL).step_by(STRIP) {
        for (r, sum) in strip(panel, bias, query, first).into_iter().enumerate() {
            mask |= u64::from(sum >= threshold) << (first + r);
        }
    }
    mask
}

/// Float32 squared distance in 16 running sums.
pub(super) fn near(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; STRIP];
    let (a_chunks, a_tail) = a.as_chunks::<STRIP>();
    let (b_chunks, b_tail) = b.as_chunks::<STRIP>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for j in 0..STRIP {
            let difference = x[j] - y[j];
            sums[j] += difference * difference;
        }
    }
    for (sum, (x, y)) in sums.iter_mut().zip(a_tail.iter().zip(b_tail)) {
        *sum += (x - y) * (x - y);
    }
    let mut half = STRIP / 2;
    while half > 0 {
        for j in 0..half {
            sums[j] += sums[j + half];
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::PANEL;
    use crate::simd::{Queries, Simd};
    use proptest::prelude::*;

    fn values(seed: u64, n: usize) -> Vec<f32> {
        (0..n as u64).map(|i| (((i + 1) * (2 * seed + 77_777) * 7_919) % 17) as f32 - 8.0).collect()
    }

    proptest! {
        // Small integers: every level is exact, so all must agree with the plain sum.
        #[test]
        fn panels_hold_dot_products(dims in 1usize..40, m in 0usize..15, seed in 0u64..1000) {
            let panel = values(seed, dims * PANEL);
            let rows = values(seed + 1, dims * m);
            let bias: [f32; PANEL] = std::array::from_fn(|r| r as f32 - 30.0);
            let which: Vec<u32> = (0..m as u32).rev().collect();
            let thresholds: Vec<f32> = (0..m).map(|i| i as f32 * 9.0 - 40.0).collect();
            let plain = |q: usize, r: usize| -> f32 {
                (0..dims).map(|j| panel[j * PANEL + r] * rows[q * dims + j]).sum()
            };
            for simd in Simd::all() {
                let queries = Queries { rows: &rows, dims };
                let mut out = vec![9.0; m * PANEL];
                simd.dots(&panel, queries, &mut out);
                let mut masks = vec![];
                simd.reach(&panel, &bias, queries, &which, &thresholds, &mut masks);
                for q in 0..m {
                    for r in 0..PANEL {
                        prop_assert_eq!(out[q * PANEL + r], plain(q, r));
                        let at = which.iter().position(|w| *w as usize == q).unwrap_or(0);
                        let kept = masks[at] >> r & 1 == 1;
                        prop_assert_eq!(kept, plain(q, r) + bias[r] >= thresholds[at]);
                    }
                }
            }
        }

        #[test]
        fn sifting_keeps_rows_within_their_limits(seed in 0u64..1000, count in 1usize..65) {
            let (query, rows) = (values(seed, PANEL), values(seed + 3, PANEL * count));
            let query: &[f32; PANEL] = query.as_slice().try_into().expect("64 values");
            let limits: [f32; PANEL] = std::array::from_fn(|r| 1500.0 + 80.0 * r as f32);
            let mask = (u64::MAX >> (PANEL - count)) & seed.wrapping_mul(0x1234_5678_9abc_def1);
            for simd in Simd::all() {
                let mut out = [0.0; PANEL];
                let kept = simd.sift(query, &rows, mask, &limits, &mut out);
                for r in 0..PANEL {
                    let chosen = mask >> r & 1 == 1;
                    let near = if chosen { simd.near(query, &rows[r * PANEL..][..PANEL]) } else { 0.0 };
                    prop_assert_eq!(out[r], near);
                    prop_assert_eq!(kept >> r & 1 == 1, chosen && near <= limits[r]);
                }
            }
        }

        #[test]
        fn near_distances_are_exact_on_small_integers(d in 0usize..80, seed in 0u64..1000) {
            let (a, b) = (values(seed, d), values(seed + 5, d));
            for simd in Simd::all() {
                prop_assert_eq!(f64::from(simd.near(&a, &b)), simd.squared_distance(&a, &b));
            }
        }
    }
}
