//! Rows and their projections, quantised to bytes: coarse, with the error measured, and quick to multiply.
//!
//! A row x becomes s·i with integers i of at most 127 and a scale s. What it is off, `slack`, is
//! computed in float64, so that ‖a−b‖ ≥ ‖s i(a) − t i(b)‖ − slack(a) − slack(b).

use rayon::prelude::*;

use super::bank::Bank;
use crate::projection::{PROJECTION, Projected};
use crate::simd::{BYTES, PANEL, Simd};
use crate::task::Progress;
use crate::{Result, memory};

/// Largest integer.
const TOP: f32 = 127.0;

/// Covers the rounding of float64 steps, and of a product of two float32.
pub(super) const WIDE: f64 = 1.0 + 1e-6;

/// Covers what centring rounds off in float64, relative to a row's length.
const TINY: f64 = 1e-12;

/// More columns could overflow the sums.
pub(super) const COLUMNS: usize = 1 << 15;

/// Values worked on at once.
pub(super) const LANES: usize = 16;

/// Projections looked at in one go.
const CHUNK: usize = 4096;

/// Bytes of a panel of projections.
pub(super) const STEP: usize = PROJECTION * PANEL;

/// All rows of a bank, by place.
#[derive(Debug, Clone)]
pub(super) struct QuantizedRows {
    /// One per bank, so that distances of projections are integers times its square.
    pub scale: f32,
    /// Subtracted from the last value of each projection.
    shift: f32,
    /// Byte panels of projections, 128 added to each value.
    panels: Vec<u8>,
    /// Per place minus half the squared length of the projection, rounded up.
    pub biases: Vec<[i32; PANEL]>,
    /// Per block the largest slack of a projection.
    pub slacks: Vec<f32>,
    /// Per block the box around its projections, as in the panels: low sides, then high ones.
    boxes: Vec<[[u8; PROJECTION]; 2]>,
    /// The rows, 128 added to each value.
    pub rows: Vec<u8>,
    pub facts: Vec<RowCode>,
    /// Bytes per row.
    pub stride: usize,
}

/// What is known of a row of bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RowCode {
    pub scale: f64,
    /// Squared length of the scaled bytes.
    pub norm: f64,
    /// How far they are from the centred row.
    pub slack: f64,
}

/// The integer nearest to `x`, which must not exceed [`TOP`], as float32 and as itself.
#[inline(always)]
fn nearest(x: f32) -> (f32, i32) {
    // Adding 1.5 · 2^23 leaves no place for a fraction.
    const MAGIC: f32 = 12_582_912.0;
    let moved = x.clamp(-TOP, TOP) + MAGIC;
    (moved - MAGIC, moved.to_bits() as i32 - MAGIC.to_bits() as i32)
}

/// Up to 16 values, and zeros after them.
fn padded(values: &[f32]) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    out[..values.len()].copy_from_slice(values);
    out
}

/// Writes the bytes of `row - centre`, with the bits of `flip` turned over, and tells what is known
/// of them.
#[inline(always)]
pub(super) fn whole(row: &[f32], centre: &[f32], flip: u8, out: &mut [[u8; LANES]]) -> RowCode {
    let (rows, tail) = row.as_chunks::<LANES>();
    let (centres, centre_tail) = centre.as_chunks::<LANES>();
    let (rest, centre_rest) = (padded(tail), padded(centre_tail));
    let rest = (!tail.is_empty()).then_some((&rest, &centre_rest));
    let all = rows.iter().zip(centres).chain(rest);
    let mut largest = [0.0f32; LANES];
    for (x, c) in all.clone() {
        for j in 0..LANES {
            let size = (x[j] - c[j]).abs();
            largest[j] = if size > largest[j] { size } else { largest[j] };
        }
    }
    let scale = (largest.into_iter().fold(0.0, f32::max) / TOP).max(1e-30);
    let inverse = 1.0 / scale;
    let (mut norm, mut off) = ([0i32; LANES], [0.0f64; LANES]);
    for ((x, c), out) in all.zip(out) {
        for j in 0..LANES {
            let (rounded, i) = nearest((x[j] - c[j]) * inverse);
            out[j] = i as u8 ^ flip;
            norm[j] += i * i;
            let value = f64::from(x[j]) - f64::from(c[j]);
            let error = value - f64::from(rounded) * f64::from(scale);
            off[j] += error * error;
        }
    }
    let scale = f64::from(scale);
    let norm = f64::from(norm.iter().sum::<i32>()) * scale * scale;
    RowCode { scale, norm, slack: off.iter().sum::<f64>().sqrt() * WIDE + TINY * norm.sqrt() }
}

/// Where a byte panel holds value `j` of row `r`.
pub(super) fn in_panel(r: usize, j: usize) -> usize {
    j / 4 * 4 * PANEL + 4 * r + j % 4
}

/// The mean of the projections' last values, the same for any number of threads.
fn last_mean(projections: &[[f32; PROJECTION]], progress: &Progress) -> Result<f32> {
    let mut sums = memory::filled(projections.len().div_ceil(CHUNK), 0.0f64)?;
    projections.par_chunks(CHUNK).zip(&mut sums).try_for_each(|(projections, sum)| {
        progress.check()?;
        *sum = projections.iter().map(|projection| f64::from(projection[PROJECTION - 1])).sum();
        Ok(())
    })?;
    Ok((sums.iter().sum::<f64>() / projections.len() as f64) as f32)
}

impl QuantizedRows {
    /// Bytes of `projections`, of which the one at `order[i]` comes to place i; those of the rows are
    /// to be added. Runs on the current pool.
    pub fn of(projections: &Projected, order: &[u32], progress: &Progress) -> Result<Self> {
        let n = order.len();
        let long = projections.long.as_chunks::<PROJECTION>().0;
        let shift = last_mean(long, progress)?;
        let mut largest = memory::zeros::<f32>(long.len())?;
        largest.par_chunks_mut(CHUNK).zip(long.par_chunks(CHUNK)).try_for_each(
            |(largest, projections)| {
                progress.check()?;
                for (largest, projection) in largest.iter_mut().zip(projections) {
                    let last = (projection[PROJECTION - 1] - shift).abs();
                    *largest =
                        projection[..PROJECTION - 1].iter().fold(last, |most, x| most.max(x.abs()));
                }
                Ok(())
            },
        )?;
        // The few rows beyond that are cut off.
        let rank = long.len() - 1 - long.len() / 1000;
        let most = *largest.select_nth_unstable_by(rank, f32::total_cmp).1;
        // Zeros cost nothing until they are written to, which the threads below do.
        let mut all = Self {
            scale: (most / TOP).max(1e-30),
            shift,
            panels: memory::zeros(n.div_ceil(PANEL) * STEP)?,
            biases: memory::filled(n.div_ceil(PANEL), [i32::MIN / 2; PANEL])?,
            slacks: memory::zeros(n.div_ceil(PANEL))?,
            boxes: memory::filled(n.div_ceil(PANEL), [[u8::MAX; PROJECTION], [0; PROJECTION]])?,
            rows: vec![],
            facts: vec![],
            stride: 0,
        };
        let mut parts = std::mem::take(&mut all.panels);
        let (mut biases, mut slacks) =
            (std::mem::take(&mut all.biases), std::mem::take(&mut all.slacks));
        let mut boxes = std::mem::take(&mut all.boxes);
        let blocks = parts.par_chunks_mut(STEP).zip(&mut biases).zip(&mut slacks).zip(&mut boxes);
        blocks.enumerate().try_for_each(|(b, (((panel, bias), most), sides))| {
            progress.check()?;
            panel.fill(128);
            for r in 0..(n - b * PANEL).min(PANEL) {
                let (projection, norm, _, slack) =
                    all.projection(projections, order[b * PANEL + r] as usize);
                bias[r] = -(norm / 2);
                *most = most.max(slack);
                for (j, x) in projection.into_iter().enumerate() {
                    let x = x as u8 ^ 128;
                    panel[in_panel(r, j)] = x;
                    sides[0][j] = sides[0][j].min(x);
                    sides[1][j] = sides[1][j].max(x);
                }
            }
            Ok(())
        })?;
        (all.panels, all.biases, all.slacks, all.boxes) = (parts, biases, slacks, boxes);
        Ok(all)
    }

    /// Adds the bytes of the rows. Runs on the current pool.
    pub fn add_rows(&mut self, bank: &Bank<'_>, simd: Simd, progress: &Progress) -> Result<()> {
        let n = bank.rows.len();
        self.stride = bank.cols.next_multiple_of(BYTES);
        self.rows = memory::zeros(n * self.stride)?;
        self.facts = memory::filled(n, RowCode::default())?;
        self.rows
            .par_chunks_mut(self.stride)
            .zip(&mut self.facts)
            .enumerate()
            .with_min_len(64)
            .try_for_each(|(place, (out, facts))| {
                progress.check()?;
                out.fill(128);
                let out = out.as_chunks_mut::<LANES>().0;
                *facts = simd.vectorize(
                    #[inline(always)]
                    || whole(bank.values(place), bank.centre, 128, out),
                );
                Ok(())
            })
    }

    /// Image `i` with its squared length, 128 times its sum, and its slack.
    pub fn projection(
        &self,
        projections: &Projected,
        i: usize,
    ) -> ([i8; PROJECTION], i32, i32, f32) {
        let mut out = [0; PROJECTION];
        let (mut norm, mut sum, mut off) = (0, 0, 0.0);
        let inverse = 1.0 / self.scale;
        for (j, x) in projections.long(i).iter().enumerate() {
            let shift = if j == PROJECTION - 1 { self.shift } else { 0.0 };
            let (rounded, i) = nearest((x - shift) * inverse);
            out[j] = i as i8;
            norm += i * i;
            sum += i;
            let value = f64::from(*x) - f64::from(shift);
            let error = value - f64::from(rounded) * f64::from(self.scale);
            off += error * error;
        }
        let slack = (f64::from(projections.slack[i]) + f64::sqrt(off)) * WIDE
            + TINY * f64::from(self.scale) * f64::from(norm).sqrt();
        (out, norm, 128 * sum, (slack as f32).next_up())
    }

    /// Low and high sides of the box around the projections of block `b`.
    pub fn sides(&self, b: usize) -> &[[u8; PROJECTION]; 2] {
        &self.boxes[b]
    }

    /// The projections of block `b`.
    pub fn panel(&self, b: usize) -> &[u8] {
        &self.panels[b * STEP..(b + 1) * STEP]
    }
}
