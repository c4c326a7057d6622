//! The rows that queries are compared with.

use rayon::prelude::*;

use crate::simd::PANEL;
use crate::task::Progress;
use crate::{Matrix, Result, memory};

/// The rows, in an order of their own.
#[derive(Debug, Clone)]
pub struct Bank {
    pub data: Vec<f32>,
    pub cols: usize,
    /// The row at each place.
    pub rows: Vec<u32>,
    pub groups: Option<Vec<i64>>,
    /// Subtracted from rows before they are multiplied.
    pub centre: Vec<f32>,
}

impl Bank {
    /// The rows of `all` at the places that `rows` gives them. Runs on the current pool.
    pub fn gathered(
        all: Matrix<'_>,
        rows: Vec<u32>,
        groups: Option<&[i64]>,
        centre: Vec<f32>,
        progress: &Progress,
    ) -> Result<Self> {
        let mut data = memory::zeros(rows.len() * all.cols())?;
        data.par_chunks_mut(all.cols()).zip(&rows).with_min_len(64).try_for_each(
            |(out, row)| {
                progress.check()?;
                out.copy_from_slice(all.row(*row as usize));
                Ok(())
            },
        )?;
        let groups = groups
            .map(|ids| memory::collected(rows.iter().map(|row| ids[*row as usize])))
            .transpose()?;
        Ok(Self { data, cols: all.cols(), rows, groups, centre })
    }

    /// The values of the row at `place`.
    #[inline]
    pub fn values(&self, place: usize) -> &[f32] {
        &self.data[place * self.cols..(place + 1) * self.cols]
    }

    /// Rows of block `b`.
    pub fn count(&self, b: usize) -> usize {
        (self.rows.len() - b * PANEL).min(PANEL)
    }

    /// A bit for each place of block `b` that holds a row.
    pub fn present(&self, b: usize) -> u64 {
        u64::MAX >> (PANEL - self.count(b))
    }
}
