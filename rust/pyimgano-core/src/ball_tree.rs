//! A ball tree of which only the leaves are kept: blocks of 64 rows that lie close together.

use rayon::prelude::*;

use crate::bounds::half;
use crate::projection::{PREFIX, PROJECTION, Projected};
use crate::simd::PANEL;
use crate::task::Progress;
use crate::{Result, memory};

/// Values of one panel of prefixes.
pub(crate) const STEP: usize = PREFIX * PANEL;

/// Rows in blocks of [`PANEL`], with the ball around each block's prefixes.
#[derive(Debug, Clone)]
pub(crate) struct BallTree {
    /// The row at each place; block b has places `64 * b ..`, all full but the last.
    pub rows: Vec<u32>,
    /// One panel of prefixes per block, [`STEP`] values; zero where a block ends early.
    pub panels: Vec<f32>,
    /// Squared length of the prefix at each place.
    pub norms: Vec<f32>,
    /// Per block minus half of those: the bias of a dot product with another projection.
    pub biases: Vec<[f32; PANEL]>,
    /// One ball per block.
    pub balls: Vec<Ball>,
}

/// What contains a block's prefixes.
#[derive(Debug, Clone)]
pub(crate) struct Ball {
    /// Middle.
    pub centre: [f32; PREFIX],
    /// Squared length of `centre`.
    pub norm: f64,
    /// No projection is farther than this from `centre`.
    pub radius: f64,
    /// The largest slack of the block's rows.
    pub slack: f64,
    /// The largest squared length of the block's projections.
    pub longest: f64,
}

impl Ball {
    /// A place for a ball.
    const NONE: Self =
        Self { centre: [0.0; PREFIX], norm: 0.0, radius: 0.0, slack: 0.0, longest: 0.0 };
}

impl BallTree {
    /// Splits rows again and again across the axis along which they spread most.
    pub fn of(projections: &Projected, progress: &Progress) -> Result<Self> {
        let mut rows = memory::collected(0..projections.rest.len() as u32)?;
        split(&mut rows, projections, progress)?;
        Self::over(rows, projections, progress)
    }

    /// The blocks of `rows` in the order they come in; a row may come more than once.
    pub fn over(rows: Vec<u32>, projections: &Projected, progress: &Progress) -> Result<Self> {
        let n = rows.len();
        let mut panels = memory::zeros(n.div_ceil(PANEL) * STEP)?;
        let mut norms = memory::zeros(n)?;
        let mut balls = memory::filled(n.div_ceil(PANEL), Ball::NONE)?;
        rows.par_chunks(PANEL)
            .zip(panels.par_chunks_mut(STEP))
            .zip(norms.par_chunks_mut(PANEL))
            .zip(&mut balls)
            .try_for_each(|(((rows, panel), norms), ball)| {
                progress.check()?;
                *ball = fill(rows, projections, panel, norms);
                Ok(())
            })?;
        let biases = memory::collected(norms.chunks(PANEL).map(|norms| {
            let mut bias = [f32::NEG_INFINITY; PANEL];
            bias.iter_mut().zip(norms).for_each(|(b, norm)| *b = -half(f64::from(*norm)));
            bias
        }))?;
        Ok(Self { rows, panels, norms, biases, balls })
    }

    /// Forgets all that is said of single rows.
    pub fn drop_panels(&mut self) {
        (self.panels, self.norms, self.biases) = (vec![], vec![], vec![]);
    }

    /// The prefixes of block `b`.
    pub fn panel(&self, b: usize) -> &[f32] {
        &self.panels[b * STEP..(b + 1) * STEP]
    }
}

/// Orders `rows` so that runs of 64 are close together.
pub(crate) fn split(rows: &mut [u32], projections: &Projected, progress: &Progress) -> Result<()> {
    if rows.len() <= PANEL {
        return Ok(());
    }
    progress.check()?;
    let axis = widest(rows, projections);
    let value = |row: u32| projections.long[row as usize * PROJECTION + axis];
    let mut keyed = memory::collected(rows.iter().map(|row| (value(*row), *row)))?;
    let middle = rows.len().div_ceil(PANEL) / 2 * PANEL;
    keyed.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    rows.iter_mut().zip(&keyed).for_each(|(row, (_, kept))| *row = *kept);
    drop(keyed);
    let (low, high) = rows.split_at_mut(middle);
    if low.len() > 4096 {
        let (low, high) = rayon::join(
            || split(low, projections, progress),
            || split(high, projections, progress),
        );
        low.and(high)
    } else {
        split(low, projections, progress)?;
        split(high, projections, progress)
    }
}

/// The axis of the prefixes along which some of `rows` spread most.
fn widest(rows: &[u32], projections: &Projected) -> usize {
    const LOOK: usize = 256;
    let looked = rows.len().min(LOOK);
    let (mut sums, mut squares) = ([0.0f64; PREFIX - 1], [0.0f64; PREFIX - 1]);
    for i in 0..looked {
        let row = rows[i * rows.len() / looked] as usize;
        for (j, x) in projections.long[row * PROJECTION..][..PREFIX - 1].iter().enumerate() {
            let x = f64::from(*x);
            sums[j] += x;
            squares[j] += x * x;
        }
    }
    let spread = |j: usize| squares[j] - sums[j] * sums[j] / looked as f64;
    (1..PREFIX - 1).fold(0, |best, j| if spread(j) > spread(best) { j } else { best })
}

/// Turns the prefixes of `rows` into a panel and finds their ball.
fn fill(rows: &[u32], projections: &Projected, panel: &mut [f32], norms: &mut [f32]) -> Ball {
    let mut projection = [0.0; PREFIX];
    let mut sums = [0.0; PREFIX];
    let (mut slack, mut longest) = (0.0f64, 0.0f64);
    for (r, row) in rows.iter().enumerate() {
        projections.short(*row as usize, &mut projection);
        let mut norm = 0.0;
        for (j, x) in projection.iter().enumerate() {
            panel[j * PANEL + r] = *x;
            sums[j] += f64::from(*x);
            norm += f64::from(*x) * f64::from(*x);
        }
        norms[r] = norm as f32;
        slack = slack.max(f64::from(projections.slack[*row as usize]));
        longest = longest.max(norm);
    }
    let centre = sums.map(|sum| (sum / rows.len() as f64) as f32);
    let distance = |r: usize| -> f64 {
        centre
            .iter()
            .enumerate()
            .map(|(j, c)| (f64::from(panel[j * PANEL + r]) - f64::from(*c)).powi(2))
            .sum()
    };
    let radius = (0..rows.len()).map(distance).fold(0.0, f64::max).sqrt() * (1.0 + 1e-9);
    let norm = centre.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    Ball { centre, norm, radius, slack, longest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_block_and_in_its_ball() {
        for n in [1usize, 63, 64, 65, 1000] {
            let long: Vec<f32> = (0..n * PROJECTION).map(|i| ((i * 7919) % 1013) as f32).collect();
            let projections = Projected { long, rest: vec![1.0; n], slack: vec![0.5; n] };
            let blocks = BallTree::of(&projections, &Progress::default()).expect("runs");
            let mut seen = blocks.rows.clone();
            seen.sort_unstable();
            assert_eq!(seen, (0..n as u32).collect::<Vec<_>>());
            assert_eq!(blocks.balls.len(), n.div_ceil(64));
            for (b, ball) in blocks.balls.iter().enumerate() {
                for (r, row) in blocks.rows[b * PANEL..n.min((b + 1) * PANEL)].iter().enumerate() {
                    let mut projection = [0.0; PREFIX];
                    projections.short(*row as usize, &mut projection);
                    let apart: f64 = (0..PREFIX)
                        .map(|j| (f64::from(projection[j]) - f64::from(ball.centre[j])).powi(2))
                        .sum();
                    assert!(apart.sqrt() <= ball.radius);
                    assert_eq!(blocks.panel(b)[PANEL * 3 + r], projection[3]);
                }
            }
        }
    }
}
