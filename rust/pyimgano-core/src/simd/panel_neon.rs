//! Panels with NEON: sixteen rows by six queries, their sums in 24 of the 32 registers.

use std::arch::aarch64::*;

use super::neon::{STRIP, WIDE, bits, load, load_strip};
use super::panel::{self, PANEL, Queries};

/// Queries that meet a strip of rows together.
const TOGETHER: usize = 6;

/// `start` plus the dot products of `Q` queries with the rows of strip `part`.
#[target_feature(enable = "neon")]
#[inline]
fn sums<const Q: usize>(
    panel: &[f32],
    part: usize,
    start: [float32x4_t; 4],
    queries: [&[f32]; Q],
) -> [[float32x4_t; 4]; Q] {
    let mut sums = [start; Q];
    let columns = panel.as_chunks::<PANEL>().0;
    let queries = queries.map(|query| &query[..columns.len()]);
    for (j, column) in columns.iter().enumerate() {
        let rows = load_strip(&column.as_chunks::<STRIP>().0[part]);
        for (sums, query) in sums.iter_mut().zip(queries) {
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = vfmaq_n_f32(*sum, row, query[j]);
            }
        }
    }
    sums
}

/// See [`Simd::dots`](super::Simd::dots).
#[target_feature(enable = "neon")]
pub(super) fn dots(panel: &[f32], queries: Queries<'_>, out: &mut [f32]) {
    let mut outs = out.as_chunks_mut::<PANEL>().0.iter_mut();
    let mut i = 0;
    // `run!(N)`: the next N queries.
    macro_rules! run {
        ($n:expr) => {{
            let rows: [&[f32]; $n] = std::array::from_fn(|q| queries.row(i + q));
            dots_of(panel, rows, outs.by_ref());
            i += $n;
        }};
    }
    while i + TOGETHER <= queries.len() {
        run!(TOGETHER);
    }
    while i < queries.len() {
        run!(1);
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn dots_of<'a, const Q: usize>(
    panel: &[f32],
    queries: [&[f32]; Q],
    outs: impl Iterator<Item = &'a mut [f32; PANEL]>,
) {
    let mut found = [[[vdupq_n_f32(0.0); 4]; PANEL / STRIP]; Q];
    for part in 0..PANEL / STRIP {
        for (found, sums) in found.iter_mut().zip(sums(panel, part, [vdupq_n_f32(0.0); 4], queries))
        {
            found[part] = sums;
        }
    }
    for (found, out) in found.iter().zip(outs) {
        for (sum, out) in found.as_flattened().iter().zip(out.as_chunks_mut::<WIDE>().0) {
            // SAFETY: four values can be written.
            unsafe { vst1q_f32(out.as_mut_ptr(), *sum) };
        }
    }
}

/// See [`Simd::reach`](super::Simd::reach).
#[target_feature(enable = "neon")]
pub(super) fn reach(
    panel: &[f32],
    bias: &[f32; PANEL],
    queries: Queries<'_>,
    which: &[u32],
    thresholds: &[f32],
    masks: &mut Vec<u64>,
) {
    let (sixes, rest) = which.as_chunks::<TOGETHER>();
    let (six_thresholds, rest_thresholds) = thresholds.as_chunks::<TOGETHER>();
    for (which, thresholds) in sixes.iter().zip(six_thresholds) {
        let rows = which.map(|q| queries.row(q as usize));
        masks.extend(reach_of(panel, bias, rows, *thresholds));
    }
    for (q, threshold) in rest.iter().zip(rest_thresholds) {
        masks.extend(reach_of(panel, bias, [queries.row(*q as usize)], [*threshold]));
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn reach_of<const Q: usize>(
    panel: &[f32],
    bias: &[f32; PANEL],
    queries: [&[f32]; Q],
    thresholds: [f32; Q],
) -> [u64; Q] {
    let mut masks = [0; Q];
    for (part, bias) in bias.as_chunks::<STRIP>().0.iter().enumerate() {
        let sums = sums(panel, part, load_strip(bias), queries);
        for ((mask, sums), threshold) in masks.iter_mut().zip(sums).zip(thresholds) {
            let threshold = vdupq_n_f32(threshold);
            *mask |= bits(sums.map(|sum| vcgeq_f32(sum, threshold))) << (STRIP * part);
        }
    }
    masks
}

/// For rows of equal length.
#[target_feature(enable = "neon")]
pub(super) fn near(a: &[f32], b: &[f32]) -> f32 {
    const SUMS: usize = 8;
    let (a_chunks, a_tail) = a.as_chunks::<{ SUMS * WIDE }>();
    let (b_chunks, b_tail) = b.as_chunks::<{ SUMS * WIDE }>();
    let mut sums = [vdupq_n_f32(0.0); SUMS];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        let sides = x.as_chunks::<WIDE>().0.iter().zip(y.as_chunks::<WIDE>().0);
        for (sum, (x, y)) in sums.iter_mut().zip(sides) {
            let difference = vsubq_f32(load(x), load(y));
            *sum = vfmaq_f32(*sum, difference, difference);
        }
    }
    let mut half = SUMS / 2;
    while half > 0 {
        for j in 0..half {
            sums[j] = vaddq_f32(sums[j], sums[j + half]);
        }
        half /= 2;
    }
    vaddvq_f32(sums[0]) + panel::near(a_tail, b_tail)
}
