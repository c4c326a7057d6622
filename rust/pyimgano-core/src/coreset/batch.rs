//! Greedy selection among the candidates of one batch.

use super::candidates::Chosen;
use super::cover::{Cover, PICKED, precedes};
use super::refine::{Lane, Target};
use crate::ball_tree::STEP;
use crate::bounds::half;
use crate::projection::{PREFIX, PROJECTION};
use crate::simd::{PANEL, Queries};
use crate::task::Progress;
use crate::{Result, SearchStats, memory};

/// Candidates in panels of 64, in order of their places.
struct Candidates {
    places: Vec<u32>,
    rows: Vec<u32>,
    nearest: Vec<f64>,
    norms: Vec<f32>,
    slacks: Vec<f32>,
    longs: Vec<f32>,
    /// Prefixes one after the other, and in panels.
    projections: Vec<f32>,
    panels: Vec<f32>,
    targets: Vec<Target>,
    /// Per panel its first candidate in picking order.
    firsts: Vec<(f64, u32, usize)>,
    stats: SearchStats,
}

/// Picks up to `most` of the `chosen`, as long as they come before all other rows, and returns
/// their places. Updates the distances of the chosen rows.
pub(super) fn greedy(
    cover: &mut Cover<'_>,
    chosen: &Chosen,
    most: usize,
    progress: &Progress,
) -> Result<Vec<u32>> {
    let mut all = Candidates::gather(cover, chosen)?;
    let mut picks = memory::reserved(most.min(chosen.places.len()))?;
    while picks.len() < most {
        let Some((value, row, index)) = all.first() else { break };
        if chosen.outside.is_some_and(|outside| !precedes((value, row), outside)) {
            break;
        }
        progress.check()?;
        progress.add(1);
        picks.push(chosen.places[index]);
        all.pick(cover, index);
    }
    for (place, nearest) in chosen.places.iter().zip(&all.nearest) {
        cover.nearest[*place as usize] = *nearest;
    }
    cover.stats += all.stats;
    Ok(picks)
}

impl Candidates {
    fn gather(cover: &Cover<'_>, chosen: &Chosen) -> Result<Self> {
        let n = chosen.places.len();
        let places = || chosen.places.iter().map(|place| *place as usize);
        let rows = memory::collected(places().map(|place| cover.blocks.rows[place]))?;
        let nearest = memory::collected(places().map(|place| cover.nearest[place]))?;
        let norms = memory::collected(places().map(|place| cover.blocks.norms[place]))?;
        let slacks = memory::collected(places().map(|place| cover.projections.slack[place]))?;
        let mut projections = memory::zeros(n * PREFIX)?;
        let mut panels = memory::zeros(n.div_ceil(PANEL) * STEP)?;
        let mut longs = memory::reserved(n * PROJECTION)?;
        for (i, place) in places().enumerate() {
            longs.extend_from_slice(cover.projections.long(place));
            let projection = &mut projections[i * PREFIX..(i + 1) * PREFIX];
            cover.projections.short(place, projection);
            let panel = &mut panels[i / PANEL * STEP..];
            for (j, x) in projection.iter().enumerate() {
                panel[j * PANEL + i % PANEL] = *x;
            }
        }
        let slack = slacks.iter().copied().fold(0.0, f32::max);
        let longest = norms.iter().copied().fold(0.0, f32::max);
        let targets = (0..n.div_ceil(PANEL)).map(|_| Target::new(slack, longest));
        let (targets, places) =
            (memory::collected(targets)?, memory::collected(chosen.places.iter().copied())?);
        let mut all = Self {
            places,
            rows,
            nearest,
            norms,
            slacks,
            longs,
            projections,
            panels,
            targets,
            firsts: vec![],
            stats: SearchStats::default(),
        };
        for i in 0..n {
            let lane = all.lane(i, cover.features.cols());
            all.targets[i / PANEL].set(i % PANEL, lane);
        }
        all.firsts = memory::collected((0..n.div_ceil(PANEL)).map(|panel| all.first_of(panel)))?;
        Ok(all)
    }

    fn lane(&self, i: usize, dims: usize) -> Lane {
        Lane { nearest: self.nearest[i], norm: self.norms[i], slack: self.slacks[i], dims }
    }

    /// The first candidate of a panel in picking order; [`PICKED`] if none is left.
    fn first_of(&self, panel: usize) -> (f64, u32, usize) {
        let from = panel * PANEL;
        let to = (from + PANEL).min(self.rows.len());
        let mut first = (PICKED, u32::MAX, from);
        for i in from..to {
            if precedes((self.nearest[i], self.rows[i]), (first.0, first.1)) {
                first = (self.nearest[i], self.rows[i], i);
            }
        }
        first
    }

    /// The first of all candidates that are left.
    fn first(&self) -> Option<(f64, u32, usize)> {
        let best = self
            .firsts
            .iter()
            .copied()
            .reduce(|a, b| if precedes((b.0, b.1), (a.0, a.1)) { b } else { a })?;
        (best.0 >= 0.0).then_some(best)
    }

    /// Marks candidate `pick` and updates the distances of all others.
    fn pick(&mut self, cover: &Cover<'_>, pick: usize) {
        let simd = cover.simd;
        let dims = cover.features.cols();
        let values = cover.values(self.places[pick] as usize);
        let long = self.longs.as_chunks::<PROJECTION>().0[pick];
        self.nearest[pick] = PICKED;
        self.targets[pick / PANEL].close(pick % PANEL);
        let (which, threshold) = ([pick as u32], [half(f64::from(self.norms[pick]))]);
        let mut masks = Vec::with_capacity(1);
        let mut near = [0.0; PANEL];
        let mut left = 0;
        for panel in 0..self.targets.len() {
            let queries = Queries { rows: &self.projections, dims: PREFIX };
            let projections = &self.panels[panel * STEP..(panel + 1) * STEP];
            let bias = &self.targets[panel].bias;
            simd.reach(projections, bias, queries, &which, &threshold, &mut masks);
            let mut stale = panel == pick / PANEL;
            if masks[0] != 0 {
                let longs = &self.longs[panel * PANEL * PROJECTION..];
                let longs = &longs[..longs.len().min(PANEL * PROJECTION)];
                let mut kept = self.targets[panel].sift(simd, &long, longs, masks[0], &mut near);
                left += u64::from(kept.count_ones());
                while kept != 0 {
                    let r = kept.trailing_zeros() as usize;
                    kept &= kept - 1;
                    let i = panel * PANEL + r;
                    let row = cover.values(self.places[i] as usize);
                    let Some(squared) = self.targets[panel].closer(simd, r, row, values) else {
                        self.stats.by_row += 1;
                        continue;
                    };
                    self.stats.refined += 1;
                    if squared < self.nearest[i] {
                        self.nearest[i] = squared;
                        let lane = self.lane(i, dims);
                        self.targets[panel].set(r, lane);
                        stale |= self.firsts[panel].2 == i;
                    }
                }
            }
            if stale {
                self.firsts[panel] = self.first_of(panel);
            }
        }
        self.stats.candidates += self.rows.len() as u64;
        self.stats.by_projection += self.rows.len() as u64 - left;
    }
}
