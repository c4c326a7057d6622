//! What a network does with an image of one size, cut into stages of independent items.

use super::block::{BLOCK, Plain};
#[cfg(target_arch = "aarch64")]
use super::block_neon::Neon;
#[cfg(target_arch = "x86_64")]
use super::block_x86::{Avx2, Avx512};
use super::job::Job;
use super::layer::Layer;
use super::layout::Layout;
use super::{direct, winograd};
use crate::simd::{Level, Simd};
use crate::{Error, Result, memory};

/// Rows of an output that are written together.
const ROWS: usize = 8;
/// Items of a convolution that is no Winograd's.
const ITEMS: usize = 16;
/// Blocks of outputs that are computed together.
const TOGETHER: usize = 2;

/// Layouts of the image and of each convolution's map, and where each convolution finds its inputs.
#[derive(Debug)]
pub(super) struct Plan {
    pub height: usize,
    pub width: usize,
    pub layouts: Vec<Layout>,
    taps: Vec<Vec<usize>>,
}

impl Plan {
    pub fn new(layers: &[Layer], channels: usize, height: usize, width: usize) -> Result<Self> {
        let mut borders = vec![0; layers.len() + 1];
        for layer in layers {
            borders[layer.source] = layer.kernel.div_euclid(2).max(borders[layer.source]);
        }
        let image = Layout { groups: channels, lanes: 1, height, width, border: borders[0] };
        let mut plan = Self { height, width, layouts: vec![image], taps: Vec::new() };
        for (layer, border) in layers.iter().zip(&borders[1..]) {
            let from = plan.layouts[layer.source];
            let (h, w) = (from.height.div_ceil(layer.stride), from.width.div_ceil(layer.stride));
            let to = Layout::blocks(layer.outputs, h, w, *border);
            if let Some(at) = layer.residual {
                let other = plan.layouts[at];
                if (other.height, other.width) != (h, w) {
                    return Err(Error::Argument(format!(
                        "convolution {} adds a map of another size",
                        plan.layouts.len() - 1
                    )));
                }
            }
            from.len()?;
            to.len()?;
            plan.taps.push(if layer.winograd {
                memory::collected(winograd::taps(from.groups))?
            } else {
                direct::taps(from, layer.kernel)?
            });
            plan.layouts.push(to);
        }
        Ok(plan)
    }
}

/// One image on its way through a network, worked at by several threads.
pub(super) struct Shared<'a> {
    pub layers: &'a [Layer],
    pub plan: &'a Plan,
    /// (channels, height, width).
    pub image: &'a [f32],
    /// The map of each layout.
    pub maps: Vec<*mut f32>,
    /// Of which map, and where to.
    pub outputs: Vec<(usize, *mut f32)>,
    /// For how many threads the work is cut.
    pub threads: usize,
    pub simd: Simd,
}

// SAFETY: items of a stage write to places of their own, and read what earlier stages wrote.
unsafe impl Sync for Shared<'_> {}

/// How a convolution is cut: in parts of its places and of its blocks of outputs.
struct Cut {
    places: usize,
    places_each: usize,
    blocks: usize,
    blocks_each: usize,
}

impl Cut {
    fn new(places: usize, places_each: usize, blocks: usize, parts: usize) -> Self {
        let pairs = blocks.div_ceil(TOGETHER);
        let blocks_each = pairs.div_ceil(parts.clamp(1, pairs)) * TOGETHER;
        Self { places, places_each, blocks, blocks_each }
    }

    fn items(&self) -> usize {
        self.places.div_ceil(self.places_each) * self.blocks.div_ceil(self.blocks_each)
    }

    fn item(&self, item: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let along = self.places.div_ceil(self.places_each);
        let (place, block) = (item % along * self.places_each, item / along * self.blocks_each);
        (
            place..(place + self.places_each).min(self.places),
            block..(block + self.blocks_each).min(self.blocks),
        )
    }
}

impl Shared<'_> {
    /// The number of items of each stage: the image is brought in, one stage for each convolution,
    /// the outputs are written.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![self.plan.layouts[0].groups];
        counts.extend(self.layers.iter().enumerate().map(|(at, _)| self.cut(at).items()));
        counts.push(self.outputs.iter().map(|(at, _)| self.bands(*at)).sum());
        counts
    }

    fn cut(&self, at: usize) -> Cut {
        let (layer, to) = (&self.layers[at], self.plan.layouts[at + 1]);
        if layer.winograd {
            let tiles = winograd::tiles(to);
            let parts = self.threads.div_ceil(tiles.div_ceil(winograd::TILES));
            Cut::new(tiles, winograd::TILES, to.groups, parts)
        } else {
            let pairs = to.groups.div_ceil(TOGETHER);
            let rows = to.height.div_ceil(ITEMS.div_ceil(pairs));
            Cut::new(to.height, rows, to.groups, pairs)
        }
    }

    fn bands(&self, tensor: usize) -> usize {
        self.plan.layouts[tensor].height.div_ceil(ROWS)
    }

    /// Does one item.
    ///
    /// # Safety
    /// All items of earlier stages are done, and this one is done by no one else.
    pub unsafe fn work(&self, scratch: &mut [f32], stage: usize, item: usize) {
        // SAFETY: passed on.
        unsafe {
            match stage {
                0 => self.bring_in(item),
                _ if stage <= self.layers.len() => self.convolve(scratch, stage - 1, item),
                _ => self.write_out(item),
            }
        }
    }

    /// # Safety
    /// As [`work`](Self::work).
    unsafe fn bring_in(&self, channel: usize) {
        let layout = self.plan.layouts[0];
        let plane = layout.height * layout.width;
        let rows = self.image[channel * plane..].chunks_exact(layout.width).take(layout.height);
        for (y, row) in rows.enumerate() {
            // SAFETY: the row of the map is as long, and this item's.
            unsafe {
                let to = self.maps[0].add(layout.inside(channel, y, 0));
                to.copy_from_nonoverlapping(row.as_ptr(), row.len());
            }
        }
    }

    /// # Safety
    /// As [`work`](Self::work).
    unsafe fn convolve(&self, scratch: &mut [f32], at: usize, item: usize) {
        let layer = &self.layers[at];
        let job = Job {
            source: self.maps[layer.source],
            from: self.plan.layouts[layer.source],
            target: self.maps[at + 1],
            to: self.plan.layouts[at + 1],
            residual: layer.residual.map(|r| (self.maps[r].cast_const(), self.plan.layouts[r])),
            taps: &self.plan.taps[at],
            weights: &layer.weights,
            bias: &layer.bias,
            relu: layer.relu,
            kernel: layer.kernel,
            stride: layer.stride,
        };
        let (places, blocks) = self.cut(at).item(item);
        // `by!(B, KB, P)`: with registers for KB blocks of outputs of P pixels.
        macro_rules! by {
            ($block:ty, $kb:literal, $most:literal) => {
                self.simd.vectorize(
                    #[inline(always)]
                    // SAFETY: passed on; the level has these instructions.
                    || unsafe {
                        if layer.winograd {
                            job.tiles_of::<$block, $kb, $most>(places, blocks, scratch);
                        } else {
                            job.rows_of::<$block, $kb, $most>(places, blocks);
                        }
                    },
                )
            };
        }
        match self.simd.level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => by!(Avx512, 2, 12),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => by!(Avx2, 1, 6),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => by!(Neon, 1, 6),
            _ => by!(Plain, 1, 4),
        }
    }

    /// # Safety
    /// As [`work`](Self::work).
    unsafe fn write_out(&self, mut item: usize) {
        for (tensor, out) in &self.outputs {
            let bands = self.bands(*tensor);
            if item >= bands {
                item -= bands;
                continue;
            }
            let layout = self.plan.layouts[*tensor];
            let channels = self.layers[tensor - 1].outputs;
            let map = self.maps[*tensor].cast_const();
            for y in item * ROWS..((item + 1) * ROWS).min(layout.height) {
                for block in 0..layout.groups {
                    let wide = BLOCK.min(channels - block * BLOCK);
                    for x in 0..layout.width {
                        // SAFETY: the place is there on both sides, and no other item writes it.
                        unsafe {
                            let to = out.add((y * layout.width + x) * channels + block * BLOCK);
                            to.copy_from_nonoverlapping(map.add(layout.inside(block, y, x)), wide);
                        }
                    }
                }
            }
            return;
        }
    }
}
