//! One convolution of one image: where it reads and writes.

use super::block::{BLOCK, Block};
use super::layout::Layout;

#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub source: *const f32,
    pub from: Layout,
    pub target: *mut f32,
    pub to: Layout,
    /// Added before the rectifier: a map of the target's shape.
    pub residual: Option<(*const f32, Layout)>,
    /// See [`Sums`](super::tile::Sums).
    pub taps: &'a [usize],
    pub weights: &'a [f32],
    /// A multiple of sixteen.
    pub bias: &'a [f32],
    pub relu: bool,
    pub kernel: usize,
    pub stride: usize,
}

impl Job<'_> {
    /// Adds the residual, rectifies and stores a block of outputs at (y, x).
    ///
    /// # Safety
    /// The pointers are to maps of these layouts, the place is there, no one else touches it or
    /// writes to the residual, and the CPU has the instructions of `B`.
    #[inline(always)]
    pub unsafe fn finish<B: Block>(&self, block: usize, y: usize, x: usize, mut value: B) {
        // SAFETY: the caller's promise.
        unsafe {
            if let Some((residual, layout)) = self.residual {
                value = value.add(B::load(residual.add(layout.inside(block, y, x))));
            }
            if self.relu {
                value = value.relu();
            }
            value.store(self.target.add(self.to.inside(block, y, x)));
        }
    }

    /// The biases of a block of outputs.
    ///
    /// # Safety
    /// The CPU has the instructions of `B`.
    #[inline(always)]
    pub unsafe fn bias<B: Block>(&self, block: usize) -> B {
        let bias = &self.bias[block * BLOCK..(block + 1) * BLOCK];
        // SAFETY: sixteen values.
        unsafe { B::load(bias.as_ptr()) }
    }
}
