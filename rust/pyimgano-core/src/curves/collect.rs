//! The defect pixels' scores, with bounded memory.

use rayon::slice::ParallelSliceMut;

use super::planes::Plane;
use crate::components::{Component, Components, Connectivity};
use crate::score::{Key, Score};
use crate::task::Progress;
use crate::{Result, memory, parallel};

/// Defect pixels of one score in regions of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry<K> {
    /// The score.
    pub key: K,
    /// Area of the region.
    pub area: u32,
    /// How many such pixels.
    pub count: u32,
}

/// Entries sorted in one go: a fraction of a second.
const AT_ONCE: usize = 1 << 22;

/// Sorts by score. A stop request is heeded between parts.
pub fn sort<K: Key>(entries: &mut [Entry<K>], progress: &Progress) -> Result<()> {
    sort_parts(entries, AT_ONCE, progress)
}

/// [`sort`], in parts of up to `at_once` entries.
fn sort_parts<K: Key>(entries: &mut [Entry<K>], at_once: usize, progress: &Progress) -> Result<()> {
    progress.check()?;
    if entries.len() <= at_once {
        entries.par_sort_unstable_by_key(|entry| entry.key);
        return Ok(());
    }
    let mut sample: Vec<K> =
        entries.iter().step_by(entries.len().div_ceil(1024)).map(|entry| entry.key).collect();
    sample.sort_unstable();
    let pivot = sample[sample.len() / 2];
    let below = partition(entries, |entry| entry.key < pivot, progress)?;
    let (low, rest) = entries.split_at_mut(below);
    let tied = partition(rest, |entry| entry.key == pivot, progress)?;
    let high = &mut rest[tied..];
    let (low, high) =
        rayon::join(|| sort_parts(low, at_once, progress), || sort_parts(high, at_once, progress));
    low.and(high)
}

/// Brings what is `first` to the front and says how many entries that are.
fn partition<K: Key>(
    entries: &mut [Entry<K>],
    first: impl Fn(&Entry<K>) -> bool,
    progress: &Progress,
) -> Result<usize> {
    let mut count = 0;
    for i in 0..entries.len() {
        progress.check()?;
        // Swapping always and counting where it counts: no branch to mispredict.
        let is_first = first(&entries[i]);
        entries.swap(count, i);
        count += usize::from(is_first);
    }
    Ok(count)
}

/// Totals over all images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    pub regions: u64,
    pub defect: u64,
}

/// The scores to collect: at least `floor`, below `ceiling`.
#[derive(Debug, Clone, Copy)]
pub struct Range<K> {
    pub floor: K,
    pub ceiling: K,
}

/// What [`collect`] brings.
#[derive(Debug)]
pub struct Collected<K> {
    /// All entries of `range`, unsorted.
    pub entries: Vec<Entry<K>>,
    /// What was asked for, with a higher floor if there was not room for everything.
    pub range: Range<K>,
    /// Over all scores, whatever the range.
    pub totals: Totals,
}

/// What one thread has found: the highest of the scores in a range.
struct Collector<K> {
    entries: Vec<Entry<K>>,
    capacity: usize,
    range: Range<K>,
    totals: Totals,
    found: Components,
    areas: Vec<u32>,
}

impl<K: Key> Collector<K> {
    fn new(capacity: usize, range: Range<K>) -> Self {
        Self {
            entries: Vec::new(),
            capacity,
            range,
            totals: Totals::default(),
            found: Components::default(),
            areas: Vec::new(),
        }
    }

    fn add<T: Score<Key = K>>(&mut self, plane: &Plane<'_, T>, progress: &Progress) -> Result<()> {
        let mut found = std::mem::take(&mut self.found);
        found.of_mask(plane.mask, plane.width, Connectivity::Eight, progress)?;
        found.areas(&mut self.areas)?;
        self.totals.regions += self.areas.len() as u64;
        for Component { number, row, run } in found.iter() {
            progress.check()?;
            let area = self.areas[number as usize];
            self.totals.defect += run.len() as u64;
            if self.entries.len() + run.len() > self.capacity {
                self.make_room(run.len());
            }
            memory::room(&mut self.entries, run.len())?;
            let scores = &plane.map[row * plane.width..][run.start as usize..run.end as usize];
            for key in scores.iter().map(|score| score.key()) {
                if self.range.floor <= key && key < self.range.ceiling {
                    self.entries.push(Entry { key, area, count: 1 });
                }
            }
        }
        self.found = found;
        Ok(())
    }

    /// Merges equal entries and, if that does not help, drops the lower half of the scores.
    fn make_room(&mut self, wanted: usize) {
        self.entries.sort_unstable_by(|a, b| b.cmp(a));
        self.entries.dedup_by(|later, kept| {
            let same = (later.key, later.area) == (kept.key, kept.area);
            // More than u32::MAX pixels of one score and one area stay apart.
            match kept.count.checked_add(later.count).filter(|_| same) {
                Some(sum) => {
                    kept.count = sum;
                    true
                }
                None => false,
            }
        });
        if self.entries.len() > self.capacity / 2 {
            let floor = self.entries[self.capacity / 2].key;
            self.range.floor = floor;
            self.entries.truncate(self.entries.partition_point(|entry| entry.key >= floor));
        }
        // One score in very many sizes of regions, or one endless run.
        self.capacity = self.capacity.max(self.entries.len() * 2).max(self.entries.len() + wanted);
    }
}

/// The entries of the highest scores in `range`: all of them if `capacity` allows.
pub fn collect<T: Score>(
    planes: &[Plane<'_, T>],
    mut range: Range<T::Key>,
    capacity: usize,
    progress: &Progress,
) -> Result<Collected<T::Key>> {
    let share = capacity.div_ceil(rayon::current_num_threads());
    let make = || Ok(Collector::new(share, range));
    let mut collectors =
        parallel::for_each(planes.len(), progress, make, |all, i| all.add(&planes[i], progress))?;
    range.floor = collectors.iter().map(|one| one.range.floor).max().unwrap_or(range.floor);
    let mut totals = Totals::default();
    let mut entries = Vec::new();
    for one in &mut collectors {
        totals.regions += one.totals.regions;
        totals.defect += one.totals.defect;
        if one.range.floor < range.floor {
            one.entries.retain(|entry| entry.key >= range.floor);
        }
        if entries.is_empty() {
            entries = std::mem::take(&mut one.entries);
        } else {
            memory::room(&mut entries, one.entries.len())?;
            entries.append(&mut one.entries);
        }
    }
    Ok(Collected { entries, range, totals })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_a_sorted_whole() {
        for levels in [1u32, 2, 7, 1_000_000] {
            let mut state = 88_172_645_463_325_252u64;
            let mut entries: Vec<Entry<u32>> = (0..5_000)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    Entry { key: (state >> 33) as u32 % levels, area: 3, count: 1 }
                })
                .collect();
            let mut expected = entries.clone();
            expected.sort_unstable();
            sort_parts(&mut entries, 50, &Progress::default()).expect("runs");
            assert_eq!(entries, expected);
        }
    }
}
