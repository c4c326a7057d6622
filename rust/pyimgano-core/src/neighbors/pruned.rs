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

/// Tiles that go through the blocks together, so that a block's rows are fetched once for all.
pub(super) const TOGETHER: usize = 8;

/// Answers the slots' queries, and tells for each whether it did: where a dense scan looks
/// cheaper, it leaves `bounds` to start that from.
pub(super) fn answer(
    bank: &Bank,
    structure: &Structure,
    job: &Job<'_>,
    slots: &mut [Slot<'_>],
) -> Result<Vec<bool>> {
    let mut tiles = vec![];
    for slot in slots.iter() {
        let mut tile = Tile::new(bank, structure, job, slot)?;
        tile.seed();
        tiles.push(Some(tile));
    }
    let mut buffers = Buffers {
        masks: vec![],
        which: vec![],
        thresholds: vec![],
        near: [0.0; PANEL],
        pairs: vec![],
    };
    for (b, ball) in structure.blocks.balls.iter().enumerate() {
        job.progress.check()?;
        for (open, slot) in tiles.iter_mut().zip(slots.iter_mut()) {
            let Some(tile) = open else { continue };
            tile.visit(b, ball, &mut buffers);
            let dense = slot.count * PANEL * bank.cols / 16;
            if b % 8 == 7 && tile.spent > dense * (b + 1) {
                slot.bounds.extend(tile.tops.iter().map(TopK::bound));
                *open = None;
            }
        }
    }
    let answered = tiles.iter().map(Option::is_some).collect();
    for (tile, slot) in tiles.into_iter().zip(slots) {
        let Some(tile) = tile else { continue };
        let indices = slot.indices.chunks_mut(job.k);
        let places = slot.distances.chunks_mut(job.k).zip(indices);
        for (top, (distances, indices)) in tile.tops.into_iter().zip(places) {
            top.write(distances, indices);
        }
        job.progress.add(slot.count);
    }
    Ok(answered)
}

/// Blocks looked into for a first bound.
const PROBES: usize = 8;

/// For each of 64 queries the blocks whose middles are nearest, nearest first, with what they were
/// ordered by; block numbers beyond the last where there are not so many.
type Nearest = [([f32; PANEL], [u32; PANEL]); PROBES];

/// `products` of the queries with the middles of all `balls`.
#[inline(always)]
fn nearest_blocks(products: &[f32], balls: &[Ball]) -> Nearest {
    let mut nearest = [([f32::NEG_INFINITY; PANEL], [u32::MAX; PANEL]); PROBES];
    for (b, (line, ball)) in products.as_chunks::<PANEL>().0.iter().zip(balls).enumerate() {
        let offset = half(ball.norm);
        let mut value = line.map(|x| x - offset);
        let mut block = [b as u32; PANEL];
        // Each value sinks to its rank, the ones it beats go on.
        for (values, blocks) in &mut nearest {
            for q in 0..PANEL {
                let beats = value[q] > values[q];
                let (v, w) = (values[q], blocks[q]);
                values[q] = if beats { value[q] } else { v };
                blocks[q] = if beats { block[q] } else { w };
                value[q] = if beats { v } else { value[q] };
                block[q] = if beats { w } else { block[q] };
            }
        }
    }
    nearest
}

/// Buffers of [`Tile::visit`].
struct Buffers {
    masks: Vec<u64>,
    which: Vec<u32>,
    thresholds: Vec<f32>,
    near: [f32; PANEL],
    /// Queries and places to be settled.
    pairs: Vec<(u32, usize)>,
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

    /// Bounds each query by the rows that look nearest in the blocks whose middles are nearest.
    fn seed(&mut self) {
        let simd = self.job.simd;
        let structure = self.structure;
        let blocks = &structure.blocks;
        let mut products = vec![0.0; blocks.balls.len() * PANEL];
        let centres = Queries { rows: &structure.centres, dims: SHORT };
        simd.dots(&self.panel, centres, &mut products);
        let nearest = simd.vectorize(
            #[inline(always)]
            || nearest_blocks(&products, &blocks.balls),
        );
        let k = self.job.k;
        let (mut close, mut out) = (vec![], [0.0; PANEL]);
        for q in 0..self.tops.len() {
            close.clear();
            let image = Queries { rows: &self.short[q * SHORT..(q + 1) * SHORT], dims: SHORT };
            for b in nearest.iter().map(|lanes| lanes.1[q] as usize) {
                if b >= blocks.balls.len() {
                    continue;
                }
                simd.dots(blocks.panel(b), image, &mut out);
                let count = self.bank.rows.len().min((b + 1) * PANEL) - b * PANEL;
                for (r, x) in out.iter().enumerate().take(count) {
                    if self.job.eligible(self.bank, self.first + q, b * PANEL + r) {
                        close.push((x + blocks.biases[b][r], b * PANEL + r));
                    }
                }
            }
            self.spent += close.len() * PAIR;
            if close.len() < k {
                continue;
            }
            // Somewhat more than needed: what looks nearest need not be.
            let tried = (k + 2 + k / 4).min(close.len());
            close.select_nth_unstable_by(tried - 1, |a, b| b.0.total_cmp(&a.0));
            let query = self.job.queries.row(self.first + q);
            let mut squared: Vec<f64> = close[..tried]
                .iter()
                .map(|(_, place)| simd.squared_distance(query, self.bank.values(*place)))
                .collect();
            let bound = *squared.select_nth_unstable_by(k - 1, f64::total_cmp).1;
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
                for ((bias, reach), norm) in bias.iter_mut().zip(&self.reach).zip(&self.norms) {
                    let edge = tight.square(*reach, apart);
                    *bias = -tight.threshold(*norm, edge, ball.norm as f32);
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
        buffers.pairs.clear();
        let rows = &self.structure.images.long[b * PANEL * LONG..];
        let rows = &rows[..rows.len().min(PANEL * LONG)];
        for (q, mask) in buffers.which.iter().zip(&buffers.masks) {
            let mask = mask & present;
            if mask == 0 {
                continue;
            }
            self.spent += CLOSE * mask.count_ones() as usize;
            let image = self.images.long(*q as usize);
            let limits = [tight.near(tight.square(self.reach[*q as usize], slack)); PANEL];
            let mut kept = simd.sift(image, rows, mask, &limits, &mut buffers.near);
            while kept != 0 {
                let r = kept.trailing_zeros();
                kept &= kept - 1;
                let place = b * PANEL + r as usize;
                simd.prefetch(self.bank.values(place));
                buffers.pairs.push((*q, place));
            }
        }
        for (q, place) in &buffers.pairs {
            self.consider(*q as usize, *place);
        }
    }

    /// Settles a pair.
    fn consider(&mut self, q: usize, place: usize) {
        let (job, bank) = (self.job, self.bank);
        if !job.eligible(bank, self.first + q, place) {
            return;
        }
        self.spent += CLOSE + bank.cols / 8;
        let (query, values) = (job.queries.row(self.first + q), bank.values(place));
        if job.simd.near(query, values) > self.full[q] {
            return;
        }
        let squared = job.simd.squared_distance(query, values);
        if self.tops[q].put(Found { squared, row: bank.rows[place] as usize }) {
            self.tighten(q);
        }
    }
}
