//! What lower bounds are computed from: axes, ball tree and projections of a bank.

use super::bank::Bank;
use super::quantized_rows::{self, QuantizedRows};
use crate::ball_tree::BallTree;
use crate::principal_axes::Axes;
use crate::projection::{PREFIX, Projected};
use crate::simd::Simd;
use crate::task::Progress;
use crate::{Matrix, Result, memory};

/// Projections of the rows, by place.
#[derive(Debug, Clone)]
pub(super) struct Structure {
    pub axes: Axes,
    /// The rows' order is the bank's, and panels are only there beside [`Kept::Exact`].
    pub blocks: BallTree,
    /// The blocks' centres one after the other.
    pub centres: Vec<f32>,
    pub projections: Kept,
}

/// One kind is kept, for floats take four times the memory of bytes.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    Quantized(QuantizedRows),
    Exact(Projected),
}

impl Structure {
    /// The structure of `bank`, and the order in which its rows are to be placed.
    pub fn of(bank: Matrix<'_>, simd: Simd, progress: &Progress) -> Result<(Self, Vec<u32>)> {
        Self::with(bank, BallTree::of, simd, progress)
    }

    /// The structure whose blocks `tree` makes of the projections. A row may have several places.
    pub fn with(
        bank: Matrix<'_>,
        tree: impl FnOnce(&Projected, &Progress) -> Result<BallTree>,
        simd: Simd,
        progress: &Progress,
    ) -> Result<(Self, Vec<u32>)> {
        let axes = Axes::of(bank, simd, progress)?;
        let mut projections = Projected::of(bank, &axes, simd, progress)?;
        let mut blocks = tree(&projections, progress)?;
        let rows = std::mem::take(&mut blocks.rows);
        let mut centres = memory::reserved(blocks.balls.len() * PREFIX)?;
        blocks.balls.iter().for_each(|ball| centres.extend_from_slice(&ball.centre));
        let projections = if simd.has_bytes() && bank.cols() <= quantized_rows::COLUMNS {
            blocks.drop_panels();
            Kept::Quantized(QuantizedRows::of(&projections, &rows, progress)?)
        } else {
            if rows.len() == bank.rows() {
                projections.reorder(&rows, progress)?;
            } else {
                projections = projections.gathered(&rows, progress)?;
            }
            Kept::Exact(projections)
        };
        Ok((Self { axes, blocks, centres, projections }, rows))
    }

    /// Bytes are completed by the rows themselves, once these are in their places.
    pub fn complete(&mut self, bank: &Bank<'_>, simd: Simd, progress: &Progress) -> Result<()> {
        match &mut self.projections {
            Kept::Quantized(bytes) => bytes.add_rows(bank, simd, progress),
            Kept::Exact(_) => Ok(()),
        }
    }

    /// The bytes, if they are what was kept. Any instruction set can read them.
    pub fn bytes(&self) -> Option<&QuantizedRows> {
        match &self.projections {
            Kept::Quantized(bytes) => Some(bytes),
            Kept::Exact(_) => None,
        }
    }
}
