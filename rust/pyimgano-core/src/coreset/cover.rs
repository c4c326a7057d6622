//! What is known of all rows between two batches.

use crate::ball_tree::BallTree;
use crate::projection::Projected;
use crate::simd::Simd;
use crate::{Matrix, SearchStats};

/// Marks a row that is picked already.
pub const PICKED: f64 = -1.0;

/// Distances and row numbers in the order of picking: the larger distance, then the lower row.
pub fn precedes(a: (f64, u32), b: (f64, u32)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)
}

/// All rows with their distances to the picks made so far.
pub struct Cover<'a> {
    pub features: Matrix<'a>,
    /// By place.
    pub projections: Projected,
    pub blocks: BallTree,
    /// By place: squared distance to the nearest pick, or [`PICKED`].
    pub nearest: Vec<f64>,
    pub simd: Simd,
    /// What all passes so far took.
    pub stats: SearchStats,
}

impl Cover<'_> {
    /// The values of the row at `place`.
    #[inline]
    pub fn values(&self, place: usize) -> &[f32] {
        self.features.row(self.blocks.rows[place] as usize)
    }
}
