//! Checks that several kernels share.

use rayon::prelude::*;

use crate::{Error, Matrix, Result};

/// An error that names the first NaN or infinity of `matrix`, which is called `name`. Runs in parallel.
pub(crate) fn finite(name: &str, matrix: Matrix<'_>) -> Result<()> {
    const CHUNK: usize = 1 << 16;
    let data = matrix.data();
    let bad = data.par_chunks(CHUNK).enumerate().find_map_first(|(c, chunk)| {
        // A sum of x * 0 is 0 unless some x is not finite: no branch in the loop.
        if chunk.iter().map(|x| x * 0.0).fold(0.0, |a, b| a + b) == 0.0 {
            return None;
        }
        chunk.iter().position(|x| !x.is_finite()).map(|i| c * CHUNK + i)
    });
    match bad {
        None => Ok(()),
        Some(at) => Err(Error::NotFinite(format!(
            "{name} must be finite: row {}, column {} is {}",
            at / matrix.cols(),
            at % matrix.cols(),
            data[at]
        ))),
    }
}
