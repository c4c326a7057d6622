//! Greedy selection among the candidates of one batch.

use super::fold::{Lane, Target};
use super::select::Chosen;
use super::{Cover, PICKED, precedes};
use crate::Result;
use crate::blocks::STEP;
use crate::bounds::half;
use crate::embed::SHORT;
use crate::simd::{PANEL, Queries};
use crate::task::Progress;

/// Candidates in panels of 64, in order of their places.
struct Candidates {
    rows: Vec<u32>,
    nearest: Vec<f64>,
    norms: Vec<f32>,
    /// Short images one after the other, and in panels.
    images: Vec<f32>,
    panels: Vec<f32>,
    targets: Vec<Target>,
    /// Per panel its first candidate in picking order.
    firsts: Vec<(f64, u32, usize)>,
}

/// Picks up to `most` of the `chosen`, as long as they come before all other rows, and returns
/// their places. Updates the distances of the chosen rows.
pub(super) fn greedy(
    cover: &mut Cover<'_>,
    chosen: &Chosen,
    most: usize,
    progress: &Progress,
) -> Result<Vec<u32>> {
    let mut all = Candidates::gather(cover, chosen);
    let mut picks = vec![];
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
    Ok(picks)
}

impl Candidates {
    fn gather(cover: &Cover<'_>, chosen: &Chosen) -> Self {
        let n = chosen.places.len();
        let rows: Vec<u32> =
            chosen.places.iter().map(|p| cover.blocks.rows[*p as usize]).collect();
        let nearest: Vec<f64> = chosen.places.iter().map(|p| cover.nearest[*p as usize]).collect();
        let norms: Vec<f32> =
            chosen.places.iter().map(|p| cover.blocks.norms[*p as usize]).collect();
        let mut images = vec![0.0; n * SHORT];
        let mut panels = vec![0.0; n.div_ceil(PANEL) * STEP];
        for (i, (row, image)) in rows.iter().zip(images.chunks_exact_mut(SHORT)).enumerate() {
            cover.images.short(*row as usize, image);
            let panel = &mut panels[i / PANEL * STEP..];
            for (j, x) in image.iter().enumerate() {
                panel[j * PANEL + i % PANEL] = *x;
            }
        }
        let slack = rows.iter().map(|row| cover.images.slack[*row as usize]).fold(0.0, f32::max);
        let longest = norms.iter().copied().fold(0.0, f32::max);
        let targets = rows
            .chunks(PANEL)
            .zip(nearest.chunks(PANEL))
            .zip(norms.chunks(PANEL))
            .map(|((rows, nearest), norms)| {
                let mut target = Target::new(slack, longest);
                for (r, row) in rows.iter().enumerate() {
                    target.set(r, Lane {
                        nearest: nearest[r],
                        norm: norms[r],
                        slack: cover.images.slack[*row as usize],
                        dims: cover.features.cols(),
                    });
                }
                target
            })
            .collect();
        let mut all = Self { rows, nearest, norms, images, panels, targets, firsts: vec![] };
        all.firsts = (0..n.div_ceil(PANEL)).map(|panel| all.first_of(panel)).collect();
        all
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
        let best = self.firsts.iter().copied().reduce(|a, b| {
            if precedes((b.0, b.1), (a.0, a.1)) { b } else { a }
        })?;
        (best.0 >= 0.0).then_some(best)
    }

    /// Marks candidate `pick` and updates the distances of all others.
    fn pick(&mut self, cover: &Cover<'_>, pick: usize) {
        let simd = cover.simd;
        let dims = cover.features.cols();
        let picked_row = self.rows[pick] as usize;
        self.nearest[pick] = PICKED;
        self.targets[pick / PANEL].close(pick % PANEL);
        let queries = Queries { rows: &self.images, dims: SHORT };
        let (which, threshold) = ([pick as u32], [half(f64::from(self.norms[pick]))]);
        let mut masks = Vec::with_capacity(1);
        for panel in 0..self.targets.len() {
            let images = &self.panels[panel * STEP..(panel + 1) * STEP];
            let target = &mut self.targets[panel];
            simd.reach(images, &target.bias, queries, &which, &threshold, &mut masks);
            let mut mask = masks[0];
            let mut stale = panel == pick / PANEL;
            while mask != 0 {
                let r = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let i = panel * PANEL + r;
                let row = self.rows[i] as usize;
                if let Some(squared) = target.closer(cover, r, row, picked_row, self.nearest[i]) {
                    self.nearest[i] = squared;
                    let slack = cover.images.slack[row];
                    target.set(r, Lane { nearest: squared, norm: self.norms[i], slack, dims });
                    stale |= self.firsts[panel].2 == i;
                }
            }
            if stale {
                self.firsts[panel] = self.first_of(panel);
            }
        }
    }
}
