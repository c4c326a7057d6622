//! Normal pixels, counted between the distinct scores of the defects.

use super::planes::Piece;
use super::score::{Key, Score};

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
    /// For each slot of each segment, how many keys lie below it.
    slots: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Segment {
    first: u32,
    shift: u32,
}

impl<K: Key> Bins<K> {
    /// From ascending distinct keys, at most `u32::MAX / 2` of them.
    pub fn new(distinct: impl Iterator<Item = K>) -> Self {
        let mut keys = vec![K::MIN];
        keys.extend(distinct);
        let n_keys = keys.len() - 1;
        let mut segments = Vec::with_capacity(K::HEADS);
        let mut slots: Vec<u32> = Vec::with_capacity(n_keys + K::HEADS);
        let mut rest = &keys[1..];
        for head in 0..K::HEADS {
            let (here, later) = rest.split_at(rest.partition_point(|key| key.head() <= head));
            let bits = usize::BITS - here.len().leading_zeros(); // 1 slot for 0 keys, 2 for 1, ...
            let shift = K::TAIL_BITS - bits.min(K::TAIL_BITS);
            segments.push(Segment { first: slots.len() as u32, shift });
            let mut below = 0;
            for slot in 0..1usize << (K::TAIL_BITS - shift) {
                while here.get(below).is_some_and(|key| key.tail(shift) < slot) {
                    below += 1;
                }
                slots.push((n_keys - rest.len() + below) as u32);
            }
            rest = later;
        }
        keys.extend([K::MAX; 2]);
        Self { keys, segments, slots }
    }

    /// The distinct keys.
    pub fn keys(&self) -> &[K] {
        &self.keys[1..self.keys.len() - 2]
    }

    /// Number of bins: below, at and between the keys.
    pub fn len(&self) -> usize {
        2 * self.keys().len() + 1
    }

    /// Adds one to the bin of each of up to [`GROUP`] keys, none of them below the first distinct
    /// one: bin `2 i + 1` for being equal to key `i`, bin `2 i + 2` for lying above it.
    fn add(&self, keys: &[K], counts: &mut [u32]) {
        let mut places = [0u32; GROUP];
        for (place, &key) in places.iter_mut().zip(keys) {
            let segment = self.segments[key.head()];
            *place = self.slots[segment.first as usize + key.tail(segment.shift)];
        }
        for (place, &key) in places.iter_mut().zip(keys) {
            let below = *place as usize;
            let mut up_to = below + usize::from(self.keys[below + 1] <= key);
            if self.keys[up_to + 1] <= key {
                up_to = self.search(up_to, key);
            }
            *place = (2 * up_to - usize::from(self.keys[up_to] == key)) as u32;
        }
        for &place in &places[..keys.len().min(GROUP)] {
            counts[place as usize] += 1;
        }
    }

    /// How many distinct keys do not exceed `key`, given that at least `least` do not.
    #[cold]
    fn search(&self, least: usize, key: K) -> usize {
        let keys = &self.keys()[least..];
        let mut step = 1;
        while step < keys.len() && keys[step] <= key {
            step *= 2;
        }
        least + keys[..step.min(keys.len())].partition_point(|&other| other <= key)
    }

    /// Adds the normal pixels of `piece` that are not below the first key, and are below the
    /// ceiling, to `counts`. Says whether all scores in the piece are finite.
    pub fn count<T: Score<Key = K>>(
        &self,
        piece: Piece<'_, T>,
        ceiling: K,
        counts: &mut [u32],
    ) -> bool {
        let Some(&first) = self.keys().first() else {
            return piece.map.iter().all(|score| score.finite());
        };
        let from = T::from_key(first);
        let to = if ceiling == K::MAX { T::HIGHEST } else { T::from_key(ceiling) };
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
        let bins = Bins::new(keys.iter().copied());
        prop_assert_eq!(bins.keys(), &keys[..]);
        for &query in keys.iter().chain(queries).filter(|&&query| query >= keys[0]) {
            let at_most = keys.iter().filter(|&&key| key <= query).count();
            let place = 2 * at_most - usize::from(keys.contains(&query));
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

    proptest! {
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
