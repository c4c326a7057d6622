//! How to cut the range of scores, so that the defect pixels between two cuts fit in memory.

use super::planes::Piece;
use crate::score::{Key, Score};
use crate::task::Progress;
use crate::{Result, memory, parallel};

/// The lowest keys of the slices, from the highest slice down; the last is `K::MIN`.
///
/// Each slice has at most about `capacity` defect pixels, unless very many have nearly one score.
/// One slice, without looking at any score, if all masks together have no more than that.
pub fn floors<T: Score>(
    pieces: &[Piece<'_, T>],
    capacity: usize,
    progress: &Progress,
) -> Result<Vec<T::Key>> {
    let count = |total: &mut usize, i: usize| {
        *total += defects(pieces[i].mask);
        Ok(())
    };
    let total: usize = parallel::for_each(pieces.len(), progress, || Ok(0), count)?.iter().sum();
    if total <= capacity {
        return Ok(vec![T::Key::MIN]);
    }
    let histograms = parallel::for_each(
        pieces.len(),
        progress,
        || memory::zeros::<u32>(T::Key::COARSE),
        |histogram, i| {
            for (&defect, &score) in pieces[i].mask.iter().zip(pieces[i].map) {
                if defect != 0 {
                    let bin = &mut histogram[score.key().coarse()];
                    *bin = bin.saturating_add(1);
                }
            }
            Ok(())
        },
    )?;
    let mut floors = Vec::new();
    let mut inside = 0;
    for bin in (0..T::Key::COARSE).rev() {
        let here: usize = histograms.iter().map(|histogram| histogram[bin] as usize).sum();
        if inside > 0 && here > 0 && inside + here > capacity {
            memory::room(&mut floors, 2)?;
            floors.push(T::Key::from_coarse(bin + 1));
            inside = 0;
        }
        inside += here;
    }
    floors.push(T::Key::MIN);
    Ok(floors)
}

/// How many bytes are not zero.
fn defects(mask: &[u8]) -> usize {
    // Up to 255 at a time fit a byte, and bytes add up in vector registers.
    let some = |part: &[u8]| part.iter().map(|&byte| u8::from(byte != 0)).sum::<u8>();
    mask.chunks(255).map(|part| usize::from(some(part))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Silent, task};

    fn cut(mask: &[u8], map: &[f32], capacity: usize) -> Vec<u32> {
        let pieces = [Piece { mask, map }];
        task::run(Some(2), &Silent, 1, |progress| floors(&pieces, capacity, progress))
            .expect("nothing stops it")
    }

    #[test]
    fn every_slice_fits() {
        let map: Vec<f32> = (0..10_000).map(|i| 1.0 + (i * 7 % 10_000) as f32 / 10_000.0).collect();
        let mask = vec![3; map.len()];
        let floors = cut(&mask, &map, 1_000);
        assert!((11..14).contains(&floors.len()));
        let mut ceiling = u32::MAX;
        for floor in floors {
            let inside = map.iter().filter(|s| floor <= s.key() && s.key() < ceiling).count();
            assert!(0 < inside && inside <= 1_000);
            ceiling = floor;
        }
        assert_eq!(ceiling, 0);
    }

    #[test]
    fn few_defects_and_equal_scores_are_one_slice() {
        let mut mask = vec![0; 1_000];
        mask[3..503].fill(1);
        assert_eq!(defects(&mask), 500);
        let rising: Vec<f32> = (0..1_000).map(|i| i as f32).collect();
        assert_eq!(cut(&mask, &rising, 500), [0]);
        assert!(cut(&mask, &rising, 499).len() > 1);
        assert_eq!(cut(&mask, &[7.0; 1_000], 10), [0]);
    }
}
