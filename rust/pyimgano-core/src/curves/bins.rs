//! Normal pixels, counted between the distinct scores of the defects.

use super::planes::Piece;
use super::segment::{Segment, search};
#[cfg(target_arch = "x86_64")]
use super::wide;
use crate::score::{Key, Score};
#[cfg(target_arch = "x86_64")]
use crate::simd::Level;
use crate::simd::Simd;
use crate::task::Progress;
use crate::{Result, memory};

/// Pixels that are looked up together: while one waits for memory, the others get on.
const GROUP: usize = 64;

/// The distinct defect scores in ascending order, with a table that leads near any score's place.
///
/// The table has two levels, so that outliers cannot spoil it: a key's leading bits choose a
/// segment, and each segment is divided as finely as the number of keys in it deserves.
pub struct Bins<K> {
    /// Between a sentinel below and two above, so that no search runs off the ends.
    keys: Vec<K>,
    segments: Vec<Segment>,
    /// For each slot of each segment, twice the number of keys below it, plus 1 if it holds any.
    slots: Vec<u32>,
}

impl<K: Key> Bins<K> {
    /// From ascending distinct keys, at most `u32::MAX / 2` of them.
    pub fn new(distinct: impl Iterator<Item = K>, progress: &Progress) -> Result<Self> {
        let mut keys = vec![K::MIN];
        for key in distinct {
            progress.check()?;
            memory::room(&mut keys, 1)?;
            keys.push(key);
        }
        let n_keys = keys.len() - 1;
        let mut segments = memory::reserved(K::HEADS)?;
        let mut slots: Vec<u32> = memory::reserved(n_keys + K::HEADS)?;
        let mut rest = &keys[1..];
        for head in 0..K::HEADS {
            progress.check()?;
            let (here, later) = rest.split_at(rest.partition_point(|key| key.head() <= head));
            // 1 slot for no key, else 1 to 2 for each.
            let bits = usize::BITS - here.len().leading_zeros();
            let shift = K::TAIL_BITS - bits.min(K::TAIL_BITS);
            segments.push(Segment { first: slots.len() as u32, shift });
            memory::room(&mut slots, 1 << (K::TAIL_BITS - shift))?;
            let mut below = 0;
            for slot in 0..1usize << (K::TAIL_BITS - shift) {
                while here.get(below).is_some_and(|key| key.tail(shift) < slot) {
                    below += 1;
                }
                let holds = here.get(below).is_some_and(|key| key.tail(shift) == slot);
                slots.push((2 * (n_keys - rest.len() + below) + usize::from(holds)) as u32);
            }
            rest = later;
        }
        memory::room(&mut keys, 2)?;
        keys.extend([K::MAX; 2]);
        Ok(Self { keys, segments, slots })
    }

    /// The distinct keys.
    pub fn keys(&self) -> &[K] {
        &self.keys[1..self.keys.len() - 2]
    }

    /// Number of bins.
    pub fn len(&self) -> usize {
        2 * self.keys().len() + 1
    }

    /// The bin of what lies between key `i - 1` and key `i`, or beyond the first or last key.
    pub fn between(&self, i: usize) -> usize {
        i
    }

    /// The bin of what equals key `i`. Ties are rare, so the other bins lie together.
    pub fn tied(&self, i: usize) -> usize {
        self.keys().len() + 1 + i
    }

    /// Adds one to the bin of each of up to [`GROUP`] keys, none of them below the first distinct
    /// one.
    #[inline(always)]
    fn add(&self, keys: &[K], counts: &mut [u32]) {
        let mut places = [0u32; GROUP];
        for (place, &key) in places.iter_mut().zip(keys) {
            let segment = self.segments[key.head()];
            *place = self.slots[segment.first as usize + key.tail(segment.shift)];
        }
        for (place, &key) in places.iter_mut().zip(keys) {
            let below = (*place / 2) as usize;
            let mut up_to = below + usize::from(self.keys[below + 1] <= key);
            if self.keys[up_to + 1] <= key {
                up_to += search(&self.keys[up_to + 1..self.keys.len() - 1], key);
            }
            let tied = usize::from(self.keys[up_to] == key);
            *place = (up_to + tied * self.keys().len()) as u32;
        }
        for &place in &places[..keys.len().min(GROUP)] {
            // A score that another thread writes to may be anything by now: it counts nowhere.
            if let Some(count) = counts.get_mut(place as usize) {
                *count += 1;
            }
        }
    }

    /// Adds the normal pixels of `piece` that are not below the first key, and are below the
    /// ceiling, to `counts`. Says whether all scores in the piece are finite.
    pub fn count<T: Score<Key = K>>(
        &self,
        piece: Piece<'_, T>,
        ceiling: K,
        counts: &mut [u32],
        simd: Simd,
    ) -> bool {
        let Some(&first) = self.keys().first() else {
            return piece.map.iter().all(|score| score.finite());
        };
        let from = T::from_key(first);
        let to = if ceiling == K::MAX { T::HIGHEST } else { T::from_key(ceiling) };
        #[cfg(target_arch = "x86_64")]
        if let (Level::Avx512, true) = (simd.level(), self.slots.len() <= i32::MAX as usize)
            && let (Some(keys), Some(map)) = (K::as_u32s(&self.keys), T::as_f32s(piece.map))
        {
            let table = wide::Table { keys, segments: &self.segments, slots: &self.slots };
            let (from, to) = (from.as_f64() as f32, to.as_f64() as f32); // f32 they were
            // SAFETY: a Simd of this level exists only where the CPU has it; there are fewer keys
            // than slots; the table and `from` are those of these bins.
            return unsafe { wide::count(&table, piece.mask, map, from, to, counts) };
        }
        simd.vectorize(|| self.count_groups(piece, (from, to), counts))
    }

    /// [`Bins::count`] of scores from the first up to the second of `between`.
    #[inline(always)]
    fn count_groups<T: Score<Key = K>>(
        &self,
        piece: Piece<'_, T>,
        (from, to): (T, T),
        counts: &mut [u32],
    ) -> bool {
        let mut finite = true;
        let mut keys = [K::MIN; GROUP];
        for (mask, map) in piece.mask.chunks(GROUP).zip(piece.map.chunks(GROUP)) {
            let counted = |defect: u8, score: T| (defect == 0) & (score >= from) & (score < to);
            let (mut all, mut any) = (true, false);
            for (&defect, &score) in mask.iter().zip(map) {
                let one = counted(defect, score);
                all &= one;
                any |= one;
                finite &= score.finite();
            }
            let mut n = 0;
            if all {
                for (key, score) in keys.iter_mut().zip(map) {
                    *key = score.key();
                }
                n = map.len();
            } else if any {
                for (&defect, &score) in mask.iter().zip(map) {
                    keys[n] = score.key();
                    n += usize::from(counted(defect, score));
                }
            }
            self.add(&keys[..n], counts);
        }
        finite
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check<K: Key>(mut keys: Vec<K>, queries: &[K]) -> std::result::Result<(), TestCaseError> {
        keys.sort_unstable();
        keys.dedup();
        let bins = Bins::new(keys.iter().copied(), &Progress::default()).expect("runs");
        prop_assert_eq!(bins.keys(), &keys[..]);
        for &query in keys.iter().chain(queries).filter(|&&query| query >= keys[0]) {
            let at_most = keys.iter().filter(|&&key| key <= query).count();
            let tied = keys.contains(&query);
            let place = if tied { bins.tied(at_most - 1) } else { bins.between(at_most) };
            let mut counts = vec![0; bins.len()];
            bins.add(&[query, query], &mut counts);
            prop_assert_eq!(counts[place], 2);
        }
        Ok(())
    }

    fn near() -> impl Strategy<Value = u64> {
        // Clusters, outliers and both ends.
        let cluster = (0u64..3, 0u64..2_000).prop_map(|(c, low)| (c * 0x1234_5678) << 30 | low);
        prop_oneof![4 => cluster, 1 => any::<u64>(), 1 => Just(0), 1 => Just(u64::MAX)]
            .prop_map(|key| key.clamp(1 << 32, !(1 << 32)))
    }

    /// As when another thread writes to the scores while they are counted.
    #[test]
    fn keys_of_no_finite_score_count_nowhere_or_somewhere() {
        let bins = Bins::new([5u32, 9].into_iter(), &Progress::default()).expect("runs");
        let mut counts = vec![0; bins.len()];
        bins.add(&[u32::MAX, u32::MIN, 1, 9], &mut counts);
        assert_eq!(counts[bins.tied(1)], 1);
        assert!(counts.iter().sum::<u32>() <= 4);
    }

    /// The counts of every level are those of a plain loop.
    fn check_counts<T: Score>(pixels: &[(u8, T)]) -> std::result::Result<(), TestCaseError> {
        let mask: Vec<u8> = pixels.iter().map(|pixel| pixel.0).collect();
        let map: Vec<T> = pixels.iter().map(|pixel| pixel.1).collect();
        let defects = pixels.iter().filter(|pixel| pixel.0 != 0 && pixel.1.finite());
        let mut keys: Vec<T::Key> = defects.map(|pixel| pixel.1.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        let ceilings = [T::Key::MAX].into_iter().chain(keys.last().copied());
        for (ceiling, drop) in ceilings.zip([0, 1]) {
            let keys = &keys[..keys.len() - drop.min(keys.len())];
            let bins = Bins::new(keys.iter().copied(), &Progress::default()).expect("runs");
            let mut expected = vec![0; bins.len()];
            for &(defect, score) in pixels {
                let key = score.key();
                if defect == 0 && score.finite() && keys.first() <= Some(&key) && key < ceiling {
                    match keys.binary_search(&key) {
                        Ok(i) => expected[bins.tied(i)] += 1,
                        Err(i) if i > 0 => expected[bins.between(i)] += 1,
                        Err(_) => {}
                    }
                }
            }
            for simd in Simd::all() {
                let mut counts = vec![0; bins.len()];
                let piece = Piece { mask: &mask, map: &map };
                let finite = bins.count(piece, ceiling, &mut counts, simd);
                prop_assert_eq!(finite, map.iter().all(|score| score.finite()));
                prop_assert!(!finite || counts == expected, "{:?}", simd);
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn all_levels_count_alike(
            pixels in prop::collection::vec((0u8..3, 0u32..3_000, any::<f64>(), 0u8..40), 1..3_000),
            share in 0u8..4,
        ) {
            // Steps, close neighbours, any bits, and rarely what is not finite.
            let score = |step: u32, bits: f64, kind: u8| match kind {
                0 if bits.is_finite() || share == 0 => bits,
                1..10 => f64::from(step / 100) - 10.0,
                10 => -0.0,
                11 => 0.0,
                _ => 1.0 + f64::from(step) * f64::from(f32::EPSILON),
            };
            let doubles: Vec<(u8, f64)> = pixels
                .iter()
                .map(|&(mask, step, bits, kind)| (mask / share.max(1), score(step, bits, kind)))
                .collect();
            check_counts(&doubles)?;
            let narrow = |x: f64| if x.is_finite() { x.clamp(-3e38, 3e38) } else { x };
            let singles: Vec<_> = doubles.iter().map(|&(m, x)| (m, narrow(x) as f32)).collect();
            check_counts(&singles)?;
        }

        #[test]
            fn every_key_finds_its_place(
                keys in prop::collection::vec(near(), 1..300),
                queries in prop::collection::vec(near(), 0..300),
            ) {
    let narrow = |keys: &[u64]| -> Vec<u32> {
                    keys.iter().map(|&key| ((key >> 13) as u32).clamp(1, u32::MAX - 1)).collect()
                };
                check(narrow(&keys), &narrow(&queries))?;
                check(keys, &queries)?;
            }
        }
}
