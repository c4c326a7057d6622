//! Blocks and rows that cannot hold a neighbour are ruled out on short images.
//!
//! For 64 queries at a time: the nearest block gives a first bound; then, block by block, the ball
//! around the block rules out queries, short images rule out pairs, long images rule out more, and
//! what is left is settled on the rows themselves.

use super::asked::Asked;
use super::bytes::Bytes;
use super::structure::{Images, Structure};
use super::topk::{Found, TopK};
use super::{Bank, Job, Slot};
use crate::blocks::{Ball, STEP};
use crate::bounds::{Tight, half, near_limit};
use crate::embed::{Embedded, LONG, SHORT};
use crate::simd::{PANEL, Queries, Simd};
use crate::{Result, memory};

/// Queries answered together.
pub(super) const TILE: usize = PANEL;

/// Rough costs, in units of one multiplication of 16 values, by which a tile gives up.
pub(super) const PAIR: usize = 2;
const CLOSE: usize = 30;

/// What the queries are compared with.
pub(super) enum Sight<'a> {
    /// The queries and the bank as bytes.
    Bytes(Box<Asked>, &'a Bytes),
    /// The bank's images.
    Floats(&'a Embedded),
}

/// What a tile has found out about its queries.
pub(super) struct Tile<'a> {
    pub(super) bank: &'a Bank,
    pub(super) job: &'a Job<'a>,
    pub(super) structure: &'a Structure,
    pub(super) first: usize,
    pub(super) images: Embedded,
    pub(super) short: Vec<f32>,
    /// Short images as a panel.
    pub(super) panel: Vec<f32>,
    pub(super) norms: [f32; PANEL],
    /// Per query how far its images may be from those of a neighbour, the other's slack aside.
    pub(super) reach: [f32; PANEL],
    pub(super) full: [f32; PANEL],
    pub(super) tops: Vec<TopK>,
    /// Per query the places that have been settled for its first bound, in order.
    pub(super) seeds: Vec<Vec<usize>>,
    pub(super) sight: Sight<'a>,
    /// Work done, and work that a dense scan would have been.
    pub(super) spent: usize,
}

/// Tiles that go through the blocks together, so that a block's rows are fetched once for all.
pub(super) const TOGETHER: usize = 8;

/// Answers the slots' queries, and marks those it did: where a dense scan looks cheaper, it leaves
/// `bounds` to start that from.
pub(super) fn answer(
    bank: &Bank,
    structure: &Structure,
    job: &Job<'_>,
    slots: &mut [Slot<'_>],
) -> Result<()> {
    let mut tiles = vec![];
    for slot in slots.iter() {
        let mut tile = Tile::new(bank, structure, job, slot)?;
        tile.seed()?;
        tiles.push(Some(tile));
    }
    let mut buffers = Buffers {
        masks: vec![],
        which: vec![],
        thresholds: vec![],
        whole: vec![],
        near: [0.0; PANEL],
        pairs: vec![],
        dots: vec![],
    };
    for (b, ball) in structure.blocks.balls.iter().enumerate() {
        job.progress.check()?;

        for (open, slot) in tiles.iter_mut().zip(slots.iter_mut()) {
            let Some(tile) = open else { continue };

            tile.visit(b, ball, &mut buffers);
            let at_once = if let Sight::Bytes(..) = tile.sight { 48 } else { 16 };
            let dense = slot.count * PANEL * bank.cols / at_once;
            if b % 8 == 7 && tile.spent > dense * (b + 1) {
                slot.bounds = memory::collected(tile.tops.iter().map(TopK::bound))?;
                *open = None;
            }
        }
    }
    for (tile, slot) in tiles.into_iter().zip(slots) {
        let Some(tile) = tile else { continue };
        let indices = slot.indices.chunks_mut(job.k);
        let places = slot.distances.chunks_mut(job.k).zip(indices);
        for (top, (distances, indices)) in tile.tops.into_iter().zip(places) {
            top.write(distances, indices);
        }
        job.progress.add(slot.count);
        slot.answered = true;
    }
    Ok(())
}

/// Buffers of [`Tile::visit`].
struct Buffers {
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

/// As [`Tile::sift`], on bytes; returns what that took.
fn sift_bytes(
    bank: &Bank,
    (asked, bytes): (&Asked, &Bytes),
    b: usize,
    (mut mask, limits): (u64, &[i32; PANEL]),
    simd: Simd,
    buffers: &mut Buffers,
) -> usize {
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
    simd.byte_reach(panel, bias, &asked.images, LONG, which, &buffers.whole, masks);
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
    asked.keep_near(bytes, b, simd, pairs, &mut buffers.dots);
    which.len() * PANEL + CLOSE / 2 * tried
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
        let mut short = memory::zeros(slot.count * SHORT)?;
        let mut panel = memory::zeros(STEP)?;
        let mut norms = [0.0; PANEL];
        for (i, image) in short.chunks_exact_mut(SHORT).enumerate() {
            images.short(i, image);
            for (j, x) in image.iter().enumerate() {
                panel[j * PANEL + i] = *x;
                norms[i] += x * x;
            }
        }
        let sight = match &structure.images {
            Images::Bytes(bytes) => {
                let asked = Asked::new(bytes, bank, rows.data(), &images, job.simd)?;
                Sight::Bytes(Box::new(asked), bytes)
            }
            Images::Floats(floats) => Sight::Floats(floats),
        };
        let top = |_| TopK::new(job.k, bank.rows.len(), f64::INFINITY);
        let tops = (0..slot.count).map(top).collect::<Result<_>>()?;
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
            seeds: vec![vec![]; slot.count],
            sight,
            spent: 0,
        })
    }

    /// Brings the limits of query `q` up to date with its bound.
    pub(super) fn tighten(&mut self, q: usize) {
        let bound = self.tops[q].bound();
        self.reach[q] = Tight::reach(bound, self.images.slack[q]);
        self.full[q] = near_limit(bound, self.bank.cols);
        if let Sight::Bytes(asked, _) = &mut self.sight {
            asked.tighten(q, bound);
        }
    }

    /// Settles what may be a neighbour in block `b`.
    fn visit(&mut self, b: usize, ball: &Ball, buffers: &mut Buffers) {
        let simd = self.job.simd;
        let all = u64::MAX >> (PANEL - self.tops.len());
        buffers.pairs.clear();
        match &self.sight {
            Sight::Bytes(asked, bytes) => {
                let (mask, limits) = asked.enter(bytes, b, simd);
                if mask & all == 0 {
                    return;
                }
                let mask = (mask & all, &limits);
                self.spent += sift_bytes(self.bank, (asked, bytes), b, mask, simd, buffers);
            }
            Sight::Floats(images) => match self.enter(ball, buffers) & all {
                0 => return,
                mask => self.sift(images, (b, ball), mask, buffers),
            },
        }
        let seeds = &self.seeds;
        let settled =
            |q: u32, r: u32| seeds[q as usize].binary_search(&(b * PANEL + r as usize)).is_ok();
        buffers.pairs.retain(|(q, r)| !settled(*q, *r));
        for (q, r) in &buffers.pairs {
            self.consider(*q as usize, b * PANEL + *r as usize);
        }
    }

    /// Queries that may have a neighbour in a block.
    fn enter(&self, ball: &Ball, buffers: &mut Buffers) -> u64 {
        let simd = self.job.simd;
        let tight = Tight::new(SHORT);
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
        buffers.masks[0]
    }

    /// Pairs of the queries of `mask` with rows of block `b` that images do not rule out.
    fn sift(
        &mut self,
        images: &Embedded,
        (b, ball): (usize, &Ball),
        mut mask: u64,
        buffers: &mut Buffers,
    ) {
        let simd = self.job.simd;
        let tight = Tight::new(SHORT);
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
        let queries = Queries { rows: &self.short, dims: SHORT };
        simd.reach(panel, bias, queries, &buffers.which, &buffers.thresholds, &mut buffers.masks);
        let present = self.bank.present(b);
        self.spent += buffers.which.len() * PANEL * PAIR;
        let rows = &images.long[b * PANEL * LONG..];
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
                buffers.pairs.push((*q, r));
            }
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
