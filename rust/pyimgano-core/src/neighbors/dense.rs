//! A blocked scan of the whole bank, for data whose distances no prefix can bound.
//!
//! Blocks of 64 rows are centred and packed into panels; a float32 dot product with every query
//! rules most pairs out, the rest are settled on the rows themselves.

use std::ops::Range;

use rayon::prelude::*;

use super::answers::Slot;
use super::bank::Bank;
use super::quantized_queries::{Packed, QuantizedQueries};
use super::quantized_rows::QuantizedRows;
use super::query_batch::QueryBatch;
use super::topk::{Found, TopK};
use crate::bounds::{U, dot_threshold, half, limit, near_limit};
use crate::principal_axes::subtract;
use crate::projection::square;
use crate::simd::{PANEL, Queries};
use crate::{Result, SearchStats, memory};

/// Bytes of queries that one thread works on at a time: they stay in the second-level cache.
const BYTES: usize = 640 << 10;

/// Bytes are given up where they leave more than one pair in this many.
const SELDOM: usize = 8;

/// Answers the queries of all `slots`.
///
/// `bytes` of the bank are scanned first, if there are any.
pub(super) fn answer(
    bank: &Bank<'_>,
    bytes: Option<&QuantizedRows>,
    batch: &QueryBatch<'_>,
    slots: &mut [Slot<'_>],
) -> Result<()> {
    let tile = slots.iter().map(|slot| slot.count).max().unwrap_or(1);
    let fits = (BYTES / (4 * batch.queries.cols() * tile)).max(1);
    let even = slots.len().div_ceil(rayon::current_num_threads()).max(1);
    // As many slots per thread as fit, in equal shares.
    let rounds = even.div_ceil(fits);
    slots.par_chunks_mut(even.div_ceil(rounds)).try_for_each_init(Panel::default, |panel, slots| {
        let blocks = 0..bank.rows.len().div_ceil(PANEL);
        scan(bank, bytes, batch, slots, blocks, panel)
    })
}

/// A block of the bank, packed.
#[derive(Default)]
pub(super) struct Panel {
    values: Vec<f32>,
    centred: Vec<f32>,
    slack: f64,
    longest: f64,
}

impl Panel {
    /// Packs block `b` and returns its bias.
    fn pack(&mut self, bank: &Bank<'_>, b: usize) -> Result<[f32; PANEL]> {
        let d = bank.cols;
        memory::resize(&mut self.values, d * PANEL, 0.0)?;
        memory::resize(&mut self.centred, d * PANEL, 0.0)?;
        (self.slack, self.longest) = (0.0, 0.0);
        let mut bias = [f32::NEG_INFINITY; PANEL];
        let places = b * PANEL..bank.rows.len().min((b + 1) * PANEL);
        let count = places.len();
        for (r, place) in places.enumerate() {
            let row = &mut self.centred[r * d..(r + 1) * d];
            subtract(bank.values(place), bank.centre, row);
            let squared = square(row);
            bias[r] = -half(squared);
            self.longest = self.longest.max(squared);
        }
        self.slack = centring(self.longest);
        // Eight rows at a time, so that the lines written to are still in the first cache.
        for r in (0..count).step_by(8) {
            let rows = r..(r + 8).min(count);
            for (j, out) in self.values.chunks_exact_mut(PANEL).enumerate() {
                for r in rows.clone() {
                    out[r] = self.centred[r * d + j];
                }
            }
        }
        Ok(bias)
    }
}

/// How far rounding to float32 moves a centred row of that squared length.
fn centring(squared: f64) -> f64 {
    1.01 * U * squared.sqrt()
}

/// A query at work.
struct Active {
    query: usize,
    top: TopK,
    norm: f64,
    slack: f64,
    full: f32,
    /// See [`QuantizedQueries::far`].
    far: f64,
}

/// Answers the queries of the slots by the rows of `blocks`, on this thread.
pub(super) fn scan(
    bank: &Bank<'_>,
    bytes: Option<&QuantizedRows>,
    batch: &QueryBatch<'_>,
    slots: &mut [Slot<'_>],
    blocks: Range<usize>,
    panel: &mut Panel,
) -> Result<()> {
    let d = bank.cols;
    let count = slots.iter().map(|slot| slot.count).sum();
    let mut active = memory::reserved(count)?;
    let mut centred = memory::reserved(count * d)?;
    let mut rows = QuantizedQueries::new(bytes, count)?;
    for slot in slots.iter() {
        for i in 0..slot.count {
            let query = slot.first + i;
            let at = centred.len();
            centred.resize(at + d, 0.0);
            subtract(batch.queries.row(query), bank.centre, &mut centred[at..]);
            let norm = square(&centred[at..]);
            let bound = slot.bounds.get(i).copied().unwrap_or(f64::INFINITY);
            let top = TopK::new(batch.k, bank.rows.len(), bound)?;
            let far = bytes.map_or(bound, |bytes| {
                rows.push(batch.queries.row(query), bytes, bank, batch.simd);
                rows.far(active.len(), bound)
            });
            active.push(Active {
                query,
                top,
                norm,
                slack: centring(norm),
                full: near_limit(bound, d),
                far,
            });
        }
    }
    let which = memory::collected(0..count as u32)?;
    let mut thresholds = memory::reserved(count)?;
    let mut masks = memory::reserved(count)?;
    let queries = Queries { rows: &centred, dims: d };
    let (mut packed, mut kept) = (Packed::new(), 0);
    let mut stats = SearchStats::default();
    for b in blocks.clone() {
        batch.progress.check()?;
        let present = bank.present(b);
        if let Some(bytes) =
            bytes.filter(|_| kept * SELDOM <= (b - blocks.start) * PANEL * active.len())
        {
            packed.pack(bytes, b)?;
            rows.reach(&packed, active.iter().map(|a| a.far), batch.simd, &mut masks);
            kept += masks.iter().map(|mask| (mask & present).count_ones() as usize).sum::<usize>();
        } else {
            let bias = panel.pack(bank, b)?;
            thresholds.clear();
            thresholds.extend(active.iter().map(|a: &Active| {
                let edge = limit(a.top.radius(), a.slack + panel.slack);
                dot_threshold(a.norm, edge, panel.longest, d)
            }));
            batch.simd.reach(&panel.values, &bias, queries, &which, &thresholds, &mut masks);
        }
        for (i, (a, mask)) in active.iter_mut().zip(&masks).enumerate() {
            let mut mask = mask & present;
            stats.by_row += u64::from((present & !mask).count_ones());
            if mask == 0 {
                continue;
            }
            while mask != 0 {
                let place = b * PANEL + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                a.refine(bank, batch, place, &mut stats);
            }
            if bytes.is_some() {
                a.far = rows.far(i, a.top.radius());
            }
        }
    }
    let rows: usize = blocks.map(|b| bank.count(b)).sum();
    stats.candidates = (active.len() * rows) as u64;
    if let Some(slot) = slots.first_mut() {
        slot.stats += stats;
    }
    let mut done = active.into_iter();
    for slot in slots.iter_mut() {
        let distances = slot.distances.chunks_mut(batch.k);
        for (distances, indices) in distances.zip(slot.indices.chunks_mut(batch.k)) {
            if let Some(a) = done.next() {
                a.top.write(distances, indices);
            }
        }
        batch.progress.add(slot.count);
    }
    Ok(())
}

impl Active {
    #[inline]
    fn refine(
        &mut self,
        bank: &Bank<'_>,
        batch: &QueryBatch<'_>,
        place: usize,
        stats: &mut SearchStats,
    ) {
        let (query, values) = (batch.queries.row(self.query), bank.values(place));
        if !batch.eligible(bank, self.query, place) {
            stats.excluded += 1;
            return;
        }
        if batch.simd.near(query, values) > self.full {
            stats.by_row += 1;
            return;
        }
        stats.refined += 1;
        let squared = batch.simd.squared_distance(query, values);
        if self.top.put(Found { squared, row: bank.rows[place] as usize }) {
            self.full = near_limit(self.top.radius(), bank.cols);
        }
    }
}
