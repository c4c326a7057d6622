//! The first radius of each query: from the rows that look nearest in the blocks whose balls are
//! nearest.

use std::ops::Range;

use super::tile::{PAIR, Sight, Tile};
use super::topk::Found;
use crate::ball_tree::Ball;
use crate::bounds::half;
use crate::projection::{PREFIX, PROJECTION};
use crate::simd::{PANEL, Queries};
use crate::{Result, memory};

/// Blocks looked into for a first radius.
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
                let (new, old) = ((value[q], block[q]), (values[q], blocks[q]));
                let (better, worse) = if new.0 > old.0 { (new, old) } else { (old, new) };
                (values[q], blocks[q]) = better;
                (value[q], block[q]) = worse;
            }
        }
    }
    nearest
}

/// How near each row of the blocks looked into seems, the nearest largest.
type Scores = [[f32; PANEL]; PROBES];

/// The score that at least `count` rows reach, if that is easily told.
#[inline(always)]
fn cut(scores: &Scores, count: usize) -> f32 {
    if count > PANEL {
        return f32::MIN;
    }
    let mut most = scores[0];
    for line in &scores[1..] {
        for (most, x) in most.iter_mut().zip(line) {
            *most = if *x > *most { *x } else { *most };
        }
    }
    if count > 4 {
        return most.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a)).1.max(f32::MIN);
    }
    let mut few: [f32; 16] = std::array::from_fn(|r| {
        let (a, b) = (most[r].max(most[r + 16]), most[r + 32].max(most[r + 48]));
        a.max(b)
    });
    few.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a)).1.max(f32::MIN)
}

impl Tile<'_> {
    /// Bounds all queries by rows of some `blocks`.
    pub(super) fn find_first_radius(&mut self, among: Range<usize>) -> Result<()> {
        let simd = self.batch.simd;
        let structure = self.structure;
        let balls = &structure.blocks.balls[among.clone()];
        let mut products = memory::zeros(balls.len() * PANEL)?;
        let centres = &structure.centres[among.start * PREFIX..among.end * PREFIX];
        let centres = Queries { rows: centres, dims: PREFIX };
        simd.dots(&self.panel, centres, &mut products);
        let nearest = simd.vectorize(
            #[inline(always)]
            || nearest_blocks(&products, balls),
        );
        let k = self.batch.k;
        // Somewhat more than needed: what looks nearest need not be.
        let wanted = k + 2 + k / 4;
        let mut close = vec![];
        for q in 0..self.tops.len() {
            let blocks = nearest.each_ref().map(|lanes| among.start + lanes.1[q] as usize);
            let scores = self.scores(q, &blocks, among.end);
            let least = simd.vectorize(
                #[inline(always)]
                || cut(&scores, wanted),
            );
            close.clear();
            for (b, line) in blocks.iter().zip(&scores) {
                for (part, line) in line.as_chunks::<16>().0.iter().enumerate() {
                    if line.iter().fold(false, |any, x| any | (*x >= least)) {
                        for (r, x) in line.iter().enumerate().filter(|(_, x)| **x >= least) {
                            close.push((*x, b * PANEL + 16 * part + r));
                        }
                    }
                }
            }
            self.spent += PROBES * PANEL * PAIR;
            if close.len() < k {
                continue;
            }
            let tried = wanted.min(close.len());
            close.select_nth_unstable_by(tried - 1, |a, b| b.0.total_cmp(&a.0));
            close.truncate(tried);
            for (_, place) in &close {
                simd.prefetch(self.bank.values(*place));
            }
            let query = self.batch.queries.row(self.first + q);
            for (_, place) in &close {
                let squared = simd.squared_distance(query, self.bank.values(*place));
                self.tops[q].put(Found { squared, row: self.bank.rows[*place] as usize });
            }
            self.stats.probed += close.len() as u64;
            let seeds = &mut self.seeds[q];
            seeds.extend(close.iter().map(|(_, place)| *place));
            seeds.sort_unstable();
            self.tighten(q);
        }
        Ok(())
    }

    /// Scores of the rows in `blocks` for query `q`; minus infinity for rows that do not count.
    fn scores(&self, q: usize, blocks: &[usize; PROBES], end: usize) -> Scores {
        let (simd, structure) = (self.batch.simd, self.structure);
        let mut scores = [[f32::NEG_INFINITY; PANEL]; PROBES];
        for (b, scores) in blocks.iter().zip(&mut scores) {
            if *b >= end {
                continue;
            }
            if let Sight::Quantized(asked, bytes) = &self.sight {
                let mut sums = [0; PANEL];
                let projection = &asked.projections[q * PROJECTION..(q + 1) * PROJECTION];
                simd.byte_dots(bytes.panel(*b), &bytes.biases[*b], projection, &mut sums);
                *scores = sums.map(|x| x as f32);
            } else {
                let projection =
                    Queries { rows: &self.short[q * PREFIX..(q + 1) * PREFIX], dims: PREFIX };
                simd.dots(structure.blocks.panel(*b), projection, scores);
                let biases = &structure.blocks.biases[*b];
                scores.iter_mut().zip(biases).for_each(|(score, bias)| *score += bias);
            }
            let present = self.bank.present(*b);
            if present == u64::MAX && self.batch.groups.is_none() {
                continue;
            }
            for (r, score) in scores.iter_mut().enumerate() {
                if present >> r & 1 == 0
                    || !self.batch.eligible(self.bank, self.first + q, *b * PANEL + r)
                {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Simd;

    #[test]
    fn blocks_come_nearest_first_and_once() {
        for n in [1usize, 2, 3, 7, 8, 9, 40] {
            let products: Vec<f32> =
                (0..n * PANEL).map(|i| ((i * 7919 + i / 64 * 31) % 1013) as f32 - 500.0).collect();
            let ball = |b: usize| Ball {
                centre: [0.0; PREFIX],
                norm: (b * 37 % 11) as f64,
                radius: 0.0,
                slack: 0.0,
                longest: 0.0,
            };
            let balls: Vec<Ball> = (0..n).map(ball).collect();
            for simd in Simd::all() {
                let nearest = simd.vectorize(
                    #[inline(always)]
                    || nearest_blocks(&products, &balls),
                );
                for q in 0..PANEL {
                    let value = |b: usize| products[b * PANEL + q] - half(balls[b].norm);
                    let mut order: Vec<usize> = (0..n).collect();
                    order.sort_by(|a, b| value(*b).total_cmp(&value(*a)).then(a.cmp(b)));
                    order.resize(PROBES.max(n), u32::MAX as usize);
                    let found: Vec<usize> = nearest.iter().map(|lane| lane.1[q] as usize).collect();
                    assert_eq!(found, order[..PROBES], "{simd:?}, {n} blocks, query {q}");
                }
            }
        }
    }
}
