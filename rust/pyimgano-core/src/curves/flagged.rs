//! What one threshold flags.

use super::planes::Plane;
use crate::score::Score;
use crate::simd::Simd;
use crate::task::Progress;
use crate::{Result, memory, parallel};

/// Pixels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flagged {
    /// Defect pixels above the threshold.
    pub hits: u64,
    /// All pixels above it.
    pub flagged: u64,
    /// All defect pixels.
    pub defect: u64,
}

/// Pixels that are counted in bytes: at most 255.
const PART: usize = 255;

/// What `score > threshold` flags of each image.
pub fn flagged<T: Score>(
    planes: &[Plane<'_, T>],
    threshold: f64,
    simd: Simd,
    progress: &Progress,
) -> Result<Vec<Flagged>> {
    let states = parallel::for_each(
        planes.len(),
        progress,
        || Ok(Vec::new()),
        |found: &mut Vec<(usize, Flagged)>, i| {
            memory::room(found, 1)?;
            found.push((i, simd.vectorize(|| count(planes[i], threshold))));
            Ok(())
        },
    )?;
    let mut all = memory::filled(planes.len(), Flagged::default())?;
    states.into_iter().flatten().for_each(|(i, one)| all[i] = one);
    Ok(all)
}

#[inline(always)]
fn count<T: Score>(plane: Plane<'_, T>, threshold: f64) -> Flagged {
    let mut all = Flagged::default();
    for (mask, map) in plane.mask.chunks(PART).zip(plane.map.chunks(PART)) {
        let (mut hits, mut above, mut defect) = (0u8, 0u8, 0u8);
        for (&byte, &score) in mask.iter().zip(map) {
            let (is_defect, is_above) = (u8::from(byte != 0), u8::from(score.as_f64() > threshold));
            hits += is_defect & is_above;
            above += is_above;
            defect += is_defect;
        }
        all.hits += u64::from(hits);
        all.flagged += u64::from(above);
        all.defect += u64::from(defect);
    }
    all
}
