//! For 64 queries at a time, most of the bank is pruned by lower bounds.
//!
//! 1. `find_first_radius`: the rows that look nearest give each query its first radius.
//! 2. `visit_block`, block by block: `prune_ball` leaves the queries that may have a neighbour there.
//! 3. `prune_rows` leaves pairs of a query and a row whose prefixes and projections are within the
//!    radius; `prune_quantized` does the same on quantised rows.
//! 4. `refine` settles what is left by the rows themselves, and `tighten` takes over the new radius.

use super::answers::Slot;
use super::bank::Bank;
use super::quantized_queries::QuantizedBatch;
use super::quantized_rows::QuantizedRows;
use super::query_batch::QueryBatch;
use super::structure::Structure;
use super::tile::{CLOSE, PAIR, Sight, Tile};
use super::topk::{Found, TopK};
use crate::ball_tree::Ball;
use crate::bounds::{Tight, half};
use crate::projection::{PREFIX, PROJECTION, Projected};
use crate::simd::{PANEL, Queries, Simd};
use crate::{Result, SearchStats, memory};

/// Tiles that go through the blocks together, so that a block's rows are fetched once for all.
pub(super) const TOGETHER: usize = 8;

/// Answers the slots' queries, and marks those it did: where a dense scan looks cheaper, it leaves
/// `bounds` to start that from.
pub(super) fn answer(
    bank: &Bank<'_>,
    structure: &Structure,
    batch: &QueryBatch<'_>,
    slots: &mut [Slot<'_>],
) -> Result<()> {
    let mut tiles = vec![];
    for slot in slots.iter() {
        let mut tile = Tile::new(bank, structure, batch, slot.first, slot.count)?;
        tile.find_first_radius(0..structure.blocks.balls.len())?;
        tiles.push(Some(tile));
    }
    let mut buffers = Buffers::new();
    for b in 0..structure.blocks.balls.len() {
        batch.progress.check()?;

        for (open, slot) in tiles.iter_mut().zip(slots.iter_mut()) {
            let Some(tile) = open else { continue };

            tile.visit_block(b, &mut buffers);
            if b % 8 == 7 && tile.exceeds_scan(b + 1) {
                slot.bounds = memory::collected(tile.tops.iter().map(TopK::radius))?;
                *open = None;
            }
        }
    }
    for (tile, slot) in tiles.into_iter().zip(slots) {
        let Some(tile) = tile else { continue };
        let indices = slot.indices.chunks_mut(batch.k);
        let places = slot.distances.chunks_mut(batch.k).zip(indices);
        for (top, (distances, indices)) in tile.tops.into_iter().zip(places) {
            top.write(distances, indices);
        }
        batch.progress.add(slot.count);
        slot.answered = true;
        slot.stats = tile.stats;
        slot.stats.candidates = (slot.count * bank.rows.len()) as u64;
    }
    Ok(())
}

/// Buffers of [`Tile::visit_block`].
pub(super) struct Buffers {
    masks: Vec<u64>,
    which: Vec<u32>,
    thresholds: Vec<f32>,
    /// Thresholds of bytes.
    whole: Vec<i32>,
    near: [f32; PANEL],
    /// Queries, and rows of the block, to be settled.
    pairs: Vec<(u32, u32)>,
    dots: Vec<i32>,
}

impl Buffers {
    pub fn new() -> Self {
        Self {
            masks: vec![],
            which: vec![],
            thresholds: vec![],
            whole: vec![],
            near: [0.0; PANEL],
            pairs: vec![],
            dots: vec![],
        }
    }
}

/// As [`Tile::prune_rows`], on bytes; returns what that took and what it pruned.
fn prune_quantized(
    bank: &Bank<'_>,
    (asked, bytes): (&QuantizedBatch, &QuantizedRows),
    b: usize,
    (mut mask, limits): (u64, &[i32; PANEL]),
    simd: Simd,
    buffers: &mut Buffers,
) -> (usize, SearchStats) {
    buffers.which.clear();
    buffers.whole.clear();
    while mask != 0 {
        let q = mask.trailing_zeros();
        mask &= mask - 1;
        buffers.which.push(q);
        buffers.whole.push(asked.threshold(q as usize, limits[q as usize]));
    }
    let (which, masks) = (&buffers.which, &mut buffers.masks);
    let (panel, bias) = (bytes.panel(b), &bytes.biases[b]);
    simd.byte_reach(panel, bias, &asked.projections, PROJECTION, which, &buffers.whole, masks);
    let pairs = &mut buffers.pairs;
    let present = bank.present(b);
    for (q, mask) in which.iter().zip(masks) {
        let mut mask = *mask & present;
        while mask != 0 {
            pairs.push((*q, mask.trailing_zeros()));
            mask &= mask - 1;
        }
    }
    let tried = pairs.len();
    asked.refine_codes(bytes, b, simd, pairs, &mut buffers.dots);
    let stats = SearchStats {
        by_projection: (which.len() * bank.count(b) - tried) as u64,
        by_row: (tried - pairs.len()) as u64,
        ..SearchStats::default()
    };
    (which.len() * PANEL + CLOSE / 2 * tried, stats)
}

impl Tile<'_> {
    /// Settles what may be a neighbour in block `b`.
    pub fn visit_block(&mut self, b: usize, buffers: &mut Buffers) {
        let structure = self.structure;
        let ball = &structure.blocks.balls[b];
        let simd = self.batch.simd;
        let all = u64::MAX >> (PANEL - self.tops.len());
        buffers.pairs.clear();
        let (mask, limits) = match &self.sight {
            Sight::Quantized(asked, bytes) => asked.prune_ball(bytes, b, simd),
            Sight::Exact(_) => (self.prune_ball(ball, buffers), [0; PANEL]),
        };
        let mask = mask & all;
        self.stats.by_ball += ((all & !mask).count_ones() as usize * self.bank.count(b)) as u64;
        if mask == 0 {
            return;
        }
        match &self.sight {
            Sight::Quantized(asked, bytes) => {
                let mask = (mask, &limits);
                let (spent, stats) =
                    prune_quantized(self.bank, (asked, bytes), b, mask, simd, buffers);
                self.spent += spent;
                self.stats += stats;
            }
            Sight::Exact(projections) => self.prune_rows(projections, (b, ball), mask, buffers),
        }
        let seeds = &self.seeds;
        let settled =
            |q: u32, r: u32| seeds[q as usize].binary_search(&(b * PANEL + r as usize)).is_ok();
        let left = buffers.pairs.len();
        buffers.pairs.retain(|(q, r)| !settled(*q, *r));
        self.stats.refined += (left - buffers.pairs.len()) as u64;
        for (q, r) in &buffers.pairs {
            self.refine(*q as usize, b * PANEL + *r as usize);
        }
    }

    /// Queries that may have a neighbour in a block.
    fn prune_ball(&self, ball: &Ball, buffers: &mut Buffers) -> u64 {
        let simd = self.batch.simd;
        let tight = Tight::new(PREFIX);
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
        let centre = Queries { rows: &ball.centre, dims: PREFIX };
        simd.reach(&self.panel, &bias, centre, &[0], &[half(ball.norm)], &mut buffers.masks);
        buffers.masks[0]
    }

    /// Pairs of the queries of `mask` with rows of block `b` that projections do not rule out.
    fn prune_rows(
        &mut self,
        projections: &Projected,
        (b, ball): (usize, &Ball),
        mut mask: u64,
        buffers: &mut Buffers,
    ) {
        let simd = self.batch.simd;
        let tight = Tight::new(PREFIX);
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
        let blocks = &self.structure.blocks;
        let (panel, bias) = (blocks.panel(b), &blocks.biases[b]);
        let queries = Queries { rows: &self.short, dims: PREFIX };
        simd.reach(panel, bias, queries, &buffers.which, &buffers.thresholds, &mut buffers.masks);
        let present = self.bank.present(b);
        self.spent += buffers.which.len() * PANEL * PAIR;
        let rows = &projections.long[b * PANEL * PROJECTION..];
        let rows = &rows[..rows.len().min(PANEL * PROJECTION)];
        for (q, mask) in buffers.which.iter().zip(&buffers.masks) {
            let mask = mask & present;
            if mask == 0 {
                continue;
            }
            self.spent += CLOSE * mask.count_ones() as usize;
            let projection = self.projections.long(*q as usize);
            let limits = [tight.near(tight.square(self.reach[*q as usize], slack)); PANEL];
            let mut kept = simd.sift(projection, rows, mask, &limits, &mut buffers.near);
            while kept != 0 {
                let r = kept.trailing_zeros();
                kept &= kept - 1;
                buffers.pairs.push((*q, r));
            }
        }
        let tried = buffers.which.len() * self.bank.count(b);
        self.stats.by_projection += (tried - buffers.pairs.len()) as u64;
    }

    /// Settles a pair.
    fn refine(&mut self, q: usize, place: usize) {
        let (batch, bank) = (self.batch, self.bank);
        if !batch.eligible(bank, self.first + q, place) {
            self.stats.excluded += 1;
            return;
        }
        self.spent += CLOSE + bank.cols / 8;
        let (query, values) = (batch.queries.row(self.first + q), bank.values(place));
        if batch.simd.near(query, values) > self.full[q] {
            self.stats.by_row += 1;
            return;
        }
        self.stats.refined += 1;
        let squared = batch.simd.squared_distance(query, values);
        if self.tops[q].put(Found { squared, row: bank.rows[place] as usize }) {
            self.tighten(q);
        }
    }
}
