//! The rows that queries are compared with.

use crate::simd::PANEL;

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
