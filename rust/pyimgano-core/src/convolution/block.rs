//! Sixteen values that are computed with at once.

/// Channels of a block.
pub(super) const BLOCK: usize = 16;

/// A block in the registers of one instruction set.
///
/// Its methods are compiled for the instructions of the function that they are inlined into: call
/// them inside [`Simd::vectorize`](crate::simd::Simd::vectorize) of that level alone.
pub(super) trait Block: Copy {
    /// # Safety
    /// Sixteen values can be read, and the CPU has the instructions.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// Sixteen values can be written, and the CPU has the instructions.
    unsafe fn store(self, to: *mut f32);
    /// # Safety
    /// The CPU has the instructions; so for all that follow.
    unsafe fn splat(value: f32) -> Self;
    /// `self * factor + term`.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// 0 for what is negative; NaN stays.
    unsafe fn relu(self) -> Self;
}

/// For every CPU, left to the compiler. On x86-64, where a fused multiply-add would be a call of a
/// function, product and sum are each rounded.
#[derive(Clone, Copy)]
pub(super) struct Plain([f32; BLOCK]);

impl Plain {
    #[inline(always)]
    fn each(mut self, value: impl Fn(usize) -> f32) -> Self {
        for (lane, slot) in self.0.iter_mut().enumerate() {
            *slot = value(lane);
        }
        self
    }
}

// SAFETY (of the trait's promises): these are ordinary reads, writes and sums.
impl Block for Plain {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[f32; BLOCK]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; BLOCK]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; BLOCK])
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        if cfg!(target_arch = "x86_64") {
            term.each(|i| self.0[i] * factor.0[i] + term.0[i])
        } else {
            term.each(|i| self.0[i].mul_add(factor.0[i], term.0[i]))
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.each(|i| self.0[i] + other.0[i])
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.each(|i| self.0[i] - other.0[i])
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        self.each(|i| if self.0[i] < 0.0 { 0.0 } else { self.0[i] })
    }
}
