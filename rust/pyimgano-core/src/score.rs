//! Scores as integers in the same order.

use std::fmt::Debug;

/// An unsigned integer that stands for a score.
pub trait Key: Copy + Ord + Debug + Send + Sync + 'static {
    /// How many values [`Key::head`] can take.
    const HEADS: usize;
    /// Number of bits below the head.
    const TAIL_BITS: u32;
    /// Below every key of a finite score.
    const MIN: Self;
    /// Above every key of a finite score.
    const MAX: Self;
    /// How many values [`Key::coarse`] can take.
    const COARSE: usize = 1 << 20;
    /// More leading bits.
    fn coarse(self) -> usize;
    /// The lowest key with these leading bits.
    fn from_coarse(bits: usize) -> Self;
    /// The leading bits.
    fn head(self) -> usize;
    /// The bits below the head, without the last `shift`.
    fn tail(self, shift: u32) -> usize;
    /// The same keys, if they are of this type.
    fn as_u32s(_keys: &[Self]) -> Option<&[u32]> {
        None
    }
}

impl Key for u32 {
    fn coarse(self) -> usize {
        (self >> 12) as usize
    }
    fn from_coarse(bits: usize) -> Self {
        (bits as Self) << 12
    }
    const HEADS: usize = 1 << 12;
    const TAIL_BITS: u32 = 20;
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
    fn head(self) -> usize {
        (self >> Self::TAIL_BITS) as usize
    }
    fn tail(self, shift: u32) -> usize {
        ((self & ((1 << Self::TAIL_BITS) - 1)) >> shift) as usize
    }
    fn as_u32s(keys: &[Self]) -> Option<&[u32]> {
        Some(keys)
    }
}

impl Key for u64 {
    fn coarse(self) -> usize {
        (self >> 44) as usize
    }
    fn from_coarse(bits: usize) -> Self {
        (bits as Self) << 44
    }
    const HEADS: usize = 1 << 14;
    const TAIL_BITS: u32 = 50;
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
    fn head(self) -> usize {
        (self >> Self::TAIL_BITS) as usize
    }
    fn tail(self, shift: u32) -> usize {
        ((self & ((1 << Self::TAIL_BITS) - 1)) >> shift) as usize
    }
}

/// A floating-point score, `f32` or `f64`, never converted from one to the other.
pub trait Score: Copy + PartialOrd + Debug + Send + Sync + 'static {
    /// The integer of the same size.
    type Key: Key;
    /// Minus infinity.
    const LOWEST: Self;
    /// Infinity.
    const HIGHEST: Self;
    /// Keys of finite scores compare as the scores do; -0.0 and 0.0 have the same one.
    fn key(self) -> Self::Key;
    /// The score of a key.
    fn from_key(key: Self::Key) -> Self;
    /// Neither NaN nor infinite.
    fn finite(self) -> bool;
    /// The same number.
    fn as_f64(self) -> f64;
    /// The next number below this finite one.
    fn below(self) -> Self;
    /// A number midway between `low` and `high`, in any case `low <= midway < high`.
    fn midway(low: Self, high: Self) -> Self;
    /// The same scores, if they are of this type.
    fn as_f32s(_scores: &[Self]) -> Option<&[f32]> {
        None
    }
}

macro_rules! score {
    ($float:ty, $key:ty, $($more:item)?) => {
        impl Score for $float {
            type Key = $key;
            const LOWEST: Self = <$float>::NEG_INFINITY;
            const HIGHEST: Self = <$float>::INFINITY;
            fn key(self) -> $key {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                let bits = (self + 0.0).to_bits(); // -0.0 + 0.0 is 0.0
                if bits & SIGN == 0 { bits | SIGN } else { !bits }
            }
            fn from_key(key: $key) -> Self {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                Self::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
            }
            fn finite(self) -> bool {
                self.is_finite()
            }
            fn as_f64(self) -> f64 {
                self.into()
            }
            fn below(self) -> Self {
                self.next_down()
            }
            fn midway(low: Self, high: Self) -> Self {
                // Same sign: the difference cannot overflow. Different signs: the sum cannot.
                let mid = if (low < 0.0) == (high < 0.0) {
                    low + (high - low) / 2.0
                } else {
                    (low + high) / 2.0
                };
                if mid < high { mid } else { low }
            }
            $($more)?
        }
    };
}

score!(
    f32,
    u32,
    fn as_f32s(scores: &[Self]) -> Option<&[f32]> {
        Some(scores)
    }
);
score!(f64, u64,);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_two_zeros_are_one() {
        assert_eq!((-0.0f32).key(), 0.0f32.key());
        assert_eq!((-0.0f64).key(), 0.0f64.key());
    }

    #[test]
    fn midway_never_reaches_the_higher_score() {
        let one = 1.0f32;
        assert_eq!(f32::midway(one, one.next_up()), one);
        assert_eq!(f32::midway(one.next_down(), one), one.next_down());
        assert_eq!(f32::midway(f32::MIN, f32::MAX), 0.0);
        assert_eq!(f32::midway(f32::MAX / 2.0, f32::MAX), f32::MAX * 0.75);
        assert_eq!(f64::midway(0.0, 5e-324), 0.0);
        assert_eq!(f64::midway(-5e-324, 0.0), -5e-324);
    }

    proptest! {
        #[test]
        fn keys_order_as_scores_do(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(a.partial_cmp(&b), Some(a.key().cmp(&b.key())));
            prop_assert_eq!(f32::from_key(a.key()), a);
            let (low, high) = (a.min(b), a.max(b));
            if low < high {
                let mid = f32::midway(low, high);
                prop_assert!(low <= mid && mid < high);
            }
        }

        #[test]
        fn keys_order_as_scores_do_in_double_precision(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(a.partial_cmp(&b), Some(a.key().cmp(&b.key())));
            prop_assert_eq!(f64::from_key(a.key()), a);
            let (low, high) = (a.min(b), a.max(b));
            if low < high {
                let mid = f64::midway(low, high);
                prop_assert!(low <= mid && mid < high);
            }
        }
    }
}
