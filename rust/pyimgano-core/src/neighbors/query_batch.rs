//! A query batch.

use super::bank::Bank;
use crate::Matrix;
use crate::simd::Simd;
use crate::task::Progress;

/// What all threads need to know about a query.
#[derive(Clone, Copy)]
pub struct QueryBatch<'a> {
    pub queries: Matrix<'a>,
    pub k: usize,
    pub groups: Option<&'a [i64]>,
    pub simd: Simd,
    pub progress: &'a Progress,
}

impl QueryBatch<'_> {
    /// Whether the row at `place` counts for query `q`.
    #[inline]
    pub fn eligible(&self, bank: &Bank<'_>, q: usize, place: usize) -> bool {
        match (self.groups, bank.groups) {
            (Some(own), Some(theirs)) => own[q] != theirs[place],
            _ => true,
        }
    }
}
