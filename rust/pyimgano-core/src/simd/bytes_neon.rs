//! Products of bytes with the dot product of ARMv8.2.
//!
//! It multiplies signed bytes with signed ones. So 128 is taken from the unsigned side, by turning
//! its highest bit, and 128 times the sum of the signed side is added: both are exact.

use std::arch::aarch64::*;
use std::arch::asm;

use super::dispatch::Scaled;
use super::neon::{STRIP, WIDE, bits, load_strip};
use super::panel::PANEL;

/// Queries that meet a strip of rows together.
const TOGETHER: usize = 6;

/// To each lane the products of its four bytes of `a` and `b`. The intrinsic is not stable.
#[target_feature(enable = "dotprod")]
#[inline]
fn dot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction works on registers alone, and the function has it.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// To each lane the products of its four bytes of `a` and those of `b`.
#[target_feature(enable = "dotprod")]
#[inline]
fn dot_with_four(mut sum: int32x4_t, a: int8x16_t, b: int8x8_t) -> int32x4_t {
    // SAFETY: the instruction works on registers alone, and the function has it.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.4b[0]",
            sum = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

#[target_feature(enable = "neon")]
#[inline]
fn load_bytes(from: &[u8; STRIP]) -> uint8x16_t {
    // SAFETY: sixteen bytes can be read.
    unsafe { vld1q_u8(from.as_ptr()) }
}

/// Each byte less 128.
#[target_feature(enable = "neon")]
#[inline]
fn signed(bytes: uint8x16_t) -> int8x16_t {
    vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(128)))
}

#[target_feature(enable = "neon")]
#[inline]
fn load_whole(from: &[i32; STRIP]) -> [int32x4_t; 4] {
    let parts = from.as_chunks::<WIDE>().0;
    // SAFETY: four values can be read.
    std::array::from_fn(|part| unsafe { vld1q_s32(parts[part].as_ptr()) })
}

/// 128 times the sum of a query.
#[target_feature(enable = "neon")]
#[inline]
fn shift(query: &[i8]) -> i32 {
    128 * query.iter().map(|x| i32::from(*x)).sum::<i32>()
}

/// `start` plus the products of `Q` queries, whose shifts are given, with the rows of strip `part`.
#[target_feature(enable = "dotprod")]
#[inline]
fn sums<const Q: usize>(
    panel: &[u8],
    part: usize,
    start: [[int32x4_t; 4]; Q],
    (queries, shifts): ([&[i8]; Q], [i32; Q]),
) -> [[int32x4_t; 4]; Q] {
    let mut sums = start;
    for (sums, shift) in sums.iter_mut().zip(shifts) {
        for sum in sums {
            *sum = vaddq_s32(*sum, vdupq_n_s32(shift));
        }
    }
    let groups = panel.as_chunks::<{ 4 * PANEL }>().0;
    let queries = queries.map(|query| &query.as_chunks::<4>().0[..groups.len()]);
    for (g, group) in groups.iter().enumerate() {
        let strip = &group.as_chunks::<{ 4 * STRIP }>().0[part];
        let rows = strip.as_chunks::<STRIP>().0;
        let rows: [int8x16_t; 4] = std::array::from_fn(|at| signed(load_bytes(&rows[at])));
        for (sums, query) in sums.iter_mut().zip(queries) {
            let x = vreinterpret_s8_s32(vdup_n_s32(i32::from_ne_bytes(query[g].map(|x| x as u8))));
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = dot_with_four(*sum, row, x);
            }
        }
    }
    sums
}

/// See [`Simd::byte_reach`](super::Simd::byte_reach).
#[target_feature(enable = "dotprod")]
pub(super) fn reach<'a>(
    panel: &[u8],
    bias: &[i32; PANEL],
    row: impl Fn(usize) -> &'a [i8],
    thresholds: &[i32],
    masks: &mut Vec<u64>,
) {
    let (sixes, rest) = thresholds.as_chunks::<TOGETHER>();
    for (at, thresholds) in sixes.iter().enumerate() {
        let queries = std::array::from_fn(|q| row(TOGETHER * at + q));
        masks.extend(reach_of(panel, bias, queries, *thresholds));
    }
    for (at, threshold) in rest.iter().enumerate() {
        masks.extend(reach_of(panel, bias, [row(TOGETHER * sixes.len() + at)], [*threshold]));
    }
}

#[target_feature(enable = "dotprod")]
#[inline]
fn reach_of<const Q: usize>(
    panel: &[u8],
    bias: &[i32; PANEL],
    queries: [&[i8]; Q],
    thresholds: [i32; Q],
) -> [u64; Q] {
    let queries = (queries, queries.map(|query| shift(query)));
    let mut masks = [0; Q];
    for (part, bias) in bias.as_chunks::<STRIP>().0.iter().enumerate() {
        let sums = sums(panel, part, [load_whole(bias); Q], queries);
        for ((mask, sums), threshold) in masks.iter_mut().zip(sums).zip(thresholds) {
            let threshold = vdupq_n_s32(threshold);
            *mask |= bits(sums.map(|sum| vcgeq_s32(sum, threshold))) << (STRIP * part);
        }
    }
    masks
}

/// See [`Simd::byte_dots`](super::Simd::byte_dots).
#[target_feature(enable = "dotprod")]
pub(super) fn dots(panel: &[u8], bias: &[i32; PANEL], query: &[i8], out: &mut [i32; PANEL]) {
    let strips = bias.as_chunks::<STRIP>().0.iter().zip(out.as_chunks_mut::<STRIP>().0);
    for (part, (bias, out)) in strips.enumerate() {
        let [found] = sums(panel, part, [load_whole(bias)], ([query], [shift(query)]));
        for (sum, out) in found.into_iter().zip(out.as_chunks_mut::<WIDE>().0) {
            // SAFETY: four values can be written.
            unsafe { vst1q_s32(out.as_mut_ptr(), sum) };
        }
    }
}

/// See [`Simd::byte_scaled`](super::Simd::byte_scaled).
#[target_feature(enable = "dotprod")]
pub(super) fn scaled<'a>(
    panel: &[u8],
    scales_and_bias: (&[f32; PANEL], &[f32; PANEL]),
    row: impl Fn(usize) -> &'a [i8],
    asked: &[Scaled],
    masks: &mut Vec<u64>,
) {
    let (sixes, rest) = asked.as_chunks::<TOGETHER>();
    for (at, asked) in sixes.iter().enumerate() {
        let queries = std::array::from_fn(|q| row(TOGETHER * at + q));
        masks.extend(scaled_of(panel, scales_and_bias, queries, *asked));
    }
    for (at, asked) in rest.iter().enumerate() {
        let queries = [row(TOGETHER * sixes.len() + at)];
        masks.extend(scaled_of(panel, scales_and_bias, queries, [*asked]));
    }
}

#[target_feature(enable = "dotprod")]
#[inline]
fn scaled_of<const Q: usize>(
    panel: &[u8],
    (scales, bias): (&[f32; PANEL], &[f32; PANEL]),
    queries: [&[i8]; Q],
    asked: [Scaled; Q],
) -> [u64; Q] {
    let start = asked.map(|asked| [vdupq_n_s32(asked.start); 4]);
    let queries = (queries, queries.map(|query| shift(query)));
    let mut masks = [0; Q];
    let strips = scales.as_chunks::<STRIP>().0.iter().zip(bias.as_chunks::<STRIP>().0);
    for (part, (scales, bias)) in strips.enumerate() {
        let (scales, bias) = (load_strip(scales), load_strip(bias));
        let sums = sums(panel, part, start, queries);
        for ((mask, sums), asked) in masks.iter_mut().zip(sums).zip(asked) {
            let threshold = vdupq_n_f32(asked.threshold);
            let reached = std::array::from_fn(|at| {
                let sum = vmulq_f32(vcvtq_f32_s32(sums[at]), scales[at]);
                vcgeq_f32(vfmaq_n_f32(bias[at], sum, asked.scale), threshold)
            });
            *mask |= bits(reached) << (STRIP * part);
        }
    }
    masks
}

/// See [`Simd::byte_within`](super::Simd::byte_within); the box has a multiple of four sides.
#[target_feature(enable = "dotprod")]
pub(super) fn within(panel: &[u8], low: &[u8], high: &[u8], limits: &[i32; PANEL]) -> u64 {
    let four = |side: &[u8; 4]| vreinterpretq_u8_s32(vdupq_n_s32(i32::from_ne_bytes(*side)));
    let sides = low.as_chunks::<4>().0.iter().zip(high.as_chunks::<4>().0);
    let mut sums = [vdupq_n_s32(0); PANEL / WIDE];
    for (group, (low, high)) in panel.as_chunks::<{ 4 * PANEL }>().0.iter().zip(sides) {
        let (low, high) = (four(low), four(high));
        for (sum, rows) in sums.iter_mut().zip(group.as_chunks::<STRIP>().0) {
            let x = load_bytes(rows);
            let off = vorrq_u8(vqsubq_u8(low, x), vqsubq_u8(x, high));
            let off = vreinterpretq_s8_u8(vminq_u8(off, vdupq_n_u8(127)));
            *sum = dot(*sum, off, off);
        }
    }
    let mut mask = 0;
    let strips = limits.as_chunks::<STRIP>().0.iter().zip(sums.as_chunks::<4>().0);
    for (part, (limits, sums)) in strips.enumerate() {
        let limits = load_whole(limits);
        mask |= bits(std::array::from_fn(|at| vcleq_s32(sums[at], limits[at]))) << (STRIP * part);
    }
    mask
}

/// The product of a row and a query of a multiple of 64 bytes.
#[target_feature(enable = "dotprod")]
pub(super) fn product(row: &[u8], query: &[i8]) -> i32 {
    let mut sums = [vdupq_n_s32(0); 4];
    // -128 times the query: to be taken away, for no signed byte holds 128.
    let mut shifts = [vdupq_n_s32(0); 4];
    let less = vdupq_n_s8(-128);
    for (row, query) in row.as_chunks::<64>().0.iter().zip(query.as_chunks::<64>().0) {
        let sides = row.as_chunks::<16>().0.iter().zip(query.as_chunks::<16>().0);
        for ((sum, shift), (x, y)) in sums.iter_mut().zip(&mut shifts).zip(sides) {
            // SAFETY: sixteen bytes can be read.
            let y = unsafe { vld1q_s8(y.as_ptr()) };
            *sum = dot(*sum, signed(load_bytes(x)), y);
            *shift = dot(*shift, less, y);
        }
    }
    let add = |sums: [int32x4_t; 4]| {
        vaddvq_s32(vaddq_s32(vaddq_s32(sums[0], sums[1]), vaddq_s32(sums[2], sums[3])))
    };
    add(sums) - add(shifts)
}
