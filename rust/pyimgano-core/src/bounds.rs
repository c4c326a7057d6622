//! How far float32 arithmetic may be off, and what that means for a bound.
//!
//! Bounds are computed in float32 and skip a pair only if it would be skipped for every rounding
//! that could have happened; pairs that are left are settled by [`Simd::squared_distance`].
//! With u = 2^-24, a float32 dot product or sum of n terms, in any order, fused or not, is off by
//! at most γ(n) = n u / (1 − n u) times the sum of the terms' magnitudes (N. Higham, Accuracy and
//! Stability of Numerical Algorithms, 2nd edition, sections 3.1 and 3.5).
//!
//! [`Simd::squared_distance`]: crate::simd::Simd::squared_distance

/// Unit roundoff of float32.
pub(crate) const U: f64 = 1.0 / (1 << 24) as f64;

/// More than what underflow can change in any sum here.
const TINY: f64 = 1e-35;

/// Covers the rounding of float64 steps, sums of up to a million terms included.
const WIDE: f64 = 1.0 + 1e-9;

/// Magnitudes of centred values for which no float32 step here overflows, or loses everything.
pub(crate) const RANGE: std::ops::RangeInclusive<f32> = 1e-12..=1e12;

/// γ(n) of the module's text.
pub(crate) fn gamma(n: usize) -> f64 {
    let nu = n as f64 * U;
    if nu < 0.5 { nu / (1.0 - nu) } else { f64::INFINITY }
}

/// Relative error of [`Simd::near`](crate::simd::Simd::near) over `dims` columns.
///
/// Subtracting and squaring adds three roundings to each term; 16 or more running sums take
/// `dims / 16 + 1` terms each and are folded in at most 6 steps.
pub fn near_slack(dims: usize) -> f64 {
    gamma(dims / 16 + 10)
}

/// The largest squared distance of two embedded rows whose rows are within `squared` of each other.
///
/// `slack` is how far the two embedded rows together are from their ideal places.
pub(crate) fn limit(squared: f64, slack: f64) -> f64 {
    let reach = squared.sqrt() * WIDE + slack;
    reach * reach * WIDE
}

/// What [`Simd::near`](crate::simd::Simd::near) must not exceed for a squared distance up to
/// `limit`.
pub(crate) fn near_limit(limit: f64, dims: usize) -> f32 {
    ((limit * (WIDE + near_slack(dims)) + TINY) as f32).next_up()
}

/// Half a squared norm, as the bias of a row in [`Simd::reach`](crate::simd::Simd::reach).
pub(crate) fn half(norm: f64) -> f32 {
    (norm / 2.0) as f32
}

/// A threshold for dot products: with it, no pair within `limit` is skipped.
///
/// ‖a−b‖² ≤ limit means a·b − ‖b‖²/2 ≥ (‖a‖² − limit)/2. The left side is computed over `dims`
/// columns from b's bias, −[`half`]\(‖b‖²): its terms, and all that is rounded on the way, are at
/// most ‖a‖² + ‖b‖² + limit together. `norm` is ‖a‖², `others` the largest ‖b‖².
pub(crate) fn dot_threshold(norm: f64, limit: f64, others: f64, dims: usize) -> f32 {
    let margin = gamma(dims + 8) * (norm + others + limit) + TINY;
    (((norm - limit) / 2.0 - margin) as f32).next_down()
}

/// The same bounds in float32 throughout, for inner loops: each step's rounding is allowed for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tight {
    margin: f32,
}

impl Tight {
    /// For dot products and squared distances over up to `dims` columns.
    pub fn new(dims: usize) -> Self {
        Self { margin: gamma(dims + 24) as f32 }
    }

    /// √`squared` + `slack`, rounded up.
    pub fn reach(squared: f64, slack: f32) -> f32 {
        ((squared.sqrt() * WIDE + f64::from(slack)) as f32).next_up().next_up()
    }

    /// The square of the sum of two reaches; within 4 u, which `margin` covers.
    #[inline(always)]
    pub fn square(self, a: f32, b: f32) -> f32 {
        (a + b) * (a + b)
    }

    /// [`dot_threshold`].
    #[inline(always)]
    pub fn threshold(self, norm: f32, limit: f32, others: f32) -> f32 {
        (norm - limit) * 0.5 - (self.margin * (norm + others + limit) + TINY as f32)
    }

    /// [`near_limit`] for projections.
    #[inline(always)]
    pub fn near(self, limit: f32) -> f32 {
        limit * (1.0 + self.margin) + TINY as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{PANEL, Queries, Simd};
    use proptest::prelude::*;

    fn exact(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum()
    }

    fn norm(a: &[f32]) -> f64 {
        exact(a, &vec![0.0; a.len()])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The pair that the limit was made for is never skipped, however close the call.
        #[test]
        fn a_pair_at_the_limit_is_kept(
            pairs in prop::collection::vec((-1e6f32..1e6, -1e-3f32..1e-3), 1..90),
            flip in any::<bool>(), scale in -30i32..30
        ) {
            let scale = 2f32.powi(scale);
            let a: Vec<f32> = pairs.iter().map(|p| p.0 * scale).collect();
            let b: Vec<f32> = pairs.iter()
                .map(|p| if flip { p.1 * scale } else { p.0 * scale * (1.0 + p.1) }).collect();
            let (dims, squared) = (a.len(), exact(&a, &b));
            let edge = limit(squared, 0.0);
            let threshold = dot_threshold(norm(&a), edge, norm(&b), dims);
            let mut panel = vec![0.0; PANEL * dims];
            for (j, value) in b.iter().enumerate() {
                panel[PANEL * j] = *value;
            }
            let bias = [-half(norm(&b)); PANEL];
            for simd in Simd::all() {
                prop_assert!(simd.near(&a, &b) <= near_limit(edge, dims));
                let mut masks = vec![];
                let queries = Queries { rows: &a, dims };
                simd.reach(&panel, &bias, queries, &[0], &[threshold], &mut masks);
                prop_assert!(masks[0] & 1 == 1);
                // The same with the threshold on the row's side, as the coreset has it.
                let bias = [-dot_threshold(norm(&b), edge, norm(&a), dims); PANEL];
                simd.reach(&panel, &bias, queries, &[0], &[half(norm(&a))], &mut masks);
                prop_assert!(masks[0] & 1 == 1);
                // And all in float32.
                let tight = Tight::new(dims);
                let edge = tight.square(Tight::reach(squared, 0.0), 0.0);
                prop_assert!(simd.near(&a, &b) <= tight.near(edge));
                let threshold = tight.threshold(norm(&a) as f32, edge, norm(&b) as f32);
                let bias = [-half(norm(&b)); PANEL];
                simd.reach(&panel, &bias, queries, &[0], &[threshold], &mut masks);
                prop_assert!(masks[0] & 1 == 1);
                let bias = [-tight.threshold(norm(&b) as f32, edge, norm(&a) as f32); PANEL];
                simd.reach(&panel, &bias, queries, &[0], &[half(norm(&a))], &mut masks);
                prop_assert!(masks[0] & 1 == 1);
            }
        }
    }

    #[test]
    fn an_infinite_limit_keeps_everything() {
        assert_eq!(dot_threshold(1.0, f64::INFINITY, 1.0, 16), f32::NEG_INFINITY);
        assert_eq!(near_limit(limit(f64::INFINITY, 1.0), 16), f32::INFINITY);
    }
}
