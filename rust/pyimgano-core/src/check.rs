//! Checks that several kernels share.

use rayon::prelude::*;

use crate::simd::Simd;
use crate::{Error, Matrix, Result};

/// The largest magnitude in `matrix`, or an error that calls it `name` and says where its first
/// NaN or infinity is. Runs on the current pool.
pub(crate) fn finite(name: &str, matrix: Matrix<'_>, simd: Simd) -> Result<f32> {
    const CHUNK: usize = 1 << 16;
    let data = matrix.data();
    // Without the sign, the bits of a float32 are in order of magnitude; NaN comes last.
    let magnitude = |x: &f32| x.to_bits() & 0x7fff_ffff;
    let largest = data
        .par_chunks(CHUNK)
        .map(|chunk| {
            simd.vectorize(
                #[inline(always)]
                || chunk.iter().map(magnitude).fold(0, u32::max),
            )
        })
        .reduce(|| 0, u32::max);
    if largest < f32::INFINITY.to_bits() {
        return Ok(f32::from_bits(largest));
    }
    let at = data.par_iter().position_first(|x| !x.is_finite()).unwrap_or(0);
    Err(Error::NotFinite(format!(
        "{name} must be finite: row {}, column {} is {}",
        at / matrix.cols(),
        at % matrix.cols(),
        data[at]
    )))
}
