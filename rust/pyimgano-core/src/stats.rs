//! What lower bounds spared a search.

use std::ops::{Add, AddAssign};

/// Counters of pairs: of a query and a row in a search, of a pick and a row in a coreset.
///
/// `candidates` is the sum of all that follow it but `probed`. A coreset's candidates are, for each
/// pick, the candidates of its batch and, once the batch is full, all rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchStats {
    /// Pairs in all.
    pub candidates: u64,
    /// Left by the bounds, but of the query's own group.
    pub excluded: u64,
    /// Pruned with a whole block of rows, by the ball or box around it.
    pub by_ball: u64,
    /// Pruned by a lower bound from prefixes or projections.
    pub by_projection: u64,
    /// Pruned by a lower bound from the rows, quantised or in float32.
    pub by_row: u64,
    /// Refined: settled by the float64 distance of the rows.
    pub refined: u64,
    /// Distances computed for first radii, whatever became of these pairs later.
    pub probed: u64,
}

impl SearchStats {
    /// Pairs that a lower bound ruled out.
    pub fn pruned(&self) -> u64 {
        self.by_ball + self.by_projection + self.by_row
    }

    /// Every counter with its name.
    pub fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("candidates", self.candidates),
            ("excluded", self.excluded),
            ("by_ball", self.by_ball),
            ("by_projection", self.by_projection),
            ("by_row", self.by_row),
            ("refined", self.refined),
            ("probed", self.probed),
        ]
    }

    /// `count` pairs, all of them refined.
    pub(crate) fn all_refined(count: usize) -> Self {
        Self { candidates: count as u64, refined: count as u64, ..Self::default() }
    }
}

impl Add for SearchStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            candidates: self.candidates + other.candidates,
            excluded: self.excluded + other.excluded,
            by_ball: self.by_ball + other.by_ball,
            by_projection: self.by_projection + other.by_projection,
            by_row: self.by_row + other.by_row,
            refined: self.refined + other.refined,
            probed: self.probed + other.probed,
        }
    }
}

impl AddAssign for SearchStats {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
