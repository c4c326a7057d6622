//! A query batch as quantised rows, see [`quantized_rows`](super::quantized_rows).

use super::bank::Bank;
use super::quantized_rows::{LANES, QuantizedRows, RowCode, STEP, WIDE, in_panel, whole};
use crate::projection::{PROJECTION, Projected};
use crate::simd::{PANEL, Scaled, Simd};
use crate::{Result, memory};

/// Queries as rows of bytes.
#[derive(Default)]
pub(super) struct QuantizedQueries {
    rows: Vec<i8>,
    facts: Vec<RowCode>,
    buffer: Vec<u8>,
    /// Per query 128 times the sum of its row.
    sums: Vec<i32>,
    scaled: Vec<Scaled>,
}

impl QuantizedQueries {
    /// With room for `count` queries, if there are bytes to compare them with.
    pub fn new(bytes: Option<&QuantizedRows>, count: usize) -> Result<Self> {
        let Some(bytes) = bytes else { return Ok(Self::default()) };
        Ok(Self {
            rows: memory::reserved(count * bytes.stride)?,
            facts: memory::reserved(count)?,
            buffer: memory::reserved(bytes.stride)?,
            sums: memory::reserved(count)?,
            scaled: memory::reserved(count)?,
        })
    }

    /// Adds a query.
    pub fn push(&mut self, row: &[f32], bytes: &QuantizedRows, bank: &Bank<'_>, simd: Simd) {
        self.buffer.clear();
        self.buffer.resize(bytes.stride, 0);
        let out = self.buffer.as_chunks_mut::<LANES>().0;
        self.facts.push(simd.vectorize(
            #[inline(always)]
            || whole(row, bank.centre, 0, out),
        ));
        self.rows.extend(self.buffer.iter().map(|x| *x as i8));
        self.sums.push(128 * self.buffer.iter().map(|x| i32::from(*x as i8)).sum::<i32>());
    }

    /// How far query `q` may be from a neighbour within squared distance `bound`, the other's
    /// slack aside.
    pub fn far(&self, q: usize, bound: f64) -> f64 {
        bound.sqrt() * WIDE + self.facts[q].slack
    }

    /// For each query the rows of `packed` that may be neighbours, by [`QuantizedQueries::far`].
    pub fn reach(
        &mut self,
        packed: &Packed,
        far: impl Iterator<Item = f64>,
        simd: Simd,
        masks: &mut Vec<u64>,
    ) {
        let mut scaled = std::mem::take(&mut self.scaled);
        scaled.clear();
        scaled.extend(far.enumerate().map(|(q, far)| self.scaled(q, far, packed)));
        let Packed { panel, scales, bias, .. } = packed;
        simd.byte_scaled(panel, scales, bias, &self.rows, &scaled, masks);
        self.scaled = scaled;
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
    pub fn pack(&mut self, bytes: &QuantizedRows, b: usize) -> Result<()> {
        let stride = bytes.stride;
        memory::resize(&mut self.panel, PANEL * stride, 128)?;
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
        Ok(())
    }
}

/// Up to 64 queries.
pub(super) struct QuantizedBatch {
    /// Kept, [`PROJECTION`] bytes each.
    pub projections: Vec<i8>,
    /// The same as a byte panel, 128 added to each value.
    panel: Vec<u8>,
    norms: [i32; PANEL],
    moved: [i32; PANEL],
    slacks: [f32; PANEL],
    /// Per query how far its projection may be from a neighbour's, the other's slack aside.
    reach: [f32; PANEL],
    inverse: f32,
    rows: QuantizedQueries,
    /// Per query how far its row may be from a neighbour's, the other's slack aside.
    far: [f64; PANEL],
}

impl QuantizedBatch {
    /// `rows`, one after the other, and their `projections`.
    pub fn new(
        bytes: &QuantizedRows,
        bank: &Bank<'_>,
        rows: &[f32],
        projections: &Projected,
        simd: Simd,
    ) -> Result<Self> {
        let count = rows.len() / bank.cols;
        let mut asked = Self {
            projections: memory::zeros(count * PROJECTION)?,
            panel: memory::filled(STEP, 128)?,
            norms: [0; PANEL],
            moved: [0; PANEL],
            slacks: [0.0; PANEL],
            reach: [f32::INFINITY; PANEL],
            inverse: (1.0 / bytes.scale).next_up(),
            rows: QuantizedQueries::new(Some(bytes), count)?,
            far: [f64::INFINITY; PANEL],
        };
        for (q, row) in rows.chunks_exact(bank.cols).enumerate() {
            let (projection, norm, moved, slack) = bytes.projection(projections, q);
            asked.projections[q * PROJECTION..(q + 1) * PROJECTION].copy_from_slice(&projection);
            for (j, x) in projection.into_iter().enumerate() {
                asked.panel[in_panel(q, j)] = x as u8 ^ 128;
            }
            (asked.norms[q], asked.moved[q], asked.slacks[q]) = (norm, moved, slack);
            asked.rows.push(row, bytes, bank, simd);
        }
        Ok(asked)
    }

    /// Forgets all bounds.
    pub fn restart(&mut self) {
        (self.reach, self.far) = ([f32::INFINITY; PANEL], [f64::INFINITY; PANEL]);
    }

    /// From now on neighbours of query `q` are those within that squared distance.
    pub fn tighten(&mut self, q: usize, bound: f64) {
        let root = bound.sqrt() * WIDE;
        self.reach[q] = ((root as f32).next_up() + self.slacks[q]).next_up();
        self.far[q] = self.rows.far(q, bound);
    }

    /// The queries that may have a neighbour in block `b`, and for each query how far, squared, the
    /// projection of a neighbour in there may be from its own.
    pub fn prune_ball(&self, bytes: &QuantizedRows, b: usize, simd: Simd) -> (u64, [i32; PANEL]) {
        let limits = simd.vectorize(
            #[inline(always)]
            || self.limits(bytes.slacks[b]),
        );
        let [low, high] = bytes.sides(b);
        (simd.byte_within(&self.panel, low, high, &limits), limits)
    }

    #[inline(always)]
    fn limits(&self, slack: f32) -> [i32; PANEL] {
        // Added to less than itself, it leaves no place for a fraction.
        const ONE: f32 = 8_388_608.0;
        self.reach.map(|reach| {
            let edge = (reach + slack) * self.inverse;
            // No two projections are farther apart than this limit.
            let limit = (edge * edge * WIDE as f32).min(8e6);
            // Its nearest whole number, and one more.
            (limit + ONE).to_bits() as i32 - ONE.to_bits() as i32 + 1
        })
    }

    /// Query `q`'s threshold for [`Simd::byte_reach`].
    ///
    /// With whole numbers, ‖a−b‖² ≤ l means a·b − ⌊‖b‖²/2⌋ ≥ ⌊(‖a‖² − l)/2⌋.
    #[inline]
    pub fn threshold(&self, q: usize, limit: i32) -> i32 {
        ((self.norms[q] - limit) >> 1) + self.moved[q]
    }

    /// Of `pairs` of a query and a row of block `b` those that may be neighbours.
    pub fn refine_codes(
        &self,
        bytes: &QuantizedRows,
        b: usize,
        simd: Simd,
        pairs: &mut Vec<(u32, u32)>,
        dots: &mut Vec<i32>,
    ) {
        let stride = bytes.stride;
        let rows = &bytes.rows[b * PANEL * stride..];
        simd.byte_pairs(rows, &self.rows.rows, stride, pairs, dots);
        let facts = &bytes.facts[b * PANEL..];
        let mut kept = 0;
        for i in 0..pairs.len() {
            let (q, r) = pairs[i];
            let (own, theirs) = (&self.rows.facts[q as usize], &facts[r as usize]);
            let dot = dots[i] - self.rows.sums[q as usize];
            let norms = own.norm + theirs.norm;
            let squared = norms - 2.0 * own.scale * theirs.scale * f64::from(dot);
            let edge = self.far[q as usize] + theirs.slack;
            // Few are kept: written always, for a branch would be hard to foresee.
            pairs[kept] = (q, r);
            kept += usize::from(squared <= edge * edge * WIDE + 1e-9 * norms);
        }
        pairs.truncate(kept);
    }
}
