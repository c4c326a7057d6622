//! The deciding distance with NEON: multiply, then add, never fused.

use std::arch::aarch64::*;

use super::exact::LANES;
use super::neon::load_strip;

/// For rows of equal length.
#[target_feature(enable = "neon")]
pub(super) fn neon(a: &[f32], b: &[f32]) -> f64 {
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (b_chunks, b_tail) = b.as_chunks::<LANES>();
    let mut sums = [vdupq_n_f64(0.0); LANES / 2];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        add(&mut sums, x, y);
    }
    if !a_tail.is_empty() {
        let (mut x, mut y) = ([0.0; LANES], [0.0; LANES]);
        x[..a_tail.len()].copy_from_slice(a_tail);
        y[..b_tail.len()].copy_from_slice(b_tail);
        add(&mut sums, &x, &y);
    }
    // Lanes j and j + 8, j + 4, j + 2, j + 1.
    let mut half = sums.len() / 2;
    while half > 0 {
        for j in 0..half {
            sums[j] = vaddq_f64(sums[j], sums[j + half]);
        }
        half /= 2;
    }
    vgetq_lane_f64::<0>(sums[0]) + vgetq_lane_f64::<1>(sums[0])
}

/// Adds the squared differences to the sums, two lanes each.
#[target_feature(enable = "neon")]
#[inline]
fn add(sums: &mut [float64x2_t; LANES / 2], x: &[f32; LANES], y: &[f32; LANES]) {
    let sides = load_strip(x).into_iter().zip(load_strip(y));
    for ((x, y), sums) in sides.zip(sums.as_chunks_mut::<2>().0) {
        let low = vsubq_f64(vcvt_f64_f32(vget_low_f32(x)), vcvt_f64_f32(vget_low_f32(y)));
        let high = vsubq_f64(vcvt_high_f64_f32(x), vcvt_high_f64_f32(y));
        sums[0] = vaddq_f64(sums[0], vmulq_f64(low, low));
        sums[1] = vaddq_f64(sums[1], vmulq_f64(high, high));
    }
}
