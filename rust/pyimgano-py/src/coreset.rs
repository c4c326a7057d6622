//! Binding of `pyimgano_core::coreset`.

use numpy::{PyArray1, PyReadonlyArray2};
use pyimgano_core::{coreset, memory};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{Signals, add_stats, matrix, to_py};

/// See `pyimgano.kernels.greedy_coreset`.
#[pyfunction]
#[pyo3(signature = (features, n_samples, start, n_threads=None, progress=None, counts=None))]
pub fn greedy_coreset<'py>(
    py: Python<'py>,
    features: PyReadonlyArray2<'py, f32>,
    n_samples: usize,
    start: usize,
    n_threads: Option<usize>,
    progress: Option<Py<PyAny>>,
    counts: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let features = matrix("features", &features)?;
    let signals = Signals::new(progress);
    let (picks, stats) = signals.run(py, |monitor| {
        coreset::greedy_with_stats(features, n_samples, start, n_threads, monitor)
    })?;
    add_stats(counts, stats)?;
    let rows = memory::collected(picks.into_iter().map(|row| row as i64)).map_err(to_py)?;
    Ok(PyArray1::from_vec(py, rows))
}
