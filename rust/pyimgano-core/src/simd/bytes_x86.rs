//! Products of bytes with AVX-512 VNNI.

use std::arch::x86_64::*;

use super::dispatch::Scaled;
use super::panel::PANEL;

/// `start` plus the products of `Q` queries with the 64 rows of a panel of `groups` groups.
///
/// # Safety
/// The CPU must have AVX-512 F, BW and VNNI; `panel` holds `256 * groups` bytes, each query
/// `4 * groups`.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni")]
#[inline]
unsafe fn sums<const Q: usize>(
    panel: *const u8,
    groups: usize,
    start: [[__m512i; 4]; Q],
    queries: [*const i8; Q],
) -> [[__m512i; 4]; Q] {
    let mut sums = start;
    for g in 0..groups {
        // SAFETY: g < groups, so this group of the panel and of each query exist.
        unsafe {
            let column = panel.add(g * 4 * PANEL).cast::<i32>();
            let rows: [__m512i; 4] =
                std::array::from_fn(|part| _mm512_loadu_si512(column.add(16 * part).cast()));
            for q in 0..Q {
                let x = _mm512_set1_epi32(queries[q].add(4 * g).cast::<i32>().read_unaligned());
                for (sum, row) in sums[q].iter_mut().zip(rows) {
                    *sum = _mm512_dpbusd_epi32(*sum, row, x);
                }
            }
        }
    }
    sums
}

/// # Safety
/// As [`sums`].
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni")]
pub(super) unsafe fn reach<const Q: usize>(
    panel: &[u8],
    groups: usize,
    bias: &[i32; PANEL],
    queries: [*const i8; Q],
    thresholds: [i32; Q],
) -> [u64; Q] {
    // SAFETY: the bias has 64 values; the rest is passed on.
    let sums = unsafe {
        let start =
            std::array::from_fn(|part| _mm512_loadu_si512(bias.as_ptr().add(16 * part).cast()));
        sums(panel.as_ptr(), groups, [start; Q], queries)
    };
    let mut masks = [0; Q];
    for q in 0..Q {
        let threshold = _mm512_set1_epi32(thresholds[q]);
        for (part, sum) in sums[q].into_iter().enumerate() {
            masks[q] |= u64::from(_mm512_cmpge_epi32_mask(sum, threshold)) << (16 * part);
        }
    }
    masks
}

/// # Safety
/// As [`sums`].
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni")]
pub(super) unsafe fn dots(
    panel: &[u8],
    groups: usize,
    bias: &[i32; PANEL],
    query: *const i8,
    out: &mut [i32; PANEL],
) {
    // SAFETY: bias and out have 64 values; the rest is passed on.
    unsafe {
        let start =
            std::array::from_fn(|part| _mm512_loadu_si512(bias.as_ptr().add(16 * part).cast()));
        let [sums] = sums(panel.as_ptr(), groups, [start], [query]);
        for (part, sum) in sums.into_iter().enumerate() {
            _mm512_storeu_si512(out.as_mut_ptr().add(16 * part).cast(), sum);
        }
    }
}

/// # Safety
/// As [`sums`].
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni")]
pub(super) unsafe fn scaled<const Q: usize>(
    panel: &[u8],
    groups: usize,
    scales: &[f32; PANEL],
    bias: &[f32; PANEL],
    queries: [*const i8; Q],
    asked: [Scaled; Q],
) -> [u64; Q] {
    let start = asked.map(|a| [_mm512_set1_epi32(a.start); 4]);
    // SAFETY: passed on.
    let sums = unsafe { sums(panel.as_ptr(), groups, start, queries) };
    let mut masks = [0; Q];
    #[allow(clippy::needless_range_loop)] // an index into arrays of all queries
    for part in 0..PANEL / 16 {
        // SAFETY: 16 part + 16 <= 64, the length of both.
        let (scale, bias) = unsafe {
            let at = 16 * part;
            (_mm512_loadu_ps(scales.as_ptr().add(at)), _mm512_loadu_ps(bias.as_ptr().add(at)))
        };
        for ((sums, asked), masks) in sums.iter().zip(&asked).zip(&mut masks) {
            let sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[part]), scale);
            let sum = _mm512_fmadd_ps(sum, _mm512_set1_ps(asked.scale), bias);
            let threshold = _mm512_set1_ps(asked.threshold);
            let mask = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(sum, threshold);
            *masks |= u64::from(mask) << (16 * part);
        }
    }
    masks
}

/// Which of the 64 rows of a panel are within the squared distance `limits` of a box.
///
/// # Safety
/// The CPU must have AVX-512 F, BW and VNNI; `panel` holds `256 * groups` bytes, `low` and `high`
/// `4 * groups`.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni")]
pub(super) unsafe fn within(
    panel: *const u8,
    groups: usize,
    low: *const u8,
    high: *const u8,
    limits: &[i32; PANEL],
) -> u64 {
    let most = _mm512_set1_epi8(i8::MAX);
    let mut sums = [_mm512_setzero_si512(); 4];
    for g in 0..groups {
        // SAFETY: g < groups, so this group exists in all three.
        unsafe {
            let low = _mm512_set1_epi32(low.add(4 * g).cast::<i32>().read_unaligned());
            let high = _mm512_set1_epi32(high.add(4 * g).cast::<i32>().read_unaligned());
            for (part, sum) in sums.iter_mut().enumerate() {
                let x = _mm512_loadu_si512(panel.add(g * 4 * PANEL + 64 * part).cast());
                let off = _mm512_or_si512(_mm512_subs_epu8(low, x), _mm512_subs_epu8(x, high));
                let off = _mm512_min_epu8(off, most);
                *sum = _mm512_dpbusd_epi32(*sum, off, off);
            }
        }
    }
    let mut mask = 0;
    for (part, sum) in sums.into_iter().enumerate() {
        // SAFETY: 16 part + 16 <= 64.
        let limits = unsafe { _mm512_loadu_si512(limits.as_ptr().add(16 * part).cast()) };
        mask |= u64::from(_mm512_cmple_epi32_mask(sum, limits)) << (16 * part);
    }
    mask
}

/// Products of four pairs of a row and a query of `64 * chunks` bytes each.
///
/// # Safety
/// The CPU must have AVX-512 F, BW and VNNI; each row and query holds that many bytes.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni")]
pub(super) unsafe fn four(
    rows: [*const u8; 4],
    queries: [*const i8; 4],
    chunks: usize,
) -> [i32; 4] {
    let mut sums = [_mm512_setzero_si512(); 4];
    for i in 0..chunks {
        for (sum, (row, query)) in sums.iter_mut().zip(rows.into_iter().zip(queries)) {
            // SAFETY: 64 i + 64 is at most the length of both.
            unsafe {
                let x = _mm512_loadu_si512(row.add(64 * i).cast());
                let y = _mm512_loadu_si512(query.add(64 * i).cast());
                *sum = _mm512_dpbusd_epi32(*sum, x, y);
            }
        }
    }
    // Adds up all four at once: first within 16 bytes, then over the four parts of 16 bytes.
    let [a, b, c, d] = sums;
    let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    let all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
    let sums = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
    let mut out = [0; 4];
    // SAFETY: out has room for 16 bytes.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sums) };
    out
}
