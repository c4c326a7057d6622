//! Blocks and rows that cannot hold a neighbour are ruled out on short images.
//!
//! For 64 queries at a time: the nearest block gives a first bound; then, block by block, the ball
//! around the block rules out queries, short images rule out pairs, long images rule out more, and
//! what is left is settled on the rows themselves.

use super::topk::{Found, TopK};
use super::{Bank, Job, Slot, Structure};
use crate::Result;
use crate::blocks::{Ball, STEP};
use crate::bounds::{Tight, half, near_limit};
use crate::embed::{Embedded, LONG, SHORT};
use crate::simd::{PANEL, Queries};

/// Queries answered together.
pub(super) const TILE: usize = PANEL;

/// Rough costs, in units of one multiplication of 16 values, by which a tile gives up.
const PAIR: usize = 2;
const CLOSE: usize = 30;

/// What a tile has found out about its queries.
struct Tile<'a> {
    bank: &'a Bank,
    job: &'a Job<'a>,
    structure: &'a Structure,
    first: usize,
    images: Embedded,
    short: Vec<f32>,
    /// Short images as a panel.
    panel: Vec<f32>,
    norms: [f32; PANEL],
    /// Per query how far its images may be from those of a neighbour, the other's slack aside.
    reach: [f32; PANEL],
    full: [f32; PANEL],
    tops: Vec<TopK>,
    /// Work done, and work that a dense scan would have been.
    spent: usize,
}

/// Answers the slot's queries; false if a dense scan looks cheaper, with `bounds` to start it from.
pub(super) fn answer(
    bank: &Bank,
    structure: &Structure,
    job: &Job<'_>,
    slot: &mut Slot<'_>,
) -> Result<bool> {
    let mut tile = Tile::new(bank, structure, job, slot)?;
    tile.seed();
    let mut buffers = Buffers::default();
    let dense = slot.count * PANEL * bank.cols / 16;
    for (b, ball) in structure.blocks.balls.iter().enumerate() {
        job.progress.check()?;
        tile.visit(b, ball, &mut buffers);
        if b % 8 == 7 && tile.spent > dense * (b + 1) {
            slot.bounds.extend(tile.tops.iter().map(TopK::bound));
            return Ok(false);
        }
    }
    let distances = slot.distances.chunks_mut(job.k);
    for ((top, distances), indices) in
        tile.tops.into_iter().zip(distances).zip(slot.indices.chunks_mut(job.k))
    {
        top.write(distances, indices);
    }
    job.progress.add(slot.count);
    Ok(true)
}

/// Buffers of [`Tile::visit`].
#[derive(Default)]
struct Buffers {
    masks: Vec<u64>,
    which: Vec<u32>,
    thresholds: Vec<f32>,
}

impl<'a> Tile<'a> {
    fn new(
        bank: &'a Bank,
        structure: &'a Structure,
        job: &'a Job<'a>,
        slot: &Slot<'_>,
    ) -> Result<Self> {
        let rows = job.queries.slice(slot.first, slot.count);
        let images = Embedded::of(rows, &structure.axes, job.simd, job.progress)?;
        let mut short = vec![0.0; slot.count * SHORT];
        let mut panel = vec![0.0; STEP];
        let mut norms = [0.0; PANEL];
        for (i, image) in short.chunks_exact_mut(SHORT).enumerate() {
            images.short(i, image);
            for (j, x) in image.iter().enumerate() {
                panel[j * PANEL + i] = *x;
                norms[i] += x * x;
            }
        }
        let tops = vec![TopK::new(job.k, f64::INFINITY); slot.count];
        Ok(Self {
            bank,
            job,
            structure,
            first: slot.first,
            images,
            short,
            panel,
            norms,
            reach: [f32::INFINITY; PANEL],
            full: [f32::INFINITY; PANEL],
            tops,
            spent: 0,
        })
    }

    /// Bounds each query by rows of the blocks whose middles are nearest.
    fn seed(&mut self) {
        let simd = self.job.simd;
        let structure = self.structure;
        let balls = &structure.blocks.balls;
        let mut products = vec![0.0; balls.len() * PANEL];
        let centres = Queries { rows: &structure.centres, dims: SHORT };
        simd.dots(&self.panel, centres, &mut products);
        let mut best = [(f32::NEG_INFINITY, 0u32); PANEL];
        for (b, (line, ball)) in products.as_chunks::<PANEL>().0.iter().zip(balls).enumerate() {
            let offset = half(ball.norm);
            for (best, x) in best.iter_mut().zip(line) {
                if x - offset > best.0 {
                    *best = (x - offset, b as u32);
                }
            }
        }
        let mut close = vec![];
        for (q, best) in best.iter().enumerate().take(self.tops.len()) {
            close.clear();
            let blocks = (best.1 as usize)..balls.len();
            for b in blocks.take(1 + self.job.k / 32) {
                for place in b * PANEL..self.bank.rows.len().min((b + 1) * PANEL) {
                    if self.job.eligible(self.bank, self.first + q, place) {
                        let near = simd.near(self.images.long(q), structure.images.long(place));
                        close.push((near, place));
                    }
                }
            }
            self.spent += close.len() * 8;
            let k = self.job.k;
            if close.len() < k {
                continue;
            }
            close.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0));
            let query = self.job.queries.row(self.first + q);
            let bound = close[..k]
                .iter()
                .map(|(_, place)| simd.squared_distance(query, self.bank.values(*place)))
                .fold(0.0, f64::max);
            self.tops[q] = TopK::new(k, bound);
            self.tighten(q);
        }
    }

    /// Brings the limits of query `q` up to date with its bound.
    fn tighten(&mut self, q: usize) {
        let bound = self.tops[q].bound();
        self.reach[q] = Tight::reach(bound, self.images.slack[q]);
        self.full[q] = near_limit(bound, self.bank.cols);
    }

    fn visit(&mut self, b: usize, ball: &Ball, buffers: &mut Buffers) {
        let simd = self.job.simd;
        let tight = Tight::new(SHORT);
        // Queries that may have a neighbour in the block.
        let apart = Tight::reach(0.0, (ball.radius + ball.slack) as f32);
        let mut bias = [0.0; PANEL];
        simd.vectorize(
            #[inline(always)]
            || {
                for q in 0..PANEL {
                    let edge = tight.square(self.reach[q], apart);
                    bias[q] = -tight.threshold(self.norms[q], edge, ball.norm as f32);
                }
            },
        );
        let centre = Queries { rows: &ball.centre, dims: SHORT };
        simd.reach(&self.panel, &bias, centre, &[0], &[half(ball.norm)], &mut buffers.masks);
        let mut mask = buffers.masks[0] & (u64::MAX >> (PANEL - self.tops.len()));
        buffers.which.clear();
        buffers.thresholds.clear();
        let slack = ball.slack as f32;
        while mask != 0 {
            let q = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let edge = tight.square(self.reach[q], slack);
            buffers.which.push(q as u32);
            buffers.thresholds.push(tight.threshold(self.norms[q], edge, ball.longest as f32));
        }
        if buffers.which.is_empty() {
            return;
        }
        let blocks = &self.structure.blocks;
        let (panel, bias) = (blocks.panel(b), &blocks.biases[b]);
        let queries = Queries { rows: &self.short, dims: SHORT };
        simd.reach(panel, bias, queries, &buffers.which, &buffers.thresholds, &mut buffers.masks);
        let present = self.bank.present(b);
        self.spent += buffers.which.len() * PANEL * PAIR;
        for (q, mask) in buffers.which.iter().zip(&buffers.masks) {
            let q = *q as usize;
            let mut mask = mask & present;
            if mask == 0 {
                continue;
            }
            let mut long = tight.near(tight.square(self.reach[q], slack));
            while mask != 0 {
                let place = b * PANEL + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                self.spent += CLOSE;
                if simd.near(self.images.long(q), self.structure.images.long(place)) <= long
                    && self.consider(q, place)
                {
                    long = tight.near(tight.square(self.reach[q], slack));
                }
            }
        }
    }

    /// Settles a pair; true if query `q`'s limits changed.
    fn consider(&mut self, q: usize, place: usize) -> bool {
        let (job, bank) = (self.job, self.bank);
        if !job.eligible(bank, self.first + q, place) {
            return false;
        }
        self.spent += CLOSE + bank.cols / 8;
        let (query, values) = (job.queries.row(self.first + q), bank.values(place));
        if job.simd.near(query, values) > self.full[q] {
            return false;
        }
        let squared = job.simd.squared_distance(query, values);
        let smaller = self.tops[q].put(Found { squared, row: bank.rows[place] as usize });
        if smaller {
            self.tighten(q);
        }
        smaller
    }
}

const _: () = assert!(LONG == PANEL);
