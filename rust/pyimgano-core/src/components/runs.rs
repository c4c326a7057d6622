//! Rows of pixels as bits, and bits as runs.

use crate::{Result, memory};

/// A maximal stretch of foreground in one row: columns `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// First column.
    pub start: u32,
    /// One past the last column.
    pub end: u32,
}

impl Run {
    /// Number of pixels.
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Never true of a run made here.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}

/// Number of 64-bit words that hold `width` bits.
pub fn words_for(width: usize) -> usize {
    width.div_ceil(64)
}

const LOW: u64 = 0x0101_0101_0101_0101;

/// Bit `i` of the result is bit 0 of byte `i`; all other bits of `bytes` must be 0.
fn gather(bytes: u64) -> u64 {
    // The product's top byte collects byte i shifted to bit 56 + i; no two terms share a bit.
    bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Bit `i` of the result says whether byte `i` of `bytes` is non-zero.
fn non_zero(bytes: u64) -> u64 {
    let carried = (bytes & (0x7f * LOW)) + 0x7f * LOW;
    gather(((carried | bytes) >> 7) & LOW)
}

/// The eight bytes of a chunk, the first one lowest.
fn word(eight: &[u8]) -> u64 {
    eight.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Sets the bits of `words` where `row` is non-zero; bits beyond the row are 0.
pub fn non_zero_bits(row: &[u8], words: &mut [u64]) {
    for (out, chunk) in words.iter_mut().zip(row.chunks(64)) {
        *out = 0;
        if chunk.iter().fold(0, |any, &byte| any | byte) != 0 {
            for (i, eight) in chunk.chunks(8).enumerate() {
                *out |= non_zero(word(eight)) << (8 * i);
            }
        }
    }
}

/// Sets the bits of `words` where `row` exceeds `threshold`; says whether all of `row` is finite.
pub fn above_bits(row: &[f32], threshold: f32, words: &mut [u64]) -> bool {
    let mut finite = true;
    for (out, chunk) in words.iter_mut().zip(row.chunks(64)) {
        let mut above = [0u8; 64];
        let (mut bad, mut any) = (false, 0);
        for (byte, &value) in above.iter_mut().zip(chunk) {
            *byte = u8::from(value > threshold);
            any |= *byte;
            bad |= value.to_bits() & 0x7f80_0000 == 0x7f80_0000;
        }
        finite &= !bad;
        *out = 0;
        if any != 0 {
            for (i, eight) in above.chunks_exact(8).enumerate() {
                *out |= gather(word(eight)) << (8 * i);
            }
        }
    }
    finite
}

/// Appends the runs of one bit row of `width` bits.
pub fn push_runs(words: &[u64], width: usize, runs: &mut Vec<Run>) -> Result<()> {
    let mut open = None;
    for (i, &word) in words.iter().enumerate() {
        // The 32 that a word can end, and one that the row's end does.
        memory::room(runs, 33)?;
        // A bit of `edges` is set where a pixel differs from the one before it.
        let mut edges = word ^ (word << 1 | u64::from(open.is_some()));
        while edges != 0 {
            let at = (64 * i) as u32 + edges.trailing_zeros();
            edges &= edges - 1;
            open = match open {
                None => Some(at),
                Some(start) => {
                    runs.push(Run { start, end: at });
                    None
                }
            };
        }
    }
    if let Some(start) = open {
        runs.push(Run { start, end: width as u32 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs_of(row: &[u8]) -> Vec<Run> {
        let mut words = vec![!0; words_for(row.len())];
        non_zero_bits(row, &mut words);
        let mut runs = Vec::new();
        push_runs(&words, row.len(), &mut runs).expect("a few bytes");
        runs
    }

    #[test]
    fn runs_cross_word_boundaries() {
        let mut row = vec![0u8; 200];
        row[60..130].fill(255);
        row[199] = 1;
        assert_eq!(runs_of(&row), [Run { start: 60, end: 130 }, Run { start: 199, end: 200 }]);
        assert_eq!(runs_of(&[7; 128]), [Run { start: 0, end: 128 }]);
        assert_eq!(runs_of(&[]), []);
    }

    #[test]
    fn infinity_and_nan_are_noticed_and_denormals_are_not() {
        let mut words = [0; 2];
        assert!(above_bits(&[1e-45, -1e-45, f32::MAX, f32::MIN], 0.0, &mut words[..1]));
        assert_eq!(words[0], 0b101);
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut row = [0.0; 70];
            row[66] = bad;
            assert!(!above_bits(&row, 0.5, &mut words));
        }
    }

    proptest! {
        #[test]
        fn bits_and_runs_say_what_the_row_says(
            row in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..300),
        ) {
            let mut again = vec![false; row.len()];
            for run in runs_of(&row) {
                prop_assert!(!run.is_empty());
                again[run.start as usize..run.end as usize].fill(true);
            }
            prop_assert_eq!(again, row.iter().map(|&b| b != 0).collect::<Vec<_>>());

            let values: Vec<f32> = row.iter().map(|&b| f32::from(b)).collect();
            let mut words = vec![0; words_for(row.len())];
            above_bits(&values, 99.5, &mut words);
            for (i, &b) in row.iter().enumerate() {
                prop_assert_eq!(words[i / 64] >> (i % 64) & 1 == 1, b > 99);
            }
        }
    }
}
