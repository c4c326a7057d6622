//! The deciding distance with AVX2 and AVX-512: multiply, then add, never fused.

use std::arch::x86_64::*;

use super::exact::LANES;

/// # Safety
/// The CPU must have AVX-512 F and VL, and `a` and `b` the same length.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
pub(super) unsafe fn avx512(a: &[f32], b: &[f32]) -> f64 {
    let d = a.len();
    let (mut low, mut high) = (_mm512_setzero_pd(), _mm512_setzero_pd());
    let step = |sum: __m512d, x: __m256, y: __m256| {
        let difference = _mm512_sub_pd(_mm512_cvtps_pd(x), _mm512_cvtps_pd(y));
        _mm512_add_pd(sum, _mm512_mul_pd(difference, difference))
    };
    let mut i = 0;
    while i + LANES <= d {
        // SAFETY: i + 16 <= d, the length of both slices.
        unsafe {
            let (p, q) = (a.as_ptr().add(i), b.as_ptr().add(i));
            low = step(low, _mm256_loadu_ps(p), _mm256_loadu_ps(q));
            high = step(high, _mm256_loadu_ps(p.add(8)), _mm256_loadu_ps(q.add(8)));
        }
        i += LANES;
    }
    if i < d {
        let mask = (1u32 << (d - i)) - 1;
        let (first, second) = (mask as u8, (mask >> 8) as u8);
        // SAFETY: the masks select the d - i values left; wrapping_add forms no place.
        unsafe {
            let (p, q) = (a.as_ptr().add(i), b.as_ptr().add(i));
            low = step(low, _mm256_maskz_loadu_ps(first, p), _mm256_maskz_loadu_ps(first, q));
            let (p, q) = (p.wrapping_add(8), q.wrapping_add(8));
            high = step(high, _mm256_maskz_loadu_ps(second, p), _mm256_maskz_loadu_ps(second, q));
        }
    }
    let eight = _mm512_add_pd(low, high);
    let four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd::<1>(eight));
    fold_four(four)
}

/// # Safety
/// The CPU must have AVX2, and `a` and `b` the same length.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn avx2(a: &[f32], b: &[f32]) -> f64 {
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (b_chunks, b_tail) = b.as_chunks::<LANES>();
    let mut sums = [_mm256_setzero_pd(); 4];
    let step = |sums: &mut [__m256d; 4], x: &[f32; LANES], y: &[f32; LANES]| {
        for (j, sum) in sums.iter_mut().enumerate() {
            // SAFETY: 4 j + 4 <= 16, the length of both arrays.
            let (p, q) = unsafe {
                (_mm_loadu_ps(x.as_ptr().add(4 * j)), _mm_loadu_ps(y.as_ptr().add(4 * j)))
            };
            let difference = _mm256_sub_pd(_mm256_cvtps_pd(p), _mm256_cvtps_pd(q));
            *sum = _mm256_add_pd(*sum, _mm256_mul_pd(difference, difference));
        }
    };
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        step(&mut sums, x, y);
    }
    if !a_tail.is_empty() {
        let (mut x, mut y) = ([0.0; LANES], [0.0; LANES]);
        x[..a_tail.len()].copy_from_slice(a_tail);
        y[..b_tail.len()].copy_from_slice(b_tail);
        step(&mut sums, &x, &y);
    }
    let (low, high) = (_mm256_add_pd(sums[0], sums[2]), _mm256_add_pd(sums[1], sums[3]));
    fold_four(_mm256_add_pd(low, high))
}

/// Four sums to one: j and j + 2, then j + 1.
#[target_feature(enable = "avx2")]
fn fold_four(four: __m256d) -> f64 {
    let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
    _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
}
