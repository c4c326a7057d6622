//! The images under evaluation.

use crate::score::Score;
use crate::simd::Simd;
use crate::task::Progress;
use crate::{Error, Result, check, memory, parallel};

/// One image: its mask (non-zero is defect) and its anomaly map, both row by row.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a, T> {
    pub(super) mask: &'a [u8],
    pub(super) map: &'a [T],
    pub(super) width: usize,
}

impl<'a, T: Score> Plane<'a, T> {
    /// Refuses lengths that do not fit the shape, and an image of no pixels.
    pub fn new(mask: &'a [u8], map: &'a [T], height: usize, width: usize) -> Result<Self> {
        check::shape(mask.len(), height, width)?;
        check::shape(map.len(), height, width)?;
        if map.is_empty() {
            return Err(Error::Argument(format!("an image of {height} x {width} has no pixels")));
        }
        Ok(Self { mask, map, width })
    }
}

/// A part of one image, small enough to be a piece of work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a, T> {
    pub mask: &'a [u8],
    pub map: &'a [T],
}

/// Pixels in a piece.
const PIECE: usize = 1 << 17;

/// All pixels of all images, in pieces.
pub(super) fn pieces<'a, T>(planes: &[Plane<'a, T>]) -> Result<Vec<Piece<'a, T>>> {
    let count = planes.iter().map(|plane| plane.map.len().div_ceil(PIECE)).sum();
    let mut all = memory::reserved(count)?;
    for plane in planes {
        let pairs = plane.mask.chunks(PIECE).zip(plane.map.chunks(PIECE));
        all.extend(pairs.map(|(mask, map)| Piece { mask, map }));
    }
    Ok(all)
}

/// The first score that is not finite, as an error that says where it is.
pub(super) fn first_not_finite<T: Score>(planes: &[Plane<'_, T>], progress: &Progress) -> Error {
    for (i, plane) in planes.iter().enumerate() {
        if let Err(interrupted) = progress.check() {
            return interrupted;
        }
        if let Some(at) = plane.map.iter().position(|score| !score.finite()) {
            return Error::NotFinite(format!(
                "maps[{i}] holds {} at row {}, column {}",
                plane.map[at].as_f64(),
                at / plane.width,
                at % plane.width
            ));
        }
    }
    check::changed("a map")
}

/// The largest score below `limit`.
pub(super) fn largest_below<T: Score>(
    pieces: &[Piece<'_, T>],
    limit: T,
    simd: Simd,
    progress: &Progress,
) -> Result<Option<T>> {
    // Many running maxima: the compiler can keep them in vector registers.
    let larger = |best: T, score: T| if score < limit && score > best { score } else { best };
    let best = parallel::for_each(
        pieces.len(),
        progress,
        || Ok([T::LOWEST; 64]),
        |best, i| {
            let (whole, rest) = pieces[i].map.as_chunks::<64>();
            let mut local = *best;
            simd.vectorize(|| {
                for scores in whole {
                    for (best, &score) in local.iter_mut().zip(scores) {
                        let score = if score < limit { score } else { T::LOWEST };
                        *best = if score > *best { score } else { *best };
                    }
                }
            });
            local[0] = rest.iter().fold(local[0], |best, &score| larger(best, score));
            *best = local;
            Ok(())
        },
    )?;
    let best = best.into_iter().flatten().fold(T::LOWEST, larger);
    Ok((best > T::LOWEST).then_some(best))
}
