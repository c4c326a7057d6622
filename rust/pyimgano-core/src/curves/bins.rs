//! Normal pixels, counted between the distinct scores of the defects.

use super::planes::Piece;
use super::score::{Key, Score};

/// The distinct defect scores in ascending order, with a table that leads near any score's place.
///
/// The table has two levels, so that outliers cannot spoil it: a key's leading bits choose a
/// segment, and each segment is divided as finely as the number of keys in it deserves.
pub struct Bins<K> {
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
    pub fn new(keys: Vec<K>) -> Self {
        let mut segments = Vec::with_capacity(K::HEADS);
        let mut slots: Vec<u32> = Vec::with_capacity(keys.len() * 2 + K::HEADS);
        let mut at = 0;
        for head in 0..K::HEADS {
            let len = keys[at..].partition_point(|key| key.head() <= head);
            let bits = usize::BITS - len.leading_zeros(); // 0 keys: 1 slot, 1: 2, 2 and 3: 4, ...
            let shift = K::TAIL_BITS - bits.min(K::TAIL_BITS);
            segments.push(Segment { first: slots.len() as u32, shift });
            let mut below = at;
            for slot in 0..1usize << (K::TAIL_BITS - shift) {
                while below < at + len && keys[below].tail(shift) < slot {
                    below += 1;
                }
                slots.push(below as u32);
            }
            at += len;
        }
        Self { keys, segments, slots }
    }

    /// The distinct keys.
    pub fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Number of bins: below, at and between the keys.
    pub fn len(&self) -> usize {
        2 * self.keys.len() + 1
    }

    /// The bin of a key that is not below the first one: `2 i + 1` at key `i`, `2 i + 2` above it.
    fn place(&self, key: K) -> usize {
        let segment = self.segments[key.head()];
        let slot = segment.first as usize + key.tail(segment.shift);
        let mut up_to = self.slots[slot] as usize;
        while up_to < self.keys.len() && self.keys[up_to] <= key {
            up_to += 1;
        }
        2 * up_to - usize::from(self.keys[up_to - 1] == key)
    }

    /// Adds the normal pixels of `piece` that are not below the first key, and are below the
    /// ceiling, to `counts`. Says whether all scores in the piece are finite.
    pub fn count<T: Score<Key = K>>(
        &self,
        piece: Piece<'_, T>,
        ceiling: Option<K>,
        counts: &mut [u32],
    ) -> bool {
        let mut finite = true;
        let Some(&first) = self.keys.first() else {
            return piece.map.iter().all(|score| score.finite());
        };
        for (&defect, &score) in piece.mask.iter().zip(piece.map) {
            finite &= score.finite();
            let key = score.key();
            if defect == 0 && key >= first && ceiling.is_none_or(|c| key < c) {
                counts[self.place(key)] += 1;
            }
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
        let bins = Bins::new(keys.clone());
        for &query in keys.iter().chain(queries).filter(|&&query| query >= keys[0]) {
            let at_most = keys.iter().filter(|&&key| key <= query).count();
            let place = 2 * at_most - usize::from(keys.contains(&query));
            prop_assert_eq!(bins.place(query), place);
        }
        Ok(())
    }

    fn near() -> impl Strategy<Value = u64> {
        // Clusters, outliers and both ends.
        let cluster = (0u64..3, 0u64..2_000).prop_map(|(c, low)| (c * 0x1234_5678) << 30 | low);
        prop_oneof![4 => cluster, 1 => any::<u64>(), 1 => Just(0), 1 => Just(u64::MAX)]
    }

    proptest! {
        #[test]
        fn every_key_finds_its_place(
            keys in prop::collection::vec(near(), 1..300),
            queries in prop::collection::vec(near(), 0..300),
        ) {
            let narrow = |keys: &[u64]| keys.iter().map(|&key| key as u32).collect::<Vec<_>>();
            check(narrow(&keys), &narrow(&queries))?;
            check(keys, &queries)?;
        }
    }
}
