//! The picks of a batch against all rows: lower bounds prune, the rows themselves refine.

use rayon::prelude::*;

use super::cover::Cover;
use crate::ball_tree::STEP;
use crate::bounds::{dot_threshold, half, limit, near_limit};
use crate::projection::{PREFIX, PROJECTION};
use crate::simd::{PANEL, Queries, Simd};
use crate::task::Progress;
use crate::{Result, SearchStats, memory};

/// One row of a [`Target`].
pub(super) struct Lane {
    pub nearest: f64,
    pub norm: f32,
    pub slack: f32,
    pub dims: usize,
}

/// What 64 rows ask of a pick: limits that a pair must meet for the pick to come closer than the
/// row's nearest one.
pub(super) struct Target {
    /// Added to dot products of prefixes; compared with half the pick's squared length.
    pub bias: [f32; PANEL],
    long: [f32; PANEL],
    full: [f32; PANEL],
    slack: f64,
    longest: f64,
}

impl Target {
    /// No rows yet; picks have at most `slack` and at most `longest` as squared length.
    pub fn new(slack: f32, longest: f32) -> Self {
        Self {
            bias: [f32::NEG_INFINITY; PANEL],
            long: [0.0; PANEL],
            full: [0.0; PANEL],
            slack: f64::from(slack),
            longest: f64::from(longest),
        }
    }

    /// Row `r` is out of the picks' reach for good.
    pub fn close(&mut self, r: usize) {
        self.bias[r] = f32::NEG_INFINITY;
    }

    /// Sets the limits of row `r`.
    pub fn set(&mut self, r: usize, lane: Lane) {
        if lane.nearest <= 0.0 {
            return self.close(r);
        }
        let edge = limit(lane.nearest, self.slack + f64::from(lane.slack));
        self.bias[r] = -dot_threshold(f64::from(lane.norm), edge, self.longest, PREFIX);
        self.long[r] = near_limit(edge, PANEL);
        self.full[r] = near_limit(lane.nearest, lane.dims);
    }

    /// Which rows of `mask` may come closer to a pick with that projection; `near` gets how near.
    #[inline]
    pub fn sift(
        &self,
        simd: Simd,
        pick: &[f32; PROJECTION],
        rows: &[f32],
        mask: u64,
        near: &mut [f32; PANEL],
    ) -> u64 {
        simd.sift(pick, rows, mask, &self.long, near)
    }

    /// The squared distance of lane `r`, whose row has `values`, to `pick`, if it may come closer.
    #[inline]
    pub fn closer(&self, simd: Simd, r: usize, values: &[f32], pick: &[f32]) -> Option<f64> {
        (simd.near(values, pick) <= self.full[r]).then(|| simd.squared_distance(values, pick))
    }

    /// Whether lane `r` is still within reach of a pick that looked so `near`.
    #[inline]
    pub fn reaches(&self, r: usize, near: f32) -> bool {
        near <= self.long[r]
    }
}

/// The picks of a batch.
struct Picks {
    places: Vec<u32>,
    longs: Vec<[f32; PROJECTION]>,
    /// Prefixes one after the other, and in panels.
    projections: Vec<f32>,
    panels: Vec<f32>,
    /// Half the squared length of each projection, and what is added to its dot products.
    halves: Vec<f32>,
    biases: Vec<[f32; PANEL]>,
    slack: f32,
    longest: f32,
}

impl Picks {
    fn new(cover: &Cover<'_>, places: &[u32]) -> Result<Self> {
        let n = places.len();
        let mut picks = Self {
            places: memory::collected(places.iter().copied())?,
            longs: memory::collected(places.iter().map(|p| *cover.projections.long(*p as usize)))?,
            projections: memory::zeros(n * PREFIX)?,
            panels: memory::zeros(n.div_ceil(PANEL) * STEP)?,
            halves: memory::zeros(n)?,
            biases: memory::filled(n.div_ceil(PANEL), [f32::NEG_INFINITY; PANEL])?,
            slack: 0.0,
            longest: 0.0,
        };
        for (i, projection) in picks.projections.chunks_exact_mut(PREFIX).enumerate() {
            let place = places[i] as usize;
            cover.projections.short(place, projection);
            for (j, x) in projection.iter().enumerate() {
                picks.panels[i / PANEL * STEP + j * PANEL + i % PANEL] = *x;
            }
            let norm = cover.blocks.norms[place];
            picks.halves[i] = half(f64::from(norm));
            picks.biases[i / PANEL][i % PANEL] = -picks.halves[i];
            picks.slack = picks.slack.max(cover.projections.slack[place]);
            picks.longest = picks.longest.max(norm);
        }
        Ok(picks)
    }

    /// Picks in panel `p`.
    fn count(&self, p: usize) -> usize {
        (self.places.len() - p * PANEL).min(PANEL)
    }
}

/// Buffers of one thread.
struct Scratch {
    which: Vec<u32>,
    halves: Vec<f32>,
    masks: Vec<u64>,
    near: [f32; PANEL],
    /// How near, lane, pick.
    pairs: Vec<(f32, u32, u32)>,
}

impl Scratch {
    fn new() -> Self {
        Self { which: vec![], halves: vec![], masks: vec![], near: [0.0; PANEL], pairs: vec![] }
    }
}

/// Brings the distances of all rows up to date with the picks at `places`.
pub(super) fn refine(cover: &mut Cover<'_>, places: &[u32], progress: &Progress) -> Result<()> {
    let picks = Picks::new(cover, places)?;
    let mut nearest = std::mem::take(&mut cover.nearest);
    let outcome = nearest
        .par_chunks_mut(PANEL)
        .enumerate()
        .map_init(Scratch::new, |scratch, (block, nearest)| {
            progress.check()?;
            Ok(fold_block(cover, &picks, block, nearest, scratch))
        })
        .try_reduce(SearchStats::default, |a, b| Ok(a + b));
    cover.nearest = nearest;
    cover.stats += outcome?;
    Ok(())
}

fn fold_block(
    cover: &Cover<'_>,
    picks: &Picks,
    block: usize,
    nearest: &mut [f64],
    scratch: &mut Scratch,
) -> SearchStats {
    let pairs = picks.places.len() * nearest.len();
    let mut stats = SearchStats { candidates: pairs as u64, ..SearchStats::default() };
    let mut within = 0;
    let first = block * PANEL;
    let longs = &cover.projections.long[first * PROJECTION..(first + nearest.len()) * PROJECTION];
    let ball = &cover.blocks.balls[block];
    let norms = &cover.blocks.norms[first..];
    let lane = |r: usize, nearest: f64| Lane {
        nearest,
        norm: norms[r],
        slack: cover.projections.slack[first + r],
        dims: cover.features.cols(),
    };
    let mut target = Target::new(picks.slack, picks.longest);
    for (r, value) in nearest.iter().enumerate() {
        target.set(r, lane(r, *value));
    }
    let centre = Queries { rows: &ball.centre, dims: PREFIX };
    let projections = Queries { rows: &picks.projections, dims: PREFIX };
    let others = f64::from(picks.longest);
    for (p, bias) in picks.biases.iter().enumerate() {
        let farthest = nearest.iter().copied().fold(0.0, f64::max);
        if farthest <= 0.0 {
            break;
        }
        // Picks that may come closer to any row of the block.
        let edge = limit(farthest, ball.slack + f64::from(picks.slack) + ball.radius);
        let threshold = dot_threshold(ball.norm, edge, others, PREFIX);
        let panel = &picks.panels[p * STEP..(p + 1) * STEP];
        cover.simd.reach(panel, bias, centre, &[0], &[threshold], &mut scratch.masks);
        let mut mask = scratch.masks[0] & (u64::MAX >> (PANEL - picks.count(p)));
        scratch.which.clear();
        scratch.halves.clear();
        while mask != 0 {
            let pick = p * PANEL + mask.trailing_zeros() as usize;
            mask &= mask - 1;
            scratch.which.push(pick as u32);
            scratch.halves.push(picks.halves[pick]);
        }
        let panel = cover.blocks.panel(block);
        let (which, halves) = (&scratch.which, &scratch.halves);
        cover.simd.reach(panel, &target.bias, projections, which, halves, &mut scratch.masks);
        scratch.pairs.clear();
        within += which.len() * nearest.len();
        for (pick, mask) in which.iter().zip(&scratch.masks) {
            if *mask == 0 {
                continue;
            }
            let projection = &picks.longs[*pick as usize];
            let mut kept = target.sift(cover.simd, projection, longs, *mask, &mut scratch.near);
            while kept != 0 {
                let r = kept.trailing_zeros() as usize;
                kept &= kept - 1;
                scratch.pairs.push((scratch.near[r], r as u32, *pick));
            }
        }
        stats.by_projection += (which.len() * nearest.len() - scratch.pairs.len()) as u64;
        // The nearest first: most of the others are then out of reach.
        scratch.pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        for (i, (near, r, pick)) in scratch.pairs.iter().enumerate() {
            if let Some((near, r, _)) = scratch.pairs.get(i + 2)
                && target.reaches(*r as usize, *near)
            {
                cover.simd.prefetch(cover.values(first + *r as usize));
            }
            let r = *r as usize;
            if !target.reaches(r, *near) {
                stats.by_projection += 1;
                continue;
            }
            let pick = cover.values(picks.places[*pick as usize] as usize);
            let values = cover.values(first + r);
            let Some(squared) = target.closer(cover.simd, r, values, pick) else {
                stats.by_row += 1;
                continue;
            };
            stats.refined += 1;
            if squared < nearest[r] {
                nearest[r] = squared;
                target.set(r, lane(r, squared));
            }
        }
    }
    stats.by_ball = (pairs - within) as u64;
    stats
}
