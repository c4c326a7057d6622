//! Convolutions of any odd kernel, place by place.

use super::block::{BLOCK, Block};
use super::job::Job;
use super::layout::Layout;
use super::tile::{Sums, pixels};
use crate::{Result, memory};

/// Weights (out, in, side, side) in the order of summation: block of outputs, group of `lanes`
/// inputs, place in the kernel, input, output in its block.
pub(super) fn packed(
    weights: &[f32],
    [outputs, inputs, side]: [usize; 3],
    lanes: usize,
) -> Result<Vec<f32>> {
    let (groups, places) = (inputs.div_ceil(lanes), side * side);
    let mut all = memory::zeros::<f32>(outputs.div_ceil(BLOCK) * groups * places * lanes * BLOCK)?;
    for (at, value) in weights.iter().enumerate() {
        let (k, c, place) = (at / (inputs * places), at / places % inputs, at % places);
        let tap = (k / BLOCK * groups + c / lanes) * places + place;
        all[(tap * lanes + c % lanes) * BLOCK + k % BLOCK] = *value;
    }
    Ok(all)
}

/// Where each group of inputs lies at each place of the kernel, from that of the first.
pub(super) fn taps(from: Layout, side: usize) -> Result<Vec<usize>> {
    let mut all = memory::reserved(from.groups * side * side)?;
    for group in 0..from.groups {
        for place in 0..side * side {
            all.push(from.at(group, place / side, place % side));
        }
    }
    Ok(all)
}

impl Job<'_> {
    /// Output rows `rows` of the output blocks `blocks`.
    ///
    /// # Safety
    /// The pointers are to maps of these layouts, no one else writes to the source or touches these
    /// rows of the target, and the CPU has the instructions of `B`.
    #[inline(always)]
    pub unsafe fn rows_of<B: Block, const KB: usize, const MOST: usize>(
        &self,
        rows: std::ops::Range<usize>,
        blocks: std::ops::Range<usize>,
    ) {
        let mut block = blocks.start;
        while block < blocks.end {
            // SAFETY: passed on.
            unsafe {
                if block + KB <= blocks.end {
                    self.rows_by_pitch::<B, KB, MOST>(rows.clone(), block);
                    block += KB;
                } else {
                    self.rows_by_pitch::<B, 1, MOST>(rows.clone(), block);
                    block += 1;
                }
            }
        }
    }

    /// # Safety
    /// As [`rows_of`](Self::rows_of).
    #[inline(always)]
    unsafe fn rows_by_pitch<B: Block, const KB: usize, const MOST: usize>(
        &self,
        rows: std::ops::Range<usize>,
        block: usize,
    ) {
        // SAFETY: passed on; strides are 1 or 2, and lanes 1 or 16.
        unsafe {
            match (self.from.lanes, self.stride) {
                (1, 1) => self.rows_of_blocks::<B, KB, MOST, 1, 1>(rows, block),
                (1, _) => self.rows_of_blocks::<B, KB, MOST, 2, 1>(rows, block),
                (_, 1) => self.rows_of_blocks::<B, KB, MOST, BLOCK, BLOCK>(rows, block),
                _ => self.rows_of_blocks::<B, KB, MOST, { 2 * BLOCK }, BLOCK>(rows, block),
            }
        }
    }

    /// # Safety
    /// As [`rows_of`](Self::rows_of); `PITCH` and `GROUP` are those of source and stride.
    #[inline(always)]
    unsafe fn rows_of_blocks<
        B: Block,
        const KB: usize,
        const MOST: usize,
        const PITCH: usize,
        const GROUP: usize,
    >(
        &self,
        rows: std::ops::Range<usize>,
        block: usize,
    ) {
        let weights_step = self.taps.len() * GROUP * BLOCK;
        let weights = &self.weights[block * weights_step..(block + KB) * weights_step];
        let before = self.from.border - self.kernel / 2;
        for y in rows {
            // SAFETY: the border has all that the kernel reaches, and the weights were checked.
            unsafe {
                let start = self.from.at(0, y * self.stride + before, before);
                let sums = Sums {
                    source: self.source.add(start),
                    taps: self.taps,
                    weights: weights.as_ptr(),
                    weights_step,
                };
                let bias = std::array::from_fn(|k| self.bias::<B>(block + k));
                pixels::<B, KB, MOST, PITCH, GROUP>(sums, self.to.width, bias, |x, found| {
                    for (k, one) in found.into_iter().enumerate() {
                        self.finish(block + k, y, x, one);
                    }
                });
            }
        }
    }
}
