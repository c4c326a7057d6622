//! Checks that several kernels share.

use rayon::prelude::*;

use crate::simd::Simd;
use crate::task::Progress;
use crate::{Error, Matrix, Result};

/// The error where `name` holds something else than it did at a first look.
pub(crate) fn changed(name: &str) -> Error {
    Error::Argument(format!(
        "{name} changed while it was read: another thread must not write to it"
    ))
}

/// The largest magnitude in `matrix`, or an error that calls it `name` and says where its first
/// NaN or infinity is. Runs on the current pool.
pub(crate) fn finite(
    name: &str,
    matrix: Matrix<'_>,
    simd: Simd,
    progress: &Progress,
) -> Result<f32> {
    const CHUNK: usize = 1 << 16;
    let data = matrix.data();
    // Without the sign, the bits of a float32 are in order of magnitude; NaN comes last.
    let magnitude = |x: &f32| x.to_bits() & 0x7fff_ffff;
    let largest = data
        .par_chunks(CHUNK)
        .map(|chunk| {
            progress.check()?;
            Ok(simd.vectorize(
                #[inline(always)]
                || chunk.iter().map(magnitude).fold(0, u32::max),
            ))
        })
        .try_reduce(|| 0, |a, b| Ok(a.max(b)))?;
    if largest < f32::INFINITY.to_bits() {
        return Ok(f32::from_bits(largest));
    }
    let chunk = data
        .par_chunks(CHUNK)
        .position_first(|chunk| progress.check().is_err() || chunk.iter().any(|x| !x.is_finite()))
        .unwrap_or(0);
    progress.check()?;
    let Some(inside) = data[chunk * CHUNK..].iter().position(|x| !x.is_finite()) else {
        return Err(changed(name));
    };
    let at = chunk * CHUNK + inside;
    Err(Error::NotFinite(format!(
        "{name} must be finite: row {}, column {} is {}",
        at / matrix.cols(),
        at % matrix.cols(),
        data[at]
    )))
}

/// Refuses a shape that does not fit `len` values, or has more pixels than an `i32` can number.
pub(crate) fn shape(len: usize, height: usize, width: usize) -> Result<()> {
    if height.checked_mul(width) != Some(len) {
        return Err(Error::Argument(format!("{len} values do not make {height} x {width} pixels")));
    }
    if len > i32::MAX as usize {
        return Err(Error::Argument(format!(
            "an image of {height} x {width} has more than {} pixels",
            i32::MAX
        )));
    }
    Ok(())
}
