//! Convolutions of 3 x 3 with stride 1 by Winograd's minimal filtering, F(4 x 4, 3 x 3).
//!
//! Sixteen outputs from 36 products instead of 144. Source: Lavin and Gray (2016), "Fast algorithms
//! for convolutional neural networks", CVPR, section 4. The points are 0, +-a, +-b and infinity with
//! a = sqrt(1/2) and b = sqrt(2) in place of 1 and 2: powers of them differ less in size, and so
//! rounding errors are smaller.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::block::{BLOCK, Block};
use super::job::Job;
use super::layout::{Layout, SIDE};
use super::tile::{Sums, pixels};
use crate::{Result, memory};

/// Side of the square of inputs.
const REACH: usize = SIDE + 2;
/// Products for each input channel, output channel and tile.
pub(super) const POINTS: usize = REACH * REACH;
/// Tiles that are transformed together.
pub(super) const TILES: usize = 16;

/// The points, their squares 1/2 and 2.
const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;

/// The 3 weights of a row at the six points.
fn at_points(w: [f64; 3]) -> [f64; REACH] {
    let (a, b) = (FRAC_1_SQRT_2, SQRT_2);
    let (even_a, odd_a) = (w[0] + 0.5 * w[2], a * w[1]);
    let (even_b, odd_b) = (w[0] + 2.0 * w[2], b * w[1]);
    // Each is divided by the product of the differences to the other points.
    [
        w[0],
        (even_a + odd_a) / -1.5,
        (even_a - odd_a) / -1.5,
        (even_b + odd_b) / 6.0,
        (even_b - odd_b) / 6.0,
        w[2],
    ]
}

/// Weights (out, in, 3, 3) at the 36 points: point, block of outputs, input, output in its block.
pub(super) fn transformed(weights: &[f32], outputs: usize, inputs: usize) -> Result<Vec<f32>> {
    let (groups, padded) = (outputs.div_ceil(BLOCK), inputs.next_multiple_of(BLOCK));
    let mut all = memory::zeros::<f32>(POINTS * groups * padded * BLOCK)?;
    for (at, kernel) in weights.as_chunks::<9>().0.iter().enumerate() {
        let (k, c) = (at / inputs, at % inputs);
        let rows: [[f64; REACH]; 3] = std::array::from_fn(|y| {
            at_points(std::array::from_fn(|x| f64::from(kernel[3 * y + x])))
        });
        for x in 0..REACH {
            let column = at_points(rows.map(|row| row[x]));
            for (y, value) in column.into_iter().enumerate() {
                let point = y * REACH + x;
                let block = (point * groups + k / BLOCK) * padded + c;
                all[block * BLOCK + k % BLOCK] = value as f32;
            }
        }
    }
    Ok(all)
}

/// # Safety
/// The CPU has the instructions of `V`.
#[inline(always)]
unsafe fn inputs_at_points<V: Block>(d: [V; REACH]) -> [V; REACH] {
    // SAFETY: the caller's promise.
    unsafe {
        let times = |factor: f32, x: V, term: V| V::splat(factor).mul_add(x, term);
        let (even_a, odd_a) = (times(-2.0, d[2], d[4]), times(-2.0, d[1], d[3]));
        let (even_b, odd_b) = (times(-0.5, d[2], d[4]), times(-0.5, d[1], d[3]));
        [
            d[0].add(times(-2.5, d[2], d[4])),
            times(A, odd_a, even_a),
            times(-A, odd_a, even_a),
            times(B, odd_b, even_b),
            times(-B, odd_b, even_b),
            d[1].add(times(-2.5, d[3], d[5])),
        ]
    }
}

/// # Safety
/// The CPU has the instructions of `V`.
#[inline(always)]
unsafe fn outputs_of_points<V: Block>(m: [V; REACH]) -> [V; SIDE] {
    // SAFETY: the caller's promise.
    unsafe {
        let times = |factor: f32, x: V, term: V| V::splat(factor).mul_add(x, term);
        let (even_a, odd_a) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (even_b, odd_b) = (m[3].add(m[4]), m[3].sub(m[4]));
        let none = V::splat(0.0);
        [
            m[0].add(even_a).add(even_b),
            times(B, odd_b, times(A, odd_a, none)),
            times(2.0, even_b, times(0.5, even_a, none)),
            times(2.0 * B, odd_b, times(0.5 * A, odd_a, m[5])),
        ]
    }
}

/// How many tiles a map of that layout has.
pub(super) fn tiles(to: Layout) -> usize {
    to.height.div_ceil(SIDE) * to.width.div_ceil(SIDE)
}

/// Values from one point to the next where each has that many blocks for each tile: one block more,
/// for a power of two would put all points into the same few lines of the cache.
fn point_step(blocks: usize) -> usize {
    (blocks * TILES + 1) * BLOCK
}

/// Values of the working memory for that many blocks of inputs and of outputs at the points.
pub(super) fn scratch_len(inputs: usize, outputs: usize) -> usize {
    POINTS * (point_step(inputs) + point_step(outputs))
}

/// Where each block of inputs lies in it, at one point.
pub(super) fn taps(inputs: usize) -> impl ExactSizeIterator<Item = usize> {
    (0..inputs).map(|group| group * TILES * BLOCK)
}

impl Job<'_> {
    /// Tiles `first..first + n`, output blocks `blocks`.
    ///
    /// # Safety
    /// The pointers are to maps of these layouts, no one else writes to the source or touches these
    /// tiles of the target, `scratch` is as long as said, and the CPU has the instructions of `V`.
    #[inline(always)]
    pub unsafe fn tiles_of<V: Block, const KB: usize, const MOST: usize>(
        &self,
        tiles: std::ops::Range<usize>,
        blocks: std::ops::Range<usize>,
        scratch: &mut [f32],
    ) {
        assert!(scratch.len() >= scratch_len(self.from.groups, blocks.len()));
        let (values, products) = scratch.split_at_mut(POINTS * point_step(self.from.groups));
        let (values, products) = (values.as_mut_ptr(), products.as_mut_ptr());
        // SAFETY: passed on; the scratch was checked.
        unsafe {
            self.transform_inputs::<V>(tiles.clone(), values);
            self.multiply::<V, KB, MOST>(tiles.len(), blocks.clone(), values, products);
            self.transform_outputs::<V>(tiles, blocks, products);
        }
    }

    fn place(&self, tile: usize) -> (usize, usize) {
        let across = self.to.width.div_ceil(SIDE);
        (tile / across * SIDE, tile % across * SIDE)
    }

    /// # Safety
    /// As [`tiles_of`](Self::tiles_of).
    #[inline(always)]
    unsafe fn transform_inputs<V: Block>(&self, tiles: std::ops::Range<usize>, values: *mut f32) {
        let (from, row) = (self.from, self.from.pitch() * BLOCK);
        let step = point_step(from.groups);
        for (t, tile) in tiles.enumerate() {
            let (y, x) = self.place(tile);
            for group in 0..from.groups {
                // SAFETY: the border has one place on each side, and fills the last tile.
                unsafe {
                    let start =
                        self.source.add(from.at(group, y + from.border - 1, x + from.border - 1));
                    let mut columns = [[V::splat(0.0); REACH]; REACH];
                    for (j, column) in columns.iter_mut().enumerate() {
                        *column = inputs_at_points(std::array::from_fn(|i| {
                            V::load(start.add(i * row + j * BLOCK))
                        }));
                    }
                    let to = values.add((group * TILES + t) * BLOCK);
                    for i in 0..REACH {
                        let line = inputs_at_points(columns.each_ref().map(|column| column[i]));
                        for (j, value) in line.into_iter().enumerate() {
                            value.store(to.add((i * REACH + j) * step));
                        }
                    }
                }
            }
        }
    }

    /// # Safety
    /// As [`tiles_of`](Self::tiles_of).
    #[inline(always)]
    unsafe fn multiply<V: Block, const KB: usize, const MOST: usize>(
        &self,
        n: usize,
        blocks: std::ops::Range<usize>,
        values: *const f32,
        products: *mut f32,
    ) {
        let groups = self.from.groups;
        let weights_step = groups * BLOCK * BLOCK;
        for point in 0..POINTS {
            let mut block = blocks.start;
            while block < blocks.end {
                // SAFETY: all of this lies in the scratch and in the weights, by their lengths.
                unsafe {
                    let sums = Sums {
                        source: values.add(point * point_step(groups)),
                        taps: self.taps,
                        weights: self
                            .weights
                            .as_ptr()
                            .add((point * self.to.groups + block) * weights_step),
                        weights_step,
                    };
                    let to = products.add(
                        point * point_step(blocks.len()) + (block - blocks.start) * TILES * BLOCK,
                    );
                    if block + KB <= blocks.end {
                        pixels::<V, KB, MOST, BLOCK, BLOCK>(
                            sums,
                            n,
                            [V::splat(0.0); KB],
                            |t, found| {
                                for (k, one) in found.into_iter().enumerate() {
                                    one.store(to.add((k * TILES + t) * BLOCK));
                                }
                            },
                        );
                        block += KB;
                    } else {
                        pixels::<V, 1, MOST, BLOCK, BLOCK>(sums, n, [V::splat(0.0)], |t, [one]| {
                            one.store(to.add(t * BLOCK))
                        });
                        block += 1;
                    }
                }
            }
        }
    }

    /// # Safety
    /// As [`tiles_of`](Self::tiles_of).
    #[inline(always)]
    unsafe fn transform_outputs<V: Block>(
        &self,
        tiles: std::ops::Range<usize>,
        blocks: std::ops::Range<usize>,
        products: *const f32,
    ) {
        let step = point_step(blocks.len());
        for (t, tile) in tiles.enumerate() {
            let (y, x) = self.place(tile);
            let (rows, across) = (SIDE.min(self.to.height - y), SIDE.min(self.to.width - x));
            for block in blocks.clone() {
                // SAFETY: in the scratch, the bias, and places of the maps that are there.
                unsafe {
                    let from = products.add(((block - blocks.start) * TILES + t) * BLOCK);
                    let mut columns = [[V::splat(0.0); SIDE]; REACH];
                    for (j, column) in columns.iter_mut().enumerate() {
                        *column = outputs_of_points(std::array::from_fn(|i| {
                            V::load(from.add((i * REACH + j) * step))
                        }));
                    }
                    let bias = self.bias::<V>(block);
                    for i in 0..rows {
                        let line = outputs_of_points(columns.each_ref().map(|column| column[i]));
                        for (j, value) in line.into_iter().enumerate().take(across) {
                            self.finish(block, y + i, x + j, value.add(bias));
                        }
                    }
                }
            }
        }
    }
}
