//! What a bank's rows look like from afar.

use super::Bank;
use super::bytes::{self, Bytes};
use crate::axes::Axes;
use crate::blocks::Blocks;
use crate::embed::{Embedded, SHORT};
use crate::simd::Simd;
use crate::task::Progress;
use crate::{Matrix, Result, memory};

/// Images of the rows, by place.
#[derive(Debug, Clone)]
pub(super) struct Structure {
    pub axes: Axes,
    /// The rows' order is the bank's, and panels are only there beside [`Images::Floats`].
    pub blocks: Blocks,
    /// The blocks' centres one after the other.
    pub centres: Vec<f32>,
    pub images: Images,
}

/// One kind is kept, for floats take four times the memory of bytes.
#[derive(Debug, Clone)]
pub(super) enum Images {
    Bytes(Bytes),
    Floats(Embedded),
}

impl Structure {
    /// The structure of `bank`, and the order in which its rows are to be placed.
    pub fn of(bank: Matrix<'_>, simd: Simd, progress: &Progress) -> Result<(Self, Vec<u32>)> {
        let axes = Axes::of(bank, simd, progress)?;
        let mut images = Embedded::of(bank, &axes, simd, progress)?;
        let mut blocks = Blocks::of(&images, progress)?;
        let rows = std::mem::take(&mut blocks.rows);
        let mut centres = memory::reserved(blocks.balls.len() * SHORT)?;
        blocks.balls.iter().for_each(|ball| centres.extend_from_slice(&ball.centre));
        let images = if simd.has_bytes() && bank.cols() <= bytes::COLUMNS {
            blocks.drop_panels();
            Images::Bytes(Bytes::of(&images, &rows, progress)?)
        } else {
            images.reorder(&rows, progress)?;
            Images::Floats(images)
        };
        Ok((Self { axes, blocks, centres, images }, rows))
    }

    /// Bytes are completed by the rows themselves, once these are in their places.
    pub fn complete(&mut self, bank: &Bank, simd: Simd, progress: &Progress) -> Result<()> {
        match &mut self.images {
            Images::Bytes(bytes) => bytes.add_rows(bank, simd, progress),
            Images::Floats(_) => Ok(()),
        }
    }

    /// The bytes, if they are what was kept. Any instruction set can read them.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.images {
            Images::Bytes(bytes) => Some(bytes),
            Images::Floats(_) => None,
        }
    }
}
