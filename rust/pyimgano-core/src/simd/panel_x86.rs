//! Panels with AVX2 + FMA and AVX-512.

use std::arch::x86_64::*;

use super::panel::PANEL;

/// Which queries a panel meets: pointers to `dims` values each.
type Rows<const Q: usize> = [*const f32; Q];

/// # Safety
/// The CPU must have AVX-512 F, VL, DQ and BW.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
pub(super) unsafe fn with_avx512<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// `start` plus the dot products of `Q` queries with the 64 rows of a panel.
///
/// # Safety
/// The CPU must have AVX-512 F; `panel` holds `64 * dims` values, each query `dims`.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
#[inline]
unsafe fn sums_avx512<const Q: usize>(
    panel: *const f32,
    dims: usize,
    start: [__m512; 4],
    queries: Rows<Q>,
) -> [[__m512; 4]; Q] {
    let mut sums = [start; Q];
    for j in 0..dims {
        // SAFETY: j < dims, so column j of the panel and value j of each query exist.
        unsafe {
            let column = panel.add(j * PANEL);
            let rows = [
                _mm512_loadu_ps(column),
                _mm512_loadu_ps(column.add(16)),
                _mm512_loadu_ps(column.add(32)),
                _mm512_loadu_ps(column.add(48)),
            ];
            for q in 0..Q {
                let x = _mm512_set1_ps(*queries[q].add(j));
                for (sum, row) in sums[q].iter_mut().zip(rows) {
                    *sum = _mm512_fmadd_ps(x, row, *sum);
                }
            }
        }
    }
    sums
}

/// # Safety
/// As [`sums_avx512`]; each `out` takes 64 values.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
pub(super) unsafe fn dots_avx512<const Q: usize>(
    panel: &[f32],
    dims: usize,
    queries: Rows<Q>,
    out: *mut f32,
) {
    // SAFETY: passed on.
    let sums = unsafe { sums_avx512(panel.as_ptr(), dims, [_mm512_setzero_ps(); 4], queries) };
    for (q, sums) in sums.into_iter().enumerate() {
        for (part, sum) in sums.into_iter().enumerate() {
            // SAFETY: `out` takes 64 values for each of the Q queries.
            unsafe { _mm512_storeu_ps(out.add(q * PANEL + 16 * part), sum) };
        }
    }
}

/// # Safety
/// As [`sums_avx512`].
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
pub(super) unsafe fn reach_avx512<const Q: usize>(
    panel: &[f32],
    dims: usize,
    bias: &[f32; PANEL],
    queries: Rows<Q>,
    thresholds: [f32; Q],
) -> [u64; Q] {
    // SAFETY: the bias has 64 values; the rest is passed on.
    let sums = unsafe {
        let start = std::array::from_fn(|part| _mm512_loadu_ps(bias.as_ptr().add(16 * part)));
        sums_avx512(panel.as_ptr(), dims, start, queries)
    };
    let mut masks = [0; Q];
    for q in 0..Q {
        let threshold = _mm512_set1_ps(thresholds[q]);
        for (part, sum) in sums[q].into_iter().enumerate() {
            let mask = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(sum, threshold);
            masks[q] |= u64::from(mask) << (16 * part);
        }
    }
    masks
}

/// `start` plus the dot products of `Q` queries with 32 rows of a panel, from its row `first`.
///
/// # Safety
/// The CPU must have AVX2 and FMA; `panel` holds `64 * dims` values, each query `dims`;
/// `first` is 0 or 32.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn sums_avx2<const Q: usize>(
    panel: *const f32,
    first: usize,
    dims: usize,
    start: [__m256; 4],
    queries: Rows<Q>,
) -> [[__m256; 4]; Q] {
    let mut sums = [start; Q];
    for j in 0..dims {
        // SAFETY: j < dims, so column j of the panel and value j of each query exist.
        unsafe {
            let column = panel.add(j * PANEL + first);
            for part in 0..4 {
                let row = _mm256_loadu_ps(column.add(8 * part));
                for (sums, query) in sums.iter_mut().zip(queries) {
                    let x = _mm256_broadcast_ss(&*query.add(j));
                    sums[part] = _mm256_fmadd_ps(x, row, sums[part]);
                }
            }
        }
    }
    sums
}

/// # Safety
/// As [`sums_avx2`]; each `out` takes 64 values.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn dots_avx2<const Q: usize>(
    panel: &[f32],
    dims: usize,
    queries: Rows<Q>,
    out: *mut f32,
) {
    for first in [0, 32] {
        // SAFETY: passed on.
        let sums =
            unsafe { sums_avx2(panel.as_ptr(), first, dims, [_mm256_setzero_ps(); 4], queries) };
        for (q, sums) in sums.into_iter().enumerate() {
            for (part, sum) in sums.into_iter().enumerate() {
                // SAFETY: `out` takes 64 values for each of the Q queries.
                unsafe { _mm256_storeu_ps(out.add(q * PANEL + first + 8 * part), sum) };
            }
        }
    }
}

/// # Safety
/// As [`sums_avx2`].
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn reach_avx2<const Q: usize>(
    panel: &[f32],
    dims: usize,
    bias: &[f32; PANEL],
    queries: Rows<Q>,
    thresholds: [f32; Q],
) -> [u64; Q] {
    let mut masks = [0; Q];
    for first in [0, 32] {
        // SAFETY: the bias has 64 values; the rest is passed on.
        let sums = unsafe {
            let start =
                std::array::from_fn(|part| _mm256_loadu_ps(bias.as_ptr().add(first + 8 * part)));
            sums_avx2(panel.as_ptr(), first, dims, start, queries)
        };
        for q in 0..Q {
            let threshold = _mm256_set1_ps(thresholds[q]);
            for (part, sum) in sums[q].into_iter().enumerate() {
                let mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(sum, threshold));
                masks[q] |= u64::from(mask as u32) << (first + 8 * part);
            }
        }
    }
    masks
}

/// # Safety
/// The CPU must have AVX-512 F and VL, and `a` and `b` the same length.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
pub(super) unsafe fn near_avx512(a: &[f32], b: &[f32]) -> f32 {
    let d = a.len();
    let mut sums = [_mm512_setzero_ps(); 2];
    let step = |sum: __m512, x: __m512, y: __m512| {
        let difference = _mm512_sub_ps(x, y);
        _mm512_fmadd_ps(difference, difference, sum)
    };
    let mut i = 0;
    while i + 32 <= d {
        // SAFETY: i + 32 <= d, the length of both slices.
        unsafe {
            let (p, q) = (a.as_ptr().add(i), b.as_ptr().add(i));
            sums[0] = step(sums[0], _mm512_loadu_ps(p), _mm512_loadu_ps(q));
            sums[1] = step(sums[1], _mm512_loadu_ps(p.add(16)), _mm512_loadu_ps(q.add(16)));
        }
        i += 32;
    }
    while i < d {
        let mask = if d - i >= 16 { u16::MAX } else { (1 << (d - i)) - 1 };
        // SAFETY: the mask selects no more than the d - i values left.
        unsafe {
            let (p, q) = (a.as_ptr().add(i), b.as_ptr().add(i));
            sums[0] = step(sums[0], _mm512_maskz_loadu_ps(mask, p), _mm512_maskz_loadu_ps(mask, q));
        }
        i += 16;
    }
    _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1]))
}

/// See [`Simd::sift`](super::Simd::sift): the query stays in registers.
///
/// # Safety
/// The CPU must have AVX-512 F; `mask` selects rows that are there.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
pub(super) unsafe fn sift_avx512(
    query: &[f32; PANEL],
    rows: &[[f32; PANEL]],
    mask: u64,
    limits: &[f32; PANEL],
    out: &mut [f32; PANEL],
) -> u64 {
    // SAFETY: 16 part + 16 <= 64, the length of the query.
    let query: [__m512; 4] =
        std::array::from_fn(|part| unsafe { _mm512_loadu_ps(query.as_ptr().add(16 * part)) });
    let (mut left, mut kept) = (mask, 0);
    while left != 0 {
        let r = left.trailing_zeros() as usize;
        left &= left - 1;
        // SAFETY: the caller's promise.
        let row = unsafe { rows.get_unchecked(r) }.as_ptr();
        let mut sums = [_mm512_setzero_ps(); 2];
        for part in 0..4 {
            // SAFETY: 16 part + 16 <= 64, the length of the row.
            let values = unsafe { _mm512_loadu_ps(row.add(16 * part)) };
            let difference = _mm512_sub_ps(query[part], values);
            sums[part % 2] = _mm512_fmadd_ps(difference, difference, sums[part % 2]);
        }
        let near = _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1]));
        out[r] = near;
        kept |= u64::from(near <= limits[r]) << r;
    }
    kept
}

/// # Safety
/// The CPU must have AVX2 and FMA, and `a` and `b` the same length.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn near_avx2(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_tail) = a.as_chunks::<32>();
    let (b_chunks, b_tail) = b.as_chunks::<32>();
    let mut sums = [_mm256_setzero_ps(); 4];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for (part, sum) in sums.iter_mut().enumerate() {
            // SAFETY: 8 part + 8 <= 32, the length of both arrays.
            let (p, q) = unsafe {
                (
                    _mm256_loadu_ps(x.as_ptr().add(8 * part)),
                    _mm256_loadu_ps(y.as_ptr().add(8 * part)),
                )
            };
            let difference = _mm256_sub_ps(p, q);
            *sum = _mm256_fmadd_ps(difference, difference, *sum);
        }
    }
    let eight = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    let sum = _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)));
    sum + super::panel::near(a_tail, b_tail)
}
