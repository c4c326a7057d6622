//! Rows and their long images as bytes: coarse, with the error measured, and quick to multiply.
//!
//! A row x becomes s·i with integers i of at most 127 and a scale s. What it is off, `slack`, is
//! computed in float64, so that ‖a−b‖ ≥ ‖s i(a) − t i(b)‖ − slack(a) − slack(b).

use rayon::prelude::*;

use super::Bank;
use crate::embed::{Embedded, LONG};
use crate::simd::{BYTES, PANEL, Scaled, Simd};

/// Largest integer.
const TOP: f32 = 127.0;

/// Covers the rounding of float64 steps, and of a product of two float32.
const WIDE: f64 = 1.0 + 1e-6;

/// Covers what centring rounds off in float64, relative to a row's length.
const TINY: f64 = 1e-12;

/// More columns could overflow the sums.
pub(super) const COLUMNS: usize = 1 << 15;

/// Bytes of a panel of images.
const STEP: usize = LONG * PANEL;

/// All rows of a bank, by place.
#[derive(Debug, Clone)]
pub(super) struct Bytes {
    /// One per bank, so that distances of images are integers times its square.
    scale: f32,
    /// Subtracted from the last value of each image.
    shift: f32,
    /// Byte panels of images, 128 added to each value.
    panels: Vec<u8>,
    /// Per place minus half the squared length of the image, rounded up.
    pub biases: Vec<[i32; PANEL]>,
    /// Per block the largest slack of an image.
    pub slacks: Vec<f32>,
    /// The rows, 128 added to each value.
    pub rows: Vec<u8>,
    pub facts: Vec<Facts>,
    /// Bytes per row.
    pub stride: usize,
}

/// What is known of a row of bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    scale: f64,
    /// Squared length of the scaled bytes.
    norm: f64,
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

/// Bytes of `row - centre`, and what is known of them.
#[inline(always)]
fn whole(row: &[f32], centre: &[f32], mut put: impl FnMut(usize, i32)) -> Facts {
    let mut largest = [0.0f32; 16];
    for (x, c) in row.chunks(16).zip(centre.chunks(16)) {
        for ((most, x), c) in largest.iter_mut().zip(x).zip(c) {
            *most = most.max((x - c).abs());
        }
    }
    let scale = (largest.into_iter().fold(0.0, f32::max) / TOP).max(1e-30);
    let inverse = 1.0 / scale;
    let (mut norm, mut off) = ([0i32; 16], [0.0f64; 16]);
    for (first, (x, c)) in row.chunks(16).zip(centre.chunks(16)).enumerate() {
        for (j, (x, c)) in x.iter().zip(c).enumerate() {
            let (rounded, i) = nearest((x - c) * inverse);
            put(16 * first + j, i);
            norm[j] += i * i;
            let error = (f64::from(*x) - f64::from(*c)) - f64::from(rounded) * f64::from(scale);
            off[j] += error * error;
        }
    }
    let scale = f64::from(scale);
    let norm = f64::from(norm.iter().sum::<i32>()) * scale * scale;
    Facts { scale, norm, slack: off.iter().sum::<f64>().sqrt() * WIDE + TINY * norm.sqrt() }
}

impl Bytes {
    /// Bytes of the rows and of their `images`, both by place. Runs on the current pool.
    pub fn of(bank: &Bank, images: &Embedded, simd: Simd) -> Self {
        let n = bank.rows.len();
        let long = images.long.as_chunks::<LONG>().0;
        let shift = long.iter().map(|x| f64::from(x[LONG - 1])).sum::<f64>() / n as f64;
        let shift = shift as f32;
        let mut largest: Vec<f32> = long
            .iter()
            .map(|image| {
                let last = (image[LONG - 1] - shift).abs();
                image[..LONG - 1].iter().fold(last, |most, x| most.max(x.abs()))
            })
            .collect();
        // The few rows beyond that are cut off.
        let most = *largest.select_nth_unstable_by(n - 1 - n / 1000, f32::total_cmp).1;
        let stride = bank.cols.next_multiple_of(BYTES);
        let mut all = Self {
            scale: (most / TOP).max(1e-30),
            shift,
            panels: vec![128; n.div_ceil(PANEL) * STEP],
            biases: vec![[i32::MIN / 2; PANEL]; n.div_ceil(PANEL)],
            slacks: vec![0.0; n.div_ceil(PANEL)],
            rows: vec![128; n * stride],
            facts: vec![Facts::default(); n],
            stride,
        };
        let (panels, biases) = (std::mem::take(&mut all.panels), std::mem::take(&mut all.biases));
        let (mut panels, mut biases, mut slacks) =
            (panels, biases, std::mem::take(&mut all.slacks));
        panels.par_chunks_mut(STEP).zip(&mut biases).zip(&mut slacks).enumerate().for_each(
            |(b, ((panel, bias), most))| {
                for r in 0..(n - b * PANEL).min(PANEL) {
                    let (image, norm, _, slack) = all.image(images, b * PANEL + r);
                    bias[r] = -(norm / 2);
                    *most = most.max(slack);
                    for (j, x) in image.into_iter().enumerate() {
                        panel[j / 4 * 4 * PANEL + 4 * r + j % 4] = x as u8 ^ 128;
                    }
                }
            },
        );
        (all.panels, all.biases, all.slacks) = (panels, biases, slacks);
        all.rows.par_chunks_mut(stride).zip(&mut all.facts).enumerate().with_min_len(64).for_each(
            |(place, (out, facts))| {
                *facts = simd.vectorize(
                    #[inline(always)]
                    || {
                        let out = &mut out[..bank.cols];
                        whole(bank.values(place), &bank.centre, |j, i| out[j] = i as u8 ^ 128)
                    },
                );
            },
        );
        all
    }

    /// Image `i` with its squared length, 128 times its sum, and its slack.
    fn image(&self, images: &Embedded, i: usize) -> ([i8; LONG], i32, i32, f32) {
        let mut out = [0; LONG];
        let (mut norm, mut sum, mut off) = (0, 0, 0.0);
        let inverse = 1.0 / self.scale;
        for (j, x) in images.long(i).iter().enumerate() {
            let shift = if j == LONG - 1 { self.shift } else { 0.0 };
            let (rounded, i) = nearest((x - shift) * inverse);
            out[j] = i as i8;
            norm += i * i;
            sum += i;
            let value = f64::from(*x) - f64::from(shift);
            let error = value - f64::from(rounded) * f64::from(self.scale);
            off += error * error;
        }
        let slack = (f64::from(images.slack[i]) + f64::sqrt(off)) * WIDE
            + TINY * f64::from(self.scale) * f64::from(norm).sqrt();
        (out, norm, 128 * sum, (slack as f32).next_up())
    }

    /// The images of block `b`.
    pub fn panel(&self, b: usize) -> &[u8] {
        &self.panels[b * STEP..(b + 1) * STEP]
    }
}

/// Queries as rows of bytes.
#[derive(Default)]
pub(super) struct Rows {
    rows: Vec<i8>,
    facts: Vec<Facts>,
    /// Per query 128 times the sum of its row.
    sums: Vec<i32>,
}

impl Rows {
    /// Adds a query.
    pub fn push(&mut self, row: &[f32], bytes: &Bytes, bank: &Bank, simd: Simd) {
        let at = self.rows.len();
        self.rows.resize(at + bytes.stride, 0);
        let out = &mut self.rows[at..][..bank.cols];
        self.facts.push(simd.vectorize(
            #[inline(always)]
            || whole(row, &bank.centre, |j, i| out[j] = i as i8),
        ));
        self.sums.push(128 * out.iter().map(|x| i32::from(*x)).sum::<i32>());
    }

    /// How far query `q` may be from a neighbour within squared distance `bound`, the other's
    /// slack aside.
    pub fn far(&self, q: usize, bound: f64) -> f64 {
        bound.sqrt() * WIDE + self.facts[q].slack
    }

    /// For each query the rows of `packed` that may be neighbours, by [`Rows::far`].
    pub fn reach(
        &self,
        packed: &Packed,
        far: impl Iterator<Item = f64>,
        simd: Simd,
        masks: &mut Vec<u64>,
    ) {
        let asked: Vec<Scaled> =
            far.enumerate().map(|(q, far)| self.scaled(q, far, packed)).collect();
        let Packed { panel, scales, bias, .. } = packed;
        simd.byte_scaled(panel, scales, bias, &self.rows, &asked, masks);
    }

    /// What query `q` brings to a scan of `packed`.
    ///
    /// ‖a−b‖² ≤ l means 2 a·b − ‖b‖² ≥ ‖a‖² − l. Float32 rounds each side's terms, and those that
    /// hold a scale or norm, less than eight times.
    fn scaled(&self, q: usize, far: f64, packed: &Packed) -> Scaled {
        let facts = &self.facts[q];
        let edge = far + packed.slack;
        let margin = 1e-6 * (facts.norm + packed.longest) + 1e-35;
        Scaled {
            start: -self.sums[q],
            scale: (2.0 * facts.scale) as f32,
            threshold: ((facts.norm - edge * edge * WIDE - margin) as f32).next_down(),
        }
    }
}

/// A block's rows as a byte panel.
pub(super) struct Packed {
    panel: Vec<u8>,
    scales: [f32; PANEL],
    bias: [f32; PANEL],
    slack: f64,
    longest: f64,
}

impl Packed {
    pub fn new() -> Self {
        let none = [0.0; PANEL];
        Self { panel: vec![], scales: none, bias: none, slack: 0.0, longest: 0.0 }
    }

    /// Packs block `b`.
    pub fn pack(&mut self, bytes: &Bytes, b: usize) {
        let stride = bytes.stride;
        self.panel.resize(PANEL * stride, 128);
        (self.slack, self.longest) = (0.0, 0.0);
        let facts = bytes.facts[b * PANEL..].iter().take(PANEL).enumerate();
        for (r, facts) in facts {
            (self.scales[r], self.bias[r]) = (facts.scale as f32, -facts.norm as f32);
            self.slack = self.slack.max(facts.slack);
            self.longest = self.longest.max(facts.norm);
        }
        let rows = &bytes.rows[b * PANEL * stride..];
        for (r, row) in rows.chunks_exact(stride).take(PANEL).enumerate() {
            let groups = self.panel.as_chunks_mut::<{ 4 * PANEL }>().0;
            for (out, group) in groups.iter_mut().zip(row.as_chunks::<4>().0) {
                out.as_chunks_mut::<4>().0[r] = *group;
            }
        }
    }
}

/// Up to 64 queries.
pub(super) struct Asked {
    /// Images, [`LONG`] bytes each.
    pub images: Vec<i8>,
    norms: [i32; PANEL],
    moved: [i32; PANEL],
    slacks: [f32; PANEL],
    /// Per query how far its image may be from a neighbour's, the other's slack aside.
    reach: [f32; PANEL],
    inverse: f32,
    rows: Rows,
    /// Per query how far its row may be from a neighbour's, the other's slack aside.
    far: [f64; PANEL],
}

impl Asked {
    /// `rows`, one after the other, and their `images`.
    pub fn new(bytes: &Bytes, bank: &Bank, rows: &[f32], images: &Embedded, simd: Simd) -> Self {
        let count = rows.len() / bank.cols;
        let mut asked = Self {
            images: vec![0; count * LONG],
            norms: [0; PANEL],
            moved: [0; PANEL],
            slacks: [0.0; PANEL],
            reach: [f32::INFINITY; PANEL],
            inverse: (1.0 / bytes.scale).next_up(),
            rows: Rows::default(),
            far: [f64::INFINITY; PANEL],
        };
        for (q, row) in rows.chunks_exact(bank.cols).enumerate() {
            let (image, norm, moved, slack) = bytes.image(images, q);
            asked.images[q * LONG..(q + 1) * LONG].copy_from_slice(&image);
            (asked.norms[q], asked.moved[q], asked.slacks[q]) = (norm, moved, slack);
            asked.rows.push(row, bytes, bank, simd);
        }
        asked
    }

    /// From now on neighbours of query `q` are those within that squared distance.
    pub fn tighten(&mut self, q: usize, bound: f64) {
        let root = bound.sqrt() * WIDE;
        self.reach[q] = ((root as f32).next_up() + self.slacks[q]).next_up();
        self.far[q] = self.rows.far(q, bound);
    }

    /// Thresholds of all queries for [`Simd::byte_reach`] in a block of that slack.
    ///
    /// With whole numbers, ‖a−b‖² ≤ l means a·b − ⌊‖b‖²/2⌋ ≥ ⌊(‖a‖² − l)/2⌋.
    #[inline(always)]
    pub fn thresholds(&self, slack: f32) -> [i32; PANEL] {
        let mut out = [0; PANEL];
        for q in 0..PANEL {
            let edge = (self.reach[q] + slack) * self.inverse;
            // No two images are farther apart than this limit.
            let limit = (edge * edge * WIDE as f32).min(8e6) as i32 + 1;
            out[q] = ((self.norms[q] - limit) >> 1) + self.moved[q];
        }
        out
    }

    /// Whether the row at `place` may be a neighbour of query `q`.
    #[inline]
    pub fn near(&self, bytes: &Bytes, q: usize, place: usize, simd: Simd) -> bool {
        let stride = bytes.stride;
        let (own, theirs) = (&self.rows.facts[q], &bytes.facts[place]);
        let row = &bytes.rows[place * stride..(place + 1) * stride];
        let dot = simd.byte_dot(row, &self.rows.rows[q * stride..(q + 1) * stride]);
        let dot = dot - self.rows.sums[q];
        let norms = own.norm + theirs.norm;
        let squared = norms - 2.0 * own.scale * theirs.scale * f64::from(dot);
        let edge = self.far[q] + theirs.slack;
        squared <= edge * edge * WIDE + 1e-9 * norms
    }
}
