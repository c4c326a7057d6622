//! A tile: 64 queries that are answered together, and what has been found out about them.

use super::bank::Bank;
use super::quantized_queries::QuantizedBatch;
use super::quantized_rows::QuantizedRows;
use super::query_batch::QueryBatch;
use super::structure::{Kept, Structure};
use super::topk::TopK;
use crate::ball_tree::STEP;
use crate::bounds::{Tight, near_limit};
use crate::projection::{PREFIX, Projected};
use crate::simd::PANEL;
use crate::{Result, SearchStats, memory};

/// Queries answered together.
pub(super) const TILE: usize = PANEL;

/// Rough costs, in units of one multiplication of 16 values, by which a tile gives up.
pub(super) const PAIR: usize = 2;
pub(super) const CLOSE: usize = 30;

/// What the queries are compared with.
pub(super) enum Sight<'a> {
    /// The queries and the bank as bytes.
    Quantized(Box<QuantizedBatch>, &'a QuantizedRows),
    /// The bank's projections.
    Exact(&'a Projected),
}

/// What a tile has found out about its queries.
pub(super) struct Tile<'a> {
    pub(super) bank: &'a Bank<'a>,
    pub(super) batch: &'a QueryBatch<'a>,
    pub(super) structure: &'a Structure,
    pub(super) first: usize,
    pub(super) projections: Projected,
    pub(super) short: Vec<f32>,
    /// Prefixes as a panel.
    pub(super) panel: Vec<f32>,
    pub(super) norms: [f32; PANEL],
    /// Per query how far its projections may be from those of a neighbour, the other's slack aside.
    pub(super) reach: [f32; PANEL],
    pub(super) full: [f32; PANEL],
    pub(super) tops: Vec<TopK>,
    /// Per query the places that have been settled for its first bound, in order.
    pub(super) seeds: Vec<Vec<usize>>,
    pub(super) sight: Sight<'a>,
    /// Work done, and work that a dense scan would have been.
    pub(super) spent: usize,
    pub(super) stats: SearchStats,
}

impl<'a> Tile<'a> {
    pub fn new(
        bank: &'a Bank<'a>,
        structure: &'a Structure,
        batch: &'a QueryBatch<'a>,
        first: usize,
        count: usize,
    ) -> Result<Self> {
        let rows = batch.queries.slice(first, count);
        let projections = Projected::of(rows, &structure.axes, batch.simd, batch.progress)?;
        let mut short = memory::zeros(count * PREFIX)?;
        let mut panel = memory::zeros(STEP)?;
        let mut norms = [0.0; PANEL];
        for (i, projection) in short.chunks_exact_mut(PREFIX).enumerate() {
            projections.short(i, projection);
            for (j, x) in projection.iter().enumerate() {
                panel[j * PANEL + i] = *x;
                norms[i] += x * x;
            }
        }
        let sight = match &structure.projections {
            Kept::Quantized(bytes) => {
                let asked =
                    QuantizedBatch::new(bytes, bank, rows.data(), &projections, batch.simd)?;
                Sight::Quantized(Box::new(asked), bytes)
            }
            Kept::Exact(floats) => Sight::Exact(floats),
        };
        let top = |_| TopK::new(batch.k, bank.rows.len(), f64::INFINITY);
        let tops = (0..count).map(top).collect::<Result<_>>()?;
        Ok(Self {
            bank,
            batch,
            structure,
            first,
            projections,
            short,
            panel,
            norms,
            reach: [f32::INFINITY; PANEL],
            full: [f32::INFINITY; PANEL],
            tops,
            seeds: vec![vec![]; count],
            sight,
            spent: 0,
            stats: SearchStats::default(),
        })
    }

    /// Forgets what was found, and all bounds.
    pub fn restart(&mut self) {
        (self.reach, self.full) = ([f32::INFINITY; PANEL], [f32::INFINITY; PANEL]);
        self.tops.iter_mut().for_each(TopK::restart);
        self.seeds.iter_mut().for_each(Vec::clear);
        if let Sight::Quantized(asked, _) = &mut self.sight {
            asked.restart();
        }
        self.spent = 0;
    }

    /// Whether `blocks` have taken more than a scan of them would have.
    pub fn exceeds_scan(&self, blocks: usize) -> bool {
        let at_once = if let Sight::Quantized(..) = self.sight { 48 } else { 16 };
        self.spent > self.tops.len() * PANEL * self.bank.cols / at_once * blocks
    }

    /// Brings the limits of query `q` up to date with its bound.
    pub(super) fn tighten(&mut self, q: usize) {
        let bound = self.tops[q].radius();
        self.reach[q] = Tight::reach(bound, self.projections.slack[q]);
        self.full[q] = near_limit(bound, self.bank.cols);
        if let Sight::Quantized(asked, _) = &mut self.sight {
            asked.tighten(q, bound);
        }
    }
}
