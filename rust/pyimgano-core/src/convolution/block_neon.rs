//! Blocks in the registers of NEON.

use std::arch::aarch64::*;

use super::block::Block;

#[derive(Clone, Copy)]
pub(super) struct Neon(float32x4_t, float32x4_t, float32x4_t, float32x4_t);

impl Block for Neon {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise; so for all that follow.
        unsafe {
            let part = |at| vld1q_f32(from.add(at));
            Self(part(0), part(4), part(8), part(12))
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe {
            vst1q_f32(to, self.0);
            vst1q_f32(to.add(4), self.1);
            vst1q_f32(to.add(8), self.2);
            vst1q_f32(to.add(12), self.3);
        }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: as above.
        let one = unsafe { vdupq_n_f32(value) };
        Self(one, one, one, one)
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            Self(
                vfmaq_f32(term.0, self.0, factor.0),
                vfmaq_f32(term.1, self.1, factor.1),
                vfmaq_f32(term.2, self.2, factor.2),
                vfmaq_f32(term.3, self.3, factor.3),
            )
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            Self(
                vaddq_f32(self.0, other.0),
                vaddq_f32(self.1, other.1),
                vaddq_f32(self.2, other.2),
                vaddq_f32(self.3, other.3),
            )
        }
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            Self(
                vsubq_f32(self.0, other.0),
                vsubq_f32(self.1, other.1),
                vsubq_f32(self.2, other.2),
                vsubq_f32(self.3, other.3),
            )
        }
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: as above. A maximum would make 0 of -0, which the other levels keep.
        unsafe {
            let zero = vdupq_n_f32(0.0);
            let part = |x| {
                let negative = vcltq_f32(x, zero);
                vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), negative))
            };
            Self(part(self.0), part(self.1), part(self.2), part(self.3))
        }
    }
}
