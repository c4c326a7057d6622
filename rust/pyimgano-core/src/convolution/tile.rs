//! The inner loop: some pixels by some blocks of output channels, their sums in registers.

use super::block::{BLOCK, Block};

/// What the sums of a run of pixels are made of.
#[derive(Clone, Copy)]
pub(super) struct Sums<'a> {
    /// First value of the first pixel.
    pub source: *const f32,
    /// Where from there each further group of `GROUP` input channels lies: one for each of the
    /// kernel's places and each block of channels, in the order of summation.
    pub taps: &'a [usize],
    /// Sixteen weights for each input channel of each tap.
    pub weights: *const f32,
    /// Values from the weights of one block of output channels to those of the next.
    pub weights_step: usize,
}

/// Sums of `n` pixels, `PITCH` values apart, for `KB` blocks of output channels; `put` gets them by
/// the pixel's number. Each begins with `start` and adds input channel by input channel.
///
/// # Safety
/// All that `sums` points to is there for n pixels, and the CPU has the instructions of `B`.
#[inline(always)]
pub(super) unsafe fn pixels<
    B: Block,
    const KB: usize,
    const MOST: usize,
    const PITCH: usize,
    const GROUP: usize,
>(
    sums: Sums<'_>,
    n: usize,
    start: [B; KB],
    mut put: impl FnMut(usize, [B; KB]),
) {
    // Two halves are better than a whole and a small rest.
    let halved = match MOST {
        12 => 16,
        6 => 8,
        _ => 0,
    };
    let mut at = 0;
    // `run!(P)`: the next P pixels.
    macro_rules! run {
        ($p:expr) => {{
            // SAFETY: passed on; at + P <= n.
            let found = unsafe { tile::<B, KB, { $p }, PITCH, GROUP>(sums, at * PITCH, start) };
            for (p, one) in found.into_iter().enumerate() {
                put(at + p, one);
            }
            at += $p;
        }};
    }
    while at < n {
        let left = n - at;
        if left >= MOST && left != halved {
            run!(MOST);
        } else if MOST > 8 && left >= 8 {
            run!(8);
        } else if MOST > 4 && left >= 4 {
            run!(4);
        } else {
            run!(1);
        }
    }
}

/// # Safety
/// As [`pixels`].
#[inline(always)]
unsafe fn tile<
    B: Block,
    const KB: usize,
    const P: usize,
    const PITCH: usize,
    const GROUP: usize,
>(
    sums: Sums<'_>,
    first: usize,
    start: [B; KB],
) -> [[B; KB]; P] {
    let mut all = [start; P];
    let mut weights = sums.weights;
    for &tap in sums.taps {
        // SAFETY: the caller's promise.
        unsafe {
            let from = sums.source.add(first + tap);
            for c in 0..GROUP {
                let row: [B; KB] =
                    std::array::from_fn(|k| B::load(weights.add(k * sums.weights_step)));
                for (p, one) in all.iter_mut().enumerate() {
                    let x = B::splat(*from.add(p * PITCH + c));
                    for k in 0..KB {
                        one[k] = x.mul_add(row[k], one[k]);
                    }
                }
                weights = weights.add(BLOCK);
            }
        }
    }
    all
}
