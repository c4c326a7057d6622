//! The rows that queries are compared with.

use rayon::prelude::*;

use crate::simd::PANEL;
use crate::task::Progress;
use crate::{Matrix, Result, memory};

/// The order of an index's rows, and what else it knows of them.
#[derive(Debug, Clone)]
pub struct Order {
    pub cols: usize,
    /// The row at each place.
    pub rows: Vec<u32>,
    /// By place.
    pub groups: Option<Vec<i64>>,
    /// Subtracted from rows before they are multiplied.
    pub centre: Vec<f32>,
}

impl Order {
    /// The values of `all`, brought into this order. Runs on the current pool.
    pub fn gathered(&self, all: Matrix<'_>, progress: &Progress) -> Result<Vec<f32>> {
        let mut data = memory::zeros(self.rows.len() * self.cols)?;
        data.par_chunks_mut(self.cols).zip(&self.rows).with_min_len(64).try_for_each(
            |(out, row)| {
                progress.check()?;
                out.copy_from_slice(all.row(*row as usize));
                Ok(())
            },
        )?;
        Ok(data)
    }

    /// The bank of `data`, which is in this order.
    pub fn placed<'a>(&'a self, data: &'a [f32]) -> Bank<'a> {
        self.bank(data, true)
    }

    /// The bank of rows that stay where they are.
    pub fn in_place<'a>(&'a self, all: Matrix<'a>) -> Bank<'a> {
        self.bank(all.data(), false)
    }

    fn bank<'a>(&'a self, data: &'a [f32], placed: bool) -> Bank<'a> {
        let (rows, groups, centre) = (&self.rows[..], self.groups.as_deref(), &self.centre[..]);
        Bank { cols: self.cols, rows, groups, centre, data, placed }
    }
}

/// The rows in an order of their own.
#[derive(Debug, Clone, Copy)]
pub struct Bank<'a> {
    pub cols: usize,
    /// As in [`Order`].
    pub rows: &'a [u32],
    pub groups: Option<&'a [i64]>,
    pub centre: &'a [f32],
    data: &'a [f32],
    /// Whether `data` is in that order.
    placed: bool,
}

impl Bank<'_> {
    /// The values of the row at `place`.
    #[inline]
    pub fn values(&self, place: usize) -> &[f32] {
        let at = if self.placed { place } else { self.rows[place] as usize };
        &self.data[at * self.cols..(at + 1) * self.cols]
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
