//! The deciding distance, for every CPU.

/// Running sums of the fixed order.
pub(super) const LANES: usize = 16;

/// Adds the running sums up, halves onto halves.
#[inline]
fn fold(mut lanes: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for j in 0..half {
            lanes[j] += lanes[j + half];
        }
        half /= 2;
    }
    lanes[0]
}

pub(super) fn portable(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (b_chunks, b_tail) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for j in 0..LANES {
            let difference = f64::from(x[j]) - f64::from(y[j]);
            lanes[j] += difference * difference;
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(a_tail.iter().zip(b_tail)) {
        let difference = f64::from(*x) - f64::from(*y);
        *lane += difference * difference;
    }
    fold(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Simd;
    use proptest::prelude::*;

    #[test]
    fn small_integers_are_exact() {
        let a: Vec<f32> = (0..37u8).map(f32::from).collect();
        let b: Vec<f32> = a.iter().map(|x| x + 2.0).collect();
        assert_eq!(portable(&a, &b), 148.0);
        assert_eq!(portable(&[], &[]), 0.0);
        assert_eq!(portable(&[f32::MAX], &[-f32::MAX]), (2.0 * f64::from(f32::MAX)).powi(2));
    }

    proptest! {
        #[test]
        fn every_level_gives_the_same_bits(
            pairs in prop::collection::vec((any::<f32>(), any::<f32>()), 0..100)
        ) {
            let finite = |x: f32| if x.is_finite() { x } else { 1.5 };
            let a: Vec<f32> = pairs.iter().map(|p| finite(p.0)).collect();
            let b: Vec<f32> = pairs.iter().map(|p| finite(p.1)).collect();
            for simd in Simd::all() {
                prop_assert_eq!(
                    simd.squared_distance(&a, &b).to_bits(),
                    portable(&a, &b).to_bits()
                );
            }
        }
    }
}
