//! AUPIMO: how much of each defective image is found at false-positive rates near none.
//!
//! The rate is the mean over the good images of the share of each that is flagged; the area under
//! an image's true-positive rate over the logarithm of that rate, from one rate to another, is
//! divided by what it is at most. A defect pixel that is flagged from rate `f` on adds
//! `ln(high / max(low, f))`, so of the good images only the scores above the higher rate matter,
//! and of the defects only where they stand among those. Ties are one step: the curve is straight
//! from its one end to the other.
//!
//! Source: J. P. C. Bertoldo et al., "AUPIMO: Redefining Visual Anomaly Detection Benchmarks with
//! High Speed and Low Tolerance", BMVC 2024.

use std::cmp::Reverse;

use super::planes::Plane;
use crate::score::{Key, Score};
use crate::task::Progress;
use crate::{Error, Result, memory, parallel};

/// Fixed-point one: the weight of all pixels of a good image.
const ONE: u64 = 1 << 62;
/// Scores that are kept before the lowest of them are dropped.
const ROOM: usize = 1 << 12;
/// Pixels that are compared with the floor together.
const PART: usize = 64;

/// Refuses rates that enclose nothing.
pub fn check_rates([low, high]: [f64; 2]) -> Result<()> {
    if 0.0 < low && low < high && high <= 1.0 {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "the false-positive rates of AUPIMO must be above 0, rising and at most 1, got {low} and {high}"
    )))
}

/// AUPIMO of each image, between two rates; NaN for a good image, and where there is no good one.
pub fn aupimo<T: Score>(
    planes: &[Plane<'_, T>],
    [low, high]: [f64; 2],
    progress: &Progress,
) -> Result<Vec<f64>> {
    let mut found = memory::filled(planes.len(), f64::NAN)?;
    let good = good_images(planes, progress)?;
    let n_good = good.iter().filter(|&&one| one).count();
    if n_good == 0 || n_good == planes.len() {
        return Ok(found);
    }
    let ranks = Ranks::of(planes, &good, n_good, [low, high], progress)?;
    let states = parallel::for_each(
        planes.len(),
        progress,
        || Ok(Vec::new()),
        |all: &mut Vec<(usize, f64)>, i| {
            if !good[i] {
                memory::room(all, 1)?;
                all.push((i, ranks.mean(&planes[i])));
            }
            Ok(())
        },
    )?;
    states.into_iter().flatten().for_each(|(i, area)| found[i] = area);
    Ok(found)
}

/// Which images have no defect.
fn good_images<T: Score>(planes: &[Plane<'_, T>], progress: &Progress) -> Result<Vec<bool>> {
    let mut good = memory::reserved(planes.len())?;
    for plane in planes {
        progress.check()?;
        good.push(
            plane.mask.chunks(4096).all(|part| part.iter().fold(0, |any, byte| any | byte) == 0),
        );
    }
    Ok(good)
}

/// Good pixels of one score, and how much they weigh in their images.
#[derive(Debug, Clone, Copy)]
struct Weighed<K> {
    key: K,
    weight: u128,
}

/// The highest scores of some good images: at least those that together weigh `enough`.
struct Highest<K> {
    all: Vec<Weighed<K>>,
    /// Nothing below it is needed.
    floor: K,
    enough: u128,
    room: usize,
}

impl<K: Key> Highest<K> {
    fn new(enough: u128) -> Self {
        Self { all: Vec::new(), floor: K::MIN, enough, room: ROOM }
    }

    fn add<T: Score<Key = K>>(&mut self, plane: &Plane<'_, T>) -> Result<()> {
        let weight = u128::from(ONE / plane.map.len() as u64);
        for part in plane.map.chunks(PART) {
            let floor = if self.floor == K::MIN { T::LOWEST } else { T::from_key(self.floor) };
            if !part.iter().fold(false, |any, &score| any | (score >= floor)) {
                continue;
            }
            memory::room(&mut self.all, PART)?;
            let keys = part.iter().map(|score| score.key()).filter(|key| *key >= self.floor);
            self.all.extend(keys.map(|key| Weighed { key, weight }));
            if self.all.len() >= self.room {
                self.drop_lowest();
                self.room = (2 * self.all.len()).max(ROOM);
            }
        }
        Ok(())
    }

    /// Sorts, merges what is tied, and keeps what is needed to weigh enough.
    fn drop_lowest(&mut self) {
        self.all.sort_unstable_by_key(|one| Reverse(one.key));
        self.all.dedup_by(|later, kept| {
            let same = later.key == kept.key;
            if same {
                kept.weight += later.weight;
            }
            same
        });
        let mut total = 0;
        let enough = self.all.iter().position(|one| {
            total += one.weight;
            total >= self.enough
        });
        if let Some(last) = enough {
            self.all.truncate(last + 1);
            self.floor = self.all[last].key;
        }
    }
}

/// What a defect pixel adds, by its place among the scores of the good images.
struct Ranks<K> {
    /// The distinct scores above the higher rate, descending.
    keys: Vec<K>,
    /// What a pixel between key `i - 1` and key `i` adds; one more than keys.
    between: Vec<f64>,
    /// What a pixel that is tied with key `i` adds.
    tied: Vec<f64>,
}

impl<K: Key> Ranks<K> {
    fn of<T: Score<Key = K>>(
        planes: &[Plane<'_, T>],
        good: &[bool],
        n_good: usize,
        rates: [f64; 2],
        progress: &Progress,
    ) -> Result<Self> {
        let all = ONE as f64 * n_good as f64;
        let enough = (rates[1] * all) as u128 + 1;
        let parts = parallel::for_each(
            planes.len(),
            progress,
            || Ok(Highest::new(enough)),
            |highest, i| if good[i] { highest.add(&planes[i]) } else { Ok(()) },
        )?;
        let mut highest = Highest::new(enough);
        for mut part in parts {
            memory::room(&mut highest.all, part.all.len())?;
            highest.all.append(&mut part.all);
        }
        highest.drop_lowest();
        let n = highest.all.len();
        let (mut keys, mut tied) = (memory::reserved(n)?, memory::reserved(n)?);
        let mut between = memory::reserved(n + 1)?;
        let (mut above, mut rate) = (0, 0.0);
        for one in &highest.all {
            between.push(gain(rate, rates));
            above += one.weight;
            let next = above as f64 / all;
            tied.push((area(next, rates) - area(rate, rates)) / (next - rate));
            keys.push(one.key);
            rate = next;
        }
        between.push(gain(rate, rates));
        let most = gain(0.0, rates);
        between.iter_mut().chain(&mut tied).for_each(|one| *one = (*one / most).clamp(0.0, 1.0));
        Ok(Self { keys, between, tied })
    }

    /// The mean over the defect pixels of an image.
    fn mean<T: Score<Key = K>>(&self, plane: &Plane<'_, T>) -> f64 {
        let (first, last) = (self.keys[0], self.keys[self.keys.len() - 1]);
        let (mut count, mut whole, mut sum) = (0u64, 0u64, 0.0);
        let last_gain = self.between[self.keys.len()];
        for (mask, map) in plane.mask.chunks(PART).zip(plane.map.chunks(PART)) {
            if mask.iter().fold(0, |any, byte| any | byte) == 0 {
                continue;
            }
            for (_, score) in mask.iter().zip(map).filter(|(byte, _)| **byte != 0) {
                let key = score.key();
                count += 1;
                if key > first {
                    whole += 1;
                } else if key < last {
                    sum += last_gain;
                } else {
                    let above = self.keys.partition_point(|other| *other > key);
                    let tied = self.keys[above] == key;
                    sum += if tied { self.tied[above] } else { self.between[above] };
                }
            }
        }
        (whole as f64 + sum) / count as f64
    }
}

/// What a pixel adds that is flagged from this rate on.
fn gain(rate: f64, [low, high]: [f64; 2]) -> f64 {
    (high / rate.max(low)).ln().max(0.0)
}

/// The integral of [`gain`] from 0 to a rate.
fn area(rate: f64, [low, high]: [f64; 2]) -> f64 {
    if rate <= low {
        rate * (high / low).ln()
    } else if rate < high {
        rate * (high / rate).ln() + rate - low
    } else {
        high - low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(images: &[(Vec<u8>, Vec<f32>)], rates: [f64; 2]) -> Vec<f64> {
        let planes: Vec<_> = images
            .iter()
            .map(|(mask, map)| Plane::new(mask, map, 1, map.len()).expect("fits"))
            .collect();
        aupimo(&planes, rates, &Progress::default()).expect("runs")
    }

    #[test]
    fn by_hand() {
        // Good: 0.8 of four pixels, 0.6 of two: the mean rate is 1/8 from 0.8 on, 3/8 from 0.6 on.
        let images = [
            (vec![0; 4], vec![0.8, 0.1, 0.1, 0.1]),
            (vec![0; 2], vec![0.6, 0.1]),
            (vec![1, 1, 1, 0], vec![0.9, 0.7, 0.0, 1.0]),
        ];
        let found = of(&images, [1.0 / 16.0, 1.0 / 4.0]);
        assert!(found[0].is_nan() && found[1].is_nan());
        // 0.9 is found at any rate, 0.7 from 1/8 on, half of the way from 1/16 to 1/4 by its
        // logarithm, 0.0 nowhere.
        assert!((found[2] - 1.5 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_constant_map_finds_as_much_as_chance() {
        let images = [(vec![0; 9], vec![0.5; 9]), (vec![1, 1, 0], vec![0.5; 3])];
        let found = of(&images, [1e-5, 1e-4]);
        assert!((found[1] - 9e-5 / 10f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn one_class_alone_has_none() {
        assert!(of(&[(vec![0; 3], vec![0.5; 3])], [1e-5, 1e-4])[0].is_nan());
        assert!(of(&[(vec![1; 3], vec![0.5; 3])], [1e-5, 1e-4])[0].is_nan());
    }

    proptest! {
        /// Rates in two steps, from every pixel: what the few highest scores give.
        #[test]
        fn every_score_gives_the_same(
            good in prop::collection::vec(prop::collection::vec(0u8..40, 1..60), 1..5),
            bad in prop::collection::vec(0u8..40, 1..30),
            low in 0.01f64..0.3, more in 1.1f64..3.0,
        ) {
            let rates = [low, low * more];
            let map = |steps: &[u8]| steps.iter().map(|step| f32::from(*step)).collect::<Vec<_>>();
            let mut images: Vec<_> = good.iter().map(|one| (vec![0; one.len()], map(one))).collect();
            images.push((vec![1; bad.len()], map(&bad)));
            let rate = |level: u8, tied: bool| {
                let above = |one: &Vec<u8>| {
                    let flagged = one.iter().filter(|&&s| s > level || tied && s == level);
                    flagged.count() as f64 / one.len() as f64
                };
                good.iter().map(above).sum::<f64>() / good.len() as f64
            };
            // The integral of the gain over a tie, by many small steps.
            let of_pixel = |&level: &u8| {
                let (from, to) = (rate(level, false), rate(level, true));
                let steps = 2_000;
                let at = |i: usize| from + (to - from) * (i as f64 + 0.5) / steps as f64;
                (0..steps).map(|i| gain(at(i), rates)).sum::<f64>() / steps as f64
            };
            let most = (rates[1] / rates[0]).ln();
            let expected = bad.iter().map(of_pixel).sum::<f64>() / most / bad.len() as f64;
            let found = of(&images, rates)[good.len()];
            prop_assert!((found - expected).abs() < 1e-5, "{} {}", found, expected);
        }
    }
}
