//! Saturated overlap: of each defect as many pixels as have to be found.
//!
//! With `s` the saturation and `n` the pixels of a defect above a threshold, its overlap is
//! `min(n / s, 1)`. That is the sum of `1 / s` over those of its `s` highest pixels that are above:
//! so sPRO is PRO of these pixels alone, which of several tied ones does not matter.

use super::collect::{Entry, Range};
use super::planes::Plane;
use crate::score::Score;
use crate::task::Progress;
use crate::{Error, Result, memory, parallel};

/// One defect of an image; defects may overlap.
#[derive(Debug, Clone, Copy)]
pub struct Defect<'a> {
    /// Number of its image.
    pub image: usize,
    /// Its pixels, row by row from 0, each once.
    pub pixels: &'a [i64],
    /// How many of them have to be found.
    pub saturation: u32,
}

/// Refuses images and pixels that do not exist or are no defect, and impossible saturations.
pub fn check_defects<T>(planes: &[Plane<'_, T>], defects: &[Defect<'_>]) -> Result<()> {
    for (i, defect) in defects.iter().enumerate() {
        let Some(plane) = planes.get(defect.image) else {
            let image = defect.image;
            return Err(Error::Argument(format!(
                "defects[{i}] is of image {image}, of which none is"
            )));
        };
        if defect.saturation == 0 || defect.saturation as usize > defect.pixels.len() {
            return Err(Error::Argument(format!(
                "defects[{i}] has {} pixels and a saturation of {}",
                defect.pixels.len(),
                defect.saturation
            )));
        }
        let marked = |&pixel: &i64| {
            usize::try_from(pixel).is_ok_and(|at| plane.mask.get(at).is_some_and(|&byte| byte != 0))
        };
        if let Some(pixel) = defect.pixels.iter().find(|pixel| !marked(pixel)) {
            return Err(Error::Argument(format!(
                "defects[{i}] holds pixel {pixel}, which masks[{}] does not mark",
                defect.image
            )));
        }
    }
    Ok(())
}

/// The pixels that count, unsorted, of those whose scores are in `range`.
pub fn saturating<T: Score>(
    planes: &[Plane<'_, T>],
    defects: &[Defect<'_>],
    range: Range<T::Key>,
    progress: &Progress,
) -> Result<Vec<Entry<T::Key>>> {
    type Found<K> = (Vec<Entry<K>>, Vec<K>);
    let states = parallel::for_each(
        defects.len(),
        progress,
        || Ok((Vec::new(), Vec::new())),
        |(found, keys): &mut Found<T::Key>, i| {
            let Defect { image, pixels, saturation } = defects[i];
            let map = planes[image].map;
            keys.clear();
            memory::room(keys, pixels.len())?;
            keys.extend(pixels.iter().map(|&pixel| map[pixel as usize].key()));
            let rest = keys.len() - saturation as usize;
            if rest > 0 {
                keys.select_nth_unstable(rest);
            }
            memory::room(found, saturation as usize)?;
            let wanted = |key: &&T::Key| range.floor <= **key && **key < range.ceiling;
            let entry = |&key: &T::Key| Entry { key, area: saturation, count: 1 };
            found.extend(keys[rest..].iter().filter(wanted).map(entry));
            Ok(())
        },
    )?;
    let mut all = Vec::new();
    for (mut found, _) in states {
        memory::room(&mut all, found.len())?;
        all.append(&mut found);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_pixels_count_and_ties_do_not_matter() {
        let (mask, map) = ([1; 6], [0.5_f32, 0.9, 0.5, 0.5, 0.1, 0.7]);
        let planes = [Plane::new(&mask, &map, 2, 3).expect("fits")];
        let defects = [Defect { image: 0, pixels: &[0, 1, 2, 3, 4], saturation: 3 }];
        check_defects(&planes, &defects).expect("they are there");
        let all = Range { floor: u32::MIN, ceiling: u32::MAX };
        let mut found = saturating(&planes, &defects, all, &Progress::default()).expect("runs");
        found.sort_unstable();
        let scores: Vec<f32> = found.iter().map(|entry| f32::from_key(entry.key)).collect();
        assert_eq!(scores, [0.5, 0.5, 0.9]);
        assert!(found.iter().all(|entry| (entry.area, entry.count) == (3, 1)));
        let high = Range { floor: 0.6_f32.key(), ceiling: u32::MAX };
        let found = saturating(&planes, &defects, high, &Progress::default()).expect("runs");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn impossible_defects_are_refused() {
        let (mask, map) = ([1, 0, 1], [0.5_f32; 3]);
        let planes = [Plane::new(&mask, &map, 1, 3).expect("fits")];
        let refused = |image, pixels: &[i64], saturation| {
            check_defects(&planes, &[Defect { image, pixels, saturation }]).is_err()
        };
        assert!(!refused(0, &[0, 2], 2));
        assert!(refused(1, &[0], 1));
        assert!(refused(0, &[0], 0));
        assert!(refused(0, &[0], 2));
        assert!(refused(0, &[], 0));
        assert!(refused(0, &[0, 1], 1));
        assert!(refused(0, &[-1], 1));
        assert!(refused(0, &[3], 1));
    }
}
