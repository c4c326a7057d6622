//! What the loops for NEON share.

use std::arch::aarch64::*;

/// Values in a register of float32.
pub(super) const WIDE: usize = 4;
/// Rows whose values lie together in a cache line: four registers of float32, or of bytes by four.
pub(super) const STRIP: usize = 16;

#[target_feature(enable = "neon")]
#[inline]
pub(super) fn load(from: &[f32; WIDE]) -> float32x4_t {
    // SAFETY: four values can be read.
    unsafe { vld1q_f32(from.as_ptr()) }
}

/// The registers of a strip.
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn load_strip(from: &[f32; STRIP]) -> [float32x4_t; 4] {
    let parts = from.as_chunks::<WIDE>().0;
    std::array::from_fn(|part| load(&parts[part]))
}

/// Bit r is set where lane r of the sixteen is all ones; the others are zero.
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn bits(lanes: [uint32x4_t; 4]) -> u64 {
    const BIT: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    let [a, b, c, d] = lanes.map(|lanes| vmovn_u32(lanes));
    let bytes = vcombine_u8(vmovn_u16(vcombine_u16(a, b)), vmovn_u16(vcombine_u16(c, d)));
    // SAFETY: sixteen bytes can be read.
    let bits = vandq_u8(bytes, unsafe { vld1q_u8(BIT.as_ptr()) });
    u64::from(vaddv_u8(vget_low_u8(bits))) | u64::from(vaddv_u8(vget_high_u8(bits))) << 8
}
